package diary

import (
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"satnav/context/who"
	"satnav/geo"
)

// What an app may tell before it is doubted: far above what hands and legs can do, so that who is doubted is hardly ever honest.
const (
	farmedMinute   = 240 // events of one shopper that happened within a minute
	farmedItem     = 30  // of them with the same product and kind
	replayedCopies = 4   // events that say the very same, to the millisecond
	redeemedTen    = 10  // offers used within ten minutes
	redeemedDay    = 40  // and within a day
	fastestTravel  = 300 // m/s between two shops: an airliner
	leastTravel    = 50_000
)

// Bounds of what is remembered.
const (
	watchedEvents   = 256 // the newest of each shopper
	watchedShoppers = 8_000
	watchedFor      = 24 * time.Hour
)

// watch doubts what apps tell and nobody can have done. It is safe for concurrent use.
//
// It knows what this process was told lately, and forgets it with the process: a limit on what is farmed needs no memory that outlives a restart, and a
// read of the diary with each event would cost more than the event. Events of tills, back ends and imports are the retailer's own word, and are not asked.
type watch struct {
	seen *otter.Cache[who.Key, *seen]
}

// seen is what one shopper's app told lately.
type seen struct {
	mu     sync.Mutex
	events []told // the oldest first
}

type told struct {
	id    string
	kind  who.EventKind
	item  string
	store string
	at    int64 // milliseconds since 1970
	exact bool  // the app said when
	place geo.Point
	known bool // where the store is
	doubt who.Doubt
}

func newWatch() *watch {
	return &watch{otter.Must(&otter.Options[who.Key, *seen]{
		MaximumSize: watchedShoppers, ExpiryCalculator: otter.ExpiryAccessing[who.Key, *seen](watchedFor),
	})}
}

// forget drops what is remembered of a shopper.
func (w *watch) forget(key who.Key) { w.seen.Invalidate(key) }

// doubt tells whether an event of a shopper's app is doubted, and remembers it. An id that is known gets the same answer again.
func (w *watch) doubt(key who.Key, next told) who.Doubt {
	s, ok := w.seen.GetIfPresent(key)
	if !ok {
		s, _ = w.seen.SetIfAbsent(key, new(seen))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		if s.events[i].id == next.id {
			return s.events[i].doubt
		}
	}
	next.doubt = s.judge(&next)
	if len(s.events) == watchedEvents {
		s.events = append(s.events[:0], s.events[watchedEvents/8:]...)
	}
	s.events = append(s.events, next)
	return next.doubt
}

// judge compares an event with those before it.
func (s *seen) judge(next *told) who.Doubt {
	minute, item, copies, ten, day := 1, 1, 1, 1, 1
	far := false
	for i := range s.events {
		e := &s.events[i]
		apart := time.Duration(max(next.at-e.at, e.at-next.at)) * time.Millisecond
		same := e.kind == next.kind && e.item == next.item
		if apart < time.Minute {
			minute++
			if same && next.item != "" {
				item++
			}
		}
		if same && e.at == next.at && e.store == next.store && e.exact && next.exact {
			copies++
		}
		if e.kind == who.Redeemed && next.kind == who.Redeemed && apart < 24*time.Hour {
			day++
			if apart < 10*time.Minute {
				ten++
			}
		}
		if e.known && next.known && e.doubt == "" {
			d := e.place.Distance(next.place)
			far = far || d > leastTravel && d > fastestTravel*apart.Seconds()
		}
	}
	switch {
	case next.kind == who.Redeemed && (ten > redeemedTen || day > redeemedDay):
		return who.Redeeming
	case copies >= replayedCopies:
		return who.Replayed
	case minute > farmedMinute, item > farmedItem:
		return who.Farmed
	case far:
		return who.Travelled
	}
	return ""
}

// ofApp is the source of what a shopper's own app tells.
const ofApp = "app"

// doubtful marks an event that its app tells and nobody can have done.
func (d *intake) doubtful(key who.Key, event *who.Event, said bool) {
	if event.Source != ofApp || event.For() != who.Loyalty {
		return
	}
	next := told{id: event.ID, kind: event.Kind, item: event.Item, store: event.Store, at: event.At.UnixMilli(), exact: said}
	if event.Kind == who.Visited || event.Kind == who.Purchased || event.Kind == who.Redeemed {
		if store, ok := d.snapshot.Scene.Stores.ByID(event.Store); ok {
			next.place, next.known = store.Point, true
		}
	}
	if doubt := d.watch.doubt(key, next); doubt != "" {
		event.Reason = doubt.Reason()
	}
}

// Forget drops what is remembered of a shopper beside the store.
func (d *Diary) Forget(key who.Key) { d.watch.forget(key) }
