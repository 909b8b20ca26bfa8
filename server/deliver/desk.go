package deliver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"satnav/server/store"
)

// Desk shows what is still to be delivered, and takes up what was given up. It is safe for concurrent use, in every process.
type Desk struct {
	shoppers *store.Shoppers
	metrics  *Metrics
	guard    Guard
	now      func() time.Time
	posted   func(retailer string)
}

// NewDesk makes a desk. posted hears of retailers whose letters wait again; nil: nobody does.
func NewDesk(shoppers *store.Shoppers, guard Guard, metrics *Metrics, now func() time.Time, posted func(retailer string)) *Desk {
	return &Desk{shoppers: shoppers, metrics: metrics, guard: guard, now: now, posted: posted}
}

// CheckURL says what is wrong with the URL of a webhook.
func (d *Desk) CheckURL(url string) error { return d.guard.URL(url) }

// ErrCursor says that a cursor is none of List's.
var ErrCursor = errors.New("not a cursor of this listing")

// List returns letters to one endpoint that wait, or that were given up, in the order in which they are looked at, and a cursor
// for those that follow; empty: none do.
func (d *Desk) List(ctx context.Context, retailer, endpoint string, dead bool, cursor string, limit int) ([]store.WaitingLetter, string, error) {
	var after store.Position
	if cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || json.Unmarshal(text, &after) != nil {
			return nil, "", ErrCursor
		}
	}
	letters, positions, more, err := d.shoppers.Letters(ctx, retailer, endpoint, dead, after, time.Time{}, limit)
	if err != nil || !more || len(letters) == 0 {
		return letters, "", err
	}
	text, err := json.Marshal(positions[len(positions)-1])
	return letters, base64.RawURLEncoding.EncodeToString(text), err
}

// Replay lets a letter that was given up be tried again, from the beginning and with the same id, or returns store.ErrNotFound.
// Of one that waits it only drops the wait.
func (d *Desk) Replay(ctx context.Context, retailer, id string) error {
	err := d.change(ctx, retailer, id, func(l store.WaitingLetter, _ *store.WaitingLetter) (remove, put []store.WaitingLetter) {
		again := l
		again.Dead, again.Attempts, again.First, again.Next, again.Since = false, 0, time.Time{}, time.Time{}, d.asked()
		if l.Dead {
			remove = append(remove, l)
		}
		return remove, append(put, again)
	})
	if err == nil && d.posted != nil {
		d.posted(retailer)
	}
	return err
}

// replayAtOnce bounds how many letters one ReplayAll takes up.
const replayAtOnce = 500

// ReplayAll does it for letters to an endpoint that were given up, the oldest first, and tells how many, and whether some are left.
func (d *Desk) ReplayAll(ctx context.Context, retailer, endpoint string) (replayed int, left bool, err error) {
	letters, _, more, err := d.shoppers.Letters(ctx, retailer, endpoint, true, store.Position{}, time.Time{}, replayAtOnce)
	for i := range letters {
		if err == nil {
			err = d.Replay(ctx, retailer, letters[i].ID())
		}
		if errors.Is(err, store.ErrNotFound) { // somebody else did
			err = nil
			continue
		}
		if err != nil {
			return replayed, true, err
		}
		replayed++
	}
	return replayed, more, err
}

// Discard removes a letter for good, or returns store.ErrNotFound. If others of the shopper waited for it, the next is tried at once.
func (d *Desk) Discard(ctx context.Context, retailer, id string) error {
	err := d.change(ctx, retailer, id, func(l store.WaitingLetter, after *store.WaitingLetter) (remove, put []store.WaitingLetter) {
		if after != nil {
			after.Since = d.asked()
			put = append(put, *after)
		}
		return append(remove, l), put
	})
	if err == nil {
		d.metrics.drop(dropDiscarded)
		if d.posted != nil {
			d.posted(retailer)
		}
	}
	return err
}

// asked is now, as letters note that somebody asked for them.
func (d *Desk) asked() time.Time { return d.now().UTC().Truncate(time.Millisecond) }

// change decides about a letter, and about the one after it if that waits for this one alone; nil: none does. It starts over when the shopper
// called at the same moment.
func (d *Desk) change(ctx context.Context, retailer, id string, decide func(l store.WaitingLetter, after *store.WaitingLetter) (remove, put []store.WaitingLetter)) error {
	for try := 0; ; try++ {
		letter, revision, err := d.shoppers.Letter(ctx, retailer, id)
		if err != nil {
			return err
		}
		queue, same, err := d.shoppers.Queue(ctx, letter.Partition, letter.Endpoint, 2)
		if err != nil {
			return err
		}
		err = store.ErrConflict
		if same == revision {
			var after *store.WaitingLetter
			if len(queue) == 2 && queue[0].Sequence == letter.Sequence && !letter.Dead {
				after = &queue[1]
			}
			remove, put := decide(letter, after)
			err = d.shoppers.SettleLetters(ctx, letter.Partition, revision, remove, put, false)
		}
		if !errors.Is(err, store.ErrConflict) || try == settleTries {
			return err
		}
	}
}
