package recommend_test

import (
	"slices"
	"testing"
	"time"

	"satnav/recommend"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
)

// offeringShop is ruledShop with offers, and a rule for each that makes it, the first with the highest priority.
func offeringShop(t testing.TB, offers []offer.Offer, more ...rule.Rule) (*recommend.Snapshot, *recommend.Request) {
	t.Helper()
	live := map[string]*offer.Live{}
	var rules []rule.Rule
	for i, o := range offers {
		o.Title = map[string]string{"de": "Angebot " + o.ID, "en": "Offer " + o.ID}
		live[o.ID] = offer.New(o)
		rules = append(rules, rule.Rule{ID: "makes-" + o.ID, Priority: 900 - i, Then: then(rule.Action{Kind: rule.Price, Offer: &rule.Offer{ID: o.ID}})})
	}
	snapshot, r := ruledShop(t)
	catalogue := offer.NewCatalogue(live)
	set, err := rule.NewSet("v7", append(rules, more...), rule.House{Offers: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	snapshot = snapshot.WithRules(set)
	snapshot.Offers = catalogue
	return snapshot, r
}

// kindsOf are the entries of a list, offers with their kind.
func kindsOf(list []recommend.Suggestion) (all []string) {
	for i := range list {
		name := list[i].Item
		if list[i].Kind != recommend.KindProduct {
			name = string(list[i].Kind) + ":" + name
		}
		all = append(all, name)
	}
	return all
}

// TestOffersAreSuggested holds where offers stand, how many there are, and which.
func TestOffersAreSuggested(t *testing.T) {
	t.Parallel()
	plain := func(id string) offer.Offer { return offer.Offer{ID: id} }
	grouped := func(id, group string) offer.Offer { return offer.Offer{ID: id, Group: group} }
	onOnce := offer.Offer{ID: "once-ten", Items: []string{"once2"}, PercentOff: 10}
	for _, c := range []struct {
		name  string
		give  []offer.Offer
		more  []rule.Rule
		kinds []recommend.Kind
		limit int
		want  func(list []string) bool
	}{
		{"at the front", []offer.Offer{plain("a"), plain("b")}, nil, nil, 6, func(l []string) bool { return len(l) == 6 && l[0] == "offer:a" && l[1] == "offer:b" && l[2] == "milk" }},
		{"before what it is on", []offer.Offer{onOnce}, nil, nil, 6, func(l []string) bool {
			at := slices.Index(l, "once2")
			return len(l) == 6 && at > 1 && l[at-1] == "offer:once-ten" && l[0] == "milk"
		}},
		{"three among others", []offer.Offer{plain("a"), plain("b"), plain("c"), plain("d")}, nil, nil, 6, func(l []string) bool { return l[2] == "offer:c" && l[3] == "milk" }},
		{"all when asked for alone", []offer.Offer{plain("a"), plain("b"), plain("c"), plain("d")}, nil, []recommend.Kind{recommend.KindOffer}, 6, func(l []string) bool { return len(l) == 4 && l[3] == "offer:d" }},
		{"as many as are wanted", []offer.Offer{plain("a"), plain("b")}, nil, nil, 1, func(l []string) bool { return slices.Equal(l, []string{"offer:a"}) }},
		{"none when products are asked for", []offer.Offer{plain("a")}, nil, []recommend.Kind{recommend.KindProduct}, 3, func(l []string) bool { return len(l) == 3 && l[0] == "milk" }},
		{"one of a group", []offer.Offer{grouped("a", "x"), grouped("b", "x"), grouped("c", "y")}, nil, []recommend.Kind{recommend.KindOffer}, 6, func(l []string) bool { return slices.Equal(l, []string{"offer:a", "offer:c"}) }},
		{"not what is over", []offer.Offer{{ID: "a", Until: monday}, {ID: "b", From: monday.Add(time.Second)}, {ID: "c", From: monday, Until: monday.Add(time.Minute)}}, nil,
			[]recommend.Kind{recommend.KindOffer}, 6, func(l []string) bool { return slices.Equal(l, []string{"offer:c"}) }},
		{"not what a rule keeps out", []offer.Offer{plain("a"), plain("b")}, []rule.Rule{{ID: "out", When: `candidate.kind == "offer" && candidate.item == "a"`, Then: then(rule.Action{Kind: rule.Exclude})}},
			nil, 3, func(l []string) bool { return l[0] == "offer:b" && l[1] == "milk" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			snapshot, r := offeringShop(t, c.give, c.more...)
			r.Kinds, r.Limit = c.kinds, c.limit
			list, record := recommend.Recommend(snapshot, r)
			if !c.want(kindsOf(list)) {
				t.Fatalf("got %v", kindsOf(list))
			}
			seen := map[string]bool{}
			for i := range list {
				s := &list[i]
				answer, _ := recommend.AnswerOf(s.ID)
				if seen[s.ID] || recommend.SuggestionID(answer, s.Kind, s.Item) != s.ID || len(s.Reasons) == 0 || s.Propensity != 1 || s.ValidUntil.IsZero() {
					t.Errorf("%s: %+v", s.Item, s)
				}
				seen[s.ID] = true
				if s.Kind != recommend.KindOffer {
					continue
				}
				if s.Offered == nil || s.Title != "Offer "+s.Item || s.Reasons[0].Code != recommend.OnOffer || s.Ruled.Matched[0].ID != "makes-"+s.Item ||
					!slices.ContainsFunc(record.Acted, func(r *rule.Rule) bool { return r.ID == "makes-"+s.Item }) {
					t.Errorf("%s: %+v", s.Item, s)
				}
				if !s.Offered.Until.IsZero() && s.ValidUntil.After(s.Offered.Until) {
					t.Errorf("%s is shown until %s, it is over at %s", s.Item, s.ValidUntil, s.Offered.Until)
				}
			}
		})
	}
}

// An answer with offers allocates no more than one in which as many places are what rules acted on otherwise.
func TestOffersAllocateNothingExtra(t *testing.T) {
	offers := []offer.Offer{{ID: "a"}, {ID: "b", Group: "g"}, {ID: "once-ten", Items: []string{"once1"}, PercentOff: 10}}
	with, r := offeringShop(t, offers)
	pinned := func(item string) rule.Rule {
		return rule.Rule{When: `candidate.item == "` + item + `"`, Then: then(rule.Action{Kind: rule.Boost, Factor: 2})}
	}
	without, _ := ruledShop(t, pinned("milk"), pinned("once1"), pinned("once2"), pinned("once3"))
	measure := func(s *recommend.Snapshot) float64 {
		request := *r
		request.Limit = 6
		return testing.AllocsPerRun(200, func() { recommend.Recommend(s, &request) })
	}
	list, _ := recommend.Recommend(with, r)
	if acted := len(slices.DeleteFunc(slices.Clone(list), func(s recommend.Suggestion) bool { return s.Ruled == nil })); acted != 4 {
		t.Fatalf("%d suggestions are of rules, want as many as in the other answer: %v", acted, kindsOf(list))
	}
	if a, b := measure(with), measure(without); a > b {
		t.Errorf("an answer with offers allocates %v times, one without %v times", a, b)
	}
}

// BenchmarkOffers is an answer in which rules make three offers, beside one in which as many rules only boost.
func BenchmarkOffers(b *testing.B) {
	offers := []offer.Offer{{ID: "a"}, {ID: "b", Group: "g"}, {ID: "once-ten", Items: []string{"once1"}, PercentOff: 10}}
	boost := rule.Rule{When: `candidate.item == "once1"`, Then: then(rule.Action{Kind: rule.Boost, Factor: 2})}
	with, r := offeringShop(b, offers)
	without, _ := ruledShop(b, boost, boost, boost)
	r.Limit = 6
	for name, snapshot := range map[string]*recommend.Snapshot{"offers=3": with, "offers=0": without} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				recommend.Recommend(snapshot, r)
			}
		})
	}
}
