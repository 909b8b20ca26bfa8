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
	// Discovery is what is added to the log-odds of a product that the shopper never bought when the list is put in order; scores stay
	// as they are. A list of what is bought anyway finds most, and helps to find nothing.
	Discovery float64
	// Variety is what is taken off the log-odds of what fully resembles something further up the list; 0: lists are not varied.
	Variety float64
	Figures []Figures // of its backtest, beside the baselines on the same shoppers

	// What it was learnt from; zero: built in.
	Shoppers int
	Baskets  int64
	Lines    int64
	Visits   int64
}

// Figures are what a method reached in a backtest: means over what was guessed.
type Figures struct {
	Method   string
	Shoppers int // whose next basket was guessed; where shoppers are few, each counts for several baskets
	Recall10 float64
	NDCG10   float64
	Hit10    float64 // share of shoppers with at least one hit
	Recall20 float64
	NDCG20   float64
	Repeat10 float64 // recall of what the shopper had bought before
	New10    float64 // recall of what they had not
	// Variety10 is how little the first 10 resemble each other: 1 less the mean Likeness of two of them.
	Variety10 float64
}

// Blend scores candidates: the log-odds of a candidate are the sum of one weight for each feature's
// bucket and for each crossed pair of buckets. It was chosen over trees as the first step because it
// explains itself: what a feature adds is what stands in its table.
type Blend struct {
	Bias   float32
	Tables [][]float32 // by Layout: first a table for each feature, then one for each crossed pair
	Trees  []Tree      // what the tables leave open; nil: nothing
}

// Layout is the shape that a Blend has for one kind of candidate, and the way from features to places
// in its tables.
type Layout struct {
	scales  []scale
	crosses []cross
}

// Products and Places are the layouts of the two kinds of candidates.
var (
	Products = &Layout{productScales[:], productCrosses}
	Places   = &Layout{storeScales[:], storeCrosses}
)

// Features is the number of features, which is also the number of tables that are not crossed.
func (l *Layout) Features() int { return len(l.scales) }

// Tables is the number of tables.
func (l *Layout) Tables() int { return len(l.scales) + len(l.crosses) }

// Size is the number of weights in a table.
func (l *Layout) Size(table int) int {
	if table < len(l.scales) {
		return l.scales[table].buckets()
	}
	c := l.crosses[table-len(l.scales)]
	return l.scales[c.a].buckets() * l.scales[c.b].buckets()
}

// Name is what a table is called in messages.
func (l *Layout) Name(table int) string {
	if table < len(l.scales) {
		return l.scales[table].name
	}
	c := l.crosses[table-len(l.scales)]
	return l.scales[c.a].name + " × " + l.scales[c.b].name
}

// Crossed are the two features of a table that is not a single feature's: the weight of buckets a and b
// stands at a × width + b.
func (l *Layout) Crossed(table int) (a, b, width int) {
	c := l.crosses[table-len(l.scales)]
	return c.a, c.b, l.scales[c.b].buckets()
}

// Empty makes tables of zeros.
func (l *Layout) Empty() *Blend {
	b := &Blend{Tables: make([][]float32, l.Tables())}
	for t := range b.Tables {
		b.Tables[t] = make([]float32, l.Size(t))
	}
	return b
}

// check says how a blend's tables differ from the layout; a model that an older release stored may.
func (l *Layout) check(b *Blend) error {
	if b == nil {
		return errors.New("no tables")
	}
	if len(b.Tables) != l.Tables() {
		return fmt.Errorf("%d tables, want %d", len(b.Tables), l.Tables())
	}
	for t, weights := range b.Tables {
		if len(weights) != l.Size(t) {
			return fmt.Errorf("table %s: %d weights, want %d", l.Name(t), len(weights), l.Size(t))
		}
		for _, w := range weights {
			if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) {
				return fmt.Errorf("table %s: a weight is not a number", l.Name(t))
			}
		}
	}
	for i := range b.Trees {
		for d, f := range b.Trees[i].Features {
			if int(f) >= len(l.scales) {
				return fmt.Errorf("tree %d asks for feature %d in question %d, want less than %d", i, f, d, len(l.scales))
			}
		}
		for _, v := range b.Trees[i].Values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("tree %d: a value is not a number", i)
			}
		}
	}
	return nil
}

// Check tells whether the model fits this release; a model that does not is replaced by BuiltIn until
// the next learning.
func (m *Model) Check() error {
	if err := Products.check(m.Product); err != nil {
		return fmt.Errorf("model %s: product: %w", m.Version, err)
	}
	if err := Places.check(m.Store); err != nil {
		return fmt.Errorf("model %s: store: %w", m.Version, err)
	}
	return nil
}

// BuiltIn is the model for a retailer of whom too little is known to learn one: plain common sense in
// the same tables. Learning starts from it, and stays near it where a table sees little data. Popularity
// is told against that of a usual candidate, as in a learnt model.
func BuiltIn() *Model {
	product := Products.Empty()
	product.Bias = -5.8
	fill := func(b *Blend, l *Layout, f feature, weight func(x float64) float64) {
		s := l.scales[f]
		for bucket := 1; bucket < s.buckets(); bucket++ {
			b.Tables[f][bucket] = float32(weight(s.middle(bucket)))
		}
	}
	ln := math.Log
	p := func(f feature, weight func(x float64) float64) { fill(product, Products, f, weight) }
	p(fShare, func(x float64) float64 { return max(0, 7+0.8*ln(max(x, 1e-4))) })
	p(fSince, func(x float64) float64 { return -0.35 * ln(max(x, 1)) })
	p(fBehind, func(x float64) float64 { return -0.15 * ln(max(x, 1)) })
	p(fDue, func(x float64) float64 { return 0.4 - 0.4*min(2, math.Abs(ln(max(x, 1e-3)))) })
	p(fNeighbour, func(x float64) float64 { return 0.35 * max(0, ln(max(x, 1e-9)*4096)) })
	p(fTogether, func(x float64) float64 { return 0.8 * max(0, ln(max(x, 1e-9)*1024)) })
	p(fPopular, func(x float64) float64 { return 0.5*max(0, ln(max(x, 1e-9)*1e5)) - 2.5 })
	p(fRecent, func(x float64) float64 { return 0.2*max(0, ln(max(x, 1e-9)*1e6)) - 1.2 })
	p(fRebuy, func(x float64) float64 { return 0.1 * max(0, ln(max(x, 1e-9)*64)) })
	for _, f := range []feature{fStore, fHour, fWeekday} {
		p(f, func(x float64) float64 { return 0.7 * ln(max(x, 0.1)) })
	}
	for _, f := range []feature{fPayday, fSeason} {
		p(f, func(x float64) float64 { return 0.3 * ln(max(x, 0.1)) })
	}
	p(fCategory, func(x float64) float64 { return 0.2 * max(0, ln(max(x, 1e-9)*256)) })
	p(fBrand, func(x float64) float64 { return 0.1 * max(0, ln(max(x, 1e-9)*256)) })
	p(fSeen, func(x float64) float64 { return max(0, 2.5-0.6*ln(max(x, 1))) })
	p(fLiked, func(x float64) float64 { return 1.5 * x })
	p(fList, func(x float64) float64 { return 6 * min(x, 1) })
	p(fQuery, func(x float64) float64 {
		if x <= 0 {
			return -10 // what is called otherwise is not what is looked for
		}
		return 7 + min(x, 1)
	})

	store := Places.Empty()
	store.Bias = -6
	s := func(f feature, weight func(x float64) float64) { fill(store, Places, f, weight) }
	s(sShare, func(x float64) float64 { return 0.6 * max(0, ln(max(x, 1e-9)*1024)) })
	s(sHour, func(x float64) float64 { return 0.35 * max(0, ln(max(x, 1e-9)*512)) })
	s(sNext, func(x float64) float64 { return 0.3 * max(0, ln(max(x, 1e-9)*512)) })
	s(sCrowd, func(x float64) float64 { return 0.2*max(0, ln(max(x, 1e-9)*65536)) - 1 })
	s(sCrowdNext, func(x float64) float64 { return 0.3 * max(0, ln(max(x, 1e-9)*4096)) })
	s(sDistance, func(x float64) float64 { return 3 - 0.8*ln(max(x, 1e-3)*10) })
	s(sHop, func(x float64) float64 { return 1 - 0.15*ln(max(x, 1e-3)*10) })
	s(sOpen, func(x float64) float64 { return 0.5*min(x, 1) - 0.5 })
	return &Model{Version: "built-in", Product: product, Store: store}
}
