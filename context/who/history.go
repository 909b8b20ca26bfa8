package who

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Bounds of a history. What leaves it is still in the diary.
const (
	Tail       = 64   // newest baskets whose contents are known exactly
	MaxBaskets = 1024 // baskets whose time is known
	MaxItems   = 2048 // items; the least useful leaves first
	MaxVisits  = 1024 // newest store visits
	MaxSignals = 512  // newest views, likes, dismissals, …
)

// HalfLives is the fixed ladder of decays that is kept of purchases older than the tail. A retailer's
// learning chooses weights over the ladder, so nothing stored needs computing again when they change.
var HalfLives = [4]time.Duration{7 * day, 30 * day, 90 * day, 365 * day}

const day = 24 * time.Hour

// History is what a shopper's events add up to: raw counts and times. What they mean is recommend's.
// It is immutable; With makes the next one. A shopper with 16 baskets and 60 items takes 2 KiB.
//
// It does not depend on the order in which the events came (decayed sums up to float32 rounding), with
// three exceptions that the bounds force: which items and signals had left when they came back; a line
// that moves its basket out of the tail, past one whose contents are not known any more; and lines of
// one basket that name different stores (the first counts).
type History struct {
	Orders  uint32   // distinct baskets, at most MaxBaskets
	Baskets []Basket // oldest first
	Items   []Bought // by item number
	// Older holds, for each of Items, the decayed count of purchases that left the tail, one value a
	// half-life, as of the item's Last. nil while nothing left the tail.
	Older   [][4]float32
	Visits  []Visit  // oldest first
	Signals []Signal // by item number, then kind
}

// Basket is one shopping trip.
type Basket struct {
	Key   uint64 // of the basket's id, see BasketKey
	At    uint32 // Unix seconds of its earliest line
	Store Item   // number in Names.Stores
	Lines uint16 // distinct items
}

// Bought is what is known of one shopper's purchases of one item.
type Bought struct {
	Recent uint64 // bit k is set when the k-th newest basket held it, k < Tail
	Item   Item
	Count  uint32 // baskets that held it, ever
	First  uint32 // Unix seconds
	Last   uint32
}

// Visit is one visit of a store.
type Visit struct {
	Store Item   // number in Names.Stores
	At    uint32 // Unix seconds
}

// Signal counts what a shopper did with an item other than buying it.
type Signal struct {
	Item  Item
	Last  uint32 // Unix seconds
	Count uint16
	Kind  SignalKind
}

// SignalKind is an EventKind in a byte.
type SignalKind uint8

const (
	SignalView SignalKind = iota + 1
	SignalAdd
	SignalRemove
	SignalRedeem
	SignalShare
	SignalLike
	SignalDismiss
	SignalReturn // a purchase with a negative quantity
)

var signalOf = map[EventKind]SignalKind{
	Viewed: SignalView, Added: SignalAdd, Removed: SignalRemove, Redeemed: SignalRedeem,
	Shared: SignalShare, Liked: SignalLike, Dismissed: SignalDismiss,
}

// Empty tells whether nothing is known.
func (h *History) Empty() bool {
	return h == nil || len(h.Items) == 0 && len(h.Visits) == 0 && len(h.Signals) == 0
}

// Find returns the index of an item in Items.
func (h *History) Find(item Item) (int, bool) {
	return slices.BinarySearchFunc(h.Items, item, func(b Bought, n Item) int { return int(int64(b.Item) - int64(n)) })
}

// Signal returns what is known of one kind of act on an item.
func (h *History) Signal(item Item, kind SignalKind) (Signal, bool) {
	i, ok := h.findSignal(item, kind)
	if !ok {
		return Signal{}, false
	}
	return h.Signals[i], true
}

// With returns the history after more events, in any order. Each event must be new: the store knows
// which ids it has seen. At must be in the zone of the event's store, for a purchase without a basket
// belongs to the basket of its local day.
func (h *History) With(names *Names, events ...Event) *History {
	next := h.clone()
	for i := range events {
		next.add(names, &events[i])
	}
	next.Orders = uint32(len(next.Baskets))
	next.tighten()
	return next
}

func (h *History) clone() *History {
	if h == nil {
		return &History{}
	}
	return &History{
		Baskets: slices.Clone(h.Baskets),
		Items:   slices.Clone(h.Items),
		Older:   slices.Clone(h.Older),
		Visits:  slices.Clone(h.Visits),
		Signals: slices.Clone(h.Signals),
	}
}

// tighten gives back what growing took too much: a history lives long, and there are many.
func (h *History) tighten() {
	h.Baskets, h.Items, h.Older = tight(h.Baskets), tight(h.Items), tight(h.Older)
	h.Visits, h.Signals = tight(h.Visits), tight(h.Signals)
}

func tight[T any](s []T) []T {
	if cap(s) <= len(s)+len(s)/8+1 {
		return s
	}
	return slices.Clone(s)
}

func (h *History) add(names *Names, e *Event) {
	at := Stamp(e.At)
	switch {
	case e.Kind == Purchased && e.Quantity < 0 && e.Item != "":
		h.signal(names.Items.Number(e.Item), SignalReturn, at)
	case e.Kind == Purchased && e.Quantity >= 0 && e.Item != "":
		h.buy(names.Items.Number(e.Item), BasketKey(e.Basket, e.At), at, names.Stores.Number(e.Store), e.Ordinal)
	case e.Kind == Visited && e.Store != "":
		h.visit(Visit{Store: names.Stores.Number(e.Store), At: at})
	case e.Item != "":
		if kind, ok := signalOf[e.Kind]; ok {
			h.signal(names.Items.Number(e.Item), kind, at)
		}
	}
}

// Stamp is a time in Unix seconds, kept within 1970 to 2106.
func Stamp(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

// BasketKey is a 64-bit hash of a basket's id, or of the local day where there is no id.
func BasketKey(basket string, at time.Time) uint64 {
	hash := fnv.New64a()
	if basket == "" {
		basket = "\x00day " + at.Format(time.DateOnly)
	}
	hash.Write([]byte(basket))
	return hash.Sum64()
}

// buy counts one line. Only a basket's first line of an item counts, so that a basket whose contents
// are not known any more need not be asked whether it holds the item.
func (h *History) buy(item Item, key uint64, at uint32, store Item, ordinal int) {
	position := h.basket(key, at, store)
	rank := Tail // older than all that are kept
	if position >= 0 {
		rank = len(h.Baskets) - 1 - position // 0 is the newest
		at = h.Baskets[position].At
	}
	if ordinal > 0 {
		return
	}
	i, known := h.Find(item)
	switch {
	case !known:
		h.insertItem(i, Bought{Item: item, First: at, Last: at})
	case rank < Tail && h.Items[i].Recent&(1<<rank) != 0:
		return // the basket holds it already
	}
	b := &h.Items[i]
	b.Count++
	b.First = min(b.First, at)
	h.last(i, max(b.Last, at))
	if rank < Tail {
		b.Recent |= 1 << rank
	} else {
		h.age(i, at)
	}
	if position >= 0 && h.Baskets[position].Lines < math.MaxUint16 {
		h.Baskets[position].Lines++
	}
	if len(h.Items) > MaxItems {
		h.forgetItems()
	}
}

// last sets when an item was bought last, and with it the instant that its older decays are told for.
func (h *History) last(i int, at uint32) {
	b := &h.Items[i]
	if at == b.Last {
		return
	}
	if h.Older != nil {
		for k := range HalfLives {
			h.Older[i][k] *= float32(decay(b.Last, at, k))
		}
	}
	b.Last = at
}

// age adds a purchase that is not in the tail to an item's older decays.
func (h *History) age(i int, at uint32) {
	if h.Older == nil {
		h.Older = make([][4]float32, len(h.Items))
	}
	for k := range HalfLives {
		h.Older[i][k] += float32(decay(at, h.Items[i].Last, k))
	}
}

// decay is 2^-((to-from)/half-life): what a count as of from is worth as of to.
func decay(from, to uint32, halfLife int) float64 {
	return math.Exp2(-(float64(to) - float64(from)) / HalfLives[halfLife].Seconds())
}

// basket returns the position of a basket in Baskets, after adding it, or moving it to an earlier time;
// -1 when it is older than all of as many as are kept.
func (h *History) basket(key uint64, at uint32, store Item) int {
	i := len(h.Baskets) - 1
	for i >= 0 && h.Baskets[i].Key != key {
		i--
	}
	if i < 0 {
		return h.insertBasket(Basket{Key: key, At: at, Store: store})
	}
	if h.Baskets[i].Store == 0 {
		h.Baskets[i].Store = store
	}
	if at >= h.Baskets[i].At {
		return i
	}
	return h.moveBasket(i, at)
}

func later(a, b Basket) bool { return a.At > b.At || a.At == b.At && a.Key > b.Key }

func (h *History) insertBasket(b Basket) int {
	i := len(h.Baskets)
	for i > 0 && later(h.Baskets[i-1], b) {
		i--
	}
	if i == 0 && len(h.Baskets) >= MaxBaskets {
		return -1
	}
	rank := len(h.Baskets) - i
	h.Baskets = slices.Insert(h.Baskets, i, b)
	if rank < Tail {
		low := uint64(1)<<rank - 1
		for n := range h.Items {
			recent := h.Items[n].Recent
			if recent>>(Tail-1) != 0 {
				h.age(n, h.Baskets[len(h.Baskets)-1-Tail].At)
			}
			h.Items[n].Recent = recent&low | (recent&^low)<<1
		}
	}
	if len(h.Baskets) > MaxBaskets {
		h.Baskets = slices.Delete(h.Baskets, 0, 1)
		i--
	}
	return i
}

// moveBasket gives a basket an earlier time, because an earlier line of it came.
func (h *History) moveBasket(from int, at uint32) int {
	b := h.Baskets[from]
	b.At = at
	to := from
	for to > 0 && later(h.Baskets[to-1], b) {
		to--
	}
	copy(h.Baskets[to+1:from+1], h.Baskets[to:from])
	h.Baskets[to] = b
	newest := len(h.Baskets) - 1
	rankFrom, rankTo := newest-from, newest-to
	if rankFrom >= Tail {
		return to
	}
	for n := range h.Items {
		item := &h.Items[n]
		held := item.Recent >> rankFrom & 1
		low := uint64(1)<<rankFrom - 1
		without := item.Recent&low | (item.Recent>>1)&^low // the basket's bit is taken out
		if rankTo < Tail {
			low = uint64(1)<<rankTo - 1
			item.Recent = without&low | held<<rankTo | (without&^low)<<1
		} else {
			// It left the tail, and the newest of the older ones came in: what that one held is
			// only known as decays, so those stay there.
			item.Recent = without
			if held != 0 {
				h.age(n, at)
			}
		}
		if held != 0 {
			item.First = min(item.First, at)
			if item.Recent != 0 {
				h.last(n, h.Baskets[newest-bits.TrailingZeros64(item.Recent)].At)
			}
		}
	}
	return to
}

func (h *History) insertItem(i int, b Bought) {
	h.Items = slices.Insert(h.Items, i, b)
	if h.Older != nil {
		h.Older = slices.Insert(h.Older, i, [4]float32{})
	}
}

// forgetItems drops a sixteenth of the items at once: those bought least, counting a purchase half for
// each year it is past; of equals those known longest.
func (h *History) forgetItems() {
	var newest uint32
	for _, b := range h.Items {
		newest = max(newest, b.Last)
	}
	type worth struct {
		place int
		value float64
		first uint32
	}
	all := make([]worth, len(h.Items))
	for i, b := range h.Items {
		all[i] = worth{i, float64(b.Count) * decay(b.Last, newest, 3), b.First}
	}
	slices.SortFunc(all, func(a, b worth) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.first, b.first), cmp.Compare(a.place, b.place))
	})
	places := make([]int, MaxItems/16)
	for i := range places {
		places[i] = all[i].place
	}
	slices.Sort(places)
	for _, i := range slices.Backward(places) {
		h.Items = slices.Delete(h.Items, i, i+1)
		if h.Older != nil {
			h.Older = slices.Delete(h.Older, i, i+1)
		}
	}
}

func (h *History) visit(v Visit) {
	i := len(h.Visits)
	for i > 0 && (h.Visits[i-1].At > v.At || h.Visits[i-1].At == v.At && h.Visits[i-1].Store > v.Store) {
		i--
	}
	h.Visits = slices.Insert(h.Visits, i, v)
	if len(h.Visits) > MaxVisits {
		h.Visits = slices.Delete(h.Visits, 0, 1)
	}
}

func (h *History) findSignal(item Item, kind SignalKind) (int, bool) {
	return slices.BinarySearchFunc(h.Signals, Signal{Item: item, Kind: kind}, func(a, b Signal) int {
		if a.Item != b.Item {
			return int(int64(a.Item) - int64(b.Item))
		}
		return int(a.Kind) - int(b.Kind)
	})
}

func (h *History) signal(item Item, kind SignalKind, at uint32) {
	i, known := h.findSignal(item, kind)
	if !known {
		h.Signals = slices.Insert(h.Signals, i, Signal{Item: item, Kind: kind})
	}
	s := &h.Signals[i]
	s.Last = max(s.Last, at)
	if s.Count < math.MaxUint16 {
		s.Count++
	}
	if len(h.Signals) > MaxSignals {
		oldest := 0
		for n := range h.Signals {
			if h.Signals[n].Last < h.Signals[oldest].Last {
				oldest = n
			}
		}
		h.Signals = slices.Delete(h.Signals, oldest, oldest+1)
	}
}
