package decision_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	anna = who.Key{Retailer: "demo", Shopper: "anna"}
)

// shop is a book over a store of its own.
type shop struct {
	t         *testing.T
	mu        sync.Mutex
	at        time.Time
	documents store.Documents
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
}

func newShop(t *testing.T) *shop {
	t.Helper()
	documents := embeddedtest.Open(t)
	s := &shop{t: t, at: noon, documents: documents}
	names := retailer.NewNames()
	s.shoppers = store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20, Alone: true})
	s.retailers = retailer.New(store.NewEntries(documents), s.shoppers, names, s.now, slog.New(slog.DiscardHandler))
	return s
}

func (s *shop) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *shop) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

func (s *shop) book(room int) *decision.Book {
	return decision.New(s.shoppers, s.retailers, store.NewNotes(s.documents), decision.Config{
		Keep: time.Hour, Room: room, Alone: true, Now: s.now, Log: slog.New(slog.DiscardHandler)})
}

// answer leaves the record of one answer in a book.
func answer(b *decision.Book, key who.Key, id string, at time.Time) {
	r := decision.Blank()
	r.ID, r.Key, r.At, r.Arrived = id, key, at, at
	r.Used.Purposes = []who.Purpose{who.Loyalty}
	r.Suggestions = append(r.Suggestions, store.Suggested{Kind: recommend.KindProduct, Item: id, Score: 0.5, Propensity: 1})
	b.Add(r)
}

func (s *shop) answers(b *decision.Book, key who.Key) []string {
	s.t.Helper()
	records, err := b.Records(s.t.Context(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	ids := []string{}
	for _, r := range records {
		if len(r.Suggestions) != 1 || r.Suggestions[0].Item != r.ID {
			s.t.Errorf("%s holds %+v", r.ID, r.Suggestions)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func (s *shop) flush(b *decision.Book) {
	s.t.Helper()
	if err := b.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestRecordsAreReadAtOnce holds that a record is seen before it is committed, after it, and in the next process.
func TestRecordsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.book(100)
	answer(b, anna, "a", noon.Add(time.Second))
	answer(b, who.Key{Retailer: "demo", Shopper: "ben"}, "other", noon.Add(time.Second))
	if got := s.answers(b, anna); !slices.Equal(got, []string{"a"}) {
		t.Errorf("waiting: got %v", got)
	}
	s.flush(b)
	answer(b, anna, "b", noon.Add(2*time.Second))
	if got := s.answers(b, anna); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("one waiting, one stored: got %v", got)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.answers(s.book(100), anna); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("in the next process: got %v", got)
	}
	if got := b.Stats(); got != (decision.Stats{Kept: 3}) {
		t.Errorf("got %+v", got)
	}
}

// TestForgottenRecordsStayAway erases shoppers while their answers are being committed: nothing comes back.
func TestForgottenRecordsStayAway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.book(1_000)
	for round := range 200 {
		key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", round)}
		for i := range 5 {
			answer(b, key, fmt.Sprint(i), noon.Add(time.Second))
			b.Show(key, noon, []who.Item{1})
		}
		var flushing sync.WaitGroup
		flushing.Go(func() { s.flush(b) })
		b.Forget(key)
		if err := s.shoppers.Forget(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		flushing.Wait()
		s.flush(b)
		page, err := s.documents.Scan(t.Context(), s.shoppers.Partition(key), "", "", 0)
		if err != nil || len(page.Documents) > 0 {
			t.Fatalf("round %d: %d documents are left, %v", round, len(page.Documents), err)
		}
		if got := b.Shown(key, noon.Add(time.Second)); got != nil {
			t.Fatalf("round %d: %v is remembered", round, got)
		}
	}
}

// TestFullQueueTellsOfAGap holds that what does not fit is dropped, counted and told, here and in the next process.
func TestFullQueueTellsOfAGap(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.book(2)
	b.Open(t.Context())
	for i := range 5 {
		answer(b, anna, fmt.Sprint(i), noon.Add(time.Duration(i)*time.Second))
	}
	if got := b.Stats(); got.Waiting != 2 || got.Dropped != 3 {
		t.Errorf("got %+v", got)
	}
	want := []decision.Gap{{From: noon.Add(2 * time.Second), Until: noon.Add(4 * time.Second), Why: decision.GapCrowded}}
	if got := b.Gaps(time.Time{}, time.Time{}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := b.Gaps(noon.Add(5*time.Second), time.Time{}); len(got) > 0 {
		t.Errorf("later: got %v", got)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEndWithoutWarningTellsOfAGap starts again after a process that was stopped, and after one that was killed.
func TestEndWithoutWarningTellsOfAGap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(t *testing.T, b *decision.Book)
		want []decision.Gap
	}{
		{"stopped", func(t *testing.T, b *decision.Book) {
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"killed", func(*testing.T, *decision.Book) {}, []decision.Gap{{From: noon, Until: noon.Add(3 * time.Minute), Why: decision.GapStopped}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			run := func() *decision.Book {
				b := s.book(100)
				b.Open(t.Context())
				return b
			}
			first := run()
			answer(first, anna, "a", noon)
			s.pass(3 * time.Minute)
			c.end(t, first)
			next := run()
			if got := next.Gaps(time.Time{}, time.Time{}); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if err := next.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.pass(2 * time.Hour) // all that is kept is newer
			if got := run().Gaps(time.Time{}, time.Time{}); len(got) > 0 {
				t.Errorf("long after: got %v", got)
			}
		})
	}
}
