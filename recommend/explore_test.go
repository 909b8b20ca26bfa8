package recommend_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/recommend"
)

// What is written down of chance is true: over many throws of the dice each product stands at the last place as often as it says, and
// nothing else of the list ever changes.
func TestPropensitiesAreTrue(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	const throws, often = 12_000, 0.3
	for _, h := range histories[:3] {
		r := asked(h, loyal, monday)
		plain, _ := recommend.Recommend(snapshot, r)
		last := len(plain) - 1
		r.Explore = often
		seen, told := map[string]int{}, map[string]float64{}
		for dice := range uint64(throws) {
			r.Dice = dice
			list, _ := recommend.Recommend(snapshot, r)
			if !slices.Equal(items(list[:last]), items(plain[:last])) {
				t.Fatalf("got %v, want only the last place of %v to change", items(list), items(plain))
			}
			for i := range last {
				if list[i].Propensity != 1 {
					t.Fatalf("place %d: propensity %v, want 1", i, list[i].Propensity)
				}
			}
			item, p := list[last].Item, list[last].Propensity
			if before, known := told[item]; known && before != p {
				t.Fatalf("%s: propensity %v, then %v", item, before, p)
			}
			told[item] = p
			seen[item]++
		}
		if len(seen) < 3 || math.Abs(told[plain[last].Item]-(1-often)) > 1e-12 {
			t.Fatalf("got %v, want the plain one with %v and some others", told, 1-often)
		}
		sum := 0.0
		for item, p := range told {
			sum += p
			// Within 4.5 standard deviations: one in 100,000 true ones lies without.
			if got, slack := float64(seen[item])/throws, 4.5*math.Sqrt(p*(1-p)/throws); math.Abs(got-p) > slack {
				t.Errorf("%s: stood there in %.4f of the throws, told %.4f", item, got, p)
			}
			if p < often/2/16-1e-12 {
				t.Errorf("%s: propensity %v: too small to be weighed", item, p)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("propensities sum to %v", sum)
		}
	}
}

// Chance is thrown with who asks and when, so that a call that is repeated gets the same answer, whatever it was; short lists, lists
// that are not full and lists with a wish at the end are left alone.
func TestExploringKeepsItsPromises(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	moved := 0
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SampledFrom(histories).Draw(t, "shopper")
		r := asked(h, loyal, monday)
		r.Limit = rapid.IntRange(1, recommend.MaxLimit).Draw(t, "limit")
		r.Varied = rapid.Bool().Draw(t, "varied")
		plain, _ := recommend.Recommend(snapshot, r)
		r.Explore = rapid.SampledFrom([]float64{0.5, 1, 7}).Draw(t, "often")
		r.Dice = rapid.Uint64().Draw(t, "dice")
		list, _ := recommend.Recommend(snapshot, r)
		again, _ := recommend.Recommend(snapshot, r)
		if !slices.Equal(items(list), items(again)) || len(list) != len(plain) {
			t.Fatalf("got %v, then %v; plain %v", items(list), items(again), items(plain))
		}
		sensible(t, list, r.Limit)
		for i := range list {
			if list[i].Item == plain[i].Item {
				continue
			}
			moved++
			if _, before := h.Find(list[i].Number); i != len(list)-1 || r.Limit < 3 || len(list) < r.Limit || before || slices.Contains(items(plain), list[i].Item) {
				t.Fatalf("place %d of %d: got %s for %s", i, r.Limit, list[i].Item, plain[i].Item)
			}
			if sum := logOdds(&list[i]); math.Abs(1/(1+math.Exp(-sum))-list[i].Score) > 1e-9 {
				t.Fatalf("%s: score %v, contributions sum to %v", list[i].Item, list[i].Score, sum)
			}
		}
	})
	if moved == 0 {
		t.Error("nothing was ever explored: the test says nothing")
	}
}
