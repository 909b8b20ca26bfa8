package insight

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/diary"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC) // a Wednesday

// town is a retailer with shoppers, two shops and some products, whose clock is the test's.
type town struct {
	t         *testing.T
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	diary     *diary.Diary
	insights  *Insights
	now       time.Time
	events    int
}

func newTown(t *testing.T, settings retailer.Settings) *town {
	t.Helper()
	a := &town{t: t, now: noon}
	clock := func() time.Time { return a.now }
	documents := embeddedtest.Open(t)
	names := retailer.NewNames()
	a.shoppers = store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 8 << 20, Alone: true})
	quiet := slog.New(slog.DiscardHandler)
	a.retailers = retailer.New(store.NewEntries(documents), a.shoppers, names, clock, quiet)
	a.diary = diary.New(a.shoppers, a.retailers, func(string) {})
	a.insights = New(a.shoppers, a.retailers, store.NewInsights(documents), clock, quiet)
	if settings.DefaultGrants == nil {
		settings.DefaultGrants = []who.Purpose{who.Loyalty, who.Location, who.Analytics}
	}
	if saved, err := a.retailers.SaveSettings(t.Context(), "r", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: settings}); err != nil || saved.Err != nil {
		t.Fatal(err, saved.Err)
	}
	var products []retailer.Change[retailer.Product]
	for _, p := range []retailer.Product{
		{Item: "milk", Category: "food"}, {Item: "bread", Category: "food"}, {Item: "soap", Category: "home"}, {Item: "test", Category: "care", Sensitive: "pregnancy"},
	} {
		products = append(products, retailer.Change[retailer.Product]{ID: p.Item, Value: p})
	}
	if saved, err := a.retailers.SaveProducts(t.Context(), "r", retailer.Editor{}, products); err != nil || slices.ContainsFunc(saved, func(s retailer.Saved) bool { return s.Err != nil }) {
		t.Fatal(err, saved)
	}
	var stores []retailer.Change[retailer.Store]
	for i, id := range []string{"s1", "s2"} {
		stores = append(stores, retailer.Change[retailer.Store]{ID: id, Value: retailer.Store{ID: id, Lat: 38.71 + float64(i)/10, Lng: -9.13}})
	}
	if saved, err := a.retailers.SaveStores(t.Context(), "r", retailer.Editor{}, stores); err != nil || slices.ContainsFunc(saved, func(s retailer.Saved) bool { return s.Err != nil }) {
		t.Fatal(err, saved)
	}
	return a
}

// does has a shopper do something at an hour of the running window's Wednesday.
func (a *town) does(shopper string, kind who.EventKind, item, shop string, at time.Time) {
	a.t.Helper()
	a.events++
	results, err := a.diary.Record(a.t.Context(), "r", a.now, []diary.Entry{{Shopper: shopper, Event: who.Event{
		ID: fmt.Sprint("e", a.events), Kind: kind, Item: item, Store: shop, At: at, Quantity: 1, Basket: at.Format("basket 2006-01-02"),
	}}})
	if err != nil || results[0].Status != diary.Stored {
		a.t.Fatal(results, err)
	}
}

// shops has a crowd of shoppers, by number, buy milk and bread in a shop at an hour.
func (a *town) shops(from, to int, shop string, at time.Time) {
	a.t.Helper()
	for n := from; n < to; n++ {
		for _, item := range []string{"milk", "bread"} {
			a.does(fmt.Sprint("u", n), who.Purchased, item, shop, at)
		}
	}
}

// passes lets the window end and be counted.
func (a *town) passes() {
	a.t.Helper()
	a.now = WindowOf(a.now).To().Add(Settle + time.Hour)
	a.counts()
}

func (a *town) counts() {
	a.t.Helper()
	if err := a.insights.Count(a.t.Context(), "r"); err != nil {
		a.t.Fatal(err)
	}
}

// all are all tables that anybody can ask for.
func (a *town) all() map[string]store.InsightTable {
	a.t.Helper()
	made, err := a.insights.Made(a.t.Context(), "r")
	if err != nil {
		a.t.Fatal(err)
	}
	tables := map[string]store.InsightTable{}
	for _, m := range made {
		table, err := a.insights.Table(a.t.Context(), "r", m.Measure, m.Window)
		if err != nil {
			a.t.Fatal(err)
		}
		tables[m.Window+" "+m.Measure] = table
	}
	return tables
}

func (a *town) forget(shopper string) {
	a.t.Helper()
	if err := a.shoppers.Forget(a.t.Context(), who.Key{Retailer: "r", Shopper: shopper}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *town) decides(shopper string, purpose who.Purpose, given bool) {
	a.t.Helper()
	key := who.Key{Retailer: "r", Shopper: shopper}
	known, err := a.shoppers.Shopper(a.t.Context(), key)
	if err == nil {
		_, err = a.shoppers.Commit(a.t.Context(), key, known.Revision(), store.Change{At: a.now, Grants: []who.Grant{{Purpose: purpose, Given: given, At: a.now, Source: who.ByShopper}}})
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *town) demand(window string) []string {
	a.t.Helper()
	table, err := a.insights.Table(a.t.Context(), "r", Demand, window)
	if errors.Is(err, ErrNotYet) {
		return nil
	}
	if err != nil {
		a.t.Fatal(err)
	}
	var told []string
	for _, g := range table.Groups {
		told = append(told, fmt.Sprintf("%s %d", strings.Join(g.Keys, "/"), g.Shoppers))
	}
	return told
}

// TestSmallCells asks for groups that are too small: nothing tells of nineteen, by any road.
func TestSmallCells(t *testing.T) {
	t.Parallel()
	morning := noon.Add(-3 * time.Hour)
	for _, c := range []struct {
		name string
		give func(a *town)
		want []string
	}{
		{"nineteen", func(a *town) { a.shops(0, 19, "s1", morning) }, nil},
		{"twenty", func(a *town) { a.shops(0, 20, "s1", morning) }, []string{"s1/morning/food 20"}},
		{"nineteen in each of two shops are told together", func(a *town) { a.shops(0, 19, "s1", morning); a.shops(19, 38, "s2", morning) }, []string{"// 40"}},
		{"one beside many is not told", func(a *town) { a.shops(0, 40, "s1", morning); a.shops(40, 41, "s2", morning) }, []string{"s1/morning/food 40"}},
		{"parts of the day of one shop are told together", func(a *town) { a.shops(0, 12, "s1", morning); a.shops(12, 24, "s1", noon) }, []string{"s1// 25"}},
		{"the same shoppers twice are not more of them", func(a *town) { a.shops(0, 19, "s1", morning); a.shops(0, 19, "s1", morning.Add(-24*time.Hour)) }, nil},
		{"a category is not told where it is sensitive", func(a *town) {
			for n := range 50 {
				a.does(fmt.Sprint("u", n), who.Purchased, "test", "s1", morning)
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newTown(t, retailer.Settings{})
			c.give(a)
			a.passes()
			if got := a.demand(""); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestDifferencing is somebody who knows all shoppers of a week but one and asks everything before and after: what each of them did alone (one more
// shopper, erased, withdrawn; another window, shop, hour) changes nothing that is told.
func TestDifferencing(t *testing.T) {
	t.Parallel()
	morning := noon.Add(-3 * time.Hour)
	// Where the one whom the attacker is after went: 25 others were in each shop, 24 of whom the attacker could name.
	world := func(t *testing.T, target func(a *town)) map[string]store.InsightTable {
		a := newTown(t, retailer.Settings{})
		a.shops(0, 25, "s1", morning)
		a.shops(25, 50, "s2", noon)
		if target != nil {
			target(a)
		}
		a.passes()
		return a.all()
	}
	without := world(t, nil)
	if len(without) < 4 {
		t.Fatalf("only %d tables: the attack has nothing to look at", len(without))
	}
	for _, c := range []struct {
		name   string
		target func(a *town)
	}{
		{"in one of the shops", func(a *town) { a.shops(99, 100, "s1", morning) }},
		{"in the other", func(a *town) { a.shops(99, 100, "s2", noon) }},
		{"in both", func(a *town) { a.shops(99, 100, "s1", morning); a.shops(99, 100, "s2", noon) }},
		{"at an hour at which nobody else is there", func(a *town) { a.shops(99, 100, "s1", noon.Add(9*time.Hour)) }},
		{"on another day", func(a *town) { a.shops(99, 100, "s1", morning.Add(-24*time.Hour)) }},
		{"something else", func(a *town) { a.does("u99", who.Purchased, "soap", "s1", morning) }},
		{"without the grant", func(a *town) { a.shops(99, 100, "s1", morning); a.decides("u99", who.Analytics, false) }},
		{"with the grant and without the one for what is kept", func(a *town) { a.shops(99, 100, "s1", morning); a.decides("u99", who.Loyalty, false) }},
		{"erased before the week was counted", func(a *town) { a.shops(99, 100, "s1", morning); a.forget("u99") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			with := world(t, c.target)
			if len(with) != len(without) {
				t.Fatalf("%d tables with the one, %d without", len(with), len(without))
			}
			for name, table := range with {
				was := without[name]
				table.Made = was.Made
				if !reflect.DeepEqual(table, was) {
					t.Errorf("%s tells of one shopper:\n%+v\n%+v", name, table.Groups, was.Groups)
				}
			}
		})
	}
}

// TestClosedWindowsStand erases, withdraws, adds and counts again: not one byte of what was told changes, whoever goes, and who has gone is in no
// window that is counted after.
func TestClosedWindowsStand(t *testing.T) {
	t.Parallel()
	a := newTown(t, retailer.Settings{})
	a.shops(0, 24, "s1", noon)
	a.passes()
	before := a.all()
	first := WindowOf(noon).String()
	if got := a.demand(first); !slices.Equal(got, []string{"s1/midday/food 25"}) {
		t.Fatalf("got %q", got)
	}
	for n := range 24 {
		switch n % 3 {
		case 0:
			a.forget(fmt.Sprint("u", n))
		case 1:
			a.decides(fmt.Sprint("u", n), who.Analytics, false)
		}
		a.counts()
		if now := a.all(); !reflect.DeepEqual(now, before) {
			t.Fatalf("after %d shoppers: got %+v, want %+v", n+1, now, before)
		}
	}
	a.shops(30, 60, "s1", noon) // imported late: the window is closed
	a.counts()
	if now := a.all(); !reflect.DeepEqual(now, before) {
		t.Fatalf("after more came: got %+v", now)
	}

	a.shops(0, 24, "s1", a.now) // a third was erased and begins anew, a third may not be counted
	gone := []string{"u2", "u5"}
	for _, shopper := range gone {
		a.forget(shopper)
	}
	second := WindowOf(a.now).String()
	a.passes()
	if got := a.demand(second); got != nil {
		t.Errorf("14 shoppers may be counted: got %q", got)
	}
	a.now = a.now.Add(Kept)
	a.counts()
	if left := a.all(); len(left) != 0 {
		t.Errorf("after their time there are %d tables", len(left))
	}
}

// TestWindowsShareNothing moves acts over the ends of weeks: each counts in one week alone, whatever the zone.
func TestWindowsShareNothing(t *testing.T) {
	t.Parallel()
	a := newTown(t, retailer.Settings{Zone: "Asia/Tokyo"})
	end := WindowOf(noon).To()
	a.now = end.Add(time.Hour)
	a.shops(0, 20, "s1", end.Add(-time.Millisecond))
	a.shops(20, 60, "s1", end)
	a.passes()
	for window, want := range map[string]string{WindowOf(noon).String(): " 20", WindowOf(end).String(): " 40"} {
		if got := a.demand(window); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: got %q, want%s", window, got, want)
		}
	}
}

// TestRepetition asks again and again, with noise: it is drawn once, so nothing averages it out, and each table takes from the budget once.
func TestRepetition(t *testing.T) {
	t.Parallel()
	a := newTown(t, retailer.Settings{Insights: &retailer.InsightNoise{Epsilon: 8, Budget: 20}})
	a.shops(0, 120, "s1", noon)
	a.passes()
	before := a.all()
	for range 50 {
		a.counts()
		if now := a.all(); !reflect.DeepEqual(now, before) {
			t.Fatalf("got %+v, want %+v", now, before)
		}
	}
	spent, withheld := 0.0, 0
	for _, table := range before {
		spent += table.Epsilon
		if table.Withheld == "budget" {
			withheld++
			if len(table.Groups) > 0 {
				t.Errorf("%s is withheld and tells %+v", table.Measure, table.Groups)
			}
		}
	}
	budgets, err := a.insights.Budgets(t.Context(), "r")
	if err != nil || len(budgets) != 1 || budgets[0].Spent != spent || spent != 16 || budgets[0].Tables != 2 || withheld == 0 {
		t.Errorf("spent %v, withheld %d, ledger %+v, %v", spent, withheld, budgets, err)
	}
}

// TestCountedOnce lets two processes count at the same time.
func TestCountedOnce(t *testing.T) {
	t.Parallel()
	a := newTown(t, retailer.Settings{})
	a.shops(0, 30, "s1", noon)
	a.now = WindowOf(a.now).To().Add(Settle + time.Hour)
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() { failed <- a.insights.Count(t.Context(), "r") }()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if got := a.demand(""); !slices.Equal(got, []string{"s1/midday/food 30"}) {
		t.Errorf("got %q", got)
	}
}

// TestMeasures counts each measure by hand.
func TestMeasures(t *testing.T) {
	t.Parallel()
	a := newTown(t, retailer.Settings{})
	for n := range 60 {
		shopper := fmt.Sprint("u", n)
		a.does(shopper, who.Viewed, "milk", "", noon.Add(-5*time.Hour))
		if n < 40 {
			a.does(shopper, who.Added, "milk", "", noon.Add(-4*time.Hour))
		}
		if n < 20 {
			a.does(shopper, who.Purchased, "milk", "s1", noon.Add(-3*time.Hour))
			a.does(shopper, who.Purchased, "bread", "s1", noon.Add(-3*time.Hour))
			a.does(shopper, who.Visited, "", "s2", noon)
		}
	}
	a.passes()
	tables := a.all()
	of := func(measure string) (told []string) {
		for _, g := range tables[WindowOf(noon).String()+" "+measure].Groups {
			told = append(told, fmt.Sprintf("%s %d %d %v", strings.Join(g.Keys, "/"), g.Shoppers, g.Count, g.Steps))
		}
		return told
	}
	cell := func(lat float64) string { return geo.CellAt(geo.Point{Lat: lat, Lng: -9.13}, 8).String() }
	visits := []string{cell(38.71) + "/09 20 20 []", cell(38.81) + "/12 20 20 []"}
	slices.Sort(visits)
	for measure, want := range map[string][]string{
		Visits: visits, Flows: {"store:s1/store:s2 20 20 []"}, Funnel: {"food 60 60 [60 40 20]"}, Affinity: {"bread/milk/food/food 20 20 []"},
		Demand: {"s1/morning/food 20 40 []"}, Cohorts: {"2026-11 20 20 []"},
	} {
		if got := of(measure); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", measure, got, want)
		}
	}
}

// TestCellsAreCoarse holds that no cell is finer than the retailer or Satnav allow, whatever a phone tells.
func TestCellsAreCoarse(t *testing.T) {
	t.Parallel()
	for finest, settings := range map[int]retailer.Settings{8: {}, 6: {Purposes: []retailer.Purpose{{Purpose: who.Analytics, Resolution: who.Resolution{Analytics: 6}}}}} {
		a := newTown(t, settings)
		random := rand.New(rand.NewPCG(1, 2))
		snapshot, err := a.retailers.Of(t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		acts := &store.Acts{}
		for range 200 {
			at := geo.Point{Lat: 38 + random.Float64(), Lng: -9 - random.Float64()}
			acts.Places = append(acts.Places, store.Placed{At: noon, Cell: geo.CellAt(at, 5+random.IntN(6))})
		}
		parts := newCounter(snapshot).visits(acts)
		for key := range parts {
			if cell, err := geo.ParseCell(key[0]); err != nil || cell.Resolution() != finest {
				t.Fatalf("got the cell %q, want resolution %d", key[0], finest)
			}
		}
		if len(parts) == 0 {
			t.Error("no cells")
		}
	}
}
