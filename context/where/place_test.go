package where

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/geo"
)

var (
	opera  = geo.Point{Lat: 48.8719, Lng: 2.3316}
	shop   = &Store{ID: "opera", Point: geo.Point{Lat: 48.8721, Lng: 2.3320}}
	shops  = NewStores([]*Store{shop})
	at     = time.Date(2026, 11, 22, 9, 14, 3, 0, time.UTC)
	fine   = geo.CellAt(opera, 12)
	block  = geo.CellAt(opera, 9)
	county = geo.CellAt(opera, 5)
)

func TestLocate(t *testing.T) {
	t.Parallel()
	ground := 2
	fix := geo.Fix{At: at, Point: opera, AccuracyMeters: 12, Floor: &ground}
	type want struct {
		used     string
		cell     geo.Cell
		point    geo.Point
		accuracy float64
		store    bool
	}
	for _, c := range []struct {
		name      string
		fix       *geo.Fix
		cell      geo.Cell
		precision geo.Precision
		want      want
	}{
		{"precise fix", &fix, 0, geo.Precise, want{"fix", geo.CellAt(opera, 10), opera, 12, true}},
		{"precise fix goes before the cell", &fix, county, geo.Precise, want{"fix", geo.CellAt(opera, 10), opera, 12, true}},
		{"coarse fix", &fix, 0, geo.Coarse, want{"cell-6", geo.CellAt(opera, 6), geo.CellAt(opera, 6).Center(), geo.CellAt(opera, 6).Circumradius(), true}},
		{"fix without permission", &fix, block, geo.NoLocation, want{used: "none"}},
		{"fine cell", nil, fine, geo.Precise, want{"cell-12", fine.Parent(10), fine.Center(), fine.Circumradius(), true}},
		{"block cell", nil, block, geo.Precise, want{"cell-9", block, block.Center(), block.Circumradius(), true}},
		{"block cell made coarse", nil, block, geo.Coarse, want{"cell-6", block.Parent(6), block.Parent(6).Center(), block.Parent(6).Circumradius(), true}},
		{"wide cell under coarse", nil, county, geo.Coarse, want{"cell-5", county, county.Center(), county.Circumradius(), true}},
		{"wide cell under precise", nil, county, geo.Precise, want{"cell-5", county, county.Center(), county.Circumradius(), true}},
		{"cell without permission", nil, block, geo.NoLocation, want{used: "none"}},
		{"nothing", nil, 0, geo.Precise, want{used: "none"}},
		{"no cell", nil, 42, geo.Coarse, want{used: "none"}},
		{"no point", &geo.Fix{At: at, Point: geo.Point{Lat: math.NaN()}}, block, geo.Precise, want{used: "none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Locate(shops, c.fix, c.cell, c.precision)
			if got.Used() != c.want.used || got.Cell != c.want.cell || got.Point != c.want.point || got.AccuracyMeters != c.want.accuracy {
				t.Errorf("got %s, cell %v, %v, accuracy %v, want %+v", got.Used(), got.Cell, got.Point, got.AccuracyMeters, c.want)
			}
			if (got.Store == shop) != c.want.store {
				t.Errorf("store: got %v", got.Store)
			}
			if c.want.used == "none" && got != (Place{}) {
				t.Errorf("got %+v, want the zero place", got)
			}
		})
	}
}

// TestCoarseTellsNoMoreThanItsCell is the promise of the approximate-location permission: whatever the
// fix, the place and what the crossing machine sees depend on its resolution-6 cell alone.
func TestCoarseTellsNoMoreThanItsCell(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := points().Draw(t, "p")
		cell := geo.CellAt(p, CoarseResolution)
		same := cell.Center()
		here, there := geo.Fix{At: at, Point: p, AccuracyMeters: 8}, geo.Fix{At: at, Point: same, AccuracyMeters: 30}
		if a, b := Locate(shops, &here, 0, geo.Coarse), Locate(shops, &there, 0, geo.Coarse); a != b {
			t.Fatalf("two fixes in one cell make two places: %+v and %+v", a, b)
		}
		a, _ := Permit(here, geo.Coarse)
		b, _ := Permit(there, geo.Coarse)
		if a != b {
			t.Fatalf("two fixes in one cell are seen as two: %+v and %+v", a, b)
		}
		if a.AccuracyMeters < CoarseMeters || !a.Coarse || a.Floor != nil {
			t.Fatalf("got accuracy %v, coarse %v, floor %v", a.AccuracyMeters, a.Coarse, a.Floor)
		}
		if d := a.Point.Distance(p); d > a.AccuracyMeters*1.001 {
			t.Fatalf("the fix is %v m from where it is said to be within %v m", d, a.AccuracyMeters)
		}
	})
}

func TestSight(t *testing.T) {
	t.Parallel()
	fix := geo.Fix{At: at.Add(-time.Second), Point: opera, AccuracyMeters: 12}
	if got, ok := Sight(&fix, block, at, geo.Precise); !ok || got != fix {
		t.Errorf("a precise fix: got %+v, want it as it came", got)
	}
	got, ok := Sight(nil, block, at, geo.Precise)
	if want := (geo.Fix{At: at, Point: block.Center(), AccuracyMeters: block.Circumradius(), Coarse: true}); !ok || got != want {
		t.Errorf("a cell: got %+v, want %+v", got, want)
	}
	if got, ok := Sight(nil, block, at, geo.Coarse); !ok || got.AccuracyMeters < CoarseMeters || got.Point != block.Parent(6).Center() {
		t.Errorf("a cell made coarse: got %+v", got)
	}
	vague := geo.Fix{At: at, Point: opera, AccuracyMeters: 50_000, Mocked: true}
	if got, _ := Permit(vague, geo.Coarse); got.AccuracyMeters != 50_000 || !got.Mocked {
		t.Errorf("coarse made a vague fix better, or hid that it is mocked: %+v", got)
	}
	for _, precision := range []geo.Precision{geo.NoLocation, geo.Coarse, geo.Precise} {
		if _, ok := Sight(nil, 0, at, precision); ok {
			t.Errorf("precision %d: something is seen where nothing came", precision)
		}
	}
	if _, ok := Permit(fix, geo.NoLocation); ok {
		t.Error("a fix is seen without permission")
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		give     geo.Fix
		trust    float64
		distrust geo.Distrust
	}{
		{"plain", geo.Fix{Point: opera, AccuracyMeters: 12}, 1, ""},
		{"accuracy not said", geo.Fix{Point: opera}, 1, ""},
		{"mocked", geo.Fix{Point: opera, AccuracyMeters: 12, Mocked: true}, 0.1, geo.DistrustMocked},
		{"too good to be true", geo.Fix{Point: opera, AccuracyMeters: 0.01}, 0.5, geo.DistrustAccuracy},
		{"negative", geo.Fix{Point: opera, AccuracyMeters: -1}, 0.5, geo.DistrustAccuracy},
		{"no number", geo.Fix{Point: opera, AccuracyMeters: math.NaN()}, 0.5, geo.DistrustAccuracy},
		{"half the country", geo.Fix{Point: opera, AccuracyMeters: 400_000}, 0.2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, precision := range []geo.Precision{geo.Coarse, geo.Precise} {
				got := Locate(shops, &c.give, 0, precision)
				if got.Distrust != c.distrust || got.Trust != c.trust {
					t.Errorf("got %v because of %q, want %v because of %q", got.Trust, got.Distrust, c.trust, c.distrust)
				}
			}
		})
	}
}

func TestFarStoreIsNotNear(t *testing.T) {
	t.Parallel()
	fix := geo.Fix{Point: geo.Point{Lat: 40, Lng: 2}}
	if got := Locate(shops, &fix, 0, geo.Precise); got.Store != nil || got.DistanceMeters != 0 || !got.Known {
		t.Errorf("900 km away: got %+v", got)
	}
}

func BenchmarkLocate(b *testing.B) {
	fix := geo.Fix{At: at, Point: opera, AccuracyMeters: 12}
	for name, precision := range map[string]geo.Precision{"precise": geo.Precise, "coarse": geo.Coarse} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Locate(shops, &fix, 0, precision)
			}
		})
	}
}
