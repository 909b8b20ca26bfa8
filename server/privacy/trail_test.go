package privacy_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
)

// breaking is a store that is lost at one of its verbs: that one and all later ones fail, and a commit may have been stored all the same.
type breaking struct {
	store.Documents
	verbs, at int  // how many there were; the one at which it breaks, 0: never
	stored    bool // the commit that breaks is stored
}

var errBroken = fmt.Errorf("the process ended here: %w", store.ErrUnavailable)

func (b *breaking) ends() bool {
	b.verbs++
	return b.at > 0 && b.verbs >= b.at
}

func (b *breaking) Get(ctx context.Context, partition, id string) (store.Document, error) {
	if b.ends() {
		return store.Document{}, errBroken
	}
	return b.Documents.Get(ctx, partition, id)
}

func (b *breaking) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	if b.ends() {
		return store.Page{}, errBroken
	}
	return b.Documents.Scan(ctx, partition, from, to, limit)
}

func (b *breaking) Commit(ctx context.Context, batch store.Batch) (store.Revision, error) {
	if b.ends() {
		if b.stored && b.verbs == b.at {
			if _, err := b.Documents.Commit(ctx, batch); err != nil {
				return 0, errors.Join(errBroken, err)
			}
		}
		return 0, errBroken
	}
	return b.Documents.Commit(ctx, batch)
}

func (b *breaking) Marked(ctx context.Context, kind, key string, after store.Position, to time.Time, limit int) ([]store.Marked, bool, error) {
	if b.ends() {
		return nil, false, errBroken
	}
	return b.Documents.Marked(ctx, kind, key, after, to, limit)
}

// process is what one process has of permissions over documents that others have too.
type process struct {
	*privacy.Permissions
	shoppers *store.Shoppers
	log      *audit.Log
}

func newProcess(t *testing.T, documents store.Documents, folder string) process {
	t.Helper()
	names := retailer.NewNames()
	shoppers := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20})
	retailers := retailer.New(store.NewEntries(documents), shoppers, names, func() time.Time { return noon }, slog.New(slog.DiscardHandler))
	key, err := audit.Key(folder)
	if err != nil {
		t.Fatal(err)
	}
	log := audit.New(documents, key, func() time.Time { return noon })
	return process{privacy.NewPermissions(shoppers, retailers, log), shoppers, log}
}

// TestNoDecisionWithoutItsEntry ends the process that decides, and then the worker that makes up for it, at each verb of the store, before and
// after what it commits. What is stored of decisions and what the log tells are the same in the end, one entry each, and the chain is whole.
func TestNoDecisionWithoutItsEntry(t *testing.T) {
	t.Parallel()
	const furthest = 40
	decided, ended := 0, 0
	for at := 1; ; at++ {
		if at > furthest {
			t.Fatalf("a decision takes more than %d verbs", furthest)
		}
		whole := false
		for _, stored := range []bool{false, true} {
			for worker := 1; worker <= 8; worker += 3 {
				documents, folder := embeddedtest.Open(t), t.TempDir()
				broken := &breaking{Documents: documents, at: at, stored: stored}
				key := who.Key{Retailer: "r", Shopper: "anna"}
				_, err := newProcess(t, broken, folder).Decide(t.Context(), key, map[who.Purpose]bool{who.Location: false}, "", noon)
				whole = broken.verbs < at
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Fatal(err)
				}
				later := noon.Add(time.Minute)
				_ = newProcess(t, &breaking{Documents: documents, at: worker, stored: stored}, folder).Sweep(t.Context(), later) // ends, too
				last := newProcess(t, documents, folder)
				for range 2 {
					if err := last.Sweep(t.Context(), later); err != nil {
						t.Fatal(err)
					}
				}
				ended++
				decided += equalTold(t, last, key, fmt.Sprintf("broken at %d, stored %t, worker at %d", at, stored, worker))
				if _, err := audit.Verify(t.Context(), documents, "r", []ed25519.PublicKey{last.log.Key()}, nil); err != nil {
					t.Fatal(err)
				}
				if owed, _, err := last.shoppers.Owed(t.Context(), later); err != nil || len(owed) > 0 {
					t.Fatalf("owed still: %v, %v", owed, err)
				}
			}
		}
		if whole {
			break
		}
	}
	if decided == 0 || decided == ended {
		t.Errorf("%d of %d runs stored a decision: want some, not all", decided, ended)
	}
}

// equalTold compares what is stored of decisions with what the log tells, and returns how many there are.
func equalTold(t *testing.T, p process, key who.Key, when string) int {
	t.Helper()
	decisions, err := p.shoppers.Decisions(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	decisions = slices.DeleteFunc(decisions, func(g who.Grant) bool { return g.Source == who.ByRetailerDefault })
	entries, _, err := p.log.Entries(t.Context(), key.Retailer, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(decisions) {
		t.Fatalf("%s: the log has %d entries of %d decisions", when, len(entries), len(decisions))
	}
	for i, e := range entries {
		want := map[string]string{string(decisions[i].Purpose): map[bool]string{true: "granted", false: "withdrawn"}[decisions[i].Given]}
		if !maps.Equal(e.Detail, want) || e.Object != p.shoppers.Pseudonym(key) || !e.At.Equal(decisions[i].At) || e.Role != string(who.ByShopper) {
			t.Fatalf("%s: got %+v, want %v", when, e, want)
		}
	}
	return len(decisions)
}

// TestErasedDecisionsAreTold holds that an erasure does not take along what the log is still to be told.
func TestErasedDecisionsAreTold(t *testing.T) {
	t.Parallel()
	documents, folder := embeddedtest.Open(t), t.TempDir()
	key := who.Key{Retailer: "r", Shopper: "anna"}
	p := newProcess(t, documents, folder)
	if _, err := p.shoppers.Commit(t.Context(), key, 0, store.Change{At: noon, Owed: true, Grants: []who.Grant{{Purpose: who.Loyalty, Given: true, At: noon, Source: who.ByShopper}}}); err != nil {
		t.Fatal(err)
	}
	if err := p.PayFor(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if equalTold(t, p, key, "paid") != 1 {
		t.Error("nothing was decided")
	}
	if err := p.shoppers.Forget(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := p.shoppers.Paid(t.Context(), store.Owed{Partition: p.shoppers.Partition(key), ID: "grant/0000000000000001"}); err != nil {
		t.Fatal(err)
	}
	if left, err := p.shoppers.Leftovers(t.Context(), p.shoppers.Partition(key)); err != nil || left {
		t.Errorf("what was erased came back: %t, %v", left, err)
	}
}

// TestToldOnceIsForgotten holds that the names of what was told do not pile up.
func TestToldOnceIsForgotten(t *testing.T) {
	t.Parallel()
	documents, folder := embeddedtest.Open(t), t.TempDir()
	p := newProcess(t, documents, folder)
	key := who.Key{Retailer: "r", Shopper: "anna"}
	if _, err := p.Decide(t.Context(), key, map[who.Purpose]bool{who.Location: true}, "", noon); err != nil {
		t.Fatal(err)
	}
	once := func() int {
		page, err := documents.Scan(t.Context(), audit.Partition("r"), "once/", "once0", 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Documents)
	}
	if once() != 1 {
		t.Fatal("the log does not know what it was told")
	}
	if err := p.Sweep(t.Context(), noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if once() != 0 {
		t.Error("the log remembers it for ever")
	}
	if _, err := p.Decide(t.Context(), key, map[who.Purpose]bool{who.Location: false}, "", noon); err != nil {
		t.Fatal(err)
	}
	equalTold(t, p, key, "after it was forgotten")
}
