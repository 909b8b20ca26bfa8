package recommend

import (
	"math"

	"satnav/context/who"
	"satnav/geo"
)

// How many stores a source may bring.
const (
	maxPassages = 30
	maxVisited  = 30
	maxNearby   = 20
)

// places is what one answer notes about stores.
type places struct {
	cells  []stay // by store number
	seen   []who.Item
	visits int      // how many visits and baskets the past has
	from   who.Item // where the shopper was last; 0: nowhere
	total  float32  // of stay.recent
	hour   float32  // of stay.hour
	moves  float32  // away from from
}

// stay is what one shopper's visits say of one store.
type stay struct {
	stamp     uint32
	candidate int32   // number + 1 in candidates; 0: none
	times     float32 // visits
	recent    float32 // visits, each counting 0.985^(visits since)
	hour      float32 // the same, weighted by how near their hour is to now's
	next      float32 // moves from where the shopper was last to here, each counting as its visit does
	moves     uint32  // the same, each counting one
	since     float32 // visits since the last, from 1
	last      uint32
	crowdNext float32 // the crowd's moves from there to here, as a share
	manyNext  bool    // those are moves of at least LeastPeople shoppers
}

// visitFade is what a visit counts beside the one after it. It was measured best for frequent and
// seldom visitors alike; learning weighs what comes of it.
const visitFade = 0.985

// hourKernel is how much a visit counts that many hours away from now's hour of the day.
var hourKernel = [13]float32{1, 0.8, 0.4, 0.1}

func (w *work) stay(store who.Item) *stay {
	if n := int(store) + 1; n > len(w.places.cells) {
		w.places.cells = append(w.places.cells, make([]stay, n-len(w.places.cells))...)
	}
	s := &w.places.cells[store]
	if s.stamp != w.stamp {
		*s = stay{stamp: w.stamp}
		w.places.seen = append(w.places.seen, store)
	}
	return s
}

// stores gathers the stores where the shopper may go and works out their features. Among products only
// one is shown, so that few need looking at: those visited before and the nearest.
func (w *work) stores(among bool) {
	p := &w.places
	p.seen, p.visits, p.from, p.total, p.hour, p.moves = p.seen[:0], 0, 0, 0, 0, 0
	if n := len(w.crowd.Stores); n > len(p.cells) {
		p.cells = append(p.cells, make([]stay, n-len(p.cells))...)
	}
	w.walk()
	for _, store := range p.seen {
		w.addStore(store, FromVisits)
	}
	if p.from != 0 {
		w.passages(among)
	}
	most := maxNearby
	if among {
		most = 1
	}
	if w.here.known {
		w.nearby(most)
	}
	if !among {
		w.wellKnown()
	}
	w.rows = append(w.rows, make([]row, len(w.candidates)-len(w.rows))...)
	for i := range w.candidates {
		if w.candidates[i].kind == aStore {
			w.describeStore(&w.candidates[i], &w.rows[i])
		}
	}
}

// passages notes where the crowd goes from where the shopper was last, and brings those stores.
func (w *work) passages(among bool) {
	from := w.crowd.store(w.places.from)
	next := from.Next
	var all float32
	for _, t := range next {
		all += float32(t.Count)
	}
	for i, t := range next {
		s := w.stay(t.Item)
		s.crowdNext, s.manyNext = float32(t.Count)/(all+evidence), from.SharedNext>>i&1 != 0
		if i < maxPassages && !among {
			w.addStore(t.Item, FromPassages)
		}
	}
}

// wellKnown brings the stores that are visited most, and any store where there is nothing better.
func (w *work) wellKnown() {
	for i := 0; i < len(w.crowd.Visited) && i < maxVisited; i++ {
		w.addStore(w.crowd.Visited[i], FromPopular)
	}
	for _, store := range w.snapshot.listed {
		if len(w.candidates) >= w.request.Limit {
			return
		}
		w.addStore(store, FromFiller)
	}
}

// addStore makes a candidate of a store that is known.
func (w *work) addStore(store who.Item, source Source) {
	if store == 0 || w.snapshot.store(store) == nil {
		return
	}
	s := w.stay(store)
	if s.candidate != 0 {
		w.candidates[s.candidate-1].sources |= source
		return
	}
	w.candidates = append(w.candidates, candidate{item: store, kind: aStore, sources: source, own: -1, place: int32(len(w.candidates))})
	s.candidate = int32(len(w.candidates))
}

// walk goes back through the visits and the baskets bought in a store, newest first.
func (w *work) walk() {
	p := &w.places
	visits, k := w.past.Visits(), 0
	_, offset := w.here.at.Zone()
	weight, after := float32(1), who.Item(0)
	for {
		for k < w.past.Known() && w.past.Basket(k).Store == 0 {
			k++
		}
		var store who.Item
		var at uint32
		switch v := len(visits) - 1; {
		case v < 0 && k >= w.past.Known():
			return
		case k >= w.past.Known() || v >= 0 && visits[v].At >= w.past.Basket(k).At:
			store, at, visits = visits[v].Store, visits[v].At, visits[:v]
		default:
			store, at = w.past.Basket(k).Store, w.past.Basket(k).At
			k++
		}
		s := w.stay(store)
		if s.times == 0 {
			s.last, s.since = at, float32(p.visits+1)
		}
		s.times++
		s.recent += weight
		p.total += weight
		away := hoursApart(int((int64(at)+int64(offset))/3600%24), w.here.at.Hour())
		s.hour += weight * hourKernel[away]
		p.hour += weight * hourKernel[away]
		switch {
		case p.visits == 0:
			p.from = store
		case store == p.from:
			to := w.stay(after)
			to.next += weight
			to.moves++
			p.moves += weight
		}
		after = store
		weight *= visitFade
		p.visits++
	}
}

// hoursApart is the distance on the clock face, 0 to 12.
func hoursApart(a, b int) int {
	d := a - b
	if d < 0 {
		d = -d
	}
	return min(d, 24-d)
}

// nearby brings the stores nearest to the shopper, at most maxNearby.
func (w *work) nearby(most int) {
	var nearest [maxNearby]near
	n := 0
	for _, store := range w.snapshot.listed {
		d := w.snapshot.points[store].roughly(w.here.point)
		if n == most && d >= nearest[n-1].distance {
			continue
		}
		i := n
		if n < most {
			n++
		} else {
			i--
		}
		for ; i > 0 && nearest[i-1].distance > d; i-- {
			nearest[i] = nearest[i-1]
		}
		nearest[i] = near{store, d}
	}
	for _, s := range nearest[:n] {
		w.addStore(s.store, FromNear)
	}
}

type near struct {
	store    who.Item
	distance float64
}

// describeStore works out the features of a store.
func (w *work) describeStore(c *candidate, r *row) {
	var x [storeFeatures]float32
	for f := range x {
		x[f] = unknown
	}
	p, s, stats, store := &w.places, w.stay(c.item), w.crowd.store(c.item), w.snapshot.store(c.item)
	if s.times > 0 {
		x[sTimes], x[sShare], x[sSince] = s.times, s.recent/p.total, s.since
		x[sDays] = float32(w.here.now-s.last) / secondsADay
	}
	if p.visits > 0 {
		x[sHour] = s.hour / (p.hour + 1)
		x[sNext] = s.next / (p.moves + 0.5)
		x[sCrowdNext] = s.crowdNext
		if from := w.snapshot.store(p.from); from != nil {
			x[sHop] = 0.1 + float32(from.Point.Distance(store.Point))/1000
		}
	}
	x[sVisits] = float32(p.visits)
	if w.crowd.Visits > 0 {
		share := float32(stats.Visits) / float32(w.crowd.Visits)
		x[sCrowd] = share
		if stats.Hour != nil {
			x[sCrowdHour] = lift(stats.Hour[w.here.hour], share*w.crowd.VisitHours[w.here.hour])
		}
	}
	if w.here.known {
		x[sDistance] = 0.1 + float32(w.here.point.Distance(store.Point))/1000
	}
	x[sOpen] = 0
	if store.OpenAt(w.here.at) {
		x[sOpen] = 1
	}
	*r = row{}
	for f, value := range x {
		r[f] = uint8(storeScales[f].bucket(value))
	}
	if w.snapshot.blind {
		r.blank(storeSurroundings)
	}
}

// flat is a point with the cosine of its latitude, for cheap comparisons of distance.
type flat struct{ lat, lng, cos float64 }

// roughly is a squared distance in degrees: right enough to rank what is near.
func (f flat) roughly(p geo.Point) float64 {
	dLat, dLng := f.lat-p.Lat, math.Abs(f.lng-p.Lng)
	dLng = min(dLng, 360-dLng) * f.cos
	return dLat*dLat + dLng*dLng
}
