package privacy_test

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/diary"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
)

// archive is an office whose clock is the test's, and which keeps nothing for longer than it said.
type archive struct {
	office
	retention *privacy.Retention
	erasures  *store.Erasures
	now       time.Time
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{now: noon}
	clock := func() time.Time { return a.now }
	documents := embeddedtest.Open(t)
	names := retailer.NewNames()
	a.shoppers = store.NewShoppers(documents, store.ShoppersConfig{
		Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20, Alone: true,
		Keep: func(retailer string, p who.Purpose) who.Keep { return a.retailers.Keep(retailer, p) },
	})
	quiet := slog.New(slog.DiscardHandler)
	a.retailers = retailer.New(store.NewEntries(documents), a.shoppers, names, clock, quiet)
	key, err := audit.Key(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a.Permissions = privacy.NewPermissions(a.shoppers, a.retailers, audit.New(documents, key, clock))
	a.diary = diary.New(a.shoppers, a.retailers, func(string) {})
	a.erasures = store.NewErasures(documents)
	a.retention = privacy.NewRetention(a.shoppers, a.retailers, a.erasures, store.NewNotes(documents), clock, quiet)
	return a
}

// says changes for how long things are kept.
func (a *archive) says(t *testing.T, loyaltyDays, locationDays int) {
	t.Helper()
	own := retailer.Purpose{
		Purpose: "warranty", Use: "functional.service", Version: "1", Basis: who.Contract, Categories: []string{"user.behavior"}, Kinds: []who.EventKind{who.Purchased},
		Notices: []who.Notice{{Language: "en", Title: "Warranty", Text: "We keep it."}}, KeepDays: 60, WithdrawnDays: 1,
	}
	saved, err := a.retailers.SaveSettings(t.Context(), "r", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: retailer.Settings{Purposes: []retailer.Purpose{
		{Purpose: who.Loyalty, KeepDays: loyaltyDays}, {Purpose: who.Location, KeepDays: locationDays}, own,
	}}})
	if err != nil || saved.Err != nil {
		t.Fatal(err, saved.Err)
	}
}

func (a *archive) sweep(t *testing.T) {
	t.Helper()
	if err := a.retention.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if overdue, _ := a.retention.Figures(); overdue != 0 {
		t.Fatalf("%v: %d overdue", a.now, overdue)
	}
}

// events are the ids that a diary tells, in order.
func (a *archive) events(t *testing.T, key who.Key) (ids []string) {
	t.Helper()
	err := a.shoppers.EachEntry(t.Context(), key, func(e store.DiaryEntry) bool {
		if e.Event != nil {
			ids = append(ids, e.Event.ID)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

// thing is what the slow twin knows of one event.
type thing struct {
	id      string
	purpose who.Purpose
	at      time.Time
}

// twin is what one shopper should have: a list, asked from end to end.
type twin struct {
	key        who.Key
	things     []thing
	granted    map[who.Purpose]bool
	withdrawn  map[who.Purpose]time.Time
	restricted bool
	seen       time.Time
}

const days = 24 * time.Hour

var (
	ages  = map[who.Purpose]time.Duration{who.Loyalty: 30 * days, "warranty": 60 * days}
	after = map[who.Purpose]time.Duration{who.Loyalty: 30 * days, "warranty": days}
)

func (w *twin) due(it thing) time.Time {
	due := it.at.Add(ages[it.purpose])
	if at, ok := w.withdrawn[it.purpose]; ok && at.Add(after[it.purpose]).Before(due) {
		due = at.Add(after[it.purpose])
	}
	return due
}

// sweep forgets what is due.
func (w *twin) sweep(now time.Time) {
	if w.restricted {
		return
	}
	w.things = slices.DeleteFunc(w.things, func(it thing) bool { return !w.due(it).After(now) })
	if !w.seen.IsZero() && !w.seen.Add(days).After(now) {
		w.seen = time.Time{}
	}
}

// next is when something is due; zero: nothing is.
func (w *twin) next() (next time.Time) {
	if w.restricted {
		return time.Time{}
	}
	for _, it := range w.things {
		if due := w.due(it); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if !w.seen.IsZero() && (next.IsZero() || w.seen.Add(days).Before(next)) {
		next = w.seen.Add(days)
	}
	return next
}

func (w *twin) ids() (ids []string) {
	for _, it := range w.things {
		ids = append(ids, it.id)
	}
	slices.Sort(ids)
	return ids
}

// TestSimulatedYear lets shoppers buy, walk, take back, give again and restrict for a year, and sweeps as a server does, every half minute in which
// something is due. At no time is anything there that should have gone more than five minutes before, nor is anything gone that should be there.
// SATNAV_TEST_LONG=1 has more shoppers do more.
func TestSimulatedYear(t *testing.T) {
	t.Parallel()
	shoppers, actions := 12, 2_000
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		shoppers, actions = 40, 20_000
	}
	a := newArchive(t)
	a.says(t, 30, 7)
	random := rand.New(rand.NewPCG(11, 12))
	var twins []*twin
	for i := range shoppers {
		twins = append(twins, &twin{key: who.Key{Retailer: "r", Shopper: fmt.Sprint("s", i)}, granted: map[who.Purpose]bool{who.Loyalty: true, who.Location: true}, withdrawn: map[who.Purpose]time.Time{}})
	}
	var acts []time.Time
	for range actions {
		acts = append(acts, noon.Add(time.Duration(random.Int64N(int64(365*days))).Truncate(time.Second)))
	}
	slices.SortFunc(acts, time.Time.Compare)
	ticks, went := 0, 0
	settle := func(until time.Time) { // sweeps all that is due before the next act
		for {
			next := until
			for _, w := range twins {
				if due := w.next(); !due.IsZero() && due.Before(next) {
					next = due
				}
			}
			if ticks++; !next.Before(until) {
				break
			}
			a.now = later(next, a.now).Add(30 * time.Second).Truncate(30 * time.Second)
			before := 0
			for _, w := range twins {
				before += len(w.things)
				w.sweep(a.now)
				before -= len(w.things)
			}
			went += before
			a.sweep(t)
			w := twins[random.IntN(len(twins))]
			if got, want := a.events(t, w.key), w.ids(); !slices.Equal(got, want) {
				t.Fatalf("%v: %s has %q, want %q", a.now, w.key.Shopper, got, want)
			}
		}
	}
	for n, at := range acts {
		settle(at)
		for _, w := range twins[:1] {
			if shopper, err := a.shoppers.Shopper(t.Context(), w.key); err == nil {
				view, ok := who.Access(who.Location, who.NewSubject(shopper, who.Permissions{Location: geo.Precise}))
				if ok && !view.Presence().Now.Seen.Equal(w.seen) {
					t.Fatalf("%v: %s was seen %v, want %v", a.now, w.key.Shopper, view.Presence().Now.Seen, w.seen)
				}
			}
		}
		if at.After(a.now) {
			a.now = at
		}
		a.act(t, random, twins[random.IntN(len(twins))], fmt.Sprint("e", n))
	}
	settle(noon.Add(500 * days))
	for _, w := range twins {
		if got, want := a.events(t, w.key), w.ids(); !slices.Equal(got, want) {
			t.Errorf("at the end %s has %q, want %q", w.key.Shopper, got, want)
		}
	}
	if _, removed := a.retention.Figures(); went < actions/8 || removed < int64(went) {
		t.Errorf("%d things went by the twin, %d by the sweep: that is no year", went, removed)
	}
	t.Logf("%d shoppers, %d acts, %d sweeps, %d events went", shoppers, actions, ticks, went)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// act lets a shopper do one thing, and the twin too.
func (a *archive) act(t *testing.T, random *rand.Rand, w *twin, id string) {
	t.Helper()
	purposes := []who.Purpose{who.Loyalty, "warranty"}
	purpose := purposes[random.IntN(2)]
	switch random.IntN(8) {
	case 0: // take back, or give
		given := !w.granted[purpose]
		if _, err := a.Decide(t.Context(), w.key, map[who.Purpose]bool{purpose: given}, "", a.now); err != nil {
			t.Fatal(err)
		}
		if w.granted[purpose] = given; given {
			delete(w.withdrawn, purpose)
		} else {
			w.withdrawn[purpose] = a.now
		}
		a.asked(t, w)
	case 1: // restrict, or lift it
		if err := a.RestrictFor(t.Context(), w.key, !w.restricted, a.now); err != nil {
			t.Fatal(err)
		}
		a.asked(t, w)
	case 2: // walk
		shopper, err := a.shoppers.Shopper(t.Context(), w.key)
		if errors.Is(err, who.ErrUnknown) || !w.granted[who.Location] || w.restricted {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		presence := geo.Presence{Shopper: "p"}
		presence.Now.Seen = a.now
		if _, err := a.shoppers.Commit(t.Context(), w.key, shopper.Revision(), store.Change{At: a.now, Presence: &presence}); err != nil {
			t.Fatal(err)
		}
		w.seen = a.now
	default: // buy, maybe told some days later
		it := thing{id, purpose, a.now.Add(-time.Duration(random.Int64N(int64(3 * days)))).Truncate(time.Millisecond)}
		event := who.Event{ID: id, Kind: who.Purchased, Item: "milk", At: it.at, Purpose: purpose}
		results, err := a.diary.Record(t.Context(), "r", a.now, []diary.Entry{{Shopper: w.key.Shopper, Event: event}})
		if err != nil {
			t.Fatal(err)
		}
		if want := cmp.Or(map[bool]diary.Status{true: diary.Stored}[w.granted[purpose]], diary.Refused); results[0].Status != want {
			t.Fatalf("%v: %s for %s: got %+v, want %s", a.now, w.key.Shopper, purpose, results[0], want)
		}
		if results[0].Status == diary.Stored {
			w.things = append(w.things, it)
		}
	}
}

// asked lets the twin know which grants hold: a restriction and its end decide about several.
func (a *archive) asked(t *testing.T, w *twin) {
	t.Helper()
	grants, err := a.Grants(t.Context(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []who.Purpose{who.Loyalty, who.Location, "warranty"} {
		w.granted[p] = grants.Holds(p)
		if w.granted[p] {
			delete(w.withdrawn, p)
		}
	}
	if _, w.restricted, err = a.Preferences(t.Context(), w.key); err != nil {
		t.Fatal(err)
	}
	if !w.granted[who.Location] {
		w.seen = time.Time{} // forgotten with the permission
	}
}

// TestShorterTimesReachEverybody holds that a retailer who keeps things for less long than before has all shoppers looked at, those too who do
// nothing; and that a purpose that is declared no more takes its data along.
func TestShorterTimesReachEverybody(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.says(t, 300, 300)
	keys := []who.Key{{Retailer: "r", Shopper: "anna"}, {Retailer: "r", Shopper: "ben"}}
	for _, key := range keys {
		if _, err := a.Decide(t.Context(), key, map[who.Purpose]bool{"warranty": true}, "", a.now); err != nil {
			t.Fatal(err)
		}
		for _, event := range []who.Event{{ID: "old", At: a.now.Add(-20 * days)}, {ID: "new", At: a.now}, {ID: "own", At: a.now, Purpose: "warranty"}} {
			event.Kind, event.Item = who.Purchased, "milk"
			if results, err := a.diary.Record(t.Context(), "r", a.now, []diary.Entry{{Shopper: key.Shopper, Event: event}}); err != nil || results[0].Status != diary.Stored {
				t.Fatal(results, err)
			}
		}
	}
	check := func(step string, want ...string) {
		t.Helper()
		a.sweep(t)
		for _, key := range keys {
			if got := a.events(t, key); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %q, want %q", step, key.Shopper, got, want)
			}
		}
	}
	check("before", "new", "old", "own")
	a.says(t, 10, 10)
	check("ten days", "new", "own")
	if _, err := a.retailers.SaveSettings(t.Context(), "r", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: retailer.Settings{}}); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Minute)
	check("declared no more", "new")
	a.now = a.now.Add(400 * days)
	check("no limit", "new")
}

// TestHeldIsNotSwept holds that what a legal hold keeps stays for longer than its time, and goes once the hold is released.
func TestHeldIsNotSwept(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.says(t, 10, 10)
	key := who.Key{Retailer: "r", Shopper: "anna"}
	if _, err := a.diary.Record(t.Context(), "r", a.now, []diary.Entry{{Shopper: "anna", Event: who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: a.now}}}); err != nil {
		t.Fatal(err)
	}
	pseudonym := a.shoppers.Pseudonym(key)
	if err := a.erasures.PlaceHold(t.Context(), "r", pseudonym, store.Hold{At: a.now, Reason: "case 12"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a.now = a.now.Add(20 * days)
		a.sweep(t)
	}
	if got := a.events(t, key); len(got) != 1 {
		t.Errorf("under a hold: got %q", got)
	}
	if _, err := a.erasures.ReleaseHold(t.Context(), "r", pseudonym); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Hour)
	a.sweep(t)
	if got := a.events(t, key); len(got) != 0 {
		t.Errorf("afterwards: got %q", got)
	}
}
