package experiment

import "math"

// Logged is one suggestion that was made by chance, and what came of it. From many of them can be told how another way of
// choosing would have done, without trying it.
type Logged struct {
	Propensity float64 // how likely it was to be chosen, over 0
	Target     float64 // how likely the other way would have chosen it
	Reward     float64 // what came of it: 1 for bought
	Predicted  float64 // what a model says would come of it; 0 without one
	Expected   float64 // what the model says would come of the other way's choice; 0 without one
}

// Estimate is what the other way would have brought, a suggestion.
type Estimate struct {
	Value     float64
	Low, High float64 // it lies there in 95 of 100 cases; for one look
	// Effective is how many suggestions made by the other way itself would tell as much (Kish 1965). Below some dozens
	// the ends mean little.
	Effective float64
}

const quantile975 = 1.959963984540054 // of the standard normal

// SNIPS is the self-normalised inverse propensity estimate (Swaminathan, Joachims 2015): rewards are weighted by how much
// more likely the other way was to choose so, and the weights sum up to one. It is a little biased and much less noisy than
// without. The zero Estimate: the other way never chooses what was logged.
func SNIPS(logged []Logged) Estimate {
	var weights, squares, sum float64
	for i := range logged {
		w := logged[i].weight()
		weights, squares, sum = weights+w, squares+w*w, sum+w*logged[i].Reward
	}
	if weights == 0 {
		return Estimate{}
	}
	value, spread := sum/weights, 0.0
	for i := range logged {
		off := logged[i].weight() * (logged[i].Reward - value)
		spread += off * off
	}
	half := quantile975 * math.Sqrt(spread) / weights
	return Estimate{value, value - half, value + half, weights * weights / squares}
}

// DoublyRobust corrects what a model expects by what was logged (Dudík, Langford, Li 2011): it is right when either the
// propensities or the model are.
func DoublyRobust(logged []Logged) Estimate {
	n := float64(len(logged))
	if n == 0 {
		return Estimate{}
	}
	var weights, squares, sum float64
	for i := range logged {
		w := logged[i].weight()
		weights, squares, sum = weights+w, squares+w*w, sum+logged[i].corrected()
	}
	value, spread := sum/n, 0.0
	for i := range logged {
		off := logged[i].corrected() - value
		spread += off * off
	}
	half := quantile975 * math.Sqrt(spread) / n
	e := Estimate{Value: value, Low: value - half, High: value + half}
	if squares > 0 {
		e.Effective = weights * weights / squares
	}
	return e
}

func (l *Logged) weight() float64 {
	if l.Propensity <= 0 {
		return 0
	}
	return l.Target / l.Propensity
}

func (l *Logged) corrected() float64 { return l.Expected + l.weight()*(l.Reward-l.Predicted) }
