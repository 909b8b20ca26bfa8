package where

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/geo"
)

// points draws positions that meet at the awkward places of the globe: poles, antimeridian, equator.
func points() *rapid.Generator[geo.Point] {
	lat := rapid.OneOf(rapid.Float64Range(-90, 90), rapid.SampledFrom([]float64{-90, -89.9999, 0, 89.9999, 90}))
	lng := rapid.OneOf(rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{-180, -179.9999, 0, 179.9999, 180}))
	near := rapid.Float64Range(-0.01, 0.01)
	return rapid.Custom(func(t *rapid.T) geo.Point {
		if rapid.Bool().Draw(t, "town") {
			return geo.Point{Lat: 48.85 + near.Draw(t, "lat"), Lng: 2.35 + near.Draw(t, "lng")}
		}
		return geo.Point{Lat: lat.Draw(t, "lat"), Lng: lng.Draw(t, "lng")}
	})
}

func drawStores(t *rapid.T) []*Store {
	drawn := rapid.SliceOfN(points(), 0, 60).Draw(t, "stores")
	stores := make([]*Store, len(drawn))
	for i, p := range drawn {
		stores[i] = &Store{ID: fmt.Sprintf("s%02d", len(drawn)-i), Point: p}
	}
	return stores
}

// TestNearestAgreesWithLookingAtAll holds Nearest to the slow twin. Straight distances and haversine round
// differently, so two stores that are equally far to a millimetre count as equal.
func TestNearestAgreesWithLookingAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawStores(t)
		p := points().Draw(t, "p")
		store, meters := NewStores(all).Nearest(p)
		if len(all) == 0 {
			if store != nil {
				t.Fatalf("nearest of no stores: got %q", store.ID)
			}
			return
		}
		least := math.Inf(1)
		for _, s := range all {
			least = min(least, p.Distance(s.Point))
		}
		if want := p.Distance(store.Point); meters != want {
			t.Fatalf("store %q: got %v m, want its distance %v m", store.ID, meters, want)
		}
		// Near the antipode the haversine itself is good to some centimetres only.
		slack := 1e-3
		if least > 19_000_000 {
			slack = 1
		}
		if meters > least+slack {
			t.Fatalf("nearest to %v: got %q at %v m, but one is at %v m", p, store.ID, meters, least)
		}
		for _, s := range all {
			if s.Point == store.Point && s.ID < store.ID {
				t.Fatalf("stores %q and %q are at the same place: got the later id", s.ID, store.ID)
			}
		}
	})
}

func TestWithinAgreesWithLookingAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawStores(t)
		p := points().Draw(t, "p")
		meters := rapid.OneOf(rapid.Float64Range(0, 2_000), rapid.Float64Range(0, 21_000_000)).Draw(t, "meters")
		kept := Near{Store: &Store{ID: "was there"}}
		got := NewStores(all).Within(p, meters, []Near{kept})
		want := []Near{kept}
		for _, s := range all {
			if d := p.Distance(s.Point); d <= meters {
				want = append(want, Near{s, d})
			}
		}
		slices.SortFunc(want[1:], func(a, b Near) int {
			return cmp.Or(cmp.Compare(a.Meters, b.Meters), cmp.Compare(a.Store.ID, b.Store.ID))
		})
		if !slices.Equal(got, want) {
			t.Fatalf("within %v m of %v: got %v, want %v", meters, p, got, want)
		}
	})
}

func TestNearestCrossesTheAntimeridian(t *testing.T) {
	t.Parallel()
	stores := NewStores([]*Store{
		{ID: "suva", Point: geo.Point{Lat: -18.14, Lng: 178.44}},
		{ID: "taveuni east", Point: geo.Point{Lat: -16.80, Lng: -179.98}},
	})
	store, meters := stores.Nearest(geo.Point{Lat: -16.80, Lng: 179.98})
	if store.ID != "taveuni east" || meters > 5_000 {
		t.Errorf("got %q at %.0f m, want the store across the line, 4 km away", store.ID, meters)
	}
}

func TestStoresByID(t *testing.T) {
	t.Parallel()
	first, second := &Store{ID: "a", Name: "first"}, &Store{ID: "a", Name: "second"}
	lost := &Store{ID: "lost", Point: geo.Point{Lat: math.NaN()}}
	stores := NewStores([]*Store{first, lost, second, {ID: "A"}})
	if got, _ := stores.ByID("a"); got != second {
		t.Errorf("of two with one id: got %q, want the second", got.Name)
	}
	if _, ok := stores.ByID("b"); ok {
		t.Error("found a store that does not exist")
	}
	if got, _ := stores.ByID("lost"); got != lost {
		t.Error("a store without a valid point is not found by its id")
	}
	var ids []string
	for _, s := range stores.All() {
		ids = append(ids, s.ID)
	}
	if want := []string{"A", "a", "lost"}; !slices.Equal(ids, want) || stores.Len() != 3 {
		t.Errorf("all: got %v, want %v", ids, want)
	}
	if got, _ := stores.Nearest(geo.Point{}); got == lost {
		t.Error("a store without a valid point is nearest")
	}
}

func TestNoStores(t *testing.T) {
	t.Parallel()
	var none *Stores
	if _, ok := none.ByID("a"); ok || none.All() != nil || none.Len() != 0 {
		t.Error("nil holds stores")
	}
	if store, _ := none.Nearest(geo.Point{}); store != nil {
		t.Error("nil has a nearest store")
	}
	if near := none.Within(geo.Point{}, 1e9, nil); near != nil {
		t.Error("nil has stores within a distance")
	}
	one := NewStores([]*Store{{ID: "a"}})
	for _, p := range []geo.Point{{Lat: math.NaN()}, {Lng: math.Inf(1)}, {Lat: 91}} {
		if store, _ := one.Nearest(p); store != nil {
			t.Errorf("a store is nearest to %v, which is no point", p)
		}
		if near := one.Within(p, 1e9, nil); near != nil {
			t.Errorf("a store is within reach of %v, which is no point", p)
		}
	}
	for _, meters := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if near := one.Within(geo.Point{}, meters, nil); near != nil {
			t.Errorf("a store is within %v m", meters)
		}
	}
}

// BenchmarkStoresNearest pays for one question in a country of 5,000 stores.
func BenchmarkStoresNearest(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	town := func() geo.Point { return geo.Point{Lat: 42 + 8*random.Float64(), Lng: -2 + 9*random.Float64()} }
	all := make([]*Store, 5_000)
	for i := range all {
		all[i] = &Store{ID: fmt.Sprint(i), Point: town()}
	}
	stores := NewStores(all)
	asked := make([]geo.Point, 1024)
	for i := range asked {
		asked[i] = town()
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		stores.Nearest(asked[i%len(asked)])
		i++
	}
}

// TestHidden holds the reach of a hidden store, near it and across the antimeridian, and that nobody finds it but by id.
func TestHidden(t *testing.T) {
	t.Parallel()
	lisbon := geo.Point{Lat: 38.71, Lng: -9.13}
	clinic, edge := &Store{ID: "clinic", Point: lisbon, Hidden: true}, &Store{ID: "edge", Point: geo.Point{Lat: 0, Lng: 180}, Hidden: true}
	stores := NewStores([]*Store{clinic, edge, {ID: "bakery", Point: geo.Point{Lat: 38.72, Lng: -9.13}}})
	north := func(meters float64) geo.Point { return geo.Point{Lat: lisbon.Lat + meters/111_195, Lng: lisbon.Lng} }
	for _, c := range []struct {
		name     string
		p        geo.Point
		accuracy float64
		want     bool
	}{
		{"in it", lisbon, 5, true}, {"at its door", north(90), 0, true}, {"down the street", north(150), 5, false}, {"somewhere around", north(150), 80, true},
		{"farther than anything vague reaches", north(250), 5_000, false}, {"beyond the antimeridian", geo.Point{Lat: 0, Lng: -179.9995}, 5, true},
		{"in the bakery", geo.Point{Lat: 38.72, Lng: -9.13}, 5, false}, {"nowhere", geo.Point{Lat: 91}, 5, false},
	} {
		if got := stores.Hides(c.p, c.accuracy); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	for resolution := range geo.MaxCellResolution + 1 {
		if got := stores.HidesCell(geo.CellAt(lisbon, resolution)); got != (resolution >= coarsestTelling) {
			t.Errorf("its cell of resolution %d: got %v", resolution, got)
		}
	}
	if stores.HidesCell(geo.CellAt(geo.Point{Lat: 38.72, Lng: -9.13}, 10)) || stores.HidesCell(0) {
		t.Error("another cell is hidden")
	}
	if near, _ := stores.Nearest(lisbon); near == nil || near.ID != "bakery" {
		t.Errorf("nearest: got %+v, want the bakery", near)
	}
	if found, known := stores.ByID("clinic"); !known || found != clinic {
		t.Errorf("by id: got %+v", found)
	}
	if (*Stores)(nil).Hides(lisbon, 5) || (*Stores)(nil).HidesCell(geo.CellAt(lisbon, 10)) || NewStores(nil).Hides(lisbon, 5) {
		t.Error("no stores hide something")
	}
}
