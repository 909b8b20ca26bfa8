package experiment

import "math"

// Deed is what one shopper did, by one metric.
type Deed struct {
	Value  float64 // visits with a purchase
	Of     float64 // visits; 1 for a metric that is counted over shoppers
	Before float64 // the same value before the exposure, on which no arm had any influence
}

// Sample is what the shoppers of one arm did, in as many numbers however many they are: means and co-moments (Welford
// 1962; Chan, Golub, LeVeque 1983). The zero Sample is of nobody.
type Sample struct {
	n     float64
	acted float64    // whose value is not 0
	mean  [3]float64 // of value, of, before
	co    [3][3]float64
}

const (
	theValue = iota
	theOf
	theBefore
)

// Add counts a shopper in.
func (s *Sample) Add(d Deed) {
	s.n++
	if d.Value != 0 {
		s.acted++
	}
	x := [3]float64{d.Value, d.Of, d.Before}
	var before, after [3]float64
	for i := range x {
		before[i] = x[i] - s.mean[i]
		s.mean[i] += before[i] / s.n
		after[i] = x[i] - s.mean[i]
	}
	for i := range x {
		for j := i; j < len(x); j++ {
			s.co[i][j] += before[i] * after[j]
		}
	}
}

// SampleOf is the sample of n that add up to a sum, their squares to another, each counted over itself.
func SampleOf(n int, sum, squares float64) *Sample {
	s := &Sample{n: float64(n), acted: float64(n)}
	if n > 0 {
		s.mean = [3]float64{sum / s.n, 1, 0}
		s.co[theValue][theValue] = max(0, squares-sum*sum/s.n)
	}
	return s
}

// Merge counts the shoppers of another sample in.
func (s *Sample) Merge(o *Sample) {
	if o.n == 0 {
		return
	}
	n := s.n + o.n
	var apart [3]float64
	for i := range apart {
		apart[i] = o.mean[i] - s.mean[i]
	}
	for i := range apart {
		for j := i; j < len(apart); j++ {
			s.co[i][j] += o.co[i][j] + apart[i]*apart[j]*s.n*o.n/n
		}
	}
	for i := range apart {
		s.mean[i] += apart[i] * o.n / n
	}
	s.n, s.acted = n, s.acted+o.acted
}

// N is how many shoppers are in it.
func (s *Sample) N() int { return int(s.n) }

// Mean is the metric: all values by all that they are counted over.
func (s *Sample) Mean() float64 {
	if s.mean[theOf] == 0 {
		return 0
	}
	return s.mean[theValue] / s.mean[theOf]
}

// Deviation is how much one shopper differs from another, by the delta method for a ratio: the standard deviation of
// (value - mean·of) / mean of (Deng, Knoblich, Lu 2018, "Applying the Delta Method in Metric Analytics").
func (s *Sample) Deviation() float64 {
	if s.n < 2 || s.mean[theOf] == 0 {
		return 0
	}
	r := s.Mean()
	all := s.co[theValue][theValue] - 2*r*s.co[theValue][theOf] + r*r*s.co[theOf][theOf]
	return math.Sqrt(max(0, all)/(s.n-1)) / s.mean[theOf]
}

// along is how the linearised metric goes with what was before: the sum of products.
func (s *Sample) along() float64 {
	if s.mean[theOf] == 0 {
		return 0
	}
	return (s.co[theValue][theBefore] - s.Mean()*s.co[theOf][theBefore]) / s.mean[theOf]
}
