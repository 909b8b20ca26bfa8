package visit_test

import (
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/visit"
)

// crossingTown is a rule town with a geofence around the bakery and one rule on entering it.
func crossingTown(t *testing.T, change func(*rule.Rule)) *world {
	t.Helper()
	w := newWorld(t)
	ruleTown(w, 1)
	w.draw("bakery", func(f *geo.Geofence) { f.Tags = []string{"bread"} })
	r := rule.Rule{ID: "croissant", Trigger: rule.Trigger{Kind: rule.OnCrossing, Crossing: "enter", GeofenceTag: "bread"}, When: `candidate.item == "p3" && candidate.price > 1`,
		Then: []rule.Action{{Kind: rule.Pin, Position: 1}, {Kind: rule.Include, Items: []string{"p3"}}, {Kind: rule.Say, Text: map[string]string{"en": "Fresh {candidate.item}"}}}}
	if change != nil {
		change(&r)
	}
	saved, err := w.retailers.SaveRules(t.Context(), "demo", editor, []retailer.Change[rule.Rule]{{ID: r.ID, Value: r}})
	if err != nil || saved[0].Err != nil {
		t.Fatal(err, saved[0].Err)
	}
	if _, _, err := w.retailers.PublishRules(t.Context(), "demo", editor, retailer.Publication{Why: "test"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// enters walks a shopper into the bakery and returns the trigger, and that of a retry of the last call.
func (w *world) enters(key who.Key) (told, again *visit.Trigger) {
	w.t.Helper()
	for _, out := range []float64{0.005, 0.005, 0, 0, 0} {
		w.now = w.now.Add(15 * time.Second)
		point := bakery
		point.Lat += out
		signal := visit.Signal{Key: key, Arrived: w.now, Device: who.Permissions{Location: geo.Precise, Notifications: !w.silent}, Fix: &geo.Fix{Point: point, AccuracyMeters: 6}}
		answer, err := w.visits.Answer(w.t.Context(), signal)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(answer.Triggers) == 1 {
			retried, err := w.visits.Answer(w.t.Context(), signal)
			if err != nil || len(retried.Triggers) != 1 {
				w.t.Fatalf("the retry told %v, %v", retried.Triggers, err)
			}
			return &answer.Triggers[0], &retried.Triggers[0]
		}
	}
	w.t.Fatal("nothing was crossed")
	return nil, nil
}

// TestCrossingSuggests holds that a rule on a crossing makes the trigger suggest something, the same in a retry.
func TestCrossingSuggests(t *testing.T) {
	t.Parallel()
	w := crossingTown(t, nil)
	told, again := w.enters(anna)
	p := told.Proposal
	if p == nil || p.Rule != "croissant" || p.Item != "p3" || p.Text["en"] != "Fresh p3" || len(p.Reasons) == 0 || !p.ValidUntil.After(w.now) || p.Held != rule.Free {
		t.Fatalf("got %+v", p)
	}
	if r := again.Proposal; r == nil || r.Item != p.Item || r.Text["en"] != p.Text["en"] || !r.ValidUntil.Equal(p.ValidUntil) || len(r.Reasons) != len(p.Reasons) {
		t.Errorf("the retry tells %+v, want %+v", r, p)
	}
}

// TestCrossingOnlyKeepsOut holds that a rule which only keeps things out of lists, or moves them down, makes no trigger push what is left.
func TestCrossingOnlyKeepsOut(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]rule.Action{"an exclusion": {Kind: rule.Exclude}, "a cap": {Kind: rule.Cap}, "a bury": {Kind: rule.Bury, Factor: 0.5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := crossingTown(t, func(r *rule.Rule) { r.When, r.Then = `candidate.price > 1`, []rule.Action{action} })
			if action.Kind == rule.Exclude {
				w = crossingTown(t, func(r *rule.Rule) { r.When, r.Then = `candidate.category == "c3/s"`, []rule.Action{action} })
			}
			if told, _ := w.enters(anna); told.Proposal != nil {
				t.Errorf("got %+v", told.Proposal)
			}
		})
	}
}

// TestCrossingIsHeldBack holds what keeps a rule from interrupting, and that it is recorded.
func TestCrossingIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*rule.Rule)
		visits int // before the one that counts
		want   rule.Hold
	}{
		{"in quiet hours", func(r *rule.Rule) { r.Guards.Quiet = rule.Hours{From: "00:00", Until: "23:59"} }, 0, rule.HeldByQuiet},
		{"told today", func(r *rule.Rule) { r.Guards.PerShopperDay = 1 }, 1, rule.HeldByCount},
		{"interrupted often enough", nil, retailer.DefaultInterruptions, rule.HeldByBudget},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := crossingTown(t, c.change)
			for range c.visits {
				if told, _ := w.enters(anna); told.Proposal == nil || told.Proposal.Held != rule.Free {
					t.Fatalf("before: got %+v", told.Proposal)
				}
				w.leaves(anna)
			}
			if told, _ := w.enters(anna); told.Proposal == nil || told.Proposal.Held != c.want || told.Proposal.Item != "" {
				t.Errorf("got %+v, want it held back: %s", told.Proposal, c.want)
			}
		})
	}
}

// TestCrossingIsSilent holds that no rule speaks on a crossing where the device lets the app notify of nothing.
func TestCrossingIsSilent(t *testing.T) {
	t.Parallel()
	w := crossingTown(t, nil)
	w.silent = true
	if told, _ := w.enters(anna); told.Proposal == nil || told.Proposal.Held != rule.HeldByWish || told.Proposal.Item != "" {
		t.Errorf("got %+v, want it held back by wish", told.Proposal)
	}
}

// leaves walks a shopper out of the bakery.
func (w *world) leaves(key who.Key) {
	w.t.Helper()
	for range 8 {
		w.now = w.now.Add(20 * time.Second)
		point := bakery
		point.Lat += 0.01
		if _, err := w.visits.Answer(w.t.Context(), visit.Signal{Key: key, Arrived: w.now, Device: who.Permissions{Location: geo.Precise, Notifications: !w.silent}, Fix: &geo.Fix{Point: point, AccuracyMeters: 6}}); err != nil {
			w.t.Fatal(err)
		}
	}
}
