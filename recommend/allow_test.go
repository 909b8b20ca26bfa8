package recommend_test

import (
	"slices"
	"testing"
	"time"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// What must not be shown is not, whatever speaks for it: each case starts from a shop in which milk is
// the first suggestion.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	none := 0
	for _, c := range []struct {
		name    string
		product recommend.Product
		events  []who.Event
		basket  bool
		now     time.Time
	}{
		{name: "withdrawn", product: recommend.Product{ID: "milk", Withdrawn: true}},
		{name: "out of stock", product: recommend.Product{ID: "milk", Stock: &none}},
		{name: "sensitive", product: recommend.Product{ID: "milk", Sensitive: true}},
		{name: "dismissed", events: []who.Event{{Kind: who.Dismissed, Item: "milk", At: monday.Add(-time.Hour)}}},
		{name: "given back", events: []who.Event{{Kind: who.Purchased, Quantity: -1, Item: "milk", At: monday.Add(-time.Hour)}}},
		{name: "in the basket", basket: true},
		{name: "bought just now", events: bought(monday.Add(-time.Minute), "milk")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, anna := weekly()
			if c.product.ID != "" {
				s.products = append(s.products, c.product)
			}
			r := asked(anna.With(s.names, c.events...), loyal, monday)
			if c.basket {
				r.Basket = append(r.Basket, s.item("milk"))
			}
			got, _ := recommend.Recommend(s.snapshot(), r)
			if len(got) == 0 || slices.Contains(items(got), "milk") {
				t.Errorf("got %v, want others than milk", items(got))
			}
		})
	}
}

// TestSoldOutInOneStore holds that what a store has run out of is not suggested there, and is elsewhere.
func TestSoldOutInOneStore(t *testing.T) {
	t.Parallel()
	s, anna := weekly()
	at := func(id string) where.Place {
		return where.Place{Known: true, Point: geo.Point{Lat: 50, Lng: 8}, Store: &where.Store{ID: id}, DistanceMeters: 40}
	}
	far := at("empty")
	far.DistanceMeters = 50_000
	pieces := 7
	s.products = append(s.products, recommend.Product{ID: "milk", Stock: &pieces, SoldOut: []who.Item{s.names.Stores.Number("bare"), s.names.Stores.Number("empty")}})
	s.names.Stores.Number("full")
	for _, c := range []struct {
		name string
		give where.Place
		want bool
	}{
		{"in a store that has none", at("empty"), false},
		{"in another that has none", at("bare"), false},
		{"in a store that has it", at("full"), true},
		{"far from the store that has none", far, true},
		{"nowhere", where.Place{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := asked(anna, loyal, monday)
			r.Scene.Place = c.give
			got, _ := recommend.Recommend(s.snapshot(), r)
			if len(got) == 0 || slices.Contains(items(got), "milk") != c.want {
				t.Errorf("got %v, want milk: %t", items(got), c.want)
			}
		})
	}
}

func TestDismissedCountsUntilBoughtAgain(t *testing.T) {
	t.Parallel()
	s, anna := weekly()
	anna = anna.With(s.names, who.Event{Kind: who.Dismissed, Item: "milk", At: monday.AddDate(0, 0, -30)})
	if got, _ := recommend.Recommend(s.snapshot(), asked(anna, loyal, monday)); got[0].Item != "milk" {
		t.Errorf("got %v, want milk first: it was bought after it was dismissed", items(got))
	}
	before := monday.AddDate(0, 0, -29)
	if got, _ := recommend.Recommend(s.snapshot(), asked(anna, loyal, before)); slices.Contains(items(got), "milk") {
		t.Errorf("a day after the dismissal: got %v, want no milk", items(got))
	}
}

// Nothing follows from a sensitive purchase: neither a suggestion nor a reason.
func TestSensitiveIsNoReason(t *testing.T) {
	t.Parallel()
	s := newShop()
	for day := range 30 {
		s.remember(bought(monday.AddDate(0, 0, -day), "test kit", "folic acid")...)
		s.remember(bought(monday.AddDate(0, 0, -day), "bread", "butter")...)
	}
	s.products = []recommend.Product{{ID: "test kit", Sensitive: true}, {ID: "folic acid"}, {ID: "bread"}, {ID: "butter"}}
	anna := s.remember(bought(monday.AddDate(0, 0, -3), "test kit")...)
	r := asked(anna, loyal, monday)
	r.Basket = append(r.Basket, s.item("test kit"))
	plain, _ := recommend.Recommend(s.snapshot(), asked(s.remember(), loyal, monday))
	got, _ := recommend.Recommend(s.snapshot(), r)
	if !slices.Equal(items(got), items(plain)) {
		t.Errorf("got %v, want what a stranger gets, %v", items(got), items(plain))
	}
	for _, suggestion := range got {
		for _, reason := range suggestion.Reasons {
			if reason.Values.With == "test kit" {
				t.Errorf("%s: the reason names what is sensitive", suggestion.Item)
			}
		}
	}
}

func TestEveryoneGetsAnAnswer(t *testing.T) {
	t.Parallel()
	products := []recommend.Product{{ID: "only", Title: "The only one"}}
	for _, c := range []struct {
		name     string
		shop     func(s *shop)
		kinds    []recommend.Kind
		limit    int
		want     []string
		wantCode recommend.Code
	}{
		{"an empty shop", func(*shop) {}, nil, 10, nil, ""},
		{"a catalogue of one that nobody bought", func(s *shop) { s.products = products }, nil, 10, []string{"only"}, recommend.InCatalogue},
		{"purchases of one shopper without a catalogue", func(s *shop) { s.remember(bought(monday, "a", "b")...) }, nil, 10, []string{"a", "b"}, recommend.InCatalogue},
		{"purchases of many without a catalogue", func(s *shop) {
			for range 20 {
				s.remember(bought(monday, "a", "b")...)
			}
		}, nil, 10, []string{"a", "b"}, recommend.Popular},
		{"a limit of none", func(s *shop) { s.products = products }, nil, 0, nil, ""},
		{"a kind that is not there", func(s *shop) { s.products = products }, []recommend.Kind{recommend.KindOffer}, 10, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop()
			c.shop(s)
			for _, r := range []*recommend.Request{
				asked(nil, nil, monday.AddDate(0, 0, 1)), asked(nil, loyal, monday.AddDate(0, 0, 1)), {}, // nobody, nowhere, never
			} {
				r.Kinds, r.Limit = c.kinds, c.limit
				got, _ := recommend.Recommend(s.snapshot(), r)
				if !slices.Equal(items(got), c.want) {
					t.Fatalf("got %v, want %v", items(got), c.want)
				}
				for _, suggestion := range got {
					if len(suggestion.Reasons) == 0 || suggestion.Reasons[0].Code != c.wantCode {
						t.Errorf("%s: reasons %+v, want %s", suggestion.Item, suggestion.Reasons, c.wantCode)
					}
				}
			}
		})
	}
}
