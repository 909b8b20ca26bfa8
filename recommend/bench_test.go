package recommend_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"satnav/context/scene"
	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/learn"
)

// city is a retailer of a real one's size: items are bought by a long tail, each shopper has favourites
// with rhythms of their own, and shops in one or two stores.
func city(shoppers, products int) (*recommend.Snapshot, []*who.History, *learn.Crowd) {
	random := rand.New(rand.NewPCG(1, 2))
	names := who.NewNames()
	var rows []recommend.Product
	for i := range products {
		rows = append(rows, recommend.Product{
			ID: fmt.Sprint("p", i), Title: fmt.Sprint("Product ", i),
			Category: fmt.Sprint("category ", i%200), Brand: fmt.Sprint("brand ", i%700),
		})
	}
	catalogue := recommend.NewCatalogue(names, rows)
	var stores []*where.Store
	for i := range 30 {
		stores = append(stores, &where.Store{ID: fmt.Sprint("s", i), Name: fmt.Sprint("Store ", i), Point: geo.Point{Lat: 51 + float64(i)/100, Lng: float64(i%6) / 50}})
	}
	popular := rand.NewZipf(random, 1.05, 20, uint64(products-1))
	crowd := learn.NewCrowd(nil)
	histories := make([]*who.History, shoppers)
	for i := range histories {
		favourites := make([]string, 10+random.IntN(50))
		for f := range favourites {
			favourites[f] = fmt.Sprint("p", popular.Uint64())
		}
		home := fmt.Sprint("s", random.IntN(30))
		var events []who.Event
		baskets := 2 + int(random.ExpFloat64()*14)
		every := 2 + random.IntN(14)
		for b := range baskets {
			at := monday.AddDate(0, 0, -every*(baskets-b)-random.IntN(2)).Add(time.Duration(random.IntN(12)) * time.Hour)
			for range 2 + random.IntN(10) {
				item := favourites[min(random.IntN(len(favourites)), random.IntN(len(favourites)))]
				if random.IntN(5) == 0 {
					item = fmt.Sprint("p", popular.Uint64())
				}
				events = append(events, who.Event{Kind: who.Purchased, Item: item, At: at, Basket: fmt.Sprint(b), Store: home})
			}
		}
		histories[i] = (*who.History)(nil).With(names, events...)
		crowd.Replace(nil, histories[i])
	}
	return recommend.NewSnapshot(names, catalogue, stores, crowd.View(), nil), histories, crowd
}

// BenchmarkRecommend is one answer of 20 suggestions with reasons by a learnt model, shoppers drawn evenly,
// at a place and with a basket of two under way; beside it, for the same shoppers, the plainest list there
// is: what they bought most often, then what is popular, without a reason.
func BenchmarkRecommend(b *testing.B) {
	for _, size := range []struct{ shoppers, products int }{{5_000, 3_000}, {100_000, 30_000}} {
		b.Run(fmt.Sprintf("shoppers=%d/products=%d", size.shoppers, size.products), func(b *testing.B) {
			snapshot, histories, _ := city(size.shoppers, size.products)
			model, err := learn.Fit(snapshot, histories[:min(len(histories), 20_000)], "learnt", monday)
			if err != nil {
				b.Fatal(err)
			}
			snapshot = snapshot.With(snapshot.Crowd, model)
			grants := who.Defaults([]who.Purpose{who.Loyalty, who.Location}, monday)
			place := where.Place{Known: true, Precision: geo.Precise, Point: geo.Point{Lat: 51.05, Lng: 0.02}}
			random := rand.New(rand.NewPCG(3, 4))
			requests, asking := make([]*recommend.Request, 1<<14), make([]*who.History, 1<<14)
			for i := range requests {
				asking[i] = histories[random.IntN(len(histories))]
				shopper := who.New(who.Record{Key: who.Key{Retailer: "r", Shopper: "s"}, Grants: grants, History: asking[i]})
				requests[i] = &recommend.Request{
					Scene: scene.Scene{
						Shopper: who.NewSubject(shopper, who.Permissions{Location: geo.Precise}),
						Place:   place,
						Moment:  when.Moment{Instant: monday},
					},
					Limit:  20,
					Basket: []who.Item{who.Item(random.IntN(100)), who.Item(random.IntN(100))},
				}
			}
			plain := make([]time.Duration, len(asking))
			for i, h := range asking {
				begin := time.Now()
				plainest(h, snapshot.Crowd.Popular, 20)
				plain[i] = time.Since(begin)
			}
			latencies := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				r := requests[len(latencies)%len(requests)]
				begin := time.Now()
				recommend.Recommend(snapshot, r)
				latencies = append(latencies, time.Since(begin))
			}
			allocations := testing.AllocsPerRun(1000, func() { recommend.Recommend(snapshot, requests[7]) })
			p50, p99 := percentile(latencies, 0.5), percentile(latencies, 0.99)
			b.ReportMetric(p50, "p50-µs")
			b.ReportMetric(p99, "p99-µs")
			b.Logf("p50 %.1f µs (goal 35, stretch 20); p99 %.0f µs (goal 1000); %.0f allocations (goal 10); model %s; the plainest list: p50 %.1f µs, p99 %.0f µs",
				p50, p99, allocations, model.Version, percentile(plain, 0.5), percentile(plain, 0.99))
		})
	}
}

// plainest is the list that needs no model.
func plainest(h *who.History, popular []who.Item, limit int) []who.Item {
	own := slices.Clone(h.Items)
	slices.SortFunc(own, func(a, b who.Bought) int { return cmp.Compare(b.Count, a.Count) })
	var list []who.Item
	for _, b := range own[:min(limit, len(own))] {
		list = append(list, b.Item)
	}
	for _, item := range popular {
		if len(list) >= limit {
			break
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

// percentile is in microseconds; it sorts.
func percentile(latencies []time.Duration, share float64) float64 {
	slices.Sort(latencies)
	return float64(latencies[int(share*float64(len(latencies)-1))].Nanoseconds()) / 1000
}

// BenchmarkLearn is a learning from a million lines, its backtest included; beside it the time that reading
// those lines into histories and counts takes, which is what a rebuild from the log needs after its disk.
func BenchmarkLearn(b *testing.B) {
	const lines = 1_000_000
	names := who.NewNames()
	var events [][]who.Event
	random := rand.New(rand.NewPCG(5, 6))
	popular := rand.NewZipf(random, 1.05, 20, 29_999)
	for n := 0; n < lines; {
		var one []who.Event
		for day := range 2 + int(random.ExpFloat64()*14) {
			for range 2 + random.IntN(10) {
				one = append(one, who.Event{Kind: who.Purchased, Item: fmt.Sprint("p", popular.Uint64()), At: monday.AddDate(0, 0, -3*day)})
			}
		}
		events, n = append(events, one), n+len(one)
	}
	for b.Loop() {
		begin := time.Now()
		histories, crowd := make([]*who.History, len(events)), learn.NewCrowd(nil)
		for i := range events {
			histories[i] = (*who.History)(nil).With(names, events[i]...)
			crowd.Replace(nil, histories[i])
		}
		view := crowd.View()
		rebuilt := time.Since(begin)
		begin = time.Now()
		model, err := learn.Fit(recommend.NewSnapshot(names, nil, nil, view, nil), histories, "learnt", monday)
		if err != nil {
			b.Fatal(err)
		}
		learnt := time.Since(begin)
		b.ReportMetric(rebuilt.Seconds(), "rebuild-s")
		b.ReportMetric(learnt.Seconds(), "learn-s")
		b.Logf("rebuilt of %d lines in %.1f s (goal 5), learnt with backtest in %.1f s (goal 60), %d figures, %d cores",
			lines, rebuilt.Seconds(), learnt.Seconds(), len(model.Figures), runtime.GOMAXPROCS(0))
	}
}

// BenchmarkCrowd is what one more basket of a shopper costs the crowd, and a view after a second of them.
func BenchmarkCrowd(b *testing.B) {
	snapshot, histories, crowd := city(5_000, 3_000)
	b.Run("replace", func(b *testing.B) {
		next := make([]*who.History, 1024)
		for i := range next {
			next[i] = histories[i].With(snapshot.Names, bought(monday, "p1", "p2", "p3", fmt.Sprint("p", i))...)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			k := i / 2 % len(next)
			if i%2 == 0 {
				crowd.Replace(histories[k], next[k])
			} else {
				crowd.Replace(next[k], histories[k])
			}
			i++
		}
	})
	b.Run("view after 1000 baskets", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			for i := range 500 {
				next := histories[i].With(snapshot.Names, bought(monday, "p1", "p2", "p3", fmt.Sprint("p", i))...)
				crowd.Replace(histories[i], next)
				crowd.Replace(next, histories[i])
			}
			b.StartTimer()
			crowd.View()
		}
	})
}
