package recommend_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/learn"
	"satnav/recommend/rule"
)

// learntCity is a small city with a model learnt of it, which several tests ask.
var learntCity = sync.OnceValues(func() (*recommend.Snapshot, []*who.History) {
	snapshot, histories, _ := city(600, 400)
	model, err := learn.Fit(snapshot, histories, "learnt", monday)
	if err != nil || model.Version != "learnt" {
		panic(fmt.Sprintf("got model %v, %v", model, err))
	}
	return snapshot.With(snapshot.Crowd, model), histories
})

func logOdds(s *recommend.Suggestion) (sum float64) {
	for _, value := range s.Contributions.All {
		sum += value
	}
	return sum
}

// Reasons are true: what is told first is what put the suggestion where it stands. Without it, at least 19
// of 20 would stand further down. And what the parts add up to is the score.
func TestReasonsAreWhyItStandsThere(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	fell, asks := 0, 0
	for i, h := range histories {
		r := asked(h, loyal, monday)
		r.Limit = recommend.MaxLimit
		if i%3 == 0 {
			r.Basket = []who.Item{snapshot.Names.Items.Number("p1"), snapshot.Names.Items.Number("p2")}
		}
		list, _ := recommend.Recommend(snapshot, r)
		for k := range list[:10] {
			odds := logOdds(&list[k])
			if got := math.Log(list[k].Score / (1 - list[k].Score)); math.Abs(got-odds) > 1e-6 {
				t.Fatalf("shopper %d, %s: the score's log-odds are %v, contributions sum to %v", i, list[k].Item, got, odds)
			}
			// Ranked again without its first reason: it falls if the next one now stands before it. Discovery, which is in no
			// contribution, counts in both.
			stands := func(s *recommend.Suggestion) float64 {
				if _, bought := h.Find(s.Number); !bought && s.Kind == recommend.KindProduct {
					return logOdds(s) + snapshot.Model.Discovery
				}
				return logOdds(s)
			}
			if k > 0 && stands(&list[k]) > stands(&list[k-1])+1e-4 {
				t.Fatalf("shopper %d: %s stands behind %s, which is worth less", i, list[k].Item, list[k-1].Item)
			}
			asks++
			if stands(&list[k])-list[k].Reasons[0].Contribution < stands(&list[k+1]) {
				fell++
			}
		}
	}
	if fell*100 < asks*95 {
		t.Errorf("%d of %d suggestions stand lower without their first reason, want 95 %%", fell, asks)
	}
}

// A reason says only what happened: nobody looked at anything in this city but one shopper, at one product. And what added
// next to nothing is not told.
func TestReasonsSayWhatHappened(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	model, product := *snapshot.Model, *snapshot.Model.Product
	product.Tables = slices.Clone(product.Tables)
	for table := range product.Tables { // as learnt where who buys seldom looks: not to have looked speaks for a product
		if recommend.Products.Name(table) == "days_since_seen" {
			product.Tables[table] = slices.Clone(product.Tables[table])
			product.Tables[table][0] += 2
			model.Product = &product
		}
	}
	snapshot = snapshot.With(snapshot.Crowd, &model)
	viewed := 0
	for i, h := range histories {
		if i == 7 {
			h = h.With(snapshot.Names, who.Event{ID: "v", Kind: who.Viewed, Item: "p3", At: monday.Add(-time.Hour)})
		}
		r := asked(h, loyal, monday)
		r.Limit = recommend.MaxLimit
		list, _ := recommend.Recommend(snapshot, r)
		for _, s := range list {
			for n, reason := range s.Reasons {
				switch {
				case reason.Code == recommend.Viewed && i == 7 && s.Item == "p3":
					viewed++
				case reason.Code == recommend.Viewed || reason.Code == recommend.Liked:
					t.Fatalf("shopper %d, %s: told %q of what nobody did: %v", i, s.Item, reason.Code, s.Reasons)
				case n > 0 && reason.Contribution < 0.05*s.Reasons[0].Contribution:
					t.Fatalf("shopper %d, %s: a reason that added next to nothing: %v", i, s.Item, s.Reasons)
				}
			}
		}
	}
	if viewed != 1 {
		t.Errorf("the one view is told %d times, want once", viewed)
	}
}

// A suggestion that hangs on one kind of feature is flagged, and no other.
func TestOneSided(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	flagged := 0
	rapid.Check(t, func(t *rapid.T) {
		r := asked(rapid.SampledFrom(histories).Draw(t, "shopper"), loyal, monday)
		if rapid.Bool().Draw(t, "a stranger with a list") {
			r = asked(nil, nil, monday)
			r.List = []who.Item{snapshot.Names.Items.Number("p390")}
		}
		list, record := recommend.Recommend(snapshot, r)
		told := 0
		for i := range list {
			most, all := 0.0, 0.0
			name := ""
			for feature, value := range list[i].Contributions.All {
				if feature == "base" || value <= 0 {
					continue
				}
				if all += value; value > most {
					most, name = value, feature
				}
			}
			want := ""
			if most > 0.8*all {
				want = name
				told++
			}
			if list[i].OneSided != want {
				t.Fatalf("%s: one-sided %q, want %q: %v", list[i].Item, list[i].OneSided, want, list[i].Contributions)
			}
		}
		if record.OneSided != told {
			t.Fatalf("the record tells %d, want %d", record.OneSided, told)
		}
		flagged += told
	})
	if flagged == 0 {
		t.Error("none was flagged: the test says nothing")
	}
}

// What is searched for is shown, though it was a second ago, and so is what a rule pins.
func TestShownIsAskedForAgain(t *testing.T) {
	t.Parallel()
	pin := rule.Rule{When: `candidate.item == "jam"`, Then: then(rule.Action{Kind: rule.Pin, Position: 2})}
	snapshot, r := ruledShop(t, pin)
	r.Shown = []who.Item{snapshot.Names.Items.Number("jam"), snapshot.Names.Items.Number("tea"), snapshot.Names.Items.Number("bread")}
	r.Query, r.Limit = "tea", 3
	list, _ := recommend.Recommend(snapshot, r)
	if got := items(list); !slices.Contains(got, "tea") || got[1] != "jam" || slices.Contains(got, "bread") {
		t.Errorf("got %v after tea, jam and bread, want tea, which is searched for, jam, which is pinned, and no bread", got)
	}
	plain, r := ruledShop(t)
	r.Shown, r.Query = []who.Item{plain.Names.Items.Number("tea")}, "tea"
	list, _ = recommend.Recommend(plain.WithRules(nil), r)
	if got := items(list); !slices.Contains(got[:2], "tea") {
		t.Errorf("got %v, want tea at the top, which is searched for", got)
	}
}

// What was just shown stands behind everything else, and what is on the list does not.
func TestShownComesLast(t *testing.T) {
	t.Parallel()
	snapshot, histories, _ := city(200, 300)
	for i, h := range histories {
		r := asked(h, loyal, monday)
		plain, _ := recommend.Recommend(snapshot, r)
		for _, s := range plain {
			r.Shown = append(r.Shown, snapshot.Names.Items.Number(s.Item))
		}
		r.List = r.Shown[:1]
		again, _ := recommend.Recommend(snapshot, r)
		if len(again) != len(plain) || again[0].Item != plain[0].Item {
			t.Fatalf("shopper %d: got %v after %v, want the first again, since it is on the list", i, items(again), items(plain))
		}
		for _, s := range again[1:] {
			if slices.Contains(items(plain), s.Item) {
				t.Fatalf("shopper %d: %s is shown again: %v after %v", i, s.Item, items(again), items(plain))
			}
		}
	}
	s, anna := weekly()
	r := asked(anna, loyal, monday)
	plain, _ := recommend.Recommend(s.snapshot(), r)
	for _, one := range plain {
		r.Shown = append(r.Shown, s.item(one.Item))
	}
	again, _ := recommend.Recommend(s.snapshot(), r)
	if len(again) != len(plain) {
		t.Errorf("got %v after %v: where there is little, it is shown again", items(again), items(plain))
	}
}

// A rhythm is told where the shopper has one, and as theirs: what others take is no rhythm of the shopper's.
func TestDueAgainIsTheShoppersOwnRhythm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		days  []int // ago, of the shopper's purchases
		want  recommend.Code
		every float64
	}{
		{"every ten days, three times", []int{30, 20, 10}, recommend.DueAgain, 10},
		{"two purchases close together, long ago", []int{82, 80}, recommend.UsuallyBought, 0},
		{"two purchases as far apart as those of others", []int{210, 100}, recommend.DueAgain, 110},
		{"once", []int{100}, recommend.UsuallyBought, 0},
		{"a rhythm that was left", []int{330, 320, 310}, recommend.UsuallyBought, 0},
		{"not due yet", []int{42, 32, 22, 12, 2}, recommend.UsuallyBought, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop()
			for range 40 { // others buy a filter every 110 days
				s.remember(slices.Concat(bought(monday.AddDate(0, 0, -230), "filter"), bought(monday.AddDate(0, 0, -120), "filter"), bought(monday.AddDate(0, 0, -10), "filter"))...)
			}
			var events []who.Event
			for _, day := range c.days {
				events = append(events, bought(monday.AddDate(0, 0, -day), "filter")...)
			}
			list, _ := recommend.Recommend(s.snapshot(), asked(s.remember(events...), loyal, monday))
			i := slices.IndexFunc(list[0].Reasons, func(r recommend.Reason) bool {
				return r.Code == recommend.DueAgain || r.Code == recommend.UsuallyBought
			})
			if i < 0 || list[0].Reasons[i].Code != c.want || math.Abs(list[0].Reasons[i].Values.EveryDays-c.every) > 0.1 {
				t.Errorf("got %+v, want %s, every %v days", list[0].Reasons, c.want, c.every)
			}
		})
	}
}

// Where a shopper went next, and where many did, are two things to say; the latter takes many people, not many moves.
func TestNextIsToldOfWhoWent(t *testing.T) {
	t.Parallel()
	walk := func(days int) (events []who.Event) {
		for day := 1; day <= days; day++ {
			events = append(events, visited(day, 0, "s3"), visited(day, 9, "s7"))
		}
		return events
	}
	for _, c := range []struct {
		name   string
		own    int // days on which the shopper went from s3 to s7
		others int // who did so on one day each
		one    int // days on which somebody else did
		want   recommend.Code
	}{
		{"the shopper alone", 10, 0, 0, recommend.UsuallyNext},
		{"the shopper, once", 1, 0, 0, ""},
		{"one other, thirty times", 0, 0, 30, ""},
		{"nineteen others", 0, 19, 0, ""},
		{"twenty others", 0, 20, 0, recommend.OftenNext},
		{"twenty others and the shopper", 10, 20, 0, recommend.UsuallyNext},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := town(20)
			h := s.remember(append(walk(c.own), visited(0, -1, "s3"))...)
			s.remember(walk(c.one)...)
			for range c.others {
				s.remember(walk(1)...)
			}
			for range 30 { // and many go elsewhere
				s.remember(visited(3, 0, "s1"), visited(3, 5, "s2"))
			}
			r := asked(h, loyal, monday)
			r.Kinds, r.Limit = []recommend.Kind{recommend.KindStore}, 20
			list, _ := recommend.Recommend(s.snapshot(), r)
			for _, suggestion := range list {
				for _, reason := range suggestion.Reasons {
					next := reason.Code == recommend.UsuallyNext || reason.Code == recommend.OftenNext
					switch {
					case next && (suggestion.Item != "s7" || reason.Code != c.want):
						t.Errorf("%s: got %+v, want %q at s7 only", suggestion.Item, reason, c.want)
					case next && (reason.Values.Store != "s3" || c.want == recommend.UsuallyNext && reason.Values.Times != c.own):
						t.Errorf("got %+v, want it after s3, %d times", reason, c.own)
					case next:
						return
					}
				}
			}
			if c.want != "" {
				t.Errorf("%s is not told: %v", c.want, list[0].Reasons)
			}
		})
	}
}

// What sells at its own hour is told to sell then, and at no other time; nor is what sells evenly.
func TestPopularNowIsTrue(t *testing.T) {
	t.Parallel()
	s := newShop()
	random := rand.New(rand.NewPCG(5, 6))
	for i := range 400 {
		day := monday.AddDate(0, 0, -1-i%100).Add(-9 * time.Hour)
		events := bought(day.Add(time.Duration(7+random.IntN(3))*time.Hour), "croissant")
		for range 3 {
			at := day.Add(time.Duration(7+random.IntN(12))*time.Hour + time.Minute)
			events = append(events, bought(at, "bread", fmt.Sprint("p", random.IntN(40)), fmt.Sprint("p", random.IntN(40)))...)
		}
		s.remember(events...)
	}
	snapshot := s.snapshot()
	model := *recommend.BuiltIn()
	product := *model.Product
	product.Tables = slices.Clone(product.Tables)
	for table := range product.Tables { // as a model that takes each hour for one that counts
		if recommend.Products.Name(table) == "hour_lift" {
			product.Tables[table] = slices.Clone(product.Tables[table])
			for bucket := range product.Tables[table] {
				product.Tables[table][bucket] += 3
			}
		}
	}
	model.Product = &product
	snapshot = snapshot.With(snapshot.Crowd, &model)
	for _, c := range []struct {
		hour int
		want map[string]string
	}{
		{3, map[string]string{}},
		{8, map[string]string{"croissant": recommend.ThisHour}},
		{17, map[string]string{}},
	} {
		r := asked(nil, loyal, monday.AddDate(0, 0, 2).Add(time.Duration(c.hour-9)*time.Hour))
		r.Limit = 50
		got := map[string]string{}
		list, _ := recommend.Recommend(snapshot, r)
		for _, suggestion := range list {
			for _, reason := range suggestion.Reasons {
				if reason.Code == recommend.PopularNow && (suggestion.Item == "bread" || suggestion.Item == "croissant" || reason.Values.When == recommend.ThisHour && c.hour == 3) {
					got[suggestion.Item] = reason.Values.When
				}
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("at %d o'clock: told %v, want %v", c.hour, got, c.want)
		}
	}
}

// Whatever a reason says of the crowd, at least twenty people did it, and not one who did it twenty times.
func TestCrowdReasonsHavePeopleBehindThem(t *testing.T) {
	t.Parallel()
	told := map[recommend.Code]int{}
	live := func(t rapid.TB, seed uint64, items, shoppers int) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := town(4)
		people := map[string]map[int]bool{}
		note := func(shopper int, what ...any) {
			name := fmt.Sprint(what...)
			if people[name] == nil {
				people[name] = map[int]bool{}
			}
			people[name][shopper] = true
		}
		var histories []*who.History
		for shopper := range shoppers {
			trips := 1 + random.IntN(3)
			if random.IntN(10) == 0 {
				trips = 30
			}
			var events []who.Event
			last := ""
			for trip := range trips {
				at := monday.AddDate(0, 0, -trips+trip).Add(time.Duration(random.IntN(8)) * time.Hour).Add(-24 * time.Hour)
				store := fmt.Sprint("s", random.IntN(4))
				basket := map[string]bool{}
				for range 1 + random.IntN(3) {
					basket[fmt.Sprint("p", min(random.IntN(items), random.IntN(items)))] = true
				}
				for x := range basket {
					events = append(events, who.Event{Kind: who.Purchased, Item: x, At: at, Store: store, Basket: fmt.Sprint(trip)})
					note(shopper, x)
					note(shopper, x, " in ", store)
					for y := range basket {
						note(shopper, x, " with ", y)
					}
				}
				events = append(events, who.Event{Kind: who.Visited, Store: store, At: at.Add(time.Minute)})
				note(shopper, "in ", store)
				note(shopper, last, " to ", store)
				last = store
			}
			histories = append(histories, s.remember(events...))
		}
		snapshot := s.snapshot()
		for _, h := range histories[:10] {
			r := asked(h, loyal, monday)
			r.Basket = []who.Item{s.item("p0"), s.item("p1")}
			r.Kinds = []recommend.Kind{recommend.KindProduct, recommend.KindStore}
			r.Limit = 16
			list, _ := recommend.Recommend(snapshot, r)
			for _, suggestion := range list {
				for _, reason := range suggestion.Reasons {
					behind := ""
					switch reason.Code {
					case recommend.BoughtTogether:
						behind = fmt.Sprint(suggestion.Item, " with ", reason.Values.With)
					case recommend.PopularHere:
						behind = fmt.Sprint(suggestion.Item, " in ", reason.Values.Store)
					case recommend.OftenNext:
						behind = fmt.Sprint(reason.Values.Store, " to ", suggestion.Item)
					case recommend.Popular, recommend.PopularNow, recommend.Suits:
						if behind = suggestion.Item; suggestion.Kind == recommend.KindStore {
							behind = "in " + suggestion.Item
						}
					default:
						continue
					}
					told[reason.Code]++
					if n := len(people[behind]); n < recommend.LeastPeople {
						t.Fatalf("%+v is told of %s: %d people did %q", reason, suggestion.Item, n, behind)
					}
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		live(t, rapid.Uint64().Draw(t, "seed"), rapid.IntRange(4, 12).Draw(t, "items"), rapid.IntRange(15, 50).Draw(t, "shoppers"))
	})
	for seed := range uint64(50) { // small towns of many people, always the same, in which much is told
		live(t, seed, 4, 50)
	}
	for _, code := range []recommend.Code{recommend.BoughtTogether, recommend.Popular} {
		if told[code] == 0 {
			t.Errorf("%s was never told: the test says nothing of it", code)
		}
	}
}
