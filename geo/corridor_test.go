package geo

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCorridorAgreesWithSteps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(19, 20))
	in := 0
	for range 20 {
		start := Point{Lat: rng.Float64()*170 - 85, Lng: rng.Float64()*360 - 180}
		if rng.IntN(3) == 0 {
			start.Lng = 179.9999
		}
		line := []Point{start}
		for range 1 + rng.IntN(5) {
			p := line[len(line)-1]
			line = append(line, Point{Lat: max(-90, min(90, p.Lat+rng.NormFloat64()*0.01)), Lng: wrapLng(p.Lng + rng.NormFloat64()*0.01)})
		}
		c, _, err := NewCorridor(line, 10+rng.Float64()*2000)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Line(), line) {
			t.Fatalf("got line %v, want %v", c.Line(), line)
		}
		for range 100 {
			p := line[rng.IntN(len(line))]
			p = Point{Lat: max(-90, min(90, p.Lat+rng.NormFloat64()*0.01)), Lng: wrapLng(p.Lng + rng.NormFloat64()*0.01)}
			want := math.Inf(1)
			for i := 1; i < len(line); i++ {
				a, b := line[i-1], line[i]
				for s := range 1_001 {
					t := float64(s) / 1_000
					want = min(want, p.Distance(Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lng: wrapLng(a.Lng + t*math.Remainder(b.Lng-a.Lng, 360))}))
				}
			}
			want -= c.WidthMeters() / 2
			got := c.Distance(p)
			if got > want+0.01 || got < want-5 {
				t.Fatalf("%v from %v: got %v m, stepping gives %v m", p, line, got, want)
			}
			if c.Contains(p) != (got <= 0) {
				t.Fatalf("%v from %v: contained %v at %v m", p, line, c.Contains(p), got)
			}
			if got <= 0 {
				in++
			}
		}
	}
	if in < 150 {
		t.Errorf("%d points inside, which proves little", in)
	}
}

func TestNewCorridor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		line   []Point
		width  float64
		at     string
		mended int
	}{
		{"one point", []Point{{1, 1}}, 5, "", 0},
		{"one point twice", []Point{{1, 1}, {1, 1}}, 5, "", 1},
		{"no width", []Point{{1, 1}, {2, 2}}, 0, "", 0},
		{"a width that is no number", []Point{{1, 1}, {2, 2}}, math.NaN(), "", 0},
		{"off the globe", []Point{{1, 1}, {2, 181}}, 5, "/1", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, mended, err := NewCorridor(test.line, test.width)
			if fault := new(Fault); !errors.As(err, &fault) || fault.At != test.at || fault.Mend == "" {
				t.Errorf("got %v, want a Fault at %q", err, test.at)
			}
			if len(mended) != test.mended {
				t.Errorf("got %v, want %d", mended, test.mended)
			}
		})
	}
	if _, mended, err := NewCorridor([]Point{{1, 1}, {1, 1}, {2, 179}, {2, -179}}, 5); err != nil || len(mended) != 2 {
		t.Errorf("got %v, %v, want two mendings", mended, err)
	}
}
