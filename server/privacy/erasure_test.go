package privacy_test

import (
	"log/slog"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
)

// TestProofWaitsForEveryProcess holds that the proof of an erasure closes only once each process that counts has said that it counts
// the shopper no more, however its clock goes, and a model was learnt without them; and that what was left names nobody.
func TestProofWaitsForEveryProcess(t *testing.T) {
	t.Parallel()
	ctx, documents, quiet := t.Context(), embeddedtest.Open(t), slog.New(slog.DiscardHandler)
	key, err := audit.Key(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	erasures := store.NewErasures(documents)
	type process struct {
		shoppers  *store.Shoppers
		retailers *retailer.Retailers
		erasures  *privacy.Erasures
	}
	start := func(clock time.Time) process {
		names, now := retailer.NewNames(), func() time.Time { return clock }
		shoppers := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 1 << 20})
		retailers := retailer.New(store.NewEntries(documents), shoppers, names, now, quiet)
		if _, err := retailers.Of(ctx, "shop"); err != nil {
			t.Fatal(err)
		}
		return process{shoppers, retailers, privacy.NewErasures(privacy.Erasing{
			Shoppers: shoppers, Retailers: retailers, Erasures: erasures, Audit: audit.New(documents, key, now), Now: now, Log: quiet,
		})}
	}
	late, early := start(noon.Add(-time.Hour)), start(noon) // the eraser's clock is behind the learner's
	anna := who.Key{Retailer: "shop", Shopper: "anna"}
	err = late.retailers.Record(ctx, "shop", func() ([]store.Step, error) {
		recorded, err := late.shoppers.Record(ctx, anna, noon, who.Defaults([]who.Purpose{who.Loyalty}, noon), []who.Event{
			{ID: "e", Kind: who.Purchased, Item: "rope", Quantity: 1, At: noon.Add(-2 * time.Hour)},
		})
		return recorded.Steps, err
	})
	if err != nil {
		t.Fatal(err)
	}
	counted := func(p process) int {
		t.Helper()
		if err := p.retailers.Heed(ctx); err != nil {
			t.Fatal(err)
		}
		snapshot, err := p.retailers.Of(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Suggest.Crowd.Shoppers
	}
	if late, early := counted(late), counted(early); late != 1 || early != 1 {
		t.Fatalf("%d and %d shoppers are counted, want 1 and 1", late, early)
	}
	if _, err := early.retailers.Learn(ctx, "shop"); err != nil { // it began after the hour at which the eraser thinks it erases
		t.Fatal(err)
	}
	const stuck = "stuck" // a process that is there and does not follow
	if err := late.shoppers.Crowds().Say(ctx, stuck, 0, 1); err != nil {
		t.Fatal(err)
	}

	receipt, err := late.erasures.Erase(ctx, anna, privacy.Actor{Role: "admin"}, "")
	if err != nil {
		t.Fatal(err)
	}
	proof := func() store.Proof {
		t.Helper()
		if err := late.erasures.Sweep(ctx, true); err != nil {
			t.Fatal(err)
		}
		proof, err := late.erasures.Proof(ctx, "shop", receipt.ID)
		if err != nil {
			t.Fatal(err)
		}
		return proof
	}
	if n := counted(late); n != 0 {
		t.Errorf("where she was erased %d shoppers are counted", n)
	}
	if n := counted(early); n != 0 {
		t.Errorf("in the other process %d shoppers are counted", n)
	}
	if unlearnt, err := late.retailers.Unlearnt(ctx, "shop", 1); err != nil || unlearnt {
		t.Errorf("a model that had seen her shows that she is unlearnt: %v, %v", unlearnt, err)
	}
	if _, err := late.retailers.Learn(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	if p := proof(); !p.Completed.IsZero() {
		t.Error("the proof is closed while a process may count her")
	}
	open, err := erasures.Open(ctx)
	if err != nil || len(open) != 1 || open[0].Partition == "" {
		t.Fatalf("open: %+v, %v: the process that is behind can find her no more", open, err)
	}
	if err := late.shoppers.Crowds().Say(ctx, stuck, open[0].Epoch, 2); err != nil {
		t.Fatal(err)
	}
	if p := proof(); p.Completed.IsZero() {
		t.Error("the proof is open still")
	}
}
