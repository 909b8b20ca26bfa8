package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/demo"
	"satnav/server/identity"
)

// TestProductTeam goes the whole way of a product team in a small demo city: a payday offer is drafted, refused for a wrong name
// and for raising a price, mended, tried on the city's past month, approved, published and seen with its disclosure and reason;
// it runs as an experiment on simulated shoppers of whom those with the offer buy more often by a known amount, the verdict
// says so, and all is taken back within a second while shoppers go on asking.
func TestProductTeam(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{})
	if _, err := h.app.SeedDemo(t.Context(), demo.Scale{Shoppers: 120, Days: 45}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	admin := h.role(t, identity.Admin, demo.Retailer)
	h.call(t, admin, "PUT", "/v1/retailer", `{"name":"Demo City","zone":"Europe/Lisbon","currency":"`+demo.Currency+`","languages":["en"],"region":"PT","jurisdiction":"US-NY","default_grants":["loyalty","location"],"holdout":0}`).wants(200)
	r := &ruledRetailer{house: h, t: t, name: demo.Retailer,
		anna: h.as(t, identity.Claims{Role: identity.Product, Subject: canary("anna of the team")}), ben: h.as(t, identity.Claims{Role: identity.Product, Subject: canary("ben of the team")})}

	// Payday is when the month says so: here, the days around today.
	today := read[wire.RuleSimulated](r.call(t, r.anna, "POST", "/v1/rules/simulate", `{"given":[{"id":"p","when":"moment.payday_distance > -100","then":[{"kind":"message","text":{"en":"?"}}]}],"imagined":[{"name":"x"}]}`).wants(200))
	distance := today.Examples[0].Rules[0].Parts[0].Values["moment.payday_distance"].(float64)
	when := func(name string) string {
		return fmt.Sprintf(`moment.%s >= %v && moment.%s <= %v && candidate.kind == \"product\" && candidate.price > 0.5 && shopper.orders < 500`, name, distance-1, name, distance+1)
	}
	body := func(when, offer string) string {
		return `{"name":"Payday","owner":"anna","purpose":"Something good when money has come in, not for resellers.","uses":["loyalty"],"when":"` + when + `","then":[{"kind":"offer","offer":{"id":"payday-10","neutral":"The list price.",` + offer + `}}]}`
	}
	wrong := r.call(t, r.anna, "PUT", "/v1/rules/payday", body(when("pay_distance"), `"percent_off":10`)).problem(422)
	if e := wrong.Errors[0]; e.Pointer != "/when" || !strings.Contains(e.Detail, `did you mean "moment.payday_distance"?`) {
		t.Errorf("a wrong name: got %+v", e)
	}
	raised := r.call(t, r.anna, "PUT", "/v1/rules/payday", body(when("payday_distance"), `"percent_off":-10`)).problem(422)
	if e := raised.Errors[0]; !strings.Contains(e.Detail, "raise the price") {
		t.Errorf("a raised price: got %+v", e)
	}
	r.put("payday", body(when("payday_distance"), `"percent_off":10`))

	tried := read[wire.RuleSimulated](r.call(t, r.anna, "POST", "/v1/rules/simulate", map[string]any{"past": map[string]any{"scenes": 200}, "at": time.Now()}).wants(200))
	if tried.Scenes < 50 || tried.Changed < tried.Scenes*9/10 || !strings.HasPrefix(tried.Margin, "-") || len(tried.Examples) == 0 {
		t.Errorf("the past month: %d scenes, %d changed, margin %s", tried.Scenes, tried.Changed, tried.Margin)
	}
	first := r.publish("Payday is near")
	backend := h.role(t, identity.Backend, demo.Retailer)
	client := apitest.Client(t)
	ask := func(shopper string) (wire.ContextResponse, reply) {
		got := h.try(t, client, backend, "POST", "/v1/context", wire.ContextRequest{Shopper: shopper, Explore: at(false), Limit: at(3)})
		if got.status != 200 {
			return wire.ContextResponse{}, got
		}
		return read[wire.ContextResponse](got), got
	}
	seen, _ := ask("sim-first")
	offered := func(answer *wire.ContextResponse) bool {
		return slices.ContainsFunc(answer.Suggestions, func(s wire.Suggestion) bool { return s.Offer.ID == "payday-10" })
	}
	if seen.Used.Rules != fmt.Sprint("v", first.Version) || !offered(&seen) {
		t.Fatalf("published: rules %q, %+v", seen.Used.Rules, seen.Suggestions)
	}
	if s := seen.Suggestions[0]; s.Offer.Disclosure == "" || s.Offer.Was == "" || !slices.ContainsFunc(s.Reasons, func(r wire.Reason) bool { return r.Code == "on_offer" && r.Text != "" }) {
		t.Errorf("the offer: %+v of %+v", s.Offer, s)
	}

	// As an experiment.
	const shoppers, plain, lifted = 1_200, 0.15, 0.35
	r.call(t, r.anna, "PUT", "/v1/experiments/does-it-sell", map[string]any{"name": "Does payday sell?", "owner": "anna", "metric": "conversion", "smallest": 0.5, "planned": shoppers,
		"arms": []any{map[string]any{"id": "without", "without": []string{"payday"}}, map[string]any{"id": "with"}}, "guards": []any{map[string]any{"metric": "dismissal", "worse": 0.1}, map[string]any{"metric": "opt_out"}}}).wants(201)
	power := read[wire.Power](r.call(t, r.anna, "GET", "/v1/experiments/does-it-sell/power", nil).wants(200))
	if power.Sampled < 100 || power.Needed == 0 {
		t.Errorf("before the start: %+v", power)
	}
	r.call(t, r.anna, "POST", "/v1/experiments/does-it-sell/start", `{"why":"We want to know."}`).wants(200)
	r.call(t, r.anna, "PUT", "/v1/experiments/does-it-sell", map[string]any{"metric": "orders", "arms": []any{map[string]any{"id": "a"}, map[string]any{"id": "b"}}}).problem(409)
	if v := r.verdict("does-it-sell"); v.State != "waiting" || v.Exposed != 0 {
		t.Errorf("before anybody came: %+v", v)
	}
	var bought, came [2]atomic.Int64
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			for i := worker; i < shoppers; i += 4 {
				shopper := fmt.Sprint("sim-", i)
				answer, got := ask(shopper)
				got.wants(200)
				arm, chance := 0, plain
				if answer.Used.Arms["does-it-sell"] == "with" {
					arm, chance = 1, lifted
				}
				if answer.Used.Arms["does-it-sell"] == "" || offered(&answer) != (arm == 1) {
					t.Errorf("%s is on %v and is offered %t", shopper, answer.Used.Arms, offered(&answer))
					return
				}
				came[arm].Add(1)
				if random.Float64() < chance {
					bought[arm].Add(1)
					h.call(t, backend, "POST", "/v1/events", wire.EventsRequest{Events: []wire.Event{{ID: "p", Shopper: shopper, Kind: "purchase", Item: answer.Suggestions[0].Item, At: time.Now()}}}).wants(200)
				}
			}
		})
	}
	group.Wait()
	var verdict wire.Verdict
	eventually(t, "the verdict knows everybody", func() bool { verdict = r.verdict("does-it-sell"); return verdict.Exposed == shoppers })
	t.Log(verdict.Text)
	d := verdict.Differences[0]
	if verdict.State != "better" || verdict.Best != "with" || d.Low == nil || *d.Low > lifted-plain || *d.High < lifted-plain {
		t.Errorf("the verdict: %+v, %+v", verdict, d)
	}
	for arm := range came {
		if got := verdict.Arms[arm].Exposed; got != came[arm].Load() {
			t.Errorf("arm %d: %d are counted, %d came", arm, got, came[arm].Load())
		}
	}
	if rate := float64(bought[1].Load()) / float64(came[1].Load()); d.Value < rate-1e-9 || d.Value > rate+1e-9 {
		t.Errorf("%v of the visits with the offer are said to end with a purchase, %v did", d.Value, rate)
	}
	// Who takes back the permission counts as one who left, and as nobody else.
	leaving := h.shopper(t, "sim-0")
	h.grant(t, leaving, "loyalty", false)
	eventually(t, "somebody left", func() bool {
		v := r.verdict("does-it-sell")
		left := v.Differences[2] // of opt_out
		return v.Exposed == shoppers && left.Metric == "opt_out" && left.First+left.Value > 0
	})
	if answer, _ := ask("sim-0"); len(answer.Used.Arms) > 0 {
		t.Errorf("without the permission, arms are %v", answer.Used.Arms)
	}

	// All is taken back while shoppers ask.
	var stop atomic.Bool
	var answers, failed atomic.Int64
	var mu sync.Mutex
	var lastOffer int64 // when a call began that was still offered something
	for worker := range 4 {
		group.Go(func() {
			for i := 1 + worker; !stop.Load(); i = (i + 4) % shoppers {
				began := time.Now()
				answer, got := ask(fmt.Sprint("sim-", i))
				answers.Add(1)
				if got.status != 200 {
					failed.Add(1)
				}
				if offered(&answer) {
					mu.Lock()
					lastOffer = max(lastOffer, began.UnixNano())
					mu.Unlock()
				}
			}
		})
	}
	eventually(t, "they are offered something", func() bool { mu.Lock(); defer mu.Unlock(); return lastOffer > 0 })
	asked := time.Now()
	r.call(t, r.ben, "POST", "/v1/rules/rollback", `{"version":0,"why":"Enough."}`).wants(200)
	until := answers.Load() + 200
	eventually(t, "they go on asking", func() bool { return answers.Load() > until })
	stop.Store(true)
	group.Wait()
	took := time.Unix(0, lastOffer).Sub(asked)
	t.Logf("%d calls while it was taken back, %d failed; the last call with an offer began %v after it was asked for", answers.Load(), failed.Load(), took)
	if failed.Load() > 0 || took > time.Second {
		t.Errorf("%d of %d calls failed; the last call with an offer began %v after the rollback", failed.Load(), answers.Load(), took)
	}
	r.call(t, r.anna, "POST", "/v1/experiments/does-it-sell/stop", `{"why":"We know."}`).wants(200)
	if v := r.verdict("does-it-sell"); v.State != "better" {
		t.Errorf("after it was stopped: %+v", v)
	}
	r.call(t, r.anna, "POST", "/v1/experiments/does-it-sell/stop", `{"why":"Again."}`).problem(409)
	r.call(t, r.anna, "GET", "/v1/experiments/nothing/verdict", nil).problem(404)
}

func (r *ruledRetailer) verdict(id string) wire.Verdict {
	r.t.Helper()
	return read[wire.Verdict](r.call(r.t, r.anna, "GET", "/v1/experiments/"+id+"/verdict", nil).wants(200))
}
