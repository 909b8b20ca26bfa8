package store

import (
	"hash/maphash"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"satnav/context/who"
	"satnav/geo"
)

// known is what is known of a shopper at one revision of the partition. It is immutable once it is shared.
type known struct {
	revision   Revision     // of the partition, 0: it does not exist
	remembered int          // presences that were remembered since the one in the store, see Shoppers.Remember
	stored     time.Time    // the newest fix of the presence in the store
	marks      []Mark       // of the presence in the store
	answered   bool         // the store knows when the first of the decision records is to go, see answeredID
	due        time.Time    // when the store knows that something is to go, see keptID; zero: it knows of nothing
	record     who.Record   // its Revision is 0 for a stranger, even if the partition holds other documents
	shopper    *who.Shopper // nil: a stranger
}

// The presence in the store is at most so many fixes behind the one in memory, and, where a track is dense enough that each fix
// is judged by those before it, so much time.
const (
	maxRemembered = geo.MaxTail
	maxBehind     = time.Minute
	dense         = 2 * time.Minute // between two fixes
)

// may tells whether a presence may be remembered over what is known.
func (k *known) may(next *geo.Presence) bool {
	seen := next.Now.Seen
	return k.remembered < maxRemembered && (seen.Sub(k.stored) < maxBehind || seen.Sub(k.record.Presence.Now.Seen) > dense)
}

// at is what is known at another revision, with nothing of the record yet.
func (k *known) at(revision Revision, remembered int) *known {
	return &known{revision: revision, remembered: remembered, stored: k.stored, marks: k.marks, answered: k.answered, due: k.due}
}

// take makes a shopper of a record. The record's Revision moves with each change, remembered or committed.
func (k *known) take(record who.Record) {
	if record.History == nil {
		record.History = &who.History{}
	}
	record.Revision = int64(k.revision)*(maxRemembered+1) + int64(k.remembered)
	k.record, k.shopper = record, who.New(record)
}

// usualTail is how many fixes a presence has room for that is remembered for a while: it grows without being weighed again.
const usualTail = 8

// bytes is about what the shopper takes in memory.
func (k *known) bytes() uint32 {
	n := uintptr(1024) // the structs, the key, and what the cache needs for an entry
	if h := k.record.History; h != nil {
		n += uintptr(cap(h.Baskets))*unsafe.Sizeof(who.Basket{}) + uintptr(cap(h.Items))*unsafe.Sizeof(who.Bought{}) +
			uintptr(cap(h.Older))*16 + uintptr(cap(h.Visits))*unsafe.Sizeof(who.Visit{}) + uintptr(cap(h.Signals))*unsafe.Sizeof(who.Signal{})
	}
	p := &k.record.Presence
	n += uintptr(max(cap(p.Tail), usualTail))*unsafe.Sizeof(geo.Fix{}) + uintptr(cap(p.Recent))*(unsafe.Sizeof(geo.Crossing{})+256) +
		uintptr(cap(p.Now.Stays)+cap(p.Base.Stays))*(unsafe.Sizeof(geo.Stay{})+64)
	for _, m := range k.marks {
		n += unsafe.Sizeof(m) + uintptr(len(m.Key))
	}
	n += uintptr(cap(k.record.Told)) * (unsafe.Sizeof(who.Tell{}) + 32)
	n += uintptr(cap(k.record.Exposed)) * (unsafe.Sizeof(who.Exposure{}) + 48)
	if c := k.record.Card; c != nil {
		n += unsafe.Sizeof(*c) + uintptr(cap(c.Segments))*48 + uintptr(cap(c.Spent))*unsafe.Sizeof(who.Spent{})
	}
	for i := range k.record.Proposed {
		n += 64 + uintptr(len(k.record.Proposed[i].Body))
	}
	n += uintptr(len(k.record.Grants)) * (unsafe.Sizeof(who.Grant{}) + 64)
	return uint32(n)
}

// slot is the place of one shopper in the cache, for as long as the partition stays at one revision. What is remembered
// changes within the slot: a change of the entry would go through the cache's own bookkeeping, whose lock and buffer made calls
// wait for each other. A slot that the cache holds no longer is closed, and what it held last is whoever's closed it.
type slot struct {
	revision Revision
	now      atomic.Pointer[known] // nil: closed
}

func newSlot(k *known) *slot {
	s := &slot{revision: k.revision}
	s.now.Store(k)
	return s
}

// close lets nothing more be remembered here, and returns what was last; nil when it was closed before.
func (s *slot) close() *known {
	if s == nil {
		return nil
	}
	return s.now.Swap(nil)
}

// shopperCache keeps decoded shoppers in memory, by partition, up to a number of bytes. What it holds is never older than
// the last commit that was acknowledged in this process.
//
// The danger is a slow reader that brings an old shopper after a commit has put a newer one, which may have left the cache
// again, or was erased. So every commit and erasure moves a counter of the partition's stripe, and whoever wants to put
// something says how far the counter was before the store was asked: when it moved since, nothing is put. Counter
// and entry change together under the cache's own lock of the entry, so no order of events is left to chance. A slot is
// closed under that lock too, or by its eviction; after that nobody can remember anything in it.
type shopperCache struct {
	entries *otter.Cache[string, *slot]
	seed    maphash.Seed
	stripes [1 << 12]atomic.Uint64
}

// newShopperCache makes a cache. evicted is told, later and by another goroutine, of each shopper who had to leave with
// presences that only memory knew.
func newShopperCache(bytes uint64, evicted func(partition string, k *known)) *shopperCache {
	return &shopperCache{
		seed: maphash.MakeSeed(),
		entries: otter.Must(&otter.Options[string, *slot]{
			MaximumWeight: max(bytes, 1),
			Weigher: func(_ string, s *slot) uint32 {
				if k := s.now.Load(); k != nil {
					return k.bytes()
				}
				return 1
			},
			OnDeletion: func(e otter.DeletionEvent[string, *slot]) {
				if !e.WasEvicted() {
					return
				}
				if k := e.Value.close(); k != nil && k.remembered > 0 {
					evicted(e.Key, k)
				}
			},
		}),
	}
}

func (c *shopperCache) stripe(partition string) *atomic.Uint64 {
	return &c.stripes[maphash.String(c.seed, partition)%uint64(len(c.stripes))]
}

// moves is how far the counter of a partition is: ask before the store is asked.
func (c *shopperCache) moves(partition string) uint64 { return c.stripe(partition).Load() }

func (c *shopperCache) get(partition string) (*known, bool) {
	s, found := c.entries.GetIfPresent(partition)
	if !found {
		return nil, false
	}
	k := s.now.Load()
	return k, k != nil
}

// all yields what is in memory, by partition.
func (c *shopperCache) all(yield func(partition string, k *known) bool) {
	for partition, s := range c.entries.All() {
		if k := s.now.Load(); k != nil && !yield(partition, k) {
			return
		}
	}
}

// loaded puts what was read, unless something was committed or erased since.
func (c *shopperCache) loaded(partition string, k *known, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *slot, found bool) (*slot, otter.ComputeOp) {
		if stripe.Load() != before || found && there.revision >= k.revision { // the same revision may remember more
			return nil, otter.CancelOp
		}
		there.close()
		return newSlot(k), otter.WriteOp
	})
}

// committed puts what a commit made. When others committed or erased at the same time it cannot tell who was last, except
// by a higher revision that is there already, and leaves the next reader to ask the store.
func (c *shopperCache) committed(partition string, k *known, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *slot, found bool) (*slot, otter.ComputeOp) {
		alone := stripe.Add(1)-1 == before
		if !alone && found && there.revision >= k.revision {
			return nil, otter.CancelOp
		}
		there.close()
		if !alone {
			return nil, otter.InvalidateOp
		}
		return newSlot(k), otter.WriteOp
	})
}

// attached moves the revision of what is there, when a commit of other documents was the only one since.
func (c *shopperCache) attached(partition string, revision Revision, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *slot, found bool) (*slot, otter.ComputeOp) {
		alone := stripe.Add(1)-1 == before
		if found && there.revision >= revision {
			return nil, otter.CancelOp
		}
		was := there.close()
		if was == nil || !alone || was.revision != revision-1 {
			return nil, otter.InvalidateOp
		}
		moved := was.at(revision, was.remembered)
		if was.shopper != nil {
			moved.take(was.record)
		}
		return newSlot(moved), otter.WriteOp
	})
}

// remember puts a presence in the place of the one of that revision of the shopper, and tells whether it is there.
func (c *shopperCache) remember(partition string, revision int64, presence *geo.Presence) bool {
	s, found := c.entries.GetIfPresent(partition)
	if !found {
		return false
	}
	there := s.now.Load()
	if there == nil || there.shopper == nil || there.record.Revision != revision || !there.may(presence) {
		return false
	}
	next := there.at(there.revision, there.remembered+1)
	record := there.record
	record.Presence = *presence
	next.take(record)
	return s.now.CompareAndSwap(there, next)
}

// forget drops what is there, and what is on its way.
func (c *shopperCache) forget(partition string) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *slot, _ bool) (*slot, otter.ComputeOp) {
		stripe.Add(1)
		there.close()
		return nil, otter.InvalidateOp
	})
}
