package recommend

import (
	"sync"
	"time"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
)

// work is the memory that one answer needs. It is used again and again, so that an answer allocates
// little more than what it returns; tables by item number are not cleared but stamped.
type work struct {
	snapshot *Snapshot
	crowd    *Crowd
	request  *Request
	past     Past
	here     here

	// touched sums up what was read ahead: loops that only read what is needed next wait for memory once for many, where the
	// work itself would wait for each.
	touched    uint64
	stamp      uint32
	cells      []cell   // by item number; those with another stamp are empty
	near       bonds    // to what the shopper buys
	completes  bonds    // to what is in the basket
	held       []held   // by place in History.Items
	searched   []ranked // what the query finds, with the share of its words that each has
	found      []ranked // memory of find
	seeds      []seed
	candidates []candidate
	rows       []row  // of the candidates
	best       []pick // best first
	chosen     []candidate
	reasons    []Reason
	told       [MaxLimit]int // reasons of each suggestion
	ids        [MaxLimit * idLength]byte
	tastes     tastes
	decays     [who.Tail][3]float32 // by basket, for 30, 90 and 365 days
	places     places
	rules      ruled
	chance     chance
	alike      []float32 // by candidate: how much it resembles what was taken already
	wishes     wishes
}

// cell is what one answer notes about one item.
type cell struct {
	stamp     uint32
	candidate int32 // number + 1 in candidates; 0: none; barred: must not become one
}

const barred = -1

// held is what is known of one item in the shopper's past.
type held struct {
	recent uint64
	times  int
	last   uint32
	speaks float32 // for a neighbour, for each basket with both; 0: the item is no seed
}

// here is the scene in the numbers that counting needs.
type here struct {
	now     uint32
	at      time.Time
	hour    int
	weekday int
	day     int // of the month, from 0
	season  int
	known   bool // where the shopper is
	point   geo.Point
	store   who.Item // nearest, else where the shopper bought last; 0: none
	inStore bool     // store comes from the place
	spot    *spot    // what is bought there, or around it; nil: nothing is known
}

// candidate is one thing that may be suggested. Its features are the row at the same place.
type candidate struct {
	item    who.Item // of a product, or the number of a store
	kind    sort
	sources Source
	own     int32 // place in History.Items, -1: never bought
	place   int32 // in candidates
	logOdds float64
}

// pick is a candidate by its place, and its log-odds beside it, since most is decided by those.
type pick struct {
	logOdds float64
	place   int32
}

// sort is a Kind in a byte.
type sort uint8

const (
	aProduct sort = iota
	aStore
	anOffer // of the catalogue; never a candidate that is scored
)

var kinds = [...]Kind{aProduct: KindProduct, aStore: KindStore, anOffer: KindOffer}

var works = sync.Pool{New: func() any { return new(work) }}

// nearEnough is how far away a store may be to be the one that the shopper is shopping in or for.
const nearEnough = 5000 // meters

// open makes the work ready for a request.
func (w *work) open(snapshot *Snapshot, r *Request) {
	now := r.Scene.Moment.Instant
	var h *who.History
	if r.Scene.Shopper != nil {
		if view, ok := who.Access(who.Loyalty, r.Scene.Shopper); ok {
			h = view.History()
		}
	}
	if h != nil && len(h.Items) > 0 && len(h.Baskets) > 0 {
		w.touched += h.Items[0].Recent + h.Items[len(h.Items)/2].Recent + h.Items[len(h.Items)-1].Recent + h.Baskets[len(h.Baskets)-1].Key
	}
	past := PastAt(h, who.Stamp(now))
	w.start(snapshot, r, past, now)
	w.locate(&r.Scene.Place)
}

// start is open without permissions: learning begins here.
func (w *work) start(snapshot *Snapshot, r *Request, past Past, now time.Time) {
	w.snapshot, w.crowd, w.request, w.past = snapshot, snapshot.Crowd, r, past
	w.here = here{now: who.Stamp(now), at: now}
	local := now
	if w.crowd.Zone != nil {
		local = now.In(w.crowd.Zone)
	} else {
		local = now.UTC()
	}
	w.here.hour, w.here.weekday, w.here.day, w.here.season = local.Hour(), int(local.Weekday()), local.Day()-1, SeasonOf(local)
	if past.Known() > 0 {
		w.here.store = past.Basket(0).Store
	}
	w.here.spot = snapshot.spotIn(w.here.store)
	w.stamp++
	if w.stamp == 0 {
		clear(w.cells)
		w.stamp = 1
	}
	if n := len(w.crowd.Items); n > len(w.cells) {
		w.cells = append(w.cells, make([]cell, n-len(w.cells))...)
	}
	w.near.reset(len(w.crowd.Items))
	w.completes.reset(len(w.crowd.Items))
	w.held, w.seeds = w.held[:0], w.seeds[:0]
	w.searched, w.found = w.searched[:0], w.found[:0]
	w.candidates, w.rows, w.chosen = w.candidates[:0], w.rows[:0], w.chosen[:0]
	w.wishes = wishes{less: w.wishes.less[:0]}
}

// locate takes from the place what it offers under its permission.
func (w *work) locate(p *where.Place) {
	if !p.Known {
		return
	}
	w.here.known, w.here.point = true, p.Point
	if p.Store != nil && p.DistanceMeters <= nearEnough {
		if number, ok := w.snapshot.Names.Stores.Lookup(p.Store.ID); ok {
			w.here.store, w.here.inStore = number, true
			w.here.spot = w.snapshot.spotIn(number)
		}
	} else if spot := spotAt(w.snapshot.areas, p.Cell); spot != nil {
		w.here.store, w.here.spot = 0, spot // not where they shop otherwise
	}
}

// release gives the memory back; nothing of the shopper stays referenced.
func (w *work) release() {
	w.end()
	w.snapshot, w.crowd, w.request, w.past, w.here = nil, nil, nil, Past{}, here{}
	works.Put(w)
}

// cell is the note about an item, empty at its first use in an answer.
func (w *work) cell(item who.Item) *cell {
	if int(item) >= len(w.cells) {
		w.cells = append(w.cells, make([]cell, int(item)+1-len(w.cells))...)
	}
	c := &w.cells[item]
	if c.stamp != w.stamp {
		*c = cell{stamp: w.stamp}
	}
	return c
}
