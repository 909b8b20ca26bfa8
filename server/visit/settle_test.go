package visit_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
	"satnav/server/visit"
)

var (
	start  = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	anna   = who.Key{Retailer: "demo", Shopper: "anna"}
	bakery = geo.Point{Lat: 51.5, Lng: -0.12}
	editor = retailer.Editor{Role: "admin", Subject: "test"}
)

// world is a retailer with visits over a real store, and a clock that the test turns.
type world struct {
	t         *testing.T
	now       time.Time
	documents store.Documents
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	book      *decision.Book
	visits    *visit.Visits
	settler   *visit.Settler
	box       *box // nil: nobody wants to be told
	silent    bool // phones let the app notify of nothing
}

// log is an audit log of the world.
func (w *world) log(t *testing.T) *audit.Log {
	t.Helper()
	key, err := audit.Key(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return audit.New(w.documents, key, func() time.Time { return w.now })
}

func newWorld(t *testing.T) *world {
	t.Helper()
	documents := embeddedtest.Open(t)
	w := &world{t: t, now: start, documents: documents}
	clock := func() time.Time { return w.now }
	names, entries, log := retailer.NewNames(), store.NewEntries(documents), slog.New(slog.DiscardHandler)
	// The world's secret is fixed: the same story has the same ids in every world.
	w.shoppers = store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("secret"), Names: names.Of, CacheBytes: 1 << 20, Alone: true})
	w.retailers = retailer.New(entries, w.shoppers, names, clock, log)
	w.book = newBook(w)
	w.visits = visit.New(w.shoppers, w.retailers, store.NewQuotas(w.documents, log), w.book)
	w.settler = visit.NewSettler(w.visits, entries, store.NewNotes(documents), clock, log)
	return w
}

func (w *world) draw(id string, change func(*geo.Geofence)) {
	w.t.Helper()
	circle, err := geo.NewCircle(bakery, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	fence := geo.Geofence{ID: id, Name: id, Shape: circle, Wants: geo.WantEnter | geo.WantExit | geo.WantDwell}
	if change != nil {
		change(&fence)
	}
	w.save(retailer.Change[geo.Geofence]{ID: id, Value: fence})
}

func (w *world) save(change retailer.Change[geo.Geofence]) {
	w.t.Helper()
	saved, err := w.retailers.SaveGeofences(context.Background(), "demo", editor, []retailer.Change[geo.Geofence]{change})
	if err != nil || saved[0].Err != nil {
		w.t.Fatal(err, saved[0].Err)
	}
}

// walk reports fixes a few seconds apart, the first at an instant, and returns what was told.
func (w *world) walk(at time.Time, point geo.Point, fixes int) (told []string) {
	w.t.Helper()
	for range fixes {
		answer, err := w.visits.Answer(context.Background(), visit.Signal{
			Key: anna, Arrived: w.now, At: at, Device: who.Permissions{Location: geo.Precise},
			Fix: &geo.Fix{At: at, Point: point, AccuracyMeters: 6},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, trigger := range answer.Triggers {
			told = append(told, fmt.Sprintf("%s %s %s", trigger.Geofence, trigger.Kind, trigger.ID))
		}
		at, w.now = at.Add(5*time.Second), w.now.Add(5*time.Second)
	}
	return told
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.settler.Due(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.settler.Edits(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// kept lists the crossings that are stored of anna, with their rules, in order of decision.
func (w *world) kept() (all []string) {
	w.t.Helper()
	entries, _, err := w.shoppers.Diary(context.Background(), anna, "", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []*store.KeptCrossing
	for _, e := range entries {
		if e.Crossing != nil {
			list = append(list, e.Crossing)
		}
	}
	slices.SortFunc(list, func(a, b *store.KeptCrossing) int {
		return cmp.Or(a.Decided.Compare(b.Decided), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Geofence, b.Geofence))
	})
	for _, c := range list {
		all = append(all, fmt.Sprintf("%s %s by %s at %s %s", c.Geofence, c.Kind, c.Rule, c.Decided.UTC().Format(time.TimeOnly), c.ID))
	}
	return all
}

func (w *world) due() int {
	w.t.Helper()
	found, _, err := w.shoppers.Marked(context.Background(), "due", "", store.Position{}, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(found)
}

func dwells(g *geo.Geofence) { g.Dwell = time.Minute }

// elsewhere is 2 km away.
var elsewhere = geo.Point{Lat: 51.52, Lng: -0.12}

// TestSettledIsTheSame holds that a dwell is the same crossing, with the same id, whoever finds it: the worker
// when it is due, or the shopper's next call.
func TestSettledIsTheSame(t *testing.T) {
	t.Parallel()
	worked, called := newWorld(t), newWorld(t)
	for _, w := range []*world{worked, called} {
		w.draw("bakery", dwells)
		if told := w.walk(w.now, bakery, 4); len(told) != 1 {
			t.Fatalf("got %q, want an enter", told)
		}
		w.now = start.Add(59 * time.Second)
		w.settle()
		if kept := w.kept(); len(kept) != 1 {
			t.Fatalf("before it is due: got %q", kept)
		}
	}
	worked.now = start.Add(70 * time.Second)
	worked.settle()
	if kept := worked.kept(); len(kept) != 2 {
		t.Fatalf("after it is due: got %q, want a dwell too", kept)
	}
	var told [2][]string
	for i, w := range []*world{worked, called} {
		w.now = start.Add(2 * time.Minute)
		told[i] = w.walk(w.now, bakery, 2)
	}
	if !slices.Equal(worked.kept(), called.kept()) || len(called.kept()) != 2 {
		t.Errorf("the worker kept %q, the call %q", worked.kept(), called.kept())
	}
	if !slices.Equal(told[0], told[1]) || len(told[0]) != 1 {
		t.Errorf("the phone was told %q after the worker, %q by the call: want the same dwell, once", told[0], told[1])
	}
}

// TestSettledIsToldAgain holds that the retry of the call which told a settled crossing tells it again.
func TestSettledIsToldAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", dwells)
	w.walk(w.now, bakery, 4)
	w.now = start.Add(70 * time.Second)
	w.settle()
	at := w.now
	first, again, later := w.walk(at, bakery, 1), w.walk(at, bakery, 1), w.walk(w.now, bakery, 1)
	if len(first) != 1 || !slices.Equal(first, again) || len(later) != 0 {
		t.Errorf("got %q, %q, %q; want the dwell twice, then nothing", first, again, later)
	}
}

// TestSettle tells what the worker makes of visits about which nothing more is heard.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fence func(*geo.Geofence)
		then  func(w *world) // after four fixes inside
		want  []string       // beside the enter
	}{
		{"nothing yet", nil, func(w *world) { w.now = start.Add(time.Hour) }, nil},
		{"a day of silence", nil, func(w *world) { w.now = start.Add(24*time.Hour + 20*time.Second) }, []string{"bakery exit by silence"}},
		{"closing", func(g *geo.Geofence) {
			hours, err := geo.ParseHours("Mo-Su 08:00-12:00", time.UTC)
			if err != nil {
				panic(err)
			}
			g.Schedule = hours
		}, func(w *world) { w.now = start.Add(3*time.Hour + time.Second) }, []string{"bakery exit by closed"}},
		{"deleted", nil, func(w *world) { w.save(retailer.Change[geo.Geofence]{ID: "bakery", Delete: true}) }, []string{"bakery exit by deleted"}},
		{"a draft again", nil, func(w *world) { w.draw("bakery", func(g *geo.Geofence) { g.Status = geo.Draft }) }, []string{"bakery exit by draft"}},
		{"moved away", nil, func(w *world) {
			w.draw("bakery", func(g *geo.Geofence) { g.Shape, _ = geo.NewCircle(elsewhere, 100) })
		}, []string{"bakery exit by edited"}},
		{"renamed", nil, func(w *world) { w.draw("bakery", func(g *geo.Geofence) { g.Name = "Bakery" }) }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.draw("bakery", tc.fence)
			w.settle() // the edits before are dealt with
			w.walk(w.now, bakery, 4)
			w.now = w.now.Add(10 * time.Second)
			tc.then(w)
			for range 30 { // marks far ahead are looked at early, and again
				w.settle()
			}
			kept := w.kept()[1:]
			if len(kept) != len(tc.want) {
				t.Fatalf("got %q, want %q", kept, tc.want)
			}
			for i, want := range tc.want {
				if got := kept[i]; len(got) < len(want) || got[:len(want)] != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if wantDue := 1 - len(tc.want); w.due() != wantDue {
				t.Errorf("%d shoppers wait for something, want %d", w.due(), wantDue)
			}
		})
	}
}

// TestMarkOnlyWhenDue holds that a shopper for whom nothing is due costs no mark.
func TestMarkOnlyWhenDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", dwells)
	w.walk(w.now, elsewhere, 5)
	if w.due() != 0 {
		t.Error("a shopper far from everything waits for something")
	}
	w.now = w.now.Add(10 * time.Minute)
	w.walk(w.now, bakery, 4)
	if w.due() != 1 {
		t.Error("a shopper who may dwell waits for nothing")
	}
}

// TestInsideOfMany holds that a deleted geofence finds who is inside of more geofences than there is room for marks.
func TestInsideOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 40 {
		w.draw(fmt.Sprintf("fence-%02d", i), nil)
	}
	w.settle()
	w.walk(w.now, bakery, 4)
	if n := len(w.kept()); n != 40 {
		t.Fatalf("inside of %d geofences, want 40", n)
	}
	w.save(retailer.Change[geo.Geofence]{ID: "fence-00", Delete: true}) // has a mark of its own
	w.settle()
	w.now = w.now.Add(time.Minute)
	w.save(retailer.Change[geo.Geofence]{ID: "fence-39", Delete: true}) // found as one of "more"
	w.settle()
	if n := len(w.kept()); n != 42 {
		t.Errorf("%d crossings, want 40 enters and 2 exits", n)
	}
}

// TestRecordingKeepsItsOwnTime holds that a walk of last week, delivered call by call, is not ended by the silence
// between its time and ours, and that its dwell comes when its own time has passed.
func TestRecordingKeepsItsOwnTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", dwells)
	weekAgo := start.Add(-7 * 24 * time.Hour)
	w.walk(weekAgo, bakery, 4)
	w.now = w.now.Add(20 * time.Second)
	w.settle()
	if kept := w.kept(); len(kept) != 1 {
		t.Fatalf("a moment later: got %q, want the enter alone", kept)
	}
	w.now = w.now.Add(30 * time.Second)
	w.settle()
	if kept := w.kept(); len(kept) != 2 {
		t.Fatalf("a minute later: got %q, want the dwell", kept)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.settle()
	if kept := w.kept(); len(kept) != 3 {
		t.Fatalf("a day later: got %q, want the end of the visit", kept)
	}
}

// TestWithdrawnIsForgotten holds that where somebody was is forgotten when they withdrew the permission for it.
func TestWithdrawnIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", dwells)
	w.walk(w.now, bakery, 4)
	shopper, err := w.shoppers.Shopper(context.Background(), anna)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.shoppers.Commit(context.Background(), anna, shopper.Revision(), store.Change{
		At: w.now, Grants: []who.Grant{{Purpose: who.Location, At: w.now, Source: who.ByShopper}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	w.settle()
	if kept := w.kept(); len(kept) != 1 {
		t.Errorf("got %q, want nothing decided without a grant", kept)
	}
	if w.due() != 0 {
		t.Error("what was known of the shopper's place still waits")
	}
}

// TestSettlerRemembersEdits holds that an edit which a process made just before it ended is settled by the next one.
func TestSettlerRemembersEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	w.settle()
	w.walk(w.now, bakery, 4)
	w.now = w.now.Add(5 * time.Minute)
	w.save(retailer.Change[geo.Geofence]{ID: "bakery", Delete: true})
	w.now = w.now.Add(5 * time.Minute)
	w.settler = visit.NewSettler(w.visits, store.NewEntries(w.documents), store.NewNotes(w.documents), func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	w.settle()
	if kept := w.kept(); len(kept) != 2 {
		t.Errorf("got %q, want the exit", kept)
	}
}

// newBook keeps the world's decision records in memory: nothing runs that would commit them, but Flush.
func newBook(w *world) *decision.Book {
	return decision.New(w.shoppers, w.retailers, store.NewNotes(w.documents), decision.Config{
		Keep: time.Hour, Room: 1_000, Alone: true, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
}
