package recommend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

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
			b.Trees = someTrees(random, layout)
			buckets := someRow(random, layout)
			want := float64(b.Bias)
			for table, weights := range b.Tables {
				if table < layout.Features() {
					want += float64(weights[buckets[table]])
				} else {
					a, z, width := layout.Crossed(table)
					want += float64(weights[int(buckets[a])*width+int(buckets[z])])
				}
			}
			for i := range b.Trees {
				want += slowly(&b.Trees[i], &buckets)
			}
			s := newScorer(layout, b)
			var parts [groups]float64
			s.contributions(&buckets, &parts)
			sum := 0.0
			for _, part := range parts {
				sum += part
			}
			if got := s.logOdds(&buckets) + s.boosted(&buckets); math.Abs(got-want) > 1e-9 || math.Abs(sum-want) > 1e-5 { // differences of single precision
				t.Fatalf("log-odds %v, contributions sum to %v, want %v", got, sum, want)
			}
		})
	}
}

// someRow has any buckets.
func someRow(random *rand.Rand, layout *Layout) (r row) {
	for f, s := range layout.scales {
		x := []float32{unknown, 0, float32(math.Exp(random.NormFloat64() * 8)), math.MaxFloat32}[random.IntN(4)]
		r[f] = uint8(s.bucket(x))
	}
	return r
}

func someTrees(random *rand.Rand, layout *Layout) []Tree {
	trees := make([]Tree, random.IntN(9)*random.IntN(9)) // more than a grove, too
	for i := range trees {
		for d := range TreeDepth {
			f := random.IntN(layout.Features())
			trees[i].Features[d], trees[i].Above[d] = uint8(f), uint8(random.IntN(layout.Size(f)+1))
		}
		for n := range trees[i].Values {
			trees[i].Values[n] = float32(random.NormFloat64())
		}
	}
	return trees
}

// slowly asks one question after the other.
func slowly(t *Tree, r *row) float64 {
	n := 1
	for d, f := range t.Features {
		if n *= 2; r[f] > t.Above[d] {
			n++
		}
	}
	return float64(t.Values[n])
}

// What is added up once for all products that were never bought, and once for each product, says the
// same as all tables do.
func TestPartsOfTheTablesEqualAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		b := Products.Empty()
		for _, table := range b.Tables {
			for i := range table {
				table[i] = float32(random.NormFloat64())
			}
		}
		s := newScorer(Products, b)
		full := someRow(random, Products)
		for f := range fFirst + 1 {
			full[f] = 0
		}
		var item row
		for _, f := range fixed {
			item[f] = full[f]
		}
		plain := full
		for _, f := range fixed {
			plain[f] = uint8(random.IntN(Products.Size(f)))
		}
		got := float64(s.bias) + s.sum(&s.request, &plain) + s.sum(&s.item, &item) + s.sum(&s.both, &full)
		if want := s.logOdds(&full); math.Abs(got-want) > 1e-9 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
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

// What a fact keeps in half a byte has at most 16 buckets, and a fact is what a processor reads at once.
func TestFactsArePacked(t *testing.T) {
	t.Parallel()
	for _, f := range []feature{fHour, fWeekday, fPayday, fSeason} {
		if n := productScales[f].buckets(); n > 16 {
			t.Errorf("%s: %d buckets, want at most 16", productScales[f].name, n)
		}
	}
	if got := unsafe.Sizeof(fact{}); got != 64 {
		t.Errorf("a fact has %d bytes, want 64", got)
	}
	var f fact
	for i := range inSeasons + Seasons {
		f.setLift(i, i*7%16)
	}
	for i := range inSeasons + Seasons {
		if got := f.lift(i); int(got) != i*7%16 {
			t.Errorf("lift %d: got %d, want %d", i, got, i*7%16)
		}
	}
}

// The quick selection keeps the same items as sorting does, whatever was asked before.
func TestStrongestEqualsSorting(t *testing.T) {
	t.Parallel()
	var b bonds
	rapid.Check(t, func(t *rapid.T) {
		b.reset(rapid.IntRange(300, 400).Draw(t, "items"))
		sums := map[who.Item]float32{}
		for range rapid.IntRange(0, 5).Draw(t, "lists") {
			var list []Tally
			for _, item := range rapid.SliceOfNDistinct(rapid.IntRange(0, 299), 0, 64, rapid.ID[int]).Draw(t, "list") {
				list = append(list, Tally{who.Item(item), uint32(rapid.IntRange(1, 9).Draw(t, "count"))})
			}
			weight := rapid.SampledFrom([]float32{1, 0.25, 1e-6}).Draw(t, "weight")
			b.add(list, weight)
			for _, tally := range list {
				sums[tally.Item] += weight * float32(tally.Count)
			}
		}
		without := who.Item(rapid.IntRange(0, 300).Draw(t, "without")) // those below
		var all []ranked
		for item, sum := range sums {
			if b.of(item) != sum {
				t.Fatalf("item %d: got %v, want %v", item, b.of(item), sum)
			}
			if item >= without {
				all = append(all, ranked{item, sum})
			}
		}
		order := func(a, b ranked) int {
			if a.before(b) {
				return -1
			}
			return 1
		}
		slices.SortFunc(all, order)
		n := rapid.IntRange(0, 60).Draw(t, "n")
		got := slices.Clone(b.strongest(n, func(item who.Item) bool { return item < without }))
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
		"a tree asks for more": func(m *Model) { m.Store.Trees = []Tree{{Features: [TreeDepth]uint8{maxFeatures - 1}}} },
		"a leaf is no number":  func(m *Model) { m.Product.Trees = []Tree{{Values: [2 << TreeDepth]float32{5: float32(math.Inf(1))}}} },
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
