package visit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/visit"
)

// TestPublishUnderLoad publishes and takes back rules while answers are made: none fails, and none is made of two versions. Each version lowers
// every price by another percentage, and a shopper's list holds several of them.
func TestPublishUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := ruleTown(w, 8)
	var stop atomic.Bool
	var answers, ruled atomic.Int64
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			for i := 0; !stop.Load(); i++ {
				answer, err := w.visits.Answer(t.Context(), visit.Signal{Key: keys[(n+i)%len(keys)], Arrived: w.now, Limit: 10})
				if err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
				offers := map[string]bool{}
				for k := range answer.Suggestions {
					s := &answer.Suggestions[k]
					switch {
					case s.Ruled != nil && s.Ruled.Offer != nil:
						offers[s.Ruled.Offer.ID] = true
					case s.Price.Known:
						offers[""] = true
					}
				}
				if len(offers) > 1 || answer.Used.Rules == "" && !offers[""] || answer.Used.Rules != "" && offers[""] {
					t.Errorf("one answer, rules %q, has the offers %v", answer.Used.Rules, offers)
					return
				}
				if answer.Used.Rules != "" {
					ruled.Add(1)
				}
			}
		})
	}
	for version := 1; version <= 20; version++ {
		r := rule.Rule{ID: "all", When: `candidate.kind == "product"`, Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: string(rune('a' + version)), PercentOff: float64(version), Neutral: "list"}}}}
		saved, err := w.retailers.SaveRules(t.Context(), "demo", editor, []retailer.Change[rule.Rule]{{ID: r.ID, Value: r}})
		if err != nil || saved[0].Err != nil {
			t.Fatal(err, saved[0].Err)
		}
		if _, _, err := w.retailers.PublishRules(t.Context(), "demo", editor, retailer.Publication{Why: "next"}); err != nil {
			t.Fatal(err)
		}
		if version%4 == 0 {
			if _, _, err := w.retailers.RestoreRules(t.Context(), "demo", editor, 0, "take back"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	stop.Store(true)
	group.Wait()
	if answers.Load() == 0 || ruled.Load() == 0 {
		t.Errorf("%d answers, %d of them with rules: the test is about nothing", answers.Load(), ruled.Load())
	}
}
