package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var day = 24 * time.Hour

// keeping is a store that keeps what is for loyalty for a month, and a week after it was taken back.
func keeping(t *testing.T) *store.Shoppers {
	names := who.NewNames()
	return store.NewShoppers(embeddedtest.Open(t), store.ShoppersConfig{
		Secret: []byte("secret"), Names: func(string) *who.Names { return names }, CacheBytes: 1 << 20,
		Keep: func(string, who.Purpose) who.Keep { return who.Keep{Age: 30 * day, Withdrawn: 7 * day} },
	})
}

// kept is the card that is kept of anna, in a word.
func kept(t *testing.T, shoppers *store.Shoppers) string {
	t.Helper()
	card, err := shoppers.Card(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	if card == nil {
		return "none"
	}
	points, known := card.Balance()
	return fmt.Sprint(card.Tier, " ", points, " ", known)
}

// TestCardIsKept follows a card: told anew, too late, spent, taken away.
func TestCardIsKept(t *testing.T) {
	t.Parallel()
	shoppers := keeping(t)
	put := func(tier string, points int64, at time.Time) error {
		_, err := shoppers.PutCard(ctx, anna, at, given, who.Card{Tier: tier, Points: points, Counts: true, At: at, Source: "backend"})
		return err
	}
	spend := func(id string, points int64, at time.Time) error {
		_, err := shoppers.Redeem(ctx, anna, at, given, store.Redemption{Points: points, Event: who.Event{ID: id, Kind: who.Redeemed, Item: "cup", At: at, Source: "app"}})
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
		err  error
		want string
	}{
		{"nothing is known", func() error { return shoppers.DropCard(ctx, anna, now) }, store.ErrNotFound, "none"},
		{"points of no card", func() error { return spend("0", 1, now) }, store.ErrPoints, "none"},
		{"told", func() error { return put("blue", 100, now) }, nil, "blue 100 true"},
		{"told again", func() error { return put("gold", 120, now.Add(time.Minute)) }, nil, "gold 120 true"},
		{"an older one", func() error { return put("blue", 90, now) }, store.ErrOlder, "gold 120 true"},
		{"redeemed", func() error { return spend("1", 50, now.Add(2*time.Minute)) }, nil, "gold 70 true"},
		{"the same event", func() error { return spend("1", 50, now.Add(2*time.Minute)) }, nil, "gold 70 true"},
		{"more than there is", func() error { return spend("2", 71, now.Add(2*time.Minute)) }, store.ErrPoints, "gold 70 true"},
		{"a balance of before it", func() error { return put("gold", 130, now.Add(90*time.Second)) }, nil, "gold 80 true"},
		{"a balance of after it", func() error { return put("gold", 80, now.Add(3*time.Minute)) }, nil, "gold 80 true"},
		{"taken away", func() error { return shoppers.DropCard(ctx, anna, now.Add(4*time.Minute)) }, nil, "none"},
		{"told after that", func() error { return put("gold", 5, now.Add(5*time.Minute)) }, nil, "gold 5 true"},
		{"erased", func() error { _, err := shoppers.Erase(ctx, anna, now); return err }, nil, "none"},
	} {
		if err := step.do(); !errors.Is(err, step.err) {
			t.Fatalf("%s: got %v, want %v", step.name, err, step.err)
		}
		if got := kept(t, shoppers); got != step.want {
			t.Fatalf("%s: %s is kept, want %s", step.name, got, step.want)
		}
	}
}

// TestCardGoes holds when a card goes by itself, and of whom none is kept.
func TestCardGoes(t *testing.T) {
	t.Parallel()
	card := who.Card{Tier: "gold", At: now, Source: "backend"}
	decide := func(t *testing.T, shoppers *store.Shoppers, change store.Change) {
		t.Helper()
		shopper, err := shoppers.Shopper(ctx, anna)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shoppers.Commit(ctx, anna, shopper.Revision(), change); err != nil {
			t.Fatal(err)
		}
	}
	taken := store.Change{At: now, Grants: []who.Grant{{Purpose: who.Loyalty, At: now, Source: who.ByShopper}}}
	for _, c := range []struct {
		name   string
		change *store.Change
		at     time.Duration // of the round
		want   string
	}{
		{"within its time", nil, 29 * day, "gold 0 false"},
		{"after its time", nil, 31 * day, "none"},
		{"taken back yesterday", &taken, day, "gold 0 false"},
		{"taken back a while ago", &taken, 8 * day, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shoppers := keeping(t)
			if _, err := shoppers.PutCard(ctx, anna, now, given, card); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				decide(t, shoppers, *c.change)
				if _, err := shoppers.PutCard(ctx, anna, now, given, card); !errors.Is(err, store.ErrNoGrant) {
					t.Errorf("without the permission: got %v", err)
				}
			}
			if found, _, err := shoppers.Expiring(ctx, store.Position{}, now.Add(31*day)); err != nil || len(found) != 1 {
				t.Errorf("%d are to be looked at, want one: %v", len(found), err)
			}
			if _, _, err := shoppers.Expire(ctx, anna, now.Add(c.at)); err != nil {
				t.Fatal(err)
			}
			if got := kept(t, shoppers); got != c.want {
				t.Errorf("%s is kept, want %s", got, c.want)
			}
		})
	}
	shoppers := keeping(t)
	if _, err := shoppers.PutCard(ctx, anna, now, who.Grants{}, card); !errors.Is(err, store.ErrNoGrant) {
		t.Errorf("of a stranger who granted nothing: got %v", err)
	}
	if _, err := shoppers.PutCard(ctx, anna, now, given, card); err != nil {
		t.Fatal(err)
	}
	decide(t, shoppers, store.Change{At: now, Wishes: &who.Preferences{Paused: now}})
	if _, err := shoppers.PutCard(ctx, anna, now, given, card); !errors.Is(err, store.ErrPaused) {
		t.Errorf("while it is paused: got %v", err)
	}
}

// TestPointsAreSpentOnce lets two processes spend the same points at once, while the programme tells the same balance again and again.
func TestPointsAreSpentOnce(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	processes := []*store.Shoppers{over(documents, 1<<20, false), over(documents, 1<<20, false)}
	card := who.Card{Points: 100, Counts: true, At: now, Source: "backend"}
	if _, err := processes[0].PutCard(ctx, anna, now, given, card); err != nil {
		t.Fatal(err)
	}
	var stored atomic.Int64
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			_, err := processes[i%2].Redeem(ctx, anna, now.Add(time.Second), given, store.Redemption{Points: 30,
				Event: who.Event{ID: fmt.Sprint(i), Kind: who.Redeemed, Item: "cup", At: now, Source: "app"}})
			switch {
			case err == nil:
				stored.Add(1)
			case !errors.Is(err, store.ErrPoints):
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := processes[i%2].PutCard(ctx, anna, now, given, card); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := kept(t, processes[0]); stored.Load() != 3 || got != " 10 true" {
		t.Errorf("%d were redeemed, %s is left; want 3 and 10", stored.Load(), got)
	}
}
