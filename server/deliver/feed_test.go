package deliver_test

import (
	"errors"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/deliver"
	"satnav/server/store"
)

// A stream tells what happened a moment ago, to whoever asks with any cursor, and of nobody who does not let it be used.
func TestFeedGoesBackForMinutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{}, time.Now)
	key := who.Key{Retailer: shop, Shopper: "anna"}
	ended := errors.New("ended")
	told := func(ahead time.Duration) (n int) {
		t.Helper()
		feed := deliver.NewFeed(h.shoppers, func() time.Time { return time.Now().Add(ahead) })
		since, err := feed.Begin("0-x")
		if err != nil {
			t.Fatal(err)
		}
		err = feed.Follow(t.Context(), shop, since, func(deliver.Told) error { n++; return nil }, func() error { return ended })
		if !errors.Is(err, ended) {
			t.Fatal(err)
		}
		return n
	}
	commit := func(change func(*store.Change)) {
		t.Helper()
		shopper, err := h.shoppers.Shopper(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		c := store.Change{At: time.Now()}
		change(&c)
		if _, err := h.shoppers.Commit(t.Context(), key, shopper.Revision(), c); err != nil {
			t.Fatal(err)
		}
	}
	location := func(given bool) func(*store.Change) {
		return func(c *store.Change) {
			c.Grants = []who.Grant{{Purpose: who.Location, Given: given, At: time.Now(), Source: who.ByShopper}}
		}
	}
	paused := func(at time.Time) func(*store.Change) {
		return func(c *store.Change) { c.Wishes = &who.Preferences{Paused: at} }
	}
	var crossings []geo.Crossing
	for _, kind := range []geo.Kind{geo.Enter, geo.Exit} {
		crossings = append(crossings, geo.Crossing{ID: "anna-" + string(kind), Geofence: "bakery", Kind: kind, At: time.Now(), DecidedAt: time.Now(), Told: true})
	}
	if _, err := h.shoppers.Commit(t.Context(), key, 0, store.Change{At: time.Now(), Crossings: crossings}); err != nil {
		t.Fatal(err)
	}
	commit(location(true))
	for _, step := range []struct {
		name   string
		change func(*store.Change)
		ahead  time.Duration
		want   int
	}{
		{"just now", location(true), 0, 2},
		{"an hour later", location(true), time.Hour, 0},
		{"paused", paused(time.Now()), 0, 0},
		{"resumed", paused(time.Time{}), 0, 2},
		{"withdrawn", location(false), 0, 0},
	} {
		commit(step.change)
		if got := told(step.ahead); got != step.want {
			t.Errorf("%s: told %d crossings, want %d", step.name, got, step.want)
		}
	}
}
