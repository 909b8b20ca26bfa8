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
	mu          sync.Mutex
	afterScan   func()                  // runs once, after a scan was read and before it is returned
	afterCommit func()                  // runs once, after a commit was stored and before its revision is returned
	commit      func(store.Batch) error // runs once, instead of a commit
}

// take takes a hook, so that it runs once.
func (h *hooked) take(hook *func()) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := *hook
	*hook = nil
	if taken == nil {
		return func() {}
	}
	return taken
}

func (h *hooked) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	page, err := h.Documents.Scan(ctx, partition, from, to, limit)
	h.take(&h.afterScan)()
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
	revision, err := h.Documents.Commit(ctx, b)
	h.take(&h.afterCommit)()
	return revision, err
}

// meanwhile is what others do while somebody waits for the store, and how many purchases they make; -1: the shopper is erased.
var meanwhile = []struct {
	name string
	do   func(t *testing.T, s *store.Shoppers)
	buys int
}{
	{"nothing", func(*testing.T, *store.Shoppers) {}, 0},
	{"an event", func(t *testing.T, s *store.Shoppers) { record(t, s, "e2") }, 1},
	{"two events", func(t *testing.T, s *store.Shoppers) { record(t, s, "e2"); record(t, s, "e3") }, 2},
	{"a note", func(t *testing.T, s *store.Shoppers) { attach(t, s) }, 0},
	{"an event and a note", func(t *testing.T, s *store.Shoppers) { record(t, s, "e2"); attach(t, s) }, 1},
	{"an erasure", func(t *testing.T, s *store.Shoppers) { forget(t, s) }, -1},
	{"an erasure that is read", func(t *testing.T, s *store.Shoppers) {
		forget(t, s)
		if _, err := s.Shopper(ctx, anna); !errors.Is(err, who.ErrUnknown) {
			t.Errorf("got %v, want who.ErrUnknown", err)
		}
	}, -1},
}

func record(t *testing.T, s *store.Shoppers, id string) {
	t.Helper()
	if _, err := s.Record(ctx, anna, now, given, []who.Event{buys(id, "item "+id, now)}); err != nil {
		t.Error(err)
	}
}

func attach(t *testing.T, s *store.Shoppers) {
	t.Helper()
	if err := s.Attach(ctx, anna, nil, []string{"note"}, false); err != nil {
		t.Error(err)
	}
}

func forget(t *testing.T, s *store.Shoppers) {
	t.Helper()
	if _, err := s.Erase(ctx, anna, now); err != nil {
		t.Error(err)
	}
}

// TestSlowAnswersBringNothingOld lets somebody read, commit, or attach a note, and others act after the store did it and
// before the answer arrives. What is read then must be what was acknowledged, with a cache and with one that
// holds nothing, where what comes late meets an empty place.
func TestSlowAnswersBringNothingOld(t *testing.T) {
	t.Parallel()
	for _, slow := range []struct {
		name string
		do   func(t *testing.T, s *store.Shoppers, hooks *hooked, hook func())
		buys int
	}{
		{"read", func(t *testing.T, s *store.Shoppers, hooks *hooked, hook func()) {
			hooks.afterScan = hook
			if _, err := s.Shopper(ctx, anna); err != nil {
				t.Error(err)
			}
		}, 0},
		{"commit", func(t *testing.T, s *store.Shoppers, hooks *hooked, hook func()) {
			hooks.afterCommit = hook
			record(t, s, "e5")
		}, 1},
		{"note", func(t *testing.T, s *store.Shoppers, hooks *hooked, hook func()) {
			if _, err := s.Shopper(ctx, anna); err != nil {
				t.Error(err)
			}
			hooks.afterCommit = hook
			attach(t, s)
		}, 0},
	} {
		for _, others := range meanwhile {
			for size, cacheBytes := range map[string]uint64{"kept": 1 << 20, "not kept": 1} {
				t.Run(slow.name+"/"+others.name+"/"+size, func(t *testing.T) {
					t.Parallel()
					setup, documents := open(t, 1<<20)
					record(t, setup, "e1")
					hooks := &hooked{Documents: documents}
					shoppers := over(hooks, cacheBytes, true)
					slow.do(t, shoppers, hooks, func() { others.do(t, shoppers) })
					s, err := shoppers.Shopper(ctx, anna)
					if others.buys < 0 {
						if !errors.Is(err, who.ErrUnknown) {
							t.Errorf("an erased shopper came back: %+v, %v", s, err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if got, want := bought(history(t, s)), 1+slow.buys+others.buys; got != want {
						t.Errorf("read %d purchases after %d were acknowledged", got, want)
					}
					stored, err := over(&hooked{Documents: documents}, 1<<20, true).Shopper(ctx, anna)
					if err != nil || s.Revision() != stored.Revision() {
						t.Errorf("read revision %d, the store has %d, %v", s.Revision(), stored.Revision(), err)
					}
				})
			}
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
