package offer_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
)

// shop is a catalogue of goods for tests.
type shop struct{}

func (shop) Item(id string) (rule.Goods, bool) {
	goods := map[string]rule.Goods{
		"milk":     {Price: who.Money{Minor: 200, Known: true}, Cost: who.Money{Minor: 150, Known: true}},
		"test-kit": {Sensitive: true},
	}[id]
	return goods, id == "milk" || id == "test-kit"
}
func (shop) Category(path string) bool { return slices.Contains([]string{"dairy", "health"}, path) }
func (shop) Brand(name string) bool    { return name == "Oatly" }
func (shop) Tag(name string) bool      { return name == "vegan" }

var (
	house = rule.House{Catalogue: shop{}, Refused: []string{"health"}, FloorMargin: 0.1}
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// TestCheck holds each refusal of an offer to what it says.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		give func(*offer.Offer)
		want string // empty: nothing is wrong
	}{
		{"sound", func(*offer.Offer) {}, ""},
		{"for some", func(o *offer.Offer) {
			o.Uses = []who.Purpose{who.Loyalty, who.Location}
			o.When, o.Tiers, o.Stores, o.Points, o.Segments, o.Neutral = `shopper.orders > 3`, []string{"gold"}, []string{"s1"}, 100, []string{"family"}, "The list price."
		}, ""},
		{"on goods of all sorts", func(o *offer.Offer) {
			o.Items, o.Categories, o.Brands, o.Tags = []string{"milk"}, []string{"dairy"}, []string{"Oatly"}, []string{"vegan"}
		}, ""},
		{"no price", func(o *offer.Offer) { o.PercentOff = 0 }, ""},
		{"no title", func(o *offer.Offer) { o.Title = nil }, "title: it is missing"},
		{"a title in no language", func(o *offer.Offer) { o.Title = map[string]string{"!": "x"} }, `title.!: "!" is not a language`},
		{"an empty title", func(o *offer.Offer) { o.Title = map[string]string{"en": " "} }, "title.en: the text has 1 characters: 1 to 200"},
		{"a misspelt attribute", func(o *offer.Offer) { o.When, o.Uses = `shopper.oders > 3`, []who.Purpose{who.Loyalty} }, `when 1:1: there is no attribute "shopper.oders": did you mean "shopper.orders"?`},
		{"a condition that is no condition", func(o *offer.Offer) { o.When = `moment.hour` }, "when 1:1: the condition is a whole number"},
		{"the wrong type", func(o *offer.Offer) { o.When = `moment.hour == "8"` }, "when 1:13: == cannot be used with a whole number and a text"},
		{"of a candidate", func(o *offer.Offer) { o.When = `candidate.price > 1.0` }, "when: it asks about a candidate"},
		{"without its purpose", func(o *offer.Offer) { o.When, o.Neutral = `shopper.orders > 3`, "x" }, `when 1:1: shopper.orders may be read for purpose "loyalty" only: add "loyalty" to uses`},
		{"sensitive without its purpose", func(o *offer.Offer) { o.When, o.Neutral = `shopper.payday_distance == 0`, "x" }, "tells something financial about a person"},
		{"an undeclared purpose", func(o *offer.Offer) { o.Uses = []who.Purpose{"moon"} }, `uses[0]: purpose "moon" is not declared`},
		{"tiers without their purpose", func(o *offer.Offer) { o.Tiers = []string{"gold"} }, `tiers: this may be read for purpose "loyalty" only`},
		{"stores without their purpose", func(o *offer.Offer) { o.Stores = []string{"s1"} }, `stores: this may be read for purpose "location" only`},
		{"points without their purpose", func(o *offer.Offer) { o.Points = 5 }, `points: this may be read`},
		{"an unknown item", func(o *offer.Offer) { o.Items = []string{"moon"} }, `items[0]: the catalogue has no item "moon"`},
		{"a sensitive item", func(o *offer.Offer) { o.Items = []string{"test-kit"} }, `items[0]: item "test-kit" is sensitive`},
		{"an unknown category", func(o *offer.Offer) { o.Categories = []string{"moon"} }, `categories[0]: the catalogue has no category "moon"`},
		{"a refused category", func(o *offer.Offer) { o.Categories = []string{"health"} }, `categories[0]: no offer may be on category "health"`},
		{"an unknown brand", func(o *offer.Offer) { o.Brands = []string{"moon"} }, `brands[0]: the catalogue has no brand`},
		{"an unknown tag", func(o *offer.Offer) { o.Tags = []string{"moon"} }, `tags[0]: no product has the tag`},
		{"a raised price", func(o *offer.Offer) { o.PercentOff = -10 }, "percent_off: the offer would raise the price"},
		{"more than all", func(o *offer.Offer) { o.PercentOff = 110 }, "percent_off: got 110"},
		{"two prices", func(o *offer.Offer) { o.MinorOff = 10 }, "the offer says 2 prices"},
		{"under the floor", func(o *offer.Offer) { o.Items, o.PercentOff = []string{"milk"}, 20 }, `item "milk" would cost 160, under the floor of 167: lower the price less`},
		{"no lower price", func(o *offer.Offer) { o.Items, o.PercentOff, o.Minor = []string{"milk"}, 0, 300 }, "would not lower its price"},
		{"personal without a neutral alternative", func(o *offer.Offer) { o.When, o.Uses = `shopper.orders > 3`, []who.Purpose{who.Loyalty} }, "neutral: the price depends on what is known of the shopper, and no neutral alternative is named"},
		{"over before it begins", func(o *offer.Offer) { o.From, o.Until = noon, noon }, "until: it is over at 2026-11-23 12:00 UTC, before it begins"},
		{"less than none", func(o *offer.Offer) { o.Stock = -1 }, "stock: got -1"},
		{"a budget of nothing", func(o *offer.Offer) { o.PercentOff, o.BudgetMinor = 0, 100 }, "budget_minor: the offer takes nothing off a price"},
		{"too often", func(o *offer.Offer) { o.PerShopper = 5000 }, "per_shopper: got 5000"},
		{"a long list", func(o *offer.Offer) { o.Items = slices.Repeat([]string{"milk"}, 101) }, "items: got 101: at most 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := offer.Offer{ID: "ten", Title: map[string]string{"en": "10 % off"}, PercentOff: 10}
			c.give(&o)
			var got []string
			for _, p := range offer.Check(&o, &house) {
				got = append(got, p.String())
			}
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q, want nothing", got)
			case c.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.want) }):
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestNamed makes a rule of an offer, and asks it of scenes and goods.
func TestNamed(t *testing.T) {
	t.Parallel()
	o := offer.Offer{ID: "ten", Title: map[string]string{"en": "10 % off"}, PercentOff: 10, Neutral: "The list price.", Uses: []who.Purpose{who.Loyalty, who.Location},
		When: `shopper.orders > 3 || moment.hour < 6`, Tiers: []string{"gold", "platinum"}, Stores: []string{"s1"}, Points: 100, Items: []string{"milk"}, Categories: []string{"bread"},
		Tags: []string{"vegan"}, From: noon, Until: noon.Add(time.Hour)}
	names := func(ids ...string) []rule.Rule {
		var rules []rule.Rule
		for _, id := range ids {
			rules = append(rules, rule.Rule{ID: "shows-" + id, Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: id}}}})
		}
		return rules
	}
	h := rule.House{FloorMargin: 0.1, CostUnknown: true, Offers: offer.NewCatalogue(map[string]*offer.Live{"ten": offer.New(o)})}
	if _, err := rule.NewSet("v1", names("tenn"), h); err == nil || !strings.Contains(err.Error(), `then[0].offer.id: the catalogue has no offer "tenn": did you mean "ten"?`) {
		t.Errorf("an unknown offer: %v", err)
	}
	two := []rule.Rule{{ID: "two", Then: append(names("ten")[0].Then, names("ten")[0].Then...)}}
	if _, err := rule.NewSet("v1", two, h); err == nil || !strings.Contains(err.Error(), "names a second offer") {
		t.Errorf("two offers: %v", err)
	}
	bare := o
	bare.Neutral, bare.When, bare.Tiers, bare.Points, bare.Stores = "", "", nil, 0, nil
	personal := []rule.Rule{{ID: "p", Uses: []who.Purpose{who.Loyalty}, When: `shopper.orders > 3`, Then: names("ten")[0].Then}}
	if _, err := rule.NewSet("v1", personal, rule.House{Offers: offer.NewCatalogue(map[string]*offer.Live{"ten": offer.New(bare)})}); err == nil || !strings.Contains(err.Error(), `the offer "ten" names no neutral alternative`) {
		t.Errorf("personal by the rule alone: %v", err)
	}
	set, err := rule.NewSet("v1", names("ten"), h)
	if err != nil {
		t.Fatal(err)
	}
	scene := func(change func(*rule.Scene)) *rule.Scene {
		s := &rule.Scene{Moment: rule.Moment{Unix: noon.Unix(), Minute: 720}, Place: rule.Place{Known: true, Store: "s1"},
			Shopper: rule.Shopper{Known: true, Orders: 5, Tier: "gold", Points: rule.Known(int64(100))}}
		change(s)
		return s
	}
	milk := rule.Candidate{Kind: "product", Item: "milk", Price: who.Money{Minor: 1000, Known: true}}
	for _, c := range []struct {
		name  string
		scene *rule.Scene
		goods rule.Candidate
		makes bool
		price int64
	}{
		{"all holds", scene(func(*rule.Scene) {}), milk, true, 900},
		{"another product", scene(func(*rule.Scene) {}), rule.Candidate{Item: "tea", Price: milk.Price}, true, 1000},
		{"below its category", scene(func(*rule.Scene) {}), rule.Candidate{Item: "roll", Category: "bread/rolls", Price: milk.Price}, true, 900},
		{"with its tag", scene(func(*rule.Scene) {}), rule.Candidate{Item: "tofu", Tags: []string{"vegan"}, Price: milk.Price}, true, 900},
		{"too few orders", scene(func(s *rule.Scene) { s.Shopper.Orders = 1 }), milk, false, 1000},
		{"or early", scene(func(s *rule.Scene) { s.Shopper.Orders, s.Moment.Minute = 1, 60 }), milk, true, 900},
		{"another tier", scene(func(s *rule.Scene) { s.Shopper.Tier = "silver" }), milk, false, 1000},
		{"too few points", scene(func(s *rule.Scene) { s.Shopper.Points.Value = 99 }), milk, false, 1000},
		{"points that nobody knows", scene(func(s *rule.Scene) { s.Shopper.Points.Known = false }), milk, false, 1000},
		{"another store", scene(func(s *rule.Scene) { s.Place.Store = "s2" }), milk, false, 1000},
		{"before it begins", scene(func(s *rule.Scene) { s.Moment.Unix-- }), milk, false, 1000},
		{"its last second", scene(func(s *rule.Scene) { s.Moment.Unix += 3599 }), milk, true, 900},
		{"over", scene(func(s *rule.Scene) { s.Moment.Unix += 3600 }), milk, false, 1000},
	} {
		r := set.Begin(c.scene, nil)
		made := r.Offers(nil)
		if (len(made) == 1 && made[0].Offer.ID == "ten" && made[0].Personal) != c.makes || !c.makes && len(made) > 0 {
			t.Errorf("%s: it is made %v, want %v", c.name, made, c.makes)
		}
		var e rule.Effect
		r.Candidate(&c.goods, &e)
		if e.Price.Minor != c.price {
			t.Errorf("%s: the price is %d, want %d", c.name, e.Price.Minor, c.price)
		}
		r.Release()
	}
	gift := offer.Offer{ID: "gift", Title: map[string]string{"en": "A free coffee"}}
	set, err = rule.NewSet("v1", names("gift"), rule.House{Offers: offer.NewCatalogue(map[string]*offer.Live{"gift": offer.New(gift)})})
	if err != nil {
		t.Fatal(err)
	}
	r := set.Begin(scene(func(*rule.Scene) {}), nil)
	defer r.Release()
	var e rule.Effect
	if r.Candidate(&milk, &e); e.Offer != nil || e.Price != milk.Price || len(r.Offers(nil)) != 1 {
		t.Errorf("a gift changes a price: %+v", e)
	}
}
