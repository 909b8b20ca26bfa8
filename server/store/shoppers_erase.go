package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// ErrErasing says that what is known of the shopper is being erased at this moment: come again in a second, as a stranger.
var ErrErasing = errors.New("the shopper is being erased")

// erasingID is a document that stands in a partition from the commit that ends all reading until nothing is left.
const erasingID = "now/erasing"

// Removed is what an erasure took away.
type Removed struct {
	Shopper   *who.Shopper // as it was at the instant from which nothing could be read; nil: nobody was known
	Documents int          // how many there were, at least; those that came while they were counted are erased too
}

// Erase erases all that is known of a shopper, durably: documents and their marks, and the shopper in memory.
//
// It goes in two steps. One commit, decided on the revision that it read, takes away grants, history, presence and profile:
// whoever reads the shopper from then on, in any process, meets a stranger, and whoever had read them before can commit
// nothing any more. So Removed.Shopper is exactly what others (the crowd's counts) must forget. Then the rest goes. A process
// that ends in between leaves a partition that Erase finishes when it is called again: Removed.Shopper is nil then.
// After another error it is set when the first step was done.
func (s *Shoppers) Erase(ctx context.Context, key who.Key, at time.Time) (Removed, error) {
	partition := s.Partition(key)
	removed, err := s.takeAway(ctx, key, partition, at)
	if err != nil {
		return removed, err
	}
	return removed, s.ErasePartition(ctx, partition)
}

// takeAway commits the first step.
func (s *Shoppers) takeAway(ctx context.Context, key who.Key, partition string, at time.Time) (removed Removed, err error) {
	for range recordTries {
		s.cache.forget(partition) // a cached one may be about to be remembered
		k, err := s.load(ctx, key, partition)
		if errors.Is(err, ErrErasing) {
			return Removed{}, nil
		}
		if err != nil {
			return Removed{}, err
		}
		if k.revision == 0 {
			return Removed{}, nil
		}
		if removed.Documents, err = s.count(ctx, partition); err != nil {
			return Removed{}, err
		}
		revision := k.revision
		_, err = s.documents.Commit(ctx, Batch{
			Partition: partition, Expect: &revision,
			Put:    []Document{{ID: erasingID, Body: document(nil, func(b []byte) []byte { return bsoncore.AppendDateTimeElement(b, "at", at.UnixMilli()) })}},
			Delete: []string{grantsID, historyID, presenceID, profileID, toldID, wishesID, proposalsID, exposedID, cardID, keptID},
		})
		s.cache.forget(partition)
		if err == nil {
			removed.Shopper = k.shopper
			return removed, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Removed{}, err
		}
	}
	return Removed{}, fmt.Errorf("partition %q: erase after %d tries: %w", partition, recordTries, ErrConflict)
}

func (s *Shoppers) count(ctx context.Context, partition string) (n int, err error) {
	for from, more := "", true; more; more = from != "" {
		page, err := s.documents.Scan(ctx, partition, from, "", 0)
		if err != nil {
			return 0, err
		}
		n, from = n+len(page.Documents), page.Next
	}
	return n, nil
}

// ErasePartition erases all that is left in the partition of a shopper who was taken away, see Erase.
func (s *Shoppers) ErasePartition(ctx context.Context, partition string) error {
	s.erased.note(partition)
	for left := true; left; {
		var err error
		left, err = s.documents.Erase(ctx, partition)
		s.cache.forget(partition)
		if err != nil {
			return err
		}
	}
	return nil
}

// Leftovers tells whether documents stand in a partition to which no shopper belongs: something that was on its way in
// another process while they were erased. Erase the partition again.
func (s *Shoppers) Leftovers(ctx context.Context, partition string) (bool, error) {
	page, err := s.documents.Scan(ctx, partition, "", "", 1)
	if err != nil || len(page.Documents) == 0 {
		return false, err
	}
	_, err = s.documents.Get(ctx, partition, profileID)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return false, err
}

// erasedFor is how long after an erasure documents that were made before it may still be on their way in this process.
const erasedFor = time.Minute

// recentlyErased are the partitions that this process erased within the last erasedFor.
type recentlyErased struct {
	some       atomic.Bool // spares the lock while there are none
	mu         sync.Mutex
	partitions map[string]time.Time
}

func (r *recentlyErased) note(partition string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.partitions == nil {
		r.partitions = map[string]time.Time{}
	}
	r.partitions[partition] = time.Now()
	r.some.Store(true)
}

func (r *recentlyErased) has(partition string) bool {
	if !r.some.Load() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, at := range r.partitions {
		if time.Since(at) > erasedFor {
			delete(r.partitions, p)
		}
	}
	r.some.Store(len(r.partitions) > 0)
	_, recent := r.partitions[partition]
	return recent
}

// Forget is Erase for who needs no account of it.
func (s *Shoppers) Forget(ctx context.Context, key who.Key) error {
	_, err := s.Erase(ctx, key, time.Now())
	return err
}
