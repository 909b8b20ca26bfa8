package rule

import (
	"slices"
	"strings"
	"testing"

	"satnav/context/who"
)

// shop is a catalogue for tests.
type shop struct{}

func (shop) Item(id string) (Goods, bool) {
	goods := map[string]Goods{
		"oat-milk": {Price: who.Money{Minor: 200, Known: true}, Cost: who.Money{Minor: 150, Known: true}},
		"test-kit": {Sensitive: true},
	}[id]
	return goods, id == "oat-milk" || id == "test-kit"
}
func (shop) Category(path string) bool {
	return slices.Contains([]string{"dairy", "dairy/milk", "bread", "health", "health/pregnancy"}, path)
}
func (shop) Brand(name string) bool { return name == "Oatly" }
func (shop) Tag(name string) bool   { return name == "vegan" }

var testHouse = House{Catalogue: shop{}, Refused: []string{"health/pregnancy"}, FloorMargin: 0.1}

// sound is a rule without fault, to be changed by a case.
func sound(change func(*Rule)) *Rule {
	r := &Rule{
		ID: "milk", Name: "Milk first", Uses: []who.Purpose{who.Loyalty, who.Location},
		When: `candidate.category == "dairy/milk"`, Then: []Action{{Kind: Boost, Factor: 2}},
	}
	change(r)
	return r
}

func TestCheck(t *testing.T) {
	t.Parallel()
	when := func(condition string) func(*Rule) { return func(r *Rule) { r.When = condition } }
	then := func(a Action) func(*Rule) { return func(r *Rule) { r.Then = []Action{a} } }
	const ours = `candidate.item == "oat-milk" && `
	for _, c := range []struct {
		name string
		give func(*Rule)
		want []string // empty: nothing is wrong
	}{
		{"sound", when(`candidate.category == "dairy/milk" && shopper.tier == "gold"`), nil},
		{"no condition", func(r *Rule) { r.When, r.Then = "", []Action{{Kind: Say, Text: map[string]string{"en": "Hello"}}} }, nil},
		{"a whole number beside a real one", when(ours + `place.distance_m < 500 && candidate.price > 1`), nil},
		{"presence", when(ours + `has(shopper.points) && shopper.points > 100`), nil},
		{"a list is walked", when(ours + `basket.categories.exists(x, x.startsWith("dairy/"))`), nil},

		{"syntax", when(ours + `shopper.orders >`), []string{`when 1:49: mismatched input '<EOF>'`}},
		{"a misspelt attribute", when(ours + `moment.dayprat == "night"`), []string{`when 1:33: there is no attribute "moment.dayprat": did you mean "moment.daypart"?`}},
		{"on the second line", when("candidate.item == \"oat-milk\" &&\n  moment.hours < 7"), []string{`when 2:3: there is no attribute "moment.hours": did you mean "moment.hour"?`}},
		{"without its object", when(ours + `tier == "gold"`), []string{`when 1:33: there is no attribute "tier": did you mean "shopper.tier"?`}},
		{"of another object", when(ours + `shopper.weekday == "friday"`), []string{`when 1:33: there is no attribute "shopper.weekday": did you mean "moment.weekday"?`}},
		{"an object alone", when(ours + `doing == "home"`), []string{`when 1:33: there is no attribute "doing": there are doing.screen, doing.query`}},
		{"nothing like it", when(ours + `weather.rain`), []string{`when 1:33: there is no attribute "weather.rain": the objects are basket, candidate, crossing, doing, event, moment, place, shopper`}},
		{"two names", when(`candidate.brnd == "Oatly" && shopper.teir == "gold"`), []string{`did you mean "candidate.brand"?`, `did you mean "shopper.tier"?`}},
		{"a misspelt function", when(`candidate.category.startswith("dairy/")`), []string{`when 1:30: there is no function "startswith": did you mean "startsWith"?`}},
		{"a macro that is left out", when(`candidate.tags.filter(x, x == "vegan").size() > 0`), []string{`when 1:22: there is no filter(): ask with exists or all`}},
		{"has of what is always known", when(ours + `has(shopper.tier)`), []string{`when 1:37: shopper.tier is always known: leave has() out, or write shopper.tier != ""`}},
		{"has of no attribute", when(ours + `has(shopper.pints)`), []string{`there is no attribute "shopper.pints"`}},
		{"text against number", when(ours + `shopper.tier < 3`), []string{`when 1:46: < cannot be used with a text and a whole number: a text is written in quotes ("gold"), a number without`}},
		{"whole times real", when(ours + `candidate.price * 2 > 3.0`), []string{`* cannot be used with a number and a whole number: write 2.0 for 2`}},
		{"real equals whole", when(ours + `candidate.price == 2`), []string{`== cannot be used with a number and a whole number: write 2.0 for 2`}},
		{"a list is no text", when(`candidate.tags == "vegan"`), []string{`ask whether a list holds a text with "vegan" in candidate.tags`}},
		{"no condition but a number", when(`shopper.orders`), []string{`when 1:1: the condition is a whole number, not true or false: compare it with something`}},
		{"a word that never comes", when(ours + `moment.weekday == "firday"`), []string{`when 1:51: moment.weekday is never "firday": did you mean "friday"?`}},
		{"in a list of words", when(ours + `moment.daypart in ["morning", "noon"]`), []string{`when 1:63: moment.daypart is never "noon"`}},
		{"an empty list", when(`candidate.item in []`), []string{`an empty list holds nothing`}},
		{"a list of what is not constant", when(`candidate.item in [event.item]`), []string{`a list holds constants only`}},
		{"a map", when(`{"a": 1} == {"a": 1}`), []string{`have no place in a condition`}},
		{"too costly", when(ours + `basket.items.exists(x, shopper.segments.exists(y, shopper.top_categories.exists(z, z == x || z == y)))`), []string{`in the worst case the condition looks at about`}},
		{"a variable that hides an object", when(ours + `basket.items.exists(shopper, shopper == "x")`), []string{`take another name`}},
		{"too long", when(ours + strings.Repeat("shopper.known || ", 300) + "true"), []string{`at most 4096: make two rules of it`}},

		{"a purpose that is not named", func(r *Rule) { r.Uses, r.When = nil, ours+`shopper.tier == "gold"` }, []string{`when 1:33: shopper.tier may be read for purpose "loyalty" only: add "loyalty" to uses`}},
		{"a financial inference", when(ours + `shopper.payday_distance == 0`), []string{`when 1:33: shopper.payday_distance may be read for purpose "offer.payday" only; shopper.payday_distance tells something financial about a person: add "offer.payday" to uses, once it is declared`}},
		{"a purpose that is not declared", func(r *Rule) { r.Uses = append(r.Uses, "offer.paydya") }, []string{`uses[2]: purpose "offer.paydya" is not declared`}},
		{"a sensitive category", when(`candidate.category == "health/pregnancy"`), []string{`when 1:23: no rule may act on category "health/pregnancy"`}},
		{"below a sensitive category", when(`candidate.category.startsWith("health/pregnancy/")`), []string{`no rule may act on category`}},
		{"all that begins like one", when(`candidate.category.startsWith("health/")`), []string{`no rule may act on category "health/pregnancy"`}},
		{"a sensitive item", when(`candidate.item == "test-kit"`), []string{`item "test-kit" is sensitive`}},
		{"a category that is not there", when(`candidate.category == "diary/milk"`), []string{`when 1:23: the catalogue has no category "diary/milk"`}},
		{"an item that is not there", when(`candidate.item in ["oat-milk", "oat-mlik"]`), []string{`when 1:32: the catalogue has no item "oat-mlik"`}},
		{"a brand that is not there", when(`candidate.brand == "oatly"`), []string{`the catalogue has no brand "oatly"`}},
		{"a tag that is not there", when(`"vegna" in candidate.tags`), []string{`when 1:1: no product has the tag "vegna"`}},
		{"a crossing without one", when(ours + `crossing.kind == "enter"`), []string{`crossing.kind is empty or unknown unless the trigger is a crossing: set the trigger's kind to "crossing"`}},

		{"no id", func(r *Rule) { r.ID = "" }, []string{`id: `}},
		{"priority", func(r *Rule) { r.Priority = 1001 }, []string{`priority: got 1001: 0 to 1000`}},
		{"no action", func(r *Rule) { r.Then = nil }, []string{`then: the rule does nothing`}},
		{"an unknown action", then(Action{Kind: "boots"}), []string{`then[0].kind: "boots" is no action: did you mean "boost"?`}},
		{"a boost that buries", then(Action{Kind: Boost, Factor: 0.5}), []string{`then[0].factor: got 0.5`}},
		{"a bury of nothing", then(Action{Kind: Bury}), []string{`then[0].factor: got 0`}},
		{"a pin nowhere", then(Action{Kind: Pin}), []string{`then[0].position: got 0: 1 (first) to 20`}},
		{"excluding everything", func(r *Rule) { r.When, r.Then = "shopper.known", []Action{{Kind: Exclude}} }, []string{`then[0]: exclude would act on everything alike`}},
		{"a cap below nothing", then(Action{Kind: Cap, Most: -1}), []string{`then[0].most: got -1`}},
		{"including what is not there", then(Action{Kind: Include, Items: []string{"oat-mlik"}}), []string{`then[0].items[0]: the catalogue has no item "oat-mlik"`}},
		{"raising a price", then(Action{Kind: Price, Offer: &Offer{ID: "o", PercentOff: -10}}), []string{`then[0].offer.percent_off: the offer would raise the price`}},
		{"two prices", then(Action{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 10, Minor: 50}}), []string{`the offer says 2 prices`}},
		{"under the floor", func(r *Rule) {
			r.When, r.Then = `candidate.item == "oat-milk"`, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 20}}}
		}, []string{`then[0].offer: item "oat-milk" would cost 160, under the floor of 167`}},
		{"no lower", func(r *Rule) {
			r.When, r.Then = `candidate.item == "oat-milk"`, []Action{{Kind: Price, Offer: &Offer{ID: "o", Minor: 210}}}
		}, []string{`item "oat-milk" costs 200 already`}},
		{"no neutral alternative", func(r *Rule) {
			r.When, r.Then = `shopper.tier == "gold"`, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5}}}
		}, []string{`then[0].offer.neutral: the price depends on what is known of the shopper`}},
		{"a price by the score", func(r *Rule) {
			r.Uses, r.When, r.Then = nil, `candidate.score > 0.3`, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5}}}
		}, []string{`when 1:1: candidate.score may be read for purpose "loyalty" only`, `then[0].offer.neutral: the price depends`}},
		{"a price on a crossing", func(r *Rule) {
			r.Uses, r.Trigger, r.Then = nil, Trigger{Kind: OnCrossing}, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5}}}
		}, []string{`trigger: a price by the trigger "crossing" depends on what is known of the shopper for purpose "location": add "location" to uses`, `then[0].offer.neutral: the price depends`}},
		{"a price on an event", func(r *Rule) {
			r.Uses, r.Trigger, r.Then = nil, Trigger{Kind: OnEvent, Event: "like"}, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5}}}
		}, []string{`trigger: a price by the trigger "event" depends on what is known of the shopper for purpose "loyalty"`, `then[0].offer.neutral: the price depends`}},
		{"a price by a schedule's letter", func(r *Rule) {
			r.Uses, r.Trigger, r.Then = nil, Trigger{Kind: OnSchedule}, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5}}}
			r.Schedule.Hours = []Hours{{"08:00", "09:00"}}
		}, []string{`trigger: a price by the trigger "schedule" depends on what is known of the shopper for purpose "loyalty"`, `then[0].offer.neutral: the price depends`}},
		{"a price on a crossing, told as it should be", func(r *Rule) {
			r.Trigger, r.Then = Trigger{Kind: OnCrossing}, []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5, Neutral: "The list price."}}}
		}, nil},
		{"a message in no language", then(Action{Kind: Say, Text: map[string]string{"elvish!": "mae"}}), []string{`then[0].text.elvish!: "elvish!" is not a language`}},
		{"a misspelt placeholder", then(Action{Kind: Say, Text: map[string]string{"en": "Dear {shopper.teir}"}}), []string{`then[0].text.en: there is no attribute "shopper.teir": did you mean "shopper.tier"?`}},
		{"a reminder at once", then(Action{Kind: Remind, Text: map[string]string{"en": "Milk?"}, AfterSeconds: 0}), []string{`then[0].after_s: got 0`}},
		{"a reminder", then(Action{Kind: Remind, Text: map[string]string{"en": "Milk?"}, AfterSeconds: 48 * 3600}), nil},
		{"a misspelt weekday", func(r *Rule) { r.Schedule.Weekdays = []string{"Firday"} }, []string{`schedule.weekdays: "Firday" is not a weekday: did you mean "friday"?`}},
		{"past midnight", func(r *Rule) { r.Schedule.Hours = []Hours{{"22:00", "02:00"}} }, []string{`schedule.hours: 22:00 to 02:00 goes past midnight: write 22:00 to 24:00`}},
		{"dates the wrong way round", func(r *Rule) { r.Schedule.From, r.Schedule.Until = "2026-12-01", "2026-11-01" }, []string{`schedule.until: 2026-11-01 is before 2026-12-01`}},
		{"no date", func(r *Rule) { r.Schedule.From = "1.12.2026" }, []string{`schedule.from: "1.12.2026" is not a date`}},
		{"no quiet", func(r *Rule) { r.Guards.Quiet = Hours{"22:00", "22:00"} }, []string{`guards.quiet: 22:00 to 22:00 is empty`}},
		{"a limit below nothing", func(r *Rule) { r.Guards.PerDay = -1 }, []string{`guards.per_day: got -1`}},
		{"a misspelt trigger", func(r *Rule) { r.Trigger.Kind = "crosing" }, []string{`trigger.kind: "crosing" is no trigger: did you mean "crossing"?`}},
		{"a geofence without a crossing", func(r *Rule) { r.Trigger.Geofence = "g" }, []string{`trigger: a geofence is named`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Check(sound(c.give), &testHouse)
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(p Problem) bool { return strings.Contains(p.String(), want) }) {
					t.Errorf("got %v, want %q", got, want)
				}
			}
			if len(got) > max(len(c.want), 0) {
				t.Errorf("got %d problems, want %d: %v", len(got), len(c.want), got)
			}
			for _, p := range got {
				if p.Field == "when" && (p.Line < 1 || p.Column < 1) {
					t.Errorf("%v has no place", p)
				}
			}
		})
	}
}

// FuzzCheck holds the check to its promise for any condition: it never panics, every problem has a place
// within the condition, and what has no problem can be run.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "true", `shopper.tier == "gold"`, "has(x", "a.b.c", `"a" in ["b", 1]`, "[[1]].exists(x, x)",
		"basket.items.all(x, x.size() > 1)", "1/0 == 1", "-9223372036854775808 < 1u", "has(a.b).c", "dyn(1)", "\x00", "é == 日"} {
		f.Add(seed)
	}
	scene, candidate := &Scene{}, &Candidate{}
	f.Fuzz(func(t *testing.T, condition string) {
		c, problems := compile(condition)
		if len(problems) == 0 {
			c.whole(&frame{scene: scene, candidate: candidate})
			return
		}
		lines := strings.Count(condition, "\n") + 1
		for _, p := range problems {
			if len(condition) <= maxText && (p.Line < 1 || p.Line > lines || p.Column < 1 || p.Text == "") {
				t.Errorf("%q: %+v", condition, p)
			}
		}
	})
}

// TestNothingSensitiveIsNamed holds that a rule names nothing sensitive, whether the catalogue knows it or not, unless it uses a purpose to which shoppers
// agreed explicitly.
func TestNothingSensitiveIsNamed(t *testing.T) {
	t.Parallel()
	house := House{
		Tells: func(word string) string {
			if word == "clinic" || word == "health" {
				return "health"
			}
			return ""
		},
		Explicit: func(p who.Purpose) bool { return p == who.Analytics },
	}
	for _, c := range []struct {
		name   string
		change func(*Rule)
		refuse bool
	}{
		{"a category", func(r *Rule) { r.When = `candidate.category == "health"` }, true},
		{"a part of a path", func(r *Rule) { r.When = `candidate.category.startsWith("care/health/")` }, true},
		{"a tag of a place", func(r *Rule) { r.When = `"clinic" in place.geofence_tags` }, true},
		{"a tag to wait for", func(r *Rule) { r.Trigger = Trigger{Kind: OnCrossing, GeofenceTag: "clinic"} }, true},
		{"a brand of that name", func(r *Rule) { r.When = `candidate.brand == "clinic"` }, false},
		{"something ordinary", func(*Rule) {}, false},
	} {
		for _, explicit := range []bool{false, true} {
			r := sound(c.change)
			if explicit {
				r.Uses = append(r.Uses, who.Analytics)
			}
			refused := slices.ContainsFunc(Check(r, &house), func(p Problem) bool { return strings.Contains(p.Text, "sensitive") })
			if want := c.refuse && !explicit; refused != want {
				t.Errorf("%s, agreed to explicitly %v: refused as sensitive %v, want %v", c.name, explicit, refused, want)
			}
		}
	}
}

// TestPersonalPrices holds that a price is personal wherever something known of the shopper decides about it: the trigger, or any attribute but those that
// are the same for everybody, or that the call itself brings.
func TestPersonalPrices(t *testing.T) {
	t.Parallel()
	everybodys := []string{"candidate.brand", "candidate.category", "candidate.in_basket", "candidate.item", "candidate.kind", "candidate.list_price",
		"candidate.margin", "candidate.on_list", "candidate.price", "candidate.stock", "candidate.tags", "candidate.with_basket"}
	for _, a := range Attributes() {
		object, _, _ := strings.Cut(a.Name, ".")
		want := !slices.Contains([]string{"moment", "basket", "doing"}, object) && !slices.Contains(everybodys, a.Name)
		if got := a.Purpose != ""; got != want {
			t.Errorf("%s is read for a purpose: %v, want %v", a.Name, got, want)
		}
	}
	for _, kind := range TriggerKinds {
		for _, named := range []bool{false, true} {
			r := Rule{ID: "o", Uses: []who.Purpose{who.Loyalty, who.Location}, Trigger: Trigger{Kind: kind}, When: `candidate.item == "oat-milk"`}
			r.Schedule.Hours = []Hours{{"00:00", "24:00"}}
			r.Then = []Action{{Kind: Price, Offer: &Offer{ID: "o", PercentOff: 5, Neutral: "The list price."}}}
			house := testHouse
			if named {
				house.Offers, r.Then = oneOffer{*r.Then[0].Offer}, []Action{{Kind: Price, Offer: &Offer{ID: "o"}}}
			}
			set, err := NewSet("1", []Rule{r}, house)
			if err != nil {
				t.Fatal(err)
			}
			request := set.Begin(&Scene{Trigger: Happening{Kind: kind, Rule: "o"}}, nil)
			goods, _ := shop{}.Item("oat-milk")
			var e Effect
			request.Candidate(&Candidate{Kind: "product", Item: "oat-milk", Price: goods.Price, Cost: goods.Cost}, &e)
			if want := kind != OnAnswer; e.Offer == nil || e.Personal != want {
				t.Errorf("%s, an offer of the catalogue %v: %+v, want a price that is personal: %v", kind, named, e, want)
			}
			request.Release()
			if !named || kind == OnAnswer {
				continue
			}
			house.Offers = oneOffer{Offer{ID: "o", PercentOff: 5}}
			if problems := Check(&r, &house); !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Text, "no neutral alternative") }) {
				t.Errorf("%s, an offer of the catalogue without a neutral alternative: %v", kind, problems)
			}
		}
	}
}

// oneOffer is a catalogue of one offer.
type oneOffer struct{ Offer }

func (o oneOffer) Named(id string) (Named, bool) { return Named{Offer: o.Offer}, id == o.ID }
func (o oneOffer) IDs() []string                 { return []string{o.ID} }
