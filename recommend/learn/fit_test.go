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
	if learnt.Method != methodLearnt || worth(learnt) < worth(before) || learnt.Shoppers < 20 {
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
	all, before := baskets(nil, histories)
	s := snapshot.With(before.View(), m)
	var rehearsal recommend.Rehearsal
	type bin struct{ expected, spread, bought, asked float64 }
	var bins [8]bin // by log-odds, two to a bin, the first from -12
	var sum bin
	for _, l := range slices.Concat(all.choose, all.test) {
		rehearsal.Scores(s, l.past, l.at, func(item who.Item, score float64) {
			odds := math.Log(score / (1 - score))
			for _, b := range [...]*bin{&sum, &bins[max(0, min(len(bins)-1, int(odds+12)/2))]} {
				b.asked++
				b.expected += score
				b.spread += score * (1 - score)
				if l.holds(item) {
					b.bought++
				}
			}
		})
	}
	if math.Abs(sum.expected-sum.bought) > 0.1*sum.bought {
		t.Errorf("scores sum to %.1f purchases, %.0f were made", sum.expected, sum.bought)
	}
	filled := 0
	for i, b := range bins {
		// By chance alone a bin is further off than that once in 15,000 times; a tenth is what a model may be wrong by.
		if off := math.Abs(b.expected - b.bought); off > 4*math.Sqrt(b.spread)+0.1*b.expected {
			t.Errorf("log-odds from %d: scores sum to %.1f purchases, %.0f were made of %.0f", 2*i-12, b.expected, b.bought, b.asked)
		}
		if b.expected >= 5 {
			filled++
		}
	}
	if filled < 3 {
		t.Errorf("%d bins expect five purchases or more, want 3: the test says little", filled)
	}
}

func TestFitRefusesAWorseModel(t *testing.T) {
	t.Parallel()
	snapshot, histories := habits(400)
	good, err := Fit(snapshot, histories, "good", start)
	if err != nil {
		t.Fatal(err)
	}
	all, before := baskets(nil, histories)
	s := snapshot.With(before.View(), good)
	wrong := readRows(recommend.Products, s, all.learn)
	for i := range wrong.bought {
		wrong.bought[i] = !wrong.bought[i]
	}
	m := *good
	if figures := choose(s, &m, wrong, &all); m.Product != good.Product || m.Discovery != good.Discovery || figures[0].Method != methodBefore {
		t.Errorf("kept the worse one: %+v", figures)
	}
}

// Fit as a whole: a newcomer that learnt from shoppers who never buy anything twice, and is tested on others who do, does not replace
// the model that knows them, nor does one that is just as good; and what is published did better than what was in service.
func TestFitKeepsWhatServesBetter(t *testing.T) {
	t.Parallel()
	snapshot, histories := numbered(habits(400)) // as Fit numbers them: who is in which part follows from it
	good, err := Fit(snapshot, histories, "good", start)
	if err != nil {
		t.Fatal(err)
	}
	if len(good.Figures) < 2 || good.Figures[0].Method != methodLearnt || good.Figures[1].Method != methodBefore || worth(good.Figures[0]) <= worth(good.Figures[1]) {
		t.Errorf("published although it is no better: %+v", good.Figures)
	}
	var mixed []*who.History
	for _, h := range histories {
		if digest(h)%100 < choosePerHundred+testPerHundred {
			mixed = append(mixed, h)
		}
	}
	random := rand.New(rand.NewPCG(8, 8))
	for len(mixed) < len(histories) {
		var events []who.Event
		goods := random.Perm(70)
		for week := range 4 + random.IntN(6) {
			for _, n := range goods[3*week : 3*week+3] {
				item := fmt.Sprint("fad ", n)
				if n >= 30 {
					item = fmt.Sprint("staple ", n-30)
				}
				events = append(events, who.Event{Kind: who.Purchased, Item: item, At: start.AddDate(0, 0, 7*week), Quantity: 1})
			}
		}
		if h := (*who.History)(nil).With(snapshot.Names, events...); digest(h)%100 >= choosePerHundred+testPerHundred {
			mixed = append(mixed, h)
		}
	}
	for name, histories := range map[string][]*who.History{"learnt from others": mixed, "the same again": histories} {
		m, err := Fit(snapshot.With(snapshot.Crowd, good), histories, "newcomer", start.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		if m.Version != "good" || m.Product != good.Product || m.Discovery != good.Discovery || !m.Learned.Equal(good.Learned) || m.Figures[0].Method != methodBefore {
			t.Errorf("%s: version %s with figures %+v, want the one in service with its own", name, m.Version, m.Figures)
		}
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
	plain := m.Figures[0]
	for name, c := range map[string]struct {
		recall, ndcg, variety float64 // beside the plain ranking
		want                  bool
	}{
		"it costs too much":               {-0.02, 0, 0.1, false},
		"it costs too much of the places": {0, -0.02, 0.1, false},
		"it varies nothing":               {0, 0, 0, false},
		"it costs next to nothing":        {-0.005, -0.005, 0.1, true},
	} {
		f := plain
		f.Recall10, f.NDCG10, f.Variety10 = f.Recall10*(1+c.recall), f.NDCG10*(1+c.ndcg), f.Variety10+c.variety
		if got := varies(&f, &plain); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	all, before := baskets(nil, histories)
	s := snapshot.With(before.View(), m)
	for name, c := range map[string]struct {
		strengths []float64
		want      float64
	}{
		"that in service stays off":  {[]float64{0}, 0},
		"nothing was tried: it goes": {nil, 0},
	} {
		other := *m
		other.Variety = 1
		if vary(s, &other, all.choose, c.strengths); other.Variety != c.want {
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
	all, before := baskets(nil, histories)
	tested := all.test
	s := snapshot.With(before.View(), m)
	plain := recommend.Figures{Recall10: 0.5, NDCG10: 0.5, Repeat10: 0.5, New10: 0.1}
	for name, c := range map[string]struct {
		recall, repeat, new10 float64 // beside the plain ranking
		want                  bool
	}{
		"it costs too much":              {-0.01, 0, 0.01, false},
		"it costs too much of the usual": {0, -0.02, 0.01, false},
		"it finds no more":               {0, 0, 0, false},
		"it costs next to nothing":       {-0.001, -0.005, 0.01, true},
	} {
		f := plain
		f.Recall10, f.Repeat10, f.New10 = f.Recall10+c.recall, f.Repeat10+c.repeat, f.New10+c.new10
		if got := discovers(&f, &plain, worth(plain)); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	other := *m
	if discover(s, &other, all.choose, nil); other.Discovery != 0 {
		t.Errorf("discovery %v although none was tried", other.Discovery)
	}
	bold := *m
	bold.Discovery = 50
	var still, moved recommend.Rehearsal
	l := tested[0]
	scores := map[who.Item]float64{}
	still.Scores(s, l.past, l.at, func(item who.Item, score float64) { scores[item] = score })
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
