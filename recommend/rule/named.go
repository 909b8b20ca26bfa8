package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"satnav/context/who"
)

// Offers is a catalogue of offers, which actions name. It answers from memory.
type Offers interface {
	Named(id string) (Named, bool)
	IDs() []string // of all
}

// Named is what the catalogue says of one offer, in the words of rules.
type Named struct {
	Offer Offer         // its id, and its price if it changes one
	When  string        // whom and what it is for: it joins the condition of every rule that names the offer
	Uses  []who.Purpose // under which When reads
	// From is when the offer begins, Until when it is over; zero: there is no such time.
	From, Until time.Time
}

// Offered is an offer of the catalogue that a rule makes in a scene.
type Offered struct {
	Rule     *Rule
	Offer    *Offer
	Personal bool // that it is made depends on what is known of the shopper
}

// Named tells whether the offer is one of the catalogue, which an action names by its id alone. Of one that a set was
// made with, the price is filled in.
func (o *Offer) Named() bool { return o != nil && (o.named || o.ID != "" && !o.priced()) }

// priced tells whether the offer says a price.
func (o *Offer) priced() bool { return o.PercentOff != 0 || o.MinorOff != 0 || o.Minor != 0 }

// gives tells whether the action makes an offer of the catalogue that does nothing to prices.
func (a *Action) gives() bool { return a.Kind == Price && a.Offer.named && !a.Offer.priced() }

// Names lists the offers of the catalogue that a rule makes.
func (r *Rule) Names() (ids []string) {
	for i := range r.Then {
		if o := r.Then[i].Offer; r.Then[i].Kind == Price && o.Named() {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// Aside tells whether a condition asks about a candidate, and what is wrong with it.
func Aside(when string) (candidate bool, problems []Problem) {
	f, problems := compile(when)
	return f != nil && f.aboutCandidate(), problems
}

// join puts what the catalogue says of the offer that a rule names into the member: its condition, its price, its times. The
// rule itself is not changed.
func (i *inspection) join(m *member) {
	for n := range m.rule.Then {
		a := &m.rule.Then[n]
		if a.Kind != Price || !a.Offer.Named() || i.house.Offers == nil {
			continue
		}
		at := fmt.Sprintf("then[%d].offer", n)
		named, known := i.house.Offers.Named(a.Offer.ID)
		switch {
		case !known:
			mend := didYouMean(a.Offer.ID, i.house.Offers.IDs())
			if mend == "" {
				mend = "name one of GET /v1/offers, or set one of percent_off, minor_off and minor"
			}
			i.say(at+".id", fmt.Sprintf("the catalogue has no offer %q", a.Offer.ID), mend)
			return
		case m.named:
			i.say(at, "the rule names a second offer of the catalogue", "make two rules of it")
			return
		}
		m.named = true
		if len(i.problems) > 0 {
			continue // what is said of the joined condition would be about the same
		}
		joined := *m.rule
		joined.When = and(m.rule.When, named.When)
		joined.Uses = slices.Concat(m.rule.Uses, named.Uses)
		joined.Then = slices.Clone(m.rule.Then)
		offer := named.Offer
		offer.named = true
		joined.Then[n].Offer = &offer
		f, problems := compile(joined.When)
		if len(problems) > 0 {
			i.say(at, fmt.Sprintf("with the condition of the offer %q: %s", offer.ID, problems[0].Text), problems[0].Mend)
			return
		}
		if offer.priced() && offer.Neutral == "" && (f.personal() || m.rule.Trigger.purpose() != "") {
			i.say(at, fmt.Sprintf("the price depends on what is known of the shopper, and the offer %q names no neutral alternative", offer.ID), "say in the offer what everyone can have (neutral)")
			return
		}
		m.rule, m.formula = &joined, f
		if !named.From.IsZero() {
			m.from = named.From.Unix()
		}
		if !named.Until.IsZero() {
			m.until = named.Until.Unix()
		}
	}
}

// and joins two conditions of which either may be empty.
func and(a, b string) string {
	switch {
	case strings.TrimSpace(a) == "":
		return b
	case strings.TrimSpace(b) == "":
		return a
	}
	return "(" + a + ") && (" + b + ")"
}

// valid tells whether the offer that a rule names has begun and is not over. In a scene without an instant it is.
func (m *member) valid(moment *Moment) bool {
	return moment.Unix == 0 || (m.from == 0 || moment.Unix >= m.from) && (m.until == 0 || moment.Unix < m.until)
}

// Offers appends the offers of the catalogue that rules make in this scene, the first rule's first, each once. What they do
// to prices of candidates is Candidate's.
func (r *Request) Offers(offered []Offered) []Offered {
	for _, n := range r.set.naming {
		if !r.active[n] {
			continue
		}
		m := &r.set.members[n]
		for i := range m.rule.Then {
			a := &m.rule.Then[i]
			if a.Kind == Price && a.Offer.named && !slices.ContainsFunc(offered, func(o Offered) bool { return o.Offer.ID == a.Offer.ID }) {
				offered = append(offered, Offered{m.rule, a.Offer, m.personal})
			}
		}
	}
	return offered
}

// MakesOffers tells whether any rule of the set names an offer of the catalogue.
func (s *Set) MakesOffers() bool { return s != nil && len(s.naming) > 0 }
