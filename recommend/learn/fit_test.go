package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// habits is a shop in which half of the goods are bought again each week and the other half never
// twice, though the second are the more popular.
func habits(shoppers int) (*recommend.Snapshot, []*who.History) {
	random := rand.New(rand.NewPCG(7, 7))
	names := who.NewNames()
	crowd := NewCrowd(nil)
	histories := make([]*who.History, shoppers)
	for i := range histories {
		var events []who.Event
		staple := fmt.Sprint("staple ", random.IntN(40))
		fads := random.Perm(30)
		for week := range 4 + random.IntN(6) {
			at := start.AddDate(0, 0, 7*week)
			for _, item := range []string{staple, fmt.Sprint("fad ", fads[2*week]), fmt.Sprint("fad ", fads[2*week+1])} {
				if item != staple || random.IntN(8) > 0 {
					events = append(events, who.Event{Kind: who.Purchased, Item: item, At: at, Quantity: 1})
				}
			}
		}
		histories[i] = (*who.History)(nil).With(names, events...)
		crowd.Replace(nil, histories[i])
	}
	return recommend.NewSnapshot(names, nil, nil, crowd.View(), nil), histories
}

func TestFitLearnsWhatIsBoughtAgain(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(400)
	m, err := Fit(snapshot, histories, "v1", start)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil || m.Version != "v1" || m.Product == snapshot.Model.Product {
		t.Fatalf("got version %q (%v), want a learnt v1", m.Version, err)
	}
	learnt, before := m.Figures[0], m.Figures[1]
	if learnt.Method != "learnt" || worth(learnt) < worth(before) || learnt.Shoppers < 40 {
		t.Errorf("figures: %+v, before %+v", learnt, before)
	}
	// One staple in three lines: who knows it comes back, and that a fad does not, finds it first.
	if learnt.NDCG10 < 0.4 {
		t.Errorf("NDCG %v: the staple is not put first", learnt.NDCG10)
	}
	again, err := Fit(snapshot, histories, "v1", start)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Error("learning twice from the same gave two models")
	}
}

// The same purchases make the same model, in whichever order they were read and items were met.
func TestFitDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	var shoppers [][]who.Event
	var products []recommend.Product
	for i := range 60 {
		products = append(products, recommend.Product{ID: fmt.Sprint("p", i), Category: fmt.Sprint("c", i%7), Brand: fmt.Sprint("b", i%5)})
	}
	for range 150 {
		var events []who.Event
		for day := range 3 + random.IntN(9) {
			at := start.AddDate(0, 0, 3*day+random.IntN(3))
			for range 1 + random.IntN(6) {
				item := products[min(random.IntN(60), random.IntN(60))].ID
				events = append(events, who.Event{Kind: who.Purchased, Item: item, At: at, Quantity: 1, Store: fmt.Sprint("s", random.IntN(4))})
			}
			events = append(events, who.Event{Kind: who.Viewed, Item: products[random.IntN(60)].ID, At: at},
				who.Event{Kind: who.Visited, Store: fmt.Sprint("s", random.IntN(4)), At: at.Add(time.Hour)})
		}
		shoppers = append(shoppers, events)
	}
	stores := []*where.Store{{ID: "s0"}, {ID: "s1", Point: geo.Point{Lat: 1}}, {ID: "s2", Point: geo.Point{Lng: 1}}, {ID: "s3"}}
	learnt := func(order []int) *recommend.Model {
		names := who.NewNames()
		names.Items.Number("never bought")
		crowd := NewCrowd(nil)
		histories := make([]*who.History, 0, len(order))
		for _, i := range order {
			h := (*who.History)(nil).With(names, shoppers[i]...)
			histories = append(histories, h)
			crowd.Replace(nil, h)
		}
		rows := slices.Clone(products)
		if order[0] != 0 {
			slices.Reverse(rows)
		}
		m, err := Fit(recommend.NewSnapshot(names, recommend.NewCatalogue(names, rows), stores, crowd.View(), nil), histories, "v1", start)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	order := make([]int, len(shoppers))
	for i := range order {
		order[i] = i
	}
	want := learnt(order)
	for range 3 {
		slices.Reverse(order[:1+random.IntN(len(order)-1)])
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if got := learnt(order); !reflect.DeepEqual(got, want) {
			t.Fatalf("got a model with figures %+v, want %+v", got.Figures, want.Figures)
		}
	}
}

// What is learnt is calibrated: of the suggestions with a score of about p, about p were bought.
func TestFitIsCalibrated(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(900)
	m, err := Fit(snapshot, histories, "v1", start)
	if err != nil {
		t.Fatal(err)
	}
	_, tested, before := baskets(nil, histories)
	s := snapshot.With(before.View(), m)
	var rehearsal recommend.Rehearsal
	expected, bought := 0.0, 0.0
	for _, l := range tested {
		rehearsal.Scores(s, l.past, l.at, func(item who.Item, score float64) {
			expected += score
			if l.holds(item) {
				bought++
			}
		})
	}
	if math.Abs(expected-bought) > 0.1*bought {
		t.Errorf("scores sum to %.1f purchases, %.0f were made", expected, bought)
	}
}

func TestFitRefusesAWorseModel(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(400)
	good, err := Fit(snapshot, histories, "good", start)
	if err != nil {
		t.Fatal(err)
	}
	learners, tested, before := baskets(nil, histories)
	s := snapshot.With(before.View(), good)
	wrong := readRows(recommend.Products, s, learners)
	for i := range wrong.bought {
		wrong.bought[i] = !wrong.bought[i]
	}
	kept, figures := choose(s, good, wrong, tested)
	if kept != good.Product || figures[0].Method != "in service before" {
		t.Errorf("kept the worse one: %+v", figures)
	}
}

func TestFitNeedsShoppers(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(20)
	if m, err := Fit(snapshot, histories, "v1", start); err == nil {
		t.Errorf("got model %q of 20 shoppers, want an error", m.Version)
	}
	if _, err := Fit(snapshot, nil, "v1", start); err == nil {
		t.Error("got a model of nobody, want an error")
	}
}

// Tourists go round the town, always on to the next place: what they did before says little, where
// others went from here says all.
func TestFitLearnsTheNextStore(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 9))
	names := who.NewNames()
	var stores []*where.Store
	for i := range 50 {
		stores = append(stores, &where.Store{ID: fmt.Sprint("s", i), Name: fmt.Sprint("Store ", i), Point: geo.Point{Lat: 50 + float64(i*17%50)/100, Lng: 8}})
	}
	crowd := NewCrowd(nil)
	histories := make([]*who.History, 120)
	for i := range histories {
		var events []who.Event
		first := random.IntN(50)
		for k := range 12 {
			events = append(events, who.Event{Kind: who.Visited, Store: fmt.Sprint("s", (first+k)%50), At: start.Add(time.Duration(k) * time.Hour)})
		}
		histories[i] = (*who.History)(nil).With(names, events...)
		crowd.Replace(nil, histories[i])
	}
	snapshot := recommend.NewSnapshot(names, nil, stores, crowd.View(), nil)
	m, err := Fit(snapshot, histories, "v1", start)
	if err != nil {
		t.Fatal(err)
	}
	if m.Store == snapshot.Model.Store || m.Product != snapshot.Model.Product {
		t.Errorf("figures %+v: want a learnt blend for stores, and the one in service for products", m.Figures)
	}
	if f := m.Figures[0]; f.NDCG10 < 0.95 {
		t.Errorf("figures: %+v, want the round found", f)
	}
}

func TestLogisticTable(t *testing.T) {
	t.Parallel()
	for x := -20.0; x <= 20; x += 0.0137 {
		want := 1 / (1 + math.Exp(-x))
		if got := float64(logistic(float32(x))); math.Abs(got-want) > 1e-6 {
			t.Fatalf("logistic(%v): got %v, want %v", x, got, want)
		}
	}
}

// Variety is as strong as costs next to nothing, and off where any costs more.
func TestVarietyIsLearnt(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(400)
	m, err := Fit(snapshot, histories, "v1", start)
	if err != nil {
		t.Fatal(err)
	}
	_, tested, before := baskets(nil, histories)
	s := snapshot.With(before.View(), m)
	plain := m.Figures[0]
	for name, c := range map[string]struct {
		strengths   []float64
		recall, low float64 // what the plain ranking is said to find, and how varied it is said to be
		want        float64
	}{
		"all cost too much":          {[]float64{2, 1, 0.5}, 2, 0, 0},
		"none makes it more varied":  {[]float64{2, 1, 0.5}, plain.Recall10 / 2, 2, 0},
		"the first costs nothing":    {[]float64{0.75, 0.5}, plain.Recall10 / 2, -1, 0.75},
		"that in service stays off":  {[]float64{0}, plain.Recall10, plain.Variety10, 0},
		"nothing was tried: it goes": {nil, plain.Recall10, plain.Variety10, 0},
	} {
		other := *m
		other.Figures = []recommend.Figures{{Recall10: c.recall, NDCG10: plain.NDCG10 / 2, Variety10: c.low}}
		if vary(s, &other, tested, c.strengths); other.Variety != c.want {
			t.Errorf("%s: got %v, want %v", name, other.Variety, c.want)
		}
	}
	if plain.Variety10 <= 0 || plain.Variety10 > 1 {
		t.Errorf("variety %v, want more than 0, 1 at most", plain.Variety10)
	}
}

// What is new is moved up as far as costs next to nothing, and only where more of it is found; scores stay as they are.
func TestDiscoveryIsLearnt(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(400)
	m, err := Fit(snapshot, histories, "v1", start)
	if err != nil {
		t.Fatal(err)
	}
	_, tested, before := baskets(nil, histories)
	s := snapshot.With(before.View(), m)
	for name, c := range map[string]struct{ recall, repeat, new10, want float64 }{
		"it costs too much":              {2, 0, 0, 0},
		"it costs too much of the usual": {0, 2, -1, 0},
		"it finds no more":               {0, 0, 1, 0},
		"it costs next to nothing":       {0, 0, -1, 0.75},
	} {
		other := *m
		other.Discovery, other.Figures = 0, []recommend.Figures{{Method: "learnt", Recall10: c.recall, Repeat10: c.repeat, New10: c.new10}}
		if discover(s, &other, tested, []float64{0.75}); other.Discovery != c.want || (c.want > 0) != (other.Figures[0].Shoppers > 0) {
			t.Errorf("%s: got %v with figures %+v, want %v", name, other.Discovery, other.Figures[0], c.want)
		}
	}
	bold := *m
	bold.Discovery = 50
	var plain, moved recommend.Rehearsal
	l := tested[0]
	scores := map[who.Item]float64{}
	plain.Scores(s, l.past, l.at, func(item who.Item, score float64) { scores[item] = score })
	moved.Scores(s.With(s.Crowd, &bold), l.past, l.at, func(item who.Item, score float64) {
		if scores[item] != score {
			t.Errorf("item %d: score %v, without discovery %v", item, score, scores[item])
		}
	})
	for i, item := range moved.Rank(s.With(s.Crowd, &bold), l.past, l.at, 5, nil) {
		if l.knows(item) {
			t.Errorf("place %d: %d was bought before", i, item)
		}
	}
}
