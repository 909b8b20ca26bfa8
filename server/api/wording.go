package api

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/money"
	"satnav/server/retailer"
	"satnav/server/visit"
)

// phrases are the texts of reasons in one language. The engine knows codes and values; what a shopper reads
// is written here, so that a new language is one more row.
type phrases map[recommend.Code]string

// Phrases of their own for a count of one, and for when something sells more than it does on average.
const (
	boughtOnce  = recommend.UsuallyBought + "_once"
	visitedOnce = recommend.UsuallyVisited + "_once"

	popularThisHour    = recommend.PopularNow + "_" + recommend.ThisHour
	popularThisWeekday = recommend.PopularNow + "_" + recommend.ThisWeekday
	popularThisMonth   = recommend.PopularNow + "_" + recommend.ThisTimeOfMonth
	popularThisSeason  = recommend.PopularNow + "_" + recommend.ThisSeason
)

// In a phrase, {every}, {last}, {times}, {with}, {store} and {meters} stand for a reason's values.
var phrasesOf = map[language.Tag]phrases{
	language.English: {
		recommend.DueAgain:       "You buy this about every {every} days; last time {last} days ago",
		recommend.UsuallyBought:  "You have bought this {times} times",
		recommend.BoughtTogether: "Often bought together with {with}",
		recommend.Suits:          "Goes with what you buy",
		recommend.PopularHere:    "Popular at {store}",
		recommend.PopularNow:     "Popular at this time",
		recommend.Popular:        "Popular with many shoppers",
		recommend.Nearby:         "{meters} m from you",
		recommend.UsuallyVisited: "You have been here {times} times",
		recommend.UsuallyNext:    "You often go here after {store}",
		recommend.OftenNext:      "Many go here after {store}",
		recommend.OnYourList:     "It is on your list",
		recommend.Searched:       "It is what you are looking for",
		recommend.Liked:          "You liked this",
		recommend.Viewed:         "You looked at this lately",
		recommend.InCatalogue:    "From the catalogue",
		recommend.Picked:         "Picked by the shop",
		recommend.OnOffer:        "On offer for you",
		boughtOnce:               "You have bought this before",
		visitedOnce:              "You have been here before",
		popularThisHour:          "Bought more than usual at this hour",
		popularThisWeekday:       "Bought more than usual on this day of the week",
		popularThisMonth:         "Bought more than usual at this time of the month",
		popularThisSeason:        "Bought more than usual at this time of the year",
	},
	language.German: {
		recommend.DueAgain:       "Sie kaufen das etwa alle {every} Tage; zuletzt vor {last} Tagen",
		recommend.UsuallyBought:  "Sie haben das {times}-mal gekauft",
		recommend.BoughtTogether: "Oft zusammen mit {with} gekauft",
		recommend.Suits:          "Passt zu dem, was Sie kaufen",
		recommend.PopularHere:    "Beliebt bei {store}",
		recommend.PopularNow:     "Beliebt um diese Zeit",
		recommend.Popular:        "Bei vielen beliebt",
		recommend.Nearby:         "{meters} m von Ihnen",
		recommend.UsuallyVisited: "Sie waren {times}-mal hier",
		recommend.UsuallyNext:    "Sie gehen nach {store} oft hierher",
		recommend.OftenNext:      "Viele gehen nach {store} hierher",
		recommend.OnYourList:     "Steht auf Ihrer Liste",
		recommend.Searched:       "Danach suchen Sie",
		recommend.Liked:          "Das hat Ihnen gefallen",
		recommend.Viewed:         "Das haben Sie sich angesehen",
		recommend.InCatalogue:    "Aus dem Sortiment",
		recommend.Picked:         "Vom Laden ausgewählt",
		recommend.OnOffer:        "Für Sie im Angebot",
		boughtOnce:               "Sie haben das schon gekauft",
		visitedOnce:              "Sie waren schon hier",
		popularThisHour:          "Um diese Zeit öfter gekauft als sonst",
		popularThisWeekday:       "An diesem Wochentag öfter gekauft als sonst",
		popularThisMonth:         "Um diese Zeit im Monat öfter gekauft als sonst",
		popularThisSeason:        "Zu dieser Jahreszeit öfter gekauft als sonst",
	},
	language.French: {
		recommend.DueAgain:       "Vous l’achetez environ tous les {every} jours ; la dernière fois il y a {last} jours",
		recommend.UsuallyBought:  "Vous l’avez acheté {times} fois",
		recommend.BoughtTogether: "Souvent acheté avec {with}",
		recommend.Suits:          "Va avec ce que vous achetez",
		recommend.PopularHere:    "Apprécié chez {store}",
		recommend.PopularNow:     "Apprécié à cette heure",
		recommend.Popular:        "Apprécié par beaucoup",
		recommend.Nearby:         "À {meters} m de vous",
		recommend.UsuallyVisited: "Vous y êtes allé {times} fois",
		recommend.UsuallyNext:    "Vous y allez souvent après {store}",
		recommend.OftenNext:      "Beaucoup y vont après {store}",
		recommend.OnYourList:     "Il est sur votre liste",
		recommend.Searched:       "C’est ce que vous cherchez",
		recommend.Liked:          "Vous l’avez aimé",
		recommend.Viewed:         "Vous l’avez regardé récemment",
		recommend.InCatalogue:    "Du catalogue",
		recommend.Picked:         "Choisi par le magasin",
		recommend.OnOffer:        "En offre pour vous",
		boughtOnce:               "Vous l’avez déjà acheté",
		visitedOnce:              "Vous y êtes déjà allé",
		popularThisHour:          "Plus acheté que d’habitude à cette heure",
		popularThisWeekday:       "Plus acheté que d’habitude ce jour de la semaine",
		popularThisMonth:         "Plus acheté que d’habitude à ce moment du mois",
		popularThisSeason:        "Plus acheté que d’habitude en cette saison",
	},
	language.Portuguese: {
		recommend.DueAgain:       "Compra isto cerca de cada {every} dias; a última vez foi há {last} dias",
		recommend.UsuallyBought:  "Já comprou isto {times} vezes",
		recommend.BoughtTogether: "Muitas vezes comprado com {with}",
		recommend.Suits:          "Combina com o que compra",
		recommend.PopularHere:    "Popular em {store}",
		recommend.PopularNow:     "Popular a esta hora",
		recommend.Popular:        "Popular entre muitos clientes",
		recommend.Nearby:         "A {meters} m de si",
		recommend.UsuallyVisited: "Já aqui esteve {times} vezes",
		recommend.UsuallyNext:    "Vai muitas vezes aqui depois de {store}",
		recommend.OftenNext:      "Muitos vêm aqui depois de {store}",
		recommend.OnYourList:     "Está na sua lista",
		recommend.Searched:       "É o que procura",
		recommend.Liked:          "Gostou disto",
		recommend.Viewed:         "Viu isto há pouco tempo",
		recommend.InCatalogue:    "Do catálogo",
		recommend.Picked:         "Escolhido pela loja",
		recommend.OnOffer:        "Em oferta para si",
		boughtOnce:               "Já comprou isto",
		visitedOnce:              "Já aqui esteve",
		popularThisHour:          "Mais comprado do que o habitual a esta hora",
		popularThisWeekday:       "Mais comprado do que o habitual neste dia da semana",
		popularThisMonth:         "Mais comprado do que o habitual nesta altura do mês",
		popularThisSeason:        "Mais comprado do que o habitual nesta época do ano",
	},
}

// languages lists the languages of phrasesOf; the first one serves whoever speaks none of them.
var languages = []language.Tag{language.English, language.German, language.French, language.Portuguese}

var matcher = language.NewMatcher(languages)

// words write the texts of one answer.
type words struct {
	phrases  phrases
	wanted   string // tag; empty: English
	exponent int    // decimals of the retailer's currency
	snapshot *retailer.Snapshot
}

// wordsFor are the words for a wanted language, else for the retailer's first.
func wordsFor(wanted string, snapshot *retailer.Snapshot) words {
	if wanted == "" && len(snapshot.Settings.Languages) > 0 {
		wanted = snapshot.Settings.Languages[0]
	}
	spoken := languages[0]
	if wanted != "" && wanted != "en" {
		if tag, err := language.Parse(wanted); err == nil {
			_, i, _ := matcher.Match(tag)
			spoken = languages[i]
		}
	}
	return words{phrases: phrasesOf[spoken], wanted: wanted, exponent: snapshot.Settings.Exponent(), snapshot: snapshot}
}

// reason tells a reason: its code, its values under their own names, and the text.
func (w words) reason(r *recommend.Reason) wire.Reason {
	told, n := w.slots(r)
	values := make(map[string]any, n)
	for _, s := range told[:n] {
		if s.id != "" {
			values[s.name] = s.id
		} else {
			values[s.name] = s.number
		}
	}
	return wire.Reason{Code: string(r.Code), Text: string(w.appendPhrase(nil, r, told[:n])), Values: values}
}

// pick is the text in the wanted language, in one that is near it, else in the retailer's first, else in any.
func (w words) pick(text map[string]string) string {
	if words, ok := text[w.wanted]; ok {
		return words
	}
	for _, wanted := range append([]string{w.wanted}, w.snapshot.Settings.Languages...) {
		base, _, _ := strings.Cut(wanted, "-")
		for _, tag := range slices.Sorted(maps.Keys(text)) {
			if other, _, _ := strings.Cut(tag, "-"); tag == wanted || strings.EqualFold(base, other) {
				return text[tag]
			}
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(text)) {
		return text[tag]
	}
	return ""
}

// offer tells a lowered price; its id is empty where there is none.
func (w words) offer(s *recommend.Suggestion) (o wire.SuggestedOffer) {
	return w.offered(s.Ruled.Offer, s.Ruled.Was, s.Ruled.Personal)
}

func (w words) offered(offer *rule.Offer, was who.Money, personal bool) (o wire.SuggestedOffer) {
	if offer == nil {
		return o
	}
	o = wire.SuggestedOffer{ID: offer.ID, Was: money.Format(was, w.exponent), Neutral: offer.Neutral}
	if personal {
		base, _, _ := strings.Cut(w.wanted, "-")
		o.Disclosure = rule.Disclosure(w.snapshot.Settings.Jurisdiction, base)
	}
	return o
}

// called is what a suggestion is called: an offer in the shopper's language.
func (w words) called(s *recommend.Suggestion) string {
	if s.Offered != nil {
		return w.pick(s.Offered.Title)
	}
	return s.Title
}

// terms tell what a suggested offer gives.
func (w words) terms(s *recommend.Suggestion) (t wire.OfferTerms) {
	o := s.Offered
	if o == nil {
		return t
	}
	t = wire.OfferTerms{Text: w.pick(o.Text), PercentOff: o.PercentOff, Points: o.Points, Code: o.Codes, Neutral: o.Neutral}
	if o.MinorOff > 0 {
		t.Off = money.Format(who.Money{Minor: o.MinorOff, Known: true}, w.exponent)
	}
	if o.Minor > 0 {
		t.Price = money.Format(who.Money{Minor: o.Minor, Known: true}, w.exponent)
	}
	if s.Ruled.Personal && o.Priced() {
		base, _, _ := strings.Cut(w.wanted, "-")
		t.Disclosure = rule.Disclosure(w.snapshot.Settings.Jurisdiction, base)
	}
	return t
}

// proposal tells what a trigger suggests; its rule is empty where it suggests nothing.
func (w words) proposal(p *visit.Proposal) (s wire.TriggerSuggestion) {
	if p == nil || p.Held != rule.Free {
		return s
	}
	s = wire.TriggerSuggestion{Rule: p.Rule, Kind: wire.SuggestionKind(p.Kind), Item: p.Item, Title: p.Title, Text: w.pick(p.Text),
		Price: money.Format(p.Price, w.exponent), Offer: w.offered(p.Offer, p.Was, p.Personal), ValidUntil: p.ValidUntil, RemindAt: p.RemindAt}
	for i := range p.Reasons {
		s.Reasons = append(s.Reasons, w.reason(&p.Reasons[i]))
	}
	return s
}

// message is what a rule says beside a suggestion.
func (w words) message(s *recommend.Suggestion) string {
	if s.Ruled.Said == nil {
		return ""
	}
	return w.pick(s.Ruled.Said.Text)
}

// slot is one value of a reason: an id, or else a number.
type slot struct {
	name   string // of the value
	place  string // in a phrase; empty: the phrase does not tell it
	id     string
	number float64
	said   float64 // in the phrase, to be rounded; in the place of a number
	shown  string  // in the phrase, in the place of an id
}

// slots are the values of a reason, at most two, in order of their names.
func (w words) slots(r *recommend.Reason) (told [2]slot, n int) {
	put := func(s slot) {
		told[n] = s
		n++
	}
	v := &r.Values
	switch r.Code {
	case recommend.DueAgain:
		put(slot{name: "every_days", place: "{every}", number: tenth(v.EveryDays), said: v.EveryDays})
		put(slot{name: "last_days", place: "{last}", number: tenth(v.LastDays), said: v.LastDays})
	case recommend.UsuallyBought, recommend.UsuallyVisited:
		if v.LastDays > 0 {
			put(slot{name: "last_days", number: tenth(v.LastDays)})
		}
		put(slot{name: "times", place: "{times}", number: float64(v.Times), said: float64(v.Times)})
	case recommend.BoughtTogether:
		put(slot{name: "with", place: "{with}", id: v.With, shown: w.title(v.With)})
	case recommend.PopularHere, recommend.OftenNext:
		put(slot{name: "store", place: "{store}", id: v.Store, shown: w.store(v.Store)})
	case recommend.UsuallyNext:
		put(slot{name: "store", place: "{store}", id: v.Store, shown: w.store(v.Store)})
		put(slot{name: "times", number: float64(v.Times)})
	case recommend.PopularNow:
		if v.When != "" { // older records do not tell it
			put(slot{name: "when", id: v.When})
		}
	case recommend.Nearby:
		put(slot{name: "meters", place: "{meters}", number: math.Round(v.Meters), said: v.Meters})
		if v.Store != "" {
			put(slot{name: "store", id: v.Store})
		}
	}
	return told, n
}

// appendPhrase appends a reason's text.
func (w words) appendPhrase(b []byte, r *recommend.Reason, told []slot) []byte {
	phrase := w.phrases[r.Code]
	if r.Code == recommend.PopularNow {
		switch r.Values.When {
		case recommend.ThisHour:
			phrase = w.phrases[popularThisHour]
		case recommend.ThisWeekday:
			phrase = w.phrases[popularThisWeekday]
		case recommend.ThisTimeOfMonth:
			phrase = w.phrases[popularThisMonth]
		case recommend.ThisSeason:
			phrase = w.phrases[popularThisSeason]
		}
	}
	if r.Values.Times == 1 {
		switch r.Code { // not r.Code+"_once": that would be made anew for each reason
		case recommend.UsuallyBought:
			phrase = w.phrases[boughtOnce]
		case recommend.UsuallyVisited:
			phrase = w.phrases[visitedOnce]
		}
	}
	for phrase != "" {
		open := strings.IndexByte(phrase, '{')
		if open < 0 {
			return append(b, phrase...)
		}
		b, phrase = append(b, phrase[:open]...), phrase[open:]
		i := slices.IndexFunc(told, func(s slot) bool { return s.place != "" && strings.HasPrefix(phrase, s.place) })
		switch {
		case i < 0:
			b, phrase = append(b, '{'), phrase[1:]
			continue
		case told[i].shown != "":
			b = append(b, told[i].shown...)
		default: // as people say it: what is less than one is one
			b = strconv.AppendInt(b, int64(math.Max(1, math.Round(told[i].said))), 10)
		}
		phrase = phrase[len(told[i].place):]
	}
	return b
}

// tenth rounds to one decimal: more would pretend to know.
func tenth(days float64) float64 { return math.Round(days*10) / 10 }

// title is what people call an item.
func (w words) title(id string) string {
	if number, ok := w.snapshot.Names.Items.Lookup(id); ok {
		if p := w.snapshot.Suggest.Catalogue.Product(number); p != nil {
			return p.Title
		}
	}
	return id
}

// store is what people call a store.
func (w words) store(id string) string {
	if s, ok := w.snapshot.Scene.Stores.ByID(id); ok {
		return s.Name
	}
	return id
}
