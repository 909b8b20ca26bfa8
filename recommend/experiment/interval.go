package experiment

import "math"

// Interval is a difference and where it lies, always valid: the chance that it ever leaves out the truth, over all looks
// that are taken, is at most one minus the confidence.
type Interval struct{ Mean, Low, High float64 }

// Bounds under which nothing is said: what an interval rests on is not normal enough there.
const (
	fewShoppers = 100 // of each arm
	fewActed    = 20  // of both together
)

// Difference is how an arm differs from the first by one metric.
type Difference struct {
	Metric  Metric
	Arm     string
	First   float64 // the metric on the first arm
	Value   float64 // and on this one
	Between Interval
	// Reduced is which part of the noise was taken away by what was known before, 0 to 1 (CUPED).
	Reduced float64
	// Known is false while there are too few shoppers to say anything; Between is without ends then.
	Known bool
}

// Decided tells whether the difference is not chance.
func (d *Difference) Decided() bool { return d.Known && (d.Between.Low > 0 || d.Between.High < 0) }

// compare works out how b differs from a. alpha is how often it may be wrong; planned how many shoppers of both arms
// together it is made for: there it is tightest, and valid everywhere.
//
// What shoppers did before takes noise away (CUPED; Deng, Xu, Kohavi, Walker 2013): the part of the metric that goes with
// it, with one slope for both arms. Nobody's before depends on the arm, so the difference stays what it is.
func compare(a, b *Sample, alpha, planned float64) Difference {
	d := Difference{First: a.Mean(), Value: b.Mean()}
	d.Between = Interval{d.Value - d.First, math.Inf(-1), math.Inf(1)}
	if a.n < fewShoppers || b.n < fewShoppers || a.acted+b.acted < fewActed {
		return d
	}
	slope := 0.0
	if before := a.co[theBefore][theBefore] + b.co[theBefore][theBefore]; before > 0 {
		slope = (a.along() + b.along()) / before
	}
	plain := noise(a, 0) + noise(b, 0)
	left := noise(a, slope) + noise(b, slope)
	if left >= plain {
		slope, left = 0, plain
	}
	if plain > 0 {
		d.Reduced = 1 - left/plain
	}
	mean := d.Value - d.First - slope*(b.mean[theBefore]-a.mean[theBefore])
	half := math.Sqrt(left) * reach(a.n+b.n, alpha, planned)
	d.Between, d.Known = Interval{mean, mean - half, mean + half}, true
	return d
}

// noise is the variance of an arm's mean, less what goes with before.
func noise(s *Sample, slope float64) float64 {
	deviation := s.Deviation()
	variance := deviation*deviation + (slope*slope*s.co[theBefore][theBefore]-2*slope*s.along())/(s.n-1)
	return max(0, variance) / s.n
}

// reach is how many standard errors an always-valid interval reaches to each side after n shoppers: the asymptotic
// confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
// asymptotic confidence sequences" (Annals of Statistics 2024, theorem 2.2), which is the normal mixture of the mixture
// SPRT (Robbins 1970; Johari, Koomen, Pekelis, Walsh 2022) around a plug-in variance:
//
//	sqrt( 2(nρ²+1)/(nρ²) · log( sqrt(nρ²+1) / alpha ) ),  ρ² = (-2 log alpha + log(-2 log alpha + 1)) / planned
func reach(n, alpha, planned float64) float64 {
	rho := (-2*math.Log(alpha) + math.Log(-2*math.Log(alpha)+1)) / planned
	t := n*rho + 1
	return math.Sqrt(2 * t / (n * rho) * math.Log(math.Sqrt(t)/alpha))
}
