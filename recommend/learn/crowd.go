// Package learn makes models of what shoppers did, off the request path.
//
// It exists so that the engine above it reads finished, immutable numbers: Crowd counts what all
// shoppers did and hands out views, Fit learns how much each feature counts for one retailer and keeps
// what does better in a backtest. Decided against: counting events (they come late, twice and out of
// order). The crowd is a sum over shoppers of a function of their history, so that it does not depend
// on how it came about, and forgetting somebody is a subtraction.
package learn

import (
	"math/bits"
	"slices"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// Bounds of what one shopper and one basket add to the crowd.
const (
	// maxPairs is the largest basket whose items are counted as bought together: a bulk purchase says
	// little about what goes with what, and its pairs grow with the square.
	maxPairs = 64

	neighbours = 64  // kept in a view for an item
	popular    = 256 // … for the retailer
	popularIn  = 128 // … for a store
	visited    = 64  // stores
	passages   = 64  // … for a store
)

const (
	hour = 3600
	week = 7 * 24 * hour
)

// Crowd counts what all shoppers of one retailer did. All counts are integers and a sum over shoppers
// of a function of their history. It is safe for concurrent use.
type Crowd struct {
	mu   sync.Mutex
	zone *time.Location

	version  uint64
	shoppers int
	baskets  uint64
	lines    uint64
	buyers   uint64 // summed over items, as are the next three
	rebuyers uint64
	again    uint64
	chances  uint64
	weeks    map[uint32]uint32 // baskets by week
	hours    [24]uint32        // lines by hour of the day
	weekdays [7]uint32
	days     [31]uint32 // lines by day of the month
	items    []item
	stores   []store
	visits   uint64
	came     [24]uint32 // visits by hour of the day

	dirtyItems  map[who.Item]struct{}
	dirtyStores map[who.Item]struct{}
	old, new    trips // memory of Replace, as are the next two
	reached     map[who.Item]reach
	moved       map[move]moves

	viewing sync.Mutex // one view at a time; taken before mu
	view    *recommend.Crowd
}

// item counts what the crowd did with one item.
type item struct {
	buyers, rebuyers uint32
	lines            uint32
	gaps             uint32
	again, chances   uint32
	gapHours         uint64
	weeks            map[uint32]uint32 // lines by week
	hours            [24]uint32
	weekdays         [7]uint32
	days             [31]uint32
	together         map[who.Item]uint32 // baskets that held both
	repeats          map[who.Item]uint32 // of those, all but the first of each shopper
}

// store counts what the crowd did in one store.
type store struct {
	lines   uint64
	visits  uint32
	people  uint32 // shoppers who visited it or bought in it
	hours   [24]uint32
	items   map[who.Item]uint32 // lines
	repeats map[who.Item]uint32 // of those, all but the first of each shopper
	next    map[who.Item]uint32 // stores visited next
	returns map[who.Item]uint32 // of those, all but the first of each shopper
}

// NewCrowd makes an empty crowd. Hours and weekdays are told in the retailer's zone; nil stands for
// UTC. A retailer that moves to another zone needs a new crowd.
func NewCrowd(zone *time.Location) *Crowd {
	if zone == nil {
		zone = time.UTC
	}
	return &Crowd{
		zone: zone, weeks: map[uint32]uint32{},
		dirtyItems: map[who.Item]struct{}{}, dirtyStores: map[who.Item]struct{}{},
		reached: map[who.Item]reach{}, moved: map[move]moves{},
	}
}

// Replace takes out what a shopper's old history added and puts in what the new one adds; nil stands
// for no history. Forgetting a shopper is Replace(h, nil): the counts then equal those of a crowd that
// never knew them. The cost is that of the baskets in which the two differ.
func (c *Crowd) Replace(old, new *who.History) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(recommend.PastBefore(old, 0), recommend.PastBefore(new, 0))
	c.version++
}

func (c *Crowd) replace(old, new recommend.Past) {
	if !empty(old) {
		c.shoppers--
	}
	if !empty(new) {
		c.shoppers++
	}
	c.old.read(old)
	c.new.read(new)
	gone, came := c.countBaskets()
	c.countRepeats(gone, came)
	c.countItems(old, new)
	same := c.countVisits(old, new)
	c.countPeople(gone, came, same)
}

func empty(p recommend.Past) bool { return p.Orders() == 0 && len(p.Visits()) == 0 }

// trips are the baskets of a tail with their items, newest first.
type trips struct {
	past   recommend.Past
	items  [who.Tail][]who.Item
	held   [who.Tail][]uint64 // beside each item: the baskets that held it
	paired uint64             // baskets small enough to say what goes with what
}

func (t *trips) read(p recommend.Past) {
	t.past = p
	for k := range t.items {
		t.items[k], t.held[k] = t.items[k][:0], t.held[k][:0]
	}
	for i := range p.History.Items {
		b := &p.History.Items[i]
		held, _ := p.Held(b)
		for recent := held; recent != 0; recent &= recent - 1 {
			k := bits.TrailingZeros64(recent)
			t.items[k], t.held[k] = append(t.items[k], b.Item), append(t.held[k], held)
		}
	}
	t.paired = 0
	for k := range p.Tail() {
		if len(t.items[k]) <= maxPairs {
			t.paired |= 1 << k
		}
	}
}

// countBaskets takes out the baskets that are only in the old history and puts in those only in the new; it returns which those are.
func (c *Crowd) countBaskets() (gone, came uint64) {
	out := func(i int) {
		c.countBasket(&c.old, i, -1)
		gone |= 1 << i
	}
	in := func(j int) {
		c.countBasket(&c.new, j, 1)
		came |= 1 << j
	}
	i, j := 0, 0
	for i < c.old.past.Tail() || j < c.new.past.Tail() {
		switch {
		case i == c.old.past.Tail():
			in(j)
			j++
		case j == c.new.past.Tail():
			out(i)
			i++
		default:
			a, b := c.old.past.Basket(i), c.new.past.Basket(j)
			switch {
			case a.At == b.At: // what they count does not depend on their keys, and a Share has none
				if a.Store != b.Store || !slices.Equal(c.old.items[i], c.new.items[j]) {
					out(i)
					in(j)
				}
				i, j = i+1, j+1
			case a.At > b.At:
				out(i)
				i++
			default:
				in(j)
				j++
			}
		}
	}
	return gone, came
}

func (c *Crowd) countBasket(t *trips, k, sign int) {
	basket, items := t.past.Basket(k), t.items[k]
	at := time.Unix(int64(basket.At), 0).In(c.zone)
	h, d, w, n := at.Hour(), int(at.Weekday()), basket.At/week, uint32(sign)
	day := at.Day() - 1
	c.baskets += uint64(sign)
	add(&c.weeks, w, n)
	if basket.Store != 0 {
		s := c.store(basket.Store)
		s.lines += uint64(int64(sign) * int64(len(items)))
		s.visits += n
		s.hours[h] += n
		c.visits += uint64(sign)
		c.came[h] += n
	}
	for _, number := range items {
		c.lines += uint64(sign)
		c.hours[h] += n
		c.weekdays[d] += n
		c.days[day] += n
		it := c.item(number)
		it.lines += n
		it.hours[h] += n
		it.weekdays[d] += n
		it.days[day] += n
		add(&it.weeks, w, n)
		if basket.Store != 0 {
			add(&c.store(basket.Store).items, number, n)
		}
	}
	if len(items) > maxPairs {
		return
	}
	for i, a := range items {
		for _, b := range items[i+1:] {
			add(&c.items[a].together, b, n)
			add(&c.items[b].together, a, n)
		}
	}
}

// habit is what one shopper's past of one item adds to its counts.
type habit struct {
	buyers, rebuyers, gaps, again, chances uint32
	gapHours                               uint64
}

func habitOf(p recommend.Past, b *who.Bought) (a habit) {
	recent, times := p.Held(b)
	if times == 0 {
		return a
	}
	a.buyers = 1
	if times > 1 {
		a.rebuyers, a.gaps = 1, uint32(times-1)
		if last := p.Last(b, recent); last > b.First {
			a.gapHours = uint64(last-b.First) / hour
		}
	}
	// Bit k is the k-th newest basket: which of those but the newest were followed by another?
	followed := recent &^ 1
	a.chances = uint32(bits.OnesCount64(followed))
	a.again = uint32(bits.OnesCount64(followed & (recent << 1)))
	return a
}

// countItems counts what the pasts say of each item as a whole; items of which both say the same are
// left alone. Both lists are by item number.
func (c *Crowd) countItems(old, new recommend.Past) {
	a, b := old.History.Items, new.History.Items
	for len(a) > 0 || len(b) > 0 {
		var was, is habit
		var number who.Item
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Item < b[0].Item:
			number, was, a = a[0].Item, habitOf(old, &a[0]), a[1:]
		case len(a) == 0 || b[0].Item < a[0].Item:
			number, is, b = b[0].Item, habitOf(new, &b[0]), b[1:]
		default:
			number, was, is, a, b = a[0].Item, habitOf(old, &a[0]), habitOf(new, &b[0]), a[1:], b[1:]
		}
		if was == is {
			continue
		}
		it := c.item(number)
		it.buyers += is.buyers - was.buyers
		it.rebuyers += is.rebuyers - was.rebuyers
		it.gaps += is.gaps - was.gaps
		it.again += is.again - was.again
		it.chances += is.chances - was.chances
		it.gapHours += is.gapHours - was.gapHours
		c.buyers += uint64(is.buyers) - uint64(was.buyers)
		c.rebuyers += uint64(is.rebuyers) - uint64(was.rebuyers)
		c.again += uint64(is.again) - uint64(was.again)
		c.chances += uint64(is.chances) - uint64(was.chances)
	}
}

// countVisits counts visits to stores and moves from one to the next; what both histories begin with
// stays as it is, and it returns how many visits that are.
func (c *Crowd) countVisits(old, new recommend.Past) (same int) {
	a, b := old.Visits(), new.Visits()
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	c.countStays(a, same, -1)
	c.countStays(b, same, 1)
	return same
}

func (c *Crowd) countStays(visits []who.Visit, from, sign int) {
	n := uint32(sign)
	for i := from; i < len(visits); i++ {
		v := visits[i]
		h := time.Unix(int64(v.At), 0).In(c.zone).Hour()
		c.visits += uint64(sign)
		c.came[h] += n
		s := c.store(v.Store)
		s.visits += n
		s.hours[h] += n
		if i > 0 {
			add(&c.store(visits[i-1].Store).next, v.Store, n)
		}
	}
}

// add counts in a map and leaves no zero behind, so that what was taken out is gone.
func add[K comparable](m *map[K]uint32, key K, n uint32) {
	if *m == nil {
		*m = map[K]uint32{}
	}
	if sum := (*m)[key] + n; sum != 0 {
		(*m)[key] = sum
	} else {
		delete(*m, key)
	}
}

func (c *Crowd) item(number who.Item) *item {
	if n := int(number) + 1; n > len(c.items) {
		c.items = append(c.items, make([]item, n-len(c.items))...)
	}
	c.dirtyItems[number] = struct{}{}
	return &c.items[number]
}

func (c *Crowd) store(number who.Item) *store {
	if n := int(number) + 1; n > len(c.stores) {
		c.stores = append(c.stores, make([]store, n-len(c.stores))...)
	}
	c.dirtyStores[number] = struct{}{}
	return &c.stores[number]
}
