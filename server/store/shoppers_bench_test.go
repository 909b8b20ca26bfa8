package store_test

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
)

// processor starts to count the processor time of the whole process, and the returned function reports it for each of n
// things done: on a busy machine it says more than the clock, and it counts what the store does in the background.
func processor(b *testing.B) func(n int) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func(n int) { b.ReportMetric(float64(used()-start)/float64(n), "cpu-ns/each") }
}

// regular makes the events of a shopper who buys 60 items in 16 baskets.
func regular(id string) []who.Event {
	var events []who.Event
	for basket := range 16 {
		for line := range 8 {
			e := buys(fmt.Sprintf("%s %d %d", id, basket, line), fmt.Sprint("item ", (basket*5+line*7)%60), now.Add(-time.Duration(basket)*7*24*time.Hour))
			e.Basket, e.Store, e.Price = fmt.Sprint("basket ", basket), fmt.Sprint("store ", basket%3), who.Money{Minor: 250, Known: true}
			events = append(events, e)
		}
	}
	return events
}

// seen is a presence after a walk: a full tail and three geofences.
func seen() geo.Presence {
	p := geo.Presence{Shopper: "pseudonym"}
	for i := range geo.MaxTail {
		p.Tail = append(p.Tail, geo.Fix{At: now.Add(time.Duration(i) * time.Second), Point: geo.Point{Lat: 48.87, Lng: 2.33}, AccuracyMeters: 12})
	}
	for _, id := range []string{"bakery", "mall", "market"} {
		p.Now.Stays = append(p.Now.Stays, geo.Stay{Geofence: id, Version: 1, Inside: true, Begin: now, DwellAt: now.Add(time.Minute), Admitted: true})
	}
	p.Now.Track.Ways[0].Weight = 1
	p.Base = p.Now
	return p
}

func BenchmarkShopper(b *testing.B) {
	for name, cacheBytes := range map[string]uint64{"hot": 64 << 20, "cold": 1} {
		b.Run(name, func(b *testing.B) {
			shoppers, _ := open(b, cacheBytes)
			const people = 500
			keys := make([]who.Key, people)
			for i := range keys {
				keys[i] = who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", i)}
				if _, err := shoppers.Record(ctx, keys[i], now, given, regular("e")); err != nil {
					b.Fatal(err)
				}
			}
			report := processor(b)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := shoppers.Shopper(ctx, keys[i%people]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			report(b.N)
		})
	}
}

// BenchmarkCommitPresence pays for what a call with a position writes, from 64 callers at once.
func BenchmarkCommitPresence(b *testing.B) {
	for name, lazy := range map[string]bool{"lazy": true, "durable": false} {
		b.Run(name, func(b *testing.B) {
			shoppers, _ := open(b, 64<<20)
			p := seen()
			var next atomic.Int64
			b.SetParallelism(32)
			b.ReportAllocs()
			report := processor(b)
			b.RunParallel(func(pb *testing.PB) {
				key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", next.Add(1))}
				revision := int64(0)
				for pb.Next() {
					s, err := shoppers.Commit(ctx, key, revision, store.Change{At: now, Defaults: given, Presence: &p, Lazy: lazy})
					if err != nil {
						b.Error(err)
						return
					}
					revision = s.Revision()
				}
			})
			report(b.N)
		})
	}
}

// BenchmarkRecord pays for a till's receipt of 8 lines of a regular shopper, from 64 callers at once, and for a
// first import of 128 lines a shopper.
func BenchmarkRecord(b *testing.B) {
	b.Run("lines=8", func(b *testing.B) {
		shoppers, _ := open(b, 64<<20)
		const people, receipts = 64, 512
		for i := range people {
			if _, err := shoppers.Record(ctx, who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", i)}, now, given, regular("e")); err != nil {
				b.Fatal(err)
			}
		}
		lines := make([][]who.Event, receipts)
		for i := range lines {
			lines[i] = regular(fmt.Sprint(i))[:8]
		}
		var caller, round atomic.Int64
		round.Store(time.Now().UnixNano()) // each run of the benchmark brings events that are new
		b.SetParallelism(people / 2)
		b.ReportAllocs()
		report := processor(b)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", caller.Add(1)%people)}
			events := make([]who.Event, 8)
			for n := 0; pb.Next(); n++ {
				copy(events, lines[n%receipts])
				id := round.Add(1)
				for i := range events {
					events[i].ID = fmt.Sprint(id, i)
				}
				if _, err := shoppers.Record(ctx, key, now, given, events); err != nil {
					b.Error(err)
				}
			}
		})
		report(8 * b.N)
		b.ReportMetric(8*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
	b.Run("import=128", func(b *testing.B) {
		shoppers, _ := open(b, 64<<20)
		var next atomic.Int64
		b.SetParallelism(8)
		b.ReportAllocs()
		report := processor(b)
		b.RunParallel(func(pb *testing.PB) {
			events := regular("e")
			for pb.Next() {
				key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", next.Add(1))}
				if _, err := shoppers.Record(ctx, key, now, given, events); err != nil {
					b.Error(err)
				}
			}
		})
		report(128 * b.N)
		b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
}

// BenchmarkEach pays for one shopper's history when a retailer's crowd is counted again.
func BenchmarkEach(b *testing.B) {
	shoppers, _ := open(b, 1)
	const people = 2_000
	for i := range people {
		if _, err := shoppers.Record(ctx, who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", i)}, now, given, regular("e")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	report := processor(b)
	told := 0
	for b.Loop() {
		if err := shoppers.Each(ctx, "demo", func(*who.History) error { told++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	report(told)
	b.ReportMetric(float64(told)/b.Elapsed().Seconds(), "histories/s")
}
