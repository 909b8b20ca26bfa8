package visit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

// ruleTown fills a world with products, stores, shoppers with a past, and the means to publish rules.
func ruleTown(w *world, shoppers int) (keys []who.Key) {
	w.t.Helper()
	fail := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, err := w.retailers.SaveSettings(w.t.Context(), "demo", editor, retailer.Change[retailer.Settings]{Value: retailer.Settings{Currency: "EUR", Approve: []rule.Class{}, Holdout: new(float64)}})
	fail(err)
	var products []retailer.Change[retailer.Product]
	for i := range 40 {
		products = append(products, retailer.Change[retailer.Product]{ID: fmt.Sprint("p", i), Value: retailer.Product{
			Title: fmt.Sprint("Product ", i), Category: fmt.Sprintf("c%d/s", i%5), Brand: fmt.Sprint("b", i%7), Price: fmt.Sprintf("%d.50", 1+i), Cost: "0.50"}})
	}
	_, err = w.retailers.SaveProducts(w.t.Context(), "demo", editor, products)
	fail(err)
	_, err = w.retailers.SaveStores(w.t.Context(), "demo", editor, []retailer.Change[retailer.Store]{
		{ID: "s1", Value: retailer.Store{Name: "One", Lat: bakery.Lat, Lng: bakery.Lng, Zone: "Europe/Lisbon", Hours: "Mo-Sa 08:00-21:00"}},
		{ID: "s2", Value: retailer.Store{Name: "Two", Lat: bakery.Lat + 0.1, Lng: bakery.Lng, Zone: "Europe/Lisbon"}}})
	fail(err)
	random := rand.New(rand.NewPCG(7, 8))
	for i := range shoppers {
		key := who.Key{Retailer: "demo", Shopper: fmt.Sprint("shopper-", i)}
		var events []who.Event
		for n := range random.IntN(12) {
			for line := range 1 + random.IntN(4) {
				kind := who.Purchased
				if random.IntN(6) == 0 {
					kind = []who.EventKind{who.Viewed, who.Liked, who.Shared}[random.IntN(3)]
				}
				events = append(events, who.Event{ID: fmt.Sprint(n, ".", line), Kind: kind, Item: fmt.Sprint("p", random.IntN(40)), Quantity: 1,
					Basket: fmt.Sprint("basket", n), Store: fmt.Sprint("s", 1+n%2), At: w.now.Add(-time.Duration(1+random.IntN(90*24)) * time.Hour)})
			}
		}
		snapshot, err := w.retailers.Of(w.t.Context(), "demo")
		fail(err)
		_, err = w.shoppers.Commit(w.t.Context(), key, 0, store.Change{At: w.now, Defaults: snapshot.Scene.Defaults, Events: events})
		fail(err)
		keys = append(keys, key)
	}
	return keys
}

// draftRules makes a random set.
func draftRules(random *rand.Rand, n int) []rule.Rule {
	conditions := []string{
		`candidate.category == "c%d/s"`, `candidate.brand == "b%d"`, `candidate.price > %d`, `shopper.orders > %d && candidate.times_bought >= 1`,
		`shopper.lifecycle == "active" && candidate.item == "p%d"`, `place.store == "s1" && candidate.score > 0.0%d`, `moment.hour >= %d && candidate.category.startsWith("c1/")`,
		`basket.size > 0 && candidate.with_basket > 0.0%d`, `shopper.days_since_purchase > %d && candidate.due > 0.5`, `moment.weekday == "monday" && candidate.price < %d`,
	}
	rules := make([]rule.Rule, n)
	for i := range rules {
		condition := conditions[random.IntN(len(conditions))]
		if strings.Contains(condition, "%d") {
			condition = fmt.Sprintf(condition, random.IntN(5))
		}
		actions := []rule.Action{
			{Kind: rule.Boost, Factor: 1 + 5*random.Float64()}, {Kind: rule.Bury, Factor: 0.2}, {Kind: rule.Pin, Position: 1 + random.IntN(6)}, {Kind: rule.Exclude},
			{Kind: rule.Cap, Most: 1 + random.IntN(3), PerCategory: random.IntN(2) == 0}, {Kind: rule.Price, Offer: &rule.Offer{ID: "o", PercentOff: float64(1 + random.IntN(30)), Neutral: "list"}},
			{Kind: rule.Include, Items: []string{fmt.Sprint("p", random.IntN(40))}}, {Kind: rule.Say, Text: map[string]string{"en": "{candidate.price}"}},
		}
		r := rule.Rule{ID: fmt.Sprintf("r%02d", i), Uses: []who.Purpose{who.Loyalty, who.Location}, When: condition, Priority: random.IntN(5),
			Then: []rule.Action{actions[random.IntN(len(actions))]}}
		if random.IntN(4) == 0 {
			r.Schedule.Weekdays = []string{rule.Weekdays[random.IntN(7)], rule.Weekdays[random.IntN(7)]}
		}
		if random.IntN(5) == 0 {
			r.Guards.PerShopperDay = 1 + random.IntN(3)
		}
		rules[i] = r
	}
	return rules
}

// TestTrialIsTheEngine publishes random rules, asks for answers of random scenes, and tries the same rules on the same scenes: there must be
// no difference at all.
func TestTrialIsTheEngine(t *testing.T) {
	t.Parallel()
	sets, scenes := 6, 150
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		sets, scenes = 100, 1000
	}
	w := newWorld(t)
	keys := ruleTown(w, 40)
	random := rand.New(rand.NewPCG(1, 2))
	acted := 0
	for set := range sets {
		rules := draftRules(random, 1+random.IntN(15))
		changes := []retailer.Change[rule.Rule]{}
		drafts, _, err := w.retailers.Drafts(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		for _, old := range drafts {
			changes = append(changes, retailer.Change[rule.Rule]{ID: old.ID, Delete: true})
		}
		for _, r := range rules {
			changes = append(changes, retailer.Change[rule.Rule]{ID: r.ID, Value: r})
		}
		saved, err := w.retailers.SaveRules(t.Context(), "demo", editor, changes)
		for _, s := range saved {
			if s.Err != nil {
				t.Fatal(s.Err)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.retailers.PublishRules(t.Context(), "demo", editor, retailer.Publication{Why: "test"}); err != nil {
			t.Fatal(err)
		}
		live, err := w.retailers.RulesNamed(t.Context(), "demo", "live")
		if err != nil {
			t.Fatal(err)
		}
		trial := visit.Trial{Retailer: "demo", Rules: live, Against: live, Limit: 8, Examples: 0}
		var answers []visit.Answer
		day := w.now.AddDate(0, 0, set) // limits of a day count from nothing in each set
		for range scenes {
			s := visit.TrialScene{Key: keys[random.IntN(len(keys))], At: day.Add(time.Duration(random.IntN(8*3600)) * time.Second)}
			signal := visit.Signal{Key: s.Key, Arrived: s.At, Limit: 8}
			if random.IntN(2) == 0 {
				s.Store = fmt.Sprint("s", 1+random.IntN(2))
				point := bakery
				if s.Store == "s2" {
					point.Lat += 0.1
				}
				signal.Device.Location, signal.Fix = geo.Precise, &geo.Fix{Point: point}
			}
			if random.IntN(3) == 0 {
				s.Basket = []string{fmt.Sprint("p", random.IntN(40)), fmt.Sprint("p", random.IntN(40))}
				signal.Basket = s.Basket
			}
			answer, err := w.visits.Answer(t.Context(), signal)
			if err != nil {
				t.Fatal(err)
			}
			answers, trial.Scenes = append(answers, answer), append(trial.Scenes, s)
		}
		var lists [][]recommend.Suggestion
		trial.Each = func(after []recommend.Suggestion) { lists = append(lists, after) }
		tried, err := w.visits.Try(t.Context(), trial)
		if err != nil {
			t.Fatal(err)
		}
		if tried.Changed != 0 {
			t.Errorf("set %d: %d scenes differ from the same rules", set, tried.Changed)
		}
		for _, r := range tried.Rules {
			acted += r.Acted
		}
		for i := range lists {
			same := slices.EqualFunc(lists[i], answers[i].Suggestions, func(a, b recommend.Suggestion) bool {
				return a.Item == b.Item && a.Price == b.Price && a.Score == b.Score && (a.Ruled == nil) == (b.Ruled == nil) &&
					(a.Ruled == nil || slices.Equal(a.Ruled.Matched, b.Ruled.Matched) && a.Ruled.Offer == b.Ruled.Offer)
			})
			if !same {
				t.Fatalf("set %d, scene %d (%+v): tried %v, answered %v", set, i, trial.Scenes[i], told(lists[i]), told(answers[i].Suggestions))
			}
		}
	}
	if acted == 0 {
		t.Error("no rule ever acted: the test is about nothing")
	}
}

func told(list []recommend.Suggestion) (all []string) {
	for i := range list {
		all = append(all, fmt.Sprint(list[i].Item, " ", list[i].Price.Minor))
	}
	return all
}

// TestTryLeavesLiveRules holds that a trial against the live rules counts nothing for them, so that none is switched off by scenes in which it fails.
func TestTryLeavesLiveRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ruleTown(w, 1)
	w.publish(rule.Rule{ID: "fails", When: `10 / basket.size > 2`, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "x"}}}})
	live, err := w.retailers.RulesNamed(t.Context(), "demo", "live")
	if err != nil || live == nil {
		t.Fatal(live, err)
	}
	before := live.Health()["fails"]
	scenes := make([]visit.TrialScene, 300)
	for i := range scenes {
		scenes[i] = visit.TrialScene{Name: "without a basket", Key: who.Key{Retailer: "demo", Shopper: "imagined"}, At: w.now}
	}
	tried, err := w.visits.Try(t.Context(), visit.Trial{Retailer: "demo", Rules: live, Against: live, Scenes: scenes, Limit: 1})
	if err != nil || tried.Rules[0].Outcomes["fault"] != len(scenes) {
		t.Fatalf("got %+v, %v, want a fault in each scene", tried, err)
	}
	if after := live.Health()["fails"]; after != before {
		t.Errorf("the live rule came to %+v, before the trial %+v", after, before)
	}
}

// TestTry holds what a trial tells: who, how often, at what cost, and why.
func TestTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ruleTown(w, 30)
	rules := []rule.Rule{
		{ID: "offer", Uses: []who.Purpose{who.Loyalty}, When: `shopper.orders > 2 && candidate.category == "c1/s"`, Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: "o", PercentOff: 20, Neutral: "list"}}}},
		{ID: "never", When: `moment.hour > 23`, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "x"}}}},
	}
	set, err := w.retailers.Compile(t.Context(), "demo", rules)
	if err != nil {
		t.Fatal(err)
	}
	scenes, err := w.visits.PastMoments(t.Context(), "demo", w.now.AddDate(0, -6, 0), w.now, 60)
	if err != nil || len(scenes) < 30 {
		t.Fatalf("got %d moments, %v", len(scenes), err)
	}
	made := visit.TrialScene{Name: "regular", Key: who.Key{Retailer: "demo", Shopper: "imagined"}, At: w.now, Grants: []who.Purpose{who.Loyalty}}
	for i := range 5 {
		made.Events = append(made.Events, who.Event{ID: fmt.Sprint(i), Kind: who.Purchased, Item: "p1", Quantity: 1, At: w.now.AddDate(0, 0, -7*(i+1))})
	}
	tried, err := w.visits.Try(t.Context(), visit.Trial{Retailer: "demo", Rules: set, Scenes: append(scenes, made), Limit: 10, Examples: 5})
	if err != nil {
		t.Fatal(err)
	}
	if tried.Scenes != len(scenes)+1 || tried.Changed == 0 || tried.Changed == tried.Scenes || len(tried.Examples) == 0 || tried.GivenMinor <= 0 || tried.MarginMinor >= 0 {
		t.Errorf("got %+v", tried)
	}
	for _, r := range tried.Rules {
		if sum := r.Outcomes["condition"] + r.Outcomes["unknown"] + r.Outcomes["matched"] + r.Outcomes["candidate"]; sum != tried.Scenes {
			t.Errorf("%s: outcomes %v of %d scenes", r.ID, r.Outcomes, tried.Scenes)
		}
		if (r.ID == "never") != (r.Acted == 0) {
			t.Errorf("%s acted %d times", r.ID, r.Acted)
		}
	}
	for _, e := range tried.Examples {
		parts := 0
		for _, v := range e.Verdicts {
			parts += len(v.Parts)
		}
		if e.Scene.Name == "" && len(e.Scene.Key.Shopper) < 20 || parts == 0 {
			t.Errorf("example: got %+v", e)
		}
	}
}

// BenchmarkTry pays for 200 rules on 1,000 scenes: the goal is a second.
func BenchmarkTry(b *testing.B) {
	satnav, _ := open(b, 2_000, 60)
	rules := draftRules(rand.New(rand.NewPCG(5, 6)), 200)
	set, err := satnav.Retailers.Compile(b.Context(), "demo", rules)
	if err != nil {
		b.Fatal(err)
	}
	scenes, err := satnav.Visits.PastMoments(b.Context(), "demo", time.Now().AddDate(0, -2, 0), time.Now(), 1000)
	if err != nil || len(scenes) < 1000 {
		b.Fatalf("%d moments, %v", len(scenes), err)
	}
	for b.Loop() {
		if _, err := satnav.Visits.Try(b.Context(), visit.Trial{Retailer: "demo", Rules: set, Scenes: scenes, Limit: 10, Examples: 3}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/1000-scenes")
}

// TestLook holds that an estimate from what was left to chance tells what rules would have sold, to shoppers who buy what stands in the last place if its name is short:
// of the list as it is, of rules that show nothing, and of rules that show such products alone.
func TestLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := ruleTown(w, 60)
	w.visits.Explore(0.5)
	left, bought := 0, 0
	for round := range 12 {
		w.now = w.now.Add(time.Hour)
		for n, key := range keys {
			answer, err := w.visits.Answer(t.Context(), visit.Signal{Key: key, Arrived: w.now, Limit: 5, Explore: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.Suggestions) < 5 {
				continue
			}
			last := &answer.Suggestions[4]
			if last.Propensity <= 0 || last.Propensity >= 1 {
				continue
			}
			left++
			if len(last.Item)%2 == 0 { // p0 to p9
				bought++
				event := who.Event{ID: fmt.Sprint("b", round, ".", n), Kind: who.Purchased, Item: last.Item, Quantity: 1, Basket: fmt.Sprint("x", round), At: w.now.Add(time.Minute)}
				if _, err := w.shoppers.Record(t.Context(), key, w.now.Add(time.Minute), who.Grants{}, []who.Event{event}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	look := func(rules ...rule.Rule) *visit.Looked {
		t.Helper()
		set, err := w.retailers.Compile(t.Context(), "demo", rules)
		if err != nil {
			t.Fatal(err)
		}
		looked, err := w.visits.Look(t.Context(), visit.Looking{Retailer: "demo", Rules: set, Since: start, Until: w.now.Add(time.Hour), Within: time.Hour, Most: visit.MaxLooked})
		if err != nil {
			t.Fatal(err)
		}
		return looked
	}
	is := look()
	if left < 100 || is.Answers < left/2 || is.Answers > left || is.Met == 0 || is.Met == is.Answers {
		t.Fatalf("%d places were left to chance, %d were bought: got %+v", left, bought, is)
	}
	if share := float64(bought) / float64(left); is.Reward < share-0.15 || is.Reward > share+0.15 || is.SNIPS.Low > is.SNIPS.Value || is.SNIPS.High < is.SNIPS.Value || is.SNIPS.Effective <= 0 || is.SNIPS.Effective > float64(is.Answers) {
		t.Errorf("as it is: got %+v", is)
	}
	none := look(rule.Rule{ID: "out", When: `candidate.kind == "product"`, Then: []rule.Action{{Kind: rule.Exclude}}})
	if none.Met != 0 || none.SNIPS.Effective != 0 || none.Answers != is.Answers {
		t.Errorf("rules that show nothing: got %+v", none)
	}
	// Rules that leave nothing but what is bought: wherever they would have shown what was shown, it was.
	short := look(rule.Rule{ID: "short", When: `size(candidate.item) == 3`, Then: []rule.Action{{Kind: rule.Exclude}}})
	if short.Answers != is.Answers || short.Met > 0 && short.SNIPS.Value < 0.99 {
		t.Errorf("rules that show what is bought alone: got %+v, as it is %+v", short, is)
	}
}
