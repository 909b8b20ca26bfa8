package learn

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
)

var start = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// grow makes a shopper's history longer by a few events, some of them older than what is known.
func grow(random *rand.Rand, names *who.Names, h *who.History) *who.History {
	var events []who.Event
	for range 1 + random.IntN(4) {
		at := start.Add(time.Duration(random.IntN(24*300)) * time.Hour)
		if random.IntN(4) == 0 {
			events = append(events, who.Event{Kind: who.Visited, Store: fmt.Sprint("s", random.IntN(4)), At: at})
			continue
		}
		for range 1 + random.IntN(5) {
			events = append(events, who.Event{
				Kind: who.Purchased, Item: fmt.Sprint("p", random.IntN(15)), At: at, Quantity: 1,
				Basket: fmt.Sprint(random.IntN(120)), Store: fmt.Sprint("s", random.IntN(4)),
			})
		}
	}
	return h.With(names, events...)
}

// counts are all numbers of a crowd, without what is zero.
type counts struct {
	Shoppers                                                 int
	Baskets, Lines, Buyers, Rebuyers, Again, Chances, Visits uint64
	Weeks                                                    map[uint32]uint32
	Hours, Came                                              [24]uint32
	Weekdays                                                 [7]uint32
	Items                                                    map[int]item
	Stores                                                   map[int]store
}

func countsOf(c *Crowd) counts {
	n := counts{
		Shoppers: c.shoppers, Baskets: c.baskets, Lines: c.lines, Buyers: c.buyers, Rebuyers: c.rebuyers,
		Again: c.again, Chances: c.chances, Visits: c.visits, Weeks: maps.Clone(c.weeks), Hours: c.hours, Came: c.came, Weekdays: c.weekdays,
		Items: map[int]item{}, Stores: map[int]store{},
	}
	for i, it := range c.items {
		it.weeks, it.together, it.repeats = filled(it.weeks), filled(it.together), filled(it.repeats)
		if !reflect.DeepEqual(it, item{}) {
			n.Items[i] = it
		}
	}
	for i, s := range c.stores {
		s.items, s.next, s.repeats, s.returns = filled(s.items), filled(s.next), filled(s.repeats), filled(s.returns)
		if !reflect.DeepEqual(s, store{}) {
			n.Stores[i] = s
		}
	}
	return n
}

func filled[K comparable](m map[K]uint32) map[K]uint32 {
	if len(m) == 0 {
		return nil
	}
	return m
}

// viewed is a view without what says how it came about.
func viewed(c *Crowd) recommend.Crowd {
	v := *c.View()
	v.Version = 0
	v.Items = slices.Clone(v.Items)
	for len(v.Items) > 0 && v.Items[len(v.Items)-1].Lines == 0 {
		v.Items = v.Items[:len(v.Items)-1]
	}
	for i := range v.Items {
		if v.Items[i].Buyers == 0 {
			v.Items[i] = recommend.ItemStats{}
		}
	}
	v.Stores = slices.Clone(v.Stores)
	for i := range v.Stores {
		if v.Stores[i].Lines == 0 && v.Stores[i].Visits == 0 {
			v.Stores[i] = recommend.StoreStats{}
		}
	}
	for len(v.Stores) > 0 && reflect.DeepEqual(v.Stores[len(v.Stores)-1], recommend.StoreStats{}) {
		v.Stores = v.Stores[:len(v.Stores)-1]
	}
	if len(v.Items) == 0 {
		v.Items = nil
	}
	if len(v.Stores) == 0 {
		v.Stores = nil
	}
	return v
}

// However shoppers came, changed and were forgotten: the counts are those of a crowd that was built of
// the ones who are left, and so is the view, though it was made piece by piece.
func TestCrowdEqualsARebuild(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		names := who.NewNames()
		lived := NewCrowd(time.FixedZone("UTC+8", 8*3600))
		shoppers := map[int]*who.History{}
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			id := random.IntN(6)
			old := shoppers[id]
			switch random.IntN(8) {
			case 0:
				lived.Replace(old, nil)
				delete(shoppers, id)
			default:
				shoppers[id] = grow(random, names, old)
				lived.Replace(old, shoppers[id])
			}
			if random.IntN(5) == 0 {
				lived.View()
			}
		}
		rebuilt := NewCrowd(time.FixedZone("UTC+8", 8*3600))
		for _, h := range shoppers {
			rebuilt.Replace(nil, h)
		}
		if got, want := countsOf(lived), countsOf(rebuilt); !reflect.DeepEqual(got, want) {
			t.Fatalf("counts: got %+v, want %+v", got, want)
		}
		got, want := viewed(lived), viewed(rebuilt)
		got.Zone, want.Zone = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("view: got %+v, want %+v", got, want)
		}
	})
}

// A share stands for its history: counts in which shoppers came, changed and went by their shares alone are those of their histories.
// What it takes is printed for a shopper of 16 baskets and 60 items, of whom the history takes 2 KiB.
func TestShareCountsAsItsHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		names := who.NewNames()
		shared, lived := NewCrowd(nil), NewCrowd(nil)
		shares, shoppers := map[int]Share{}, map[int]*who.History{}
		for range rapid.IntRange(1, 80).Draw(t, "changes") {
			id := random.IntN(3)
			var next *who.History
			if random.IntN(10) > 0 {
				next = grow(random, names, shoppers[id])
			}
			share := ShareOf(next)
			if got, want := share.History(), next; want != nil && (got.Orders != want.Orders || len(got.Visits) != len(want.Visits)) {
				t.Fatalf("the share has %d baskets and %d visits, want %d and %d", got.Orders, len(got.Visits), want.Orders, len(want.Visits))
			}
			if again := ShareOf(share.History()); again != share {
				t.Fatalf("packed again, the share differs")
			}
			shared.Replace(shares[id].History(), next)
			lived.Replace(shoppers[id], next)
			shares[id], shoppers[id] = share, next
		}
		if got, want := countsOf(shared), countsOf(lived); !reflect.DeepEqual(got, want) {
			t.Fatalf("counts: got %+v, want %+v", got, want)
		}
		for id := range shares {
			shared.Replace(shares[id].History(), nil)
		}
		if got, want := countsOf(shared), countsOf(NewCrowd(nil)); !reflect.DeepEqual(got, want) {
			t.Fatalf("left of nobody: %+v", got)
		}
	})
	names := who.NewNames()
	var h *who.History
	for n := range 160 { // 16 weekly baskets of 10, out of 60 items
		h = h.With(names, who.Event{
			Kind: who.Purchased, Item: fmt.Sprint("item-", (n*7+n/10)%60), Quantity: 1, Basket: fmt.Sprint("basket-", n/10),
			At: start.Add(time.Duration(n/10) * 167 * time.Hour), Store: fmt.Sprint("s", n%3),
		})
	}
	t.Logf("a shopper of %d baskets and %d items: %d bytes", len(h.Baskets), len(h.Items), len(ShareOf(h)))
}

// The counts, worked out by hand for two shoppers.
func TestCrowdCounts(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	milk, bread, jam := names.Items.Number("milk"), names.Items.Number("bread"), names.Items.Number("jam")
	buy := func(day int, items ...string) (events []who.Event) {
		for _, item := range items {
			events = append(events, who.Event{Kind: who.Purchased, Item: item, At: start.AddDate(0, 0, day), Store: "mall", Quantity: 1})
		}
		return events
	}
	anna := (*who.History)(nil).With(names, slices.Concat(buy(0, "milk", "bread"), buy(1, "milk"), buy(8, "milk", "jam"))...)
	ben := (*who.History)(nil).With(names, buy(0, "milk", "bread")...)
	c := NewCrowd(nil)
	c.Replace(nil, anna)
	c.Replace(nil, ben)
	v := c.View()
	mall := names.Stores.Number("mall")
	got := map[string]any{
		"shoppers": v.Shoppers, "baskets": v.Baskets, "lines": v.Lines,
		"milk buyers": v.Items[milk].Buyers, "milk rebuyers": v.Items[milk].Rebuyers, "milk lines": v.Items[milk].Lines,
		"milk gaps": v.Items[milk].Gaps, "milk gap hours": v.Items[milk].GapHours,
		"milk again": v.Items[milk].Again, "milk chances": v.Items[milk].Chances,
		"bread chances": v.Items[bread].Chances, "bread again": v.Items[bread].Again,
		"milk neighbours": v.Items[milk].Neighbours, "jam neighbours": v.Items[jam].Neighbours,
		"popular": v.Popular, "in the mall": v.Stores[mall].Popular, "mall lines": v.Stores[mall].Lines, "mall visits": v.Stores[mall].Visits,
		"monday lines": v.Rhythm.Weekday[1],
	}
	want := map[string]any{
		"shoppers": 2, "baskets": uint64(4), "lines": uint64(7),
		"milk buyers": uint32(2), "milk rebuyers": uint32(1), "milk lines": uint32(4),
		"milk gaps": uint32(2), "milk gap hours": uint64(8 * 24),
		"milk again": uint32(2), "milk chances": uint32(2),
		"bread chances": uint32(1), "bread again": uint32(0),
		"milk neighbours": []recommend.Tally{{Item: bread, Count: 2}, {Item: jam, Count: 1}},
		"jam neighbours":  []recommend.Tally{{Item: milk, Count: 1}},
		"popular":         []who.Item{milk, bread, jam}, "in the mall": []recommend.Tally{{Item: milk, Count: 4}, {Item: bread, Count: 2}, {Item: jam, Count: 1}}, "mall lines": uint64(7), "mall visits": uint32(4),
		"monday lines": float32(4),
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s: got %v, want %v", name, got[name], want[name])
		}
	}
}

func TestCrowdCountsMovesBetweenStores(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	visit := func(hour int, store string) who.Event {
		return who.Event{Kind: who.Visited, Store: store, At: start.Add(time.Duration(hour) * time.Hour)}
	}
	h := (*who.History)(nil).With(names, visit(0, "home"), visit(1, "mall"), visit(2, "home"), visit(3, "mall"), visit(9, "bar"))
	c := NewCrowd(nil)
	c.Replace(nil, h)
	v := c.View()
	home, mall, bar := names.Stores.Number("home"), names.Stores.Number("mall"), names.Stores.Number("bar")
	if want := []recommend.Tally{{Item: mall, Count: 2}}; !slices.Equal(v.Stores[home].Next, want) {
		t.Errorf("from home: got %v, want %v", v.Stores[home].Next, want)
	}
	if want := []recommend.Tally{{Item: home, Count: 1}, {Item: bar, Count: 1}}; !slices.Equal(v.Stores[mall].Next, want) {
		t.Errorf("from the mall: got %v, want %v", v.Stores[mall].Next, want)
	}
	if v.Visits != 5 || v.Stores[home].Hour[8] != 0.7 || v.Stores[home].Hour[10] != 0.7+0.7 {
		t.Errorf("got %d visits, home %v", v.Visits, v.Stores[home].Hour)
	}
	c.Replace(h, nil)
	if got := countsOf(c); !reflect.DeepEqual(got, countsOf(NewCrowd(nil))) {
		t.Errorf("after forgetting: %+v", got)
	}
}

// One bulk purchase must not fill everybody's lists.
func TestCrowdBoundsOneBasket(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	var events []who.Event
	for i := range 5000 {
		events = append(events, who.Event{Kind: who.Purchased, Item: fmt.Sprint("p", i), At: start, Basket: "bulk", Quantity: 1})
	}
	h := (*who.History)(nil).With(names, events...)
	c := NewCrowd(nil)
	c.Replace(nil, h)
	if n := len(c.View().Items[h.Items[0].Item].Neighbours); n != 0 {
		t.Errorf("an item of a bulk purchase has %d neighbours, want none", n)
	}
}

// What is bought at the beginning of each month, or in one season, is known to be.
func TestRhythmsOfMonthAndYear(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	crowd := NewCrowd(nil)
	buy := func(day time.Time, items ...string) {
		var events []who.Event
		for _, item := range items {
			events = append(events, who.Event{Kind: who.Purchased, Item: item, At: day, Quantity: 1})
		}
		crowd.Replace(nil, (*who.History)(nil).With(names, events...))
	}
	first := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	for day := range 2 * 365 {
		at := first.AddDate(0, 0, day)
		items := []string{"bread"}
		if at.Day() <= 2 {
			items = append(items, "rent treat")
		}
		if at.Month() == time.December {
			items = append(items, "gingerbread")
		}
		buy(at, items...)
	}
	view := crowd.View()
	rhythm := func(item string) *recommend.Rhythm {
		n, _ := names.Items.Lookup(item)
		return view.Items[n].Rhythm
	}
	treat, ginger, bread := rhythm("rent treat"), rhythm("gingerbread"), rhythm("bread")
	if treat.Day[0] <= treat.Day[3] || treat.Day[3] <= 0 || treat.Day[14] != 0 || treat.Day[30] <= 0 {
		t.Errorf("days %v: want most on the first, some just before and after, none in the middle", treat.Day)
	}
	december, june := recommend.SeasonOf(first.AddDate(0, 11, 14)), recommend.SeasonOf(first.AddDate(0, 5, 14))
	if ginger.Season[december] <= ginger.Season[0] || ginger.Season[0] <= 0 || ginger.Season[june] != 0 || bread.Season[june] <= 0 {
		t.Errorf("seasons %v: want most in December, some in January, none in June", ginger.Season)
	}
	for s := range view.Rhythm.Season {
		if want := treat.Season[s] + ginger.Season[s] + bread.Season[s]; math.Abs(float64(view.Rhythm.Season[s]-want)) > 1e-3 {
			t.Errorf("season %d: %v lines, want %v", s, view.Rhythm.Season[s], want)
		}
	}
}
