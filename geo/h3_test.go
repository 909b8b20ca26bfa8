package geo

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/uber/h3-go/v4"
)

// TestCellAtAgreesWithTheLibrary asks the C library for the same cells. A point so near a side that a step of a nanometre changes
// the library's own answer may be on either side of it.
func TestCellAtAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(61, 62))
	library := func(lat, lng float64, resolution int) Cell {
		c, err := h3.LatLngToCell(h3.NewLatLng(lat, lng), resolution)
		if err != nil {
			t.Fatal(err)
		}
		return Cell(c)
	}
	var pentagons []Point
	for base, is := range pentagonBases {
		if is {
			pentagons = append(pentagons, (Cell(1)<<cellModeShift | Cell(base)<<cellBaseShift | (1<<cellBaseShift - 1)).Center())
		}
	}
	const points = 200_000
	beside := 0
	for i := range points {
		resolution := rng.IntN(MaxCellResolution + 1)
		var p Point
		switch i % 4 {
		case 0: // around a pentagon
			size := math.Pow(10, 1-6*rng.Float64())
			middle := pentagons[rng.IntN(len(pentagons))]
			p = Point{Lat: max(-90, min(90, middle.Lat+size*rng.NormFloat64())), Lng: math.Remainder(middle.Lng+size*rng.NormFloat64(), 360)}
		case 1: // on a corner or a side
			outline := library(anyPoint(rng).Lat, rng.Float64()*360-180, min(resolution, 10)).Boundary()
			a, b := outline[0], outline[1]
			p = a
			if rng.IntN(2) == 0 {
				p = Point{Lat: (a.Lat + b.Lat) / 2, Lng: a.Lng}
			}
		default:
			p = anyPlace(rng)
		}
		got, want := CellAt(p, resolution), library(p.Lat, p.Lng, resolution)
		if got == want {
			continue
		}
		beside++
		near := false
		for _, step := range [][2]float64{{1e-13, 0}, {-1e-13, 0}, {0, 1e-13}, {0, -1e-13}, {1e-13, 1e-13}, {-1e-13, -1e-13}, {1e-13, -1e-13}, {-1e-13, 1e-13}} {
			for _, times := range []float64{1, 10, 100} {
				near = near || library(max(-90, min(90, p.Lat+times*step[0])), p.Lng+times*step[1], resolution) == got
			}
		}
		if !near {
			t.Fatalf("%v at resolution %d: got %v, the library says %v", p, resolution, got, want)
		}
	}
	t.Logf("%d of %d points are on a side", beside, points)
}

func TestMatchAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(63, 64))
	fences := anyFences(rng, 400)
	index, points, dst := NewIndex(fences), probes(rng, fences, 2000), make([]uint32, 0, 1024)
	i := 0
	if got := testing.AllocsPerRun(len(points), func() {
		dst = index.Match(points[i%len(points)], dst[:0])
		i++
	}); got != 0 {
		t.Errorf("got %v allocations a point, want 0", got)
	}
}

func BenchmarkCellAt(b *testing.B) {
	p := Point{Lat: 51.5, Lng: -0.12}
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			CellAt(p, 9)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = h3.LatLngToCell(h3.NewLatLng(p.Lat, p.Lng), 9)
		}
	})
}
