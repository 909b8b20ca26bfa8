package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// bruteMatch asks every shape.
func bruteMatch(x *Index, p Point) []uint32 {
	var found []uint32
	for n := range x.fences.len() {
		if g := x.Fence(uint32(n)); g != nil && g.Shape.Contains(p) {
			found = append(found, uint32(n))
		}
	}
	return found
}

// anyShape draws shapes of every kind and size around a place, poles and antimeridian included.
func anyShape(rng *rand.Rand, at Point) Shape {
	for {
		size := math.Pow(10, -4+4*rng.Float64()*rng.Float64()) // degrees
		switch rng.IntN(8) {
		case 0, 1, 2:
			c, err := NewCircle(at, size*111_000)
			if err == nil {
				return c
			}
		case 3, 4, 5:
			size = min(size, 89-math.Abs(at.Lat))
			parts := [][]Ring{{star(rng, at, size, 3+rng.IntN(100), 5+rng.IntN(5))}}
			if rng.IntN(4) == 0 {
				parts[0] = append(parts[0], clockwise(star(rng, at, size/3, 3+rng.IntN(20), 9)))
			}
			if g, _, err := NewPolygon(parts); err == nil {
				return g
			}
		case 6:
			to := Point{Lat: max(-90, min(90, at.Lat+rng.NormFloat64()*size)), Lng: wrapLng(at.Lng + rng.NormFloat64()*min(size, 50))}
			if c, _, err := NewCorridor([]Point{at, to}, 1+size*20_000); err == nil {
				return c
			}
		case 7:
			r := max(0, min(12, int(4-2*math.Log10(size))))
			if s, _, err := NewCellSet(CellAt(at, r).Neighbours(1 + rng.IntN(2))); err == nil {
				return s
			}
		}
	}
}

func anyPlace(rng *rand.Rand) Point {
	switch rng.IntN(6) {
	case 0:
		return Point{Lat: math.Copysign(90-rng.Float64()*0.001, rng.Float64()-0.5), Lng: rng.Float64()*360 - 180}
	case 1:
		return Point{Lat: rng.Float64()*170 - 85, Lng: wrapLng(180 + rng.NormFloat64()*0.001)}
	case 2:
		return anyPoint(rng)
	}
	// A crowded town, where cells meet.
	return Point{Lat: 48 + rng.NormFloat64()*0.01, Lng: 11 + rng.NormFloat64()*0.01}
}

func anyFences(rng *rand.Rand, n int) []Geofence {
	fences := make([]Geofence, n)
	for i := range fences {
		fences[i] = Geofence{ID: fmt.Sprint("f", i), Shape: anyShape(rng, anyPlace(rng))}
	}
	return fences
}

// probes are points where an index may go wrong: on boundaries, cell borders, poles, the antimeridian, and around.
func probes(rng *rand.Rand, fences []Geofence, n int) []Point {
	points := []Point{{90, 0}, {-90, 0}, {90, 180}, {-90, -180}, {0, 180}, {0, -180}, {89.9999, 180}, {math.NaN(), 0}, {0, math.Inf(1)}}
	for len(points) < n {
		p := anyPlace(rng)
		if rng.IntN(2) == 0 {
			switch s := fences[rng.IntN(len(fences))].Shape.(type) {
			case *Polygon:
				points = append(points, hardPoints(rng, s.Parts(), 4)...)
				continue
			case *Circle:
				p = Point{Lat: s.center.Lat + rng.NormFloat64()*s.radiusMeters/80_000, Lng: s.center.Lng + rng.NormFloat64()*s.radiusMeters/80_000}
			default:
				b := s.Bounds()
				p = Point{Lat: b.South + rng.Float64()*(b.North-b.South), Lng: b.Center().Lng + rng.NormFloat64()*0.001}
			}
		}
		if rng.IntN(8) == 0 { // on the border of a cell
			shift := cellShiftX + 3*rng.IntN(3)
			p.Lng = float64(int64(p.Lng*unitsPerDegree)>>shift<<shift) / unitsPerDegree
			p.Lat = float64(int64(p.Lat*unitsPerDegree)>>(shift-1)<<(shift-1)) / unitsPerDegree
		}
		points = append(points, Point{Lat: max(-90, min(90, p.Lat)), Lng: math.Remainder(p.Lng, 360)})
	}
	return points
}

func TestIndexMatchAgreesWithShapes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(21, 22))
	fences := anyFences(rng, 1500)
	x := NewIndex(fences)
	hits := 0
	for _, p := range probes(rng, fences, 6000) {
		got, want := x.Match(p, nil), bruteMatch(x, p)
		if p.Check() != nil {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v: got %v, asking all gives %v", p, got, want)
		}
		for _, n := range got {
			if !fences[n].Shape.Contains(p) {
				t.Fatalf("%v: the shape laid out anew holds it, the original of %d does not", p, n)
			}
		}
		hits += len(got)
	}
	if hits < 10_000 {
		t.Errorf("only %d hits, which proves little", hits)
	}
}

func TestIndexNearAgreesWithShapes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(23, 24))
	fences := anyFences(rng, 300)
	x := NewIndex(fences)
	for _, p := range probes(rng, fences, 300) {
		if p.Check() != nil {
			continue
		}
		reach := math.Pow(10, 7.5*rng.Float64())
		var want []Neighbour
		for n := range fences {
			if d := x.Distance(uint32(n), p); d <= reach {
				want = append(want, Neighbour{uint32(n), d})
			}
		}
		if got := x.Near(p, reach, nil); !slices.Equal(got, want) {
			t.Fatalf("within %v m of %v: got %v, asking all gives %v", reach, p, got, want)
		}
	}
}

func TestIndexAgreesAfterEdits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(25, 26))
	fences := anyFences(rng, 400)
	x := NewIndex(fences)
	mirror := map[string]Shape{}
	for _, g := range fences {
		mirror[g.ID] = g.Shape
	}
	for step := range 120 {
		before, numbers := x, map[string]uint32{}
		probe := probes(rng, fences, 30)
		var old [][]uint32
		for _, p := range probe {
			old = append(old, x.Match(p, nil))
		}
		for id := range mirror {
			numbers[id], _ = x.Lookup(id)
		}
		var put []Geofence
		var remove []string
		changed := map[string]bool{}
		for range rng.IntN(6) {
			id := fmt.Sprint("f", rng.IntN(500))
			changed[id] = true
			if rng.IntN(3) == 0 {
				remove = append(remove, id)
				if !slices.ContainsFunc(put, func(g Geofence) bool { return g.ID == id }) {
					delete(mirror, id)
				}
				continue
			}
			g := Geofence{ID: id, Shape: anyShape(rng, anyPlace(rng)), Version: int64(step)}
			put = append(put, g)
			mirror[id] = g.Shape
		}
		x = x.Edit(put, remove)
		if x.Len() != len(mirror) {
			t.Fatalf("step %d: got %d geofences, want %d", step, x.Len(), len(mirror))
		}
		for i, p := range probe {
			if !slices.Equal(before.Match(p, nil), old[i]) {
				t.Fatalf("step %d: the old snapshot changed at %v", step, p)
			}
			want := map[string]bool{}
			for id, s := range mirror {
				if p.Check() == nil && s.Contains(p) {
					want[id] = true
				}
			}
			got := x.Match(p, nil)
			if !slices.IsSorted(got) || len(got) != len(want) {
				t.Fatalf("step %d, %v: got %v, want %v", step, p, got, want)
			}
			for _, n := range got {
				if !want[x.Fence(n).ID] {
					t.Fatalf("step %d, %v: %s is not there", step, p, x.Fence(n).ID)
				}
			}
		}
		for id, n := range numbers {
			if m, ok := x.Lookup(id); !changed[id] && (!ok || m != n || x.Fence(n).ID != id) {
				t.Fatalf("step %d: %s had number %d, now %d", step, id, n, m)
			}
		}
	}
	for id := range mirror {
		if n, ok := x.Lookup(id); !ok || x.Fence(n).ID != id {
			t.Errorf("%s is not found", id)
		}
	}
	if x.Loose() == 0 {
		t.Error("after many edits nothing is loose")
	}
	rebuilt := x.Rebuilt()
	for _, p := range probes(rng, fences, 1000) {
		if got, want := rebuilt.Match(p, nil), x.Match(p, nil); !slices.Equal(got, want) {
			t.Fatalf("rebuilt, %v: got %v, want %v", p, got, want)
		}
	}
	if rebuilt.Loose() != 0 || rebuilt.Len() != x.Len() {
		t.Errorf("rebuilt: %d loose, %d geofences, want 0, %d", rebuilt.Loose(), rebuilt.Len(), x.Len())
	}
	empty := x.Edit(nil, slices.Collect(func(yield func(string) bool) {
		for id := range mirror {
			if !yield(id) {
				return
			}
		}
	}))
	if empty.Len() != 0 || len(empty.Match(Point{48, 11}, nil)) != 0 {
		t.Errorf("after removing all: %d left, %v match", empty.Len(), empty.Match(Point{48, 11}, nil))
	}
}

func TestIndexOfFewAndOfTwins(t *testing.T) {
	t.Parallel()
	none := NewIndex(nil)
	if none.Len() != 0 || none.Match(Point{1, 1}, nil) != nil || none.Near(Point{1, 1}, 1e6, nil) != nil || none.Fence(0) != nil || !math.IsNaN(none.Distance(0, Point{})) {
		t.Error("an empty index answers something")
	}
	if _, ok := none.Lookup("a"); ok {
		t.Error("an empty index knows an id")
	}
	a, b := mustCircle(t, Point{1, 1}, 100), mustCircle(t, Point{2, 2}, 100)
	x := NewIndex([]Geofence{{ID: "a", Shape: a}, {ID: "b", Shape: b}, {ID: "a", Shape: b}})
	if x.Len() != 2 || len(x.Match(Point{1, 1}, nil)) != 0 || !slices.Equal(x.Match(Point{2, 2}, nil), []uint32{0, 1}) {
		t.Errorf("of two with the same id the later one should count: %d, %v", x.Len(), x.Match(Point{2, 2}, nil))
	}
	y := none.Edit([]Geofence{{ID: "a", Shape: a}}, []string{"a", "z"})
	if got := y.Match(Point{1, 1}, nil); !slices.Equal(got, []uint32{0}) || none.Len() != 0 {
		t.Errorf("removed and put is put: got %v", got)
	}
}

func TestIndexMatchAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	fences := slices.DeleteFunc(anyFences(rng, 1000), func(g Geofence) bool { _, cells := g.Shape.(*CellSet); return cells })
	x := NewIndex(fences)
	points := probes(rng, fences, 500)
	dst := make([]uint32, 0, 1000)
	if n := testing.AllocsPerRun(10, func() {
		for _, p := range points {
			dst = x.Match(p, dst[:0])
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d points, want none", n, len(points))
	}
}

// TestIndexAgreesOnTenMillionPoints is the long form of TestIndexMatchAgreesWithShapes: in each part other geofences and points, on
// boundaries, poles and the antimeridian too. Index and shapes are held to each other at every point, and one point of twenty
// to the twin that counts with fractions. The short form is one part of a hundredth of the points.
func TestIndexAgreesOnTenMillionPoints(t *testing.T) {
	t.Parallel()
	parts, rounds := 1, 5
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		parts, rounds = 40, 125
	}
	for part := range parts {
		t.Run(fmt.Sprintf("part=%d", part), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(31, uint64(part)))
			points, hits, twins := 0, 0, 0
			for range rounds {
				fences := anyFences(rng, 40)
				x := NewIndex(fences)
				for i, p := range probes(rng, fences, 2000) {
					got, want := x.Match(p, nil), bruteMatch(x, p)
					if p.Check() != nil {
						want = nil
					}
					if !slices.Equal(got, want) {
						t.Fatalf("part %d, %v: got %v, asking all gives %v", part, p, got, want)
					}
					points++
					hits += len(got)
					if i%20 != 0 || p.Check() != nil {
						continue
					}
					n := rng.IntN(len(fences))
					if len(got) > 0 && rng.IntN(2) == 0 {
						n = int(got[rng.IntN(len(got))])
					}
					if g, ok := fences[n].Shape.(*Polygon); ok {
						twins++
						if in, want := slices.Contains(got, uint32(n)), twinContains(g.Parts(), p); in != want {
							t.Fatalf("part %d, %v: got %v in %v, fractions say %v", part, p, in, g.Parts(), want)
						}
					}
				}
			}
			t.Logf("%d points, %d hits, %d held to fractions", points, hits, twins)
			if hits < points || twins < points/80 {
				t.Errorf("only %d hits and %d fractions at %d points, which proves little", hits, twins, points)
			}
		})
	}
}
