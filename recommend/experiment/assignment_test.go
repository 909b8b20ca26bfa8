package experiment

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestAssignment holds that each arm gets its share, that a shopper stays where they are, and that what one experiment draws
// tells nothing about another one.
func TestAssignment(t *testing.T) {
	t.Parallel()
	const shoppers = 200_000
	a := &Experiment{ID: "a", Arms: []Arm{{ID: "x", Weight: 3}, {ID: "y", Weight: 1}}}
	b := &Experiment{ID: "b", From: 0, To: 0.4, Arms: []Arm{{ID: "x"}, {ID: "y"}, {ID: "z", Weight: 2}}}
	got := map[string]int{}
	for i := range shoppers {
		shopper := fmt.Sprint("u", i)
		in, out := a.Of("demo", shopper).ID, "out"
		if arm := b.Of("demo", shopper); arm != nil {
			out = arm.ID
		}
		got[in+" "+out]++
		if i < 1_000 && (a.Of("demo", shopper).ID != in) {
			t.Fatalf("shopper %q moved", shopper)
		}
	}
	for in, shareA := range map[string]float64{"x": 0.75, "y": 0.25} {
		for out, shareB := range map[string]float64{"out": 0.6, "x": 0.1, "y": 0.1, "z": 0.2} {
			share := shareA * shareB
			want, spread := share*shoppers, math.Sqrt(shoppers*share*(1-share))
			if n := float64(got[in+" "+out]); math.Abs(n-want) > 4.5*spread {
				t.Errorf("%s of a and %s of b: got %.0f, want %.0f ± %.0f", in, out, n, want, spread)
			}
		}
	}
}

// TestNamespace holds that parts of one namespace that do not overlap share nobody, and miss nobody.
func TestNamespace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.Float64Range(0.01, 0.99).Draw(t, "cut")
		a := &Experiment{ID: "a", Namespace: "n", To: cut, Arms: []Arm{{ID: "x"}, {ID: "y"}}}
		b := &Experiment{ID: "b", Namespace: "n", From: cut, Arms: []Arm{{ID: "x"}, {ID: "y"}}}
		if a.Overlaps(b) || b.Overlaps(a) || !a.Overlaps(a) {
			t.Fatalf("parts up to and from %v: overlaps %t", cut, a.Overlaps(b))
		}
		shopper := rapid.String().Draw(t, "shopper")
		if inA, inB := a.Of("r", shopper) != nil, b.Of("r", shopper) != nil; inA == inB {
			t.Fatalf("shopper %q: in a %t, in b %t", shopper, inA, inB)
		}
	})
}

// TestShare holds that a share of shoppers is drawn, apart from other draws and inside of greater shares.
func TestShare(t *testing.T) {
	t.Parallel()
	got, both := 0, 0
	for i := range 100_000 {
		shopper := fmt.Sprint("u", i)
		if Share("rule a", "r", shopper, 0.05) {
			got++
			if !Share("rule a", "r", shopper, 0.1) {
				t.Fatalf("shopper %q is in the smaller share only", shopper)
			}
			if Share("rule b", "r", shopper, 0.05) {
				both++
			}
		}
	}
	if got < 4_700 || got > 5_300 || both < 180 || both > 320 {
		t.Errorf("got %d in a share of 5 %%, %d of them in another: want about 5,000 and 250", got, both)
	}
	if Share("x", "r", "s", 0) {
		t.Error("a share of nothing holds somebody")
	}
}
