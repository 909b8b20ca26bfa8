package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
)

// hooked lets a test step in between the store and Shoppers.
type hooked struct {
	store.Documents
	mu        sync.Mutex
	afterScan func()                  // runs once, after a scan was read and before it is returned
	commit    func(store.Batch) error // runs once, instead of a commit
}

func (h *hooked) take() (afterScan func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	afterScan, h.afterScan = h.afterScan, nil
	return afterScan
}

func (h *hooked) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	page, err := h.Documents.Scan(ctx, partition, from, to, limit)
	if hook := h.take(); hook != nil {
		hook()
	}
	return page, err
}

func (h *hooked) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	h.mu.Lock()
	hook := h.commit
	h.commit = nil
	h.mu.Unlock()
	if hook != nil {
		return 0, hook(b)
	}
	return h.Documents.Commit(ctx, b)
}

// TestSlowReaderBringsNothingOld reads a shopper, and lets others commit, attach or erase before what was read arrives.
func TestSlowReaderBringsNothingOld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		meanwhile func(t *testing.T, s *store.Shoppers)
		want      int // purchases
	}{
		{"an event", func(t *testing.T, s *store.Shoppers) {
			if _, err := s.Record(ctx, anna, now, given, []who.Event{buys("e2", "bread", now)}); err != nil {
				t.Error(err)
			}
		}, 2},
		{"two events", func(t *testing.T, s *store.Shoppers) {
			for _, id := range []string{"e2", "e3"} {
				if _, err := s.Record(ctx, anna, now, given, []who.Event{buys(id, "item "+id, now)}); err != nil {
					t.Error(err)
				}
			}
		}, 3},
		{"an erasure", func(t *testing.T, s *store.Shoppers) {
			if err := s.Forget(ctx, anna); err != nil {
				t.Error(err)
			}
		}, -1},
		{"an erasure and a new beginning", func(t *testing.T, s *store.Shoppers) {
			if err := s.Forget(ctx, anna); err != nil {
				t.Error(err)
			}
			if _, err := s.Record(ctx, anna, now, given, []who.Event{buys("e9", "soap", now)}); err != nil {
				t.Error(err)
			}
		}, 1},
		{"nothing", func(*testing.T, *store.Shoppers) {}, 1},
	} {
		// With a cache of one byte nothing stays, so that what the slow reader brings meets an empty place.
		for size, cacheBytes := range map[string]uint64{"kept": 1 << 20, "not kept": 1} {
			t.Run(c.name+"/"+size, func(t *testing.T) {
				t.Parallel()
				setup, documents := open(t, 1<<20)
				if _, err := setup.Record(ctx, anna, now, given, []who.Event{buys("e1", "milk", now)}); err != nil {
					t.Fatal(err)
				}
				hooks := &hooked{Documents: documents}
				shoppers := over(hooks, cacheBytes, true)
				hooks.afterScan = func() { c.meanwhile(t, shoppers) }
				if _, err := shoppers.Shopper(ctx, anna); err != nil {
					t.Fatal(err)
				}
				s, err := shoppers.Shopper(ctx, anna)
				if c.want < 0 {
					if !errors.Is(err, who.ErrUnknown) {
						t.Errorf("an erased shopper came back: %+v, %v", s, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := bought(history(t, s)); got != c.want {
					t.Errorf("read %d purchases after %d were acknowledged", got, c.want)
				}
			})
		}
	}
}

// TestCommitOfUnknownOutcome stores a batch whose writer is told that the database is gone. Sent again, its events are
// duplicates, and the very next answer knows them.
func TestCommitOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, readBetween := range map[string]bool{"at once": false, "after others read the old shopper": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, documents := open(t, 1)
			hooks := &hooked{Documents: documents}
			shoppers := over(hooks, 1<<20, true)
			if _, err := shoppers.Record(ctx, anna, now, given, []who.Event{buys("e1", "milk", now)}); err != nil {
				t.Fatal(err)
			}
			var late store.Batch
			hooks.commit = func(b store.Batch) error {
				late = b
				return store.ErrUnavailable
			}
			again := []who.Event{buys("e2", "bread", now)}
			if _, err := shoppers.Record(ctx, anna, now, given, again); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
			if readBetween {
				if _, err := shoppers.Shopper(ctx, anna); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := documents.Commit(ctx, late); err != nil { // it was under way all the time
				t.Fatal(err)
			}
			recorded, err := shoppers.Record(ctx, anna, now, given, again)
			if err != nil || recorded.Fresh[0] {
				t.Fatalf("sent again: got %v, %v, want a duplicate", recorded.Fresh, err)
			}
			s, err := shoppers.Shopper(ctx, anna)
			if err != nil || bought(history(t, s)) != 2 {
				t.Errorf("acknowledged as a duplicate, and not in the next answer: %v", err)
			}
		})
	}
}

// TestRecordGivesUpInTheEnd: a store that always says "conflict" must not hold a call for ever.
func TestRecordGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	_, documents := open(t, 1)
	shoppers := over(always{documents}, 1<<20, true)
	if _, err := shoppers.Record(ctx, anna, now, given, []who.Event{buys("e1", "milk", now)}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
}

// always is a store in which somebody else is always first.
type always struct{ store.Documents }

func (always) Commit(context.Context, store.Batch) (store.Revision, error) {
	return 0, store.ErrConflict
}

// TestCacheIsBounded reads more shoppers than fit, and finds each right.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	shoppers, _ := open(t, 16<<10)
	key := func(i int) who.Key { return who.Key{Retailer: "demo", Shopper: string(rune('a' + i))} }
	for i := range 60 {
		if _, err := shoppers.Commit(ctx, key(i), 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Replayable: i}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 60 {
		s, err := shoppers.Shopper(ctx, key(i))
		if err != nil || presence(t, s).Replayable != i {
			t.Fatalf("shopper %d: got %+v, %v", i, s, err)
		}
	}
	if bytes := shoppers.CachedBytes(); bytes > 64<<10 {
		t.Errorf("the cache holds %d bytes, want about %d", bytes, 16<<10)
	}
}
