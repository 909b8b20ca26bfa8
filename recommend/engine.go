// Package recommend makes a short, ordered, explained list from a scene.
//
// It exists so that what is suggested follows from five plain steps, each one file: candidates gather
// what may help from named sources, allow takes out what must not be shown, score weighs all with one
// blend of counting features, mix orders them, and explain tells the true causes. Everything is pure:
// a scene and a snapshot in, a list out; the scene's instant is the only now, so that tests, replays
// and evaluations of past days run the same code.
//
// Decided against: a list prepared in advance per shopper (stale by construction), and one model per
// source with a vote between them (nobody can tell why).
package recommend

import (
	"satnav/context/scene"
	"satnav/context/who"
	"satnav/recommend/rule"
)

// MaxLimit is the longest list that can be asked for.
const MaxLimit = 100

// Request is one question to the engine.
type Request struct {
	Scene scene.Scene
	Kinds []Kind // empty: products, a store when one is near, and what is on offer
	Limit int    // 0 to MaxLimit
	// Explore is how often, from 0 (never) to 1, the last place of the list is left to chance. What then stands there follows from
	// who asks, when, and the Dice: Suggestion.Propensity tells how likely it was.
	Explore float64
	Dice    uint64
	Varied  bool       // with the variety that was learnt; false: the plain ranking
	Basket  []who.Item // under way
	List    []who.Item // the shopper's own list
	// Shown are products that the shopper has just been shown. They stand behind all others, unless they are
	// on the list or searched for: nobody looks at the same thing twice within a minute. nil: the plain ranking.
	Shown []who.Item
	Query string // what the shopper searches for: products that are called so come first

	// What live rules ask beside the scene: the screen of the app, the geofences that hold the shopper (only where the grants
	// allow it), what happened (the zero Trigger: a call), and what counts over answers; nil: nothing holds a rule back.
	Screen  string
	Inside  []Stay
	Trigger rule.Happening
	Guard   rule.Guard
	Glance  bool // it is only asked what would be: it counts for no rule's health
	Why     bool // the record tells of every rule the parts of its condition with their values: not for the path
}

// Record says what an answer was made of, for the decision record. Its parts are shared with nobody.
type Record struct {
	Crowd   uint64 // version of the counts
	Model   string // version of the blend
	History bool   // the shopper's own history was used
	Place   bool   // where the shopper is was used
	// Sources is the set of sources that the suggestions came from.
	Sources    Source
	Candidates int // how many were scored
	OneSided   int // suggestions that one kind of feature decided, see Suggestion.OneSided

	Rules    rule.Trace   // what every live rule came to
	Acted    []*rule.Rule // those that changed what is shown
	Says     []Said       // messages and reminders that are about no candidate
	Withheld []Withheld   // candidates that rules kept out, the first ones
	Stage    string       // of the shopper, one of rule.Lifecycles; empty: not known, or there are no rules
	Verdicts []rule.Verdict
}

// Recommend answers a request from a snapshot. It is deterministic and safe for concurrent use, keeps
// nothing of the request, and needs memory only; some tens of microseconds for a shopper with sixty items.
//
// History is read through the loyalty purpose only: without that grant, or for a stranger, the answer
// comes from the crowd. The list is shorter than the limit only when there is nothing more to suggest.
func Recommend(snapshot *Snapshot, r *Request) ([]Suggestion, Record) {
	record := Record{Crowd: snapshot.Crowd.Version, Model: snapshot.Model.Version}
	limit := min(r.Limit, MaxLimit)
	if limit <= 0 {
		return nil, record
	}
	w := works.Get().(*work)
	defer w.release()
	w.open(snapshot, r)
	products, stores, offers := w.wants(r.Kinds)
	if !products && !stores && !offers {
		return nil, Record{} // nothing of what is wanted is known here
	}
	record.History = !w.past.Empty()
	record.Place = w.here.known
	if products {
		w.products()
	}
	if stores {
		w.stores(products)
	}
	if w.snapshot.Rules != nil && !products {
		w.recall()
		w.begin()
	}
	record.Candidates = len(w.candidates)
	if offers {
		most := limit
		if products || stores {
			most = min(limit, offersAmong)
		}
		w.offer(most)
	}
	var chosen []candidate
	if room := limit - len(w.rules.offered); room > 0 && (products || stores) {
		w.score()
		chosen = w.mix(room, products)
	}
	suggestions := w.explain(chosen)
	for i := range chosen {
		record.Sources |= chosen[i].sources
	}
	for i := range suggestions {
		if suggestions[i].OneSided != "" {
			record.OneSided++
		}
	}
	if w.rules.request != nil {
		w.recordRules(&record, suggestions)
	}
	return suggestions, record
}

// wants says which kinds are asked for. A store among products is worth showing only where one is near; offers are there only where
// rules make some.
func (w *work) wants(kinds []Kind) (products, stores, offers bool) {
	if len(kinds) == 0 {
		return true, w.here.known && w.here.store != 0, w.snapshot.Rules.MakesOffers()
	}
	for _, k := range kinds {
		products = products || k == KindProduct
		stores = stores || k == KindStore
		offers = offers || k == KindOffer && w.snapshot.Rules.MakesOffers()
	}
	return products, stores, offers
}
