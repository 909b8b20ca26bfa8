// Package offer is the catalogue of offers: what a shop gives, to whom, on what, for how long and how often.
//
// It exists apart from rule because an offer outlives the rules that show it: a till redeems it, its stock and budget run
// out, its codes are used up. A rule decides when an offer is shown, by its id; the offer's own condition joins the rule's,
// in the same language with the same checks, so that nobody is shown what they cannot have.
//
// Everything is pure. Decided against: a second kind of condition for offers (two languages to learn), and terms written
// into rules (the same offer in three rules would be three offers, with three budgets).
package offer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/recommend/rule"
)

// Offer is one offer as a product team writes it. Its JSON is what the API takes and gives, and what is kept.
type Offer struct {
	ID      string            `json:"id"`
	Name    string            `json:"name,omitempty"`    // for the team
	Owner   string            `json:"owner,omitempty"`   // who answers for it
	Purpose string            `json:"purpose,omitempty"` // why it is there, in a sentence
	Title   map[string]string `json:"title"`             // for shoppers, by language tag
	Text    map[string]string `json:"text,omitempty"`    // the small print, likewise
	Uses    []who.Purpose     `json:"uses,omitempty"`    // what shoppers' data its conditions may read

	When     string   `json:"when,omitempty"`     // who may have it: a condition in CEL that asks about no candidate; empty: everybody
	Stores   []string `json:"stores,omitempty"`   // ids of where it holds; none: everywhere
	Tiers    []string `json:"tiers,omitempty"`    // of loyalty cards that may have it; none: all
	Segments []string `json:"segments,omitempty"` // of shoppers, any of which may have it; none: all

	Items      []string `json:"items,omitempty"`      // what it is on: any of these products,
	Categories []string `json:"categories,omitempty"` // or of these categories and what is below them,
	Brands     []string `json:"brands,omitempty"`     // or of these brands,
	Tags       []string `json:"tags,omitempty"`       // or with any of these tags; none of all: on what the rule asks for

	// At most one says a price, of one piece; none: it gives something else, which Title says.
	PercentOff float64 `json:"percent_off,omitempty"` // over 0, at most 100
	MinorOff   int64   `json:"minor_off,omitempty"`   // minor units of the currency off the price
	Minor      int64   `json:"minor,omitempty"`       // the price, in minor units
	Neutral    string  `json:"neutral,omitempty"`     // what everyone can have; needed where the price depends on personal data

	Points int64 `json:"points,omitempty"` // of the loyalty card, that it costs

	From  time.Time `json:"from,omitzero"`  // zero: since ever
	Until time.Time `json:"until,omitzero"` // it is over then; zero: never

	Stock       int64  `json:"stock,omitempty"`        // how often it can be redeemed in all; 0: no limit
	BudgetMinor int64  `json:"budget_minor,omitempty"` // of what redemptions take off, in all; 0: no limit
	PerShopper  int    `json:"per_shopper,omitempty"`  // how often one shopper may redeem it; 0: no limit
	Codes       bool   `json:"codes,omitempty"`        // a redemption needs a code, of which each works once
	Group       string `json:"group,omitempty"`        // offers of one group do not stack: one of them in a basket, and in an answer
}

// Bounds of an offer.
const (
	MaxListed     = 100 // ids, categories, … in one list
	MaxTitle      = 200 // characters
	MaxText       = 2000
	MaxPerShopper = 1000
)

// Priced tells whether the offer lowers a price.
func (o *Offer) Priced() bool { return o.PercentOff != 0 || o.MinorOff != 0 || o.Minor != 0 }

// Limited tells whether it can run out.
func (o *Offer) Limited() bool { return o.Stock > 0 || o.BudgetMinor > 0 }

// Valid tells whether it has begun and is not over.
func (o *Offer) Valid(at time.Time) bool {
	return !at.Before(o.From) && (o.Until.IsZero() || at.Before(o.Until))
}

// Holds tells whether it holds in a store; "" is nowhere.
func (o *Offer) Holds(store string) bool {
	return len(o.Stores) == 0 || slices.Contains(o.Stores, store)
}

// On tells whether the offer names what it is on, rather than leave it to rules.
func (o *Offer) On() bool {
	return len(o.Items)+len(o.Categories)+len(o.Brands)+len(o.Tags) > 0
}

// price is the offer as rules know it.
func (o *Offer) price() rule.Offer {
	return rule.Offer{ID: o.ID, PercentOff: o.PercentOff, MinorOff: o.MinorOff, Minor: o.Minor, Neutral: o.Neutral}
}

// eligibility is the condition on the shopper: When, tiers, segments and points.
func (o *Offer) eligibility() []string {
	var parts []string
	if strings.TrimSpace(o.When) != "" {
		parts = append(parts, "("+o.When+")")
	}
	if len(o.Tiers) > 0 {
		parts = append(parts, "shopper.tier in "+texts(o.Tiers))
	}
	if len(o.Segments) > 0 {
		parts = append(parts, either(o.Segments, func(s string) string { return strconv.Quote(s) + " in shopper.segments" }))
	}
	if o.Points > 0 {
		parts = append(parts, fmt.Sprintf("shopper.points >= %d", o.Points))
	}
	return parts
}

// condition is all that joins the condition of a rule that names the offer.
func (o *Offer) condition() string {
	parts := o.eligibility()
	if len(o.Stores) > 0 {
		parts = append(parts, "place.store in "+texts(o.Stores))
	}
	var on []string
	if len(o.Items) > 0 {
		on = append(on, "candidate.item in "+texts(o.Items))
	}
	for _, c := range o.Categories {
		on = append(on, "candidate.category == "+strconv.Quote(c), "candidate.category.startsWith("+strconv.Quote(c+"/")+")")
	}
	if len(o.Brands) > 0 {
		on = append(on, "candidate.brand in "+texts(o.Brands))
	}
	for _, t := range o.Tags {
		on = append(on, strconv.Quote(t)+" in candidate.tags")
	}
	if len(on) > 0 {
		parts = append(parts, "("+strings.Join(on, " || ")+")")
	}
	return strings.Join(parts, " && ")
}

// texts is a list as conditions write it.
func texts(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func either(all []string, say func(string) string) string {
	parts := make([]string, len(all))
	for i, s := range all {
		parts[i] = say(s)
	}
	return "(" + strings.Join(parts, " || ") + ")"
}

// Catalogue is all offers of a retailer. It is immutable and safe for concurrent use; nil holds none.
type Catalogue struct{ live map[string]*Live }

// Live is an offer, ready to be asked who may have it. It is safe for concurrent use.
type Live struct {
	Offer
	asked    func() (*rule.Set, error)
	headline string
}

var _ rule.Offers = (*Catalogue)(nil)

// New makes an offer ready.
func New(o Offer) *Live {
	l := &Live{Offer: o}
	for _, tag := range slices.Sorted(maps.Keys(o.Title)) {
		l.headline = o.Title[tag]
		if tag == "en" {
			break
		}
	}
	l.asked = sync.OnceValues(func() (*rule.Set, error) {
		parts := o.eligibility()
		if len(parts) == 0 {
			return nil, nil
		}
		say := rule.Action{Kind: rule.Say, Text: map[string]string{"en": "-"}}
		return rule.NewSet(o.ID, []rule.Rule{{ID: o.ID, Uses: o.Uses, When: strings.Join(parts, " && "), Then: []rule.Action{say}}}, rule.House{})
	})
	return l
}

// Headline is the title for whoever has no choice of language: in English, else in any.
func (l *Live) Headline() string { return l.headline }

// Eligibility is a set of one rule, which matches whoever may have the offer; nil: everybody. Where it holds and what it is
// on are left out: that is for whoever redeems it to say.
func (l *Live) Eligibility() (*rule.Set, error) { return l.asked() }

// NewCatalogue joins offers, of which each id is there once.
func NewCatalogue(offers map[string]*Live) *Catalogue { return &Catalogue{live: maps.Clone(offers)} }

// Of finds an offer; nil: there is none.
func (c *Catalogue) Of(id string) *Live {
	if c == nil {
		return nil
	}
	return c.live[id]
}

// Len is how many there are.
func (c *Catalogue) Len() int {
	if c == nil {
		return 0
	}
	return len(c.live)
}

// Named is an offer in the words of rules.
func (c *Catalogue) Named(id string) (rule.Named, bool) {
	l := c.Of(id)
	if l == nil {
		return rule.Named{}, false
	}
	return rule.Named{Offer: l.price(), When: l.condition(), Uses: l.Uses, From: l.From, Until: l.Until}, true
}

// IDs lists all, in order.
func (c *Catalogue) IDs() []string {
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.live))
}
