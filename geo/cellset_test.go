package geo

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// A set says the same about every point, compacted or not.
func TestCellSetContains(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(17, 18))
	places := []Point{{51.5, -0.12}, {0.1, 179.999}, {89.99, 20}, {-89.999, 0}, {64.7, 10.54}, {-33.9, 151.2}}
	for _, place := range places {
		coarse := CellAt(place, 6)
		var loose []Cell
		for _, child := range coarse.Children() {
			for _, grandchild := range child.Children() {
				loose = append(loose, grandchild.Children()...)
			}
		}
		extra := CellAt(place, 9).Neighbours(40)
		compact, _, err := NewCellSet(append([]Cell{coarse}, extra...))
		if err != nil {
			t.Fatal(err)
		}
		wide, _, err := NewCellSet(append(loose, extra...))
		if err != nil {
			t.Fatal(err)
		}
		in := map[Cell]bool{}
		for _, c := range append(loose, extra...) {
			in[c] = true
		}
		hits := 0
		for range 400 {
			at := place
			if rng.IntN(2) == 0 {
				at = extra[rng.IntN(len(extra))].Center()
			}
			p := Point{Lat: max(-90, min(90, at.Lat+rng.NormFloat64()*0.04)), Lng: wrapLng(at.Lng + math.Mod(rng.NormFloat64()*0.04/max(0.001, math.Cos(at.Lat*radian)), 180))}
			want := in[CellAt(p, 9)]
			if compact.Contains(p) != want || wide.Contains(p) != want {
				t.Fatalf("%v near %v: compact %v, loose %v, want %v", p, place, compact.Contains(p), wide.Contains(p), want)
			}
			if want {
				hits++
			}
			for _, s := range []*CellSet{compact, wide} {
				if d := s.Distance(p); d < 0 != want {
					t.Fatalf("%v near %v: %v m away, want inside %v", p, place, d, want)
				}
			}
			if a, b := compact.Distance(p), wide.Distance(p); math.Abs(a-b) > 1e-3 {
				t.Fatalf("%v near %v: %v m from the compact set, %v m from the loose one", p, place, a, b)
			}
		}
		if hits < 40 || hits > 390 {
			t.Errorf("near %v: %d of 400 points inside, which proves little", place, hits)
		}
	}
}

func TestNewCellSet(t *testing.T) {
	t.Parallel()
	c := CellAt(Point{51.5, -0.12}, 9)
	tests := []struct {
		name   string
		give   []Cell
		want   int
		mended string
		fault  string
	}{
		{"one cell", []Cell{c}, 1, "", ""},
		{"a repeated cell", []Cell{c, c}, 1, "/1", ""},
		{"a cell in another", []Cell{c, c.Parent(7)}, 1, "/0", ""},
		{"no cell", nil, 0, "", "no cell"},
		{"not a cell", []Cell{c, 12345}, 0, "", "/1: cell"},
		{"too many", make([]Cell, MaxCells+1), 0, "", "at most 100000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, mended, err := NewCellSet(test.give)
			if test.fault != "" {
				if fault := new(Fault); !errors.As(err, &fault) || !strings.Contains(err.Error(), test.fault) {
					t.Fatalf("got %v, want %q", err, test.fault)
				}
				return
			}
			if err != nil || len(s.Cells()) != test.want {
				t.Fatalf("got %v, %v, want %d cells", s, err, test.want)
			}
			if (test.mended == "") != (len(mended) == 0) || test.mended != "" && mended[0].At != test.mended {
				t.Errorf("got %v, want a mending at %q", mended, test.mended)
			}
		})
	}
}
