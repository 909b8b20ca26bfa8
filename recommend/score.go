package recommend

import "math"

// scorer is a Blend made ready for the path: all tables in one array, each feature's scale in two
// numbers. What weighs the features stands in this file alone: another kind of model needs another
// scorer with the same two methods, and nothing else.
type scorer struct {
	layout  *Layout
	bias    float32
	weights []float32
	singles []single
	crosses []crossed
}

type single struct {
	low, top int32 // upper bits of the scale's low end, last step
	offset   int32 // of the table in weights
	group    int32
}

type crossed struct {
	a, b, width, offset int32
	group               int32
}

// newScorer makes a blend ready; it must fit the layout.
func newScorer(l *Layout, b *Blend) *scorer {
	s := &scorer{layout: l, bias: b.Bias}
	for t, table := range b.Tables {
		offset := int32(len(s.weights))
		s.weights = append(s.weights, table...)
		if t < len(l.scales) {
			c := l.scales[t]
			s.singles = append(s.singles, single{
				low: int32(math.Float32bits(c.low) >> halfStep), top: int32(c.steps - 1), offset: offset, group: int32(c.group),
			})
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
	return s
}

// buckets finds the bucket of each feature; it equals Layout.Buckets.
func (s *scorer) buckets(x []float32, buckets *[maxFeatures]int32) {
	x = x[:len(s.singles)]
	for f := range s.singles {
		c, v := &s.singles[f], x[f]
		switch {
		case v > 0:
			buckets[f] = 2 + min(max(int32(math.Float32bits(v)>>halfStep)-c.low, 0), c.top)
		case v == 0:
			buckets[f] = 1
		default:
			buckets[f] = 0
		}
	}
}

// logOdds adds the weights that a candidate's features find in the tables.
func (s *scorer) logOdds(x []float32) float64 {
	var buckets [maxFeatures]int32
	s.buckets(x, &buckets)
	sum := float64(s.bias)
	for f := range s.singles {
		sum += float64(s.weights[s.singles[f].offset+buckets[f]])
	}
	for i := range s.crosses {
		c := &s.crosses[i]
		sum += float64(s.weights[c.offset+buckets[c.a]*c.width+buckets[c.b]])
	}
	return sum
}

// contributions tells how much each group of features added to logOdds: none is lost, none counts twice.
func (s *scorer) contributions(x []float32, parts *[groups]float64) {
	var buckets [maxFeatures]int32
	s.buckets(x, &buckets)
	clear(parts[:])
	parts[gBase] = float64(s.bias)
	for f := range s.singles {
		c := &s.singles[f]
		parts[c.group] += float64(s.weights[c.offset+buckets[f]])
	}
	for i := range s.crosses {
		c := &s.crosses[i]
		parts[c.group] += float64(s.weights[c.offset+buckets[c.a]*c.width+buckets[c.b]])
	}
}

const maxFeatures = max(productFeatures, storeFeatures)

// score gives each candidate its log-odds.
func (w *work) score() {
	for i := range w.candidates {
		c := &w.candidates[i]
		c.logOdds = w.scorer(c).logOdds(w.row(c))
	}
}

// scorer is what weighs a candidate.
func (w *work) scorer(c *candidate) *scorer {
	if c.kind == aStore {
		return w.snapshot.places
	}
	return w.snapshot.products
}

// row is a candidate's features.
func (w *work) row(c *candidate) []float32 {
	n := productFeatures
	if c.kind == aStore {
		n = storeFeatures
	}
	return w.values[c.values : c.values+n]
}
