package recommend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
)

// The flat tables of the path say what the tables of the model say, and contributions sum to the score.
func TestScorerEqualsItsBlend(t *testing.T) {
	t.Parallel()
	for _, layout := range []*Layout{Products, Places} {
		rapid.Check(t, func(t *rapid.T) {
			random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			b := layout.Empty()
			b.Bias = float32(random.NormFloat64())
			for _, table := range b.Tables {
				for i := range table {
					table[i] = float32(random.NormFloat64())
				}
			}
			x := make([]float32, layout.Features())
			for f := range x {
				x[f] = []float32{unknown, 0, float32(math.Exp(random.NormFloat64() * 8)), math.MaxFloat32}[random.IntN(4)]
			}
			buckets := make([]uint8, len(x))
			layout.Buckets(x, buckets)
			want := float64(b.Bias)
			for table, weights := range b.Tables {
				if table < layout.Features() {
					want += float64(weights[buckets[table]])
				} else {
					a, z, width := layout.Crossed(table)
					want += float64(weights[int(buckets[a])*width+int(buckets[z])])
				}
			}
			s := newScorer(layout, b)
			var parts [groups]float64
			s.contributions(x, &parts)
			sum := 0.0
			for _, part := range parts {
				sum += part
			}
			if got := s.logOdds(x); math.Abs(got-want) > 1e-9 || math.Abs(sum-want) > 1e-9 {
				t.Fatalf("log-odds %v, contributions sum to %v, want %v", got, sum, want)
			}
		})
	}
}

// A bucket's middle lies in it, and buckets rise with the value.
func TestScaleBuckets(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(productScales[:], storeScales[:]) {
		for bucket := range s.buckets() {
			if got := s.bucket(float32(s.middle(bucket))); got != bucket {
				t.Errorf("%s: the middle of bucket %d, %v, falls into %d", s.name, bucket, s.middle(bucket), got)
			}
		}
	}
}

// The quick selection keeps the same items as sorting does.
func TestStrongestEqualsSorting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &work{stamp: 1}
		var all []ranked
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 20), 0, 200).Draw(t, "worth") {
			w.cell(who.Item(i)).near = float32(n)
			w.touched = append(w.touched, ranked{item: who.Item(i)})
			all = append(all, ranked{who.Item(i), float32(n)})
		}
		n := rapid.IntRange(0, 60).Draw(t, "n")
		order := func(a, b ranked) int {
			if a.before(b) {
				return -1
			}
			return 1
		}
		slices.SortFunc(all, order)
		got := slices.Clone(w.strongest(n, func(c *cell) float32 { return c.near }))
		slices.SortFunc(got, order)
		if want := all[:min(n, len(all))]; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// A model that does not fit this release is passed over.
func TestSnapshotPassesOverAModelThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(m *Model){
		"no tables":            func(m *Model) { m.Product = nil },
		"a table is missing":   func(m *Model) { m.Product.Tables = m.Product.Tables[1:] },
		"a table is too short": func(m *Model) { m.Store.Tables[2] = m.Store.Tables[2][1:] },
		"not a number":         func(m *Model) { m.Product.Tables[0][0] = float32(math.NaN()) },
	} {
		m := BuiltIn()
		m.Version = "spoilt"
		spoil(m)
		if m.Check() == nil {
			t.Errorf("%s: Check finds nothing wrong", name)
		}
		if got := NewSnapshot(who.NewNames(), nil, nil, nil, m).Model.Version; got != "built-in" {
			t.Errorf("%s: model %s is in service", name, got)
		}
	}
}
