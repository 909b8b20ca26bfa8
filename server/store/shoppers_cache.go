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

// bytes is about what the shopper takes in memory.
func (k *known) bytes() uint32 {
	n := uintptr(1024) // the structs, the key, and what the cache needs for an entry
	if h := k.record.History; h != nil {
		n += uintptr(cap(h.Baskets))*unsafe.Sizeof(who.Basket{}) + uintptr(cap(h.Items))*unsafe.Sizeof(who.Bought{}) +
			uintptr(cap(h.Older))*16 + uintptr(cap(h.Visits))*unsafe.Sizeof(who.Visit{}) + uintptr(cap(h.Signals))*unsafe.Sizeof(who.Signal{})
	}
	p := &k.record.Presence
	n += uintptr(cap(p.Tail))*unsafe.Sizeof(geo.Fix{}) + uintptr(cap(p.Recent))*(unsafe.Sizeof(geo.Crossing{})+256) +
		uintptr(cap(p.Now.Stays)+cap(p.Base.Stays))*(unsafe.Sizeof(geo.Stay{})+64)
	for _, m := range k.marks {
		n += unsafe.Sizeof(m) + uintptr(len(m.Key))
	}
	n += uintptr(cap(k.record.Told)) * (unsafe.Sizeof(who.Tell{}) + 32)
	n += uintptr(cap(k.record.Exposed)) * (unsafe.Sizeof(who.Exposure{}) + 48)
	for i := range k.record.Proposed {
		n += 64 + uintptr(len(k.record.Proposed[i].Body))
	}
	n += uintptr(len(k.record.Grants)) * (unsafe.Sizeof(who.Grant{}) + 64)
	return uint32(n)
}

// shopperCache keeps decoded shoppers in memory, by partition, up to a number of bytes. What it holds is never older than
// the last commit that was acknowledged in this process.
//
// The danger is a slow reader that brings an old shopper after a commit has put a newer one, which may have left the cache
// again, or was erased. So every commit and erasure moves a counter of the partition's stripe, and whoever wants to put
// something says how far the counter was before the store was asked: when it moved since, nothing is put. Counter
// and entry change together under the cache's own lock of the entry, so no order of events is left to chance.
type shopperCache struct {
	entries *otter.Cache[string, *known]
	seed    maphash.Seed
	stripes [1 << 12]atomic.Uint64
}

// newShopperCache makes a cache. evicted is told, later and by another goroutine, of each shopper who had to leave with
// presences that only memory knew.
func newShopperCache(bytes uint64, evicted func(partition string, k *known)) *shopperCache {
	return &shopperCache{
		seed: maphash.MakeSeed(),
		entries: otter.Must(&otter.Options[string, *known]{
			MaximumWeight: max(bytes, 1),
			Weigher:       func(_ string, k *known) uint32 { return k.bytes() },
			OnDeletion: func(e otter.DeletionEvent[string, *known]) {
				if e.WasEvicted() && e.Value.remembered > 0 {
					evicted(e.Key, e.Value)
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

func (c *shopperCache) get(partition string) (*known, bool) { return c.entries.GetIfPresent(partition) }

// loaded puts what was read, unless something was committed or erased since.
func (c *shopperCache) loaded(partition string, k *known, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *known, found bool) (*known, otter.ComputeOp) {
		if stripe.Load() != before || found && there.revision >= k.revision { // the same revision may remember more
			return nil, otter.CancelOp
		}
		return k, otter.WriteOp
	})
}

// committed puts what a commit made. When others committed or erased at the same time it cannot tell who was last, except
// by a higher revision that is there already, and leaves the next reader to ask the store.
func (c *shopperCache) committed(partition string, k *known, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *known, found bool) (*known, otter.ComputeOp) {
		switch stripe.Add(1) - 1 {
		case before:
			return k, otter.WriteOp
		default:
			if found && there.revision >= k.revision {
				return nil, otter.CancelOp
			}
			return nil, otter.InvalidateOp
		}
	})
}

// attached moves the revision of what is there, when a commit of other documents was the only one since.
func (c *shopperCache) attached(partition string, revision Revision, before uint64) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(there *known, found bool) (*known, otter.ComputeOp) {
		alone := stripe.Add(1)-1 == before
		switch {
		case found && there.revision >= revision:
			return nil, otter.CancelOp
		case found && alone && there.revision == revision-1:
			moved := there.at(revision, there.remembered)
			if there.shopper != nil {
				moved.take(there.record)
			}
			return moved, otter.WriteOp
		}
		return nil, otter.InvalidateOp
	})
}

// remember puts a presence in the place of the one of that revision of the shopper, and tells whether it is there.
func (c *shopperCache) remember(partition string, revision int64, presence *geo.Presence) (done bool) {
	c.entries.Compute(partition, func(there *known, found bool) (*known, otter.ComputeOp) {
		done = found && there.shopper != nil && there.record.Revision == revision && there.may(presence)
		if !done {
			return nil, otter.CancelOp
		}
		next := there.at(there.revision, there.remembered+1)
		record := there.record
		record.Presence = *presence
		next.take(record)
		return next, otter.WriteOp
	})
	return done
}

// forget drops what is there, and what is on its way.
func (c *shopperCache) forget(partition string) {
	stripe := c.stripe(partition)
	c.entries.Compute(partition, func(*known, bool) (*known, otter.ComputeOp) {
		stripe.Add(1)
		return nil, otter.InvalidateOp
	})
}
