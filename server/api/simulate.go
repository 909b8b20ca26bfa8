package api

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/recommend/experiment"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/money"
	"satnav/server/visit"
)

// defaultExamples is how many scenes are told whole when a call does not say.
const defaultExamples = 3

// SimulateRules tells what rules would do.
func (a *API) SimulateRules(c *fiber.Ctx) error {
	var in wire.RuleSimulation
	if err := a.decode(c, &in); err != nil {
		return err
	}
	id, now := caller(c).Retailer, a.Now()
	trial := visit.Trial{Retailer: id, At: in.At, Limit: cmp.Or(in.Limit, defaultLimit), Examples: cmp.Or(in.Examples, defaultExamples)}
	var err error
	if len(in.Given) > 0 {
		given := make([]rule.Rule, len(in.Given))
		for i := range in.Given {
			if given[i], err = ruleOf(&in.Given[i]); err != nil {
				return err
			}
			given[i].ID = cmp.Or(given[i].ID, fmt.Sprintf("given-%d", i))
		}
		trial.Rules, err = a.Retailers.Compile(c.UserContext(), id, given)
	} else {
		trial.Rules, err = a.Retailers.RulesNamed(c.UserContext(), id, cmp.Or(in.Rules, "drafts"))
	}
	if err != nil {
		return ruleProblem(err)
	}
	if trial.Against, err = a.Retailers.RulesNamed(c.UserContext(), id, cmp.Or(in.Against, "live")); err != nil {
		return ruleProblem(err)
	}
	if in.Past.Scenes > 0 {
		until := in.Past.Until
		if until.IsZero() {
			until = now
		}
		since := in.Past.Since
		if since.IsZero() {
			since = until.AddDate(0, -1, 0)
		}
		if trial.Scenes, err = a.Visits.PastMoments(c.UserContext(), id, since, until, in.Past.Scenes); err != nil {
			return err
		}
	}
	for i := range in.Imagined {
		trial.Scenes = append(trial.Scenes, imagined(&in.Imagined[i], id, in.At, now))
	}
	tried, err := a.Visits.Try(c.UserContext(), trial)
	if err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), id)
	if err != nil {
		return err
	}
	return encode(c, simulatedFrom(tried, wordsFor("", snapshot)))
}

// EstimateRules tells what rules would have sold, by what was left to chance.
func (a *API) EstimateRules(c *fiber.Ctx, params wire.EstimateRulesParams) error {
	id, now := caller(c).Retailer, a.Now()
	rules, err := a.Retailers.RulesNamed(c.UserContext(), id, cmp.Or(params.Rules, "drafts"))
	if err != nil {
		return ruleProblem(err)
	}
	looked, err := a.Visits.Look(c.UserContext(), visit.Looking{Retailer: id, Rules: rules, Since: now.AddDate(0, 0, -cmp.Or(params.Days, 30)), Until: now,
		Within: time.Duration(cmp.Or(params.WithinDays, 7)) * 24 * time.Hour, Most: visit.MaxLooked})
	if err != nil {
		return err
	}
	return encode(c, wire.RuleEstimate{Answers: looked.Answers, Met: looked.Met, Bought: looked.Reward, Snips: estimatedFrom(looked.SNIPS), DoublyRobust: estimatedFrom(looked.Robust)})
}

func estimatedFrom(e experiment.Estimate) wire.RuleEstimated {
	return wire.RuleEstimated{Value: e.Value, Low: e.Low, High: e.High, Effective: e.Effective}
}

// imagined is a scene that somebody made up.
func imagined(in *wire.ImaginedScene, retailer string, at, now time.Time) visit.TrialScene {
	if at.IsZero() {
		at = now
	}
	s := visit.TrialScene{Name: in.Name, Key: who.Key{Retailer: retailer, Shopper: "imagined " + in.Name}, At: at, Store: in.Store,
		Basket: in.Basket, List: in.List, Screen: in.Screen, Query: in.Query}
	for _, purpose := range in.Grants {
		s.Grants = append(s.Grants, who.Purpose(purpose))
	}
	for i, bought := range in.Bought {
		for k := range max(bought.Times, 1) {
			days := bought.DaysAgo + k*cmp.Or(bought.EveryDays, 7)
			s.Events = append(s.Events, who.Event{ID: fmt.Sprint(i, ".", k), Kind: who.Purchased, Item: bought.Item, Store: bought.Store, At: at.AddDate(0, 0, -days).Add(-time.Minute)})
		}
	}
	if card := cardOf(&in.Card); card.Tier != "" || card.Counts || len(card.Segments) > 0 {
		card.At = time.Time{} // it has had it ever since
		s.Card = &card
	}
	return s
}

// simulatedFrom tells a trial in the words of the contract.
func simulatedFrom(tried *visit.Trialled, words words) wire.RuleSimulated {
	amount := func(minor float64) string {
		return money.Format(who.Money{Minor: int64(math.Round(minor)), Known: true}, words.exponent)
	}
	out := wire.RuleSimulated{
		Scenes: tried.Scenes, Changed: tried.Changed, Shoppers: tried.Shoppers, Margin: amount(tried.MarginMinor), Given: amount(tried.GivenMinor),
		Stages: []wire.SimulatedStage{}, Rules: []wire.SimulatedRule{}, Examples: []wire.SimulatedScene{},
	}
	for _, stage := range slices.Sorted(maps.Keys(tried.Stages)) {
		out.Stages = append(out.Stages, wire.SimulatedStage{Stage: stage, Scenes: tried.Stages[stage].Scenes, Changed: tried.Stages[stage].Changed})
	}
	for _, r := range tried.Rules {
		outcomes := r.Outcomes
		if outcomes == nil {
			outcomes = map[string]int{}
		}
		out.Rules = append(out.Rules, wire.SimulatedRule{ID: r.ID, Matched: r.Matched, Acted: r.Acted, Shoppers: r.Shoppers, Outcomes: outcomes})
	}
	for i := range tried.Examples {
		e := &tried.Examples[i]
		told := wire.SimulatedScene{Name: e.Scene.Name, At: e.Scene.At, Store: e.Scene.Store, Stage: e.Stage,
			Before: suggestionsFrom(e.Before, words), After: suggestionsFrom(e.After, words), Messages: messagesFrom(e.Says, words), Rules: verdictsFrom(e.Verdicts)}
		if e.Scene.Name == "" {
			told.Shopper = e.Scene.Key.Shopper
		}
		for _, w := range e.Withheld {
			told.Withheld = append(told.Withheld, wire.SimulatedWithheld{Item: w.Item, Rule: w.Rule.ID, By: string(w.By)})
		}
		out.Examples = append(out.Examples, told)
	}
	return out
}

func verdictsFrom(verdicts []rule.Verdict) []wire.RuleVerdict {
	out := []wire.RuleVerdict{}
	for _, v := range verdicts {
		told := wire.RuleVerdict{ID: v.Rule.ID, Outcome: string(v.Outcome), Hold: string(v.Hold), Parts: []wire.RulePart{}}
		for _, p := range v.Parts {
			told.Parts = append(told.Parts, wire.RulePart{Text: p.Text, Holds: p.Holds, Fault: p.Fault, Values: p.Values})
		}
		out = append(out, told)
	}
	return out
}
