package geo

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNewPolygonRefuses(t *testing.T) {
	t.Parallel()
	big := square(0, 0, 10, 10)
	tests := []struct {
		name  string
		parts [][]Ring
		at    string
		what  string
	}{
		{"nothing", nil, "", "no polygon"},
		{"no ring", [][]Ring{{}}, "/0", "polygon has no ring"},
		{"too few points", [][]Ring{{{{0, 0}, {1, 1}, {0, 0}}}}, "/0/0", "the outer ring has 3 points, want 4 or more"},
		{"too few different points", [][]Ring{{{{0, 0}, {1, 1}, {1, 1}, {0, 0}}}}, "/0/0", "the outer ring has 2 different points, want 3 or more"},
		{"unclosed", [][]Ring{{{{0, 0}, {0, 1}, {1, 1}, {1, 0}}}}, "/0/0/3", "the outer ring is not closed"},
		{"no area", [][]Ring{{{{0, 0}, {0.1, 0.2}, {0.3, 0.6}, {0.2, 0.4}, {0, 0}}}}, "/0/0", "has no area"},
		{"not a number", [][]Ring{{{{0, 0}, {0, math.NaN()}, {1, 1}, {0, 0}}}}, "/0/0/1", "longitude: got NaN"},
		{"latitude out of range", [][]Ring{{{{0, 0}, {0, 1}, {91, 1}, {0, 0}}}}, "/0/0/2", "latitude: got 91, want -90 to 90"},
		{"infinite", [][]Ring{{{{0, 0}, {0, 1}, {1, math.Inf(1)}, {0, 0}}}}, "/0/0/2", "longitude: got +Inf"},
		{"a bow tie", [][]Ring{{{{0, 0}, {1, 1}, {0, 1}, {1, 0}, {0, 0}}}}, "/0/0/0", "crosses itself: edges 0 and 2 meet near latitude 0.5, longitude 0.5"},
		{"touching itself", [][]Ring{{{{0, 0}, {0, 2}, {1, 1}, {2, 2}, {2, 0}, {1, 1}, {0, 0}}}}, "/0/0/1", "touches itself"},
		{"a spike", [][]Ring{{{{0, 0}, {0, 3}, {2, 3}, {2, 5}, {2, 4}, {3, 4}, {3, 0}, {0, 0}}}}, "/0/0/3", "runs back over itself"},
		{"an arc of more than half a turn", [][]Ring{{square(-170, 0, 170, 1)}}, "/0/0/0", "from longitude -170 to 170, is longer than 180 degrees"},
		{"round the pole", [][]Ring{{{{80, 0}, {80, 120}, {80, -120}, {80, 0}}}}, "/0/0/1", "is longer than 180 degrees"},
		{"a hole outside", [][]Ring{{big, square(20, 20, 21, 21)}}, "/0/1", "hole 1 is outside the outer ring"},
		{"a hole around", [][]Ring{{square(4, 4, 5, 5), big}}, "/0/1", "hole 1 is outside the outer ring"},
		{"a hole across the rim", [][]Ring{{big, square(9, 4, 11, 5)}}, "/0/1/0", "hole 1 crosses the outer ring"},
		{"a hole that shares an edge", [][]Ring{{big, square(9, 4, 10, 5)}}, "/0/1/1", "hole 1 shares an edge with the outer ring"},
		{"a hole through a corner of the rim", [][]Ring{{{{0, 0}, {0, 10}, {10, 10}, {10, 7}, {6, 5}, {10, 3}, {10, 0}, {0, 0}}, {{10, 3}, {2, 5}, {10, 7}, {10, 3}}}}, "/0/1", "hole 1 is outside"},
		{"overlapping holes", [][]Ring{{big, square(2, 2, 4, 4), square(3, 3, 5, 5)}}, "/0/2/", "hole 2 crosses hole 1"},
		{"a hole in a hole", [][]Ring{{big, square(2, 2, 6, 6), square(3, 3, 5, 5)}}, "/0/2", "hole 2 overlaps hole 1"},
		{"a repeated hole", [][]Ring{{big, square(2, 2, 4, 4), clockwise(square(2, 2, 4, 4))}}, "/0/2", "hole 2 repeats hole 1"},
		{"a repeated part", [][]Ring{{big}, {big}}, "/1/0", "the outer ring of polygon 1 repeats the outer ring of polygon 0"},
		{"parts that overlap", [][]Ring{{big}, {square(5, 5, 15, 15)}}, "/1/0/", "crosses"},
		{"a part inside another", [][]Ring{{big}, {square(5, 5, 6, 6)}}, "/1", "polygon 1 lies inside polygon 0"},
		{"parts that share an edge", [][]Ring{{big}, {square(10, 0, 12, 10)}}, "/1/0/", "shares an edge"},
		{"cut in two by a hole", [][]Ring{{big, {{0, 5}, {10, 5}, {5, 6}, {0, 5}}}}, "/0/1", "cuts the polygon in two"},
		{"cut in two by a chain of holes", [][]Ring{{big, {{0, 5}, {5, 5}, {4, 6}, {0, 5}}, {{5, 5}, {10, 5}, {6, 6}, {5, 5}}}}, "/0/", "cuts the polygon in two"},
		{"parts that overlap across the antimeridian", [][]Ring{{square(179, 0, -179, 1)}, {square(-179.5, 0.5, -178, 2)}}, "/1/0/", "crosses"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := NewPolygon(test.parts)
			fault := new(Fault)
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a Fault", err)
			}
			if fault.At != test.at && !(strings.HasSuffix(test.at, "/") && strings.HasPrefix(fault.At, test.at)) || !strings.Contains(fault.What, test.what) || fault.Mend == "" {
				t.Errorf("got %q: %q (mend: %q), want %q: %q and how to mend it", fault.At, fault.What, fault.Mend, test.at, test.what)
			}
		})
	}
}

func TestNewPolygonMends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		parts [][]Ring
		want  []Mending
	}{
		{"nothing wrong", [][]Ring{{square(0, 0, 1, 1)}}, nil},
		{"winding of the outer ring", [][]Ring{{clockwise(square(0, 0, 1, 1))}}, []Mending{{"/0/0", "counter-clockwise"}}},
		{"winding of a hole", [][]Ring{{square(0, 0, 9, 9), square(1, 1, 2, 2)}}, []Mending{{"/0/1", "clockwise"}}},
		{"unclosed by a hair", [][]Ring{{{{0, 0}, {0, 1}, {1, 1}, {0.0000003, 0}}}}, []Mending{{"/0/0/3", "closed"}}},
		{"repeated points", [][]Ring{{{{0, 0}, {0, 1}, {0, 1}, {0, 1}, {1, 1}, {0, 0}, {0, 0}}}}, []Mending{{"/0/0/2", "repeats"}, {"/0/0/3", "repeats"}, {"/0/0/5", "repeats its first point"}}},
		{"across the antimeridian", [][]Ring{{square(179, 0, -179, 1)}}, []Mending{{"/0/0", "crosses the antimeridian"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got, err := NewPolygon(test.parts)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			for i, m := range got {
				if m.At != test.want[i].At || !strings.Contains(m.What, test.want[i].What) {
					t.Errorf("got %v, want %v", m, test.want[i])
				}
			}
		})
	}
}

func TestNewPolygonAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		parts [][]Ring
	}{
		{"a hole that touches the rim in a point", [][]Ring{{square(0, 0, 10, 10), {{5, 0}, {6, 1}, {4, 1}, {5, 0}}}}},
		{"holes that touch in a point", [][]Ring{{square(0, 0, 10, 10), square(2, 2, 4, 4), square(4, 4, 6, 6)}}},
		{"parts that touch in a point", [][]Ring{{square(0, 0, 1, 1)}, {square(1, 1, 2, 2)}}},
		{"three rings through one point", [][]Ring{{square(0, 0, 10, 10), {{5, 5}, {4, 6}, {6, 6}, {5, 5}}, {{5, 5}, {6, 4}, {4, 4}, {5, 5}}, {{5, 5}, {7, 5.5}, {7, 4.5}, {5, 5}}}}},
		{"an arc of exactly half a turn", [][]Ring{{square(-90, 0, 90, 10)}}},
		{"a part in the hole of another, touching it", [][]Ring{{square(0, 0, 10, 10), square(2, 2, 8, 8)}, {{{2, 5}, {5, 6}, {5, 4}, {2, 5}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := NewPolygon(test.parts); err != nil {
				t.Error(err)
			}
		})
	}
}

// A comb has long parallel edges: whoever compares each edge with each takes minutes for a large one.
func TestNewPolygonOfManyCorners(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	comb := Ring{{0, 0}}
	for i := range 5_000 {
		y := float64(i) * 0.001
		comb = append(comb, Point{y, 10}, Point{y + 0.0004, 10}, Point{y + 0.0004, 1}, Point{y + 0.001, 1})
	}
	comb = append(comb, Point{5, 0}, Point{0, 0})
	g := mustPolygon(t, []Ring{comb})
	if !g.Contains(Point{0.0002, 5}) || g.Contains(Point{0.0006, 5}) {
		t.Error("the comb does not have its teeth where it should")
	}
	round := star(rng, Point{10, 10}, 5, 10_000, 9)
	mustPolygon(t, []Ring{round})
	round[5_000], round[5_005] = round[5_005], round[5_000]
	if _, _, err := NewPolygon([][]Ring{{round}}); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("two swapped corners among 10,000: got %v, want that it crosses itself", err)
	}
}

func TestMeetAgreesWithFractions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	// On a small grid of tenths, edges meet in every way there is.
	point := func() Point { return Point{Lat: float64(rng.IntN(5)) / 10, Lng: float64(rng.IntN(5)) / 10} }
	seen := map[meeting]int{}
	for range 20_000 {
		a, b, c, d := point(), point(), point(), point()
		if a == b || c == d {
			continue
		}
		kind, at := meet(a, b, c, d)
		seen[kind]++
		if got, want := kind != apart, twinMeet(a, b, c, d); got != want {
			t.Fatalf("%v-%v and %v-%v: got %v, want %v", a, b, c, d, got, want)
		}
		if other, _ := meet(d, c, a, b); other != kind {
			t.Fatalf("%v-%v and %v-%v: got %v, and %v the other way round", a, b, c, d, kind, other)
		}
		if kind == touching && (turn(a, b, at) != 0 || turn(c, d, at) != 0) {
			t.Fatalf("%v-%v and %v-%v touch at %v, which is not on both", a, b, c, d, at)
		}
	}
	for _, kind := range []meeting{apart, touching, crossing, overlapping} {
		if seen[kind] < 100 {
			t.Errorf("only %d edges meet in way %d", seen[kind], kind)
		}
	}
}

// twinMeet works in whole tenths, with the textbook test.
func twinMeet(a, b, c, d Point) bool {
	type v struct{ x, y int }
	w := func(p Point) v { return v{int(math.Round(p.Lng * 10)), int(math.Round(p.Lat * 10))} }
	p, q, r, s := w(a), w(b), w(c), w(d)
	side := func(a, b, c v) int { return (b.x-a.x)*(c.y-a.y) - (b.y-a.y)*(c.x-a.x) }
	on := func(a, b, c v) bool {
		return side(a, b, c) == 0 && min(a.x, b.x) <= c.x && c.x <= max(a.x, b.x) && min(a.y, b.y) <= c.y && c.y <= max(a.y, b.y)
	}
	if on(p, q, r) || on(p, q, s) || on(r, s, p) || on(r, s, q) {
		return true
	}
	return side(p, q, r)*side(p, q, s) < 0 && side(r, s, p)*side(r, s, q) < 0
}
