package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"satnav/context/who"
)

// Owed is a commit of decisions about purposes of which the audit log was not told yet, as far as the store knows. The commit itself says so, see
// Change.Owed: a process that ends before it told leaves the debt to the next one.
type Owed struct {
	Partition string
	ID        string      // of the document: the same for the same commit
	Decisions []who.Grant // in order, with the defaults that a new shopper began with
}

// owedMark is the mark of what is owed.
const owedMark = "audit"

// Owed lists what the audit log is to be told that was decided before a time, the oldest first, and whether there is more.
func (s *Shoppers) Owed(ctx context.Context, before time.Time) (owed []Owed, more bool, err error) {
	found, more, err := s.documents.Marked(ctx, owedMark, "", Position{}, before, 0)
	if err != nil {
		return nil, false, fmt.Errorf("what the audit log is owed: %w", err)
	}
	for _, m := range found {
		one, err := owedBy(m.Partition, m.Document)
		if err != nil {
			return nil, false, err
		}
		owed = append(owed, one)
	}
	return owed, more, nil
}

func owedBy(partition string, d Document) (Owed, error) {
	decisions, err := readGrants(d.Body)
	if err != nil {
		return Owed{}, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
	}
	return Owed{Partition: partition, ID: d.ID, Decisions: decisions}, nil
}

// OwedBy lists what of it is about one shopper.
func (s *Shoppers) OwedBy(ctx context.Context, key who.Key) (owed []Owed, err error) {
	partition := s.Partition(key)
	for from := logFrom; from != ""; {
		page, err := s.documents.Scan(ctx, partition, from, logTo, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			if len(d.Marks) == 0 {
				continue
			}
			one, err := owedBy(partition, d)
			if err != nil {
				return nil, err
			}
			owed = append(owed, one)
		}
		from = page.Next
	}
	return owed, nil
}

// Paid notes that the audit log has what it was owed. What was erased meanwhile does not come back.
func (s *Shoppers) Paid(ctx context.Context, owed Owed) error {
	for range recordTries {
		before := s.cache.moves(owed.Partition)
		page, err := s.documents.Scan(ctx, owed.Partition, owed.ID, owed.ID+"\x01", 1)
		if err != nil || len(page.Documents) == 0 || len(page.Documents[0].Marks) == 0 {
			return err
		}
		told := page.Documents[0]
		told.Marks = nil
		revision, err := s.documents.Commit(ctx, Batch{Partition: owed.Partition, Expect: &page.Revision, Put: []Document{told}, Lazy: true})
		if err == nil {
			s.cache.attached(owed.Partition, revision, before)
			return nil
		}
		s.cache.forget(owed.Partition)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("partition %q: %s after %d tries: %w", owed.Partition, owed.ID, recordTries, ErrConflict)
}
