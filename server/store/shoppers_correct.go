package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"satnav/context/who"
)

// Correct puts another event in the place of the one with an id, and counts the history anew, in one commit. correct gets the event as it
// is kept and returns what it should have said; id and purpose stay. It returns ErrNotFound where the diary has no such event, and under a legal hold ErrHeld; step is how the
// history changed, nil: not at all.
func (s *Shoppers) Correct(ctx context.Context, key who.Key, id string, correct func(who.Event) (who.Event, error)) (step *Step, err error) {
	partition := s.Partition(key)
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return nil, err
		}
		if err := s.held(ctx, partition); err != nil {
			return nil, err
		}
		var was, is *who.Event
		var refused error
		var old string
		var all []who.Event // of who.Loyalty
		err = s.eachEntry(ctx, partition, func(document string, e DiaryEntry) bool {
			if e.Event == nil {
				return true
			}
			event := *e.Event
			if event.ID == id {
				old, was = document, e.Event
				if event, refused = correct(event); refused != nil {
					return false
				}
				event.ID, event.Purpose = was.ID, was.Purpose
				is = &event
			}
			if event.Counts() {
				all = append(all, event)
			}
			return true
		})
		if err = errors.Join(err, refused); err != nil {
			return nil, err
		}
		if is == nil || k.shopper == nil {
			return nil, fmt.Errorf("event: %w", ErrNotFound)
		}
		record := k.record
		batch := bodies{}
		if is.Counts() {
			slices.SortStableFunc(all, func(a, b who.Event) int { return a.At.Compare(b.At) })
			names := s.names(key.Retailer)
			record.History = (*who.History)(nil).With(names, all...)
			batch.b = appendHistory(nil, names, record.History)
			batch.cut(historyID)
		}
		s.putEvent(&batch, is)
		gone := []string{old}
		if old == diaryID(is.At, s.eventName(is.ID)) { // it is written over
			gone = nil
		}
		before, expect := s.cache.moves(partition), k.revision
		revision, err := s.documents.Commit(ctx, Batch{Partition: partition, Expect: &expect, Put: append(batch.put, s.changed(k.revision)...), Delete: gone})
		if err != nil {
			s.cache.forget(partition)
			if errors.Is(err, ErrConflict) {
				continue
			}
			return nil, err
		}
		next := k.at(revision, k.remembered)
		next.take(record)
		s.cache.committed(partition, next, before)
		if is.Counts() {
			step = &Step{partition, who.Counted(k.shopper), who.Counted(next.shopper)}
		}
		return step, nil
	}
	return nil, fmt.Errorf("partition %q: correction after %d tries: %w", partition, recordTries, ErrConflict)
}
