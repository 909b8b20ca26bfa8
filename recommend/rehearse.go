package recommend

import (
	"math"
	"time"

	"satnav/context/who"
)

// Rehearsal asks the engine what it would have said in the past. It runs the same code as Recommend,
// without permissions, explanations or kinds: learning and evaluation use it on histories that they may
// read. It belongs to one goroutine.
type Rehearsal struct {
	Varied  bool // Rank as for a call: with the variety that was learnt
	w       work
	request Request
}

// Products calls each for every product that would have been a candidate, with the buckets of its
// features, for a shopper with this past at that time. bought tells whether the past holds the item. The
// buckets are valid until each returns.
func (r *Rehearsal) Products(s *Snapshot, p Past, at time.Time, each func(item who.Item, bought bool, buckets []uint8)) {
	r.request = Request{Limit: MaxLimit}
	r.w.start(s, &r.request, p, at)
	r.w.products()
	for i := range r.w.candidates {
		c := &r.w.candidates[i]
		each(c.item, c.own >= 0, r.w.rows[i][:productFeatures])
	}
}

// Scores calls each for every product that would have been a candidate, with its score, from 0 to 1.
func (r *Rehearsal) Scores(s *Snapshot, p Past, at time.Time, each func(item who.Item, score float64)) {
	r.request = Request{Limit: MaxLimit}
	r.w.start(s, &r.request, p, at)
	r.w.products()
	r.w.score()
	for i := range r.w.candidates {
		c := &r.w.candidates[i]
		odds := c.logOdds + r.w.scorer(c).boosted(&r.w.rows[i])
		each(c.item, 1/(1+math.Exp(-odds)))
	}
}

// Places is Products for stores.
func (r *Rehearsal) Places(s *Snapshot, p Past, at time.Time, each func(store who.Item, buckets []uint8)) {
	r.request = Request{Limit: MaxLimit}
	r.w.start(s, &r.request, p, at)
	r.w.stores(false)
	for i := range r.w.candidates {
		each(r.w.candidates[i].item, r.w.rows[i][:storeFeatures])
	}
}

// RankPlaces appends the stores that would have been suggested, best first.
func (r *Rehearsal) RankPlaces(s *Snapshot, p Past, at time.Time, limit int, to []who.Item) []who.Item {
	r.request = Request{Limit: limit}
	r.w.start(s, &r.request, p, at)
	r.w.stores(false)
	r.w.score()
	for _, c := range r.w.mix(limit, false) {
		to = append(to, c.item)
	}
	return to
}

// Rank appends the products that would have been suggested, best first.
func (r *Rehearsal) Rank(s *Snapshot, p Past, at time.Time, limit int, to []who.Item) []who.Item {
	r.request = Request{Limit: limit, Varied: r.Varied}
	r.w.start(s, &r.request, p, at)
	r.w.products()
	r.w.score()
	for _, c := range r.w.mix(limit, true) {
		to = append(to, c.item)
	}
	return to
}
