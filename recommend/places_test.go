package recommend_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// town is a shop chain with stores along a road, one kilometre apart, and no purchases.
func town(n int) *shop {
	s := newShop()
	for i := range n {
		s.stores = append(s.stores, &where.Store{ID: fmt.Sprint("s", i), Name: fmt.Sprint("Store ", i), Point: geo.Point{Lat: 50 + float64(i)*0.009, Lng: 8}})
	}
	return s
}

func visited(days, hour int, store string) who.Event {
	return who.Event{Kind: who.Visited, Store: store, At: monday.AddDate(0, 0, -days).Add(time.Duration(hour) * time.Hour)}
}

func TestRecommendStores(t *testing.T) {
	t.Parallel()
	only := []recommend.Kind{recommend.KindStore}
	var commute []who.Event
	for day := 1; day < 15; day++ {
		commute = append(commute, visited(day, 0, "s3"), visited(day, 9, "s7"))
	}
	for _, c := range []struct {
		name   string
		events []who.Event
		now    time.Time
		place  where.Place
		kinds  []recommend.Kind
		want   string
		code   recommend.Code
	}{
		{"where they go in the morning", commute, monday, where.Place{}, only, "s3", recommend.UsuallyVisited},
		{"where they go in the evening", append(commute[:len(commute):len(commute)], visited(0, 0, "s3")), monday.Add(9 * time.Hour), where.Place{}, only, "s7", recommend.UsuallyVisited},
		{"a stranger at a place", nil, monday, where.Place{Known: true, Point: geo.Point{Lat: 50.0451, Lng: 8}}, only, "s5", recommend.Nearby},
		{"a stranger nowhere, where nobody went anywhere", nil, monday, where.Place{}, only, "s0", recommend.InCatalogue},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := town(20)
			h := s.remember(c.events...)
			r := asked(h, loyal, c.now)
			r.Scene.Place, r.Kinds = c.place, c.kinds
			got, _ := recommend.Recommend(s.snapshot(), r)
			if len(got) != 10 || got[0].Item != c.want || got[0].Kind != recommend.KindStore || got[0].Reasons[0].Code != c.code {
				t.Fatalf("got %v because %+v, want ten, %s first because %s", items(got), got[0].Reasons, c.want, c.code)
			}
			ids := items(got)
			slices.Sort(ids)
			if len(slices.Compact(ids)) != 10 {
				t.Errorf("got %v, want ten different ones", items(got))
			}
		})
	}
}

func TestRecommendOneStoreAmongProducts(t *testing.T) {
	t.Parallel()
	s := town(5)
	for i := range 30 {
		s.products = append(s.products, recommend.Product{ID: fmt.Sprint("p", i)})
	}
	stores := func(r *recommend.Request) (n int) {
		got, _ := recommend.Recommend(s.snapshot(), r)
		for _, suggestion := range got {
			if suggestion.Kind == recommend.KindStore {
				n++
			}
		}
		if len(got) != 10 {
			t.Errorf("got %v, want ten", items(got))
		}
		return n
	}
	nowhere := asked(nil, loyal, monday)
	if n := stores(nowhere); n != 0 {
		t.Errorf("%d stores in an answer that is for nowhere, want none", n)
	}
	nowhere.Kinds = []recommend.Kind{recommend.KindProduct, recommend.KindStore}
	if n := stores(nowhere); n != 0 {
		t.Errorf("%d stores for a stranger who is nowhere, want none", n)
	}
	here := asked(nil, loyal, monday)
	here.Scene.Place = where.Place{Known: true, Point: s.stores[2].Point, Store: s.stores[2], DistanceMeters: 40}
	if n := stores(here); n != 1 {
		t.Errorf("%d stores in an answer near a store, want 1", n)
	}
}
