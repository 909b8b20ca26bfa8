package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
	"satnav/server/store/embedded"
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
	documents, err := embedded.Open(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := documents.Close(); err != nil {
			t.Error(err)
		}
	})
	return over(documents, cacheBytes), documents
}

// over makes shoppers with vocabularies of their own, like another process would.
func over(documents store.Documents, cacheBytes uint64) *store.Shoppers {
	names := map[string]*who.Names{"demo": who.NewNames(), "other": who.NewNames(), "de/mo": who.NewNames()}
	return store.NewShoppers(documents, store.ShoppersConfig{
		Secret: []byte("a secret of the installation"), Names: func(retailer string) *who.Names { return names[retailer] },
		CacheBytes: cacheBytes, Alone: true,
	})
}

func buys(id, item string, at time.Time) who.Event {
	return who.Event{ID: id, Kind: who.Purchased, At: at, Item: item, Quantity: 1, Source: "app"}
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
	shopper, err := shoppers.Shopper(ctx, anna)
	if err != nil || !shopper.Since().Equal(now) || !shopper.Grants().Holds(who.Loyalty) {
		t.Fatalf("after: got %+v, %v", shopper, err)
	}
	presence := geo.Presence{Shopper: "p", Replayable: 3}
	if _, err = shoppers.Commit(ctx, anna, shopper.Revision(), store.Change{At: now, Presence: &presence}); err != nil {
		t.Fatal(err)
	}
	if _, err = shoppers.Commit(ctx, anna, shopper.Revision(), store.Change{At: now, Presence: &presence}); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("second commit over one revision: got %v, want ErrConflict", err)
	}
}
