package recommend

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
)

// The order that is made in one pass is that of the definition: each time the best of what is left, less what the likest of those
// before it costs; equals stay in their order.
func TestVaryEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	var rows []Product
	const n = 30
	for i := range n {
		rows = append(rows, Product{ID: string(rune('a' + i)), Category: []string{"", "x", "y", "z"}[i%4]})
	}
	catalogue := NewCatalogue(names, rows)
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		crowd := &Crowd{Items: make([]ItemStats, n), Lines: 1, Baskets: 1}
		together := map[[2]int]uint32{}
		for i := range n {
			crowd.Items[i].Lines = 10 + uint32(random.IntN(5))
			for j := range i {
				if random.IntN(6) == 0 {
					together[[2]int{j, i}] = 1 + uint32(random.IntN(9))
				}
			}
		}
		for pair, count := range together {
			a, b := pair[0], pair[1]
			crowd.Items[a].Neighbours = append(crowd.Items[a].Neighbours, Tally{who.Item(b), count})
			crowd.Items[b].Neighbours = append(crowd.Items[b].Neighbours, Tally{who.Item(a), count})
		}
		s := NewSnapshot(names, catalogue, nil, crowd, nil)
		w := new(work)
		w.snapshot, w.crowd, w.stamp = s, crowd, 1
		odds := make([]float64, n)
		for i := range n {
			odds[i] = float64(random.IntN(12)) / 4
			w.candidates = append(w.candidates, candidate{item: who.Item(i), place: int32(i), logOdds: odds[i]})
			w.cell(who.Item(i)).candidate = int32(i + 1)
			w.best = append(w.best, pick{odds[i], int32(i)})
		}
		slices.SortStableFunc(w.best, func(a, b pick) int { return cmp.Compare(b.logOdds, a.logOdds) })
		left := make([]int, n)
		for i, best := range w.best {
			left[i] = int(best.place)
		}
		strength := rapid.SampledFrom([]float64{0.25, 1, 3}).Draw(t, "strength")
		limit := rapid.IntRange(0, n+5).Draw(t, "limit")
		var want []int
		for len(want) < min(limit, n) {
			next, most := 0, math.Inf(-1)
			for k, i := range left {
				alike := 0.0
				for _, taken := range want {
					alike = max(alike, s.Likeness(who.Item(taken), who.Item(i)))
				}
				if worth := odds[i] - strength*alike; worth > most {
					next, most = k, worth
				}
			}
			want = append(want, left[next])
			left = slices.Delete(left, next, next+1)
		}
		w.vary(limit, strength)
		for k, i := range append(want, left...) {
			if int(w.best[k].place) != i {
				t.Fatalf("place %d: got %d, want %d of %v", k, w.best[k].place, i, want)
			}
		}
	})
}
