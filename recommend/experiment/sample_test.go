package experiment

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestSample compares the running moments with those worked out from all deeds at once, in one piece and merged of two.
func TestSample(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Float64Range(-1e6, 1e6)
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Deed {
			return Deed{amount.Draw(t, "value"), float64(rapid.IntRange(1, 9).Draw(t, "of")), amount.Draw(t, "before")}
		}), 2, 60).Draw(t, "deeds")
		cut := rapid.IntRange(0, len(deeds)).Draw(t, "cut")
		var whole, left, right Sample
		for i, d := range deeds {
			whole.Add(d)
			if i < cut {
				left.Add(d)
			} else {
				right.Add(d)
			}
		}
		left.Merge(&right)
		n := float64(len(deeds))
		var value, of, before float64
		for _, d := range deeds {
			value, of, before = value+d.Value/n, of+d.Of/n, before+d.Before/n
		}
		var all, along float64
		for _, d := range deeds {
			off := (d.Value - value/of*d.Of) / of
			all += off * off
			along += off * (d.Before - before)
		}
		for name, s := range map[string]*Sample{"whole": &whole, "merged": &left} {
			close := func(what string, got, want, scale float64) {
				if math.Abs(got-want) > 1e-7*(scale+1) {
					t.Fatalf("%s: %s: got %v, want %v", name, what, got, want)
				}
			}
			close("n", s.n, n, 0)
			close("mean", s.Mean(), value/of, 1e6)
			close("deviation", s.Deviation(), math.Sqrt(all/(n-1)), 1e6)
			close("along", s.along(), along, 1e12*n)
		}
	})
}
