package mongodb

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"satnav/server/store"
)

// window is the part of a listing that is asked for: what stands after a place and lies before a time.
type window struct {
	kind, key string
	after     place
	inclusive bool  // a document at the very place of after is meant too
	to        int64 // milliseconds
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.at, o.at), cmp.Compare(p.partition, o.partition), cmp.Compare(p.id, o.id))
}

// Marked implements [store.Documents].
//
// Hints and heads with something pending name the partitions in question. Their heads are read, which settles them; then
// their hints once more, and then the documents. Since hints are added before documents change and removed after, what is
// found belongs to the revision of the head unless a document shows a later one: such a partition is read again.
func (s *Store) Marked(ctx context.Context, kind, key string, after store.Position, to time.Time, limit int) (found []store.Marked, more bool, err error) {
	if err := store.CheckMark(kind, key); err != nil {
		return nil, false, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	w := window{kind: kind, key: key, after: place{at: millisFrom(after.At)}, inclusive: true, to: math.MaxInt64}
	if after.Partition != "" && w.after.at == after.At.UnixMilli() {
		w.after.partition, w.after.id, w.inclusive = after.Partition, after.ID, false
	}
	if !to.IsZero() {
		w.to = millisFrom(to)
	}
	if w.after.at >= w.to {
		return nil, false, nil
	}
	limit = store.PageLimit(limit)
	// Whoever committed before this call has a head that is pending, or hints by now.
	waiting, err := s.waiting(ctx, bson.D{{Key: fieldWaiting, Value: kind}})
	if err != nil {
		return nil, false, err
	}
	for _, partition := range waiting {
		if _, err := s.settledHead(ctx, partition); err != nil {
			return nil, false, err
		}
	}
	for {
		found, more, end, err := s.listing(ctx, w, limit)
		if err != nil || len(found) > 0 || !more {
			return found, more, err
		}
		w.after, w.inclusive = end, false // all hints of that page were left over
	}
}

// listing returns one page of a window, and where it ended.
func (s *Store) listing(ctx context.Context, w window, limit int) (found []store.Marked, more bool, end place, err error) {
	hints, err := s.hints(ctx, w, nil, limit+1)
	if err != nil || len(hints) == 0 {
		return nil, false, end, err
	}
	if more = len(hints) > limit; more {
		end = hints[len(hints)-1].place() // nothing is known of what stands after it
	}
	open := map[string]bool{} // partitions whose picture is not of one instant yet
	for i := range hints {
		open[hints[i].Partition] = true
	}
	for try := 0; len(open) > 0; try++ {
		if err := pause(ctx, max(0, try-1)); err != nil {
			return nil, false, end, err
		}
		settled, err := s.picture(ctx, w, end, open)
		if err != nil {
			return nil, false, end, err
		}
		found = append(found, settled...)
	}
	slices.SortFunc(found, func(a, b store.Marked) int { return placeOf(a).compare(placeOf(b)) })
	bytes := 0
	for i := range found {
		if i == limit || bytes >= store.MaxBatchBytes {
			return found[:i], true, end, nil
		}
		bytes += len(found[i].Body)
	}
	return found, more, end, nil
}

// picture reads what is marked in the open partitions up to an end (zero: none), and closes those that it read at one instant.
func (s *Store) picture(ctx context.Context, w window, end place, open map[string]bool) (found []store.Marked, err error) {
	partitions := make([]string, 0, len(open))
	for partition := range open {
		partitions = append(partitions, partition)
	}
	slices.Sort(partitions)
	heads, err := s.settledHeads(ctx, partitions)
	if err != nil {
		return nil, err
	}
	if end != (place{}) {
		w.to = min(w.to, end.at+1)
	}
	hints, err := s.hints(ctx, w, partitions, 0)
	if err != nil {
		return nil, err
	}
	byKey := map[string]*document{}
	if err := s.documents(ctx, hints, byKey); err != nil {
		return nil, err
	}
	for _, d := range byKey {
		if head, ok := heads[d.Partition]; ok && d.Revision > head.Revision {
			delete(heads, d.Partition)
		}
	}
	var over []hint
	for i := range hints {
		h := &hints[i]
		head, whole := heads[h.Partition]
		if !whole || end != (place{}) && h.place().compare(end) > 0 {
			continue
		}
		d := byKey[documentKey(h.Partition, h.Mark.ID)]
		if head.live() == 0 || d == nil || !slices.Contains(d.Marks, mark{h.Mark.Kind, h.Mark.Key, h.Mark.At}) {
			if h.Revision <= head.Revision { // else it is of a commit that is under way
				over = append(over, *h)
			}
			continue
		}
		document, err := d.document()
		if err != nil {
			return nil, err
		}
		found = append(found, store.Marked{At: h.Mark.At.Time().UTC(), Document: document})
	}
	for partition := range heads {
		delete(open, partition)
	}
	return found, s.removeOver(ctx, over)
}

// hints returns the hints of a window in order, those of some partitions (nil: all), at most limit (0: all).
func (s *Store) hints(ctx context.Context, w window, partitions []string, limit int) (hints []hint, err error) {
	at := bson.D{{Key: "$gte", Value: bson.DateTime(w.after.at)}}
	if w.to != math.MaxInt64 {
		at = append(at, bson.E{Key: "$lt", Value: bson.DateTime(w.to)})
	}
	which := bson.D{{Key: markKind, Value: w.kind}, {Key: markKey, Value: w.key}, {Key: markAt, Value: at}}
	if partitions != nil {
		which = append(which, bson.E{Key: markPartition, Value: bson.D{{Key: "$in", Value: partitions}}})
	}
	if !w.inclusive || w.after.partition != "" {
		which = append(which, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: markAt, Value: bson.D{{Key: "$gt", Value: bson.DateTime(w.after.at)}}}},
			bson.D{{Key: markPartition, Value: bson.D{{Key: "$gt", Value: w.after.partition}}}},
			bson.D{{Key: markPartition, Value: w.after.partition}, {Key: markID, Value: bson.D{{Key: "$gt", Value: w.after.id}}}},
		}})
	}
	o := options.Find().SetSort(bson.D{{Key: markAt, Value: 1}, {Key: markPartition, Value: 1}, {Key: markID, Value: 1}})
	if limit > 0 {
		o = o.SetLimit(int64(limit)).SetBatchSize(int32(limit + 1))
	}
	err = s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, which, o)
		if err != nil {
			return err
		}
		hints = hints[:0]
		return cursor.All(ctx, &hints)
	})
	if err != nil {
		return nil, s.fault(ctx, fmt.Sprintf("list marks %q %q", w.kind, w.key), err)
	}
	return hints, nil
}

// settledHeads returns the heads of partitions with nothing pending.
func (s *Store) settledHeads(ctx context.Context, partitions []string) (map[string]*head, error) {
	keys := make([]string, len(partitions))
	for i, partition := range partitions {
		keys[i] = headKey(partition)
	}
	var read []head
	err := s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, bson.D{{Key: fieldPartition, Value: bson.D{{Key: "$in", Value: partitions}}}, {Key: fieldKey, Value: bson.D{{Key: "$in", Value: keys}}}},
			options.Find().SetProjection(withoutPending).SetBatchSize(int32(len(keys)+1)))
		if err != nil {
			return err
		}
		read = read[:0]
		return cursor.All(ctx, &read)
	})
	if err != nil {
		return nil, s.fault(ctx, "read heads", err)
	}
	heads := make(map[string]*head, len(partitions))
	for _, partition := range partitions {
		heads[partition] = new(head) // one that has no head has nothing; its hints are of later commits, or left over
	}
	for i := range read {
		h := &read[i]
		if h.Waiting != nil {
			if h, err = s.settledHead(ctx, h.Partition); err != nil {
				return nil, err
			}
			if h == nil {
				continue
			}
		}
		heads[h.Partition] = h
	}
	return heads, nil
}

// documents reads the documents that hints name, as far as one answer needs them.
func (s *Store) documents(ctx context.Context, hints []hint, byKey map[string]*document) error {
	keys := make([]string, len(hints))
	partitions := make([]string, len(hints))
	for i := range hints {
		keys[i], partitions[i] = documentKey(hints[i].Partition, hints[i].Mark.ID), hints[i].Partition
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	slices.Sort(partitions)
	partitions = slices.Compact(partitions)
	err := s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, bson.D{{Key: fieldPartition, Value: bson.D{{Key: "$in", Value: partitions}}}, {Key: fieldKey, Value: bson.D{{Key: "$in", Value: keys}}}},
			options.Find().SetBatchSize(int32(len(keys)+1)))
		if err != nil {
			return err
		}
		var read []document
		if err := cursor.All(ctx, &read); err != nil {
			return err
		}
		for i := range read {
			byKey[read[i].Key] = &read[i]
		}
		return nil
	})
	if err != nil {
		return s.fault(ctx, "read marked documents", err)
	}
	return nil
}

// removeOver removes hints that were left over, unless somebody wants them again.
func (s *Store) removeOver(ctx context.Context, over []hint) error {
	for i := range over {
		_, err := s.collection.DeleteOne(ctx, bson.D{
			{Key: fieldPartition, Value: over[i].Partition}, {Key: fieldKey, Value: over[i].Key}, {Key: fieldRevision, Value: over[i].Revision},
		})
		if err != nil {
			return s.fault(ctx, "remove a hint", err)
		}
	}
	return nil
}
