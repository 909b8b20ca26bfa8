package deliver

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
)

// Feed follows the triggers of a retailer as they become durable, in any process, for those who look on for a while. It
// promises less than a webhook: who is away for longer than feedBack misses some, and so does who asks after the shopper took back the permission. It is safe for concurrent use.
type Feed struct {
	shoppers *store.Shoppers
	now      func() time.Time
}

// NewFeed makes a feed.
func NewFeed(shoppers *store.Shoppers, now func() time.Time) *Feed { return &Feed{shoppers, now} }

// Told is a trigger that was told.
type Told struct {
	Cursor    string // Follow goes on after it
	ID        string
	Key       who.Key
	Geofence  string
	Kind      geo.Kind
	At        time.Time
	DecidedAt time.Time
}

const (
	feedEvery   = 250 * time.Millisecond
	feedOverlap = 5 * time.Second // commits become visible out of order
	feedPage    = 200
	feedBack    = 5 * time.Minute // a stream is for looking on: where people were earlier is not told by it
)

// ErrFeedCursor says that a cursor is none of Follow's.
var ErrFeedCursor = errors.New("not a cursor of this stream")

// Begin is where Follow goes on after a cursor, but for feedBack at most; empty is from now on. Ask before whoever looks on is told that the stream is
// open: what happens from then on is theirs.
func (f *Feed) Begin(cursor string) (time.Time, error) {
	if cursor == "" {
		return f.now().Truncate(time.Millisecond), nil // as triggers are marked
	}
	text, _, _ := strings.Cut(cursor, "-")
	milliseconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || milliseconds < 0 || milliseconds > f.now().Add(24*time.Hour).UnixMilli() {
		return time.Time{}, ErrFeedCursor
	}
	since, first := time.UnixMilli(milliseconds).Add(-feedOverlap), f.now().Add(-feedBack).Truncate(time.Millisecond)
	if since.Before(first) {
		return first, nil
	}
	return since, nil
}

// Follow calls emit with each trigger since an instant, see Begin, and idle each time that there are no more for now, until the
// context ends or one of them returns an error, which it returns. After a cursor some triggers of the seconds before it come again.
func (f *Feed) Follow(ctx context.Context, retailer string, since time.Time, emit func(Told) error, idle func() error) error {
	known := map[string]time.Time{} // by id, those that are read again
	ticker := time.NewTicker(feedEvery)
	defer ticker.Stop()
	for {
		newest := since
		for position, more := (store.Position{At: since}), true; more; {
			var found []store.ToldCrossing
			var err error
			found, position, more, err = f.shoppers.Told(ctx, retailer, position, feedPage)
			if err != nil {
				return err
			}
			for i := range found {
				c := &found[i]
				at := c.Position.At
				if from := at.Add(-feedOverlap); from.After(newest) {
					newest = from
				}
				if _, ok := known[c.ID]; ok {
					continue
				}
				known[c.ID] = at
				err := emit(Told{
					Cursor: strconv.FormatInt(at.UnixMilli(), 10) + "-" + c.ID, ID: c.ID, Key: c.Key, Geofence: c.Geofence, Kind: geo.Kind(c.Kind), At: c.At, DecidedAt: c.Decided,
				})
				if err != nil {
					return err
				}
			}
		}
		since = newest
		for id, at := range known {
			if at.Before(since) {
				delete(known, id)
			}
		}
		if err := idle(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
