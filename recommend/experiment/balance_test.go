package experiment

import (
	"math/rand/v2"
	"testing"
)

// TestBalance holds that a split as planned is doubted in at most one of 1,000 experiments although somebody looks all the time,
// and that the loss of a tenth of the shoppers of one arm is found in at least 99 of 100 by the time 30,000 are in.
func TestBalance(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		give    []float64 // planned shares
		lost    float64   // of the last arm
		atMost  float64   // share of runs that are called odd
		atLeast float64
	}{
		{"halves, as planned", []float64{0.5, 0.5}, 0, 0.003, 0},
		{"a twentieth, as planned", []float64{0.05, 0.95}, 0, 0.003, 0},
		{"halves, a tenth of one lost", []float64{0.5, 0.5}, 0.1, 1, 0.99},
		{"thirds, a tenth of one lost", []float64{1. / 3, 1. / 3, 1. / 3}, 0.1, 1, 0.99},
		{"a fifth, a tenth of the rest lost", []float64{0.2, 0.8}, 0.1, 1, 0.99},
	}
	for k, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, odd := runs(1_000), 0
			for run := range n {
				r := rand.New(rand.NewPCG(uint64(run), uint64(k)))
				counts := make([]int, len(c.give))
				for in := 0; in < 30_000; {
					at, arm := r.Float64(), 0
					for arm < len(c.give)-1 && at >= c.give[arm] {
						at -= c.give[arm]
						arm++
					}
					if arm == len(c.give)-1 && r.Float64() < c.lost {
						continue
					}
					counts[arm]++
					if in++; in%250 == 0 {
						if b := balance(counts, c.give); b.Odd() {
							odd++
							break
						}
					}
				}
			}
			share := float64(odd) / float64(n)
			t.Logf("%.2f %% of %d runs are called odd", 100*share, n)
			if share > c.atMost || share < c.atLeast {
				t.Errorf("%.2f %% of runs are called odd, want %.1f to %.1f %%", 100*share, 100*c.atLeast, 100*c.atMost)
			}
		})
	}
}
