package app

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/context/who"
	"satnav/geo"
	"satnav/server/importer"
	"satnav/server/retailer"
	"satnav/server/visit"
)

// walker is one phone: it drives 50 m between fixes, five seconds apart.
type walker struct {
	id      string
	at      geo.Point
	heading float64
	fix     geo.Fix
	rng     *rand.Rand
}

func (w *walker) next() geo.Fix {
	if w.rng.IntN(20) == 0 {
		w.heading = w.rng.Float64() * 2 * math.Pi
	}
	move := func(east, north float64) {
		w.at.Lat += north / metersPerDegree
		w.at.Lng += east / metersPerDegree / math.Cos(w.at.Lat*math.Pi/180)
	}
	move(50*math.Cos(w.heading), 50*math.Sin(w.heading))
	w.fix.At = w.fix.At.Add(5 * time.Second)
	w.fix.Point = geo.Point{Lat: w.at.Lat + 5*w.rng.NormFloat64()/metersPerDegree, Lng: w.at.Lng + 5*w.rng.NormFloat64()/metersPerDegree}
	w.fix.AccuracyMeters = 8
	return w.fix
}

// BenchmarkWalks is geo's BenchmarkAdvance with all that a call does but HTTP: 20,000 phones drive among 100,000 dense geofences, and
// each fix is a call that reads its shopper, advances, and commits what it decided to the disk (fsync) before it ends.
func BenchmarkWalks(b *testing.B) {
	const fences, phones, callers = 100_000, 20_000, 256
	t := newFenceTown(fences)
	t.sigma = 2_000
	c := config.Default()
	c.Data = b.TempDir()
	a := openBench(b, c)
	file := bytes.ReplaceAll(fenceFile(t, 0, fences), []byte(`"properties":{`), []byte(`"properties":{"dwell_s":10,"triggers":["enter","dwell","exit"],`))
	file = bytes.ReplaceAll(file, []byte(`,}`), []byte(`}`))
	summary, err := importer.Run(b.Context(), importer.KindGeofences, bytes.NewReader(file), a.Sink("demo", retailer.Editor{Role: "admin"}, ""), importer.Options{})
	if err != nil || summary.Stored != fences {
		b.Fatal(summary, err)
	}
	walkers := make([]*walker, phones)
	begin := time.Now().Add(-time.Hour)
	for i := range walkers {
		walkers[i] = &walker{id: fmt.Sprintf("u%05d", i), at: t.point(), rng: rand.New(rand.NewPCG(5, uint64(i))), fix: geo.Fix{At: begin}}
		walkers[i].heading = walkers[i].rng.Float64() * 2 * math.Pi
	}
	call := func(w *walker) int {
		fix := w.next()
		answer, err := a.Visits.Answer(context.Background(), visit.Signal{
			Key: who.Key{Retailer: "demo", Shopper: w.id}, Arrived: time.Now(), At: fix.At, Fix: &fix,
			Device: who.Permissions{Location: geo.Precise, Background: true, Notifications: true},
		})
		if err != nil {
			b.Error(err)
		}
		return len(answer.Triggers)
	}
	// run makes so many calls, and gives back how many crossings they told.
	run := func(calls int) int64 {
		var told atomic.Int64
		var all sync.WaitGroup
		for n := range callers {
			all.Go(func() {
				for i := n; i < calls; i += callers {
					told.Add(int64(call(walkers[i/callers%(phones/callers)*callers+n])))
				}
			})
		}
		all.Wait()
		return told.Load()
	}
	rounds := phones / callers * callers
	run(3 * rounds) // tracks begun
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	told := run(b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fixes/s")
	b.ReportMetric(float64(told)/b.Elapsed().Seconds(), "crossings/s")
	b.Logf("%d fixes of 20,000 phones among 100,000 dense geofences, every crossing on the disk before its call ends: %.0f fixes/s, %.0f crossings/s (no goal: the figure with the store)",
		b.N, float64(b.N)/b.Elapsed().Seconds(), float64(told)/b.Elapsed().Seconds())
	if err := a.Close(); err != nil {
		b.Fatal(err)
	}
}
