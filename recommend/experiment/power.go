package experiment

import "math"

// Power is how often an experiment that is planned by it finds a difference of the size that it is planned for.
const Power = 0.8

const quantile80 = 0.8416212335729143 // of the standard normal: 0.8 lies below

// sure is how often an experiment may be wrong, over all that it compares.
const sure = 0.05

// Plan is what an experiment has to tell apart.
type Plan struct {
	Mean      float64   // of the metric today
	Deviation float64   // between shoppers
	Smallest  float64   // relative difference that is worth knowing
	Weights   []float64 // of the arms
	Reduced   float64   // part of the noise that what is known before takes away, 0 to 1; 0 where it is not known
}

// PlanOf is the plan of an experiment whose first arm does as in a sample.
func (e *Experiment) PlanOf(sample *Sample) Plan {
	p := Plan{Mean: sample.Mean(), Deviation: sample.Deviation(), Smallest: e.smallest()}
	for i := range e.Arms {
		p.Weights = append(p.Weights, float64(e.Arms[i].weight()))
	}
	return p
}

// spread is the variance of a difference times the shoppers of both arms, for the arm with the fewest. An arm that does more
// is taken to be as much noisier, which is right for money and a little too careful for purchases.
func (p *Plan) spread() (worst float64, all, pair float64) {
	for _, w := range p.Weights {
		all += w
	}
	for _, w := range p.Weights[1:] {
		both := w + p.Weights[0]
		if s := p.Deviation * p.Deviation * (1 - p.Reduced) * (both*(1+p.Smallest)*(1+p.Smallest)/w + both/p.Weights[0]); s >= worst {
			worst, pair = s, both
		}
	}
	return worst, all, pair
}

// mostShoppers bounds what Needed answers: more than there are.
const mostShoppers = 1e10

// Needed is how many exposed shoppers, of all arms together, it takes to find the smallest difference with Power; 0 when
// nothing is known of the metric. It is more than a test of fixed length needs: that is the price for looking at any time.
func (p *Plan) Needed() int {
	wanted := math.Abs(p.Mean) * p.Smallest
	if !(wanted > 0 && p.Deviation > 0) || len(p.Weights) < 2 {
		return 0
	}
	_, all, pair := p.spread()
	low, high := 2.0*fewShoppers, float64(mostShoppers)
	for high/low > 1.001 {
		if middle := math.Sqrt(low * high); p.detects(middle) > wanted {
			low = middle
		} else {
			high = middle
		}
	}
	return int(math.Ceil(high * all / pair))
}

// detects is the difference that n shoppers of two arms find with Power.
func (p *Plan) detects(n float64) float64 {
	spread, _, _ := p.spread()
	return math.Sqrt(spread/n) * (reach(n, sure/float64(len(p.Weights)-1), n) + quantile80)
}

// Detectable is the smallest relative difference that so many exposed shoppers find with Power; +Inf where none.
func (p *Plan) Detectable(shoppers int) float64 {
	if p.Mean == 0 || len(p.Weights) < 2 || shoppers < 2*fewShoppers {
		return math.Inf(1)
	}
	_, all, pair := p.spread()
	return p.detects(float64(shoppers)*pair/all) / math.Abs(p.Mean)
}
