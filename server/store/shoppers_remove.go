package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"satnav/context/who"
)

// EachEntry calls f with all that a diary tells, the newest first, until f returns false.
func (s *Shoppers) EachEntry(ctx context.Context, key who.Key, f func(DiaryEntry) bool) error {
	return s.eachEntry(ctx, s.Partition(key), func(_ string, e DiaryEntry) bool { return f(e) })
}

func (s *Shoppers) eachEntry(ctx context.Context, partition string, f func(id string, e DiaryEntry) bool) error {
	for from := diaryFrom; from != ""; {
		page, err := s.documents.Scan(ctx, partition, from, diaryTo, 0)
		if err != nil {
			return err
		}
		for _, d := range page.Documents {
			e, err := readDiary(d)
			if err != nil {
				return fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
			}
			if !f(d.ID, e) {
				return nil
			}
		}
		from = page.Next
	}
	return nil
}

// maxRemoved bounds the entries that one removal takes: they go in one commit.
const maxRemoved = MaxBatchDocuments / 2

// Remove deletes the entries of a diary that are chosen, the newest maxRemoved at most, and counts the history anew from
// those that stay, in one commit; under a legal hold it is ErrHeld. That an event's id was seen stays known, so that an app which sends it again does not bring
// it back. removed is how many there were; step is how the history changed, nil: not at all.
func (s *Shoppers) Remove(ctx context.Context, key who.Key, chosen func(DiaryEntry) bool) (removed int, step *Step, err error) {
	partition := s.Partition(key)
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return 0, nil, err
		}
		if err := s.held(ctx, partition); err != nil {
			return 0, nil, err
		}
		var gone []string
		var stay []who.Event
		counts := false // an event goes
		err = s.eachEntry(ctx, partition, func(id string, e DiaryEntry) bool {
			switch {
			case len(gone) < maxRemoved && chosen(e):
				gone = append(gone, id)
				counts = counts || e.Event != nil && e.Event.Counts()
			case e.Event != nil && e.Event.Counts():
				stay = append(stay, *e.Event)
			}
			return true
		})
		if err != nil || len(gone) == 0 || k.shopper == nil {
			return 0, nil, err
		}
		record := k.record
		batch := bodies{}
		if counts {
			names := s.names(key.Retailer)
			slices.Reverse(stay) // the oldest first
			record.History = (*who.History)(nil).With(names, stay...)
			batch.b = appendHistory(nil, names, record.History)
			batch.cut(historyID)
			batch.put = append(batch.put, s.changed(k.revision)...)
		}
		before, expect := s.cache.moves(partition), k.revision
		revision, err := s.documents.Commit(ctx, Batch{Partition: partition, Expect: &expect, Put: batch.put, Delete: gone})
		if errors.Is(err, ErrConflict) {
			s.cache.forget(partition)
			continue
		}
		if err != nil {
			s.cache.forget(partition)
			return 0, nil, err
		}
		next := k.at(revision, k.remembered)
		next.take(record)
		s.cache.committed(partition, next, before)
		if counts {
			step = &Step{partition, who.Counted(k.shopper), who.Counted(next.shopper)}
		}
		return len(gone), step, nil
	}
	return 0, nil, fmt.Errorf("partition %q: removal after %d tries: %w", partition, recordTries, ErrConflict)
}

// DiaryTime is the time, in milliseconds since 1970, at which the entries from a place in a diary on begin; false: it is no
// place.
func DiaryTime(from string) (milliseconds int64, ok bool) {
	if len(from) < positionLength {
		return 0, false
	}
	left, err := strconv.ParseUint(from[:positionLength-1], 16, 64)
	return int64(diaryEnd - left), err == nil
}
