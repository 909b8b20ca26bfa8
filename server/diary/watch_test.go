package diary

import (
	"fmt"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
)

// TestWatch tells what apps of honest and of other people tell, and when the first of it is doubted.
func TestWatch(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	lisbon, porto := geo.Point{Lat: 38.71, Lng: -9.13}, geo.Point{Lat: 41.15, Lng: -8.61}
	event := func(n int, kind who.EventKind, item string, at time.Time) told {
		return told{id: fmt.Sprint(n), kind: kind, item: item, at: at.UnixMilli(), exact: true}
	}
	in := func(e told, store string, place geo.Point) told {
		e.store, e.place, e.known = store, place, true
		return e
	}
	for _, c := range []struct {
		name  string
		n     int
		give  func(n int) told
		first int // the first that is doubted; n: none
		want  who.Doubt
	}{
		{"somebody looks at a product a second", 200, func(n int) told {
			return event(n, who.Viewed, fmt.Sprint("p", n), noon.Add(time.Duration(n)*time.Second))
		}, 200, ""},
		{"a machine looks at everything", 250, func(n int) told {
			return event(n, who.Viewed, fmt.Sprint("p", n), noon.Add(time.Duration(n)*time.Millisecond))
		}, farmedMinute, who.Farmed},
		{"a machine likes one thing", 40, func(n int) told { return event(n, who.Liked, "p", noon.Add(time.Duration(n)*time.Second)) }, farmedItem, who.Farmed},
		{"a day's events of a phone that was away", 150, func(n int) told {
			return event(n, who.Viewed, fmt.Sprint("p", n%20), noon.Add(time.Duration(n)*5*time.Minute))
		}, 150, ""},
		{"one recording, told again under other ids", 8, func(n int) told { return event(n, who.Purchased, "p", noon) }, replayedCopies - 1, who.Replayed},
		{"the app says no time", 20, func(n int) told {
			e := event(n, who.Viewed, "p", noon)
			e.exact = false
			return e
		}, 20, ""},
		{"a call that is sent again", 20, func(int) told { return event(1, who.Purchased, "p", noon) }, 20, ""},
		{"a family's offers at the till", redeemedTen, func(n int) told {
			return event(n, who.Redeemed, fmt.Sprint("o", n), noon.Add(time.Duration(n)*10*time.Second))
		}, redeemedTen, ""},
		{"a farm of coupons", 20, func(n int) told {
			return event(n, who.Redeemed, fmt.Sprint("o", n), noon.Add(time.Duration(n)*10*time.Second))
		}, redeemedTen, who.Redeeming},
		{"a patient farm of coupons", 60, func(n int) told {
			return event(n, who.Redeemed, fmt.Sprint("o", n), noon.Add(time.Duration(n)*15*time.Minute))
		}, redeemedDay, who.Redeeming},
		{"from Lisbon to Porto by train", 2, func(n int) told {
			return in(event(n, who.Purchased, "p", noon.Add(time.Duration(n)*3*time.Hour)), fmt.Sprint("s", n), []geo.Point{lisbon, porto}[n])
		}, 2, ""},
		{"from Lisbon to Porto in a minute", 3, func(n int) told {
			return in(event(n, who.Purchased, "p", noon.Add(time.Duration(n)*time.Minute)), fmt.Sprint("s", n%2), []geo.Point{lisbon, porto}[n%2])
		}, 1, who.Travelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, key := newWatch(), who.Key{Retailer: "r", Shopper: "anna"}
			for n := range c.n {
				got := w.doubt(key, c.give(n))
				if want := n >= c.first && (c.want != who.Travelled || n == c.first); (got != "") != want || got != "" && got != c.want {
					t.Fatalf("event %d: got %q, want %q from %d on", n, got, c.want, c.first)
				}
			}
			if got := w.doubt(who.Key{Retailer: "r", Shopper: "bert"}, c.give(0)); got != "" {
				t.Errorf("another shopper: got %q", got)
			}
			w.forget(key)
			if got := w.doubt(key, c.give(c.n-1)); got != "" {
				t.Errorf("after an erasure: got %q", got)
			}
		})
	}
}
