package visit_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/experiment"
	"satnav/recommend/rule"
	"satnav/server/outcome"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

// treat is a rule that matters in some scenes only: it takes a tenth off one category, for those who came more than twice.
var treat = rule.Rule{ID: "treat", Uses: []who.Purpose{who.Loyalty}, When: `shopper.orders > 2 && candidate.category.startsWith("c1/")`,
	Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: "treat", PercentOff: 10, Neutral: "The list price."}}}}

// publish makes rules live.
func (w *world) publish(rules ...rule.Rule) {
	w.t.Helper()
	for _, r := range rules {
		saved, err := w.retailers.SaveRules(w.t.Context(), "demo", editor, []retailer.Change[rule.Rule]{{ID: r.ID, Value: r}})
		if err != nil || saved[0].Err != nil {
			w.t.Fatal(err, saved[0].Err)
		}
	}
	if _, _, err := w.retailers.PublishRules(w.t.Context(), "demo", editor, retailer.Publication{Why: "next"}); err != nil {
		w.t.Fatal(err)
	}
}

// start lets an experiment begin.
func (w *world) start(e experiment.Experiment) {
	w.t.Helper()
	saved, err := w.retailers.SaveExperiments(w.t.Context(), "demo", editor, []retailer.Change[experiment.Experiment]{{ID: e.ID, Value: e}})
	if err != nil || saved[0].Err != nil {
		w.t.Fatal(err, saved[0].Err)
	}
	if _, _, err := w.retailers.StartExperiment(w.t.Context(), "demo", editor, e.ID, "to know"); err != nil {
		w.t.Fatal(err)
	}
}

// asked is a plain call of a shopper: the arms that it names, and whether the treat was offered.
func (w *world) asked(key who.Key) (arms map[string]string, offered bool) {
	w.t.Helper()
	answer, err := w.visits.Answer(w.t.Context(), visit.Signal{Key: key, Arrived: w.now, Limit: 10})
	if err != nil {
		w.t.Fatal(err)
	}
	arms = map[string]string{}
	for _, arm := range answer.Used.Arms {
		arms[arm.Experiment] = arm.Arm
	}
	for i := range answer.Suggestions {
		if r := answer.Suggestions[i].Ruled; r != nil && r.Offer != nil && r.Offer.ID == "treat" {
			offered = true
		}
	}
	return arms, offered
}

// TestExposure holds that a shopper counts for an experiment exactly when another arm would have answered differently, whichever
// arm they are on, and stays on it. The twin is a trial of the rules on the same scene.
func TestExposure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := ruleTown(w, 120)
	w.publish(treat)
	live, err := w.retailers.RulesNamed(t.Context(), "demo", "live")
	if err != nil {
		t.Fatal(err)
	}
	matters := map[who.Key]bool{}
	for _, key := range keys {
		tried, err := w.visits.Try(t.Context(), visit.Trial{Retailer: "demo", Rules: live, Limit: 10, Scenes: []visit.TrialScene{{Key: key, At: w.now}}})
		if err != nil {
			t.Fatal(err)
		}
		matters[key] = tried.Changed > 0
	}
	w.start(experiment.Experiment{ID: "does-it-sell", Metric: experiment.Conversion, Arms: []experiment.Arm{{ID: "without", Without: []string{"treat"}}, {ID: "with"}}})
	counts := map[string]int{}
	for _, key := range keys {
		arms, offered := w.asked(key)
		arm, exposed := arms["does-it-sell"]
		if exposed != matters[key] || offered != (arm == "with") {
			t.Errorf("%s: arms %v, offered %t; another arm would matter: %t", key.Shopper, arms, offered, matters[key])
		}
		counts[arm]++
		if again, offer := w.asked(key); again["does-it-sell"] != arm || offer != offered {
			t.Errorf("%s: first %q, then %v", key.Shopper, arm, again)
		}
	}
	if counts["without"] < 10 || counts["with"] < 10 || counts[""] < 10 {
		t.Errorf("the test shows nothing: %v", counts)
	}
	// It runs on the live rules: taking them back takes it back.
	if _, _, err := w.retailers.RestoreRules(t.Context(), "demo", editor, 0, "enough"); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, offered := w.asked(key); offered {
			t.Errorf("%s is still offered something", key.Shopper)
		}
	}
}

// TestHoldout holds that rules do nothing for those who are held out, from all rules or from one, and that each side is told.
func TestHoldout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := ruleTown(w, 120)
	share := 0.3
	if _, err := w.retailers.SaveSettings(t.Context(), "demo", editor, retailer.Change[retailer.Settings]{Value: retailer.Settings{Currency: "EUR", Approve: []rule.Class{}, Holdout: &share}}); err != nil {
		t.Fatal(err)
	}
	held := treat
	held.Guards.Holdout = 0.5
	w.publish(held)
	counts := map[string]int{}
	for _, key := range keys {
		arms, offered := w.asked(key)
		all, one := arms["holdout"], arms["rule:treat"]
		counts[all+"/"+one]++
		if offered && (all == experiment.HeldOut || one == experiment.HeldOut) {
			t.Errorf("%s is held out (%v) and offered something", key.Shopper, arms)
		}
		if all == experiment.HeldOut && one != "" {
			t.Errorf("%s is held out from experiments and in one: %v", key.Shopper, arms)
		}
		if one == experiment.Served && !offered {
			t.Errorf("%s counts as served and was offered nothing", key.Shopper)
		}
	}
	if counts["held-out/"] < 5 || counts["served/served"] < 5 || counts["served/held-out"]+counts["/held-out"] < 5 {
		t.Errorf("the test shows nothing: %v", counts)
	}
}

// TestGuardStops holds that an experiment which makes shoppers dismiss what they see stops by itself, and that everybody is served
// alike from then on.
func TestGuardStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := ruleTown(w, 300)
	w.publish(rule.Rule{ID: "treat", When: `candidate.kind == "product"`, Then: treat.Then})
	w.start(experiment.Experiment{ID: "does-it-harm", Metric: experiment.Orders, Planned: 300, Guards: []experiment.Guard{{Metric: experiment.Dismissal, Worse: 0.1}, {Metric: experiment.Latency, Worse: 10}},
		Arms: []experiment.Arm{{ID: "without", Rules: "none"}, {ID: "with"}}})
	outcomes := outcome.New(w.shoppers, w.retailers, store.NewTallies(w.documents), func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	w.visits.Time(outcomes.Answered)
	snapshot, err := w.retailers.Of(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		arms, _ := w.asked(key)
		if arms["does-it-harm"] == "with" && i%2 == 0 || i%20 == 0 {
			event := who.Event{ID: fmt.Sprint("no", i), Kind: who.Dismissed, Item: "p1", At: w.now.Add(time.Minute)}
			if _, err := w.shoppers.Record(t.Context(), key, w.now, snapshot.Scene.Defaults, []who.Event{event}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.now = w.now.Add(time.Hour)
	if err := outcomes.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged, err := outcomes.Verdict(t.Context(), "demo", "does-it-harm")
	if err != nil {
		t.Fatal(err)
	}
	if v := judged.Verdict; v.State != experiment.Harmful || v.Broke != experiment.Dismissal || v.Exposed != len(keys) {
		t.Fatalf("got %s: %s (%d exposed)", v.State, v.Text, v.Exposed)
	}
	if took := judged.Verdict.Differences[2]; took.Metric != experiment.Latency || !took.Known || took.First <= 0 || took.Value <= 0 {
		t.Errorf("how long answers took: got %+v", took)
	}
	if err := outcomes.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := w.retailers.Experiment(t.Context(), "demo", "does-it-harm")
	if err != nil || kept.State != retailer.StoppedExperiment || kept.Why != judged.Verdict.Text {
		t.Errorf("got %+v, %v", kept, err)
	}
	for _, key := range keys[:20] {
		if arms, offered := w.asked(key); len(arms) > 0 || !offered {
			t.Errorf("%s after the stop: arms %v, offered %t", key.Shopper, arms, offered)
		}
	}
}
