package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var (
	ctx   = context.Background()
	now   = time.Date(2026, 11, 22, 9, 14, 3, 0, time.UTC)
	anna  = who.Key{Retailer: "demo", Shopper: "anna"}
	given = who.Defaults([]who.Purpose{who.Loyalty, who.Location}, now)
)

// open makes shoppers over an embedded store in a folder of the test.
func open(t testing.TB, cacheBytes uint64) (*store.Shoppers, store.Documents) {
	t.Helper()
	documents := embeddedtest.Open(t)
	return over(documents, cacheBytes, true), documents
}

// over makes shoppers with vocabularies and a cache of their own, like another process would.
func over(documents store.Documents, cacheBytes uint64, alone bool) *store.Shoppers {
	var mu sync.Mutex
	names := map[string]*who.Names{}
	return store.NewShoppers(documents, store.ShoppersConfig{
		Secret: []byte("a secret of the installation"),
		Names: func(retailer string) *who.Names {
			mu.Lock()
			defer mu.Unlock()
			if names[retailer] == nil {
				names[retailer] = who.NewNames()
			}
			return names[retailer]
		},
		CacheBytes: cacheBytes,
		Alone:      alone,
	})
}

func buys(id, item string, at time.Time) who.Event {
	return who.Event{ID: id, Kind: who.Purchased, At: at, Item: item, Quantity: 1, Source: "app"}
}

// history reads the loyalty history through the gate.
func history(t testing.TB, s *who.Shopper) *who.History {
	t.Helper()
	view, ok := who.Access(who.Loyalty, who.NewSubject(s, who.Permissions{}))
	if !ok {
		t.Fatal("loyalty is not granted")
	}
	return view.History()
}

func presence(t testing.TB, s *who.Shopper) geo.Presence {
	t.Helper()
	view, ok := who.Access(who.Location, who.NewSubject(s, who.Permissions{Location: geo.Precise}))
	if !ok {
		t.Fatal("location is not granted")
	}
	return view.Presence()
}

func bought(h *who.History) int {
	n := 0
	for _, item := range h.Items {
		n += int(item.Count)
	}
	return n
}

func TestStrangerBecomesShopper(t *testing.T) {
	t.Parallel()
	shoppers, _ := open(t, 1<<20)
	if _, err := shoppers.Shopper(ctx, anna); !errors.Is(err, who.ErrUnknown) {
		t.Fatalf("before: got %v, want who.ErrUnknown", err)
	}
	recorded, err := shoppers.Record(ctx, anna, now, given, []who.Event{buys("e1", "milk", now), buys("e2", "bread", now), buys("e1", "milk", now)})
	if err != nil || fmt.Sprint(recorded.Fresh) != "[true true false]" {
		t.Fatalf("record: got %v, %v", recorded.Fresh, err)
	}
	if len(recorded.Steps) != 1 || !recorded.Steps[0].Before.Empty() || bought(recorded.Steps[0].After) != 2 {
		t.Errorf("steps: got %+v", recorded.Steps)
	}
	shopper, err := shoppers.Shopper(ctx, anna)
	if err != nil || !shopper.Since().Equal(now) || shopper.Key() != anna || !slices.Equal(shopper.Grants(), given) {
		t.Fatalf("after: got %+v, %v", shopper, err)
	}
	if recorded.Steps[0].After != history(t, shopper) {
		t.Error("the step does not end at the history that is read")
	}
	decisions, err := shoppers.Decisions(ctx, anna)
	if err != nil || !slices.Equal(decisions, given) {
		t.Errorf("the default grants are not on record: got %+v, %v", decisions, err)
	}
}

// What is remembered is seen by the next reader, goes into the store with the next presence, and is never put in the place of
// what somebody else committed.
func TestRememberedPresence(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	shoppers, documents := open(t, 1<<20)
	quiet := func(n int) *geo.Presence { return &geo.Presence{Shopper: "p", Replayable: n, Changed: true} }
	if shoppers.Remember(anna, 0, quiet(1)) {
		t.Error("a stranger was remembered, of whom nothing is stored")
	}
	first, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: quiet(1)})
	if err != nil {
		t.Fatal(err)
	}
	if !shoppers.Remember(anna, first.Revision(), quiet(2)) {
		t.Fatal("it was not remembered")
	}
	second, err := shoppers.Shopper(ctx, anna)
	if err != nil || presence(t, second).Replayable != 2 || presence(t, second).Changed {
		t.Fatalf("the next reader sees %+v, %v", second, err)
	}
	stored := func() int {
		other := over(documents, 1<<20, true)
		s, err := other.Shopper(ctx, anna)
		if err != nil {
			t.Fatal(err)
		}
		return presence(t, s).Replayable
	}
	if got := stored(); got != 1 {
		t.Errorf("the store has presence %d, want 1: nothing was written", got)
	}
	if shoppers.Remember(anna, first.Revision(), quiet(3)) {
		t.Error("a presence was remembered that knows nothing of the one before")
	}
	if _, err := shoppers.Commit(ctx, anna, first.Revision(), store.Change{Presence: quiet(3)}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a commit that knows nothing of what is remembered: got error %v, want %v", err, store.ErrConflict)
	}
	third, err := shoppers.Commit(ctx, anna, second.Revision(), store.Change{Grants: []who.Grant{{Purpose: who.Loyalty, At: now, Source: who.ByShopper}}})
	if err != nil || presence(t, third).Replayable != 2 {
		t.Fatalf("after a commit about something else: %+v, %v", third, err)
	}
	if err := shoppers.Attach(ctx, anna, []store.Document{{ID: "decision/1", Body: bson.Raw{5, 0, 0, 0, 0}}}, nil, true); err != nil {
		t.Fatal(err)
	}
	latest, err := shoppers.Shopper(ctx, anna)
	if err != nil || presence(t, latest).Replayable != 2 {
		t.Fatalf("after a document was attached: %+v, %v", latest, err)
	}
	if latest, err = shoppers.Commit(ctx, anna, latest.Revision(), store.Change{Presence: quiet(4), Lazy: true}); err != nil || stored() != 4 {
		t.Fatalf("after the next commit the store has presence %d, want 4, %v", stored(), err)
	}
	n := 0
	for ; n < 10*geo.MaxTail && shoppers.Remember(anna, latest.Revision(), quiet(5+n)); n++ {
		if latest, err = shoppers.Shopper(ctx, anna); err != nil {
			t.Fatal(err)
		}
	}
	if n != geo.MaxTail {
		t.Errorf("%d presences were remembered over one that is stored, want %d", n, geo.MaxTail)
	}
	if _, err := shoppers.Erase(ctx, anna, time.Now()); err != nil {
		t.Fatal(err)
	}
	if shoppers.Remember(anna, latest.Revision(), quiet(1)) {
		t.Error("a shopper was remembered who is forgotten")
	}
	if replica := over(documents, 1<<20, false); replica.Remember(anna, 0, quiet(1)) {
		t.Error("a replica remembered what others do not know")
	}
}

// Memory is never far ahead of the store where it matters, and gives up nothing when it ends or has no room.
func TestRememberedPresenceReachesTheStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	at := func(seconds int) *geo.Presence {
		return &geo.Presence{Shopper: "p", Now: geo.Memory{Seen: now.Add(time.Duration(seconds) * time.Second)}}
	}
	for _, c := range []struct {
		name string
		give []int // seconds at which fixes come, the first of which is committed
		want int   // how many of the others are remembered
	}{
		{"a dense track", []int{0, 10, 20, 30, 40, 50, 60}, 5},
		{"one fix now and then", []int{0, 600, 1200, 1800}, 3},
		{"a track after a pause", []int{0, 600, 610, 620}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shoppers, _ := open(t, 1<<20)
			s, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: at(c.give[0])})
			n := 0
			for _, seconds := range c.give[1:] {
				if err != nil || !shoppers.Remember(anna, s.Revision(), at(seconds)) {
					break
				}
				n++
				s, err = shoppers.Shopper(ctx, anna)
			}
			if err != nil || n != c.want {
				t.Errorf("%d were remembered, want %d, %v", n, c.want, err)
			}
		})
	}
	t.Run("flushed", func(t *testing.T) {
		t.Parallel()
		shoppers, documents := open(t, 1<<20)
		s, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: at(0)})
		if err != nil || !shoppers.Remember(anna, s.Revision(), at(10)) || shoppers.Flush(ctx) != nil {
			t.Fatal(err)
		}
		if s, err = over(documents, 1<<20, true).Shopper(ctx, anna); err != nil || !presence(t, s).Now.Seen.Equal(now.Add(10*time.Second)) {
			t.Errorf("the store has %+v, %v", presence(t, s), err)
		}
	})
	t.Run("no room", func(t *testing.T) {
		t.Parallel()
		shoppers, documents := open(t, 64<<10)
		many := func(do func(key who.Key)) {
			for i := range 500 {
				do(who.Key{Retailer: "demo", Shopper: fmt.Sprint("shopper ", i)})
			}
		}
		remembered := map[who.Key]bool{}
		many(func(key who.Key) {
			s, err := shoppers.Commit(ctx, key, 0, store.Change{At: now, Defaults: given, Presence: at(0)})
			if err != nil {
				t.Fatal(err)
			}
			remembered[key] = shoppers.Remember(key, s.Revision(), at(10))
		})
		if err := shoppers.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		many(func(key who.Key) {
			for remembered[key] { // who was evicted is written by another goroutine
				s, err := over(documents, 1<<20, true).Shopper(ctx, key)
				if err != nil {
					t.Fatal(err)
				}
				if presence(t, s).Now.Seen.Equal(now.Add(10 * time.Second)) {
					break
				}
				time.Sleep(time.Millisecond)
			}
		})
	})
}

func TestCommitIsDecidedOnARevision(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	first, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Shopper: "p1", Changed: true}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := shoppers.Commit(ctx, anna, first.Revision(), store.Change{At: now.Add(time.Hour), Presence: &geo.Presence{Shopper: "p2"}})
	if err != nil || second.Revision() <= first.Revision() || !second.Since().Equal(now) {
		t.Fatalf("second: got %+v, %v", second, err)
	}
	for name, revision := range map[string]int64{"of a stranger": 0, "of the first commit": first.Revision(), "that never was": 1 << 40} {
		if _, err := shoppers.Commit(ctx, anna, revision, store.Change{Presence: &geo.Presence{}}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("over the revision %s: got %v, want ErrConflict", name, err)
		}
	}
	if got := presence(t, second).Shopper; got != "p2" {
		t.Errorf("presence: got %q", got)
	}
	if presence(t, first).Changed {
		t.Error("what one call did is remembered")
	}
	// Another process commits, which this one, believing to be alone, learns at its next commit.
	other := over(documents, 1<<20, true)
	theirs, err := other.Shopper(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = other.Commit(ctx, anna, theirs.Revision(), store.Change{Presence: &geo.Presence{Shopper: "p3"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := shoppers.Commit(ctx, anna, second.Revision(), store.Change{Presence: &geo.Presence{}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("after another process: got %v, want ErrConflict", err)
	}
	if again, err := shoppers.Shopper(ctx, anna); err != nil || again.Revision() != theirs.Revision() || presence(t, again).Shopper != "p3" {
		t.Errorf("after the conflict: got %+v, %v", again, err)
	}
}

func TestGrantsAreKeptAndLogged(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	withdrawn := who.Grant{Purpose: who.Loyalty, At: now.Add(time.Hour), Source: who.ByShopper, Notice: "2026-11"}
	shopper, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Grants: []who.Grant{withdrawn}})
	if err != nil || shopper.Grants().Holds(who.Loyalty) || !shopper.Grants().Holds(who.Location) {
		t.Fatalf("got %+v, %v", shopper, err)
	}
	if _, err := shoppers.Record(ctx, anna, now, given, []who.Event{buys("e1", "milk", now)}); !errors.Is(err, store.ErrNoGrant) {
		t.Errorf("record without the grant: got %v, want ErrNoGrant", err)
	}
	if known, err := shoppers.Known(ctx, anna, []string{"e1"}); err != nil || known[0] {
		t.Errorf("a refused event is known: %v, %v", known, err)
	}
	back := who.Grant{Purpose: who.Loyalty, Given: true, At: now.Add(2 * time.Hour), Source: who.ByShopper, Notice: "2026-11"}
	if _, err := shoppers.Commit(ctx, anna, shopper.Revision(), store.Change{Grants: []who.Grant{back}}); err != nil {
		t.Fatal(err)
	}
	fresh := over(documents, 1<<20, true)
	shopper, err = fresh.Shopper(ctx, anna)
	if err != nil || !slices.Equal(shopper.Grants(), given.With(back)) {
		t.Errorf("read back: got %+v, %v", shopper.Grants(), err)
	}
	decisions, err := fresh.Decisions(ctx, anna)
	if want := append(slices.Clone(given), withdrawn, back); err != nil || !slices.Equal(decisions, want) {
		t.Errorf("log: got %+v, %v, want %+v", decisions, err, want)
	}
}

func TestStrangerWithoutTheGrantIsRefused(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	if _, err := shoppers.Record(ctx, anna, now, nil, []who.Event{buys("e1", "milk", now)}); !errors.Is(err, store.ErrNoGrant) {
		t.Errorf("got %v, want ErrNoGrant", err)
	}
	if revision, err := documents.Revision(ctx, shoppers.Partition(anna)); err != nil || revision != 0 {
		t.Errorf("something was written about somebody who granted nothing: revision %d, %v", revision, err)
	}
}

// TestRecordKeepsEachEventOnce records batches with repetitions, of any size, and compares with a map.
func TestRecordKeepsEachEventOnce(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("shopper ", round)}
		stored := map[string]who.Event{}
		var total int
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			var batch []who.Event
			var want []bool
			for range rapid.IntRange(1, 12).Draw(t, "events") {
				n := rapid.IntRange(0, 20).Draw(t, "event")
				// The same id may come again with another time: it is the same event all the same.
				e := buys(fmt.Sprint("e", n), fmt.Sprint("item ", n), now.Add(-time.Duration(rapid.IntRange(0, 50).Draw(t, "hours"))*time.Hour))
				_, known := stored[e.ID]
				if !known {
					stored[e.ID] = e
					total++
				}
				batch, want = append(batch, e), append(want, !known)
			}
			recorded, err := shoppers.Record(ctx, key, now, given, batch)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(recorded.Fresh, want) {
				t.Fatalf("fresh: got %v, want %v", recorded.Fresh, want)
			}
		}
		for name, reader := range map[string]*store.Shoppers{"in memory": shoppers, "on disk": over(documents, 1<<20, true)} {
			shopper, err := reader.Shopper(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			view, _ := who.Access(who.Loyalty, who.NewSubject(shopper, who.Permissions{}))
			if got := bought(view.History()); got != total {
				t.Fatalf("%s: the history counts %d purchases, want %d", name, got, total)
			}
			entries, next, err := reader.Diary(ctx, key, "", 0)
			events := eventsOf(entries)
			if err != nil || next != "" || len(events) != total {
				t.Fatalf("%s: the diary has %d events, next %q, %v, want %d", name, len(events), next, err, total)
			}
			for _, e := range events {
				if want := stored[e.ID]; !e.At.Equal(want.At) || e.Item != want.Item {
					t.Fatalf("%s: event %q: got %+v, want %+v", name, e.ID, e, want)
				}
			}
		}
	})
}

// TestLargeBatchesAreSplit records more than fits into one commit, by number and by size.
func TestLargeBatchesAreSplit(t *testing.T) {
	t.Parallel()
	shoppers, _ := open(t, 8<<20)
	properties := []byte(`"` + strings.Repeat("p", who.MaxProperties-2) + `"`)
	for name, c := range map[string]struct {
		events     int
		properties []byte
	}{"many": {1_500, nil}, "large": {700, properties}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := who.Key{Retailer: "demo", Shopper: name}
			events := make([]who.Event, c.events)
			for i := range events {
				events[i] = buys(fmt.Sprint("e", i), fmt.Sprint("item ", i%40), now.Add(-time.Duration(i%300)*time.Hour))
				events[i].Properties = c.properties
				events[i].Basket = fmt.Sprint("basket ", i%300)
			}
			recorded, err := shoppers.Record(ctx, key, now, given, events)
			if err != nil || slices.Contains(recorded.Fresh, false) {
				t.Fatalf("got %v", err)
			}
			if len(recorded.Steps) != 1 || recorded.Steps[0].After.Orders != 300 {
				t.Errorf("nobody came between, so one step leads from nothing to all: got %d", len(recorded.Steps))
			}
			again, err := shoppers.Record(ctx, key, now, given, events)
			if err != nil || slices.Contains(again.Fresh, true) || len(again.Steps) != 0 {
				t.Errorf("again: got %d steps, %v", len(again.Steps), err)
			}
			seen := map[string]bool{}
			var last time.Time
			for from := ""; ; {
				page, next, err := shoppers.Diary(ctx, key, from, 97)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range eventsOf(page) {
					if seen[e.ID] || len(seen) > 0 && e.At.After(last) {
						t.Fatalf("event %q at %s comes twice or after an older one", e.ID, e.At)
					}
					seen[e.ID], last = true, e.At
				}
				if from = next; from == "" {
					break
				}
			}
			if len(seen) != c.events {
				t.Errorf("the diary has %d events, want %d", len(seen), c.events)
			}
		})
	}
}

func TestDiaryFromAnInstant(t *testing.T) {
	t.Parallel()
	shoppers, _ := open(t, 1<<20)
	var events []who.Event
	for i := range 10 {
		events = append(events, buys(fmt.Sprint("e", i), "milk", now.Add(-time.Duration(i)*24*time.Hour)))
	}
	if _, err := shoppers.Record(ctx, anna, now, given, events); err != nil {
		t.Fatal(err)
	}
	page, _, err := shoppers.Diary(ctx, anna, store.DiaryFrom(now.Add(-72*time.Hour)), 2)
	if err != nil || len(page) != 2 || page[0].Event.ID != "e3" || page[1].Event.ID != "e4" {
		t.Errorf("got %+v, %v, want e3 (of that instant) and e4", page, err)
	}
	for _, from := range []string{"now/", "Ä", "..", "\x00", "0 1"} {
		if _, _, err := shoppers.Diary(ctx, anna, from, 2); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("from %q: got %v, want ErrInvalid", from, err)
		}
	}
	if page, next, err := shoppers.Diary(ctx, who.Key{Retailer: "demo", Shopper: "nobody"}, "", 0); err != nil || len(page) != 0 || next != "" {
		t.Errorf("of nobody: got %v, %q, %v", page, next, err)
	}
}

// TestPartitionsKeepPeopleApart draws keys that look alike and checks that no two share a partition, and that each
// partition lies in its retailer's range and no other's.
func TestPartitionsKeepPeopleApart(t *testing.T) {
	t.Parallel()
	shoppers := over(nil, 1, true)
	others := store.NewShoppers(nil, store.ShoppersConfig{Secret: []byte("another installation")})
	id := rapid.OneOf(rapid.StringN(0, 12, 40), rapid.StringMatching(`[ab/%.~]{0,6}`))
	rapid.Check(t, func(t *rapid.T) {
		a := who.Key{Retailer: id.Draw(t, "retailer a"), Shopper: id.Draw(t, "shopper a")}
		b := who.Key{Retailer: id.Draw(t, "retailer b"), Shopper: id.Draw(t, "shopper b")}
		if rapid.Bool().Draw(t, "shifted") { // the same letters, divided otherwise
			whole := a.Retailer + "/" + a.Shopper
			at := rapid.IntRange(0, len(whole)).Draw(t, "at")
			b = who.Key{Retailer: whole[:at], Shopper: whole[at:]}
		}
		pa, pb := shoppers.Partition(a), shoppers.Partition(b)
		if (pa == pb) != (a == b) {
			t.Fatalf("%q and %q are kept in %q and %q", a, b, pa, pb)
		}
		if err := store.CheckName("partition", pa); err != nil {
			t.Fatal(err)
		}
		if pa != shoppers.Partition(a) || pa == others.Partition(a) {
			t.Fatalf("the partition %q does not depend on key and secret alone", pa)
		}
		of, pseudonym, ok := strings.Cut(pa, "/")
		if !ok || strings.Contains(pseudonym, "/") || len(pseudonym) != 26 || pseudonym != shoppers.Pseudonym(a) {
			t.Fatalf("partition %q: want retailer, slash, pseudonym", pa)
		}
		if ofB, _, _ := strings.Cut(pb, "/"); (of == ofB) != (a.Retailer == b.Retailer) {
			t.Fatalf("retailers %q and %q share the range %q", a.Retailer, b.Retailer, of)
		}
	})
}

// TestNamesTellNothing looks for the shopper's id and the events' ids in every name that is stored.
func TestNamesTellNothing(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	canary := who.Key{Retailer: "demo", Shopper: "canary.smith@example.org"}
	if _, err := shoppers.Record(ctx, canary, now, given, []who.Event{buys("canary-event-1", "milk", now)}); err != nil {
		t.Fatal(err)
	}
	partitions, _, err := documents.Partitions(ctx, "demo/", "demo0", 0)
	if err != nil || len(partitions) != 1 {
		t.Fatalf("partitions: got %q, %v", partitions, err)
	}
	page, err := documents.Scan(ctx, partitions[0], "a", "", 0)
	if err != nil || len(page.Documents) < 5 {
		t.Fatalf("got %d documents, %v", len(page.Documents), err)
	}
	named := 0
	for _, d := range page.Documents {
		for _, name := range []string{d.Partition, d.ID, fmt.Sprint(d.Marks)} {
			if strings.Contains(name, "canary") {
				t.Errorf("%q tells who it is about", name)
			}
		}
		if strings.Contains(string(d.Body), canary.Shopper) {
			named++
		}
	}
	if named != 1 {
		t.Errorf("the shopper's id stands in %d documents, want the profile alone", named)
	}
}

func TestForgetErasesEverything(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	bob := who.Key{Retailer: "demo", Shopper: "bob"}
	var events []who.Event
	for i := range 700 { // more documents than one step erases
		events = append(events, buys(fmt.Sprint("e", i), "milk", now.Add(-time.Duration(i)*time.Minute)))
	}
	for _, key := range []who.Key{anna, bob} {
		if _, err := shoppers.Record(ctx, key, now, given, events); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := shoppers.Erase(ctx, anna, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := shoppers.Shopper(ctx, anna); !errors.Is(err, who.ErrUnknown) {
		t.Errorf("got %v, want who.ErrUnknown", err)
	}
	if page, err := documents.Scan(ctx, shoppers.Partition(anna), "a", "", 0); err != nil || len(page.Documents) != 0 {
		t.Errorf("%d documents are left, %v", len(page.Documents), err)
	}
	if known, err := shoppers.Known(ctx, bob, []string{"e0", "e699", "e700"}); err != nil || fmt.Sprint(known) != "[true true false]" {
		t.Errorf("bob: got %v, %v", known, err)
	}
	recorded, err := shoppers.Record(ctx, anna, now, given, events[:1])
	if err != nil || !recorded.Fresh[0] {
		t.Errorf("coming back as new: got %v, %v", recorded.Fresh, err)
	}
}

// TestOtherDocumentsMoveWithTheShopper writes documents that Shoppers know nothing of.
func TestOtherDocumentsMoveWithTheShopper(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	body, err := bson.Marshal(bson.D{{Key: "what", Value: "a decision"}})
	if err != nil {
		t.Fatal(err)
	}
	record := store.Document{ID: "decision/1", Body: body}
	// About a stranger: the partition begins without a profile.
	if err := shoppers.Attach(ctx, anna, []store.Document{record}, nil, true); err != nil {
		t.Fatal(err)
	}
	if _, err := shoppers.Shopper(ctx, anna); !errors.Is(err, who.ErrUnknown) {
		t.Fatalf("a note made a shopper of a stranger: %v", err)
	}
	mark := store.Mark{Kind: "dwell", Key: "g1", At: now}
	outbox := store.Document{ID: "outbox/1", Body: body, Marks: []store.Mark{{Kind: "outbox", At: now}}}
	shopper, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Shopper: "p"}, Marks: []store.Mark{mark}, Documents: []store.Document{outbox}})
	if err != nil {
		t.Fatalf("the first commit of a stranger about whom there is a note: %v", err)
	}
	if err := shoppers.Attach(ctx, anna, nil, []string{"decision/1"}, false); err != nil {
		t.Fatal(err)
	}
	moved, err := shoppers.Shopper(ctx, anna)
	if err != nil || moved.Revision() <= shopper.Revision() || presence(t, moved).Shopper != "p" {
		t.Fatalf("after a note: got %+v, %v", moved, err)
	}
	if _, err := shoppers.Commit(ctx, anna, moved.Revision(), store.Change{Presence: &geo.Presence{Shopper: "q"}}); err != nil {
		t.Errorf("the revision that is read cannot be committed over: %v", err)
	}
	if _, err := documents.Get(ctx, shoppers.Partition(anna), "decision/1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the removed note: got %v", err)
	}
	if found, _, err := documents.Marked(ctx, "outbox", "", store.Position{}, time.Time{}, 0); err != nil || len(found) != 1 || found[0].ID != "outbox/1" {
		t.Errorf("outbox: got %v, %v", found, err)
	}
	if found, _, err := documents.Marked(ctx, "dwell", "g1", store.Position{}, time.Time{}, 0); err != nil || len(found) != 0 {
		t.Errorf("a presence without marks left those of the one before: %v, %v", found, err)
	}
}

// TestPresenceMarksMove holds that the marks of a presence are those of its last commit and no others, whether the shopper
// was in memory or not, and whatever was committed between.
func TestPresenceMarksMove(t *testing.T) {
	t.Parallel()
	for _, cache := range []uint64{1 << 20, 1} {
		shoppers, documents := open(t, cache)
		revision := int64(0)
		for step, keys := range [][]string{{"g1"}, {"g1", "g2"}, {"g2"}, {}, {"g3"}, {"g3"}, {}} {
			var marks []store.Mark
			for _, key := range keys {
				marks = append(marks, store.Mark{Kind: "inside", Key: key, At: now.Add(time.Duration(step) * time.Second)})
			}
			shopper, err := shoppers.Commit(ctx, anna, revision, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Shopper: "p"}, Marks: marks})
			if err != nil {
				t.Fatal(err)
			}
			clear(marks) // the caller may use it again
			if step%2 == 0 {
				keep(t, shoppers, answered(fmt.Sprint(step), now, who.Loyalty))
				if shopper, err = shoppers.Shopper(ctx, anna); err != nil {
					t.Fatal(err)
				}
			}
			revision = shopper.Revision()
			var got []string
			for _, key := range []string{"g1", "g2", "g3"} {
				found, _, err := documents.Marked(ctx, "inside", key, store.Position{}, time.Time{}, 0)
				if err != nil {
					t.Fatal(err)
				}
				for range found {
					got = append(got, key)
				}
			}
			if !slices.Equal(got, keys) && len(got)+len(keys) > 0 {
				t.Errorf("cache of %d bytes, step %d: marks %v, want %v", cache, step, got, keys)
			}
		}
	}
}

func TestEachTellsHistoriesThatAreGranted(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	want := map[int]int{}
	for i := 1; i <= 40; i++ {
		for _, retailer := range []string{"demo", "demo2", "demo/2"} {
			key := who.Key{Retailer: retailer, Shopper: fmt.Sprint("s", i)}
			var events []who.Event
			for n := range i {
				events = append(events, buys(fmt.Sprint(retailer, n), fmt.Sprint("item ", n), now))
			}
			if _, err := shoppers.Record(ctx, key, now, given, events); err != nil {
				t.Fatal(err)
			}
		}
		want[i]++
	}
	// Withdrawn, without a history, and not a person at all.
	five, _ := shoppers.Shopper(ctx, who.Key{Retailer: "demo", Shopper: "s5"})
	if _, err := shoppers.Commit(ctx, five.Key(), five.Revision(), store.Change{Grants: []who.Grant{{Purpose: who.Loyalty, At: now, Source: who.ByShopper}}}); err != nil {
		t.Fatal(err)
	}
	delete(want, 5)
	if _, err := shoppers.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{}}); err != nil {
		t.Fatal(err)
	}
	body, _ := bson.Marshal(bson.D{})
	if _, err := documents.Commit(ctx, store.Batch{Partition: "demo/~store", Put: []store.Document{{ID: "is/1", Body: body}}}); err != nil {
		t.Fatal(err)
	}
	for name, reader := range map[string]*store.Shoppers{"this process": shoppers, "another": over(documents, 1, true)} {
		got := map[int]int{}
		if err := reader.Each(ctx, "demo", func(h *who.History) error {
			got[bought(h)]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want one each of 1 to 40 without 5", name, got)
		}
	}
	stop := errors.New("enough")
	if err := shoppers.Each(ctx, "demo", func(*who.History) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the error that ended it", err)
	}
}

// TestWritersAtOnce lets many goroutines record, commit, attach and read the same few shoppers, over one cache that is too
// small for them and one that is not. Each event must count once, and nobody may read less than was acknowledged before
// the read began.
func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	for name, cacheBytes := range map[string]uint64{"small cache": 4 << 10, "large cache": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shoppers, documents := open(t, cacheBytes)
			const people, writers, rounds = 3, 6, 40
			var acknowledged [people]atomic.Int64 // purchases
			var group sync.WaitGroup
			key := func(n int) who.Key { return who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", n)} }
			for w := range writers {
				group.Go(func() {
					random := rand.New(rand.NewPCG(uint64(w), 3))
					for r := range rounds {
						n := random.IntN(people)
						least := acknowledged[n].Load()
						switch random.IntN(4) {
						case 0, 1:
							e := buys(fmt.Sprintf("e %d %d", w, r), fmt.Sprint("item ", random.IntN(9)), now)
							e.Basket = e.ID
							recorded, err := shoppers.Record(ctx, key(n), now, given, []who.Event{e, e})
							if err != nil || !recorded.Fresh[0] || recorded.Fresh[1] {
								t.Errorf("record: %v, %v", recorded.Fresh, err)
								return
							}
							acknowledged[n].Add(1)
						case 2:
							if err := shoppers.Attach(ctx, key(n), nil, []string{"note"}, true); err != nil {
								t.Error(err)
								return
							}
						case 3:
							s, err := shoppers.Shopper(ctx, key(n))
							if errors.Is(err, who.ErrUnknown) {
								if least > 0 {
									t.Errorf("shopper %d is unknown after %d purchases", n, least)
								}
								continue
							}
							if err != nil {
								t.Error(err)
								return
							}
							if got := int64(bought(history(t, s))); got < least {
								t.Errorf("shopper %d: read %d purchases after %d were acknowledged", n, got, least)
							}
							_, err = shoppers.Commit(ctx, key(n), s.Revision(), store.Change{Presence: &geo.Presence{Replayable: r}, Lazy: true})
							if err != nil && !errors.Is(err, store.ErrConflict) {
								t.Error(err)
								return
							}
						}
					}
				})
			}
			group.Wait()
			for n := range people {
				for name, reader := range map[string]*store.Shoppers{"in memory": shoppers, "on disk": over(documents, 1, true)} {
					s, err := reader.Shopper(ctx, key(n))
					if err != nil {
						t.Fatal(err)
					}
					if got, want := int64(bought(history(t, s))), acknowledged[n].Load(); got != want {
						t.Errorf("%s: shopper %d has %d purchases, want %d", name, n, got, want)
					}
				}
			}
		})
	}
}

// TestReplicasServeOneShopper lets two processes that are not alone write by turns: each must see the other's commits.
func TestReplicasServeOneShopper(t *testing.T) {
	t.Parallel()
	_, documents := open(t, 1)
	replicas := []*store.Shoppers{over(documents, 1<<20, false), over(documents, 1<<20, false)}
	for i := range 20 {
		writer, reader := replicas[i%2], replicas[(i+1)%2]
		if _, err := writer.Record(ctx, anna, now, given, []who.Event{buys(fmt.Sprint("e", i), fmt.Sprint("item ", i), now)}); err != nil {
			t.Fatal(err)
		}
		s, err := reader.Shopper(ctx, anna)
		if err != nil {
			t.Fatal(err)
		}
		if got := bought(history(t, s)); got != i+1 {
			t.Fatalf("after %d purchases the other replica reads %d", i+1, got)
		}
	}
}
