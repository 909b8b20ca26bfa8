package experiment

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestPower holds that an experiment with as many shoppers as it needs finds the smallest difference at least as often as it
// is planned for, and that Detectable is the other way round.
func TestPower(t *testing.T) {
	t.Parallel()
	s := shoppings[0]
	plan := Plan{Mean: s.mean, Deviation: math.Sqrt(s.mean * (1 - s.mean)), Smallest: 0.5, Weights: []float64{1, 1}}
	needed := plan.Needed()
	if d := plan.Detectable(needed); math.Abs(d-plan.Smallest) > 0.002 {
		t.Errorf("%d shoppers are needed for 0.5, and find %v", needed, d)
	}
	n, found := runs(300), 0
	for run := range n {
		r := rand.New(rand.NewPCG(uint64(run), 500))
		if _, decided, _ := peek(r, s, needed/2, plan.Smallest, 0, true); decided {
			found++
		}
	}
	t.Logf("%d shoppers: %d of %d runs found it", needed, found, n)
	if float64(found) < Power*float64(n) {
		t.Errorf("%d of %d runs found the difference, want at least 80 %%", found, n)
	}
	if got := (&Plan{Smallest: 0.1, Weights: []float64{1, 1}}).Needed(); got != 0 {
		t.Errorf("of a metric that nobody knows: got %d, want 0", got)
	}
	if three := (&Plan{Mean: plan.Mean, Deviation: plan.Deviation, Smallest: 0.5, Weights: []float64{1, 1, 1}}).Needed(); three <= needed*3/2 {
		t.Errorf("three arms need %d, want more than half as many again as two with %d", three, needed)
	}
}
