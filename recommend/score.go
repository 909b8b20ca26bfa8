package recommend

import "slices"

// scorer is a Blend made ready for the path: all tables in one array. What weighs the features stands in this file alone: another kind of model needs another
// scorer with the same two methods, and nothing else.
type scorer struct {
	layout  *Layout
	bias    float32
	weights []float32
	singles []single
	crosses []crossed
	forest  []grove
	// The tables of a product that the shopper never bought, by what their buckets follow from: from the
	// request, from the item, or from both. Most candidates are such, and only the last need looking at.
	request, item, both tables
}

// tables are some of a blend's tables.
type tables struct {
	singles []single
	crosses []crossed
}

type single struct {
	feature int32
	offset  int32 // of the table in weights
	group   int32
}

type crossed struct {
	a, b, width, offset int32
	group               int32
}

// newScorer makes a blend ready; it must fit the layout.
func newScorer(l *Layout, b *Blend) *scorer {
	s := &scorer{layout: l, bias: b.Bias, forest: newForest(l, b.Trees)}
	for t, table := range b.Tables {
		offset := int32(len(s.weights))
		s.weights = append(s.weights, table...)
		if t < len(l.scales) {
			s.singles = append(s.singles, single{feature: int32(t), offset: offset, group: int32(l.scales[t].group)})
			continue
		}
		// A crossed pair belongs to the group of its first feature that is about the candidate.
		fa, fb, width := l.Crossed(t)
		group := l.scales[fa].group
		if group == gBase {
			group = l.scales[fb].group
		}
		s.crosses = append(s.crosses, crossed{a: int32(fa), b: int32(fb), width: int32(width), offset: offset, group: int32(group)})
	}
	if l == Products {
		s.part()
	}
	return s
}

// part sorts the tables by what decides them for a product that was never bought.
func (s *scorer) part() {
	const ofRequest, ofItem = 1, 2
	of := func(table int32) int {
		switch f := feature(table); {
		case f <= fFirst || f == fOrders || f == fBasketSize:
			return ofRequest
		case slices.Contains(fixed[:], f):
			return ofItem
		}
		return ofRequest | ofItem
	}
	parts := map[int]*tables{ofRequest: &s.request, ofItem: &s.item, ofRequest | ofItem: &s.both}
	for _, t := range s.singles {
		to := parts[of(t.feature)]
		to.singles = append(to.singles, t)
	}
	for _, c := range s.crosses {
		decides := of(c.a) | of(c.b)
		if own := min(c.a, c.b); own <= int32(fFirst) { // its bucket is that of the unknown, always
			decides = of(max(c.a, c.b))
		}
		to := parts[decides]
		to.crosses = append(to.crosses, c)
	}
}

// sum adds the weights that a candidate's buckets find in some tables.
func (s *scorer) sum(t *tables, r *row) (sum float64) {
	for i := range t.singles {
		c := &t.singles[i]
		sum += float64(s.weights[c.offset+int32(r[c.feature&(maxFeatures-1)])])
	}
	for i := range t.crosses {
		c := &t.crosses[i]
		sum += float64(s.weights[c.offset+int32(r[c.a&(maxFeatures-1)])*c.width+int32(r[c.b&(maxFeatures-1)])])
	}
	return sum
}

// logOdds adds the weights that a candidate's buckets find in all tables.
func (s *scorer) logOdds(r *row) float64 {
	return float64(s.bias) + s.sum(&tables{s.singles, s.crosses}, r)
}

// boosted adds what the trees say.
func (s *scorer) boosted(buckets *row) (sum float64) {
	for i := range s.forest {
		sum += s.forest[i].sum(buckets)
	}
	return sum
}

// contributions tells how much each group of features added to logOdds: none is lost, none counts twice.
func (s *scorer) contributions(buckets *row, parts *[groups]float64) {
	clear(parts[:])
	parts[gBase] = float64(s.bias)
	for f := range s.singles {
		c := &s.singles[f]
		parts[c.group] += float64(s.weights[c.offset+int32(buckets[f])])
	}
	for i := range s.crosses {
		c := &s.crosses[i]
		parts[c.group] += float64(s.weights[c.offset+int32(buckets[c.a])*c.width+int32(buckets[c.b])])
	}
	for i := range s.forest {
		s.forest[i].contribute(buckets, parts)
	}
}

// score gives each candidate its log-odds by the tables, and the best of them what the trees add.
func (w *work) score() {
	s := w.snapshot.products
	plain := float64(s.bias) + s.sum(&s.request, &w.tastes.plain)
	for i := range w.candidates {
		c := &w.candidates[i]
		if c.kind == aProduct && c.own < 0 {
			c.logOdds = plain + float64(w.snapshot.fact(c.item).odds) + s.sum(&s.both, &w.rows[i])
		} else {
			c.logOdds = w.scorer(c).logOdds(&w.rows[i])
		}
	}
	w.lessen()
	n := max(boostedFor*w.request.Limit, boostedLeast) + len(w.request.Shown)
	if w.rules.request != nil {
		w.judge()
		if len(w.rules.effects) > 0 {
			n = len(w.candidates) // a rule may want the last one, or none of the best
		}
	}
	w.sift(n)
	for i := range w.best {
		best := &w.best[i]
		best.logOdds += w.scorer(&w.candidates[best.place]).boosted(&w.rows[best.place])
	}
	w.order()
}

// How many candidates the trees are asked about: what the tables put further down they would not lift into the list.
const boostedFor, boostedLeast = 2, 40

// scorer is what weighs a candidate.
func (w *work) scorer(c *candidate) *scorer {
	if c.kind == aStore {
		return w.snapshot.places
	}
	return w.snapshot.products
}
