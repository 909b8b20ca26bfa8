package visit_test

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/context/who"
	"satnav/geo"
	"satnav/server/app"
	"satnav/server/demo"
	"satnav/server/visit"
)

// open opens a whole Satnav on a demo city of its own.
func open(b *testing.B, shoppers, days int) (*app.App, *demo.City) {
	c := config.Default()
	c.Data = b.TempDir()
	satnav, err := app.Open(b.Context(), app.Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := satnav.Close(); err != nil {
			b.Error(err)
		}
	})
	city, err := satnav.SeedDemo(b.Context(), demo.Scale{Shoppers: shoppers, Days: days}, func(string) {})
	if err != nil {
		b.Fatal(err)
	}
	return satnav, city
}

// BenchmarkAnswer pays for scene, crossings, ten suggestions and commit of one call, all but HTTP, of shoppers drawn evenly,
// from 32 callers at once:
//
//	nowhere   no position: nothing is advanced, nothing written
//	calm      a precise fix away from all geofences: a commit that nobody waits for
//	entering  a trail that enters a geofence, then one that leaves it: a commit that is waited for
func BenchmarkAnswer(b *testing.B) {
	satnav, city := open(b, 2_000, 60)
	start := time.Now().Add(-30 * 24 * time.Hour)
	square := geo.Point{Lat: 38.7075, Lng: -9.1364} // the geofence commerce-square; nothing else is near
	afar := geo.Point{Lat: square.Lat + 0.0027, Lng: square.Lng}
	for _, kind := range []string{"nowhere", "calm", "entering"} {
		b.Run(kind, func(b *testing.B) {
			calls := make([]atomic.Int64, city.Len())
			var caller atomic.Uint64
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				random := rand.New(rand.NewPCG(1, caller.Add(1)))
				for pb.Next() {
					n := random.IntN(city.Len())
					number := calls[n].Add(1)
					at := start.Add(time.Duration(number) * 10 * time.Minute)
					s := visit.Signal{
						Key: who.Key{Retailer: demo.Retailer, Shopper: city.ID(n)}, Arrived: time.Now(), At: at, Limit: 10,
						Device: who.Permissions{Location: geo.Precise},
					}
					near := func(p geo.Point) geo.Point {
						return geo.Point{Lat: p.Lat + random.Float64()*1e-4, Lng: p.Lng + random.Float64()*1e-4}
					}
					switch kind {
					case "calm":
						s.Fix = &geo.Fix{Point: near(afar), AccuracyMeters: 8}
					case "entering":
						from, to := afar, square
						if number%2 == 0 {
							from, to = to, from
						}
						for i := range 3 {
							s.Trail = append(s.Trail, geo.Fix{At: at.Add(time.Duration(i-4) * 15 * time.Second), Point: near([]geo.Point{from, to}[min(i, 1)]), AccuracyMeters: 8})
						}
						s.Fix = &geo.Fix{Point: near(to), AccuracyMeters: 8}
					}
					if _, err := satnav.Visits.Answer(b.Context(), s); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		start = start.Add(10 * 24 * time.Hour)
	}
}

// BenchmarkBatch pays for one shopper's twenty suggestions of a batch of 1,000.
func BenchmarkBatch(b *testing.B) {
	satnav, city := open(b, 2_000, 60)
	shoppers := make([]string, 1_000)
	for i := range shoppers {
		shoppers[i] = city.ID(i)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := satnav.Visits.Batch(b.Context(), visit.Batch{Retailer: demo.Retailer, Shoppers: shoppers, At: now, Limit: 20}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(shoppers))/b.Elapsed().Seconds(), "shoppers/s")
	b.ReportMetric(10_000, "goal-shoppers/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(shoppers)), "ns/shopper")
}
