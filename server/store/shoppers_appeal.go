package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/context/who"
)

// Appeal is what a shopper says to what is doubted of theirs, and what somebody answered. It is kept with the shopper, and erased with the rest.
type Appeal struct {
	At      time.Time   `bson:"at"`
	Text    string      `bson:"text"`
	State   AppealState `bson:"state"`
	Answer  string      `bson:"answer,omitempty"`
	Decided time.Time   `bson:"decided,omitempty"`

	Key who.Key `bson:"-"` // the partition says whose it is
}

// AppealState is how far an appeal is.
type AppealState string

const (
	AppealOpen     AppealState = "open"
	AppealAccepted AppealState = "accepted" // what was doubted counts
	AppealRejected AppealState = "rejected"
)

const (
	appealID   = "appeal/newest"
	appealMark = "appeal" // on each that is open
)

// Appeal returns the newest appeal of a shopper, or ErrNotFound.
func (s *Shoppers) Appeal(ctx context.Context, key who.Key) (Appeal, error) {
	d, err := s.documents.Get(ctx, s.Partition(key), appealID)
	if err != nil {
		return Appeal{}, err
	}
	return readAppeal(d, key)
}

func readAppeal(d Document, key who.Key) (Appeal, error) {
	var a Appeal
	if err := bson.Unmarshal(d.Body, &a); err != nil {
		return a, fmt.Errorf("partition %q: document %q: %w", d.Partition, d.ID, err)
	}
	a.At, a.Key = a.At.UTC(), key
	if !a.Decided.IsZero() {
		a.Decided = a.Decided.UTC()
	}
	return a, nil
}

// PutAppeal keeps an appeal in the place of the one before, durably. It returns who.ErrUnknown where nothing is kept of the shopper.
func (s *Shoppers) PutAppeal(ctx context.Context, key who.Key, a Appeal) error {
	body, err := bson.Marshal(a)
	if err != nil {
		return fmt.Errorf("appeal: %w", err)
	}
	d := Document{ID: appealID, Body: body}
	if a.State == AppealOpen {
		d.Marks = []Mark{{Kind: appealMark, Key: string(appendRetailer(nil, key.Retailer)), At: a.At}}
	}
	for range recordTries {
		partition := s.Partition(key)
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return err
		}
		if k.shopper == nil {
			return who.ErrUnknown
		}
		if _, err = s.commit(ctx, key, partition, k, Change{At: a.At, Documents: []Document{d}}); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("appeal after %d tries: %w", recordTries, ErrConflict)
}

// Appeals lists the open appeals of a retailer's shoppers, the oldest first.
func (s *Shoppers) Appeals(ctx context.Context, retailer string, limit int) (open []Appeal, err error) {
	found, _, err := s.documents.Marked(ctx, appealMark, string(appendRetailer(nil, retailer)), Position{}, time.Time{}, limit)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		key, err := s.KeyOf(ctx, m.Partition)
		if errors.Is(err, ErrNotFound) { // erased meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		a, err := readAppeal(m.Document, key)
		if err != nil {
			return nil, err
		}
		open = append(open, a)
	}
	return open, nil
}

// Appealing finds the shopper whose open appeal has a pseudonym, or ErrNotFound.
func (s *Shoppers) Appealing(ctx context.Context, retailer, pseudonym string) (Appeal, error) {
	partition := string(append(appendRetailer(nil, retailer), pseudonym...))
	if err := CheckName("appeal", partition); err != nil {
		return Appeal{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	key, err := s.KeyOf(ctx, partition)
	if err != nil {
		return Appeal{}, err
	}
	if key.Retailer != retailer {
		return Appeal{}, ErrNotFound
	}
	a, err := s.Appeal(ctx, key)
	if err == nil && a.State != AppealOpen {
		return a, ErrNotFound
	}
	return a, err
}

// maxAccepted bounds the events that one Accept takes: two documents each go in one commit.
const maxAccepted = MaxBatchDocuments/2 - 16

// Accept lets events count that were doubted until now, the newest maxAccepted at most, and counts the history anew, in one commit. accepted is how many
// there were; step is how the history changed, nil: not at all.
func (s *Shoppers) Accept(ctx context.Context, key who.Key) (accepted int, step *Step, err error) {
	partition := s.Partition(key)
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return 0, nil, err
		}
		var all, fresh []who.Event
		err = s.eachEntry(ctx, partition, func(_ string, e DiaryEntry) bool {
			if e.Event == nil {
				return true
			}
			event := *e.Event
			if event.Doubt() != "" && len(fresh) < maxAccepted {
				event.Reason = who.Accepted
				fresh = append(fresh, event)
			}
			if event.Counts() {
				all = append(all, event)
			}
			return true
		})
		if err != nil || len(fresh) == 0 || k.shopper == nil {
			return 0, nil, err
		}
		slices.Reverse(all) // the oldest first
		record, names := k.record, s.names(key.Retailer)
		record.History = (*who.History)(nil).With(names, all...)
		batch := bodies{}
		batch.b = appendHistory(nil, names, record.History)
		batch.cut(historyID)
		for i := range fresh {
			s.putEvent(&batch, &fresh[i])
		}
		before, expect := s.cache.moves(partition), k.revision
		revision, err := s.documents.Commit(ctx, Batch{Partition: partition, Expect: &expect, Put: append(batch.put, s.changed(k.revision)...)})
		if err != nil {
			s.cache.forget(partition)
			if errors.Is(err, ErrConflict) {
				continue
			}
			return 0, nil, err
		}
		next := k.at(revision, k.remembered)
		next.take(record)
		s.cache.committed(partition, next, before)
		return len(fresh), &Step{partition, who.Counted(k.shopper), who.Counted(next.shopper)}, nil
	}
	return 0, nil, fmt.Errorf("partition %q: accept after %d tries: %w", partition, recordTries, ErrConflict)
}
