package visit

import (
	"satnav/context/scene"
	"satnav/context/who"
	"satnav/recommend"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
)

// note leaves the record of an answer in the book, and remembers what was shown. An answer for which nothing of a shopper was
// used leaves none. What was suggested is of the purpose who.Loyalty: known tells whether that is granted.
func (v *Visits) note(snapshot *retailer.Snapshot, s *Signal, now *scene.Scene, answer *Answer, made *recommend.Record, known bool) {
	if len(answer.Used.Purposes) == 0 {
		return
	}
	r := decision.Blank()
	r.Key, r.Since = s.Key, now.Shopper.Shopper().Since()
	r.ID, r.At, r.Arrived = recommend.AnswerID(s.Key, now.Moment.Instant), s.At, s.Arrived
	r.Scene = factsOf(snapshot, s, now)
	r.Versions = store.Versions{
		Model: made.Model, Crowd: int64(made.Crowd), Rules: made.Rules.Version(),
		Catalogue: snapshot.Edited.Catalogue, Geofences: snapshot.Edited.Geofences, Stores: snapshot.Edited.Stores,
	}
	u := &answer.Used
	r.Used = store.UsedFacts{Permissions: u.Permissions, Purposes: u.Purposes, Location: u.Location, History: u.History, Degraded: u.Degraded, Distrust: u.Distrust}
	r.Candidates, r.Trace = made.Candidates, made.Rules
	for _, arm := range u.Arms {
		r.Arms = append(r.Arms, store.Arm{Experiment: arm.Experiment, Arm: arm.Arm})
	}
	for i := range answer.Triggers {
		r.Triggers = append(r.Triggers, answer.Triggers[i].ID)
	}
	if known {
		var products [recommend.MaxLimit]who.Item
		shown := products[:0]
		for i := range answer.Suggestions {
			told := &answer.Suggestions[i]
			r.Suggestions = append(r.Suggestions, store.Suggested{Kind: told.Kind, Item: told.Item, Score: told.Score, Propensity: told.Propensity, OneSided: told.OneSided, Reasons: told.Reasons, Ruled: told.Ruled})
			if told.Kind == recommend.KindProduct {
				shown = append(shown, told.Number)
			}
		}
		v.book.Show(s.Key, now.Moment.Instant, shown)
	}
	v.book.Add(r)
}

// factsOf is what may be kept of a scene.
func factsOf(snapshot *retailer.Snapshot, s *Signal, now *scene.Scene) store.SceneFacts {
	facts := store.SceneFacts{
		Digest: digest(s, now), Daypart: string(now.Moment.Daypart), Holiday: now.Moment.Holiday,
		Basket: len(s.Basket), List: len(s.List), Limit: s.Limit, Explore: s.Explore,
	}
	if now.Place.Known {
		facts.Cell = now.Place.Cell
		if finest := snapshot.Kept; finest > 0 && facts.Cell.Resolution() > finest {
			facts.Cell = facts.Cell.Parent(finest)
		}
		if now.Place.Store != nil {
			facts.Store = now.Place.Store.ID
		}
	}
	return facts
}

// digest is a number that equal scenes share: FNV-1a over all that the call brought and the shopper's revision.
func digest(s *Signal, now *scene.Scene) int64 {
	h := fnv(14695981039346656037)
	h = h.number(uint64(now.Moment.Instant.UnixMilli())).number(uint64(now.Shopper.Shopper().Revision()))
	h = h.number(uint64(now.Place.Cell)).number(uint64(now.Place.Precision))
	for _, list := range [][]string{s.Basket, s.List} {
		h = h.number(uint64(len(list)))
		for _, item := range list {
			h = h.text(item)
		}
	}
	for _, kind := range s.Kinds {
		h = h.text(string(kind))
	}
	return int64(h.text(s.Query).text(s.Screen).number(uint64(s.Limit)))
}

type fnv uint64

func (h fnv) number(n uint64) fnv {
	for range 8 {
		h = (h ^ fnv(n&0xff)) * 1099511628211
		n >>= 8
	}
	return h
}

func (h fnv) text(s string) fnv {
	for i := range len(s) {
		h = (h ^ fnv(s[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211 // no byte of UTF-8
}
