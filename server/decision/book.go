// Package decision keeps what answers were made of: for a shopper who asks why, for the list of what their data was used
// for, for rules that are tried on past moments, and for the next answer, which shows something else.
//
// It exists so that the path of a request writes nothing: an answer leaves its record in a bounded queue in memory, from
// which it can be read at once, and a worker commits the queue, one commit a shopper, within a second. Decided against: a
// commit in each call (a third of its cost), and one log for all shoppers (a withdrawn permission would have to be looked
// for in everybody's).
package decision

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/who"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Timing of the worker.
const (
	flushEvery  = 250 * time.Millisecond // with the time of a round, a record is committed within a second
	expireEvery = time.Minute
)

// Shoppers who are written at once: on the store of this process few, for calls want the processors; on a database many, for
// each waits for the network.
const (
	writersAlone  = 2
	writersRemote = 16
)

// Config is what a Book is made of.
type Config struct {
	Keep  time.Duration // how long a record is kept
	Room  int           // records that may wait in memory
	Alone bool          // no other process serves the same store
	Now   func() time.Time
	Log   *slog.Logger
}

// Book keeps decision records. It is safe for concurrent use. Run must run for anything to be committed.
type Book struct {
	Config
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	gaps      *gaps
	shown     *shown

	waiting  atomic.Int64
	dropped  atomic.Uint64 // records for which there was no room
	kept     atomic.Uint64 // records that were handed to the store
	shards   [shownShards]queue
	flushing sync.Mutex // held during a round
}

// queue are the records of some shoppers that are not committed yet.
type queue struct {
	mu      sync.Mutex
	waiting []*store.DecisionRecord // in order of arrival
	leaving []*store.DecisionRecord // those that the round under way commits
}

// New makes a book.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, notes store.Notes, config Config) *Book {
	b := &Book{Config: config, shoppers: shoppers, retailers: retailers, shown: newShown()}
	b.gaps = newGaps(notes, config)
	return b
}

var records = sync.Pool{New: func() any { return new(store.DecisionRecord) }}

// Blank is an empty record to be filled and given to Add, which alone may have it afterwards. Its lists have room.
func Blank() *store.DecisionRecord { return records.Get().(*store.DecisionRecord) }

// discard gives a record back that nobody reads any more.
func discard(r *store.DecisionRecord) {
	suggestions := r.Suggestions
	clear(suggestions)
	*r = store.DecisionRecord{Suggestions: suggestions[:0], Triggers: r.Triggers[:0], Arms: r.Arms[:0]}
	records.Put(r)
}

// Add takes a record in. Where no room is left it is dropped and counted, and the diaries tell of a gap.
func (b *Book) Add(r *store.DecisionRecord) {
	if b.waiting.Add(1) > int64(b.Room) {
		b.waiting.Add(-1)
		b.dropped.Add(1)
		b.gaps.dropped(r.Arrived)
		discard(r)
		return
	}
	q := b.queue(r.Key)
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	q.mu.Unlock()
}

func (b *Book) queue(key who.Key) *queue { return &b.shards[b.shown.number(key)] }

// Shown lists the products that a shopper was shown within the attention window before now.
func (b *Book) Shown(key who.Key, now time.Time) []who.Item { return b.shown.before(key, now) }

// Show remembers what a shopper was shown, in memory alone.
func (b *Book) Show(key who.Key, now time.Time, items []who.Item) { b.shown.note(key, now, items) }

// Records lists what is known of a shopper's answers, the newest first: what waits here as well as what is stored, as far as
// the grants in force allow.
func (b *Book) Records(ctx context.Context, key who.Key) ([]store.DecisionRecord, error) {
	snapshot, err := b.retailers.Of(ctx, key.Retailer)
	if err != nil {
		return nil, err
	}
	waiting := b.pending(key) // first: what leaves the queue meanwhile is stored by then
	return b.shoppers.Records(ctx, key, snapshot.Scene.Defaults, waiting)
}

// pending are copies of the records that wait.
func (b *Book) pending(key who.Key) (found []store.DecisionRecord) {
	q := b.queue(key)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range [][]*store.DecisionRecord{q.leaving, q.waiting} {
		for _, r := range list {
			if r.Key == key {
				kept := *r
				kept.Suggestions, kept.Triggers, kept.Arms = slices.Clone(r.Suggestions), slices.Clone(r.Triggers), slices.Clone(r.Arms)
				found = append(found, kept)
			}
		}
	}
	return found
}

// Forget drops what is remembered of a shopper, and returns when nothing of it can reach the store any more. Call it before
// a shopper is erased, and after a purpose was withdrawn. What is stored already goes with the shopper, or with the commit
// that withdrew the purpose.
func (b *Book) Forget(key who.Key) {
	b.shown.forget(key)
	q := b.queue(key)
	q.mu.Lock()
	q.waiting = slices.DeleteFunc(q.waiting, func(r *store.DecisionRecord) bool {
		if r.Key != key {
			return false
		}
		b.waiting.Add(-1)
		return true // not given back: a reader may be copying
	})
	q.mu.Unlock()
	b.flushing.Lock()   // a round that has taken some is over
	b.flushing.Unlock() //nolint:staticcheck // nothing to do meanwhile
}

// Open reads which records may be missing, and notes that this process keeps some from now on.
func (b *Book) Open(ctx context.Context) { b.gaps.open(ctx) }

// Run commits what waits, and removes what has been kept long enough, until the context ends; then Close it.
func (b *Book) Run(ctx context.Context) {
	flush, expire := time.NewTicker(flushEvery), time.NewTicker(expireEvery)
	defer flush.Stop()
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			b.flush(ctx)
		case <-expire.C:
			if _, err := b.shoppers.ExpireRecords(ctx, b.Now(), b.Keep); err != nil && ctx.Err() == nil {
				b.Log.Error("decision records that are old enough cannot be removed", "err", err)
			}
		}
	}
}

func (b *Book) flush(ctx context.Context) {
	before := b.kept.Load()
	if err := b.Flush(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("decision records cannot be kept", "err", err)
	}
	b.gaps.beat(ctx, b.kept.Load() > before)
}

// Close commits what waits, and notes that nothing is missing. Call it when no more calls come, before the store is closed.
func (b *Book) Close(ctx context.Context) error {
	err := b.Flush(ctx)
	b.gaps.close(ctx, err == nil)
	return err
}

// Flush commits what waits now.
func (b *Book) Flush(ctx context.Context) error {
	b.flushing.Lock()
	defer b.flushing.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writersRemote)
	if b.Alone {
		group.SetLimit(writersAlone)
	}
	for i := range b.shards {
		if q := &b.shards[i]; q.depart() {
			group.Go(func() error { return b.commit(ctx, q) })
		}
	}
	return group.Wait()
}

// depart moves what waits to what leaves, and tells whether there is any.
func (q *queue) depart() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting, q.leaving = q.leaving[:0], q.waiting
	return len(q.leaving) > 0
}

// commit keeps what leaves a queue. What cannot be kept is dropped: the answers were given, and the store has other worries.
func (b *Book) commit(ctx context.Context, q *queue) (err error) {
	left := slices.Clone(q.leaving)
	slices.SortStableFunc(left, func(a, b *store.DecisionRecord) int {
		return cmp.Or(cmp.Compare(a.Key.Retailer, b.Key.Retailer), cmp.Compare(a.Key.Shopper, b.Key.Shopper))
	})
	for from, to := 0, 0; from < len(left); from = to {
		for to = from + 1; to < len(left) && left[to].Key == left[from].Key; {
			to++
		}
		if failed := b.keep(ctx, left[from:to]); failed != nil {
			b.dropped.Add(uint64(to - from))
			b.gaps.dropped(left[from].Arrived)
			err = failed
			continue
		}
		b.kept.Add(uint64(to - from))
	}
	b.waiting.Add(-int64(len(left)))
	q.mu.Lock()
	q.leaving = q.leaving[:0]
	q.mu.Unlock()
	for _, r := range left {
		discard(r)
	}
	return err
}

func (b *Book) keep(ctx context.Context, of []*store.DecisionRecord) error {
	snapshot, err := b.retailers.Of(ctx, of[0].Key.Retailer)
	if err != nil {
		return err
	}
	return b.shoppers.KeepRecords(ctx, of[0].Key, snapshot.Scene.Defaults, b.Keep, of)
}

// Gaps lists the times, between two instants (a zero until: now), of which records may be missing.
func (b *Book) Gaps(from, until time.Time) []Gap { return b.gaps.between(from, until) }

// Stats are figures of the book, for metrics.
type Stats struct {
	Waiting       int64
	Kept, Dropped uint64
}

// Stats tells how the book fares.
func (b *Book) Stats() Stats {
	return Stats{Waiting: b.waiting.Load(), Kept: b.kept.Load(), Dropped: b.dropped.Load()}
}
