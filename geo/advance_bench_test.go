package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// device is one of the phones of the benchmark: it drives 50 m between fixes, five seconds apart.
type device struct {
	presence Presence
	at       Point
	heading  float64
	fix      Fix
	rng      *rand.Rand
}

func (d *device) next() Fix {
	if d.rng.IntN(20) == 0 {
		d.heading = d.rng.Float64() * 2 * math.Pi
	}
	d.at = d.at.shift(50*math.Cos(d.heading), 50*math.Sin(d.heading))
	d.fix.At = d.fix.At.Add(5 * time.Second)
	d.fix.Point = d.at.shift(5*d.rng.NormFloat64(), 5*d.rng.NormFloat64())
	d.fix.AccuracyMeters = 8
	return d.fix
}

// BenchmarkAdvance pays for one fix of one of 20,000 devices that drive among 100,000 dense geofences, with
// hysteresis, dwell and the kept tail, the store excluded.
func BenchmarkAdvance(b *testing.B) {
	town := newCity(2_000)
	list := town.fences(100_000)
	for i := range list {
		list[i].Wants, list[i].Dwell, list[i].Version = WantEnter|WantDwell|WantExit, 10*time.Second, 1
	}
	fences := NewIndex(list)
	devices := make([]*device, 20_000)
	for i := range devices {
		at := town.point()
		devices[i] = &device{
			presence: Presence{Shopper: fmt.Sprint(i)}, at: at, rng: rand.New(rand.NewPCG(5, uint64(i))),
			fix: Fix{At: noiseStart},
		}
		devices[i].heading = devices[i].rng.Float64() * 2 * math.Pi
	}
	for range 3 { // warm: tracks begun
		for _, d := range devices {
			d.presence, _ = Advance(fences, d.presence, d.next())
		}
	}
	var turn, crossings atomic.Int64
	b.ReportAllocs()
	used := cpuTime()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		// Each goroutine has its share of the devices to itself.
		share := runtime.GOMAXPROCS(0)
		mine := int(turn.Add(1)-1) % share
		own := devices[mine*len(devices)/share : (mine+1)*len(devices)/share]
		told := 0
		for i := 0; pb.Next(); i++ {
			d := own[i%len(own)]
			var out []Crossing
			d.presence, out = Advance(fences, d.presence, d.next())
			told += len(out)
		}
		crossings.Add(int64(told))
	})
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/float64(b.N), "cpu-ns/fix") // on a shared machine, the figure to read
	b.ReportMetric(float64(b.N)/seconds, "fixes/s")
	b.ReportMetric(float64(crossings.Load())/seconds, "crossings/s")
	b.Logf("20,000 devices among 100,000 dense geofences, without the store, got and goal: %.0f fixes/s (at least 60,000), %.0f crossings/s (at least 25,000)",
		float64(b.N)/seconds, float64(crossings.Load())/seconds)
}
