package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"satnav/server/store"
)

// lane is what the partitions with one hash share.
type lane struct {
	turn chan struct{} // holds an element while a writer reads, decides and waits to be applied; a channel, so that waiting can end

	// revisions are those that the last commits of some partitions brought, so that the next one need not read the head: a
	// cold read costs more than the write. Who has the turn may touch them.
	revisions map[string]store.Revision

	mu       sync.Mutex
	unsynced map[string]*write // the last durable commit of each partition that is applied and not yet synced
}

// write is a batch on its way to the disk.
type write struct {
	batch     *pebble.Batch
	partition string
	lane      *lane // nil: the write belongs to no partition
	lazy      bool
	after     store.Revision // of the partition; 0: not known
	passed    bool           // the lane's turn is with the next one

	done chan struct{} // closed once it is known how it ended
	err  error         // how, to be read after done
}

// laneOf returns the lane of a partition by its FNV-1a hash, which must never change: floors lie on disk by lane.
func laneOf(partition string) int {
	hash := uint64(14695981039346656037)
	for i := range len(partition) {
		hash = (hash ^ uint64(partition[i])) * 1099511628211
	}
	return int((hash ^ hash>>32) % lanes)
}

func (s *Store) newWrite(partition string, l *lane) *write {
	return &write{batch: s.db.NewBatch(), partition: strings.Clone(partition), lane: l, done: make(chan struct{})}
}

// Commit implements [store.Documents].
func (s *Store) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if err := b.Check(); err != nil {
		return 0, err
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if s.full.Load() {
		s.leave()
		return 0, fmt.Errorf("data folder %s: %d MiB are free, commits need %d MiB: make room on the disk: %w",
			s.folder, s.free.Load()>>20, s.reserve>>20, store.ErrFull)
	}
	var revision store.Revision
	w, err := s.inTurn(ctx, b.Partition, func(w *write, current store.Revision) (err error) {
		if b.Expect != nil && *b.Expect != current {
			s.counts.conflicts.Add(1)
			return fmt.Errorf("partition %q: at revision %d, expected %d: %w", b.Partition, current, *b.Expect, store.ErrConflict)
		}
		w.lazy = b.Lazy
		revision, err = s.fill(w.batch, &b, current)
		w.after = revision
		return err
	})
	s.leave()
	if err != nil {
		return 0, err
	}
	if err := s.wait(ctx, w); err != nil {
		return 0, err
	}
	if b.Lazy {
		s.counts.lazyCommits.Add(1)
	} else {
		s.counts.commits.Add(1)
	}
	return revision, nil
}

// inTurn fills a write while no other one of its lane can come between, and queues it.
func (s *Store) inTurn(ctx context.Context, partition string, fill func(w *write, current store.Revision) error) (*write, error) {
	l := &s.lanes[laneOf(partition)]
	select {
	case l.turn <- struct{}{}:
	case <-s.failed:
		return nil, s.broken()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w := s.newWrite(partition, l)
	var err error
	current, known := l.revisions[partition]
	if !known {
		current, err = s.revision(partition)
	}
	if err == nil {
		err = fill(w, current)
	}
	if err == nil {
		select {
		case s.queue <- w: // applyAll passes the turn on
			return w, nil
		case <-s.failed:
			err = s.broken()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	<-l.turn
	_ = w.batch.Close()
	return nil, err
}

// wait returns when a write is durable (applied, if it is lazy) or has failed. When the context ends first, the write goes
// its way.
func (s *Store) wait(ctx context.Context, w *write) error {
	select {
	case <-w.done:
		return w.err
	case <-s.failed: // the write may never end, when it hangs in Pebble
		return s.broken()
	case <-ctx.Done():
		return fmt.Errorf("partition %q: not known yet whether the commit is durable: %w", w.partition, ctx.Err())
	}
}

// fill translates a batch of documents, for a partition at the current revision, and returns the revision after it.
func (s *Store) fill(batch *pebble.Batch, b *store.Batch, current store.Revision) (store.Revision, error) {
	next := current + 1
	if current == 0 {
		floor, err := s.number(floorKey(laneOf(b.Partition)))
		if err != nil {
			return 0, s.readError(b.Partition, err)
		}
		next = store.Revision(floor) + 1
	}
	key := make([]byte, 0, 256)
	head := batch.SetDeferred(len(b.Partition)+2, 8)
	appendHeadKey(head.Key[:0], b.Partition)
	binary.BigEndian.PutUint64(head.Value, uint64(next))
	if err := head.Finish(); err != nil {
		return 0, err
	}
	value := make([]byte, 0, 512)
	for i := range b.Put {
		d := &b.Put[i]
		key = appendDocumentKey(key[:0], b.Partition, d.ID)
		marks := d.Had
		if current != 0 && !d.Known {
			var err error
			if marks, _, err = s.marks(key); err != nil {
				return 0, s.readError(b.Partition, err)
			}
		}
		value = appendDocument(value[:0], d)
		if err := batch.Set(key, value, nil); err != nil {
			return 0, err
		}
		if err := remark(batch, marks, d.Marks, b.Partition, d.ID); err != nil {
			return 0, err
		}
	}
	if current == 0 {
		return next, nil // nothing there to delete
	}
	for _, id := range b.Delete {
		key = appendDocumentKey(key[:0], b.Partition, id)
		marks, found, err := s.marks(key)
		if err != nil {
			return 0, s.readError(b.Partition, err)
		}
		if !found {
			continue
		}
		if err := errors.Join(batch.Delete(key, nil), remark(batch, marks, nil, b.Partition, id)); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// marks returns the marks of the document that stands at key, and whether there is one.
func (s *Store) marks(key []byte) (marks []store.Mark, found bool, err error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	marks, _, err = parseDocument(value)
	return marks, true, errors.Join(err, closer.Close())
}

// remark removes the keys of marks that a document had and has no more, and sets those that it did not have.
func remark(batch *pebble.Batch, had, has []store.Mark, partition, id string) error {
	for _, m := range without(had, has) {
		if err := batch.Delete(appendMarkKey(nil, m.Kind, m.Key, m.At.UnixMilli(), partition, id), nil); err != nil {
			return err
		}
	}
	for _, m := range without(has, had) {
		if err := batch.Set(appendMarkKey(nil, m.Kind, m.Key, m.At.UnixMilli(), partition, id), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// without returns the marks that are not among others.
func without(marks, others []store.Mark) []store.Mark {
	var rest []store.Mark
	for _, m := range marks {
		same := func(o store.Mark) bool {
			return o.Kind == m.Kind && o.Key == m.Key && o.At.UnixMilli() == m.At.UnixMilli()
		}
		if !slices.ContainsFunc(others, same) {
			rest = append(rest, m)
		}
	}
	return rest
}

// Erase implements [store.Documents]. It works on a full disk too: it is what makes room.
func (s *Store) Erase(ctx context.Context, partition string) (left bool, err error) {
	if err := store.CheckName("partition", partition); err != nil {
		return false, err
	}
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	nothing := errors.New("nothing to erase")
	w, err := s.inTurn(ctx, partition, func(w *write, current store.Revision) error {
		if current == 0 {
			return nothing
		}
		var err error
		left, err = s.fillErasure(w.batch, partition, current)
		return err
	})
	s.leave()
	switch {
	case errors.Is(err, nothing):
		return false, s.settled(ctx, partition) // another erasure may not be durable yet
	case err != nil:
		return false, err
	}
	if err := s.wait(ctx, w); err != nil {
		return false, err
	}
	s.counts.commits.Add(1)
	return left, nil
}

// fillErasure writes one step of an erasure and returns whether documents are left after it.
func (s *Store) fillErasure(batch *pebble.Batch, partition string, current store.Revision) (left bool, err error) {
	head := appendHeadKey(nil, partition)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: head, UpperBound: appendNextPrefix(nil, head)})
	if err != nil {
		return false, s.readError(partition, err)
	}
	n := 0
	for ok := it.SeekGE(append(head, 0)); ok; ok = it.Next() {
		if n == store.MaxBatchDocuments {
			left = true
			break
		}
		var marks []store.Mark
		value, err := it.ValueAndErr()
		if err == nil {
			marks, _, err = parseDocument(value)
		}
		if err == nil {
			err = errors.Join(batch.Delete(it.Key(), nil), remark(batch, marks, nil, partition, string(it.Key()[len(head):])))
		}
		if err != nil {
			return false, s.readError(partition, errors.Join(err, it.Close()))
		}
		n++
	}
	if err := it.Close(); err != nil {
		return false, s.readError(partition, err)
	}
	if left {
		return true, batch.Set(head, binary.BigEndian.AppendUint64(nil, uint64(current+1)), nil)
	}
	// The lane's floor keeps a later partition of this name above all revisions that were ever told.
	key := floorKey(laneOf(partition))
	floor, err := s.number(key)
	if err != nil {
		return false, s.readError(partition, err)
	}
	floor = max(floor, uint64(current))
	return false, errors.Join(batch.Delete(head, nil), batch.Set(key, binary.BigEndian.AppendUint64(nil, floor), nil))
}

// applyAll applies the queue to log and memory, in order, until the queue is closed. It is the only one that writes, so that
// nobody else is ever caught in a log that cannot go on.
func (s *Store) applyAll() {
	var current *write
	defer func() {
		if p := recover(); current != nil { // Pebble gave up
			s.passTurn(current)
			s.finish(current, s.fail(cause(p)))
			for w := range s.queue {
				s.refuse(w)
			}
		}
		close(s.landing)
	}()
	for w := range s.queue {
		if s.broken() != nil {
			s.refuse(w)
			continue
		}
		current = w
		s.apply(w)
		current = nil
	}
}

func (s *Store) apply(w *write) {
	if w.lazy {
		err := s.db.Apply(w.batch, pebble.NoSync)
		w.note(err)
		s.passTurn(w)
		s.lazy.Store(true)
		if err != nil {
			err = s.fail(err)
		}
		s.finish(w, err)
		return
	}
	if l := w.lane; l != nil {
		l.mu.Lock()
		if l.unsynced == nil {
			l.unsynced = make(map[string]*write)
		}
		l.unsynced[w.partition] = w
		l.mu.Unlock()
	}
	err := s.db.ApplyNoSyncWait(w.batch, pebble.Sync)
	w.note(err)
	s.passTurn(w)
	if err != nil {
		s.finish(w, s.fail(err))
		return
	}
	s.landing <- w
}

// revisionsKept bounds what a lane remembers: with 1,024 lanes 262,144 partitions, about 30 MB.
const revisionsKept = 256

// note remembers the revision that a write brought, for the next one of its partition. After it the store and the lane
// agree, or the lane knows nothing.
func (w *write) note(err error) {
	if w.lane == nil {
		return
	}
	if err != nil || w.after == 0 {
		delete(w.lane.revisions, w.partition)
		return
	}
	if w.lane.revisions == nil || len(w.lane.revisions) >= revisionsKept {
		w.lane.revisions = make(map[string]store.Revision)
	}
	w.lane.revisions[w.partition] = w.after
}

// refuse ends a write that came after the store broke down.
func (s *Store) refuse(w *write) {
	s.passTurn(w)
	s.finish(w, s.broken())
}

func (s *Store) passTurn(w *write) {
	if w.lane != nil && !w.passed {
		w.passed = true
		<-w.lane.turn
	}
}

// landAll waits for the disk on behalf of all writers, in the order of the log.
func (s *Store) landAll() {
	defer close(s.landed)
	for w := range s.landing {
		if err := w.batch.SyncWait(); err != nil {
			s.fail(err)
		}
		s.finish(w, s.broken()) // not before: a sync that failed breaks the store, see disk
	}
}

// finish tells the writer, and the readers that wait for it, how a write ended. A failure is known to the whole store before
// its partition is let go.
func (s *Store) finish(w *write, err error) {
	w.err = err
	if l := w.lane; l != nil {
		l.mu.Lock()
		if l.unsynced[w.partition] == w {
			delete(l.unsynced, w.partition)
		}
		l.mu.Unlock()
	}
	if err == nil {
		_ = w.batch.Close() // after a failure parts of Pebble may hold it for ever
	}
	close(w.done)
}

// settled returns once all that a read of a partition can have seen is durable, or the error because of which nobody knows.
// It is called after the read.
func (s *Store) settled(ctx context.Context, partition string) error {
	l := &s.lanes[laneOf(partition)]
	l.mu.Lock()
	w := l.unsynced[partition]
	l.mu.Unlock()
	if w == nil {
		return s.broken()
	}
	select {
	case <-w.done:
		return w.err
	case <-s.failed:
		return s.broken()
	case <-ctx.Done():
		return ctx.Err()
	}
}
