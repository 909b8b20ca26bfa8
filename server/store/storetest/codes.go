package storetest

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/server/store"
)

// codesOnce lets shoppers redeem the same codes in two processes at once, while a worker settles what it finds held.
func codesOnce(t *testing.T, d store.Documents) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	given := who.Defaults([]who.Purpose{who.Loyalty}, now)
	type till struct {
		shoppers *store.Shoppers
		codes    *store.Codes
	}
	var tills [2]till
	for i := range tills {
		names := who.NewNames()
		shoppers := store.NewShoppers(d, store.ShoppersConfig{Secret: []byte("secret"), Names: func(string) *who.Names { return names }, CacheBytes: 1 << 20})
		tills[i] = till{shoppers, store.NewCodes(d, shoppers, func() time.Time { return now })}
	}
	codes := []string{"AAAA1111", "BBBB2222"}
	if _, err := tills[0].codes.Add(t.Context(), "demo", "ten", codes); err != nil {
		t.Fatal(err)
	}
	redeem := func(p till, key who.Key, code string) (bool, error) {
		hold, err := p.codes.Hold(t.Context(), key, "ten", code, code)
		if err != nil {
			return false, err
		}
		recorded, err := p.shoppers.Redeem(t.Context(), key, now, given, store.Redemption{
			Event: who.Event{ID: code, Kind: who.Redeemed, Item: "ten", Code: code, At: now, Source: "app"}, Still: hold.Still})
		if err != nil || !recorded.Fresh[0] {
			return false, err
		}
		return true, hold.Use(t.Context())
	}
	var times [2]atomic.Int64
	var all sync.WaitGroup
	var keys [3]who.Key
	for s := range keys { // of whom something is known: a hold of somebody unknown is lost to all others when it is settled
		keys[s] = who.Key{Retailer: "demo", Shopper: fmt.Sprint("shopper", s)}
		if _, err := tills[0].shoppers.Record(t.Context(), keys[s], now, given, []who.Event{{ID: "first", Kind: who.Viewed, Item: "milk", At: now, Source: "app"}}); err != nil {
			t.Fatal(err)
		}
	}
	for s, key := range keys {
		all.Go(func() {
			for i := range codes {
				n := (i + s) % len(codes)
				for range 20 {
					fresh, err := redeem(tills[s%2], key, codes[n])
					if fresh {
						times[n].Add(1)
					}
					if err == nil || errors.Is(err, store.ErrCodeUsed) {
						break
					}
					if !errors.Is(err, store.ErrCodeHeld) {
						t.Errorf("%v of %s: %v", key, codes[n], err)
						break
					}
					if _, err := tills[1].codes.Settle(t.Context(), now.Add(time.Second)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if _, err := tills[0].codes.Settle(t.Context(), now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for n := range times { // whoever comes last finds it used, or is the one
		if fresh, err := redeem(tills[0], who.Key{Retailer: "demo", Shopper: "last"}, codes[n]); fresh {
			times[n].Add(1)
		} else if !errors.Is(err, store.ErrCodeUsed) {
			t.Errorf("code %s at last: %v", codes[n], err)
		}
		if got := times[n].Load(); got != 1 {
			t.Errorf("code %s was redeemed %d times, want once", codes[n], got)
		}
	}
}

// quotasExact lets two processes hand out what there is, at once.
func quotasExact(t *testing.T, d store.Documents) {
	const limit = 30
	quota := store.Quota{Retailer: "demo", Of: "ten", What: "offer-stock"}
	var spent atomic.Int64
	var all sync.WaitGroup
	for range 2 {
		q := store.NewQuotas(d, slog.New(slog.DiscardHandler))
		all.Go(func() {
			for {
				ok, err := q.Draw(t.Context(), quota, limit, 1)
				if err != nil {
					t.Error(err)
				}
				if !ok || err != nil {
					return
				}
				spent.Add(1)
			}
		})
	}
	all.Wait()
	if spent.Load() != limit {
		t.Errorf("%d were handed out, want %d", spent.Load(), limit)
	}
}
