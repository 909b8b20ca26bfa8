package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend/learn"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

// retold is the history that a shopper's diary tells: nothing but events.
func retold(t interface{ Fatal(args ...any) }, s *store.Shoppers, key who.Key, names *who.Names) *who.History {
	var events []who.Event
	for from, more := "", true; more; more = from != "" {
		entries, next, err := s.Diary(ctx, key, from, store.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Event != nil && e.Event.For() == who.Loyalty {
				events = append(events, *e.Event)
			}
		}
		from = next
	}
	return (*who.History)(nil).With(names, events...)
}

// TestDiaryRebuildsTheCrowd holds that diaries alone make the histories, and these the crowd, that recording made event by event: in any
// order, in batches, twice, some of them corrected and removed.
func TestDiaryRebuildsTheCrowd(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	names := who.NewNames()
	s := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: func(string) *who.Names { return names }, CacheBytes: 1 << 20, Alone: true})
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		retailer := fmt.Sprint("rebuilt", checks)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		lived := learn.NewCrowd(nil)
		keys := make([]who.Key, rapid.IntRange(1, 3).Draw(t, "shoppers"))
		count := func(steps ...store.Step) {
			for _, step := range steps {
				lived.Replace(step.Before, step.After)
			}
		}
		for i := range keys {
			keys[i] = who.Key{Retailer: retailer, Shopper: fmt.Sprint("s", i)}
			var events []who.Event
			for n := range rapid.IntRange(1, 60).Draw(t, "events") {
				event := buys(fmt.Sprint("e", n), fmt.Sprint("item-", random.IntN(9)), now.Add(-time.Duration(random.IntN(20*24))*time.Hour))
				event.Basket = fmt.Sprint(event.At.Unix() / 86400)
				switch random.IntN(8) {
				case 0:
					event.Kind, event.Store, event.Item, event.Basket, event.Quantity = who.Visited, fmt.Sprint("store-", random.IntN(3)), "", "", 0
				case 1:
					event.Kind, event.Basket, event.Quantity = who.Viewed, "", 0
				}
				events = append(events, event)
			}
			random.Shuffle(len(events), func(a, b int) { events[a], events[b] = events[b], events[a] })
			for from := 0; from < len(events); {
				to := min(len(events), from+1+random.IntN(10))
				for range 1 + random.IntN(2) {
					recorded, err := s.Record(ctx, keys[i], now, given, events[from:to])
					if err != nil {
						t.Fatal(err)
					}
					count(recorded.Steps...)
				}
				from = to
			}
			step, err := s.Correct(ctx, keys[i], events[0].ID, func(e who.Event) (who.Event, error) {
				e.At = e.At.Add(-time.Hour)
				return e, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if step != nil {
				count(*step)
			}
			_, step, err = s.Remove(ctx, keys[i], func(e store.DiaryEntry) bool { return e.Event != nil && e.Event.ID == events[len(events)-1].ID })
			if err != nil {
				t.Fatal(err)
			}
			if step != nil {
				count(*step)
			}
		}
		rebuilt := learn.NewCrowd(nil)
		for _, key := range keys {
			shopper, err := s.Shopper(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			h := retold(t, s, key, names)
			if got, want := learn.ShareOf(h), learn.ShareOf(who.Counted(shopper)); got != want {
				t.Fatalf("%s: the diary tells %+v, the history is %+v", key.Shopper, h, who.Counted(shopper))
			}
			rebuilt.Replace(nil, h)
		}
		got, want := *rebuilt.View(), *lived.View()
		got.Version, want.Version = 0, 0
		if len(got.Items) > len(want.Items) || got.Shoppers != want.Shoppers || got.Lines != want.Lines || got.Baskets != want.Baskets || got.Visits != want.Visits {
			t.Fatalf("rebuilt %+v\nlived %+v", got, want)
		}
		for n := range got.Items {
			if got.Items[n].Lines == 0 && want.Items[n].Lines == 0 && got.Items[n].Buyers == want.Items[n].Buyers {
				continue // of what is gone an empty rhythm stays
			}
			if !reflect.DeepEqual(got.Items[n], want.Items[n]) {
				t.Fatalf("%s: rebuilt %+v, lived %+v", names.Items.Name(who.Item(n)), got.Items[n], want.Items[n])
			}
		}
	})
}

// BenchmarkRebuild makes a crowd from diaries, and from the histories that were kept, of shoppers who bought 128 lines each.
func BenchmarkRebuild(b *testing.B) {
	const people, lines = 2_000, 128
	documents := embeddedtest.Open(b)
	names := who.NewNames()
	s := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: func(string) *who.Names { return names }, CacheBytes: 1 << 20, Alone: true})
	keys := make([]who.Key, people)
	for i := range keys {
		keys[i] = who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", i)}
		if _, err := s.Record(ctx, keys[i], now, given, regular(keys[i].Shopper)); err != nil {
			b.Fatal(err)
		}
	}
	rate := func(b *testing.B) {
		b.ReportMetric(float64(b.N*people*lines)/b.Elapsed().Seconds(), "lines/s")
		b.ReportMetric(1e6/5, "goal-lines/s")
	}
	b.Run("from=diaries", func(b *testing.B) {
		for b.Loop() {
			crowd, group := learn.NewCrowd(nil), errgroup.Group{}
			group.SetLimit(runtime.GOMAXPROCS(0))
			var one sync.Mutex
			for _, key := range keys {
				group.Go(func() error {
					h := retold(b, s, key, names)
					one.Lock()
					defer one.Unlock()
					crowd.Replace(nil, h)
					return nil
				})
			}
			_ = group.Wait() // retold ends the benchmark where it fails
		}
		rate(b)
	})
	b.Run("from=histories", func(b *testing.B) {
		for b.Loop() {
			crowd := learn.NewCrowd(nil)
			if err := s.Each(ctx, "demo", func(h *who.History) error { crowd.Replace(nil, h); return nil }); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
}
