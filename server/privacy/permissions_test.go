package privacy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/server/diary"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// office is where permissions are kept, over a store of its own.
type office struct {
	*privacy.Permissions
	erasures  *privacy.Erasures
	diary     *diary.Diary
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
}

func newOffice(t *testing.T) office {
	t.Helper()
	documents := embeddedtest.Open(t)
	names := retailer.NewNames()
	shoppers := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20, Alone: true})
	retailers := retailer.New(store.NewEntries(documents), shoppers, names, func() time.Time { return noon }, slog.New(slog.DiscardHandler))
	key, err := audit.Key(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := audit.New(documents, key, func() time.Time { return noon })
	erasures := privacy.NewErasures(privacy.Erasing{
		Shoppers: shoppers, Retailers: retailers, Erasures: store.NewErasures(documents), Audit: log, Scrubber: documents,
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	})
	return office{privacy.NewPermissions(shoppers, retailers, log), erasures, diary.New(shoppers, retailers, func(string) {}), shoppers, retailers}
}

// TestDecisionsHold compares with a map: whatever was decided in whatever order, the last word on each purpose holds,
// and where a shopper said nothing the retailer's default does.
func TestDecisionsHold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if _, err := o.retailers.SaveSettings(t.Context(), "eu", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: retailer.Settings{Jurisdiction: "EU"}}); err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		defaults := rapid.Bool().Draw(t, "defaults")
		key := who.Key{Retailer: map[bool]string{true: "other", false: "eu"}[defaults], Shopper: fmt.Sprint("shopper-", round)}
		want := map[who.Purpose]bool{who.Loyalty: defaults, who.Location: defaults}
		said := map[who.Purpose]bool{}
		for n := range rapid.IntRange(0, 5).Draw(t, "decisions") {
			decisions := rapid.MapOfN(rapid.SampledFrom([]who.Purpose{who.Loyalty, who.Location}), rapid.Bool(), 1, 2).Draw(t, "decision")
			got, err := o.Decide(t.Context(), key, decisions, "", noon.Add(time.Duration(n)*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			for purpose, given := range decisions {
				want[purpose], said[purpose] = given, true
			}
			check(t, "the answer", got, want, said)
		}
		got, err := o.Grants(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "asked again", got, want, said)
	})
}

func check(t *rapid.T, when string, got who.Grants, want, said map[who.Purpose]bool) {
	for purpose, held := range want {
		if got.Holds(purpose) != held {
			t.Fatalf("%s: %s holds: %t, want %t in %+v", when, purpose, got.Holds(purpose), held, got)
		}
	}
	for _, grant := range got {
		if source := map[bool]who.Source{true: who.ByShopper, false: who.ByRetailerDefault}[said[grant.Purpose]]; grant.Source != source {
			t.Fatalf("%s: %s is of %q, want %q", when, grant.Purpose, grant.Source, source)
		}
	}
}

// TestDecisionsAtOnce holds that decisions that meet do not undo each other.
func TestDecisionsAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 20 {
		key := who.Key{Retailer: "r", Shopper: fmt.Sprint("hasty-", i)}
		var all sync.WaitGroup
		for _, purpose := range []who.Purpose{who.Loyalty, who.Location} {
			all.Go(func() {
				if _, err := o.Decide(t.Context(), key, map[who.Purpose]bool{purpose: false}, "", noon); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, err := o.Grants(t.Context(), key); err != nil || got.Holds(who.Loyalty) || got.Holds(who.Location) {
			t.Fatalf("%v: got %+v, %v, want both withdrawn", key, got, err)
		}
	}
}

// TestStrangersAreNotKept holds that asking what a shopper allowed stores nothing of them.
func TestStrangersAreNotKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	key := who.Key{Retailer: "r", Shopper: "passer-by"}
	if got, err := o.Grants(t.Context(), key); err != nil || !got.Holds(who.Loyalty) {
		t.Fatalf("got %+v, %v, want the default", got, err)
	}
	if _, err := o.shoppers.Shopper(t.Context(), key); !errors.Is(err, who.ErrUnknown) {
		t.Errorf("got %v, want nothing stored", err)
	}
}

// TestWithdrawnHistoryLeavesTheCrowd holds that what a shopper bought counts for others only as long as the shopper
// allows it: withdrawn it leaves the crowd's counts, granted again it returns.
func TestWithdrawnHistoryLeavesTheCrowd(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { o.retailers.Follow(ctx, time.Hour) })
	t.Cleanup(func() { stop(); running.Wait() })
	for _, shopper := range []string{"anna", "ben"} {
		results, err := o.diary.Record(t.Context(), "r", noon, []diary.Entry{{Shopper: shopper, Event: who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: noon.Add(-time.Hour)}}})
		if err != nil || results[0].Status != diary.Stored {
			t.Fatalf("got %+v, %v", results, err)
		}
	}
	buyers := func(step string, want uint32) {
		t.Helper()
		var got uint32
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			snapshot, err := o.retailers.Of(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			milk, _ := snapshot.Names.Items.Lookup("milk")
			if got = 0; int(milk) < len(snapshot.Suggest.Crowd.Items) {
				got = snapshot.Suggest.Crowd.Items[milk].Buyers
			}
			if got == want {
				return
			}
		}
		t.Fatalf("%s: %d shoppers are known to have bought milk, want %d", step, got, want)
	}
	decide := func(given bool) {
		t.Helper()
		if _, err := o.Decide(t.Context(), who.Key{Retailer: "r", Shopper: "anna"}, map[who.Purpose]bool{who.Loyalty: given}, "", noon); err != nil {
			t.Fatal(err)
		}
	}
	buyers("both allow it", 2)
	decide(false)
	buyers("one withdrew", 1)
	decide(false)
	buyers("and once more", 1)
	decide(true)
	buyers("granted again", 2)
	for range 2 { // the second time nobody is known
		if _, err := o.erasures.Erase(t.Context(), who.Key{Retailer: "r", Shopper: "anna"}, privacy.Actor{Role: "shopper", Name: "anna"}, ""); err != nil {
			t.Fatal(err)
		}
		buyers("one was erased", 1)
	}
}

// TestRestrictionPutsBack holds that a restriction changes no decision for good: lifted, each is in force again as it was, and what had been withdrawn
// before is restricted too.
func TestRestrictionPutsBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	key := who.Key{Retailer: "r", Shopper: "anna"}
	before := who.Grants{
		{Purpose: who.Location, At: noon.Add(-time.Hour), Source: who.ByShopper, Notice: "1", Language: "en", Hash: "b"},
		{Purpose: who.Loyalty, Given: true, At: noon.Add(-2 * time.Hour), Source: who.ByImport, Notice: "1", Language: "de", Hash: "a", Basis: "contract"},
	}
	if _, err := o.shoppers.Commit(t.Context(), key, 0, store.Change{At: noon.Add(-time.Hour), Grants: before}); err != nil {
		t.Fatal(err)
	}
	grants := func() who.Grants {
		t.Helper()
		shopper, err := o.shoppers.Shopper(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return shopper.Grants()
	}
	for range 2 {
		if err := o.RestrictFor(t.Context(), key, true, noon); err != nil {
			t.Fatal(err)
		}
		for _, g := range grants() {
			if g.Given || g.Source != who.ByRestriction {
				t.Errorf("restricted: got %+v", g)
			}
		}
		if err := o.RestrictFor(t.Context(), key, false, noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := grants(); !slices.Equal(got, before) {
			t.Errorf("lifted: got %+v, want %+v", got, before)
		}
	}
	// Nothing but a withdrawal.
	withdrawn := who.Grants{before[0]}
	ben := who.Key{Retailer: "r", Shopper: "ben"}
	if _, err := o.shoppers.Commit(t.Context(), ben, 0, store.Change{At: noon, Grants: withdrawn}); err != nil {
		t.Fatal(err)
	}
	if err := o.RestrictFor(t.Context(), ben, true, noon); err != nil {
		t.Fatal(err)
	}
	if _, restricted, err := o.Preferences(t.Context(), ben); !restricted || err != nil {
		t.Errorf("nothing is granted: restricted %v, %v", restricted, err)
	}
}
