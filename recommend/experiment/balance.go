package experiment

import "math"

// Balance tells whether as many shoppers were exposed on each arm as its weight promises.
type Balance struct {
	Exposed []int // by arm
	Planned []float64
	// Doubt is the chance, at most, that a split at least this odd ever comes about although nothing is wrong, over all
	// looks that are taken.
	Doubt float64
}

// Bounds of the check.
const (
	oddSplit = 0.001 // below this doubt something is wrong
	stiff    = 2_000 // how many shoppers the prior belief in the plan is worth: it makes the test look for a few percent
)

// Odd tells whether something is wrong with the split, so that no difference may be believed.
func (b *Balance) Odd() bool { return b.Doubt < oddSplit }

// balance compares a split with the plan: the sequential multinomial test of Lindon and Malek, "Anytime-Valid Inference
// for Multinomial Count Data" (NeurIPS 2022). Its statistic is the likelihood of the counts when the shares are drawn around
// the plan (Dirichlet), by their likelihood under the plan; under the plan it is a martingale, so by Ville's inequality one
// over it bounds the chance of ever coming so far.
func balance(exposed []int, planned []float64) Balance {
	var log, n, prior float64
	for i, count := range exposed {
		c, p := float64(count), planned[i]
		n += c
		prior += stiff * p
		log += lgamma(stiff*p+c) - lgamma(stiff*p) - c*math.Log(p)
	}
	log += lgamma(prior) - lgamma(prior+n)
	return Balance{Exposed: exposed, Planned: planned, Doubt: min(1, math.Exp(-log))}
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
