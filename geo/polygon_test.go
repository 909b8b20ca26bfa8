package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func square(west, south, east, north float64) Ring {
	return Ring{{Lat: south, Lng: west}, {Lat: south, Lng: east}, {Lat: north, Lng: east}, {Lat: north, Lng: west}, {Lat: south, Lng: west}}
}

func clockwise(r Ring) Ring {
	r = slices.Clone(r)
	slices.Reverse(r)
	return r
}

func mustPolygon(t testing.TB, parts ...[]Ring) *Polygon {
	t.Helper()
	g, _, err := NewPolygon(parts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPolygonContains(t *testing.T) {
	t.Parallel()
	cap80 := Ring{{80, -180}, {80, -90}, {80, 0}, {80, 90}, {80, 180}, {90, 180}, {90, 0}, {90, -180}, {80, -180}}
	tests := []struct {
		name  string
		parts [][]Ring
		in    []Point
		out   []Point
	}{
		{"a square, its sides and corners",
			[][]Ring{{square(0, 0, 1, 1)}},
			[]Point{{0.5, 0.5}, {0, 0}, {1, 1}, {0, 0.3}, {0.7, 1}, {1, 0.2}},
			[]Point{{-1e-7, 0.5}, {0.5, 1.0000001}, {0.5, math.Nextafter(1, 2)}, {math.Nextafter(0, -1), 0.5}}},
		{"a slope in decimals that no double has",
			[][]Ring{{{{0, 0}, {0.6, 0.3}, {0.6, 0}, {0, 0}}}},
			[]Point{{0.2, 0.1}, {0.4, 0.2}, {0.0002, 0.0001}},
			[]Point{{0.2, 0.1000001}, {0.2, math.Nextafter(0.1, 1)}, {0.1999999, 0.1}}},
		{"a hole, and its rim",
			[][]Ring{{square(0, 0, 10, 10), clockwise(square(4, 4, 6, 6))}},
			[]Point{{3, 3}, {4, 5}, {6, 6}},
			[]Point{{5, 5}, {4.0000001, 5}}},
		{"an island in the hole",
			[][]Ring{{square(0, 0, 10, 10), clockwise(square(3, 3, 7, 7))}, {square(4, 4, 6, 6)}},
			[]Point{{1, 1}, {5, 5}, {4, 4}},
			[]Point{{3.5, 5}}},
		{"across the antimeridian in one piece",
			[][]Ring{{square(179, 0, -179, 1)}},
			[]Point{{0.5, 180}, {0.5, -180}, {0.5, 179.5}, {0.5, -179.5}, {0, -179}, {1, 179}},
			[]Point{{0.5, 0}, {0.5, 178.9999999}, {0.5, -178.9999999}, {1.1, 180}}},
		{"across the antimeridian, cut in two",
			[][]Ring{{square(179, 0, 180, 1)}, {square(-180, 0, -179, 1)}},
			[]Point{{0.5, 180}, {0.5, -180}, {0.5, 179.5}, {0.5, -179.5}},
			[]Point{{0.5, 0}, {0.5, 178.9999999}, {0.5, -178.9999999}}},
		{"up to the antimeridian from the west",
			[][]Ring{{square(179, 0, 180, 1)}},
			[]Point{{0.5, 180}, {0.5, -180}},
			[]Point{{0.5, -179.9999999}}},
		{"a cap over the north pole",
			[][]Ring{{cap80}},
			[]Point{{90, 0}, {90, 123.4}, {85, 180}, {85, -180}, {80, 7}, {89.9999999, -77}},
			[]Point{{79.9999999, 0}, {-90, 0}}},
		{"a wedge with its tip at the south pole",
			[][]Ring{{{{-90, 10}, {-80, 20}, {-80, 10}, {-90, 10}}}},
			[]Point{{-90, 10}, {-90, -100}, {-80, 15}},
			[]Point{{-89, 100}}},
		{"a sliver of one unit",
			[][]Ring{{square(10, 50, 10.0000001, 51)}},
			[]Point{{50.5, 10}, {50.5, 10.0000001}, {50.5, 10.00000005}},
			[]Point{{50.5, 10.00000011}, {50.5, 9.9999999}}},
		{"corners finer than seven decimals",
			[][]Ring{{square(10.00000001, 50, 10.00000002, 51)}},
			[]Point{{50.5, 10.000000015}, {50.5, 10.00000001}},
			[]Point{{50.5, 10}, {50.5, 10.000000009}, {50.5, 10.000000021}}},
		{"80 degrees tall",
			[][]Ring{{square(-5, -40, 5, 40)}},
			[]Point{{0, 0}, {39.9, -4.9}, {-40, 5}},
			[]Point{{41, 0}}},
		{"the whole map",
			[][]Ring{{{{-90, -180}, {-90, 0}, {-90, 180}, {90, 180}, {90, 0}, {90, -180}, {-90, -180}}}},
			[]Point{{0, 0}, {90, 0}, {-90, 5}, {12, 180}},
			nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := mustPolygon(t, test.parts...)
			for _, p := range test.in {
				if !g.Contains(p) {
					t.Errorf("%v is outside, want inside", p)
				}
				if d := g.Distance(p); d > 0 {
					t.Errorf("%v is %v m away, want at most 0", p, d)
				}
				if !g.Bounds().Contains(p) {
					t.Errorf("%v is not in the bounds %v", p, g.Bounds())
				}
				if !twinContains(test.parts, p) {
					t.Errorf("the twin says that %v is outside", p)
				}
			}
			for _, p := range test.out {
				if g.Contains(p) {
					t.Errorf("%v is inside, want outside", p)
				}
				if d := g.Distance(p); d < 0 {
					t.Errorf("%v is %v m away, want at least 0", p, d)
				}
				if twinContains(test.parts, p) {
					t.Errorf("the twin says that %v is inside", p)
				}
			}
		})
	}
}

func TestPolygonContainsAgreesWithFractions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		center := Point{Lat: rng.Float64()*160 - 80, Lng: rng.Float64()*360 - 180}
		if i%4 == 0 {
			center.Lng = 179.9 + rng.Float64()*0.1
		}
		size := math.Pow(10, -6+7*rng.Float64())
		outer := star(rng, center, size, 3+rng.IntN(60), 5+rng.IntN(6))
		parts := [][]Ring{{outer}}
		if hole := star(rng, center, size/4, 3+rng.IntN(10), 9); len(outer) > 12 {
			parts[0] = append(parts[0], clockwise(hole))
		}
		g, _, err := NewPolygon(parts)
		if err != nil {
			continue // rounded to a few decimals, a small star may cross itself
		}
		if back, _, err := NewPolygon(g.Parts()); err != nil || !samePolygons(back, g) {
			t.Fatalf("polygon %d does not come back the same: %v", i, err)
		}
		points := hardPoints(rng, parts, 40)
		for range 10 {
			points = append(points, Point{Lat: max(-90, min(90, center.Lat+(rng.Float64()*2-1)*size)), Lng: wrapLng(center.Lng + (rng.Float64()*2-1)*size)})
		}
		for _, p := range points {
			if got, want := g.Contains(p), twinContains(parts, p); got != want {
				t.Fatalf("polygon %d, %v: got %v, the twin says %v\n%v", i, p, got, want, parts)
			}
			if g.Contains(p) && !g.Bounds().Contains(p) {
				t.Fatalf("polygon %d holds %v, its bounds %v do not", i, p, g.Bounds())
			}
		}
	}
}

func samePolygons(a, b *Polygon) bool { return fmt.Sprint(a.Parts()) == fmt.Sprint(b.Parts()) }

func TestPolygonDistanceAgreesWithSteps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 60 {
		center := Point{Lat: rng.Float64()*170 - 85, Lng: rng.Float64()*360 - 180}
		size := min(math.Pow(10, -3+4.5*rng.Float64()), 88-math.Abs(center.Lat))
		g, _, err := NewPolygon([][]Ring{{star(rng, center, size, 3+rng.IntN(12), 7)}})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			p := Point{Lat: max(-90, min(90, center.Lat+(rng.Float64()*2-1)*size*3)), Lng: wrapLng(center.Lng + (rng.Float64()*2-1)*size*3)}
			got, want := math.Abs(g.Distance(p)), twinDistance(g, p, 4000)
			// The twin's steps miss the foot by half a step at most, and so the distance by less than the step's sagitta.
			step := size * 111_200 * 3 / 4000
			if got > want+0.002 || got < want-0.002-step*step/max(want, step) {
				t.Errorf("polygon %d of size %v at %v from %v: got %v m, stepping gives %v m", i, size, center, p, got, want)
			}
		}
	}
}

func TestPolygonDistanceKnowsNoSeam(t *testing.T) {
	t.Parallel()
	cutInTwo := mustPolygon(t, []Ring{square(179, 0, 180, 1)}, []Ring{square(-180, 0, -179, 1)})
	whole := mustPolygon(t, []Ring{square(179, 0, -179, 1)})
	for _, p := range []Point{{0.5, 180}, {0.5, -180}, {0.5, 179.9}, {0.5, -178}, {0.1, -179.99}, {3, 180}} {
		if a, b := cutInTwo.Distance(p), whole.Distance(p); math.Abs(a-b) > 0.01 {
			t.Errorf("%v: %v m cut in two, %v m in one piece", p, a, b)
		}
	}
	half := mustPolygon(t, []Ring{square(179, 0, 180, 1)}, []Ring{square(-180, 0, -179, 0.5)})
	if d := half.Distance(Point{0.75, 180}); d != 0 {
		t.Errorf("the antimeridian bounds a polygon that is on one side of it only: got %v m, want 0", d)
	}
}

func TestPolygonHoldsCoordinatesAsTheyCame(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for _, digits := range []int{0, 1, 5, 7, 8, 12, 15} {
		for range 50 {
			lat, lng := decimals(rng.Float64()*100-50, digits), decimals(rng.Float64()*300-150, digits)
			ring := square(lng, lat, lng+7, lat+3)
			g := mustPolygon(t, []Ring{ring})
			if got := g.Parts()[0][0]; !slices.Equal(got, ring) {
				t.Fatalf("got %v, want %v", got, ring)
			}
		}
	}
}
