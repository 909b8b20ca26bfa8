package recommend_test

import (
	"slices"
	"testing"

	"satnav/context/where"
	"satnav/geo"
	"satnav/recommend"
)

// What a quarter buys is known in a store that opened there yesterday, and in its streets; elsewhere it is not, and where a
// store has enough purchases of its own they count more than what surrounds it.
func TestSurroundingsSpeakForWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	harbour, hill := geo.Point{Lat: 51.5, Lng: 0}, geo.Point{Lat: 52.5, Lng: 3}
	near := geo.Point{Lat: harbour.Lat + 0.0005, Lng: harbour.Lng}
	s := newShop()
	s.stores = []*where.Store{
		{ID: "old harbour", Name: "Old harbour", Point: harbour}, {ID: "new harbour", Name: "New harbour", Point: near},
		{ID: "hill", Name: "Hill", Point: hill},
	}
	for day := range 60 {
		for _, sold := range []struct{ store, item string }{{"old harbour", "fish"}, {"hill", "cheese"}} {
			events := bought(monday.AddDate(0, 0, -day), sold.item, "bread")
			for i := range events {
				events[i].Store = sold.store
			}
			s.remember(events...)
		}
	}
	snapshot := s.snapshot()
	for _, c := range []struct {
		name  string
		place where.Place
		want  string
	}{
		{"in the old store", where.Place{Known: true, Point: harbour, Cell: geo.CellAt(harbour, 10), Store: s.stores[0]}, "fish"},
		{"in the new store beside it", where.Place{Known: true, Point: near, Cell: geo.CellAt(near, 10), Store: s.stores[1]}, "fish"},
		{"in the street, no store near", where.Place{Known: true, Point: harbour, Cell: geo.CellAt(harbour, 10)}, "fish"},
		{"somewhere in the quarter", where.Place{Known: true, Point: harbour, Cell: geo.CellAt(harbour, 6)}, "fish"},
		{"on the hill", where.Place{Known: true, Point: hill, Cell: geo.CellAt(hill, 10), Store: s.stores[2]}, "cheese"},
	} {
		r := asked(nil, loyal, monday)
		r.Scene.Place = c.place
		r.Kinds = []recommend.Kind{recommend.KindProduct}
		got, _ := recommend.Recommend(snapshot, r)
		other := map[string]string{"fish": "cheese", "cheese": "fish"}[c.want]
		if slices.Index(items(got), c.want) > slices.Index(items(got), other) || !slices.Contains(items(got), c.want) {
			t.Errorf("%s: got %v, want %s before %s", c.name, items(got), c.want, other)
		}
		for _, suggestion := range got {
			for _, reason := range suggestion.Reasons {
				if reason.Code == recommend.PopularHere && reason.Values.Store == "new harbour" {
					t.Errorf("%s: %s is said to be popular where nothing was sold yet", c.name, suggestion.Item)
				}
			}
		}
	}
}
