package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"satnav/server/store"
)

// finish applies a batch that was just stored, beside the call where there is room. When it fails, whoever reads the head
// next does it.
func (s *Store) finish(ctx context.Context, h *head) {
	done := make(chan struct{})
	s.mu.Lock()
	s.underWay[h.Partition] = done
	s.mu.Unlock()
	apply := func(ctx context.Context) {
		if err := s.apply(ctx, h); err != nil {
			s.log.Debug("a batch stays pending", "store", s.where, "error", err)
		}
		s.mu.Lock()
		if s.underWay[h.Partition] == done {
			delete(s.underWay, h.Partition)
		}
		s.mu.Unlock()
		close(done)
	}
	select {
	case s.places <- struct{}{}:
		s.running.Go(func() {
			defer func() { <-s.places }()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
			defer cancel()
			apply(ctx)
		})
	default:
		apply(ctx)
	}
}

// awaitOwn waits for a batch that this process is applying to a partition: cheaper than applying it twice.
func (s *Store) awaitOwn(ctx context.Context, partition string) error {
	s.mu.Lock()
	done := s.underWay[partition]
	s.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settledHead returns the head of a partition once nothing is pending; nil when there is none.
func (s *Store) settledHead(ctx context.Context, partition string) (*head, error) {
	for try := 0; ; try++ {
		if err := pause(ctx, max(0, try-1)); err != nil {
			return nil, err
		}
		if err := s.awaitOwn(ctx, partition); err != nil {
			return nil, err
		}
		var h head
		err := s.again(ctx, func() error {
			h = head{}
			return s.collection.FindOne(ctx, bson.D{{Key: fieldKey, Value: headKey(partition)}, {Key: fieldPartition, Value: partition}}).Decode(&h)
		})
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, nil
		}
		if err != nil {
			return nil, s.fault(ctx, fmt.Sprintf("read head of partition %q", partition), err)
		}
		if h.Waiting == nil {
			return &h, nil
		}
		if err := s.apply(ctx, &h); err != nil {
			return nil, s.fault(ctx, fmt.Sprintf("apply to partition %q", partition), err)
		}
		s.counts.helped.Add(1)
	}
}

// apply does what is pending in a head and clears it. It may be done by several at once, and late: then it changes nothing.
// The order of its steps is what listings of marks rely on: hints are there before their documents, and go after them.
func (s *Store) apply(ctx context.Context, h *head) error {
	if h.Pending == nil {
		return errors.New("a head waits and has nothing pending")
	}
	return s.again(ctx, func() error {
		before, err := s.before(ctx, h)
		if err != nil {
			return err
		}
		fresh, stale := hintsOf(h, before)
		if err := s.addHints(ctx, fresh); err != nil {
			return err
		}
		if err := s.putDocuments(ctx, h, before); err != nil {
			return err
		}
		if err := s.deleteDocuments(ctx, h); err != nil {
			return err
		}
		if err := s.removeHints(ctx, h, stale); err != nil {
			return err
		}
		_, err = s.collection.UpdateOne(ctx, bson.D{
			{Key: fieldKey, Value: h.Key}, {Key: fieldPartition, Value: h.Partition}, {Key: fieldRevision, Value: h.Revision}, {Key: fieldCommit, Value: h.Commit},
		}, bson.D{{Key: "$unset", Value: bson.D{{Key: fieldPending, Value: ""}, {Key: fieldWaiting, Value: ""}}}})
		return err
	})
}

// before returns the revisions and marks of the documents that a batch changes, by key, as they are now.
func (s *Store) before(ctx context.Context, h *head) (map[string]document, error) {
	keys := make([]string, 0, len(h.Pending.Put)+len(h.Pending.Delete))
	for i := range h.Pending.Put {
		keys = append(keys, documentKey(h.Partition, h.Pending.Put[i].ID))
	}
	for _, id := range h.Pending.Delete {
		keys = append(keys, documentKey(h.Partition, id))
	}
	if len(keys) == 0 {
		return nil, nil
	}
	cursor, err := s.collection.Find(ctx, bson.D{{Key: fieldPartition, Value: h.Partition}, {Key: fieldKey, Value: bson.D{{Key: "$in", Value: keys}}}},
		options.Find().SetProjection(bson.D{{Key: fieldRevision, Value: 1}, {Key: "id", Value: 1}, {Key: fieldMarks, Value: 1}}).SetBatchSize(int32(len(keys)+1)))
	if err != nil {
		return nil, err
	}
	var found []document
	if err := cursor.All(ctx, &found); err != nil {
		return nil, err
	}
	before := make(map[string]document, len(found))
	for _, d := range found {
		before[d.Key] = d
	}
	return before, nil
}

// hintsOf returns the hints that a batch adds, and the keys of those that it makes wrong.
func hintsOf(h *head, before map[string]document) (fresh []hint, stale []string) {
	for i := range h.Pending.Put {
		put := &h.Pending.Put[i]
		old := before[documentKey(h.Partition, put.ID)]
		if old.Revision >= h.Revision {
			continue // whoever put it had added its hints before
		}
		for _, m := range put.Marks {
			if !slices.Contains(old.Marks, m) {
				fresh = append(fresh, hint{
					Key: hintKey(h.Partition, put.ID, m), Partition: h.Partition, Revision: h.Revision,
					Mark: hintMark{m.Kind, m.Key, m.At, h.Partition, put.ID},
				})
			}
		}
		for _, m := range old.Marks {
			if !slices.Contains(put.Marks, m) {
				stale = append(stale, hintKey(h.Partition, put.ID, m))
			}
		}
	}
	for _, id := range h.Pending.Delete {
		if old := before[documentKey(h.Partition, id)]; old.Revision < h.Revision {
			for _, m := range old.Marks {
				stale = append(stale, hintKey(h.Partition, id, m))
			}
		}
	}
	return fresh, stale
}

// addHints makes hints, or says of those that are there that they are wanted again.
func (s *Store) addHints(ctx context.Context, fresh []hint) error {
	if len(fresh) == 0 {
		return nil
	}
	there, err := s.insert(ctx, fresh)
	if err != nil || len(there) == 0 {
		return err
	}
	writes := make([]mongo.WriteModel, len(there))
	for i, at := range there {
		h := &fresh[at]
		writes[i] = mongo.NewUpdateOneModel().SetUpsert(true).
			SetFilter(bson.D{{Key: fieldKey, Value: h.Key}, {Key: fieldPartition, Value: h.Partition}}).
			SetUpdate(bson.D{{Key: "$max", Value: bson.D{{Key: fieldRevision, Value: h.Revision}}}, {Key: "$setOnInsert", Value: bson.D{{Key: "mark", Value: h.Mark}}}})
	}
	return s.bulk(ctx, writes)
}

// putDocuments writes the documents of a batch, but for those that are there with its revision or a later one.
func (s *Store) putDocuments(ctx context.Context, h *head, before map[string]document) error {
	var fresh []document
	var writes []mongo.WriteModel
	replace := func(d *document) {
		writes = append(writes, mongo.NewReplaceOneModel().SetReplacement(d).SetFilter(bson.D{
			{Key: fieldKey, Value: d.Key}, {Key: fieldPartition, Value: d.Partition}, {Key: fieldRevision, Value: bson.D{{Key: "$lt", Value: h.Revision}}},
		}))
	}
	for _, d := range h.Pending.Put {
		d.Key, d.Partition, d.Revision = documentKey(h.Partition, d.ID), h.Partition, h.Revision
		if old, known := before[d.Key]; !known {
			fresh = append(fresh, d)
		} else if old.Revision < h.Revision {
			replace(&d)
		}
	}
	if len(fresh) > 0 {
		// What is there since a moment was put by somebody who applies the same batch, or a later one.
		if _, err := s.insert(ctx, fresh); err != nil {
			return err
		}
	}
	return s.bulk(ctx, writes)
}

// deleteDocuments leaves tombstones in the place of documents.
func (s *Store) deleteDocuments(ctx context.Context, h *head) error {
	if len(h.Pending.Delete) == 0 {
		return nil
	}
	keys := make([]string, len(h.Pending.Delete))
	for i, id := range h.Pending.Delete {
		keys[i] = documentKey(h.Partition, id)
	}
	_, err := s.collection.UpdateMany(ctx, bson.D{
		{Key: fieldPartition, Value: h.Partition}, {Key: fieldKey, Value: bson.D{{Key: "$in", Value: keys}}}, {Key: fieldRevision, Value: bson.D{{Key: "$lt", Value: h.Revision}}},
	}, bson.D{
		{Key: "$set", Value: bson.D{{Key: fieldRevision, Value: h.Revision}, {Key: fieldGone, Value: time.Now().UTC()}}},
		{Key: "$unset", Value: bson.D{{Key: fieldMarks, Value: ""}, {Key: fieldBody, Value: ""}, {Key: fieldPacked, Value: ""}}},
	})
	return err
}

// removeHints removes hints that no revision after the batch's wanted, all of them when the partition was erased.
func (s *Store) removeHints(ctx context.Context, h *head, stale []string) error {
	which := bson.D{{Key: "$in", Value: stale}}
	if h.Gone != nil {
		from, to := hintRange(h.Partition)
		which = bson.D{{Key: "$gt", Value: from}, {Key: "$lt", Value: to}}
	} else if len(stale) == 0 {
		return nil
	}
	_, err := s.collection.DeleteMany(ctx, bson.D{
		{Key: fieldPartition, Value: h.Partition}, {Key: fieldKey, Value: which}, {Key: fieldRevision, Value: bson.D{{Key: "$lt", Value: h.Revision}}},
	})
	return err
}

// insert inserts what does not exist, and returns the indexes of what does.
func (s *Store) insert(ctx context.Context, documents any) (there []int, err error) {
	_, err = s.collection.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	var failed mongo.BulkWriteException
	if !errors.As(err, &failed) || failed.WriteConcernError != nil {
		return nil, err
	}
	for _, e := range failed.WriteErrors {
		if !mongo.IsDuplicateKeyError(e) {
			return nil, err
		}
		there = append(there, e.Index)
	}
	return there, nil
}

// bulk does writes in any order. Two that make the same document at once can collide: the one that lost finds it then.
func (s *Store) bulk(ctx context.Context, writes []mongo.WriteModel) error {
	if len(writes) == 0 {
		return nil
	}
	_, err := s.collection.BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	if mongo.IsDuplicateKeyError(err) {
		_, err = s.collection.BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	}
	return err
}

// waiting lists partitions with something pending.
func (s *Store) waiting(ctx context.Context, which bson.D) (partitions []string, err error) {
	err = s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, which, options.Find().SetProjection(bson.D{{Key: fieldPartition, Value: 1}}).SetLimit(store.MaxPage))
		if err != nil {
			return err
		}
		var heads []head
		if err := cursor.All(ctx, &heads); err != nil {
			return err
		}
		partitions = partitions[:0]
		for i := range heads {
			partitions = append(partitions, heads[i].Partition)
		}
		return nil
	})
	if err != nil {
		return nil, s.fault(ctx, "look for what is pending", err)
	}
	return partitions, nil
}
