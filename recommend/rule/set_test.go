package rule

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"satnav/context/who"
)

func mustSet(t testing.TB, rules ...Rule) *Set {
	t.Helper()
	for i := range rules {
		rules[i].Uses = []who.Purpose{who.Loyalty, who.Location}
		if rules[i].Then == nil {
			rules[i].Then = []Action{{Kind: Say, Text: map[string]string{"en": "Hello"}}}
		}
	}
	s, err := NewSet("v1", rules, House{FloorMargin: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ids(rules []*Rule) (all []string) {
	for _, r := range rules {
		all = append(all, r.ID)
	}
	return all
}

func TestCandidate(t *testing.T) {
	t.Parallel()
	milk := Candidate{Kind: "product", Item: "oat-milk", Category: "dairy/milk", Brand: "Oatly", Tags: []string{"vegan"},
		Price: who.Money{Minor: 200, Known: true}, Cost: who.Money{Minor: 100, Known: true}}
	const ours = `candidate.item == "oat-milk"`
	boost := func(id, when string, priority int, then ...Action) Rule {
		return Rule{ID: id, When: when, Priority: priority, Then: then}
	}
	off := func(id string, percent float64) Action {
		return Action{Kind: Price, Offer: &Offer{ID: id, PercentOff: percent}}
	}
	for _, c := range []struct {
		name    string
		give    []Rule
		want    Effect // Caps, Say and Matched are looked at by the next two
		matched []string
		caps    int
	}{
		{"nothing", nil, Effect{Factor: 1, Price: milk.Price}, nil, 0},
		{"factors multiply", []Rule{boost("a", ours, 0, Action{Kind: Boost, Factor: 3}), boost("b", `candidate.brand == "Oatly"`, 0, Action{Kind: Bury, Factor: 0.5})},
			Effect{Factor: 1.5, Price: milk.Price}, []string{"a", "b"}, 0},
		{"factors have bounds", []Rule{boost("a", ours, 0, Action{Kind: Boost, Factor: 90}), boost("b", ours, 0, Action{Kind: Boost, Factor: 90})},
			Effect{Factor: 100, Price: milk.Price}, []string{"a", "b"}, 0},
		{"the first pin counts", []Rule{boost("a", ours, 1, Action{Kind: Pin, Position: 4}), boost("b", `"vegan" in candidate.tags`, 2, Action{Kind: Pin, Position: 2})},
			Effect{Factor: 1, Pin: 2, Price: milk.Price}, []string{"b", "a"}, 0},
		{"equals go by id", []Rule{boost("b", ours, 0, Action{Kind: Pin, Position: 4}), boost("a", ours, 0, Action{Kind: Pin, Position: 2})},
			Effect{Factor: 1, Pin: 2, Price: milk.Price}, []string{"a", "b"}, 0},
		{"included before excluded", []Rule{boost("a", ours, 2, Action{Kind: Include, Items: []string{"oat-milk"}}), boost("b", ours, 1, Action{Kind: Exclude})},
			Effect{Factor: 1, Include: true, Price: milk.Price}, []string{"a", "b"}, 0},
		{"excluded before included", []Rule{boost("a", ours, 1, Action{Kind: Include, Items: []string{"oat-milk"}}), boost("b", ours, 2, Action{Kind: Exclude})},
			Effect{Factor: 1, Exclude: true, Price: milk.Price}, []string{"b", "a"}, 0},
		{"a branch", []Rule{boost("a", `candidate.category.startsWith("dairy/")`, 0, Action{Kind: Cap, Most: 2})},
			Effect{Factor: 1, Price: milk.Price}, []string{"a"}, 1},
		{"one key or another", []Rule{boost("a", `candidate.brand == "Oatly" || candidate.item in ["x", "oat-milk"]`, 0, Action{Kind: Boost, Factor: 2})},
			Effect{Factor: 2, Price: milk.Price}, []string{"a"}, 0},
		{"no index", []Rule{boost("a", `candidate.price > 1.5`, 0, Action{Kind: Boost, Factor: 2})}, Effect{Factor: 2, Price: milk.Price}, []string{"a"}, 0},
		{"what is not known does not match", []Rule{boost("a", ours+` && candidate.due < 1.0`, 0, Action{Kind: Boost, Factor: 2})}, Effect{Factor: 1, Price: milk.Price}, nil, 0},
		{"nor its contrary", []Rule{boost("a", ours+` && !(candidate.due < 1.0)`, 0, Action{Kind: Boost, Factor: 2})}, Effect{Factor: 1, Price: milk.Price}, nil, 0},
		{"a fault does not match", []Rule{boost("a", ours+` && 1 / basket.size == 0`, 0, Action{Kind: Boost, Factor: 2})}, Effect{Factor: 1, Price: milk.Price}, nil, 0},
		{"a fault beside what decides", []Rule{boost("a", ours+` && (1 / basket.size == 0 || candidate.brand == "Oatly")`, 0, Action{Kind: Boost, Factor: 2})},
			Effect{Factor: 2, Price: milk.Price}, []string{"a"}, 0},
		{"an offer for all", []Rule{boost("a", "", 0, off("o", 10))},
			Effect{Factor: 1, Price: who.Money{Minor: 180, Known: true}}, []string{"a"}, 0},
		{"the first offer counts", []Rule{boost("a", ours, 1, off("o", 10)), boost("b", ours, 2, off("p", 5))},
			Effect{Factor: 1, Price: who.Money{Minor: 190, Known: true}}, []string{"b", "a"}, 0},
		{"under the floor margin", []Rule{boost("a", `candidate.brand == "Oatly"`, 0, off("o", 45))},
			Effect{Factor: 1, Price: milk.Price, Held: HeldByFloor}, []string{"a"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustSet(t, c.give...).Begin(&Scene{}, nil)
			defer r.Release()
			var got Effect
			r.Candidate(&milk, &got)
			if !slices.Equal(ids(got.Matched), c.matched) || len(got.Caps) != c.caps {
				t.Errorf("got matched %v and %d caps, want %v and %d", ids(got.Matched), len(got.Caps), c.matched, c.caps)
			}
			if (got.Offer != nil) != (got.Price != milk.Price) || (got.Offer != nil) != (got.OfferBy != nil) {
				t.Errorf("a price without an offer, or an offer without a price: %+v", got)
			}
			got.Matched, got.Caps, got.Offer, got.OfferBy = nil, nil, nil, nil
			if got.Factor != c.want.Factor || got.Pin != c.want.Pin || got.Include != c.want.Include || got.Exclude != c.want.Exclude || got.Price != c.want.Price || got.Held != c.want.Held {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

type guard map[string]Hold

func (g guard) Hold(r *Rule, _ *Scene) Hold { return g[r.ID] }
func (g guard) Spend(*Rule, int64) bool     { return true }

func TestBegin(t *testing.T) {
	t.Parallel()
	friday := Moment{Minute: 18 * 60, Weekday: 5, Year: 2026, Month: 11, Day: 27}
	enter := Happening{Kind: OnCrossing, Crossing: "enter", Geofence: "bakery", GeofenceTags: []string{"bread"}}
	night := friday
	night.Minute = 23 * 60
	for _, c := range []struct {
		name  string
		rule  Rule
		scene Scene
		want  Outcome
		hold  Hold
	}{
		{"always", Rule{}, Scene{}, Matched, Free},
		{"a condition", Rule{When: `shopper.tier == "gold"`}, Scene{Shopper: Shopper{Tier: "gold"}}, Matched, Free},
		{"not true", Rule{When: `shopper.tier == "gold"`}, Scene{}, NotTrue, Free},
		{"not known", Rule{When: `shopper.points > 5`}, Scene{}, NotKnown, Free},
		{"a fault", Rule{When: `10 / shopper.orders > 5`}, Scene{}, Faulted, Free},
		{"false beside a fault", Rule{When: `10 / shopper.orders > 5 && shopper.known`}, Scene{}, NotTrue, Free},
		{"a crossing", Rule{Trigger: Trigger{Kind: OnCrossing, Crossing: "enter", GeofenceTag: "bread"}}, Scene{Trigger: enter}, Matched, Free},
		{"another crossing", Rule{Trigger: Trigger{Kind: OnCrossing, Crossing: "exit"}}, Scene{Trigger: enter}, NotAsked, Free},
		{"another geofence", Rule{Trigger: Trigger{Kind: OnCrossing, Geofence: "pool"}}, Scene{Trigger: enter}, NotAsked, Free},
		{"a crossing asks no rule for answers", Rule{}, Scene{Trigger: enter}, NotAsked, Free},
		{"an event", Rule{Trigger: Trigger{Kind: OnEvent, Event: "share"}}, Scene{Trigger: Happening{Kind: OnEvent, Event: "share"}}, Matched, Free},
		{"a weekday", Rule{Schedule: Schedule{Weekdays: []string{"friday"}}}, Scene{Moment: friday}, Matched, Free},
		{"another weekday", Rule{Schedule: Schedule{Weekdays: []string{"monday"}}}, Scene{Moment: friday}, NotNow, Free},
		{"in hours", Rule{Schedule: Schedule{Hours: []Hours{{"08:00", "10:00"}, {"17:00", "24:00"}}}}, Scene{Moment: friday}, Matched, Free},
		{"the end does not count", Rule{Schedule: Schedule{Hours: []Hours{{"08:00", "18:00"}}}}, Scene{Moment: friday}, NotNow, Free},
		{"the first date", Rule{Schedule: Schedule{From: "2026-11-27"}}, Scene{Moment: friday}, Matched, Free},
		{"before the first date", Rule{Schedule: Schedule{From: "2026-11-28"}}, Scene{Moment: friday}, NotNow, Free},
		{"the last date", Rule{Schedule: Schedule{Until: "2026-11-27"}}, Scene{Moment: friday}, Matched, Free},
		{"no holiday", Rule{Schedule: Schedule{Holidays: HolidaysOnly}}, Scene{Moment: friday}, NotNow, Free},
		{"a holiday", Rule{Schedule: Schedule{Holidays: NoHolidays}}, Scene{Moment: Moment{Holiday: "Thanksgiving"}}, NotNow, Free},
		{"quiet hours", Rule{Trigger: Trigger{Kind: OnCrossing}, Guards: Guardrails{Quiet: Hours{"22:00", "07:00"}}}, Scene{Trigger: enter, Moment: night}, HeldBack, HeldByQuiet},
		{"an answer is never quiet", Rule{Guards: Guardrails{Quiet: Hours{"22:00", "07:00"}}}, Scene{Moment: night}, Matched, Free},
		{"the guard", Rule{ID: "often"}, Scene{}, HeldBack, HeldByCount},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.rule.ID == "" {
				c.rule.ID = "it"
			}
			s := mustSet(t, c.rule)
			for range 2 { // a released request is used again
				r := s.Begin(&c.scene, guard{"often": HeldByCount})
				said := r.Says(nil)
				got := r.Why(nil)
				r.Release()
				if (len(said) == 1) != (c.want == Matched) {
					t.Errorf("%d messages, want one if it matched", len(said))
				}
				if got[0].Outcome != c.want || got[0].Hold != c.hold {
					t.Errorf("got %s %s, want %s %s", got[0].Outcome, got[0].Hold, c.want, c.hold)
				}
			}
			if h := s.Health()[c.rule.ID]; (h.Faulted == 2) != strings.Contains(c.rule.When, "/") || (h.Matched == 2) != (c.want == Matched) {
				t.Errorf("health %+v", h)
			}
		})
	}
}

// TestSetAgainstSlowTwin holds index, shared parts and order to what asking every rule by itself gives, from
// many goroutines at once.
func TestSetAgainstSlowTwin(t *testing.T) {
	t.Parallel()
	w := newTown(t, 300)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			matched := 0
			for i := range w.scenes {
				r := w.set.Begin(&w.scenes[i], nil)
				for j := range w.candidates {
					var got Effect
					r.Candidate(&w.candidates[j], &got)
					var want []string
					factor := 1.0
					for n := range w.set.members {
						m := &w.set.members[n]
						if m.formula.whole(&frame{scene: &w.scenes[i], candidate: &w.candidates[j]}) == yes {
							want = append(want, m.rule.ID)
							factor *= m.rule.Then[0].Factor
						}
					}
					if !slices.Equal(ids(got.Matched), want) || got.Factor != min(factor, MaxFactor) {
						t.Errorf("scene %d, candidate %d: got %v × %v, want %v × %v", i, j, ids(got.Matched), got.Factor, want, factor)
					}
					matched += len(want)
				}
				r.Release()
			}
			if matched == 0 {
				t.Error("no rule matched anything")
			}
		})
	}
	all.Wait()
}

// TestNoAllocations holds the path to it.
func TestNoAllocations(t *testing.T) {
	w := newTown(t, 200)
	var e Effect
	n := 0
	run := func() {
		r := w.set.Begin(&w.scenes[n%len(w.scenes)], nil)
		for i := range w.candidates {
			r.Candidate(&w.candidates[i], &e)
		}
		r.Release()
		n++
	}
	for range 2 * len(w.scenes) {
		run()
	}
	// A collection may empty the pool, so that one run in many allocates a request.
	if got := testing.AllocsPerRun(500, run); got >= 1 {
		t.Errorf("got %v allocations an answer, want 0", got)
	}
}

func TestNewSetRefuses(t *testing.T) {
	t.Parallel()
	_, err := NewSet("v1", []Rule{{ID: "lunch", When: `moment.dayprat == "noon"`, Then: []Action{{Kind: Include, Items: []string{"a"}}}}, {ID: "lunch"}}, House{})
	if err == nil || !strings.Contains(err.Error(), `rule "lunch", when 1:1: there is no attribute "moment.dayprat": did you mean "moment.daypart"?`) ||
		!strings.Contains(err.Error(), "two rules have it") {
		t.Errorf("got %v", err)
	}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	s := mustSet(t, Rule{ID: "a", When: `shopper.tier == "gold" && candidate.price < 3.0 && has(shopper.points)`, Then: []Action{{Kind: Exclude}}})
	scene := Scene{Shopper: Shopper{Tier: "silver"}}
	r := s.Begin(&scene, nil)
	defer r.Release()
	got := r.Why(&Candidate{Price: who.Money{Minor: 200, Known: true}})
	if len(got) != 1 || got[0].Outcome != NotTrue {
		t.Fatalf("got %+v", got)
	}
	want := []Part{
		{Text: `shopper.tier == "gold"`, Values: map[string]any{"shopper.tier": "silver"}},
		{Text: `candidate.price < 3.0`, Holds: true, Values: map[string]any{"candidate.price": 2.0}},
		{Text: `has(shopper.points)`, Values: map[string]any{}},
	}
	if !slices.EqualFunc(got[0].Parts, want, func(a, b Part) bool {
		return a.Text == b.Text && a.Holds == b.Holds && a.Fault == b.Fault && maps.Equal(a.Values, b.Values)
	}) {
		t.Errorf("got  %+v\nwant %+v", got[0].Parts, want)
	}
}

// TestSwitchOff holds that a rule which fails too often is asked no more, that others go on, and that one which fails now and then stays.
func TestSwitchOff(t *testing.T) {
	t.Parallel()
	fails := func(id string, rate float64) Rule {
		return Rule{ID: id, Uses: []who.Purpose{who.Loyalty}, When: `10 / shopper.orders > 2`, Guards: Guardrails{FaultRate: rate}, Then: []Action{{Kind: Say, Text: map[string]string{"en": "?"}}}}
	}
	inCandidate := Rule{ID: "each", Uses: []who.Purpose{who.Loyalty}, When: `10 / candidate.stock > 2`, Then: []Action{{Kind: Boost, Factor: 2}}}
	s := mustSet(t, fails("default", 0), fails("patient", 0.5), fails("never", 1), inCandidate, Rule{ID: "sound", When: `moment.hour >= 0`})
	empty := &Candidate{Stock: Known(int64(0))}
	ask := func(orders int64) map[string]Hold {
		r := s.Begin(&Scene{Shopper: Shopper{Orders: orders}}, nil)
		defer r.Release()
		var e Effect
		for range 3 { // of a rule that fails with every candidate one failure counts for the answer
			r.Candidate(empty, &e)
		}
		trace, held := r.Trace(), map[string]Hold{}
		for told := range trace.All {
			held[told.Rule.ID] = told.Hold
		}
		return held
	}
	for range stretch / 20 { // one answer of two fails: five of a hundred by the end of the stretch
		ask(0)
		ask(1)
	}
	if held := ask(1); held["default"] != Free || held["each"] != Free {
		t.Errorf("a few failures: got %v", held)
	}
	for range stretch / 10 {
		ask(0)
	}
	if held := ask(1); held["default"] != SwitchedOff || held["each"] != SwitchedOff || held["patient"] != Free || held["never"] != Free || held["sound"] != Free {
		t.Errorf("many failures: got %v", held)
	}
	for range stretch {
		ask(0)
	}
	h := s.Health()
	if held := ask(1); held["patient"] != SwitchedOff || held["never"] != Free || !h["patient"].Off || h["never"].Off || h["sound"].Off || h["never"].Faulted < stretch {
		t.Errorf("nothing but failures: got %v, %+v", held, h)
	}
	// What is only thought of counts for nothing, however often it fails.
	s = mustSet(t, fails("default", 0), inCandidate)
	for range 2 * stretch {
		r := s.Glance(&Scene{}, nil)
		var e Effect
		r.Candidate(empty, &e)
		r.Release()
	}
	if h := s.Health(); h["default"] != (Health{}) || h["each"] != (Health{}) {
		t.Errorf("glances count: got %+v", h)
	}
	// A stretch begins anew: failures of the one before do not count.
	s = mustSet(t, fails("default", 0))
	for range 20 {
		for n := range stretch {
			orders := int64(1)
			if n%20 == 0 {
				orders = 0
			}
			ask(orders)
		}
	}
	if s.Health()["default"].Off {
		t.Error("one failure of twenty switches it off")
	}
}
