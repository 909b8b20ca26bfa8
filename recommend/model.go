package recommend

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Model is what learning found out about a retailer: how much each feature counts. It is immutable and
// versioned; whoever learns a better one publishes a new Model.
type Model struct {
	Version string
	Learned time.Time // zero: built in
	Product *Blend
	Store   *Blend
	Figures []Figures // of its backtest, beside the baselines on the same shoppers
}

// Figures are what a method reached in a backtest: means over shoppers.
type Figures struct {
	Method   string
	Shoppers int
	Recall10 float64
	NDCG10   float64
	Hit10    float64 // share of shoppers with at least one hit
	Recall20 float64
	NDCG20   float64
	Repeat10 float64 // recall of what the shopper had bought before
	New10    float64 // recall of what they had not
}

// Blend scores candidates: the log-odds of a candidate are the sum of one weight for each feature's
// bucket and for each crossed pair of buckets. It was chosen over trees as the first step because it
// explains itself: what a feature adds is what stands in its table.
type Blend struct {
	Bias    float32     `json:"bias"`
	Singles [][]float32 `json:"singles"` // by feature, then bucket
	Crosses [][]float32 `json:"crosses"` // by pair, then bucket of a × buckets of b + bucket of b
	// Mean is the mean number of things that a target held, for what a rank is worth.
	Mean float64 `json:"mean,omitempty"`
}

// layout is the shape that a Blend has for one kind of candidate.
type layout struct {
	scales  []scale
	crosses []cross
}

var (
	productLayout = layout{productScales[:], productCrosses}
	storeLayout   = layout{storeScales[:], storeCrosses}
)

// check says how a blend's tables differ from the layout; a model that an older release stored may.
func (l layout) check(b *Blend) error {
	if b == nil {
		return errors.New("no tables")
	}
	if len(b.Singles) != len(l.scales) || len(b.Crosses) != len(l.crosses) {
		return fmt.Errorf("%d and %d tables, want %d and %d", len(b.Singles), len(b.Crosses), len(l.scales), len(l.crosses))
	}
	tables := func(name string, weights []float32, want int) error {
		if len(weights) != want {
			return fmt.Errorf("table %s: %d weights, want %d", name, len(weights), want)
		}
		for _, w := range weights {
			if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) {
				return fmt.Errorf("table %s: a weight is not a number", name)
			}
		}
		return nil
	}
	for f, s := range l.scales {
		if err := tables(s.name, b.Singles[f], s.buckets()); err != nil {
			return err
		}
	}
	for i, c := range l.crosses {
		a, z := l.scales[c.a], l.scales[c.b]
		if err := tables(a.name+" × "+z.name, b.Crosses[i], a.buckets()*z.buckets()); err != nil {
			return err
		}
	}
	return nil
}

// Check tells whether the model fits this release; a model that does not is replaced by BuiltIn until
// the next learning.
func (m *Model) Check() error {
	if err := productLayout.check(m.Product); err != nil {
		return fmt.Errorf("model %s: product: %w", m.Version, err)
	}
	if err := storeLayout.check(m.Store); err != nil {
		return fmt.Errorf("model %s: store: %w", m.Version, err)
	}
	return nil
}

// empty makes tables of zeros.
func (l layout) empty() *Blend {
	b := &Blend{Singles: make([][]float32, len(l.scales)), Crosses: make([][]float32, len(l.crosses))}
	for f, s := range l.scales {
		b.Singles[f] = make([]float32, s.buckets())
	}
	for i, c := range l.crosses {
		b.Crosses[i] = make([]float32, l.scales[c.a].buckets()*l.scales[c.b].buckets())
	}
	return b
}

// logOdds adds the weights that a candidate's values find in the tables.
func (l layout) logOdds(b *Blend, x []float32, buckets []uint8) float64 {
	for f := range l.scales {
		buckets[f] = uint8(l.scales[f].bucket(x[f]))
	}
	sum := float64(b.Bias)
	for f, table := range b.Singles {
		sum += float64(table[buckets[f]])
	}
	for i, c := range l.crosses {
		sum += float64(b.Crosses[i][int(buckets[c.a])*l.scales[c.b].buckets()+int(buckets[c.b])])
	}
	return sum
}

// contributions tells how much each group of features added. A crossed pair belongs to the group of
// its first feature that is the candidate's own, so that none is lost and none counts twice.
func (l layout) contributions(b *Blend, x []float32, groups *[groups]float64) {
	*groups = [len(groups)]float64{}
	groups[gBase] = float64(b.Bias)
	for f, table := range b.Singles {
		groups[l.scales[f].group] += float64(table[l.scales[f].bucket(x[f])])
	}
	for i, c := range l.crosses {
		a, z := l.scales[c.a], l.scales[c.b]
		groups[l.owner(c)] += float64(b.Crosses[i][a.bucket(x[c.a])*z.buckets()+z.bucket(x[c.b])])
	}
}

// owner is the group that a crossed pair's weight is told under.
func (l layout) owner(c cross) int {
	if g := l.scales[c.a].group; g != gBase {
		return g
	}
	return l.scales[c.b].group
}

// BuiltIn is the model for a retailer of whom too little is known to learn one: plain common sense in
// the same tables. Learning starts from it, and stays near it where a table sees little data.
func BuiltIn() *Model {
	product := productLayout.empty()
	product.Bias = -9.5
	fill := func(b *Blend, l layout, f feature, weight func(x float64) float64) {
		s := l.scales[f]
		for bucket := 1; bucket < s.buckets(); bucket++ {
			b.Singles[f][bucket] = float32(weight(s.middle(bucket)))
		}
	}
	ln := math.Log
	p := func(f feature, weight func(x float64) float64) { fill(product, productLayout, f, weight) }
	p(fShare, func(x float64) float64 { return max(0, 7+0.8*ln(max(x, 1e-4))) })
	p(fSince, func(x float64) float64 { return -0.35 * ln(max(x, 1)) })
	p(fBehind, func(x float64) float64 { return -0.15 * ln(max(x, 1)) })
	p(fDue, func(x float64) float64 { return 0.4 - 0.4*min(2, math.Abs(ln(max(x, 1e-3)))) })
	p(fNeighbour, func(x float64) float64 { return 0.35 * max(0, ln(max(x, 1e-9)*4096)) })
	p(fTogether, func(x float64) float64 { return 0.8 * max(0, ln(max(x, 1e-9)*1024)) })
	p(fPopular, func(x float64) float64 { return 0.5 * max(0, ln(max(x, 1e-9)*1e5)) })
	p(fRecent, func(x float64) float64 { return 0.2 * max(0, ln(max(x, 1e-9)*1e6)) })
	p(fRebuy, func(x float64) float64 { return 0.1 * max(0, ln(max(x, 1e-9)*64)) })
	for _, f := range []feature{fStore, fHour, fWeekday} {
		p(f, func(x float64) float64 { return 0.7 * ln(max(x, 0.1)) })
	}
	p(fCategory, func(x float64) float64 { return 0.2 * max(0, ln(max(x, 1e-9)*256)) })
	p(fBrand, func(x float64) float64 { return 0.1 * max(0, ln(max(x, 1e-9)*256)) })
	p(fSeen, func(x float64) float64 { return max(0, 2.5-0.6*ln(max(x, 1))) })
	p(fLiked, func(x float64) float64 { return 1.5 * x })
	p(fList, func(x float64) float64 { return 6 * min(x, 1) })

	store := storeLayout.empty()
	store.Bias = -7
	s := func(f feature, weight func(x float64) float64) { fill(store, storeLayout, f, weight) }
	s(sShare, func(x float64) float64 { return 0.6 * max(0, ln(max(x, 1e-9)*1024)) })
	s(sHour, func(x float64) float64 { return 0.35 * max(0, ln(max(x, 1e-9)*512)) })
	s(sNext, func(x float64) float64 { return 0.3 * max(0, ln(max(x, 1e-9)*512)) })
	s(sCrowd, func(x float64) float64 { return 0.2 * max(0, ln(max(x, 1e-9)*65536)) })
	s(sCrowdNext, func(x float64) float64 { return 0.3 * max(0, ln(max(x, 1e-9)*4096)) })
	s(sDistance, func(x float64) float64 { return 3 - 0.8*ln(max(x, 1e-3)*10) })
	s(sHop, func(x float64) float64 { return 1 - 0.15*ln(max(x, 1e-3)*10) })
	s(sOpen, func(x float64) float64 { return 0.5*min(x, 1) - 0.5 })
	return &Model{Version: "built-in", Product: product, Store: store}
}
