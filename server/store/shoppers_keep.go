package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
	"satnav/geo"
)

// keptID is a document whose mark says when the first thing that is known of a shopper is to go. It is written again only when something is to go
// earlier than that, or has gone: in the long run a commit leaves it alone.
const keptID = "now/kept"

// keptRetention is the key of its mark.
const keptRetention = "kept"

func keptUntil(due time.Time) Document {
	return Document{
		ID:    keptID,
		Body:  document(nil, func(b []byte) []byte { return bsoncore.AppendDateTimeElement(b, "until", due.UnixMilli()) }),
		Marks: []Mark{{Kind: RetentionMark, Key: keptRetention, At: due}},
	}
}

// dues finds when the first of several things is to go.
type dues struct {
	keep   func(who.Purpose) who.Keep
	grants who.Grants
	first  time.Time // zero: nothing is
}

func (s *Shoppers) dues(retailer string, grants who.Grants) *dues {
	if s.keep == nil {
		return nil
	}
	return &dues{keep: func(p who.Purpose) who.Keep { return s.keep(retailer, p) }, grants: grants}
}

// of is when something is to go that is kept for a purpose since a time; zero: it has no end.
func (d *dues) of(p who.Purpose, at time.Time) (due time.Time) {
	keep := d.keep(p)
	if keep.Age > 0 {
		due = at.Add(keep.Age)
	}
	for i := range d.grants {
		if g := &d.grants[i]; g.Purpose == p && g.Withdraws() {
			due = earlier(due, g.At.Add(keep.Withdrawn))
		}
	}
	return due
}

func (d *dues) presence(p *geo.Presence) time.Time {
	visit := d.keep(who.Location).Visit
	if p.Now.Seen.IsZero() || visit <= 0 {
		return time.Time{}
	}
	return p.Now.Seen.Add(visit)
}

// take notes that something is to go at a time.
func (d *dues) take(due time.Time) { d.first = earlier(d.first, due) }

// earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// entry is when an entry of the diary is to go. What a shopper decided stays as its proof.
func (d *dues) entry(e DiaryEntry) time.Time {
	switch {
	case e.Event != nil:
		return d.of(e.Event.For(), e.Event.At)
	case e.Crossing != nil:
		return d.of(who.Location, e.Crossing.At)
	case e.Late != nil:
		return d.of(who.Location, e.Late.At)
	}
	return time.Time{}
}

// dueOf is when the first thing is to go after a change, if that is before what the store knows; zero: it is not.
func (s *Shoppers) dueOf(retailer string, k *known, grants who.Grants, change *Change) time.Time {
	if change.due != nil {
		return *change.due
	}
	d := s.dues(retailer, grants)
	if d == nil {
		return time.Time{}
	}
	for i := range change.Events {
		d.take(d.of(change.Events[i].For(), change.Events[i].At))
	}
	for i := range change.Crossings {
		d.take(d.of(who.Location, change.Crossings[i].At))
	}
	for i := range change.Late {
		d.take(d.of(who.Location, change.Late[i].At))
	}
	if change.Presence != nil {
		d.take(d.presence(change.Presence))
	}
	if change.Card != nil && !change.Card.At.IsZero() {
		d.take(d.of(who.Loyalty, change.Card.At))
	}
	for i := range change.Grants {
		if g := &change.Grants[i]; k.shopper != nil { // with it changes when what is there is to go
			d.take(g.At)
		}
	}
	if d.first.IsZero() || !k.due.IsZero() && !d.first.Before(k.due) {
		return time.Time{}
	}
	return d.first
}

// maxExpired bounds the entries that one Expire takes: two documents each go in one commit.
const maxExpired = MaxBatchDocuments/2 - 16

// Expire removes what is known of a shopper and has been kept for its time, or whose purpose is fulfilled or withdrawn, and notes when the next
// thing is to go. What is restricted stays. removed is how many there were, the newest maxExpired at most; step is how the history changed, nil: not at all.
// When something of the shopper is committed at the same time it returns ErrConflict: try again.
func (s *Shoppers) Expire(ctx context.Context, key who.Key, now time.Time) (removed int, step *Step, err error) {
	partition := s.Partition(key)
	s.cache.forget(partition) // on a database the mark may be younger than what is in memory
	k, err := s.find(ctx, key, partition)
	if err != nil || k.shopper == nil {
		return 0, nil, err
	}
	change := Change{At: now, due: new(time.Time)}
	d := s.dues(key.Retailer, k.record.Grants)
	if d == nil || k.record.Grants.Restricts() {
		_, err := s.commit(ctx, key, partition, k, change)
		return 0, nil, err
	}
	var stay []who.Event
	counts := false
	err = s.eachEntry(ctx, partition, func(id string, e DiaryEntry) bool {
		due := d.entry(e)
		switch {
		case due.IsZero() || due.After(now):
			d.take(due)
			if e.Event != nil && e.Event.Counts() {
				stay = append(stay, *e.Event)
			}
		case removed == maxExpired: // the rest in another round
			d.take(now)
			if e.Event != nil && e.Event.Counts() {
				stay = append(stay, *e.Event)
			}
		default:
			removed++
			change.remove = append(change.remove, id)
			if e.Event != nil {
				change.remove = append(change.remove, seenFrom+s.eventName(e.Event.ID))
				counts = counts || e.Event.Counts()
			}
		}
		return true
	})
	if err != nil {
		return 0, nil, err
	}
	if change.remove, err = s.forgetRedeemed(ctx, partition, d, now, change.remove); err != nil {
		return 0, nil, err
	}
	if counts {
		slices.Reverse(stay) // the oldest first
		change.recount = (*who.History)(nil).With(s.names(key.Retailer), stay...)
	}
	if due := d.presence(&k.record.Presence); !due.IsZero() {
		if _, waits := k.record.Presence.Due(); due.After(now) || waits { // a visit under way ends by itself, at most a day later
			d.take(later(due, now.Add(time.Hour)))
		} else {
			removed++
			change.Presence, change.Proposals = &geo.Presence{}, &[]who.Proposal{}
		}
	}
	if card := k.record.Card; card != nil {
		if due := d.of(who.Loyalty, card.At); !due.IsZero() && !due.After(now) {
			removed++
			change.Card = new(who.Card)
		} else {
			d.take(due)
		}
	}
	*change.due = d.first
	next, err := s.commit(ctx, key, partition, k, change)
	if err != nil {
		return 0, nil, err
	}
	if counts {
		step = &Step{partition, who.Counted(k.shopper), who.Counted(next.shopper)}
	}
	return removed, step, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// PutOff has Expire look at a shopper at a time, and not before.
func (s *Shoppers) PutOff(ctx context.Context, key who.Key, until time.Time) error {
	partition := s.Partition(key)
	k, err := s.find(ctx, key, partition)
	if err != nil || k.shopper == nil {
		return err
	}
	_, err = s.commit(ctx, key, partition, k, Change{At: until, due: &until, Lazy: true})
	if errors.Is(err, ErrConflict) {
		return nil // it is found again
	}
	return err
}

// Expiring lists shoppers of whom something is to go before a time, in order of time, of all retailers.
func (s *Shoppers) Expiring(ctx context.Context, after Position, to time.Time) (found []MarkedShopper, more bool, err error) {
	found, more, err = s.Marked(ctx, RetentionMark, keptRetention, after, to)
	if err != nil {
		return nil, false, fmt.Errorf("what is to go: %w", err)
	}
	return found, more, nil
}
