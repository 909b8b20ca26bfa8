package diary_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/server/diary"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// desk is a diary over a store of its own.
type desk struct {
	*diary.Diary
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	names     *retailer.Names
	unknown   *atomic.Int64
}

func newDesk(t *testing.T) desk {
	t.Helper()
	documents := embeddedtest.Open(t)
	names := retailer.NewNames()
	shoppers := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20, Alone: true})
	retailers := retailer.New(store.NewEntries(documents), shoppers, names, func() time.Time { return noon }, slog.New(slog.DiscardHandler))
	d := desk{nil, shoppers, retailers, names, new(atomic.Int64)}
	d.Diary = diary.New(shoppers, retailers, func(string) { d.unknown.Add(1) })
	return d
}

func (d desk) history(t *rapid.T, shopper who.Key) *who.History {
	found, err := d.shoppers.Shopper(t.Context(), shopper)
	if errors.Is(err, who.ErrUnknown) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	view, ok := who.Access(who.Loyalty, who.NewSubject(found, who.Permissions{}))
	if !ok {
		t.Fatalf("%v granted nothing", shopper)
	}
	return view.History()
}

// TestRecordTellsOfEach holds one batch of good and bad events of several shoppers to one result for each, in order.
func TestRecordTellsOfEach(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := d.retailers.SaveProducts(t.Context(), "r", retailer.Editor{}, []retailer.Change[retailer.Product]{{ID: "milk"}}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, shopper string
		give          who.Event
		want          diary.Result // of Problem a part is enough
	}{
		{"a purchase", "anna", who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: noon}, diary.Result{Status: diary.Stored}},
		{"the same of another shopper", "ben", who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: noon}, diary.Result{Status: diary.Stored}},
		{"the same once more", "anna", who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: noon}, diary.Result{Status: diary.Duplicate}},
		{"without a time", "anna", who.Event{ID: "2", Kind: who.Viewed, Item: "milk"}, diary.Result{Status: diary.Stored}},
		{"of an item that no catalogue has", "ben", who.Event{ID: "2", Kind: who.Viewed, Item: "moon", At: noon}, diary.Result{Status: diary.Stored}},
		{"of no item", "anna", who.Event{ID: "3", Kind: who.Viewed, At: noon}, diary.Result{Status: diary.Refused, Code: diary.Invalid, Field: "item", Problem: "missing"}},
		{"of an unknown kind", "ben", who.Event{ID: "3", Kind: "sneeze", At: noon}, diary.Result{Status: diary.Refused, Code: diary.Invalid, Field: "kind", Problem: "want one of"}},
		{"of next week", "anna", who.Event{ID: "4", Kind: who.Viewed, Item: "milk", At: noon.AddDate(0, 0, 7)}, diary.Result{Status: diary.Refused, Code: diary.Invalid, Field: "at", Problem: "a day from now"}},
		{"after all that", "anna", who.Event{ID: "5", Kind: who.Liked, Item: "milk", At: noon}, diary.Result{Status: diary.Stored}},
	} {
		got, err := d.Record(t.Context(), "r", noon, []diary.Entry{{Shopper: tc.shopper, Event: tc.give}})
		if err != nil {
			t.Fatal(err)
		}
		if r := got[0]; r.Status != tc.want.Status || r.Code != tc.want.Code || r.Field != tc.want.Field || !strings.Contains(r.Problem, tc.want.Problem) {
			t.Errorf("%s: got %+v, want %+v", tc.name, r, tc.want)
		}
	}
	if got := d.unknown.Load(); got != 1 {
		t.Errorf("%d events of unknown items were counted, want 1", got)
	}
}

// TestRecordIsTheSameInPieces holds that events sent in pieces, in pieces that overlap, and again after an answer was
// lost add up to what they do when they are sent once: each is stored once, and everything else is a duplicate.
func TestRecordIsTheSameInPieces(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, r := range []string{"whole", "pieces"} { // the same numbers in both, so that histories can be compared
		for i := range 4 {
			d.names.Of(r).Items.Number(fmt.Sprint("i", i))
			d.names.Of(r).Stores.Number(fmt.Sprint("s", i))
		}
	}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		shopper := func(i int) string { return fmt.Sprintf("round%d-%d", round, i) }
		var whole []diary.Entry
		for n := range rapid.IntRange(1, 20).Draw(t, "events") {
			shop, at := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "store")), noon.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "hours"))*time.Hour)
			whole = append(whole, diary.Entry{Shopper: shopper(rapid.IntRange(0, 2).Draw(t, "shopper")), Event: who.Event{
				ID: fmt.Sprint("e", n), Kind: rapid.SampledFrom([]who.EventKind{who.Purchased, who.Viewed, who.Dismissed, who.Visited}).Draw(t, "kind"),
				Item: fmt.Sprint("i", rapid.IntRange(0, 3).Draw(t, "item")), Store: shop, Basket: shop + at.Format("-0102"), At: at,
			}})
		}
		results, err := d.Record(t.Context(), "whole", noon, whole)
		if err != nil || slices.ContainsFunc(results, func(r diary.Result) bool { return r.Status != diary.Stored }) {
			t.Fatalf("got %+v, %v", results, err)
		}
		stored := map[string]int{}
		for range rapid.IntRange(0, 4).Draw(t, "pieces") {
			from := rapid.IntRange(0, len(whole)-1).Draw(t, "from")
			to := rapid.IntRange(from+1, len(whole)).Draw(t, "to")
			count(t, d, stored, slices.Concat(whole[from:to], whole[from:to][:1]))
		}
		count(t, d, stored, whole)
		for i, e := range whole {
			if stored[e.Event.ID] != 1 {
				t.Fatalf("event %d was stored %d times", i, stored[e.Event.ID])
			}
		}
		for i := range 3 {
			got, want := d.history(t, who.Key{Retailer: "pieces", Shopper: shopper(i)}), d.history(t, who.Key{Retailer: "whole", Shopper: shopper(i)})
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) { // an empty list and none are the same
				t.Fatalf("shopper %d: got %+v, want %+v", i, got, want)
			}
		}
	})
}

// count records a batch and counts what was stored; all else must be a duplicate.
func count(t *rapid.T, d desk, stored map[string]int, batch []diary.Entry) {
	results, err := d.Record(t.Context(), "pieces", noon, batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		switch r.Status {
		case diary.Stored:
			stored[batch[i].Event.ID]++
		case diary.Duplicate:
		default:
			t.Fatalf("got %+v", r)
		}
	}
}

// TestImportAsksForABasis holds whose events an import may bring along: see the table.
func TestImportAsksForABasis(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := d.retailers.SaveSettings(t.Context(), "eu", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: retailer.Settings{Jurisdiction: "EU"}}); err != nil {
		t.Fatal(err)
	}
	decided := func(key who.Key, given bool) {
		if _, err := d.shoppers.Commit(t.Context(), key, 0, store.Change{At: noon, Grants: []who.Grant{{Purpose: who.Loyalty, Given: given, At: noon, Source: who.ByShopper}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, retailer, basis string
		decided               string // what the shopper said before
		want                  string // status, or code of the refusal
		source                who.Source
	}{
		{"by default", "other", "", "", "stored", who.ByRetailerDefault},
		{"nothing by default", "eu", "", "", diary.NoGrant, ""},
		{"nothing by default, with a basis", "eu", "contract", "", "stored", who.ByImport},
		{"a yes", "eu", "", "yes", "stored", who.ByShopper},
		{"a no", "other", "", "no", diary.NoGrant, who.ByShopper},
		{"a no is not for a retailer to change", "eu", "contract", "no", diary.NoGrant, who.ByShopper},
	} {
		key := who.Key{Retailer: tc.retailer, Shopper: tc.name}
		if tc.decided != "" {
			decided(key, tc.decided == "yes")
		}
		got, err := d.Import(t.Context(), tc.retailer, noon, tc.basis, []diary.Entry{{Shopper: tc.name, Event: who.Event{ID: "1", Kind: who.Viewed, Item: "i", At: noon}}})
		if err != nil {
			t.Fatal(err)
		}
		if r := got[0]; string(r.Status) != tc.want && r.Code != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, r, tc.want)
		}
		var grant who.Grant
		if found, err := d.shoppers.Shopper(t.Context(), key); err == nil {
			for _, g := range found.Grants() {
				if g.Purpose == who.Loyalty {
					grant = g
				}
			}
		} else if !errors.Is(err, who.ErrUnknown) {
			t.Fatal(err)
		}
		if grant.Source != tc.source || tc.source == who.ByImport && grant.Basis != tc.basis {
			t.Errorf("%s: the grant is %+v, want one of %q", tc.name, grant, tc.source)
		}
	}
}
