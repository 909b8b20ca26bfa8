package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/store/mongodb/mongotest"
)

// offer is what an answer suggests of the kind offer, by id.
func offerIn(answer wire.ContextResponse, id string) (wire.Suggestion, bool) {
	i := slices.IndexFunc(answer.Suggestions, func(s wire.Suggestion) bool { return s.Kind == "offer" && s.Item == id })
	if i < 0 {
		return wire.Suggestion{}, false
	}
	return answer.Suggestions[i], true
}

// redeem tells of one redemption and returns its result.
func (r *ruledRetailer) redeem(token string, e wire.Event) wire.EventResult {
	r.t.Helper()
	e.Kind = "redeem"
	return r.record(r.t, token, e)[0]
}

// TestLifeOfAnOffer writes an offer, has it refused and mended, publishes a rule that names it, sees it in the next answer with what the law
// asks for, redeems it with a code once, and has it in the diary, in the export, and gone with the shopper.
func TestLifeOfAnOffer(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "offer-life")
	offer := func(more string) string {
		return `{"title":{"en":"10 % off milk","de":"10 % auf Milch"},"text":{"en":"One a day."},"items":["milk"],"neutral":"The list price.",` + more + `}`
	}
	wrong := r.call(t, r.anna, "PUT", "/v1/offers/milk-ten", offer(`"percent_off":10,"when":"shopper.oders > 3"`)).problem(422)
	if e := wrong.Errors[0]; e.Pointer != "/when" || !strings.Contains(e.Detail, `when 1:1: there is no attribute "shopper.oders": did you mean "shopper.orders"?`) {
		t.Errorf("a wrong name: got %+v", e)
	}
	dear := r.call(t, r.anna, "PUT", "/v1/offers/milk-ten", offer(`"percent_off":60`)).problem(422)
	if e := dear.Errors[0]; !strings.Contains(e.Detail, "under the floor") {
		t.Errorf("under the floor: got %+v", e)
	}
	r.call(t, r.anna, "PUT", "/v1/offers/milk-ten", offer(`"percent_off":10,"uses":["loyalty"],"when":"shopper.orders > 3","codes":true,"stock":5,"per_shopper":1`)).wants(201)
	codes := read[wire.CodeList](r.call(t, r.anna, "POST", "/v1/offers/milk-ten/codes", `{"count":2}`).wants(200)).Codes
	if len(codes) != 2 || codes[0].State != "free" {
		t.Fatalf("made %+v", codes)
	}

	// A rule that names it, by its right name, approved by a second person.
	const names = `{"then":[{"kind":"offer","offer":{"id":"%s"}}]}`
	unknown := r.call(t, r.anna, "PUT", "/v1/rules/thanks", fmt.Sprintf(names, "milk-tan")).problem(422)
	if e := unknown.Errors[0]; e.Pointer != "/then/0/offer/id" || !strings.Contains(e.Detail, `did you mean "milk-ten"?`) {
		t.Errorf("an unknown offer: got %+v", e)
	}
	r.put("thanks", fmt.Sprintf(names, "milk-ten"))
	if _, shown := offerIn(r.ask(t, r.eve, wire.ContextRequest{}), "milk-ten"); shown {
		t.Error("it is shown before a live rule names it")
	}
	if plan := r.plan(); !slices.Equal(plan.Needs, []wire.RuleClass{"price"}) {
		t.Errorf("the plan needs %v", plan.Needs)
	}
	r.publish("thanks to regulars")

	eventually(t, "a share of the stock is leased", func() bool {
		_, shown := offerIn(r.ask(t, r.eve, wire.ContextRequest{}), "milk-ten")
		return shown
	})
	answer, milk := r.milk()
	shown, ok := offerIn(answer, "milk-ten")
	if !ok || shown.Title != "10 % off milk" || shown.Terms.PercentOff != 10 || !shown.Terms.Code || shown.Terms.Text != "One a day." ||
		shown.Terms.Disclosure != "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA" || shown.Terms.Neutral == "" || len(shown.Reasons) != 1 || shown.Reasons[0].Code != "on_offer" || shown.ValidUntil.IsZero() {
		t.Errorf("the suggestion: got %+v of %v", shown, items(answer))
	}
	if milk.Price != "9.00" || milk.Offer.ID != "milk-ten" || milk.Offer.Was != "10.00" {
		t.Errorf("the product: got %+v", milk)
	}
	if why := read[wire.Why](r.call(t, r.eve, "GET", "/v1/me/why/"+shown.ID, nil).wants(200)); why.Kind != "offer" || why.Title != "10 % off milk" {
		t.Errorf("why: got %+v", why)
	}

	// Redeemed once, whoever tries.
	code := codes[0].Code
	stranger := r.as(t, identity.Claims{Role: identity.Shopper, Retailer: r.name, Subject: canary("stranger to offers")})
	for _, c := range []struct {
		name, token, id, item, code string
		status, want                string // of the result, and the code of its problem
	}{
		{"without a code", r.eve, "r1", "milk-ten", "", "refused", "code_missing"},
		{"with a code that there is not", r.eve, "r2", "milk-ten", "AAAA-BBBB-CCCC", "refused", "code_unknown"},
		{"of an offer that there is not", r.eve, "r3", "bread-ten", code, "refused", "unknown_offer"},
		{"by who is not eligible", stranger, "r4", "milk-ten", code, "refused", "not_eligible"},
		{"by the shopper", r.eve, "r5", "milk-ten", strings.ToLower(code), "stored", ""},
		{"once more", r.eve, "r5", "milk-ten", code, "duplicate", ""},
		{"the code again", r.eve, "r6", "milk-ten", code, "refused", "code_used"},
		{"too often", r.eve, "r7", "milk-ten", codes[1].Code, "refused", "redeemed"},
	} {
		got := r.redeem(c.token, wire.Event{ID: c.id, Item: c.item, Code: c.code})
		if string(got.Status) != c.status || c.want != "" && (len(got.Problem.Errors) != 1 || got.Problem.Errors[0].Code != c.want) {
			t.Errorf("%s: got %+v %+v, want %s %s", c.name, got, got.Problem, c.status, c.want)
		}
	}
	states := read[wire.CodeList](r.call(t, r.anna, "GET", "/v1/offers/milk-ten/codes?limit=1", nil).wants(200))
	rest := read[wire.CodeList](r.call(t, r.anna, "GET", "/v1/offers/milk-ten/codes?cursor="+states.Next, nil).wants(200))
	for _, c := range append(states.Codes, rest.Codes...) {
		if want := map[bool]string{true: "used", false: "free"}[c.Code == code]; c.State != want {
			t.Errorf("code %s is %s, want %s", c.Code, c.State, want)
		}
	}
	if len(states.Codes)+len(rest.Codes) != 2 {
		t.Errorf("listed %d and %d codes", len(states.Codes), len(rest.Codes))
	}
	if answer, milk := r.milk(); milk.Price != "10.00" {
		t.Errorf("it is shown to who redeemed it as often as one may: %+v", answer.Suggestions)
	}

	// It stands in the diary and in the export, and goes with the shopper.
	entries := eventsIn(read[wire.Diary](r.call(t, r.eve, "GET", "/v1/me/diary", nil).wants(200)))
	if i := slices.IndexFunc(entries, func(e wire.DiaryEntry) bool { return e.Kind == "redeem" }); i < 0 || entries[i].Item != "milk-ten" || entries[i].Code == "" {
		t.Errorf("the diary: %+v", entries)
	}
	export := read[wire.MyExport](r.call(t, r.eve, "GET", "/v1/me/export", nil).wants(200))
	if !slices.ContainsFunc(export.Events, func(e wire.Event) bool { return e.Kind == "redeem" && e.Code != "" }) {
		t.Errorf("the export: %+v", export.Events)
	}
	r.call(t, r.eve, "DELETE", "/v1/me", nil).wants(200)
	if entries := eventsIn(read[wire.Diary](r.call(t, r.eve, "GET", "/v1/me/diary", nil).wants(200))); len(entries) > 0 {
		t.Errorf("the diary after the erasure: %+v", entries)
	}
	if got := r.redeem(stranger, wire.Event{ID: "r8", Item: "milk-ten", Code: code}); got.Status != "refused" {
		t.Errorf("a used code after its shopper was erased: %+v", got)
	}
}

// TestOffersThatAreLive may change in what nobody has to agree to, and go only once no live rule names them.
func TestOffersThatAreLive(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "offer-live")
	const gift = `{"title":{"en":"%s"},"percent_off":%d,"stock":%d}`
	put := func(title string, percent, stock int) reply {
		return r.call(t, r.anna, "PUT", "/v1/offers/gift", fmt.Sprintf(gift, title, percent, stock))
	}
	put("Ten off", 10, 100).wants(201)
	put("Five off", 5, 100).wants(200) // nothing live names it yet
	r.put("shows", `{"then":[{"kind":"offer","offer":{"id":"gift"}}]}`)
	before := r.plan()
	put("Ten off", 10, 100).wants(200)
	if after := r.plan(); after.Digest == before.Digest {
		t.Error("an approval would hold after the offer changed")
	}
	r.publish("show it")
	put("Ten per cent off", 10, 100).wants(200)
	put("Ten per cent off", 10, 50).wants(200)
	for name, got := range map[string]reply{"a lower price": put("Ten per cent off", 20, 50), "more stock": put("Ten per cent off", 10, 500), "deletion": r.call(t, r.anna, "DELETE", "/v1/offers/gift", nil)} {
		if p := got.problem(409); !strings.Contains(p.Detail, `"shows"`) {
			t.Errorf("%s: got %s", name, p.Detail)
		}
	}
	r.call(t, r.anna, "POST", "/v1/rules/rollback", `{"version":0,"why":"enough"}`).wants(200)
	put("Twenty off", 20, 500).wants(200)
	r.call(t, r.anna, "DELETE", "/v1/offers/gift", nil).wants(204)
	gone := r.plan()
	if len(gone.Problems) != 1 || gone.Ready || !strings.Contains(gone.Problems[0].Detail, `the catalogue has no offer "gift": name one of GET /v1/offers`) {
		t.Errorf("the plan of a draft whose offer is gone: %+v, ready %t", gone.Problems, gone.Ready)
	}
	r.call(t, r.ben, "POST", "/v1/rules/approve", map[string]any{"digest": gone.Digest}).wants(200)
	if p := r.call(t, r.anna, "POST", "/v1/rules/publish", `{"why":"again"}`).problem(422); !strings.Contains(p.Detail+p.Errors[0].Detail, `no offer "gift"`) {
		t.Errorf("published with an offer that is gone: %+v", p)
	}
}

// TestLoyaltyCard has a back end tell what its programme says of a shopper: rules and offers know it, points are spent, and the shopper sees it, takes
// it along and takes it back.
func TestLoyaltyCard(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "offer-card")
	const shopper = "eve-of-offer-card"
	till := r.as(t, identity.Claims{Role: identity.Backend, Retailer: r.name, Subject: "till"})
	card := func(body string) reply { return r.call(t, till, "PUT", "/v1/cards/"+shopper, body) }
	r.call(t, r.anna, "PUT", "/v1/offers/cup", `{"title":{"en":"A cup for 100 points"},"uses":["loyalty"],"tiers":["gold"],"segments":["families"],"points":100}`).wants(201)
	r.put("shows-cup", `{"then":[{"kind":"offer","offer":{"id":"cup"}}]}`)
	archetype := func(name, card string) string {
		return fmt.Sprintf(`{"name":"%s","grants":["loyalty"],"card":%s}`, name, card)
	}
	tried := read[wire.RuleSimulated](r.call(t, r.anna, "POST", "/v1/rules/simulate", `{"imagined":[`+
		archetype("gold", `{"tier":"gold","points":200,"segments":["families"]}`)+","+archetype("blue", `{"tier":"blue","points":200,"segments":["families"]}`)+","+
		archetype("poor", `{"tier":"gold","points":99,"segments":["families"]}`)+`]}`).wants(200))
	if tried.Changed != 1 || len(tried.Examples) == 0 || tried.Examples[0].Name != "gold" {
		t.Errorf("simulated: %+v", tried)
	}
	r.publish("for gold")
	seen := func(what string, want bool) {
		t.Helper()
		if _, shown := offerIn(r.ask(t, r.eve, wire.ContextRequest{}), "cup"); shown != want {
			t.Errorf("%s: it is shown: %v", what, shown)
		}
	}
	redeem := func(id, want string) wire.EventResult {
		t.Helper()
		got := r.redeem(r.eve, wire.Event{ID: id, Item: "cup"})
		if told := string(got.Status); told != want && (got.Problem == nil || got.Problem.Errors[0].Code != want) {
			t.Errorf("%s: got %s %+v, want %s", id, told, got.Problem, want)
		}
		return got
	}
	seen("nothing is known of a card", false)
	redeem("c0", "not_eligible")
	start := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	told := func(tier string, points int, at time.Time) string {
		return fmt.Sprintf(`{"tier":"%s","points":%d,"segments":["families"],"at":"%s"}`, tier, points, at.Format(time.RFC3339))
	}
	card(told("blue", 150, start)).wants(200)
	seen("another tier", false)
	if got := read[wire.Card](card(told("gold", 150, start.Add(time.Second))).wants(200)); got.Tier != "gold" || *got.Points != 150 || got.Source != "backend" {
		t.Errorf("kept %+v", got)
	}
	seen("all of it holds", true)
	card(told("blue", 1, start)).problem(409)
	card(`{"points":-1}`).problem(422)
	card(`{"points":1,"at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`).problem(422)
	if got := redeem("c1", "stored"); got.Points != 100 {
		t.Errorf("it cost %d points", got.Points)
	}
	redeem("c1", "duplicate")
	redeem("c2", "not_eligible")
	seen("the points are spent", false)

	me := read[wire.Me](r.call(t, r.eve, "GET", "/v1/me", nil).wants(200))
	if me.Card.Tier != "gold" || me.Card.Points == nil || *me.Card.Points != 50 || !slices.Equal(me.Card.Segments, []string{"families"}) {
		t.Errorf("the shopper sees %+v", me.Card)
	}
	if i := slices.IndexFunc(me.Facts, func(f wire.Fact) bool { return f.What == "card" }); i < 0 || me.Facts[i].Purpose != "loyalty" || !me.Facts[i].Used || !slices.Equal(me.Facts[i].Sources, []string{"backend"}) {
		t.Errorf("the facts: %+v", me.Facts)
	}
	if export := read[wire.MyExport](r.call(t, r.eve, "GET", "/v1/me/export", nil).wants(200)); export.Card.Tier != "gold" {
		t.Errorf("the export has %+v", export.Card)
	}
	card(told("gold", 100, start.Add(2*time.Second))).wants(200) // read before the redemption: what it cost still comes off
	seen("a balance of before the redemption", false)
	card(`{"tier":"gold","points":100,"segments":["families"]}`).wants(200)
	seen("a balance of now", true)

	r.grant(t, r.eve, "loyalty", false)
	seen("the permission is taken back", false)
	card(`{"tier":"gold"}`).problem(403)
	r.grant(t, r.eve, "loyalty", true)
	r.call(t, till, "DELETE", "/v1/cards/"+shopper, nil).wants(204)
	seen("the shopper left the programme", false)
	r.call(t, till, "DELETE", "/v1/cards/"+shopper, nil).problem(404)
	card(`{"tier":"gold"}`).wants(200)
	r.call(t, r.eve, "DELETE", "/v1/me", nil).wants(200)
	if me := read[wire.Me](r.call(t, r.eve, "GET", "/v1/me", nil).wants(200)); me.Card.Source != "" {
		t.Errorf("after the erasure: %+v", me.Card)
	}
}

// TestOfferRunsOut holds that no more is redeemed than there is, and that what is used up is not shown.
func TestOfferRunsOut(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "offer-stock")
	r.call(t, r.anna, "PUT", "/v1/offers/few", `{"title":{"en":"Few"},"stock":3,"group":"gifts"}`).wants(201)
	r.call(t, r.anna, "PUT", "/v1/offers/dear", `{"title":{"en":"Dear"},"percent_off":10,"budget_minor":250,"group":"gifts"}`).wants(201)
	r.call(t, r.anna, "PUT", "/v1/offers/over", `{"title":{"en":"Over"},"until":"`+time.Now().Add(-time.Hour).Format(time.RFC3339)+`"}`).wants(201)
	for i, id := range []string{"few", "dear", "over"} {
		r.put("shows-"+id, fmt.Sprintf(`{"priority":%d,"then":[{"kind":"offer","offer":{"id":"%s"}}]}`, 9-i, id))
	}
	r.publish("all three")
	eventually(t, "a share of the stock is leased", func() bool {
		_, shown := offerIn(r.ask(t, r.eve, wire.ContextRequest{}), "few")
		return shown
	})
	answer := r.ask(t, r.eve, wire.ContextRequest{Kinds: []wire.SuggestionKind{"offer"}})
	if _, shown := offerIn(answer, "dear"); shown || len(answer.Suggestions) != 1 {
		t.Errorf("two of a group, or one that is over: %+v", answer.Suggestions)
	}
	for i, c := range []struct{ item, price, basket, status, code string }{
		{"over", "", "a", "refused", "not_valid"},
		{"few", "", "a", "stored", ""},
		{"dear", "1.00", "a", "refused", "not_stackable"},
		{"dear", "", "b", "refused", "price_missing"},
		{"dear", "2.00", "b", "stored", ""},
		{"dear", "1.00", "c", "refused", "used_up"},
		{"dear", "0.50", "c", "stored", ""},
		{"few", "", "d", "stored", ""},
		{"few", "", "e", "stored", ""},
		{"few", "", "f", "refused", "used_up"},
	} {
		got := r.redeem(r.eve, wire.Event{ID: fmt.Sprint("u", i), Item: c.item, Price: c.price, Basket: c.basket})
		if string(got.Status) != c.status || c.code != "" && (len(got.Problem.Errors) != 1 || got.Problem.Errors[0].Code != c.code) {
			t.Errorf("%+v: got %+v %+v", c, got, got.Problem)
		}
	}
	if answer := r.ask(t, r.eve, wire.ContextRequest{Kinds: []wire.SuggestionKind{"offer"}}); len(answer.Suggestions) > 0 {
		t.Errorf("what is used up is shown: %+v", answer.Suggestions)
	}
}

// TestCodesOnReplicas lets shoppers redeem the same codes at two processes of one database at once.
func TestCodesOnReplicas(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	shared := plan{set: func(c *config.Config) { c.Store = url }}
	shared.data = t.TempDir() // of the development key alone
	houses := []*house{newHouse(t, shared), newHouse(t, shared)}
	const name = "two-tills"
	team := houses[0].as(t, identity.Claims{Role: identity.Product, Retailer: name, Subject: "anna"})
	houses[0].call(t, houses[0].role(t, identity.Admin, name), "PUT", "/v1/retailer", `{"default_grants":["loyalty"]}`).wants(200)
	houses[0].call(t, team, "PUT", "/v1/offers/one", `{"title":{"en":"One"},"codes":true,"stock":2}`).wants(201)
	codes := read[wire.CodeList](houses[0].call(t, team, "POST", "/v1/offers/one/codes", `{"count":3}`).wants(200)).Codes
	eventually(t, "the other replica knows the offer", func() bool { return houses[1].call(t, team, "GET", "/v1/offers/one", nil).status == 200 })
	eventually(t, "the other replica redeems it", func() bool { // its snapshot follows within a second
		probe := houses[1].as(t, identity.Claims{Role: identity.Shopper, Retailer: name, Subject: canary("probe of tills")})
		got := patientRedemption(t, houses[1], probe, wire.Event{ID: "probe", Item: "one", Code: "NONE-0000"})
		return got.Problem != nil && got.Problem.Errors[0].Code == "code_unknown"
	})
	var stored [3]atomic.Int64
	var all sync.WaitGroup
	for s := range 4 {
		shopper := houses[0].as(t, identity.Claims{Role: identity.Shopper, Retailer: name, Subject: canary(fmt.Sprint("tills", s))})
		all.Go(func() {
			known := patientEvent(t, houses[0], shopper, wire.Event{ID: "known", Kind: "view", Item: "milk"}) // of who is not known a hold may be lost
			if known.Status == "refused" {
				t.Errorf("a view: %+v", known)
			}
			for i := range codes {
				n := (i + s) % len(codes)
				if got := patientRedemption(t, houses[s%2], shopper, wire.Event{ID: fmt.Sprint("e", n), Item: "one", Code: codes[n].Code}); got.Status != "refused" {
					stored[n].Add(1)
				}
			}
		})
	}
	all.Wait()
	sum := func() (sum int64) {
		for n := range stored {
			if stored[n].Load() > 1 {
				t.Fatalf("code %d was redeemed %d times", n, stored[n].Load())
			}
			sum += stored[n].Load()
		}
		return sum
	}
	for try := 0; sum() < 2; try++ { // both may have been refused because the other was at it: what is left is had by who comes later
		n := try % len(codes)
		shopper := houses[0].as(t, identity.Claims{Role: identity.Shopper, Retailer: name, Subject: canary("tills, later")})
		if try > 200 {
			t.Fatalf("%d were redeemed, and nobody can have more of a stock of 2", sum())
		}
		if got := patientRedemption(t, houses[try/len(codes)%2], shopper, wire.Event{ID: fmt.Sprint("later", n), Item: "one", Code: codes[n].Code}); got.Status == "stored" {
			stored[n].Add(1)
		} else if try >= 2*len(codes) { // a code may be held until the worker has settled it
			time.Sleep(500 * time.Millisecond)
		}
	}
	if sum() != 2 {
		t.Errorf("%d were redeemed, the stock is 2", sum())
	}
}

// patientRedemption redeems on a database that may take too long: the same event is sent until it is answered.
func patientRedemption(t *testing.T, h *house, token string, e wire.Event) (result wire.EventResult) {
	t.Helper()
	e.Kind = "redeem"
	return patientEvent(t, h, token, e)
}

func patientEvent(t *testing.T, h *house, token string, e wire.Event) (result wire.EventResult) {
	t.Helper()
	eventually(t, "the event is answered", func() bool {
		got := h.call(t, token, "POST", "/v1/events", wire.EventsRequest{Events: []wire.Event{e}})
		if got.status != 200 {
			return got.status != 503 && got.wants(200).status == 200
		}
		result = read[wire.EventsResponse](got).Results[0]
		return true
	})
	return result
}
