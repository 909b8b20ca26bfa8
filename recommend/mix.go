package recommend

// storesAmongProducts is how many stores a list of products may hold.
const storesAmongProducts = 1

// mix chooses the limit best candidates, best first; equals stand by id, so that the order never
// depends on chance. Of the variants of one product only the best is shown, except those that the
// shopper has bought before: whoever buys two sorts wants both.
func (w *work) mix(limit int, products bool) []candidate {
	w.sift(limit + slack)
	chosen, stores := w.chosen[:0], 0
	for _, i := range w.best {
		if len(chosen) == limit {
			break
		}
		c := &w.candidates[i]
		if c.kind == aStore && products {
			if stores == storesAmongProducts {
				continue
			}
			stores++
		}
		if c.kind == aProduct && w.repeats(chosen, c) {
			continue
		}
		chosen = append(chosen, *c)
	}
	w.chosen = chosen
	return chosen
}

// slack is how many more than asked for are put in order, since some are passed over.
const slack = 12

// sift puts the n best candidates in order into best: a heap of the best so far, its worst on top.
func (w *work) sift(n int) {
	best := w.best[:0]
	for c := range w.candidates {
		if len(best) < n {
			best = append(best, int32(c))
			for i := len(best) - 1; i > 0 && w.before(best[(i-1)/2], best[i]); i = (i - 1) / 2 {
				best[i], best[(i-1)/2] = best[(i-1)/2], best[i]
			}
			continue
		}
		if !w.before(int32(c), best[0]) {
			continue
		}
		best[0] = int32(c)
		for i := 0; ; {
			worst := i
			for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
				if w.before(best[worst], best[child]) {
					worst = child
				}
			}
			if worst == i {
				break
			}
			best[i], best[worst] = best[worst], best[i]
			i = worst
		}
	}
	// Few are left: insertion sort.
	for i := range best {
		for j := i; j > 0 && w.before(best[j], best[j-1]); j-- {
			best[j], best[j-1] = best[j-1], best[j]
		}
	}
	w.best = best
}

// before tells whether one candidate stands before another in the list.
func (w *work) before(i, j int32) bool {
	a, b := &w.candidates[i], &w.candidates[j]
	if a.logOdds != b.logOdds {
		return a.logOdds > b.logOdds
	}
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
	p := w.snapshot.Catalogue.Product(c.item)
	if p == nil || c.own >= 0 {
		return false
	}
	for i := range chosen {
		if chosen[i].kind != aProduct {
			continue
		}
		other := w.snapshot.Catalogue.Product(chosen[i].item)
		if other != nil && family(other) == family(p) {
			return true
		}
	}
	return false
}

// family is the product that variants have in common.
func family(p *Product) string {
	if p.VariantOf != "" {
		return p.VariantOf
	}
	return p.ID
}
