package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tidwall/rtree"
)

// The town of the benchmarks: half circles, half polygons of 16 or 64 corners, drawn at random for each geofence; radius
// 50 to 300 m, around 200 cities, spread by 8 km (sparse) or 2 km (dense). Points are spread alike.
type city struct {
	rng   *rand.Rand
	towns []Point
	sigma float64 // metres
}

func newCity(sigma float64) *city {
	c := &city{rng: rand.New(rand.NewPCG(41, 42)), sigma: sigma}
	for range 200 {
		c.towns = append(c.towns, Point{Lat: c.rng.Float64()*110 - 50, Lng: c.rng.Float64()*350 - 175})
	}
	return c
}

func (c *city) point() Point {
	town := c.towns[c.rng.IntN(len(c.towns))]
	const metersPerDegree = EarthRadiusMeters * radian
	return Point{Lat: town.Lat + c.rng.NormFloat64()*c.sigma/metersPerDegree,
		Lng: town.Lng + c.rng.NormFloat64()*c.sigma/metersPerDegree/math.Cos(town.Lat*radian)}
}

func (c *city) shape() Shape {
	at, radius := c.point(), 50+250*c.rng.Float64()
	at = Point{Lat: decimals(at.Lat, 7), Lng: decimals(at.Lng, 7)}
	if c.rng.IntN(2) == 0 {
		return &Circle{center: at, radiusMeters: radius}
	}
	corners := 16
	if c.rng.IntN(2) == 0 {
		corners = 64
	}
	ring := make([]Point, corners)
	for i := range ring {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(corners))
		r := radius * (0.7 + 0.3*c.rng.Float64()) / EarthRadiusMeters / radian
		ring[i] = Point{Lat: decimals(at.Lat+r*sin, 7), Lng: decimals(at.Lng+r*cos/math.Cos(at.Lat*radian), 7)}
	}
	return &Polygon{flat: flatten(ring)}
}

func (c *city) fences(n int) []Geofence {
	fences := make([]Geofence, n)
	for i := range fences {
		fences[i] = Geofence{ID: strconv.Itoa(i), Shape: c.shape()}
	}
	return fences
}

// rtreeTwin is what one builds in an afternoon from the best parts: the R-tree of boxes in the form that takes the least memory
// (float32, as Tile38 has it), geofences inserted as they come, then a ray cast over flat doubles, or the haversine of a circle.
type rtreeTwin struct {
	tree   rtree.RTreeGN[float32, uint32]
	shapes []twinShape
}

type twinShape struct {
	ring   []float64
	center Point
	radius float64
}

func newRtreeTwin(fences []Geofence) *rtreeTwin {
	t := &rtreeTwin{}
	for n, g := range fences {
		var s twinShape
		switch shape := g.Shape.(type) {
		case *Circle:
			s.center, s.radius = shape.center, shape.radiusMeters
		case *Polygon:
			ring := shape.Parts()[0][0]
			s.ring = make([]float64, 0, 2*len(ring))
			for _, p := range ring {
				s.ring = append(s.ring, p.Lng, p.Lat)
			}
		}
		t.shapes = append(t.shapes, s)
		b := g.Shape.Bounds()
		t.tree.Insert([2]float32{roundDown(b.West), roundDown(b.South)}, [2]float32{roundUp(b.East), roundUp(b.North)}, uint32(n))
	}
	return t
}

func roundDown(f float64) float32 { return math.Nextafter32(float32(f), -1000) }
func roundUp(f float64) float32   { return math.Nextafter32(float32(f), 1000) }

func (t *rtreeTwin) Match(p Point, dst []uint32) []uint32 {
	at := [2]float32{float32(p.Lng), float32(p.Lat)}
	t.tree.Search(at, at, func(_, _ [2]float32, n uint32) bool {
		if s := &t.shapes[n]; s.ring == nil {
			if s.center.Distance(p) <= s.radius {
				dst = append(dst, n)
			}
		} else if castRay(s.ring, p.Lng, p.Lat) {
			dst = append(dst, n)
		}
		return true
	})
	return dst
}

func castRay(ring []float64, x, y float64) bool {
	in := false
	for i := 2; i < len(ring); i += 2 {
		ax, ay, bx, by := ring[i-2], ring[i-1], ring[i], ring[i+1]
		if (ay > y) != (by > y) && x < (bx-ax)*(y-ay)/(by-ay)+ax {
			in = !in
		}
	}
	return in
}

// hugePages asks for them, where that is possible.
var hugePages = func() {}

// BenchmarkIndexMatch prints the grid beside the R-tree, on the same geofences and points, on one core. They take turns of
// 5,000 points, so that a busy machine is busy for both; times are of the processor, not of the clock. It prints mean and 99th
// percentile of both, how many times faster the grid is, hits per point, and bytes per geofence (of geometry and index; the
// records around them are the same for both).
func BenchmarkIndexMatch(b *testing.B) {
	hugePages()
	for _, kind := range []struct {
		name      string
		sigma     float64
		mean, p99 string // goals
	}{
		{"sparse", 8_000, "about 650 ns, at least 4.5 times faster", "at most 2,000 ns"},
		{"dense", 2_000, "about 2,400 ns, at least 8.5 times faster", "at most 9,000 ns"},
	} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				town := newCity(kind.sigma)
				fences := town.fences(n)
				points := make([]Point, 200_000)
				for i := range points {
					points[i] = town.point()
				}
				before, used := heap(), cpuTime()
				index := NewIndex(fences)
				built := cpuTime() - used
				records := n * int(unsafe.Sizeof(Geofence{}))
				size := heap() - before - records
				before = heap()
				twin := newRtreeTwin(fences)
				twinSize := heap() - before
				for _, p := range points[:20_000] {
					want := twin.Match(p, nil)
					slices.Sort(want)
					if got := index.Match(p, nil); !slices.Equal(got, want) {
						b.Fatalf("%v: the grid says %v, the R-tree %v", p, got, want)
					}
				}
				grid, tree := newStopwatch(index.Match), newStopwatch(twin.Match)
				b.ReportAllocs()
				at := 0
				for b.Loop() {
					turn := points[at : at+5_000]
					grid.run(turn)
					tree.run(turn)
					if at += len(turn); at == len(points) {
						at = 0
					}
				}
				grid.report(b, "grid")
				tree.report(b, "rtree")
				b.ReportMetric(tree.mean()/grid.mean(), "times-faster")
				b.ReportMetric(tree.p99()/grid.p99(), "p99-times-faster")
				b.ReportMetric(float64(grid.hits)/float64(grid.points), "hits/point")
				b.ReportMetric(built.Seconds(), "grid-build-s")
				b.ReportMetric(float64(size)/float64(n), "grid-B/fence")
				b.ReportMetric(float64(twinSize)/float64(n), "rtree-B/fence")
				b.ReportMetric(0, "ns/op")
				if n == 1_000_000 {
					b.Logf("%s, a million geofences, got and goal: mean %.0f ns, %.1f times faster than the R-tree (%s); p99 %.0f ns (%s); %.0f bytes a geofence (at most 200)",
						kind.name, grid.mean(), tree.mean()/grid.mean(), kind.mean, grid.p99(), kind.p99, float64(size)/float64(n))
				}
				runtime.KeepAlive(fences)
			})
		}
	}
}

// stopwatch times one way to match. Every other turn is timed as a whole, for the mean; the others point by point.
type stopwatch struct {
	match  func(Point, []uint32) []uint32
	dst    []uint32
	turns  int
	used   time.Duration
	points int // in used
	hits   int
	each   []time.Duration
	clock  time.Duration // what reading the clock takes
}

func newStopwatch(match func(Point, []uint32) []uint32) *stopwatch {
	return &stopwatch{match: match, dst: make([]uint32, 0, 4096), clock: clockCost()}
}

func (s *stopwatch) run(points []Point) {
	if s.turns++; s.turns%2 == 0 {
		for _, p := range points {
			start := time.Now()
			s.dst = s.match(p, s.dst[:0])
			s.each = append(s.each, time.Since(start)-s.clock)
		}
		return
	}
	used := cpuTime()
	for _, p := range points {
		s.dst = s.match(p, s.dst[:0])
		s.hits += len(s.dst)
	}
	s.used += cpuTime() - used
	s.points += len(points)
}

func (s *stopwatch) mean() float64 { return float64(s.used.Nanoseconds()) / float64(s.points) }

func (s *stopwatch) p99() float64 {
	slices.Sort(s.each)
	return float64(s.each[len(s.each)*99/100].Nanoseconds())
}

func (s *stopwatch) report(b *testing.B, name string) {
	b.ReportMetric(s.mean(), name+"-ns")
	b.ReportMetric(s.p99(), name+"-p99-ns")
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano())
}

func clockCost() time.Duration {
	took := make([]time.Duration, 1001)
	for i := range took {
		start := time.Now()
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// BenchmarkIndexEdit moves one geofence among many.
func BenchmarkIndexEdit(b *testing.B) {
	for _, kind := range []struct {
		name  string
		sigma float64
	}{{"sparse", 8_000}, {"dense", 2_000}} {
		for _, n := range []int{100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				town := newCity(kind.sigma)
				index := NewIndex(town.fences(n))
				worst := time.Duration(0)
				i := 0
				for b.Loop() {
					g := Geofence{ID: strconv.Itoa(i % n), Shape: town.shape()}
					start := time.Now()
					index = index.Edit([]Geofence{g}, nil)
					worst = max(worst, time.Since(start))
					i += 7919
				}
				b.ReportMetric(float64(worst.Microseconds()), "worst-us")
				b.ReportMetric(100_000, "goal-p99-us")
			})
		}
	}
}
