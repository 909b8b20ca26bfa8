package recommend

import (
	"math"

	"satnav/context/who"
)

// Variety: a list of ten milks helps less than its scores say. The order of maximal marginal relevance (Carbonell and Goldstein 1998)
// takes, each time, what is best once something is taken off for what resembles it further up. How much, Model.Variety, is
// learnt: as much as a backtest finds to cost next to nothing.

// vary puts the first of best into that order; scores stay as they are.
func (w *work) vary(limit int, strength float64) {
	best := w.best
	w.alike = sized(w.alike, len(w.candidates))
	clear(w.alike)
	for at := 0; at < min(limit, len(best)-1); at++ {
		if at > 0 {
			w.resemble(&w.candidates[best[at-1].place], best[at:])
		}
		next, most := at, math.Inf(-1)
		for i := at; i < len(best); i++ {
			worth := best[i].logOdds
			if worth <= most {
				break // what stands behind is no better, whatever it resembles
			}
			if worth -= strength * float64(w.alike[best[i].place]); worth > most {
				next, most = i, worth
			}
		}
		chosen := best[next]
		copy(best[at+1:next+1], best[at:next])
		best[at] = chosen
	}
}

// resemble notes what resembles a candidate that was taken.
func (w *work) resemble(taken *candidate, others []pick) {
	if taken.kind != aProduct {
		return
	}
	category := w.snapshot.Catalogue.categoryOf(taken.item)
	if category != 0 {
		for _, other := range others {
			if c := &w.candidates[other.place]; c.kind == aProduct && w.snapshot.Catalogue.categoryOf(c.item) == category {
				w.alike[c.place] = 1
			}
		}
	}
	stats := w.crowd.item(taken.item)
	for _, t := range stats.Neighbours {
		if c := w.cell(t.Item).candidate; c > 0 {
			w.alike[c-1] = max(w.alike[c-1], w.crowd.company(stats, t))
		}
	}
}

// company is how much two items are bought by the same baskets, from 0 to 1: their cosine (Ochiai 1957).
func (c *Crowd) company(stats *ItemStats, with Tally) float32 {
	lines := float64(stats.Lines) * float64(c.item(with.Item).Lines)
	if lines == 0 {
		return 0
	}
	return float32(min(1, float64(with.Count)/math.Sqrt(lines)))
}

// Likeness is how much two products are alike, from 0 to 1: 1 in the same category, else by how often they are bought together.
func (s *Snapshot) Likeness(a, b who.Item) float64 {
	if n := s.Catalogue.categoryOf(a); n != 0 && n == s.Catalogue.categoryOf(b) {
		return 1
	}
	stats := s.Crowd.item(a)
	for _, t := range stats.Neighbours {
		if t.Item == b {
			return float64(s.Crowd.company(stats, t))
		}
	}
	return 0
}
