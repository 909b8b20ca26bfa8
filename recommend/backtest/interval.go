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

// intervals works out all figures. It draws with a fixed seed, so that the same shoppers give the same figures; whoever is
// drawn counts in all figures that apply to them.
func intervals(of []scores) map[string]Interval {
	out := map[string]Interval{}
	if len(of) == 0 {
		return out
	}
	var known [figures]int
	for i := range of {
		for f, v := range of[i] {
			if !math.IsNaN(v) {
				known[f]++
			}
		}
	}
	means := make([][figures]float64, resamples)
	inParts(resamples, func(k int) {
		random := rand.New(rand.NewPCG(uint64(k), 2026)) //nolint:gosec // chance that must come again
		means[k] = meansOf(of, func(int) int { return int(random.Uint64N(uint64(len(of)))) })
	})
	all := meansOf(of, func(i int) int { return i })
	for f, name := range Figures {
		if known[f] == 0 {
			continue
		}
		drawn := make([]float64, 0, resamples)
		for k := range means {
			if !math.IsNaN(means[k][f]) { // the figure applied to somebody who was drawn
				drawn = append(drawn, means[k][f])
			}
		}
		slices.Sort(drawn)
		out[name] = Interval{Mean: all[f], Low: drawn[len(drawn)/40], High: drawn[len(drawn)-1-len(drawn)/40], Shoppers: known[f]}
	}
	return out
}

// meansOf are the means over as many shoppers as there are, each picked by its number; NaN: the figure applied to nobody.
func meansOf(of []scores, pick func(i int) int) (means [figures]float64) {
	var sums, counts [figures]float64
	for i := range of {
		for f, v := range of[pick(i)] {
			if v == v { //nolint:gocritic // not NaN
				sums[f] += v
				counts[f]++
			}
		}
	}
	for f := range means {
		means[f] = sums[f] / counts[f]
	}
	return means
}
