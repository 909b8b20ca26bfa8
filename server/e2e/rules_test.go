package e2e

import (
	"fmt"
	"os"
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

// ruledRetailer has a small shop of its own, two people of its product team, and one shopper who buys each week.
type ruledRetailer struct {
	*house
	t              testing.TB
	anna, ben, eve string // tokens: two of the team, and a shopper
	name           string
}

func newRuledRetailer(t testing.TB, h *house, name string) *ruledRetailer {
	t.Helper()
	r := &ruledRetailer{house: h, t: t, name: name}
	r.anna = h.as(t, identity.Claims{Role: identity.Product, Retailer: name, Subject: canary("anna-of-" + name)})
	r.ben = h.as(t, identity.Claims{Role: identity.Product, Retailer: name, Subject: canary("ben-of-" + name)})
	r.eve = h.as(t, identity.Claims{Role: identity.Shopper, Retailer: name, Subject: canary("eve-of-" + name)})
	admin := h.role(t, identity.Admin, name)
	h.call(t, admin, "PUT", "/v1/retailer", `{"currency":"EUR","jurisdiction":"US-NY","default_grants":["loyalty","location"],"floor_margin":0.1,"holdout":0}`).wants(200)
	for _, item := range []string{"milk", "bread", "jam", "tea"} {
		h.call(t, admin, "PUT", "/v1/products/"+item, `{"title":"`+item+`","category":"food/`+item+`","brand":"b-`+item+`","price":"10.00","cost":"6.00"}`).wants(201)
	}
	now := time.Now()
	for week := 1; week <= 6; week++ {
		h.record(t, r.eve, wire.Event{ID: "b" + string(rune('0'+week)), Kind: "purchase", Item: "milk", At: now.AddDate(0, 0, -7*week)})
	}
	return r
}

// put writes a draft that must be right.
func (r *ruledRetailer) put(id, body string) wire.StoredRule {
	r.t.Helper()
	got := r.call(r.t, r.anna, "PUT", "/v1/rules/"+id, body)
	if got.status != 201 {
		got.wants(200)
	}
	return read[wire.StoredRule](got)
}

func (r *ruledRetailer) plan() wire.RulePlan {
	r.t.Helper()
	return read[wire.RulePlan](r.call(r.t, r.anna, "GET", "/v1/rules/plan", nil).wants(200))
}

func (r *ruledRetailer) publish(why string) wire.RuleSet {
	r.t.Helper()
	if plan := r.plan(); len(plan.Needs) > 0 {
		r.call(r.t, r.ben, "POST", "/v1/rules/approve", map[string]any{"digest": plan.Digest}).wants(200)
	}
	return read[wire.RuleSet](r.call(r.t, r.anna, "POST", "/v1/rules/publish", map[string]any{"why": why}).wants(200))
}

// milk is what an answer suggests of it.
func (r *ruledRetailer) milk() (wire.ContextResponse, wire.Suggestion) {
	r.t.Helper()
	answer := r.ask(r.t, r.eve, wire.ContextRequest{Explore: at(false)})
	i := slices.IndexFunc(answer.Suggestions, func(s wire.Suggestion) bool { return s.Item == "milk" })
	if i < 0 {
		r.t.Fatalf("no milk among %v", items(answer))
	}
	return answer, answer.Suggestions[i]
}

// TestLifeOfARule drafts an offer, gets it refused for a wrong name and for raising a price, mends it, has it approved by a
// second person, publishes it, sees it in the next answer, and takes it back in one call.
func TestLifeOfARule(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-life")
	body := func(when, offer string) string {
		return `{"name":"Thanks","owner":"anna","purpose":"Thank regulars.","uses":["loyalty"],"when":"` + when + `","then":[{"kind":"offer","offer":{"id":"thanks",` + offer + `,"neutral":"The list price."}}]}`
	}
	const when = `shopper.orders > 3 && candidate.item == \"milk\"`
	wrong := r.call(t, r.anna, "PUT", "/v1/rules/thanks", body(`shopper.oders > 3 && candidate.item == \"milk\"`, `"percent_off":10`)).problem(422)
	if e := wrong.Errors[0]; e.Pointer != "/when" || !strings.Contains(e.Detail, "1:1") || !strings.Contains(e.Detail, `did you mean "shopper.orders"?`) {
		t.Errorf("a wrong name: got %+v", e)
	}
	raised := r.call(t, r.anna, "PUT", "/v1/rules/thanks", body(when, `"percent_off":-10`)).problem(422)
	if e := raised.Errors[0]; e.Pointer != "/then/0/offer/percent_off" || !strings.Contains(e.Detail, "raise the price") {
		t.Errorf("a raised price: got %+v", e)
	}
	floor := read[wire.RuleCheck](r.call(t, r.anna, "POST", "/v1/rules/check", body(when, `"percent_off":60`)).wants(200))
	if len(floor.Problems) != 1 || !strings.Contains(floor.Problems[0].Text, "floor") {
		t.Errorf("under the floor: got %+v", floor.Problems)
	}
	r.put("thanks", body(when, `"percent_off":10`))
	before, milk := r.milk()
	if before.Used.Rules != "" || milk.Price != "10.00" {
		t.Errorf("before it is live: rules %q, price %s", before.Used.Rules, milk.Price)
	}
	plan := r.plan()
	if !slices.Equal(plan.Needs, []wire.RuleClass{"price"}) || plan.Ready || len(plan.Changes) != 1 || plan.Changes[0].What != "added" {
		t.Errorf("the plan: got %+v", plan)
	}
	// What it would do to a regular, to a stranger, and on the day after.
	tried := read[wire.RuleSimulated](r.call(t, r.anna, "POST", "/v1/rules/simulate", map[string]any{
		"past": map[string]any{"scenes": 100, "since": time.Now().AddDate(0, -3, 0)}, "at": time.Now().AddDate(0, 0, 1),
		"imagined": []any{
			map[string]any{"name": "regular", "grants": []string{"loyalty"}, "bought": []any{map[string]any{"item": "milk", "times": 5, "days_ago": 6}}},
			map[string]any{"name": "stranger"}}}).wants(200))
	if tried.Scenes < 3 || tried.Changed != tried.Scenes-1 || tried.Rules[0].Acted != tried.Changed || len(tried.Examples) != 3 || !strings.HasPrefix(tried.Margin, "-") {
		t.Errorf("simulated: got %+v", tried)
	}
	if part := tried.Examples[0].Rules[0].Parts[0]; part.Text != "shopper.orders > 3" || !part.Holds || part.Values["shopper.orders"] == nil {
		t.Errorf("the trace: got %+v", tried.Examples[0].Rules)
	}
	publish := map[string]any{"why": "Regulars first"}
	if p := r.call(t, r.anna, "POST", "/v1/rules/publish", publish).problem(409); !strings.Contains(p.Detail, "second person") {
		t.Errorf("without approval: got %s", p.Detail)
	}
	approve := map[string]any{"digest": plan.Digest, "why": "looks right"}
	r.call(t, r.anna, "POST", "/v1/rules/approve", approve).problem(409) // her own
	r.call(t, r.ben, "POST", "/v1/rules/approve", approve).wants(200)
	// What the rule depends on moves: the approval is of something else.
	admin := city.role(t, identity.Admin, r.name)
	city.call(t, admin, "PUT", "/v1/products/milk", `{"title":"milk","category":"food/milk","brand":"b-milk","price":"10.00","cost":"5.00"}`).wants(200)
	r.call(t, r.anna, "POST", "/v1/rules/publish", publish).problem(409)
	r.call(t, r.ben, "POST", "/v1/rules/approve", approve).problem(409)
	first := r.publish("Regulars first")
	if first.Version != 1 || first.Approved == "" || first.Why != "Regulars first" {
		t.Errorf("published: got %+v", first)
	}
	after, milk := r.milk()
	if after.Used.Rules != "v1" || milk.Price != "9.00" || milk.Offer.Was != "10.00" || milk.Offer.ID != "thanks" {
		t.Errorf("live: rules %q, price %s, offer %+v", after.Used.Rules, milk.Price, milk.Offer)
	}
	if milk.Offer.Disclosure != "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA" || milk.Offer.Neutral == "" {
		t.Errorf("it is not disclosed: %+v", milk.Offer)
	}
	if !slices.ContainsFunc(milk.Reasons, func(r wire.Reason) bool { return r.Code == "on_offer" && r.Text != "" }) {
		t.Errorf("reasons: got %+v", milk.Reasons)
	}
	r.call(t, r.anna, "POST", "/v1/rules/publish", publish).problem(409) // nothing new
	r.put("hello", `{"uses":["loyalty"],"when":"shopper.known","then":[{"kind":"message","text":{"en":"Welcome, {shopper.orders} times","de":"Willkommen"}}]}`)
	r.publish("say hello")
	if answer, _ := r.milk(); answer.Used.Rules != "v2" || len(answer.Messages) != 1 || answer.Messages[0].Text != "Welcome, 6 times" {
		t.Errorf("messages: got %+v", answer.Messages)
	}
	back := read[wire.RuleSet](r.call(t, r.ben, "POST", "/v1/rules/rollback", map[string]any{"version": 0, "why": "Too dear"}).wants(200))
	if answer, milk := r.milk(); back.Version != 3 || milk.Price != "10.00" || answer.Used.Rules != "" {
		t.Errorf("taken back: version %d, price %s, rules %q", back.Version, milk.Price, answer.Used.Rules)
	}
	r.call(t, r.ben, "POST", "/v1/rules/rollback", map[string]any{"version": 1, "why": "It was fine"}).wants(200)
	if _, milk := r.milk(); milk.Price != "9.00" {
		t.Errorf("brought back: price %s", milk.Price)
	}
	r.call(t, r.ben, "POST", "/v1/rules/rollback", map[string]any{"version": 99, "why": "?"}).problem(404)
	versions := read[wire.RuleVersions](r.call(t, r.anna, "GET", "/v1/rules/versions", nil).wants(200)).Versions
	if len(versions) != 4 || versions[0].Restored != 1 || versions[0].Why != "It was fine" || len(versions[1].Changes) != 2 || versions[1].Changes[0].What != "removed" {
		t.Errorf("versions: got %+v", versions)
	}
	if old := read[wire.RuleSet](r.call(t, r.anna, "GET", "/v1/rules/live?version=2", nil).wants(200)); len(old.Rules) != 2 || old.Why != "say hello" {
		t.Errorf("version 2: got %+v", old)
	}
}

// TestRuleFrequency holds that a limit a shopper counts over calls, and that it is not forgotten.
func TestRuleFrequency(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-frequency")
	r.put("twice", `{"uses":["loyalty"],"when":"shopper.known","guards":{"per_shopper_day":2},"then":[{"kind":"message","text":{"en":"Hello"}}]}`)
	r.publish("a limit")
	for call, want := range []int{1, 1, 0, 0} {
		if answer, _ := r.milk(); len(answer.Messages) != want {
			t.Errorf("call %d: got %d messages, want %d", call+1, len(answer.Messages), want)
		}
	}
}

// TestRulePlanned publishes at a time, and not what was edited since.
func TestRulePlanned(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-planned")
	const rule = `{"when":"candidate.item == \"milk\"","then":[{"kind":"boost","factor":2}]}`
	r.put("a", rule)
	soon := map[string]any{"why": "later", "at": time.Now().Add(1500 * time.Millisecond)}
	if set := read[wire.RuleSet](r.call(t, r.anna, "POST", "/v1/rules/publish", soon).wants(200)); set.Planned.Digest == "" || set.Version != 0 {
		t.Fatalf("planned: got %+v", set)
	}
	if answer, _ := r.milk(); answer.Used.Rules != "" {
		t.Errorf("before its time: rules %q", answer.Used.Rules)
	}
	live := func() wire.RuleSet {
		return read[wire.RuleSet](r.call(t, r.anna, "GET", "/v1/rules/live", nil).wants(200))
	}
	eventually(t, "the plan is live", func() bool { return live().Version == 1 })
	r.put("b", rule)
	soon["at"] = time.Now().Add(1500 * time.Millisecond)
	r.call(t, r.anna, "POST", "/v1/rules/publish", soon).wants(200)
	r.put("c", rule)
	eventually(t, "the plan failed", func() bool { return live().Planned.Failed != "" })
	if set := live(); set.Version != 1 || len(set.Rules) != 1 {
		t.Errorf("edited drafts went live: %+v", set)
	}
}

// TestRuleOnACrossing walks into a geofence whose rule suggests something without being asked.
func TestRuleOnACrossing(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-crossing")
	admin := city.role(t, identity.Admin, r.name)
	city.call(t, admin, "PUT", "/v1/geofences/bakery", plaza(`,"tags":["bread"]`)).wants(201)
	r.put("croissant", `{"uses":["loyalty"],"trigger":{"kind":"crossing","crossing":"enter","geofence":"bakery"},"when":"shopper.orders > 2 && candidate.item == \"jam\"",
		"then":[{"kind":"include","items":["jam"]},{"kind":"pin","position":1},{"kind":"message","text":{"en":"{candidate.item} for the bread"}}]}`)
	r.publish("at the bakery")
	now := time.Now()
	lat, lng := 38.7075, -9.1364
	body := wire.ContextRequest{Where: &wire.Where{Lat: &lat, Lng: &lng, AccuracyM: 6}, At: now}
	for i := range 3 {
		body.Trail = append(body.Trail, wire.Fix{Lat: lat, Lng: lng, AccuracyM: 6, At: now.Add(time.Duration(i-4) * 15 * time.Second)})
	}
	first, again := r.ask(t, r.eve, body), r.ask(t, r.eve, body)
	if len(first.Triggers) != 1 || len(again.Triggers) != 1 {
		t.Fatalf("told %+v, then %+v", first.Triggers, again.Triggers)
	}
	s := first.Triggers[0].Suggestion
	if s.Rule != "croissant" || s.Item != "jam" || s.Text != "jam for the bread" || s.Price != "10.00" || len(s.Reasons) == 0 || s.Reasons[0].Text == "" {
		t.Errorf("got %+v", s)
	}
	if other := again.Triggers[0].Suggestion; other.Item != s.Item || other.Text != s.Text || !other.ValidUntil.Equal(s.ValidUntil) {
		t.Errorf("the retry tells %+v", other)
	}
}

// TestRuleConflicts warns of rules that get in each other's way before they are published, when they are, and when asked.
func TestRuleConflicts(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-conflicts")
	r.put("up", `{"when":"candidate.item == \"milk\"","then":[{"kind":"boost","factor":2}]}`)
	if plan := r.plan(); len(plan.Warnings) != 0 {
		t.Errorf("one rule alone: got %+v", plan.Warnings)
	}
	r.put("out", `{"when":"candidate.category.startsWith(\"food/\") && candidate.price < 20","then":[{"kind":"exclude"}]}`)
	r.put("tea", `{"when":"candidate.item == \"tea\" && candidate.brand == \"b-jam\"","then":[{"kind":"boost","factor":2}]}`)
	kinds := func(found []wire.RuleConflict) (all []string) {
		for _, c := range found {
			all = append(all, c.Kind+" "+strings.Join(c.Rules, " "))
		}
		return all
	}
	want := []string{"never_matching tea", "shadowed out up"}
	drafts := read[wire.RuleConflicts](r.call(t, r.anna, "GET", "/v1/rules/conflicts", nil).wants(200))
	if got := kinds(drafts.Conflicts); !slices.Equal(got, want) {
		t.Fatalf("drafts: got %q, want %q", got, want)
	}
	if s := drafts.Conflicts[1].Scene; s.Item != "milk" || len(s.Rules) != 2 || s.Rules[0].Outcome != "matched" || s.Rules[1].Outcome != "matched" || s.Rules[0].Parts[0].Values["candidate.category"] != "food/milk" {
		t.Errorf("the scene: got %+v", s)
	}
	if got := kinds(r.plan().Warnings); !slices.Equal(got, want) {
		t.Errorf("the plan: got %q, want %q", got, want)
	}
	if got := kinds(r.publish("all the same").Warnings); !slices.Equal(got, want) {
		t.Errorf("published: got %q, want %q", got, want)
	}
	live := read[wire.RuleConflicts](r.call(t, r.anna, "GET", "/v1/rules/conflicts?rules=live", nil).wants(200))
	if got := kinds(live.Conflicts); !slices.Equal(got, want) || len(r.plan().Warnings) != 0 {
		t.Errorf("live: got %q, want %q", got, want)
	}
	r.call(t, r.anna, "GET", "/v1/rules/conflicts?rules=v77", nil).problem(404)
	r.ask(t, r.eve, wire.ContextRequest{Explore: at(false)})
	health := read[wire.RuleSet](r.call(t, r.anna, "GET", "/v1/rules/live", nil).wants(200)).Health
	if len(health) != 3 || health[0].ID != "out" || health[0].Off || health[2].ID != "up" {
		t.Errorf("health: got %+v", health)
	}
}

// TestPublishOverHTTP publishes one version after the other while shoppers ask, and holds that no call fails and that no answer is made of two
// versions: each lowers every price by another percentage and says its number, so an answer that mixes them tells on itself.
func TestPublishOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-publishing")
	admin := city.role(t, identity.Admin, r.name)
	city.call(t, admin, "PUT", "/v1/retailer", `{"currency":"EUR","jurisdiction":"US-NY","default_grants":["loyalty","location"],"floor_margin":0.1,"holdout":0,"approve":[]}`).wants(200)
	loadWhilePublishing(t, r, []*house{city.house}, 12, 0)
}

// TestPublishOnReplicas does it on two processes over one database: what one publishes the other one serves, and neither ever mixes.
func TestPublishOnReplicas(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	shared := plan{set: func(c *config.Config) { c.Store = url }}
	shared.data = t.TempDir() // of the development key alone
	one, two := newHouse(t, shared), newHouse(t, shared)
	r := newRuledRetailer(t, one, "rule-replicas")
	admin := one.role(t, identity.Admin, r.name)
	one.call(t, admin, "PUT", "/v1/retailer", `{"currency":"EUR","jurisdiction":"US-NY","default_grants":["loyalty","location"],"floor_margin":0.1,"holdout":0,"approve":[]}`).wants(200)
	versions, pause := 2, 50*time.Millisecond // the database of the tests is a slow one
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		versions, pause = 20, 0
	}
	loadWhilePublishing(t, r, []*house{one, two}, versions, pause)
}

// loadWhilePublishing publishes versions on the first house while shoppers ask all of them, with a pause between two calls, and tells how long it took until each
// served what was published.
func loadWhilePublishing(t *testing.T, r *ruledRetailer, houses []*house, versions int, pause time.Duration) {
	t.Helper()
	var stop atomic.Bool
	var answers, ruled atomic.Int64
	var group sync.WaitGroup
	percent := func(version string) string { // of version v3 a price of 10.00 becomes 9.70
		var n int
		if _, err := fmt.Sscanf(version, "v%d", &n); err != nil {
			return ""
		}
		return fmt.Sprintf("%.2f", 10-float64(n)/10)
	}
	for worker := range max(2, len(houses)) {
		h := houses[worker%len(houses)]
		token := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: r.name, Subject: canary(fmt.Sprint("asks-", r.name, worker))})
		group.Go(func() {
			for ; !stop.Load(); time.Sleep(pause) {
				got := h.call(t, token, "POST", "/v1/context", wire.ContextRequest{Explore: at(false)})
				if got.status != 200 {
					t.Errorf("a call failed: %d", got.status)
					return
				}
				answer := read[wire.ContextResponse](got)
				answers.Add(1)
				want := percent(answer.Used.Rules)
				if want == "" {
					want = "10.00"
				} else {
					ruled.Add(1)
				}
				for _, s := range answer.Suggestions {
					if s.Price != want {
						t.Errorf("rules %q and a price of %s, want %s: the answer is made of two versions", answer.Used.Rules, s.Price, want)
						return
					}
				}
				if said := len(answer.Messages) == 1 && answer.Messages[0].Text == answer.Used.Rules; said != (answer.Used.Rules != "") {
					t.Errorf("rules %q say %+v", answer.Used.Rules, answer.Messages)
					return
				}
			}
		})
	}
	defer group.Wait()
	defer stop.Store(true)
	var slowest time.Duration
	for n := 1; n <= versions; n++ {
		version := fmt.Sprint("v", n)
		r.put("all", fmt.Sprintf(`{"when":"candidate.kind == \"product\"","then":[{"kind":"offer","offer":{"id":"off","percent_off":%d,"neutral":"The list price."}}]}`, n))
		r.put("says", fmt.Sprintf(`{"when":"moment.hour >= 0","then":[{"kind":"message","text":{"en":%q}}]}`, version))
		if set := r.publish("the next one"); set.Version != int64(n) {
			t.Fatalf("got version %d, want %d", set.Version, n)
		}
		published := time.Now()
		for i, h := range houses {
			token := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: r.name, Subject: canary("looks-" + r.name)})
			eventually(t, fmt.Sprint("house ", i, " serves ", version), func() bool {
				return h.ask(t, token, wire.ContextRequest{Explore: at(false)}).Used.Rules == version
			})
		}
		slowest = max(slowest, time.Since(published))
	}
	stop.Store(true)
	group.Wait()
	t.Logf("%d answers, %d of them ruled, over %d versions on %d processes; the slowest was served by all %s after it was published", answers.Load(), ruled.Load(), versions, len(houses), slowest)
	if ruled.Load() == 0 {
		t.Error("no answer was made by rules")
	}
}

// TestRuleOnAnEvent shares something, and the rule that waits for it speaks through the webhook: once, though the phone sends the event again.
func TestRuleOnAnEvent(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "rule-event")
	admin := city.role(t, identity.Admin, r.name)
	city.call(t, admin, "PUT", "/v1/webhooks/crm", `{"url":"https://example.com/crm","kinds":["suggestion"],"status":"paused"}`).wants(201)
	r.put("thanks", `{"uses":["loyalty"],"trigger":{"kind":"event","event":"share"},"when":"event.item == \"milk\" && shopper.orders > 2 && candidate.item == \"jam\"",
		"then":[{"kind":"include","items":["jam"]},{"kind":"message","text":{"en":"Thanks for sharing {event.item}"}}]}`)
	r.publish("say thanks")
	for range 2 {
		r.record(t, r.eve, wire.Event{ID: "shared", Kind: "share", Item: "milk", At: time.Now()})
	}
	waiting := read[wire.DeliveryList](r.call(t, admin, "GET", "/v1/deliveries?webhook=crm", nil).wants(200)).Deliveries
	if len(waiting) != 1 || waiting[0].Type != "satnav.suggestion.event" {
		t.Fatalf("got %+v", waiting)
	}
	told := waiting[0].Suggested
	if told.Occasion != "event" || told.Event != "share" || told.Item != "milk" || told.Suggestion["item"] != "jam" || fmt.Sprint(told.Suggestion["text"]) != "map[en:Thanks for sharing milk]" {
		t.Errorf("got %+v", told)
	}
}
