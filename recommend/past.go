package recommend

import (
	"math/bits"

	"satnav/context/who"
)

// Past is a shopper's history as of an instant: baskets that came later are left out. Nothing is
// copied; the newest baskets are just not looked at, which is how learning, too, asks the engine what
// it would have said before a basket.
type Past struct {
	History *who.History
	skip    int // newest baskets that had not happened yet
	visits  int // visits that had
}

// PastAt is the history as of now, in Unix seconds; what happened at now itself is in it.
func PastAt(h *who.History, now uint32) Past {
	if h == nil {
		h = &noHistory
	}
	p := Past{History: h, visits: len(h.Visits)}
	for p.skip < len(h.Baskets) && h.Baskets[len(h.Baskets)-1-p.skip].At > now {
		p.skip++
	}
	for p.visits > 0 && h.Visits[p.visits-1].At > now {
		p.visits--
	}
	return p
}

// PastBefore is the history before its newest baskets; before none, all of it.
func PastBefore(h *who.History, baskets int) Past {
	if h == nil {
		h = &noHistory
	}
	p := Past{History: h, skip: min(baskets, len(h.Baskets)), visits: len(h.Visits)}
	if p.skip == 0 {
		return p
	}
	first := h.Baskets[len(h.Baskets)-p.skip].At
	for p.visits > 0 && h.Visits[p.visits-1].At >= first {
		p.visits--
	}
	return p
}

var noHistory who.History

// Empty tells whether nothing had happened yet.
func (p Past) Empty() bool {
	return p.Orders() <= 0 && p.visits == 0 && len(p.History.Signals) == 0
}

// Orders is the number of baskets.
func (p Past) Orders() int { return int(p.History.Orders) - p.skip }

// Known is the number of baskets whose time is known.
func (p Past) Known() int { return len(p.History.Baskets) - p.skip }

// Basket is the k-th newest, 0 ≤ k < Known.
func (p Past) Basket(k int) who.Basket { return p.History.Baskets[len(p.History.Baskets)-1-p.skip-k] }

// Tail is the number of newest baskets whose contents are known.
func (p Past) Tail() int { return max(0, min(p.Known(), who.Tail-p.skip)) }

// Held tells which of the newest baskets held the item (bit k: the k-th newest) and how many did, ever.
func (p Past) Held(b *who.Bought) (recent uint64, times int) {
	if p.skip >= who.Tail {
		// All that is known exactly lies ahead; what is older cannot be told apart from it.
		return 0, max(0, int(b.Count)-bits.OnesCount64(b.Recent))
	}
	ahead := b.Recent & (1<<p.skip - 1)
	return b.Recent >> p.skip, int(b.Count) - bits.OnesCount64(ahead)
}

// Last is when the item was bought last, given what Held said of it. For an item that was bought only
// before the tail and again later it is the tail's beginning, the latest it can have been.
func (p Past) Last(b *who.Bought, recent uint64) uint32 {
	if recent != 0 {
		return p.Basket(bits.TrailingZeros64(recent)).At
	}
	if p.skip == 0 || b.Recent == 0 {
		return b.Last
	}
	oldest := p.History.Baskets[max(0, len(p.History.Baskets)-who.Tail)].At
	return max(min(b.Last, oldest), b.First)
}

// Visits are the store visits, oldest first.
func (p Past) Visits() []who.Visit { return p.History.Visits[:p.visits] }
