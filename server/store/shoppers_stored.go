package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// Stored returns what the diary has of events by their ids, in the same order; nil where it has none. It reads two
// documents an event and asks for no grant: a caller who shows any of it asks first.
func (s *Shoppers) Stored(ctx context.Context, key who.Key, ids []string) ([]*who.Event, error) {
	partition := s.Partition(key)
	stored := make([]*who.Event, len(ids))
	for i, id := range ids {
		name := s.eventName(id)
		seen, err := s.documents.Get(ctx, partition, seenFrom+name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		at, ok := bsoncore.Document(seen.Body).Lookup("at").DateTimeOK()
		if !ok {
			return nil, fmt.Errorf("partition %q: document %q: %w", partition, seenFrom+name, errDamaged)
		}
		kept, err := s.documents.Get(ctx, partition, diaryID(time.UnixMilli(at), name))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		event, err := readEvent(kept.Body)
		if err != nil {
			return nil, fmt.Errorf("partition %q: document %q: %w", partition, kept.ID, err)
		}
		stored[i] = &event
	}
	return stored, nil
}
