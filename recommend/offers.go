package recommend

import (
	"slices"

	"satnav/recommend/rule"
)

// offersAmong is how many offers of the catalogue a list of other things may hold.
const offersAmong = 3

// offer chooses the offers of the catalogue that are suggested: those that live rules make in this scene, the first rule's first,
// one of a group. Who may have them was asked with the rules' conditions.
func (w *work) offer(most int) {
	made := w.rules.request.Offers(w.rules.offered[:0])
	kept := 0
	for i := range made {
		if kept == most {
			break
		}
		if w.offers(&made[i], made[:kept]) {
			made[kept] = made[i]
			kept++
		}
	}
	w.rules.offered = made[:kept]
}

// offers tells whether an offer may stand beside those before it, and no rule keeps it out.
func (w *work) offers(o *rule.Offered, before []rule.Offered) bool {
	live := w.snapshot.Offers.Of(o.Offer.ID)
	if live == nil {
		return false
	}
	if live.Group != "" && slices.ContainsFunc(before, func(other rule.Offered) bool { return w.snapshot.Offers.Of(other.Offer.ID).Group == live.Group }) {
		return false
	}
	if !w.rules.request.Asks() {
		return true
	}
	w.rules.asked = rule.Candidate{Kind: string(KindOffer), Item: live.ID, Tags: live.Tags}
	e := &w.rules.effect
	w.rules.request.Candidate(&w.rules.asked, e)
	if e.Exclude && len(w.rules.out) < maxWithheld {
		for _, r := range e.Matched {
			if slices.ContainsFunc(r.Then, func(a rule.Action) bool { return a.Kind == rule.Exclude }) {
				w.rules.out = append(w.rules.out, Withheld{live.ID, r, rule.Exclude})
				break
			}
		}
	}
	return !e.Exclude
}

// explainOffers fills in the offers, which stand last in the list, each with its reason.
func (w *work) explainOffers(list []Suggestion, ids string) {
	until := w.validUntil()
	others := list[:len(list)-len(w.rules.offered)]
	for i := range w.rules.offered {
		o := &w.rules.offered[i]
		live := w.snapshot.Offers.Of(o.Offer.ID)
		s := &list[len(others)+i]
		s.ID = ids[i*idLength : (i+1)*idLength]
		s.Kind, s.Item, s.Title, s.Offered = KindOffer, live.ID, live.Headline(), live
		s.Propensity, s.ValidUntil = 1, until
		if !live.Until.IsZero() && live.Until.Before(until) {
			s.ValidUntil = live.Until
		}
		for n := range others {
			if r := others[n].Ruled; r != nil && r.Offer != nil && r.Offer.ID == live.ID {
				s.Score = max(s.Score, others[n].Score)
			}
		}
		s.Ruled = &Ruled{Matched: []*rule.Rule{o.Rule}, Factor: 1, Personal: o.Personal}
		w.reasons = append(w.reasons, Reason{Code: OnOffer})
		w.told[len(others)+i] = 1
	}
}

// placeOffers moves the offers, which stand last, to their places: before the first thing whose price they lower, else to the front.
func (w *work) placeOffers(list []Suggestion) {
	first := len(list) - len(w.rules.offered)
	front := 0
	for i := range w.rules.offered {
		offer := list[first+i]
		to := slices.IndexFunc(list[:first+i], func(s Suggestion) bool {
			return s.Kind != KindOffer && s.Ruled != nil && s.Ruled.Offer != nil && s.Ruled.Offer.ID == offer.Item
		})
		if to < 0 {
			to = front
			front++
		}
		copy(list[to+1:first+i+1], list[to:first+i])
		list[to] = offer
	}
}
