package offer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"satnav/context/who"
	"satnav/recommend/rule"
)

// inspection collects what is wrong with one offer.
type inspection struct {
	offer    *Offer
	house    *rule.House
	problems []rule.Problem
}

func (i *inspection) say(field, text, mend string) {
	i.problems = append(i.problems, rule.Problem{Field: field, Text: text, Mend: mend})
}

// Check tells everything that is wrong with an offer; nothing: it may be live. Its condition and its price are checked as
// those of rules are, and told in the same words.
func Check(o *Offer, house *rule.House) []rule.Problem {
	i := &inspection{offer: o, house: house}
	i.words("title", o.Title, MaxTitle, true)
	i.words("text", o.Text, MaxText, false)
	i.limits()
	i.eligible()
	i.goods()
	if len(i.problems) == 0 { // the price is judged by what the condition reads
		i.price()
	}
	return i.problems
}

func (i *inspection) words(field string, words map[string]string, most int, needed bool) {
	if needed && len(words) == 0 {
		i.say(field, "it is missing", "say what the offer is, in each language of the shop")
	}
	for _, tag := range slices.Sorted(maps.Keys(words)) {
		if _, err := language.Parse(tag); err != nil {
			i.say(field+"."+tag, fmt.Sprintf("%q is not a language", tag), `write "en" or "pt-BR"`)
		}
		if n := utf8.RuneCountInString(words[tag]); strings.TrimSpace(words[tag]) == "" || n > most {
			i.say(field+"."+tag, fmt.Sprintf("the text has %d characters", n), fmt.Sprintf("1 to %d", most))
		}
	}
}

func (i *inspection) limits() {
	o := i.offer
	for _, limit := range []struct {
		field       string
		value, most int64
	}{
		{"points", o.Points, who.MaxMinor}, {"stock", o.Stock, who.MaxMinor}, {"budget_minor", o.BudgetMinor, who.MaxMinor}, {"per_shopper", int64(o.PerShopper), MaxPerShopper},
	} {
		if limit.value < 0 || limit.value > limit.most {
			i.say(limit.field, fmt.Sprintf("got %d", limit.value), fmt.Sprintf("0 for none, at most %d", limit.most))
		}
	}
	if !o.Until.IsZero() && !o.Until.After(o.From) {
		i.say("until", fmt.Sprintf("it is over at %s, before it begins", o.Until.Format("2006-01-02 15:04 MST")), "a time after from")
	}
	if o.BudgetMinor > 0 && !o.Priced() {
		i.say("budget_minor", "the offer takes nothing off a price", "limit it with stock, or say what it takes off")
	}
}

// eligible checks who may have the offer.
func (i *inspection) eligible() {
	o := i.offer
	about, wrong := rule.Aside(o.When)
	if len(wrong) == 0 {
		// Names, purposes and sensitive attributes, with their places: what a rule with this condition is told.
		say := rule.Action{Kind: rule.Say, Text: map[string]string{"en": "-"}}
		for _, p := range rule.Check(&rule.Rule{ID: "offer", Uses: o.Uses, When: o.When, Then: []rule.Action{say}}, i.house) {
			if p.Field == "when" || strings.HasPrefix(p.Field, "uses[") {
				wrong = append(wrong, p)
			}
		}
	}
	i.problems = append(i.problems, wrong...)
	if about {
		i.say("when", "it asks about a candidate, and says who may have the offer", "say what it is on with items, categories, brands and tags")
	}
	i.list("stores", o.Stores)
	i.list("tiers", o.Tiers)
	i.list("segments", o.Segments)
	i.needs("stores", len(o.Stores) > 0, who.Location)
	i.needs("tiers", len(o.Tiers) > 0, who.Loyalty)
	i.needs("segments", len(o.Segments) > 0, who.Loyalty)
	i.needs("points", o.Points > 0, who.Loyalty)
}

// needs checks that the purpose is named of what a field reads.
func (i *inspection) needs(field string, reads bool, p who.Purpose) {
	if reads && !slices.Contains(i.offer.Uses, p) {
		i.say(field, fmt.Sprintf("this may be read for purpose %q only", p), fmt.Sprintf("add %q to uses", p))
	}
}

func (i *inspection) list(field string, all []string) {
	if len(all) > MaxListed {
		i.say(field, fmt.Sprintf("got %d", len(all)), fmt.Sprintf("at most %d", MaxListed))
	}
	for n, s := range all {
		if problem := who.NameProblem(s, true); problem != "" {
			i.say(fmt.Sprintf("%s[%d]", field, n), problem, "")
		}
	}
}

// goods checks what the offer is on.
func (i *inspection) goods() {
	o := i.offer
	i.list("items", o.Items)
	i.list("categories", o.Categories)
	i.list("brands", o.Brands)
	i.list("tags", o.Tags)
	for n, path := range o.Categories {
		for _, refused := range i.house.Refused {
			if path == refused || strings.HasPrefix(path, refused+"/") {
				i.say(fmt.Sprintf("categories[%d]", n), fmt.Sprintf("no offer may be on category %q: it tells something sensitive about a person", refused), "take it out")
			}
		}
	}
	catalogue := i.house.Catalogue
	if catalogue == nil {
		return
	}
	for n, id := range o.Items {
		if goods, known := catalogue.Item(id); !known {
			i.say(fmt.Sprintf("items[%d]", n), fmt.Sprintf("the catalogue has no item %q", id), "write the id of a product")
		} else if goods.Sensitive {
			i.say(fmt.Sprintf("items[%d]", n), fmt.Sprintf("item %q is sensitive: it is never suggested", id), "take it out")
		}
	}
	for _, has := range []struct {
		field, what string
		names       []string
		known       func(string) bool
	}{
		{"categories", "the catalogue has no category", o.Categories, catalogue.Category},
		{"brands", "the catalogue has no brand", o.Brands, catalogue.Brand}, {"tags", "no product has the tag", o.Tags, catalogue.Tag},
	} {
		for n, name := range has.names {
			if !has.known(name) {
				i.say(fmt.Sprintf("%s[%d]", has.field, n), fmt.Sprintf("%s %q", has.what, name), "write it as the catalogue does")
			}
		}
	}
}

// price checks the class of prices, as that of a rule with the offer's condition.
func (i *inspection) price() {
	o := i.offer
	price := o.price()
	price.ID = "offer"
	r := &rule.Rule{ID: "offer", Uses: o.Uses, When: o.condition(), Then: []rule.Action{{Kind: rule.Price, Offer: &price}}}
	if !o.Priced() {
		r.Then = []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "-"}}}
	}
	for _, p := range rule.Check(r, i.house) {
		field, ours := strings.CutPrefix(p.Field, "then[0].offer")
		switch {
		case ours:
			p.Field = strings.TrimPrefix(field, ".")
		case p.Field == "when": // the lists make it too long, or too dear
			p.Line, p.Column, p.Mend = 0, 0, "name fewer stores, tiers, items, categories, brands and tags"
		}
		i.problems = append(i.problems, p)
	}
}
