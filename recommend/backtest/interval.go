package backtest

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is a mean over shoppers, and where the mean of others like them would lie in 95 of 100 cases.
type Interval struct {
	Mean     float64 `json:"mean"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Shoppers int     `json:"shoppers"` // whom the figure applies to
}

// resamples is how often the shoppers are drawn anew, with replacement: the percentile bootstrap (Efron 1979). The ends of
// the interval then move by less than a twentieth of its width from one seed to another.
const resamples = 1000

// intervals works out all figures.
func intervals(of []scores) map[string]Interval {
	out := map[string]Interval{}
	values := make([][]float64, figures)
	for f := range figures {
		for i := range of {
			if v := of[i][f]; !math.IsNaN(v) {
				values[f] = append(values[f], v)
			}
		}
	}
	found := make([]Interval, figures)
	inParts(figures, func(f int) { found[f] = interval(values[f], uint64(f)) })
	for f, name := range Figures {
		if len(values[f]) > 0 {
			out[name] = found[f]
		}
	}
	return out
}

// interval draws with a fixed seed, so that the same shoppers give the same figures.
func interval(values []float64, seed uint64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	random := rand.New(rand.NewPCG(seed, 2026)) //nolint:gosec // chance that must come again
	means := make([]float64, resamples)
	for i := range means {
		drawn := 0.0
		for range n {
			drawn += values[random.Uint64N(uint64(n))]
		}
		means[i] = drawn / float64(n)
	}
	slices.Sort(means)
	return Interval{Mean: sum / float64(n), Low: means[resamples/40], High: means[resamples-1-resamples/40], Shoppers: n}
}
