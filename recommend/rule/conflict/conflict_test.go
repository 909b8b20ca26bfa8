package conflict

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/rule"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// everything are the purposes that a rule may use.
var everything = []who.Purpose{who.Loyalty, who.Location, rule.OfferPayday}

func payday(p who.Purpose) bool { return slices.Contains(everything, p) }

// TestFieldsSet holds the table of fields to the attributes: each can be chosen.
func TestFieldsSet(t *testing.T) {
	for _, a := range rule.Attributes() {
		fields := fieldsOf[a.Name]
		if fields == nil {
			fields = []string{a.Name}
		}
		for _, f := range fields {
			if sets[f] == nil {
				t.Errorf("%s is read from %q, which cannot be set", a.Name, f)
			}
		}
	}
}

func house() rule.House { return rule.House{Declared: payday} }

func boost(factor float64) []rule.Action {
	return []rule.Action{{Kind: rule.Boost, Factor: factor}}
}

func off(id string, percent float64) []rule.Action {
	return []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: id, PercentOff: percent, Neutral: "The list price."}}}
}

var (
	exclude = []rule.Action{{Kind: rule.Exclude}}
	bury    = []rule.Action{{Kind: rule.Bury, Factor: 0.5}}
)

func pin(position int) []rule.Action { return []rule.Action{{Kind: rule.Pin, Position: position}} }

// find runs Find over rules that may use everything.
func find(t testing.TB, options Options, rules ...rule.Rule) []Conflict {
	t.Helper()
	for i := range rules {
		rules[i].Uses = everything
	}
	options.House, options.Now = house(), now
	report, err := Find(t.Context(), rules, options)
	if err != nil {
		t.Fatal(err)
	}
	if report.More {
		t.Fatal("the search met its bounds")
	}
	return report.Conflicts
}

// TestFind is a page of what is a conflict, and of what looks like one and is none.
func TestFind(t *testing.T) {
	t.Parallel()
	milk := rule.Candidate{Kind: "product", Item: "milk", Category: "dairy/milk", Brand: "Alm", Price: moneyOf(120), Cost: moneyOf(80)}
	bread := rule.Candidate{Kind: "product", Item: "bread", Category: "bakery/bread", Brand: "Korn", Price: moneyOf(300), Cost: moneyOf(90)}
	goods := []rule.Candidate{milk, bread}
	friday, monday := rule.Schedule{Weekdays: []string{"friday"}}, rule.Schedule{Weekdays: []string{"monday"}}
	black := rule.Schedule{From: "2026-11-25", Until: "2026-11-28"}
	cyber := rule.Schedule{From: "2026-11-28", Until: "2026-12-01"}
	later := rule.Schedule{From: "2026-11-29", Until: "2026-12-01"}
	one := func(id, when string, then []rule.Action) rule.Rule { return rule.Rule{ID: id, When: when, Then: then} }
	timed := func(s rule.Schedule, r rule.Rule) rule.Rule { r.Schedule = s; return r }
	ranked := func(priority int, r rule.Rule) rule.Rule { r.Priority = priority; return r }
	guarded := func(g rule.Guardrails, r rule.Rule) rule.Rule { r.Guards = g; return r }
	for _, test := range []struct {
		name  string
		give  []rule.Rule
		goods []rule.Candidate
		want  []string // "kind a b"
	}{
		{"two tiers at once", []rule.Rule{one("a", `shopper.tier == "gold" && shopper.tier == "silver" && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"a share over one", []rule.Rule{one("a", `shopper.share_likelihood > 1.0 && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"a morning at night", []rule.Rule{one("a", `moment.daypart == "morning" && moment.hour > 20 && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"a weekend on Monday", []rule.Rule{timed(monday, one("a", `moment.weekend && candidate.price > 1`, boost(2)))}, nil, []string{"never_matching a"}},
		{"a day that no month has", []rule.Rule{one("a", `moment.day == 31 && moment.month == 4 && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"a campaign that is over", []rule.Rule{timed(rule.Schedule{Until: "2026-11-01"}, one("a", `candidate.price > 1`, boost(2)))}, nil, []string{"never_matching a"}},
		{"a stranger's tier", []rule.Rule{one("a", `!shopper.known && shopper.tier == "gold" && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"open and opening", []rule.Rule{one("a", `place.open && place.opens_in_min < 30 && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"larger than its list", []rule.Rule{one("a", `size(basket.items) > 3 && basket.size < 3 && candidate.price > 1`, boost(2))}, nil, []string{"never_matching a"}},
		{"what a calculation holds", []rule.Rule{one("a", `shopper.orders % 2 == 1 && shopper.orders % 4 == 1 && candidate.price > 1`, boost(2))}, nil, nil},
		{"nothing is both in the catalogue", []rule.Rule{one("a", `candidate.category == "dairy/milk" && candidate.brand == "Korn"`, boost(2))}, goods, []string{"never_matching a"}},
		{"it might be both without a catalogue", []rule.Rule{one("a", `candidate.category == "dairy/milk" && candidate.brand == "Korn"`, boost(2))}, nil, nil},
		{"always", []rule.Rule{one("a", `candidate.score >= 0.0`, boost(2))}, nil, []string{"always_matching a"}},
		{"always, once it is known", []rule.Rule{one("a", `shopper.points < 500 || shopper.points >= 500 || candidate.price > 3`, boost(2))}, nil, []string{"always_matching a"}},
		{"all days", []rule.Rule{one("a", `(moment.weekend || moment.weekday in ["monday","tuesday","wednesday","thursday","friday"]) && candidate.price > 0`, boost(2))}, nil, []string{"always_matching a"}},
		{"all days but one", []rule.Rule{one("a", `(moment.weekend || moment.weekday in ["monday","tuesday","wednesday","thursday"]) && candidate.price > 1`, boost(2))}, nil, nil},
		{"kept out of what is moved up", []rule.Rule{one("a", `candidate.category.startsWith("dairy/")`, exclude), one("b", `candidate.category == "dairy/milk"`, boost(2))}, nil, []string{"shadowed a b"}},
		{"kept out of some of it", []rule.Rule{one("a", `candidate.category.startsWith("dairy/")`, exclude), one("b", `candidate.brand == "Alm"`, boost(2))}, nil, []string{"contradictory a b"}},
		{"not kept out of anything there is", []rule.Rule{one("a", `candidate.category.startsWith("dairy/")`, exclude), one("b", `candidate.brand == "Korn"`, boost(2))}, goods, nil},
		{"the same pin first", []rule.Rule{ranked(9, one("a", `candidate.price > 1`, pin(1))), one("b", `candidate.price > 2 && shopper.orders > 3`, pin(2))}, nil, []string{"shadowed a b"}},
		{"pinned twice", []rule.Rule{one("a", `candidate.price > 3`, pin(1)), one("b", `candidate.price > 2`, pin(2))}, nil, []string{"contradictory a b"}},
		{"a higher offer first", []rule.Rule{one("a", `candidate.price > 1`, off("x", 5)), one("b", `candidate.price > 2`, off("y", 20))}, nil, []string{"shadowed a b"}},
		{"offers for different shoppers", []rule.Rule{one("a", `shopper.tier == "gold" && candidate.price > 1`, off("x", 5)), one("b", `shopper.tier == "silver" && candidate.price > 2`, off("y", 20))}, nil, nil},
		{"an offer that is now and then held back", []rule.Rule{guarded(rule.Guardrails{PerDay: 3}, one("a", `candidate.price > 1`, off("x", 5))), one("b", `candidate.price > 2`, off("y", 20))}, nil, []string{"contradictory a b"}},
		{"up and down", []rule.Rule{one("a", `candidate.price > 1`, boost(2)), one("b", `shopper.tier == "gold" && candidate.price > 2`, bury)}, nil, []string{"contradictory a b"}},
		{"up and down on different days", []rule.Rule{timed(friday, one("a", `candidate.price > 1`, boost(2))), timed(monday, one("b", `candidate.price > 2`, bury))}, nil, nil},
		{"included and kept out", []rule.Rule{one("a", `moment.hour > 5`, []rule.Action{{Kind: rule.Include, Items: []string{"milk"}}}), one("b", `candidate.item == "milk"`, exclude)}, nil, []string{"contradictory a b"}},
		{"another one included", []rule.Rule{one("a", `moment.hour > 5`, []rule.Action{{Kind: rule.Include, Items: []string{"milk"}}}), one("b", `candidate.item == "bread"`, exclude)}, nil, nil},
		{"campaigns overlap for a day", []rule.Rule{timed(black, one("a", `candidate.price > 1`, off("x", 20))), timed(cyber, one("b", `candidate.price > 1`, off("y", 10)))}, nil, []string{"schedule_overlapping a b"}},
		{"campaigns follow each other", []rule.Rule{timed(black, one("a", `candidate.price > 1`, off("x", 20))), timed(later, one("b", `candidate.price > 1`, off("y", 10)))}, nil, nil},
		{"more than the budget at once", []rule.Rule{guarded(rule.Guardrails{BudgetMinor: 20}, one("a", `candidate.price > 1`, off("x", 10)))}, goods, []string{"budget_exceeding a"}},
		{"more than the budget in a day", []rule.Rule{guarded(rule.Guardrails{BudgetMinor: 100, PerDay: 4}, one("a", `candidate.price > 1`, off("x", 10)))}, goods, []string{"budget_exceeding a"}},
		{"as much as the budget", []rule.Rule{guarded(rule.Guardrails{BudgetMinor: 120, PerDay: 4}, one("a", `candidate.price > 1`, off("x", 10)))}, goods, nil},
		{"never outside of its quiet hours", []rule.Rule{{ID: "a", Trigger: rule.Trigger{Kind: rule.OnCrossing, Crossing: "enter"}, When: `moment.hour >= 22`,
			Guards: rule.Guardrails{Quiet: rule.Hours{From: "21:00", Until: "08:00"}}, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "Good evening."}}}}}, nil, []string{"never_matching a"}},
		{"another crossing", []rule.Rule{{ID: "a", Trigger: rule.Trigger{Kind: rule.OnCrossing, Crossing: "enter"}, When: `crossing.kind == "exit"`,
			Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "Bye."}}}}}, nil, []string{"never_matching a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range find(t, Options{Goods: test.goods}, test.give...) {
				line := string(c.Kind)
				for _, id := range c.Rules {
					line += " " + id
				}
				got = append(got, line)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestShippedTemplates holds that what is shipped is in nobody's way but its own: not one rule that never or always matches.
func TestShippedTemplates(t *testing.T) {
	t.Parallel()
	var rules []rule.Rule
	for _, shipped := range rule.Templates() {
		rules = append(rules, shipped.Rule)
	}
	for _, c := range find(t, Options{}, rules...) {
		if c.Kind == Never || c.Kind == Always || c.Kind == Shadowed {
			t.Errorf("%s %v: %s", c.Kind, c.Rules, c.Text)
		}
	}
}

// planter makes rules that are in conflict, and others around them.
type planter struct {
	random *rand.Rand
	rules  []rule.Rule
}

func (p *planter) n(most int) int                { return p.random.IntN(most) }
func (p *planter) one(words ...string) string    { return words[p.n(len(words))] }
func (p *planter) between(least, most int) int   { return least + p.n(most-least+1) }
func (p *planter) say(f string, a ...any) string { return fmt.Sprintf(f, a...) }

// scenery is a part of a condition about the scene that can hold beside every other one.
func (p *planter) scenery() string {
	return p.one(
		p.say(`shopper.orders >= %d`, p.n(20)), p.say(`place.distance_m < %d`, p.between(1, 40)*100), p.say(`shopper.visits_here > %d`, p.n(5)),
		p.say(`(shopper.lifecycle == "active" || shopper.points > %d)`, p.n(500)), p.say(`basket.size < %d`, p.between(1, 9)),
		p.say(`!("student-%d" in shopper.segments)`, p.n(5)), p.say(`moment.payday_distance <= %d`, p.n(10)), `shopper.known`,
		p.say(`has(shopper.points) && shopper.share_likelihood > 0.%d`, p.n(9)), p.say(`basket.categories.exists(c, c.startsWith("c%d/"))`, p.n(5)),
	)
}

// wares is a part about the candidate.
func (p *planter) wares() string {
	return p.one(
		p.say(`candidate.category == "c%d/s%d"`, p.n(9), p.n(9)), p.say(`candidate.category.startsWith("c%d/")`, p.n(9)), p.say(`candidate.brand == "b%d"`, p.n(99)),
		p.say(`"t%d" in candidate.tags`, p.n(9)), p.say(`candidate.price > %d`, p.between(1, 30)), p.say(`candidate.margin > 0.%d`, p.n(7)),
		p.say(`candidate.due >= 1.%d`, p.n(9)), p.say(`candidate.stock < %d`, p.between(2, 60)),
	)
}

func (p *planter) add(r rule.Rule) string {
	r.ID = fmt.Sprintf("r%03d", len(p.rules))
	r.Uses = everything
	p.rules = append(p.rules, r)
	return r.ID
}

// plant adds a conflict of a kind and returns the ids of its rules.
func (p *planter) plant(kind Kind) []string {
	scenery, wares := p.scenery(), p.wares()
	switch kind {
	case Never:
		impossible := []string{
			p.say(`shopper.days_since_purchase > %d && shopper.days_since_purchase < %d`, 40+p.n(40), 10+p.n(20)),
			p.say(`moment.weekday == "%s" && !moment.weekend`, p.one("saturday", "sunday")),
			p.say(`shopper.tier == "gold" && shopper.tier in ["silver", "t%d"]`, p.n(9)),
			p.say(`moment.hour >= %d && moment.daypart == "morning"`, p.between(12, 20)),
			p.say(`place.store == "s%d" && place.store.startsWith("x")`, p.n(99)),
			p.say(`candidate.price > %d && candidate.price <= %d`, 20+p.n(9), 1+p.n(9)),
			p.say(`candidate.in_basket && !(candidate.in_basket || candidate.score > 0.%d)`, p.n(9)),
			p.say(`shopper.share_likelihood > 1.%d`, p.between(0, 9)),
			p.say(`"a%d" in basket.items && basket.size == 0`, p.n(9)),
			p.say(`moment.month == 2 && moment.day >= %d`, p.between(30, 31)),
		}
		return []string{p.add(rule.Rule{When: scenery + " && " + impossible[p.n(len(impossible))] + " && " + wares, Then: boost(2)})}
	case Always:
		n := p.n(50)
		certain := []string{
			p.say(`(candidate.score < 0.%d || candidate.score >= 0.%d)`, n%10, n%10), p.say(`(shopper.orders > %d || shopper.orders <= %d || candidate.in_basket)`, n, n+3),
			p.say(`(!candidate.in_basket || candidate.in_basket || candidate.price > %d)`, n), p.say(`(moment.hour >= 0 && candidate.score >= 0.0)`),
			p.say(`(candidate.stock >= %d || candidate.stock < %d)`, n, n+1), p.say(`!(candidate.price < %d && candidate.price > %d)`, n, n+1),
		}
		return []string{p.add(rule.Rule{When: certain[p.n(len(certain))], Then: boost(1.5)})}
	case Shadowed:
		if p.n(2) == 0 {
			return []string{p.add(rule.Rule{When: wares, Then: exclude}), p.add(rule.Rule{When: wares + " && " + scenery, Then: []rule.Action{{Kind: rule.Pin, Position: 1 + p.n(5)}}})}
		}
		low := p.between(1, 9)
		return []string{p.add(rule.Rule{When: p.say(`candidate.price > %d`, low), Then: off("wide", 5), Priority: 500 + p.n(9)}),
			p.add(rule.Rule{When: p.say(`candidate.price > %d && %s`, low+p.between(1, 9), scenery), Then: off("narrow", float64(p.between(5, 30)))})}
	case Contradictory:
		ways := [][2][]rule.Action{{boost(2), bury}, {exclude, boost(3)}, {pin(1), pin(2 + p.n(4))}, {off("x", 10), off("y", float64(p.between(11, 40)))}, {exclude, off("z", 5)}}
		way := ways[p.n(len(ways))]
		// Neither holds wherever the other does: a part of its own each.
		return []string{p.add(rule.Rule{When: wares + ` && moment.hour >= 8 && candidate.price > 3`, Then: way[0]}), p.add(rule.Rule{When: wares + ` && moment.hour < 20 && ` + scenery + ` && candidate.price > 2`, Then: way[1]})}
	case Overlap:
		start := time.Date(2026, 12, 1+p.n(20), 0, 0, 0, 0, time.UTC)
		length, common := p.between(2, 14), p.between(0, 1)
		end := start.AddDate(0, 0, length)
		day := func(at time.Time) string { return at.Format(time.DateOnly) }
		return []string{p.add(rule.Rule{When: wares, Then: off("first", float64(p.between(5, 20))), Schedule: rule.Schedule{From: day(start), Until: day(end)}}),
			p.add(rule.Rule{When: wares + " && " + scenery, Then: off("second", float64(p.between(21, 40))), Schedule: rule.Schedule{From: day(end.AddDate(0, 0, -common)), Until: day(end.AddDate(0, 0, 9))}})}
	default: // Budget
		amount := int64(p.between(50, 400))
		guards := rule.Guardrails{BudgetMinor: amount - 1 - int64(p.n(20))}
		if p.n(2) == 0 {
			guards = rule.Guardrails{BudgetMinor: amount * int64(p.between(2, 9)), PerDay: p.between(10, 50)}
		}
		return []string{p.add(rule.Rule{When: wares + ` && candidate.price > 8 && ` + scenery, Guards: guards,
			Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: "off", MinorOff: amount, Neutral: "The list price."}}}})}
	}
}

// TestPlanted plants 200 conflicts among rules that have none of their own and holds that 95 of 100 are found, and that every report,
// asked for or not, is so when the engine is asked again from nothing.
func TestPlanted(t *testing.T) {
	t.Parallel()
	const planted, sets = 200, 10
	found, reports := 0, 0
	missed := map[Kind]int{}
	for seed := range sets {
		p := &planter{random: rand.New(rand.NewPCG(7, uint64(seed)))}
		type plant struct {
			kind Kind
			ids  []string
		}
		var plants []plant
		for i := range planted / sets {
			kind := Kinds[(i+seed)%len(Kinds)]
			plants = append(plants, plant{kind, p.plant(kind)})
			p.add(rule.Rule{When: p.scenery() + " && " + p.wares(), Then: []rule.Action{{Kind: rule.Cap, Most: 1 + p.n(3)}}})
		}
		report, err := Find(t.Context(), p.rules, Options{House: house(), Now: now, Most: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for _, plant := range plants {
			slices.Sort(plant.ids)
			if slices.ContainsFunc(report.Conflicts, func(c Conflict) bool {
				return c.Kind == plant.kind && slices.Equal(slices.Sorted(slices.Values(c.Rules)), plant.ids)
			}) {
				found++
			} else {
				missed[plant.kind]++
				t.Logf("seed %d: missed %s of %v: %s", seed, plant.kind, plant.ids, whens(p.rules, plant.ids))
			}
		}
		for i := range report.Conflicts {
			reports++
			if why := again(t, p.rules, &report.Conflicts[i], p.random); why != "" {
				c := &report.Conflicts[i]
				t.Errorf("seed %d: %s of %v does not reproduce: %s: %s", seed, c.Kind, c.Rules, why, whens(p.rules, c.Rules))
			}
		}
	}
	t.Logf("%d of %d planted conflicts found, %d reports in all; missed %v", found, planted, reports, missed)
	if found*100 < planted*95 {
		t.Errorf("got %d of %d planted conflicts, want 95 of 100: missed %v", found, planted, missed)
	}
}

func whens(rules []rule.Rule, ids []string) (texts []string) {
	for _, r := range rules {
		if slices.Contains(ids, r.ID) {
			texts = append(texts, r.When)
		}
	}
	return texts
}

// again asks the engine about a report, and of what is said of all scenes about some hundred that were not chosen for it.
func again(t *testing.T, rules []rule.Rule, c *Conflict, random *rand.Rand) string {
	t.Helper()
	pick := func(ids ...string) *rule.Set {
		var some []rule.Rule
		for _, r := range rules {
			if slices.Contains(ids, r.ID) {
				some = append(some, r)
			}
		}
		set, err := rule.NewSet("", some, house())
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	candidate := rule.Candidate{}
	if c.Candidate != nil {
		candidate = *c.Candidate
	}
	at := &stage{scene: c.Scene, candidate: candidate}
	last := c.Rules[len(c.Rules)-1]
	holds := func(set *rule.Set, at *stage, id string) bool {
		request := set.Begin(&at.scene, nil)
		defer request.Release()
		for _, v := range request.Why(&at.candidate) {
			if v.Rule.ID == id {
				return v.Outcome == rule.Matched
			}
		}
		return false
	}
	switch c.Kind {
	case Never:
		set := pick(last)
		if holds(set, at, last) {
			return "it matches"
		}
		for range 300 {
			if holds(set, someStage(random), last) {
				return "it matches a scene"
			}
		}
	case Always:
		if !holds(pick(last), at, last) {
			return "it does not match"
		}
	case Shadowed:
		both := pick(c.Rules...)
		if !holds(both, at, c.Rules[0]) || !holds(both, at, last) {
			return "they do not meet"
		}
		if !same(ask(both, at), ask(pick(c.Rules[0]), at)) {
			return "it has an effect"
		}
		for range 300 {
			if s := someStage(random); holds(both, s, last) && !holds(both, s, c.Rules[0]) {
				return "it holds where the other one does not"
			}
		}
	case Budget:
		set, spent := pick(last), int64(0)
		for range c.Times {
			e := ask(set, at)
			spent += at.candidate.Price.Minor - e.price.Minor
		}
		for _, r := range rules {
			if r.ID == last && spent <= r.Guards.BudgetMinor {
				return "the budget is enough"
			}
		}
	default:
		if both := pick(c.Rules...); !holds(both, at, c.Rules[0]) || !holds(both, at, last) {
			return "they do not meet"
		}
		a, b := ask(pick(c.Rules[0]), at), ask(pick(last), at)
		if contrary(&a, &b) == "" {
			return "they go together"
		}
	}
	return ""
}

// someStage is a scene and a candidate as they come, of the values that planted rules name.
func someStage(random *rand.Rand) *stage {
	number := func(most int) int { return random.IntN(most) }
	maybe := func(most int) rule.Maybe[int64] {
		return rule.Maybe[int64]{Value: int64(number(most)), Known: number(5) > 0}
	}
	share := func() rule.Maybe[float64] {
		return rule.Maybe[float64]{Value: random.Float64(), Known: number(5) > 0}
	}
	at := now.AddDate(0, 0, number(300))
	s := &stage{}
	s.scene.Shopper = rule.Shopper{Known: number(5) > 0, Tier: []string{"", "silver", "gold", "t3"}[number(4)], Points: maybe(500), Lifecycle: rule.Lifecycles[number(5)],
		Orders: int64(number(60)), DaysSincePurchase: maybe(100), ShareLikelihood: share(), VisitsHere: maybe(9), Segments: []string{fmt.Sprint("student-", number(5))}}
	s.scene.Place = rule.Place{Known: true, Store: fmt.Sprint([]string{"s", "x"}[number(2)], number(99)), DistanceMeters: rule.Known(4000 * random.Float64())}
	s.scene.Moment = rule.Moment{Minute: number(1440), Year: at.Year(), Month: int(at.Month()), Day: at.Day(), Weekday: int(at.Weekday()), PaydayDistance: maybe(12)}
	sets[minuteField](s, value{number: float64(s.scene.Moment.Minute)})
	for range number(4) {
		s.scene.Basket.Items = append(s.scene.Basket.Items, fmt.Sprint("a", number(9)))
		s.scene.Basket.Categories = append(s.scene.Basket.Categories, fmt.Sprintf("c%d/s%d", number(9), number(9)))
	}
	price := int64(1 + number(4000))
	s.candidate = rule.Candidate{Kind: "product", Item: fmt.Sprint("a", number(9)), Category: fmt.Sprintf("c%d/s%d", number(9), number(9)), Brand: fmt.Sprint("b", number(99)),
		Tags: []string{fmt.Sprint("t", number(9))}, Price: moneyOf(price), Cost: moneyOf(price / 2), Stock: maybe(60), Due: share(), Score: random.Float64(), InBasket: number(2) == 0}
	s.settle()
	return s
}

// TestAloneAgainstBruteForce holds the search to a slow twin: random conditions over few values, of which all scenes are tried.
func TestAloneAgainstBruteForce(t *testing.T) {
	t.Parallel()
	const seed = 11
	random := rand.New(rand.NewPCG(seed, seed))
	number := func(most int) int { return random.IntN(most) }
	atom := func() string {
		return []string{
			fmt.Sprintf(`shopper.orders %s %d`, []string{"<", ">", "==", "!=", ">="}[number(5)], number(4)),
			fmt.Sprintf(`shopper.points %s %d`, []string{"<", ">", "=="}[number(3)], number(3)),
			fmt.Sprintf(`shopper.tier %s "t%d"`, []string{"==", "!="}[number(2)], number(2)),
			fmt.Sprintf(`"s%d" in shopper.segments`, number(2)), `has(shopper.points)`, `place.precise`,
		}[number(6)]
	}
	var formula func(depth int) string
	formula = func(depth int) string {
		switch k := number(5); {
		case depth == 0 || k == 0:
			return atom()
		case k == 1:
			return "!(" + formula(depth-1) + ")"
		case k < 4:
			return "(" + formula(depth-1) + " && " + formula(depth-1) + ")"
		}
		return "(" + formula(depth-1) + " || " + formula(depth-1) + ")"
	}
	var stages []stage
	for orders := range int64(6) {
		for points := range int64(6) {
			for _, tier := range []string{"", "t0", "t1"} {
				for _, segments := range [][]string{nil, {"s0"}, {"s1"}, {"s0", "s1"}} {
					for _, precise := range []bool{false, true} {
						s := stage{scene: rule.Scene{Place: rule.Place{Known: true, Precise: precise}}}
						s.scene.Shopper = rule.Shopper{Known: true, Orders: orders, Tier: tier, Segments: segments, Points: rule.Maybe[int64]{Value: points, Known: points < 5}}
						stages = append(stages, s)
					}
				}
			}
		}
	}
	never := 0
	for range 400 {
		when := formula(4)
		clauses, err := rule.Clauses(when)
		if err != nil {
			continue // more than a condition may cost
		}
		possible := slices.ContainsFunc(stages, func(s stage) bool {
			return !slices.ContainsFunc(clauses, func(c rule.Clause) bool { return !c.Holds(&s.scene, nil) })
		})
		conflicts := find(t, Options{}, rule.Rule{ID: "a", When: when, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "Hello."}}}})
		dead := slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.Kind == Never })
		if dead == possible {
			t.Errorf("%s: got never=%v, but of all scenes one matches=%v", when, dead, possible)
		}
		if dead {
			never++
		}
	}
	if never < 20 {
		t.Errorf("got %d conditions that never hold, want enough to tell", never)
	}
}

// BenchmarkFind pays for the whole hunt over the rules of a retailer.
func BenchmarkFind(b *testing.B) {
	for _, rules := range []int{200} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			p := &planter{random: rand.New(rand.NewPCG(1, 2))}
			for i := range rules {
				then := [][]rule.Action{boost(2), bury, pin(1 + i%3), off(fmt.Sprint("o", i), 10), exclude}[i%5]
				p.add(rule.Rule{When: p.scenery() + " && " + p.wares(), Then: then})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Find(b.Context(), p.rules, Options{House: house(), Now: now}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
