package learn

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// Bounds of a learning, so that it ends within seconds whatever the retailer's size.
const (
	maxLearners = 20_000    // shoppers whose last basket is learnt from
	maxRows     = 1_200_000 // candidates looked at
	maxTested   = 3_000     // shoppers of the backtest
	minLearners = 30        // fewer teach nothing

	// testedPerHundred shoppers are kept out of learning to test what was learnt.
	testedPerHundred = 20
	// keepOneIn of the candidates that were neither bought before nor bought then are learnt from, each
	// for that many: they are many and much alike.
	keepOneIn = 4
)

// Fit learns how much each feature counts for a retailer: what the engine would have said before each
// shopper's last basket is set against that basket. It learns on some shoppers, tests on others beside
// the baselines and the model in service, and returns the new model only when it does not rank worse
// than the one in service; else it returns that one, with its figures renewed. The error says why
// nothing could be learnt.
//
// Catalogue, stores and the model in service come from the snapshot; its crowd is not used, because it
// has seen the baskets that are to be guessed.
func Fit(snapshot *recommend.Snapshot, zone *time.Location, histories []*who.History) (*recommend.Model, error) {
	crowd := NewCrowd(zone)
	var learners, tested []lesson
	for i, h := range histories {
		if h == nil || len(h.Baskets) == 0 {
			continue
		}
		before := recommend.PastBefore(h, 1)
		crowd.replace(recommend.PastBefore(nil, 0), before)
		if before.Known() == 0 {
			continue
		}
		l := lesson{past: before, basket: h.Baskets[len(h.Baskets)-1], dice: scatter(uint64(i))}
		if l.dice%100 < testedPerHundred {
			tested = append(tested, l)
		} else {
			learners = append(learners, l)
		}
	}
	if len(learners) < minLearners || len(tested) == 0 {
		return nil, fmt.Errorf("%d shoppers with two baskets or more: too few to learn from", len(learners)+len(tested))
	}
	crowd.version++
	inService := snapshot.Model
	s := snapshot.With(crowd.View(), inService)
	rows := readRows(s, thin(learners, maxLearners))
	learnt := &recommend.Model{
		Version: fmt.Sprintf("%d-%d", histories2(histories), crowd.version),
		Product: rows.fit(recommend.Products, recommend.BuiltIn().Product),
		Store:   inService.Store,
	}
	tested = thin(tested, maxTested)
	learnt.Figures = backtest(s, learnt, tested)
	return learnt, nil
}

func histories2(h []*who.History) int { return len(h) }

// lesson is a basket to be guessed and what was known before it.
type lesson struct {
	past   recommend.Past
	basket who.Basket
	dice   uint64 // for what is left to chance: the same at each learning
}

// at is when the basket was begun: the last moment that knows nothing of it.
func (l lesson) at() time.Time { return time.Unix(int64(l.basket.At), 0) }

// holds tells whether the basket held an item, by its place in the history.
func (l lesson) holds(item who.Item) bool {
	i, ok := l.past.History.Find(item)
	return ok && l.past.History.Items[i].Recent&1 != 0
}

// scatter mixes the bits of a key, so that its remainder is like a throw of dice (SplitMix64).
func scatter(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// thin keeps at most n lessons, evenly over the list.
func thin(lessons []lesson, n int) []lesson {
	if len(lessons) <= n {
		return lessons
	}
	kept := make([]lesson, n)
	for i := range kept {
		kept[i] = lessons[i*len(lessons)/n]
	}
	return kept
}

// rows are the candidates that are learnt from, feature by feature.
type rows struct {
	features [][]uint8 // buckets, by feature, then row
	weight   []float32
	bought   []bool
}

// parts is into how many parts work is split, whatever the machine: the same sums on all of them.
const parts = 8

// inParts runs do for each of the parts and waits.
func inParts(do func(part int)) {
	var wait sync.WaitGroup
	tokens := make(chan struct{}, runtime.GOMAXPROCS(0))
	for part := range parts {
		tokens <- struct{}{}
		wait.Go(func() {
			do(part)
			<-tokens
		})
	}
	wait.Wait()
}

// readRows asks the engine for its candidates in each lesson.
func readRows(s *recommend.Snapshot, lessons []lesson) *rows {
	features := recommend.Products.Features()
	var pieces [parts]rows
	inParts(func(part int) {
		piece := &pieces[part]
		piece.features = make([][]uint8, features)
		buckets := make([]uint8, features)
		var rehearsal recommend.Rehearsal
		for i := part; i < len(lessons); i += parts {
			l := lessons[i]
			rehearsal.Products(s, l.past, l.at(), func(item who.Item, before bool, x []float32) {
				bought, weight := l.holds(item), float32(1)
				if !bought && !before {
					if scatter(l.dice^uint64(item))%keepOneIn != 0 {
						return
					}
					weight = keepOneIn
				}
				if len(piece.weight) >= maxRows/parts {
					return
				}
				recommend.Products.Buckets(x, buckets)
				for f, b := range buckets {
					piece.features[f] = append(piece.features[f], b)
				}
				piece.weight = append(piece.weight, weight)
				piece.bought = append(piece.bought, bought)
			})
		}
	})
	all := &rows{features: make([][]uint8, features)}
	for i := range pieces {
		for f := range all.features {
			all.features[f] = append(all.features[f], pieces[i].features[f]...)
			pieces[i].features[f] = nil
		}
		all.weight = append(all.weight, pieces[i].weight...)
		all.bought = append(all.bought, pieces[i].bought...)
	}
	return all
}

const (
	sweeps       = 14
	singlePrior  = 8.0  // how many rows' worth of evidence the prior weight of a bucket is
	crossedPrior = 16.0 // … of a crossed one
)

// fit finds the weights that make what was bought most likely: Newton steps on one table after the
// other, each drawn towards its prior weight.
func (r *rows) fit(l *recommend.Layout, prior *recommend.Blend) *recommend.Blend {
	b := l.Empty()
	for t := range b.Tables {
		copy(b.Tables[t], prior.Tables[t])
	}
	b.Bias = prior.Bias
	n := len(r.weight)
	margin := make([]float32, n)
	r.each(func(from, to int) {
		for i := from; i < to; i++ {
			margin[i] = b.Bias
		}
	})
	for t := range b.Tables {
		r.add(l, t, b.Tables[t], margin)
	}
	for range sweeps {
		b.Bias += r.bias(margin)
		for t := range b.Tables {
			strength := singlePrior
			if t >= l.Features() {
				strength = crossedPrior
			}
			step := r.newton(l, t, margin, b.Tables[t], prior.Tables[t], strength)
			r.add(l, t, step, margin)
		}
	}
	return b
}

// each runs do over equal stretches of the rows.
func (r *rows) each(do func(from, to int)) {
	n := len(r.weight)
	inParts(func(part int) { do(part*n/parts, (part+1)*n/parts) })
}

// add moves the margins by what a table's weights say.
func (r *rows) add(l *recommend.Layout, t int, weights, margin []float32) {
	r.each(func(from, to int) {
		if t < l.Features() {
			for i, b := range r.features[t][from:to] {
				margin[from+i] += weights[b]
			}
			return
		}
		fa, fb, width := l.Crossed(t)
		a, z := r.features[fa][from:to], r.features[fb][from:to]
		for i := range a {
			margin[from+i] += weights[int(a[i])*width+int(z[i])]
		}
	})
}

// slope is what the likelihood's first and second derivative sum to.
type slope struct{ first, second float64 }

// newton makes one step on a table and returns it.
func (r *rows) newton(l *recommend.Layout, t int, margin, weights, prior []float32, strength float64) []float32 {
	var sums [parts][]slope
	n := len(r.weight)
	inParts(func(part int) {
		sum := make([]slope, len(weights))
		from, to := part*n/parts, (part+1)*n/parts
		var a, z []uint8
		width := 0
		if t < l.Features() {
			z = r.features[t]
		} else {
			var fa, fb int
			fa, fb, width = l.Crossed(t)
			a, z = r.features[fa], r.features[fb]
		}
		for i := from; i < to; i++ {
			b := int(z[i])
			if a != nil {
				b += int(a[i]) * width
			}
			p := logistic(margin[i])
			w := r.weight[i]
			y := float32(0)
			if r.bought[i] {
				y = 1
			}
			sum[b].first += float64(w * (y - p))
			sum[b].second += float64(w * p * (1 - p))
		}
		sums[part] = sum
	})
	step := make([]float32, len(weights))
	for b := range step {
		var s slope
		for part := range sums {
			s.first += sums[part][b].first
			s.second += sums[part][b].second
		}
		// A prior of that many rows at the mean rate has a curvature of its own.
		ridge := strength * 0.05
		s.first -= ridge * float64(weights[b]-prior[b])
		move := s.first / (s.second + ridge)
		step[b] = float32(max(-1, min(1, move)))
		weights[b] += step[b]
	}
	return step
}

// bias moves all margins at once.
func (r *rows) bias(margin []float32) float32 {
	var sums [parts]slope
	n := len(r.weight)
	inParts(func(part int) {
		for i := part * n / parts; i < (part+1)*n/parts; i++ {
			p := logistic(margin[i])
			y := float32(0)
			if r.bought[i] {
				y = 1
			}
			sums[part].first += float64(r.weight[i] * (y - p))
			sums[part].second += float64(r.weight[i] * p * (1 - p))
		}
	})
	var s slope
	for _, part := range sums {
		s.first += part.first
		s.second += part.second
	}
	move := float32(max(-2, min(2, s.first/(s.second+1))))
	r.each(func(from, to int) {
		for i := from; i < to; i++ {
			margin[i] += move
		}
	})
	return move
}

func logistic(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }
