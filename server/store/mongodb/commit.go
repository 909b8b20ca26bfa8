package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"satnav/server/store"
)

// Commit implements [store.Documents]. A lazy batch is made durable like any other: reads see what a majority has, so nothing
// less could be seen at once.
func (s *Store) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if err := b.Check(); err != nil {
		return 0, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	pending, kinds := batchOf(b)
	revision, err := s.write(ctx, b.Partition, b.Expect, func(h *head) { h.Pending, h.Waiting = pending, &kinds })
	if err == nil {
		s.counts.commits.Add(1)
	} else if errors.Is(err, store.ErrConflict) {
		s.counts.conflicts.Add(1)
	}
	return revision, err
}

// write moves the head of a partition on, from the expected revision or from whatever is there, to what fill makes of it,
// and sees to it that the batch is applied.
func (s *Store) write(ctx context.Context, partition string, expect *store.Revision, fill func(*head)) (store.Revision, error) {
	partition = strings.Clone(partition) // it is used after the return, see batchOf
	next := head{Key: headKey(partition), Partition: partition, Name: partition, Commit: bson.NewObjectID()}
	unsure := false // the last try may have been stored though it was not acknowledged
	var from store.Revision
	var exists, assumed bool
	for try := 0; ; try++ {
		if err := pause(ctx, max(0, try-1)); err != nil { // the first time one only learns what the head says
			return 0, err
		}
		if assumed = try == 0 && expect != nil && *expect > 0; assumed {
			from, exists = *expect, true // most often it is, and then one round trip does
			if err := s.awaitOwn(ctx, partition); err != nil {
				return 0, err
			}
		} else {
			current, err := s.settledHead(ctx, partition)
			switch {
			case err != nil:
				return 0, err
			case current != nil && current.Commit == next.Commit:
				return current.Revision, nil // an earlier try was stored, and by now somebody applied it
			case unsure && (exists != (current != nil) || exists && current.Revision != from):
				return 0, fmt.Errorf("%s: partition %q: a commit was not acknowledged and others followed: %w", s.where, partition, store.ErrUnavailable)
			case expect != nil && *expect != current.live():
				return 0, fmt.Errorf("partition %q: at revision %d, expected %d: %w", partition, current.live(), *expect, store.ErrConflict)
			}
			if exists = current != nil; exists {
				from = current.Revision
			}
		}
		next.At = time.Now().UTC()
		next.Revision = from + 1
		if !exists {
			// Above all revisions that a partition of this name ever had: its tombstone is gone since a day.
			next.Revision = store.Revision(next.At.UnixMicro())
		}
		fill(&next)
		stored, err := s.swap(ctx, &next, from, exists, assumed)
		switch {
		case stored:
			s.finish(ctx, &next)
			return next.Revision, nil
		case err != nil && !passing(err):
			return 0, s.fault(ctx, fmt.Sprintf("commit to partition %q", partition), err)
		default:
			unsure = err != nil || unsure
		}
		if err != nil {
			s.counts.retries.Add(1)
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
		}
	}
}

// swap puts the next head in the place of the one at a revision, if that is what is there and nothing is pending; with live
// only in the place of one that was not erased.
func (s *Store) swap(ctx context.Context, next *head, from store.Revision, exists, live bool) (stored bool, err error) {
	if !exists {
		_, err := s.collection.InsertOne(ctx, next)
		if mongo.IsDuplicateKeyError(err) {
			return false, nil // somebody else was first
		}
		return err == nil, err
	}
	is := bson.D{
		{Key: fieldKey, Value: next.Key}, {Key: fieldPartition, Value: next.Partition}, {Key: fieldRevision, Value: from},
		{Key: fieldWaiting, Value: bson.D{{Key: "$exists", Value: false}}},
	}
	if live {
		is = append(is, bson.E{Key: fieldName, Value: next.Partition})
	}
	result, err := s.collection.ReplaceOne(ctx, is, next)
	return err == nil && result.MatchedCount == 1, err
}

// Erase implements [store.Documents].
func (s *Store) Erase(ctx context.Context, partition string) (left bool, err error) {
	if err := store.CheckName("partition", partition); err != nil {
		return false, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	for try := 0; ; try++ {
		if err := pause(ctx, try); err != nil {
			return false, err
		}
		current, err := s.settledHead(ctx, partition)
		if err != nil {
			return false, err
		}
		if current.live() == 0 {
			return false, nil
		}
		ids, err := s.someIDs(ctx, partition)
		if err != nil {
			return false, err
		}
		if left = len(ids) > store.MaxBatchDocuments; left {
			ids = ids[:store.MaxBatchDocuments]
		}
		_, err = s.write(ctx, partition, &current.Revision, func(h *head) {
			h.Pending, h.Waiting = &batch{Delete: ids}, &[]string{}
			if !left {
				h.Name, h.Gone = "", &h.At
			}
		})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return false, err
		}
		s.counts.commits.Add(1)
		// Not before the documents are gone themselves has anybody been forgotten.
		if _, err := s.settledHead(ctx, partition); err != nil {
			return false, err
		}
		return left, nil
	}
}

// someIDs returns the first ids of a partition, one more than an erasure removes.
func (s *Store) someIDs(ctx context.Context, partition string) (ids []string, err error) {
	err = s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, bson.D{
			{Key: fieldPartition, Value: partition},
			{Key: fieldKey, Value: bson.D{{Key: "$gt", Value: headKey(partition)}, {Key: "$lt", Value: endKey(partition)}}},
			{Key: fieldGone, Value: bson.D{{Key: "$exists", Value: false}}},
		}, byKey().SetProjection(bson.D{{Key: "id", Value: 1}}).SetLimit(store.MaxBatchDocuments+1).SetBatchSize(store.MaxBatchDocuments+2))
		if err != nil {
			return err
		}
		var found []document
		if err := cursor.All(ctx, &found); err != nil {
			return err
		}
		ids = make([]string, len(found))
		for i := range found {
			ids[i] = found[i].ID
		}
		return nil
	})
	if err != nil {
		return nil, s.fault(ctx, fmt.Sprintf("read partition %q", partition), err)
	}
	return ids, nil
}

// byKey reads in the order of keys, by the index of keys: so a head is read before its documents.
func byKey() *options.FindOptionsBuilder {
	return options.Find().SetSort(bson.D{{Key: fieldKey, Value: 1}}).SetHint(bson.D{{Key: fieldKey, Value: 1}})
}
