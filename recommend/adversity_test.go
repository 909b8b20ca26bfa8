package recommend_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/learn"
)

// sensible holds an answer to what every answer promises, whatever it was made of.
func sensible(t rapid.TB, list []recommend.Suggestion, limit int) {
	t.Helper()
	ids := items(list)
	slices.Sort(ids)
	if len(list) > limit || len(slices.Compact(ids)) != len(list) {
		t.Fatalf("got %v, want at most %d different ones", items(list), limit)
	}
	for _, s := range list {
		if math.IsNaN(s.Score) || s.Score <= 0 || s.Score >= 1 || s.Item == "" || len(s.Reasons) < 1 || len(s.Reasons) > 3 {
			t.Fatalf("got %+v", s)
		}
		for _, r := range s.Reasons {
			if math.IsNaN(r.Contribution) || math.IsNaN(r.Values.EveryDays) || r.Values.LastDays < 0 {
				t.Fatalf("%s: reason %+v", s.Item, r)
			}
		}
	}
}

// Extreme shoppers, baskets and catalogues get sensible answers.
func TestAdversity(t *testing.T) {
	t.Parallel()
	everything := func(n int) (events []who.Event) {
		random := rand.New(rand.NewPCG(4, 4))
		kinds := []who.EventKind{who.Purchased, who.Purchased, who.Viewed, who.Liked, who.Dismissed, who.Removed, who.Visited}
		for range n {
			events = append(events, who.Event{
				Kind: kinds[random.IntN(len(kinds))], Item: fmt.Sprint("p", random.IntN(5000)), Store: fmt.Sprint("s", random.IntN(9)),
				At: monday.Add(-time.Duration(random.IntN(20*365*24)) * time.Hour), Quantity: float64(random.IntN(5) - 1),
			})
		}
		return events
	}
	bulk := make([]string, 5000)
	for i := range bulk {
		bulk[i] = fmt.Sprint("p", i)
	}
	for _, c := range []struct {
		name   string
		events []who.Event
		rows   []recommend.Product
		basket int
		crowd  bool
		want   int // suggestions at least
	}{
		{name: "nothing is known of anything"},
		{name: "a catalogue of one and nobody yet", rows: []recommend.Product{{ID: "p1"}}, want: 1},
		{name: "a catalogue of one, which is withdrawn", rows: []recommend.Product{{ID: "p1", Withdrawn: true}}, crowd: true},
		{name: "a catalogue of one, and it was bought", rows: []recommend.Product{{ID: "p1"}}, events: bought(monday.AddDate(0, 0, -7), "p1"), want: 1},
		{name: "no catalogue, a crowd", crowd: true, want: 10},
		{name: "no catalogue, a crowd, no history, a basket of 5,000", crowd: true, basket: 5000},
		{name: "50,000 events", events: everything(50_000), crowd: true, want: 10},
		{name: "50,000 events and a basket of 5,000", events: everything(50_000), crowd: true, basket: 5000},
		{name: "a basket of 5,000 lines was bought", events: bought(monday.AddDate(0, 0, -3), bulk...), crowd: true, want: 10},
		{name: "everything was bought in the future", events: bought(monday.AddDate(1, 0, 0), bulk[:100]...), crowd: true, want: 10},
		{name: "everything was bought in 1980", events: bought(time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC), bulk[:100]...), crowd: true, want: 10},
		{name: "everything was bought in one second", events: slices.Concat(bought(monday.Add(-time.Hour*48), "p1"), bought(monday.Add(-time.Hour*48), "p1", "p2")), crowd: true, want: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop()
			s.products = c.rows
			if c.crowd {
				for i := range 60 {
					s.remember(bought(monday.AddDate(0, 0, -i), fmt.Sprint("p", i%7), fmt.Sprint("p", i%11), fmt.Sprint("p", i))...)
				}
			}
			h := s.remember(c.events...)
			r := asked(h, loyal, monday)
			for i := range c.basket {
				r.Basket = append(r.Basket, s.item(fmt.Sprint("p", i)))
			}
			snapshot := s.snapshot()
			got, _ := recommend.Recommend(snapshot, r)
			sensible(t, got, 10)
			if len(got) < c.want {
				t.Errorf("got %v, want at least %d", items(got), c.want)
			}
			for _, suggestion := range got {
				if slices.Contains(r.Basket, s.item(suggestion.Item)) {
					t.Errorf("%s is in the basket", suggestion.Item)
				}
			}
			again, _ := recommend.Recommend(snapshot, r)
			if !reflect.DeepEqual(got, again) {
				t.Errorf("got %v, then %v", items(got), items(again))
			}
			if _, err := learn.Fit(snapshot, []*who.History{h, nil, {}}, "v", monday); err == nil {
				t.Error("a model was learnt of one shopper's whims")
			}
			s.crowd.Replace(h, nil) // forgets
			sensible(t, first(recommend.Recommend(snapshot.With(s.crowd.View(), nil), r)), 10)
		})
	}
}

func first(list []recommend.Suggestion, _ recommend.Record) []recommend.Suggestion { return list }

// An item withdrawn while it is in a basket is neither suggested nor a reason to fail, and what goes with
// it still is suggested. Prices may be missing.
func TestWithdrawnWhileInABasket(t *testing.T) {
	t.Parallel()
	s := newShop()
	for day := range 40 {
		s.remember(bought(monday.AddDate(0, 0, -day), "pasta", "pesto")...)
	}
	s.products = []recommend.Product{{ID: "pasta", Withdrawn: true}, {ID: "pesto"}}
	r := asked(nil, loyal, monday.AddDate(0, 0, 1))
	r.Basket = []who.Item{s.item("pasta"), who.Item(4_000_000)}
	got, _ := recommend.Recommend(s.snapshot(), r)
	sensible(t, got, 10)
	if len(got) != 1 || got[0].Item != "pesto" || got[0].Price.Known {
		t.Errorf("got %+v, want pesto alone, without a price", got)
	}
}

// A thousand shoppers live, change and are forgotten at random; then the crowd's view, made piece by piece,
// is that of a crowd which knew only those who are left, and so are the answers.
func TestForgettingAtScale(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8, 8))
	snapshot, histories, crowd := city(1_000, 500)
	kept := slices.Clone(histories)
	for i := range kept {
		switch random.IntN(3) {
		case 0:
			crowd.Replace(kept[i], nil)
			kept[i] = nil
		case 1:
			next := kept[i].With(snapshot.Names, bought(monday.Add(-time.Hour), "p1", fmt.Sprint("p", random.IntN(500)))...)
			crowd.Replace(kept[i], next)
			kept[i] = next
		}
		if i%100 == 0 {
			crowd.View()
		}
	}
	rebuilt := learn.NewCrowd(nil)
	for _, h := range kept {
		if h != nil {
			rebuilt.Replace(nil, h)
		}
	}
	lived, anew := snapshot.With(crowd.View(), nil), snapshot.With(rebuilt.View(), nil)
	if a, b := lived.Crowd, anew.Crowd; a.Shoppers != b.Shoppers || a.Lines != b.Lines || a.Rhythm != b.Rhythm || !slices.Equal(a.Popular, b.Popular) {
		t.Errorf("got %d shoppers and %d lines, want %d and %d", a.Shoppers, a.Lines, b.Shoppers, b.Lines)
	}
	for i := range anew.Crowd.Items {
		if got, want := lived.Crowd.Items[i], anew.Crowd.Items[i]; want.Lines > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("item %d: got %+v, want %+v", i, got, want)
		}
	}
	for i, h := range kept {
		got, _ := recommend.Recommend(lived, asked(h, loyal, monday))
		want, _ := recommend.Recommend(anew, asked(h, loyal, monday))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("shopper %d: got %v, want %v", i, items(got), items(want))
		}
	}
}
