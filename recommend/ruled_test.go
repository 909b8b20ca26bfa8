package recommend_test

import (
	"slices"
	"testing"
	"time"

	"satnav/context/when"
	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
)

// ruledShop is weekly's shop with products and a set of live rules.
func ruledShop(t testing.TB, rules ...rule.Rule) (*recommend.Snapshot, *recommend.Request) {
	t.Helper()
	s, anna := weekly()
	known := func(minor int64) who.Money { return who.Money{Minor: minor, Known: true} }
	for _, id := range []string{"milk", "bread", "butter", "jam", "tea", "once1", "once2", "once3", "once4", "once5", "once6", "once7", "once8"} {
		category := "food/" + id
		if id[0] == 'o' {
			category = "food/once"
		}
		s.products = append(s.products, recommend.Product{ID: id, Title: id, Category: category, Brand: "b-" + id, Tags: []string{"t-" + id}, Price: known(200), Cost: known(100)})
	}
	for i := range rules {
		rules[i].ID = string(rune('a' + i))
		rules[i].Uses = []who.Purpose{who.Loyalty, who.Location}
	}
	set, err := rule.NewSet("v7", rules, rule.House{})
	if err != nil {
		t.Fatal(err)
	}
	r := asked(anna, loyal, monday)
	r.Scene.Moment = when.At(monday, time.UTC, when.Calendar{})
	return s.snapshot().WithRules(set), r
}

func then(a ...rule.Action) []rule.Action { return a }

// Each kind of action does what it says to the list.
func TestRulesAct(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		rule  rule.Rule
		holds func(list []string) bool
	}{
		{"boost lifts", rule.Rule{When: `candidate.item == "jam"`, Then: then(rule.Action{Kind: rule.Boost, Factor: 100})},
			func(l []string) bool { return slices.Contains(l, "jam") && !slices.Contains(l, "bread") }},
		{"bury sinks", rule.Rule{When: `candidate.item == "milk"`, Then: then(rule.Action{Kind: rule.Bury, Factor: 0.01})},
			func(l []string) bool { return l[0] != "milk" }},
		{"pin", rule.Rule{When: `candidate.item == "milk"`, Then: then(rule.Action{Kind: rule.Pin, Position: 3})},
			func(l []string) bool { return l[2] == "milk" }},
		{"pin something weak", rule.Rule{When: `candidate.brand == "b-jam"`, Then: then(rule.Action{Kind: rule.Pin, Position: 1})},
			func(l []string) bool { return l[0] == "jam" }},
		{"exclude", rule.Rule{When: `candidate.category == "food/milk"`, Then: then(rule.Action{Kind: rule.Exclude})},
			func(l []string) bool { return !slices.Contains(l, "milk") && len(l) > 3 }},
		{"include what no source brings", rule.Rule{Then: then(rule.Action{Kind: rule.Include, Items: []string{"tea"}})},
			func(l []string) bool { return slices.Contains(l, "tea") }},
		{"cap", rule.Rule{When: `candidate.category == "food/once"`, Then: then(rule.Action{Kind: rule.Cap, Most: 2})},
			func(l []string) bool {
				n := 0
				for _, id := range l {
					if id[:2] == "on" {
						n++
					}
				}
				return n == 2
			}},
		{"a shopper's attribute", rule.Rule{When: `shopper.days_since_purchase == 7 && shopper.orders == 8 && candidate.times_bought >= 8`, Then: then(rule.Action{Kind: rule.Pin, Position: 2})},
			func(l []string) bool { return l[1] == "milk" }},
		{"a closed schedule", rule.Rule{When: `candidate.item == "milk"`, Schedule: rule.Schedule{Weekdays: []string{"friday"}}, Then: then(rule.Action{Kind: rule.Exclude})},
			func(l []string) bool { return l[0] == "milk" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			snapshot, r := ruledShop(t, c.rule)
			got, record := recommend.Recommend(snapshot, r)
			if !c.holds(items(got)) {
				t.Errorf("got %v", items(got))
			}
			if record.Rules.Version() != "v7" {
				t.Errorf("the record names version %q", record.Rules.Version())
			}
			again, _ := recommend.Recommend(snapshot, r)
			if !slices.Equal(items(got), items(again)) {
				t.Errorf("the second time %v", items(again))
			}
		})
	}
}

func TestRuleOffersAndSpeaks(t *testing.T) {
	t.Parallel()
	snapshot, r := ruledShop(t,
		rule.Rule{When: `shopper.orders > 3 && candidate.item == "milk"`, Then: then(
			rule.Action{Kind: rule.Price, Offer: &rule.Offer{ID: "ten", PercentOff: 10, Neutral: "The list price."}},
			rule.Action{Kind: rule.Say, Text: map[string]string{"en": "Only {candidate.price} today", "de": "Nur heute"}})},
		rule.Rule{When: `shopper.known`, Then: then(rule.Action{Kind: rule.Remind, AfterSeconds: 3600, Text: map[string]string{"en": "{shopper.orders} orders"}})},
		rule.Rule{When: `shopper.points > 3`, Then: then(rule.Action{Kind: rule.Say, Text: map[string]string{"en": "never"}})},
		rule.Rule{When: `candidate.item == "bread"`, Then: then(rule.Action{Kind: rule.Exclude})})
	got, record := recommend.Recommend(snapshot, r)
	milk := got[slices.Index(items(got), "milk")]
	if milk.Price.Minor != 180 || milk.Ruled == nil || milk.Ruled.Was.Minor != 200 || !milk.Ruled.Personal || milk.Ruled.OfferBy.ID != "a" {
		t.Errorf("got price %v, %+v", milk.Price, milk.Ruled)
	}
	if said := milk.Ruled.Said; said == nil || said.Text["en"] != "Only 2 today" || said.Text["de"] != "Nur heute" {
		t.Errorf("said %+v", milk.Ruled.Said)
	}
	if !slices.ContainsFunc(milk.Reasons, func(r recommend.Reason) bool { return r.Code == recommend.OnOffer }) {
		t.Errorf("reasons %v, want one of the offer", milk.Reasons)
	}
	if len(record.Says) != 1 || record.Says[0].Text["en"] != "8 orders" || !record.Says[0].At.Equal(monday.Add(time.Hour)) {
		t.Errorf("says %+v", record.Says)
	}
	if len(record.Withheld) != 1 || record.Withheld[0].Item != "bread" || record.Withheld[0].By != rule.Exclude {
		t.Errorf("withheld %+v", record.Withheld)
	}
	want := map[string]rule.Traced{"a": {Outcome: rule.Matched, Matched: 1}, "b": {Outcome: rule.Matched, Matched: 1},
		"c": {Outcome: rule.NotKnown, Part: "shopper.points > 3"}, "d": {Outcome: rule.Matched, Matched: 1}}
	for traced := range record.Rules.All {
		w := want[traced.Rule.ID]
		if traced.Outcome != w.Outcome || traced.Part != w.Part || traced.Matched != w.Matched {
			t.Errorf("rule %s: got %+v, want %+v", traced.Rule.ID, traced, w)
		}
	}
}

// What must not be shown is not, even if a rule wants it.
func TestRulesDoNotOverruleAllow(t *testing.T) {
	t.Parallel()
	snapshot, r := ruledShop(t, rule.Rule{Then: then(rule.Action{Kind: rule.Include, Items: []string{"milk", "tea"}})})
	milk, _ := snapshot.Names.Items.Lookup("milk")
	r.Basket = []who.Item{milk}
	got, _ := recommend.Recommend(snapshot, r)
	if slices.Contains(items(got), "milk") || !slices.Contains(items(got), "tea") {
		t.Errorf("got %v, want tea and no milk: it is in the basket", items(got))
	}
}

// Without the grant, rules know nothing of the shopper.
func TestRulesSeeNoMoreThanIsGranted(t *testing.T) {
	t.Parallel()
	snapshot, r := ruledShop(t, rule.Rule{When: `(shopper.known || shopper.orders > 0) && candidate.item == "bread"`, Then: then(rule.Action{Kind: rule.Exclude})})
	if got, _ := recommend.Recommend(snapshot, r); slices.Contains(items(got), "bread") {
		t.Errorf("with the grant: got %v", items(got))
	}
	stranger := asked(nil, nil, monday)
	stranger.Scene.Moment = r.Scene.Moment
	if got, _ := recommend.Recommend(snapshot, stranger); !slices.Contains(items(got), "bread") {
		t.Errorf("without: got %v", items(got))
	}
}

// thrifty holds back or refuses to spend.
type thrifty struct{ hold map[string]rule.Hold }

func (g thrifty) Hold(r *rule.Rule, _ *rule.Scene) rule.Hold { return g.hold[r.ID] }
func (g thrifty) Spend(*rule.Rule, int64) bool               { return false }

func TestGuardHoldsRulesBack(t *testing.T) {
	t.Parallel()
	ten := &rule.Offer{ID: "ten", PercentOff: 10}
	snapshot, r := ruledShop(t,
		rule.Rule{When: `candidate.item == "milk"`, Then: then(rule.Action{Kind: rule.Exclude})},
		rule.Rule{When: `candidate.item == "milk"`, Then: then(rule.Action{Kind: rule.Price, Offer: ten}), Guards: rule.Guardrails{BudgetMinor: 5}})
	r.Guard = thrifty{map[string]rule.Hold{"a": rule.HeldByCount}}
	got, record := recommend.Recommend(snapshot, r)
	i := slices.Index(items(got), "milk")
	if i < 0 || got[i].Price.Minor != 200 || got[i].Ruled.Offer != nil || got[i].Ruled.Held != rule.HeldByFunds {
		t.Fatalf("got %v, want milk at its price", items(got))
	}
	for traced := range record.Rules.All {
		if traced.Rule.ID == "a" && (traced.Outcome != rule.HeldBack || traced.Hold != rule.HeldByCount) {
			t.Errorf("got %+v, want it held back by count", traced)
		}
	}
}

// TestCardIsToldToRules holds what conditions know of a loyalty card: what it says, since it said so, under the permission.
func TestCardIsToldToRules(t *testing.T) {
	t.Parallel()
	full := who.Card{Tier: "gold", Points: 120, Counts: true, Segments: []string{"families"}, At: monday, Since: monday.Add(-time.Hour), Spent: []who.Spent{{At: monday, Points: 20}}}
	later, blank := full, who.Card{At: monday, Since: monday}
	later.Since = monday.Add(time.Second)
	for _, c := range []struct {
		name string
		card *who.Card
		when string
		deny bool // the permission is not there
		want bool
	}{
		{"the tier", &full, `shopper.tier == "gold"`, false, true},
		{"another tier", &full, `shopper.tier == "blue"`, false, false},
		{"points", &full, `shopper.points == 100`, false, true},
		{"more points", &full, `shopper.points > 100`, false, false},
		{"a segment", &full, `"families" in shopper.segments`, false, true},
		{"another segment", &full, `"students" in shopper.segments`, false, false},
		{"without permission", &full, `shopper.tier == "gold"`, true, false},
		{"not yet", &later, `shopper.tier == "gold" || has(shopper.points)`, false, false},
		{"a card that says nothing", &blank, `shopper.tier != "" || has(shopper.points) || size(shopper.segments) > 0`, false, false},
		{"no card", nil, `shopper.tier != "" || has(shopper.points)`, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			grants := loyal
			if c.deny {
				grants = nil
			}
			snapshot, r := ruledShop(t, rule.Rule{When: c.when, Then: then(rule.Action{Kind: rule.Say, Text: map[string]string{"en": "?"}})})
			shopper := who.New(who.Record{Key: who.Key{Retailer: "demo", Shopper: "new"}, Grants: grants, Card: c.card})
			r.Scene.Shopper = who.NewSubject(shopper, who.Permissions{})
			_, record := recommend.Recommend(snapshot, r)
			if got := len(record.Says) == 1; got != c.want {
				t.Errorf("it holds: %v, want %v", got, c.want)
			}
			if used, _ := r.Scene.Shopper.Used(); c.want && len(used) == 0 {
				t.Error("that it was used is not told")
			}
		})
	}
}

// TestUnfedAttributes holds the marks of attributes that nothing tells yet to what the engine says of a shopper of whom it knows all it can: take a mark away
// where something begins to tell it.
func TestUnfedAttributes(t *testing.T) {
	t.Parallel()
	for _, a := range rule.Attributes() {
		if !a.Unfed {
			continue
		}
		when := "has(" + a.Name + ")"
		switch a.Type {
		case rule.Text:
			when = a.Name + ` != ""`
		case rule.Texts:
			when = "size(" + a.Name + ") > 0"
		}
		set, err := rule.NewSet("v1", []rule.Rule{{ID: "a", When: when, Uses: []who.Purpose{who.Loyalty, who.Location, rule.OfferPayday}, Then: then(rule.Action{Kind: rule.Say, Text: map[string]string{"en": "?"}})}},
			rule.House{Declared: func(who.Purpose) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		snapshot, r := ruledShop(t)
		if _, record := recommend.Recommend(snapshot.WithRules(set), r); len(record.Says) > 0 {
			t.Errorf("%s is told", a.Name)
		}
	}
}
