package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

const cardID = "now/loyalty-card"

// ErrOlder says that something newer is kept already.
var ErrOlder = errors.New("something newer is kept")

// appendCard appends what the loyalty programme says of a shopper.
func appendCard(b []byte, c *who.Card) []byte {
	return document(b, func(b []byte) []byte {
		b = appendText(b, "tier", c.Tier)
		b = appendInt(b, "points", c.Points)
		b = appendTrue(b, "counts", c.Counts)
		b = array(b, "segments", len(c.Segments), func(b []byte, i int) []byte {
			return bsoncore.AppendStringElement(b, "name", c.Segments[i])
		})
		b = appendTime(b, "at", c.At)
		b = appendTime(b, "since", c.Since)
		b = appendText(b, "source", c.Source)
		return array(b, "spent", len(c.Spent), func(b []byte, i int) []byte {
			b = appendTime(b, "at", c.Spent[i].At)
			return appendInt(b, "points", c.Spent[i].Points)
		})
	})
}

func readCard(body []byte) (*who.Card, error) {
	c := new(who.Card)
	w := walk(body)
	for w.next() {
		switch string(w.key) {
		case "tier":
			c.Tier = w.string()
		case "points":
			c.Points = w.int()
		case "counts":
			c.Counts = w.bool()
		case "segments":
			list := w.inside()
			for list.next() {
				one := list.inside()
				for one.next() {
					if string(one.key) == "name" {
						c.Segments = append(c.Segments, one.string())
					}
				}
				list.join(one)
			}
			w.join(list)
		case "at":
			c.At = w.time()
		case "since":
			c.Since = w.time()
		case "source":
			c.Source = w.string()
		case "spent":
			list := w.inside()
			for list.next() {
				var s who.Spent
				one := list.inside()
				for one.next() {
					switch string(one.key) {
					case "at":
						s.At = one.time()
					case "points":
						s.Points = one.int()
					}
				}
				list.join(one)
				c.Spent = append(c.Spent, s)
			}
			w.join(list)
		}
	}
	return c, w.err
}

// PutCard keeps what the loyalty programme says of a shopper in the place of what it said before, durably, and returns it as it is
// kept: what was redeemed after its balance comes off. defaults are the grants of whom nothing is kept yet. It returns ErrNoGrant,
// ErrPaused, and ErrOlder where a balance of later is kept.
func (s *Shoppers) PutCard(ctx context.Context, key who.Key, now time.Time, defaults who.Grants, card who.Card) (*who.Card, error) {
	card.At = card.At.UTC().Truncate(time.Millisecond)
	var kept *who.Card
	err := s.editCard(ctx, key, func(k *known) (*Change, error) {
		grants := k.record.Grants
		if k.shopper == nil {
			grants = defaults
		}
		if wishes := k.record.Wishes; wishes != nil && !wishes.Paused.IsZero() {
			return nil, ErrPaused
		}
		if !grants.Holds(who.Loyalty) {
			return nil, fmt.Errorf("%w %q", ErrNoGrant, who.Loyalty)
		}
		if before := k.record.Card; before != nil && card.At.Before(before.At) {
			return nil, fmt.Errorf("%w: a balance of %s", ErrOlder, before.At.Format(time.RFC3339))
		}
		kept = card.After(k.record.Card)
		return &Change{At: now, Defaults: defaults, Card: kept}, nil
	})
	return kept, err
}

// DropCard forgets what the loyalty programme said of a shopper. It returns ErrNotFound where nothing was kept.
func (s *Shoppers) DropCard(ctx context.Context, key who.Key, now time.Time) error {
	return s.editCard(ctx, key, func(k *known) (*Change, error) {
		if k.shopper == nil || k.record.Card == nil {
			return nil, ErrNotFound
		}
		return &Change{At: now, Card: new(who.Card)}, nil
	})
}

func (s *Shoppers) editCard(ctx context.Context, key who.Key, edit func(*known) (*Change, error)) error {
	partition := s.Partition(key)
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return err
		}
		change, err := edit(k)
		if err != nil {
			return err
		}
		if _, err = s.commit(ctx, key, partition, k, *change); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("partition %q: a card after %d tries: %w", partition, recordTries, ErrConflict)
}

// Card is what is kept of the loyalty programme's word about a shopper, for the shopper to see: a right that needs no purpose; nil: nothing
// is.
func (s *Shoppers) Card(ctx context.Context, key who.Key) (*who.Card, error) {
	k, err := s.find(ctx, key, s.Partition(key))
	if err != nil {
		return nil, err
	}
	return k.record.Card, nil
}
