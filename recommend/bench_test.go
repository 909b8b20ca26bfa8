package recommend_test

import (
	"fmt"
	"math/rand/v2"
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

// BenchmarkRecommend is one answer of 20 suggestions with reasons, shoppers drawn evenly, at a place
// and with a basket of two under way.
func BenchmarkRecommend(b *testing.B) {
	for _, size := range []struct{ shoppers, products int }{{5_000, 3_000}, {100_000, 30_000}} {
		b.Run(fmt.Sprintf("shoppers=%d/products=%d", size.shoppers, size.products), func(b *testing.B) {
			snapshot, histories, _ := city(size.shoppers, size.products)
			grants := who.Defaults([]who.Purpose{who.Loyalty, who.Location}, monday)
			place := where.Place{Known: true, Precision: geo.Precise, Point: geo.Point{Lat: 51.05, Lng: 0.02}}
			random := rand.New(rand.NewPCG(3, 4))
			requests := make([]*recommend.Request, 1<<14)
			for i := range requests {
				h := histories[random.IntN(len(histories))]
				shopper := who.New(who.Record{Key: who.Key{Retailer: "r", Shopper: "s"}, Grants: grants, History: h})
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
			latencies := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				r := requests[len(latencies)%len(requests)]
				begin := time.Now()
				recommend.Recommend(snapshot, r)
				latencies = append(latencies, time.Since(begin))
			}
			percentiles(b, latencies)
		})
	}
}

func percentiles(b *testing.B, latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return float64(latencies[int(share*float64(len(latencies)-1))].Nanoseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
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
