package recommend

import "slices"

// storesAmongProducts is how many stores a list of products may hold.
const storesAmongProducts = 1

// mix chooses the limit best candidates, best first; equals stand by id, so that the order never
// depends on chance. Of the variants of one product only the best is shown, except those that the
// shopper has bought before: whoever buys two sorts wants both. What was just shown comes last.
func (w *work) mix(limit int, products bool) []candidate {
	if strength := w.snapshot.Model.Variety; w.request.Varied && strength > 0 {
		w.vary(limit+len(w.request.Shown), strength)
	}
	if len(w.rules.effects) > 0 {
		w.mixRuled(limit, products)
	} else {
		w.chosen = w.chosen[:0]
		stores := w.choose(limit, products, 0, false)
		if len(w.request.Shown) > 0 {
			w.choose(limit, products, stores, true)
		}
	}
	w.explore(limit, products)
	return w.chosen
}

// choose appends of those that were just shown, or of the others, until there are enough. It takes and
// returns how many stores the list holds.
func (w *work) choose(limit int, products bool, stores int, shown bool) int {
	for _, best := range w.best {
		if len(w.chosen) == limit {
			break
		}
		c := &w.candidates[best.place]
		if w.shown(c) != shown {
			continue
		}
		if c.kind == aStore && products {
			if stores == storesAmongProducts {
				continue
			}
			stores++
		}
		if c.kind == aProduct && w.repeats(w.chosen, c) {
			continue
		}
		w.chosen = append(w.chosen, *c)
	}
	return stores
}

// shown tells whether a candidate was just shown, and not asked for by the list or by a search. What a rule pins or includes has its
// place in mixRuled, shown or not.
func (w *work) shown(c *candidate) bool {
	return len(w.request.Shown) > 0 && c.kind == aProduct && c.sources&(FromList|FromQuery) == 0 && slices.Contains(w.request.Shown, c.item)
}

// sift puts the n best candidates into best, in no order (Hoare's quickselect).
func (w *work) sift(n int) {
	best := sized(w.best, len(w.candidates))
	for place := range w.candidates {
		c := &w.candidates[place]
		best[place] = pick{c.logOdds, int32(place)}
		if c.own < 0 && c.kind == aProduct {
			best[place].logOdds += w.snapshot.Model.Discovery
		}
	}
	for low, high := 0, len(best); high-low > 1 && n < len(best); {
		pivot := best[int(uint(low+high)>>1)]
		i, j := low, high-1
		for i <= j {
			for w.before(&best[i], &pivot) {
				i++
			}
			for w.before(&pivot, &best[j]) {
				j--
			}
			if i <= j {
				best[i], best[j] = best[j], best[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			high = j + 1
		case n >= i:
			low = i
		default:
			low = high
		}
	}
	w.best = best[:min(n, len(best))]
}

// order puts best into order.
func (w *work) order() {
	best := w.best
	for i := range best { // few: insertion sort
		c, j := best[i], i
		for ; j > 0 && w.before(&c, &best[j-1]); j-- {
			best[j] = best[j-1]
		}
		best[j] = c
	}
}

// before tells whether one candidate stands before another in the list.
func (w *work) before(a, b *pick) bool {
	if a.logOdds != b.logOdds {
		return a.logOdds > b.logOdds
	}
	return w.tied(&w.candidates[a.place], &w.candidates[b.place])
}

// tied is before for equals.
func (w *work) tied(a, b *candidate) bool {
	if a.kind != b.kind {
		return a.kind < b.kind
	}
	return w.id(a) < w.id(b)
}

// id names a candidate as the retailer does.
func (w *work) id(c *candidate) string {
	if c.kind == aStore {
		return w.snapshot.Names.Stores.Name(c.item)
	}
	return w.name(c.item)
}

// repeats tells whether a product is a variant of one that was chosen already.
func (w *work) repeats(chosen []candidate, c *candidate) bool {
	if c.own >= 0 {
		return false
	}
	family := w.snapshot.Catalogue.familyOf(c.item)
	for i := range chosen {
		if chosen[i].kind == aProduct && w.snapshot.Catalogue.familyOf(chosen[i].item) == family {
			return true
		}
	}
	return false
}
