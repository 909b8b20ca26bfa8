package learn

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// Bounds of a learning, so that it ends within seconds whatever the retailer's size.
const (
	maxLearners = 20_000    // lessons that are learnt from
	maxRows     = 1_000_000 // candidates looked at
	maxTested   = 3_000     // lessons to choose by, and as many to test on
	minLearners = 30        // fewer lessons teach nothing

	// Of a hundred shoppers so many are kept out of learning: the first to choose by among what was learnt, the others to test
	// what was chosen. What was chosen because it does best on some shoppers does worse on others.
	choosePerHundred = 12
	testPerHundred   = 8
	// keepOneIn of the candidates that were neither bought before nor bought then are learnt from, each
	// for that many: they are many and much alike.
	keepOneIn = 4
)

// Fit learns how much each feature counts for a retailer: what the engine would have said before each
// shopper's last basket, and before their last visits, is set against what they then did. It learns on
// some shoppers, chooses by others, and tests on a third part, beside the model in service and the baselines: the figures are of
// shoppers by whom nothing was learnt or chosen in this run. The result is the new model, as it is to serve, or the one in service
// (the same pointer's content, with its figures renewed) when the new one ranks no better there.
//
// Catalogue, stores, zone and the model in service come from the snapshot; its counts are not used,
// because they have seen what is to be guessed. The caller names the version and says when it is. The
// error says why there is nothing to learn from; the model in service then stays. What is learnt does not depend on the order of
// the histories, nor on the order in which this process met items and stores: the same purchases make the same model.
func Fit(snapshot *recommend.Snapshot, histories []*who.History, version string, now time.Time) (*recommend.Model, error) {
	zone := snapshot.Crowd.Zone
	snapshot, histories = numbered(snapshot, histories)
	bought, before := baskets(zone, histories)
	came, beforeVisits := visits(zone, histories)
	if !bought.enough() && !came.enough() {
		return nil, fmt.Errorf("learn: %d shoppers with two baskets or more, want %d", len(bought.learn)+len(bought.choose)+len(bought.test), minLearners)
	}
	current := snapshot.Model
	learnt := &recommend.Model{Version: version, Learned: now, Product: current.Product, Store: current.Store}
	if bought.enough() {
		s := snapshot.With(before.View(), current)
		learnt.Figures = choose(s, learnt, readRows(recommend.Products, s, bought.learn), &bought)
	}
	if came.enough() {
		s := snapshot.With(beforeVisits.View(), current)
		learnt.Figures = append(learnt.Figures, chooseStore(s, learnt, readRows(recommend.Places, s, came.learn), &came)...)
	}
	if learnt.Product == current.Product && learnt.Store == current.Store {
		learnt.Version, learnt.Learned = current.Version, current.Learned
	}
	return learnt, nil
}

// lessons are what shoppers did, each in one part by who did it.
type lessons struct{ learn, choose, test []lesson }

func (l *lessons) enough() bool {
	return len(l.learn) >= minLearners && len(l.choose) > 0 && len(l.test) > 0
}

// add puts a lesson into its part.
func (l *lessons) add(one lesson) {
	switch at := one.dice % 100; {
	case at < choosePerHundred:
		l.choose = append(l.choose, one)
	case at < choosePerHundred+testPerHundred:
		l.test = append(l.test, one)
	default:
		l.learn = append(l.learn, one)
	}
}

// thin keeps as many of each part as a learning has time for.
func (l *lessons) thin() {
	l.learn, l.choose, l.test = thin(l.learn, maxLearners), thin(l.choose, maxTested), thin(l.test, maxTested)
}

// What the figures of models are called.
const (
	methodLearnt = "learnt"
	methodBefore = "in service before"
	nextStore    = "next store: " // before the name of a method that ranks stores
)

// choose learns blends for products and chooses one of them, with what goes with it. The model gets them if they do better in the test
// than what is in service, as it serves; else that. The figures begin with those of the model; where it is a newcomer those of the
// one in service before follow.
func choose(s *recommend.Snapshot, m *recommend.Model, r *rows, l *lessons) (figures []recommend.Figures) {
	ask := func(on []lesson, method string, m *recommend.Model) recommend.Figures {
		return measure(s, method, on, engine(s.With(s.Crowd, m), false))
	}
	serving := *m
	serving.Product, serving.Discovery, serving.Variety = s.Model.Product, s.Model.Discovery, s.Model.Variety
	newcomer := *m
	newcomer.Product = best(recommend.Products, recommend.BuiltIn().Product, r, func(b *recommend.Blend) recommend.Figures {
		other := newcomer
		other.Product = b
		return ask(l.choose, methodLearnt, &other)
	})
	discover(s, &newcomer, l.choose, discoveries[:])
	before, after := ask(l.test, methodBefore, &serving), ask(l.test, methodLearnt, &newcomer)
	strengths := varieties[:]
	if worth(after) > worth(before) {
		m.Product, m.Discovery = newcomer.Product, newcomer.Discovery
		figures = []recommend.Figures{after, before}
	} else {
		m.Product, m.Discovery = serving.Product, serving.Discovery
		figures, strengths = []recommend.Figures{before}, []float64{serving.Variety}
	}
	vary(s, m, l.choose, strengths)
	figures = append(figures, measure(s, "popular", l.test, global(s)), measure(s, "personal, then popular", l.test, personal(s)))
	if m.Variety > 0 {
		figures = append(figures, measure(s, fmt.Sprintf("varied by %v", m.Variety), l.test, engine(s.With(s.Crowd, m), true)))
	}
	return figures
}

// chooseStore is choose for stores.
func chooseStore(s *recommend.Snapshot, m *recommend.Model, r *rows, l *lessons) []recommend.Figures {
	ask := func(on []lesson, method string, b *recommend.Blend) recommend.Figures {
		other := *m
		other.Store = b
		return measure(s, nextStore+method, on, storeEngine(s.With(s.Crowd, &other)))
	}
	newcomer := best(recommend.Places, recommend.BuiltIn().Store, r, func(b *recommend.Blend) recommend.Figures { return ask(l.choose, methodLearnt, b) })
	before, after := ask(l.test, methodBefore, s.Model.Store), ask(l.test, methodLearnt, newcomer)
	if worth(after) > worth(before) {
		m.Store = newcomer
		return []recommend.Figures{after, before}
	}
	m.Store = s.Model.Store
	return []recommend.Figures{before}
}

// best learns blends of several strengths, grows trees on the best of them, and returns what measures best.
func best(l *recommend.Layout, prior *recommend.Blend, r *rows, measure func(b *recommend.Blend) recommend.Figures) (learnt *recommend.Blend) {
	most := 0.0
	try := func(b *recommend.Blend) {
		if w := worth(measure(b)); learnt == nil || w > most {
			learnt, most = b, w
		}
	}
	for _, s := range strengths {
		try(r.fit(l, prior, s))
	}
	boosted := *learnt
	boosted.Trees = r.boost(l, learnt)
	try(&boosted)
	return learnt
}

// discoveries are how much of it is tried, in log-odds, rising.
var discoveries = [...]float64{0.1, 0.2, 0.3, 0.4, 0.5}

// discoveryCosts is the share of the best worth that more of what is new may cost, repeatCosts that of what is found of what was bought
// before: both have their place.
const discoveryCosts, repeatCosts = 0.002, 0.02

// discover sets how much is added to what the shopper never bought: the most with which these lessons find more that is new, and next to
// nothing less than with the best, nor of what was bought before.
func discover(s *recommend.Snapshot, m *recommend.Model, on []lesson, strengths []float64) {
	ask := func(strength float64) recommend.Figures {
		other := *m
		other.Discovery = strength
		return measure(s, methodLearnt, on, engine(s.With(s.Crowd, &other), false))
	}
	m.Discovery = 0
	plain := ask(0)
	most := worth(plain)
	for _, strength := range strengths {
		f := ask(strength)
		if discovers(&f, &plain, most) {
			m.Discovery = strength
		}
		most = max(most, worth(f))
	}
}

// discovers tells whether more of what is new is worth what it costs, beside the plain ranking and the best worth so far.
func discovers(f, plain *recommend.Figures, most float64) bool {
	return worth(*f) >= (1-discoveryCosts)*most && f.New10 > plain.New10 && f.Repeat10 >= (1-repeatCosts)*plain.Repeat10
}

// varieties are how much of it is tried, the most first, in log-odds.
var varieties = [...]float64{2, 1, 0.5, 0.25}

// varietyCosts is the share of what the plain ranking finds that variety may cost.
const varietyCosts = 0.01

// vary sets the strongest variety that costs next to nothing in these lessons, and none where each costs more.
func vary(s *recommend.Snapshot, m *recommend.Model, on []lesson, strengths []float64) {
	ask := func(strength float64) recommend.Figures {
		other := *m
		other.Variety = strength
		return measure(s, methodLearnt, on, engine(s.With(s.Crowd, &other), strength > 0))
	}
	m.Variety = 0
	if !slices.ContainsFunc(strengths, func(strength float64) bool { return strength > 0 }) {
		return
	}
	plain := ask(0)
	for _, strength := range strengths {
		if strength == 0 {
			return
		}
		if f := ask(strength); varies(&f, &plain) {
			m.Variety = strength
			return
		}
	}
}

// varies tells whether a variety costs next to nothing, and varies anything.
func varies(f, plain *recommend.Figures) bool {
	return f.Recall10 >= (1-varietyCosts)*plain.Recall10 && f.NDCG10 >= (1-varietyCosts)*plain.NDCG10 && f.Variety10 > plain.Variety10
}

// worth is what decides between two models: how much they find and how high they put it.
func worth(f recommend.Figures) float64 { return f.Recall10 + f.NDCG10 }

// lesson is something a shopper did, to be guessed, and what was known before it.
type lesson struct {
	past   recommend.Past
	at     time.Time // the last moment that knows nothing of it
	target []who.Item
	store  bool   // the target is a store, not items
	dice   uint64 // for what is left to chance: the same at each learning
}

// holds tells whether the target holds an item; it is sorted.
func (l *lesson) holds(item who.Item) bool {
	_, ok := slices.BinarySearch(l.target, item)
	return ok
}

// knows tells whether the shopper had bought the item, or visited the store, before.
func (l *lesson) knows(number who.Item) bool {
	if l.store {
		return slices.ContainsFunc(l.past.Visits(), func(v who.Visit) bool { return v.Store == number })
	}
	i, ok := l.past.History.Find(number)
	if !ok {
		return false
	}
	_, times := l.past.Held(&l.past.History.Items[i])
	return times > 0
}

// How many of a shopper's last baskets are guessed: one where there are many shoppers, since older baskets
// say less of what is bought now; where there are few, as many as make enoughLessons, but never more than
// one in basketsALesson.
const (
	enoughLessons  = 8_000
	basketLessons  = 16 // of one shopper
	basketsALesson = 4
)

// baskets makes lessons of each shopper's last baskets, and the crowd as it was before them.
func baskets(zone *time.Location, histories []*who.History) (all lessons, before *Crowd) {
	before = NewCrowd(zone)
	shoppers := 0
	for _, h := range histories {
		if h != nil && len(h.Baskets) > 1 {
			shoppers++
		}
	}
	each := min(basketLessons, (enoughLessons+shoppers)/max(shoppers, 1))
	for _, h := range histories {
		if h == nil || len(h.Baskets) == 0 {
			continue
		}
		dice := digest(h)
		k := max(1, min(each, len(h.Baskets)/basketsALesson))
		before.replace(recommend.PastBefore(nil, 0), recommend.PastBefore(h, k))
		for ; k > 0; k-- {
			l := lesson{past: recommend.PastBefore(h, k), dice: dice, at: time.Unix(int64(h.Baskets[len(h.Baskets)-k].At), 0)}
			for _, b := range h.Items {
				if b.Recent>>(k-1)&1 != 0 {
					l.target = append(l.target, b.Item)
				}
			}
			if l.past.Known() > 0 && len(l.target) > 0 {
				all.add(l)
			}
		}
	}
	before.version++
	all.thin()
	return all, before
}

// visitLessons is how many of a shopper's last visits are guessed.
const visitLessons = 30

// visits makes lessons of each shopper's last visits, and the crowd as it was before the first of them.
func visits(zone *time.Location, histories []*who.History) (all lessons, before *Crowd) {
	before = NewCrowd(zone)
	for _, h := range histories {
		if h == nil || len(h.Visits) < 2 {
			continue
		}
		dice := digest(h)
		from := max(1, len(h.Visits)-visitLessons, len(h.Visits)/2)
		before.replace(recommend.PastBefore(nil, 0), recommend.PastAt(h, h.Visits[from].At-1))
		for k := from; k < len(h.Visits); k++ {
			v := h.Visits[k]
			l := lesson{past: recommend.PastAt(h, v.At-1), at: time.Unix(int64(v.At), 0), target: []who.Item{v.Store}, store: true, dice: dice}
			if len(l.past.Visits()) > 0 {
				all.add(l)
			}
		}
	}
	before.version++
	all.thin()
	return all, before
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
func readRows(layout *recommend.Layout, s *recommend.Snapshot, lessons []lesson) *rows {
	features := layout.Features()
	var pieces [parts]rows
	inParts(func(part int) {
		piece := &pieces[part]
		piece.features = make([][]uint8, features)
		read := func(buckets []uint8, bought bool, weight float32) {
			if len(piece.weight) >= maxRows/parts {
				return
			}
			for f, b := range buckets {
				piece.features[f] = append(piece.features[f], b)
			}
			piece.weight = append(piece.weight, weight)
			piece.bought = append(piece.bought, bought)
		}
		var rehearsal recommend.Rehearsal
		for i := part; i < len(lessons); i += parts {
			l := &lessons[i]
			if layout == recommend.Places {
				rehearsal.Places(s, l.past, l.at, func(store who.Item, buckets []uint8) { read(buckets, l.holds(store), 1) })
				continue
			}
			rehearsal.Products(s, l.past, l.at, func(item who.Item, before bool, buckets []uint8) {
				switch bought := l.holds(item); {
				case bought || before:
					read(buckets, bought, 1)
				case scatter(l.dice^uint64(item))%keepOneIn == 0:
					read(buckets, bought, keepOneIn)
				}
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

// sweeps over all tables: by then the likelihood hardly moves.
const sweeps = 7

// strength says how firmly weights are drawn towards their prior: as if each had been seen so often
// already, in units of the likelihood's curvature (a row of a probability p has p(1-p)). A few are tried,
// since how much a retailer's data can bear follows from the data; the backtest decides.
type strength struct{ single, crossed float64 }

var strengths = []strength{{5, 40}, {5, 160}, {20, 640}}

// fit finds the weights that make what was bought most likely: Newton steps on one table after the
// other, each drawn towards its prior weight.
func (r *rows) fit(l *recommend.Layout, prior *recommend.Blend, s strength) *recommend.Blend {
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
			ridge := s.single
			if t >= l.Features() {
				ridge = s.crossed
			}
			step := r.newton(l, t, margin, b.Tables[t], prior.Tables[t], ridge)
			r.add(l, t, step, margin)
		}
	}
	r.centre(l, b)
	return b
}

// centre tells each table's weights against their mean over the candidates, which goes into the bias:
// sums stay the same, and what a feature contributes is what sets a candidate apart from a usual one.
func (r *rows) centre(l *recommend.Layout, b *recommend.Blend) {
	total := 0.0
	for _, w := range r.weight {
		total += float64(w)
	}
	for t, weights := range b.Tables {
		sum := 0.0
		for i, w := range r.weight {
			sum += float64(w * weights[r.place(l, t, i)])
		}
		mean := float32(sum / total)
		for k := range weights {
			weights[k] -= mean
		}
		b.Bias += mean
	}
}

// place is where a row finds its weight in a table.
func (r *rows) place(l *recommend.Layout, t, row int) int {
	if t < l.Features() {
		return int(r.features[t][row])
	}
	a, z, width := l.Crossed(t)
	return int(r.features[a][row])*width + int(r.features[z][row])
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
func (r *rows) newton(l *recommend.Layout, t int, margin, weights, prior []float32, ridge float64) []float32 {
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

// logistic is 1/(1+e^-x), read from a table: exact to 1e-6, and five times as fast as working it out.
func logistic(x float32) float32 {
	at := (min(max(x, -curveEnd), curveEnd-1e-3) + curveEnd) * curveSteps
	i := int(at)
	return curve[i] + (at-float32(i))*(curve[i+1]-curve[i])
}

const curveEnd, curveSteps = 16, 256 // log-odds either way, and steps for each

var curve = func() (c [2*curveEnd*curveSteps + 1]float32) {
	for i := range c {
		c[i] = float32(1 / (1 + math.Exp(curveEnd-float64(i)/curveSteps)))
	}
	return c
}()
