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

// Errors of redemptions that the shopper's own past refuses.
var (
	// ErrRedeemed says that the shopper redeemed the offer as often as one may.
	ErrRedeemed = errors.New("the shopper has redeemed the offer as often as one may")
	// ErrStacked says that another offer of the same group was redeemed in the basket.
	ErrStacked = errors.New("another offer that it does not stack with was redeemed in the basket")
	// ErrPoints says that the loyalty card has too few points.
	ErrPoints = errors.New("the loyalty card has too few points")
)

// Redemption is one redemption of an offer by a shopper.
type Redemption struct {
	Event      who.Event // of the kind who.Redeemed, for who.Loyalty; its item is the offer
	PerShopper int       // how often one shopper may; 0: no limit
	Group      string    // offers of one group do not stack in a basket; empty: it stacks with all
	Points     int64     // that it costs the loyalty card
	// Still is asked, after the revision was read on which the commit is decided, whether what the redemption needs is still its own;
	// nil: it needs nothing.
	Still func(context.Context) error
}

// What is counted of a shopper's redemptions stands under redeemed/, one document an offer and one a group.
const (
	redeemedFrom, redeemedTo = "redeemed/", "redeemed0"
	redeemedOffer            = redeemedFrom + "offer-"
	redeemedGroup            = redeemedFrom + "group-"
)

// redeemedDocument counts the redemptions of an offer.
type redeemedDocument struct {
	Offer string    `bson:"offer"`
	Times int       `bson:"times"`
	At    time.Time `bson:"at"` // of the last
}

// groupDocument knows in which baskets which offer of a group was redeemed, the newest last.
type groupDocument struct {
	Group   string        `bson:"group"`
	At      time.Time     `bson:"at"` // of the last
	Baskets []groupBasket `bson:"baskets"`
}

type groupBasket struct {
	Basket string `bson:"basket"`
	Offer  string `bson:"offer"`
}

// keptBaskets is of how many baskets a group is known.
const keptBaskets = 64

func (s *Shoppers) redeemedID(from, name string) string {
	return string(s.appendPseudonym([]byte(from), "redeemed", from, name))
}

// Redeem adds a redemption to the diary, the history and what is counted of the shopper's redemptions, durably and once for each event
// id: Recorded.Fresh tells whether it did now. It returns ErrRedeemed, ErrStacked, ErrPoints, ErrNoGrant, ErrPaused, or what Still said,
// decided on the revision that is written; nothing is stored then. After another error it may be stored: try again.
func (s *Shoppers) Redeem(ctx context.Context, key who.Key, now time.Time, defaults who.Grants, r Redemption) (Recorded, error) {
	partition := s.Partition(key)
	events := []who.Event{r.Event}
	recorded := Recorded{Fresh: make([]bool, 1)}
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return recorded, err
		}
		k, open, err := s.drop(ctx, key, partition, k, events, []int{0})
		if err != nil || len(open) == 0 {
			return recorded, err
		}
		grants := k.record.Grants
		if k.shopper == nil {
			grants = defaults
		}
		if wishes := k.record.Wishes; wishes != nil && !wishes.Paused.IsZero() {
			return recorded, ErrPaused
		}
		if !grants.Holds(r.Event.For()) {
			return recorded, fmt.Errorf("%w %q", ErrNoGrant, r.Event.For())
		}
		counts, err := s.counted(ctx, partition, &r)
		if err != nil {
			return recorded, err
		}
		change := Change{At: now, Defaults: defaults, Events: events, Documents: counts}
		if r.Points > 0 {
			card, enough := k.record.Card.Spend(r.Points, now)
			if !enough {
				return recorded, ErrPoints
			}
			change.Card = card
		}
		if r.Still != nil {
			if err := r.Still(ctx); err != nil {
				return recorded, err
			}
		}
		next, err := s.commit(ctx, key, partition, k, change)
		if err == nil {
			recorded.step(partition, who.Counted(k.shopper), who.Counted(next.shopper))
			recorded.Fresh[0] = true
			return recorded, nil
		}
		if !errors.Is(err, ErrConflict) {
			return recorded, err
		}
	}
	return recorded, fmt.Errorf("partition %q: a redemption after %d tries: %w", partition, recordTries, ErrConflict)
}

// counted is what the documents that count redemptions are after one more, or why there may be none.
func (s *Shoppers) counted(ctx context.Context, partition string, r *Redemption) ([]Document, error) {
	e := &r.Event
	get := func(id string, into any) error {
		d, err := s.documents.Get(ctx, partition, id)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		if err := bson.Unmarshal(d.Body, into); err != nil {
			return fmt.Errorf("partition %q: document %q: %w", partition, id, errDamaged)
		}
		return nil
	}
	id := s.redeemedID(redeemedOffer, e.Item)
	offer := redeemedDocument{Offer: e.Item}
	if err := get(id, &offer); err != nil {
		return nil, err
	}
	if r.PerShopper > 0 && offer.Times >= r.PerShopper {
		return nil, fmt.Errorf("%w: %d times", ErrRedeemed, r.PerShopper)
	}
	offer.Times, offer.At = offer.Times+1, e.At.UTC()
	body, err := bson.Marshal(offer)
	if err != nil {
		return nil, err
	}
	puts := []Document{{ID: id, Body: body}}
	if r.Group == "" {
		return puts, nil
	}
	basket := e.Basket
	if basket == "" { // one a shopper and day
		basket = e.At.Format("2006-01-02")
	}
	id = s.redeemedID(redeemedGroup, r.Group)
	group := groupDocument{Group: r.Group}
	if err := get(id, &group); err != nil {
		return nil, err
	}
	switch i := slices.IndexFunc(group.Baskets, func(b groupBasket) bool { return b.Basket == basket }); {
	case i < 0:
		group.Baskets = append(group.Baskets, groupBasket{basket, e.Item})
		group.At = e.At.UTC()
	case group.Baskets[i].Offer != e.Item:
		return nil, fmt.Errorf("%w: %q", ErrStacked, group.Baskets[i].Offer)
	default:
		return puts, nil
	}
	group.Baskets = group.Baskets[max(0, len(group.Baskets)-keptBaskets):]
	if body, err = bson.Marshal(group); err != nil {
		return nil, err
	}
	return append(puts, Document{ID: id, Body: body}), nil
}

// settled moves the revision of a shopper's partition, so that no commit that was decided before can follow, and tells whether anything is
// known of the shopper, and whether the event is stored.
func (s *Shoppers) settled(ctx context.Context, partition, event string) (known, recorded bool, err error) {
	revision, err := s.documents.Revision(ctx, partition)
	if err != nil {
		return false, false, err
	}
	if revision > 0 { // of a partition that is not there a commit would leave an empty one
		_, err = s.documents.Commit(ctx, Batch{Partition: partition})
		s.cache.forget(partition)
		if err != nil {
			return false, false, err
		}
	}
	there := func(id string) bool {
		_, found := s.documents.Get(ctx, partition, id)
		if found != nil && !errors.Is(found, ErrNotFound) {
			err = errors.Join(err, found)
		}
		return found == nil
	}
	recorded = there(seenFrom + event)
	return there(profileID), recorded, err
}

// forgetRedeemed appends the ids of what is counted of a shopper's redemptions and has been kept for its time, as far as one commit has
// room for them, and notes when the next is to go. It is kept for its own time, not with the diary: nobody may have an offer
// again because they deleted an entry.
func (s *Shoppers) forgetRedeemed(ctx context.Context, partition string, due *dues, now time.Time, ids []string) ([]string, error) {
	room := MaxBatchDocuments - 2*maxExpired - 8
	for from := redeemedFrom; from != ""; {
		page, err := s.documents.Scan(ctx, partition, from, redeemedTo, 0)
		if err != nil {
			return ids, err
		}
		for _, d := range page.Documents {
			var counted struct{ At time.Time }
			if err := bson.Unmarshal(d.Body, &counted); err != nil {
				return ids, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, errDamaged)
			}
			ends := due.of(who.Loyalty, counted.At)
			if ends.IsZero() || ends.After(now) || room == 0 {
				due.take(ends)
				continue
			}
			ids, room = append(ids, d.ID), room-1
		}
		from = page.Next
	}
	return ids, nil
}
