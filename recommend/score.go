package recommend

// score gives each candidate its log-odds. What weighs the features is the Model alone: another kind of
// model needs another logOdds and contributions here, and nothing else.
func (w *work) score() {
	var buckets [max(productFeatures, storeFeatures)]uint8
	for i := range w.candidates {
		c := &w.candidates[i]
		l, blend := w.blend(c)
		l.Buckets(w.row(c), buckets[:])
		c.logOdds = l.logOdds(blend, buckets[:])
	}
}

// blend is what scores a candidate.
func (w *work) blend(c *candidate) (*Layout, *Blend) {
	if c.kind == KindStore {
		return Places, w.snapshot.Model.Store
	}
	return Products, w.snapshot.Model.Product
}

// row is a candidate's features.
func (w *work) row(c *candidate) []float32 {
	n := productFeatures
	if c.kind == KindStore {
		n = storeFeatures
	}
	return w.values[c.values : c.values+n]
}
