package visit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/retailer"
)

// Trial asks what a set of rules would do. It is the engine that answers calls, on scenes that were, or that somebody thinks of;
// nothing is written and nobody is told anything.
type Trial struct {
	Retailer string
	Rules    *rule.Set // nil: none
	Against  *rule.Set // what is compared with; nil: none
	Scenes   []TrialScene
	At       time.Time // "now" of every scene; zero: each has its own
	Limit    int       // of each list
	Examples int       // scenes that are told whole, at most MaxExamples
	// Each is given the list of every scene under Rules; nil: nobody wants them.
	Each func(list []recommend.Suggestion)
}

// Bounds of a trial.
const (
	MaxTrialScenes = 10_000
	MaxExamples    = 20
)

// TrialScene is one scene of a trial.
type TrialScene struct {
	Name   string    // of a made-up one; empty: Key is a shopper
	Key    who.Key   // whose moment it was
	At     time.Time // when
	Store  string    // where the shopper was; empty: nowhere
	Basket []string
	List   []string
	Screen string
	Query  string
	Events []who.Event // what somebody made up has done, in place of a shopper
	Grants []who.Purpose
	Card   *who.Card // of somebody made up; nil: none
}

// Trialled is what became of a trial.
type Trialled struct {
	Scenes   int // that were tried
	Changed  int // in which the list, a price or a message is another one
	Shoppers int // of whom anything changed
	Rules    []RuleTried
	Stages   map[string]Reach // by stage of the shopper; "" for those without a history
	// MarginMinor is by how much the margin of a list differs, each suggestion counted by how likely it is taken, over all scenes;
	// only of what has a cost. GivenMinor is what the offers take off, counted likewise.
	MarginMinor, GivenMinor float64
	Examples                []TrialExample
}

// Reach is a number of scenes, and of those that changed.
type Reach struct{ Scenes, Changed int }

// RuleTried is what one rule came to.
type RuleTried struct {
	ID       string
	Matched  int            // scenes in which it held, for the scene or a candidate
	Acted    int            // scenes in which it changed what is shown
	Shoppers int            // in whose scenes it acted
	Outcomes map[string]int // scenes by what it came to; see rule.Outcome, and rule.Hold for those held back
}

// TrialExample is one scene, told whole.
type TrialExample struct {
	Scene         TrialScene // Key is a pseudonym
	Stage         string
	Before, After []recommend.Suggestion
	Says          []recommend.Said
	Withheld      []recommend.Withheld
	Verdicts      []rule.Verdict // of all rules that were asked, each part true or false with its values
}

// Try runs a trial. An unknown store or item is passed over as in a call.
func (v *Visits) Try(ctx context.Context, t Trial) (*Trialled, error) {
	snapshot, err := v.retailers.Of(ctx, t.Retailer)
	if err != nil {
		return nil, err
	}
	with, without := snapshot.Suggest.WithRules(t.Rules), snapshot.Suggest.WithRules(t.Against)
	with.MinorPerUnit, without.MinorPerUnit = snapshot.Suggest.MinorPerUnit, snapshot.Suggest.MinorPerUnit
	run := &trialRun{visits: v, trial: &t, snapshot: snapshot, result: &Trialled{Stages: map[string]Reach{}},
		guards: [2]*tally{newTally(), newTally()}, changed: map[who.Key]bool{}, acted: map[string]map[who.Key]bool{}, rules: map[string]*RuleTried{}}
	for i := range t.Scenes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := run.one(ctx, &t.Scenes[i], without, with); err != nil {
			return nil, err
		}
	}
	run.result.Shoppers = len(run.changed)
	if t.Rules != nil {
		for _, r := range t.Rules.Rules() {
			tried := run.rules[r.ID]
			if tried == nil {
				tried = &RuleTried{ID: r.ID}
			}
			tried.Shoppers = len(run.acted[r.ID])
			run.result.Rules = append(run.result.Rules, *tried)
		}
	}
	return run.result, nil
}

type trialRun struct {
	visits   *Visits
	trial    *Trial
	snapshot *retailer.Snapshot
	result   *Trialled
	guards   [2]*tally // before, after
	changed  map[who.Key]bool
	acted    map[string]map[who.Key]bool
	rules    map[string]*RuleTried
}

// one tries a scene.
func (r *trialRun) one(ctx context.Context, s *TrialScene, without, with *recommend.Snapshot) error {
	at := s.At
	if !r.trial.At.IsZero() {
		at = r.trial.At
	}
	call := scene.Call{Key: s.Key, At: at}
	if store, ok := r.snapshot.Scene.Stores.ByID(s.Store); ok {
		call.Device.Location = geo.Precise
		call.Fix = &geo.Fix{At: at, Point: store.Point}
	}
	// Each list is of a scene of its own: what was read is noted in it.
	open := func() (scene.Scene, error) {
		if s.Name != "" {
			return scene.Imagine(&r.snapshot.Scene, r.snapshot.Names, call, s.Grants, r.known(s.Events), s.Card), nil
		}
		return scene.Open(ctx, r.visits.shoppers, &r.snapshot.Scene, call)
	}
	var lists [2][]recommend.Suggestion
	var records [2]recommend.Record
	want := r.trial.Examples > len(r.result.Examples)
	for i, suggest := range [...]*recommend.Snapshot{without, with} {
		now, err := open()
		if err != nil {
			return fmt.Errorf("open the scene: %w", err)
		}
		guard := r.guards[i].of(s.Key)
		lists[i], records[i] = recommend.Recommend(suggest, &recommend.Request{
			Scene: now, Limit: r.trial.Limit, Basket: numbers(r.snapshot.Names.Items, s.Basket), List: numbers(r.snapshot.Names.Items, s.List),
			Screen: s.Screen, Query: s.Query, Guard: guard, Why: want && i == 1, Glance: true,
		})
		guard.settle(records[i].Acted)
	}
	if r.trial.Each != nil {
		r.trial.Each(lists[1])
	}
	changed := differ(&lists, &records)
	stage := cmp.Or(records[1].Stage, records[0].Stage)
	reach := r.result.Stages[stage]
	reach.Scenes++
	r.result.Scenes++
	if changed {
		reach.Changed++
		r.result.Changed++
		r.changed[s.Key] = true
	}
	r.result.Stages[stage] = reach
	for i, sign := range [...]float64{-1, 1} {
		margin, given := r.worth(lists[i])
		r.result.MarginMinor += sign * margin
		r.result.GivenMinor += sign * given
	}
	r.count(s, &records[1])
	if changed && want {
		example := TrialExample{Scene: *s, Stage: stage, Before: lists[0], After: lists[1], Says: records[1].Says, Withheld: records[1].Withheld, Verdicts: records[1].Verdicts}
		example.Scene.At = at
		if s.Name == "" {
			example.Scene.Key.Shopper = r.visits.shoppers.Pseudonym(s.Key)
		}
		r.result.Examples = append(r.result.Examples, example)
	}
	return nil
}

// known are the events about items and stores that there are: what nobody sells must not get a number.
func (r *trialRun) known(events []who.Event) []who.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e who.Event) bool {
		_, item := r.snapshot.Names.Items.Lookup(e.Item)
		_, store := r.snapshot.Names.Stores.Lookup(e.Store)
		return !item || e.Store != "" && !store
	})
}

// count adds what every rule came to in a scene.
func (r *trialRun) count(s *TrialScene, record *recommend.Record) {
	for traced := range record.Rules.All {
		tried := r.rules[traced.Rule.ID]
		if tried == nil {
			tried = &RuleTried{ID: traced.Rule.ID, Outcomes: map[string]int{}}
			r.rules[traced.Rule.ID] = tried
		}
		tried.Outcomes[cmp.Or(string(traced.Hold), string(traced.Outcome))]++
		if traced.Outcome == rule.Matched {
			tried.Matched++
		}
	}
	for _, acted := range record.Acted {
		r.rules[acted.ID].Acted++
		if r.acted[acted.ID] == nil {
			r.acted[acted.ID] = map[who.Key]bool{}
		}
		r.acted[acted.ID][s.Key] = true
	}
}

// worth is the margin of a list and what its offers take off, in minor units, each suggestion counted by how likely it is taken.
func (r *trialRun) worth(list []recommend.Suggestion) (margin, given float64) {
	for i := range list {
		s := &list[i]
		if s.Kind != recommend.KindProduct || !s.Price.Known {
			continue
		}
		if p := r.snapshot.Suggest.Catalogue.Product(s.Number); p != nil && p.Cost.Known {
			margin += s.Score * float64(s.Price.Minor-p.Cost.Minor)
		}
		if s.Ruled != nil && s.Ruled.Offer != nil {
			given += s.Score * float64(s.Ruled.Was.Minor-s.Price.Minor)
		}
	}
	return margin, given
}

// differ tells whether two answers would show a shopper different things.
func differ(lists *[2][]recommend.Suggestion, records *[2]recommend.Record) bool {
	said := func(s *recommend.Suggestion) map[string]string {
		if s.Ruled == nil || s.Ruled.Said == nil {
			return nil
		}
		return s.Ruled.Said.Text
	}
	return !slices.EqualFunc(lists[0], lists[1], func(a, b recommend.Suggestion) bool {
		return a.Kind == b.Kind && a.Item == b.Item && a.Price == b.Price && maps.Equal(said(&a), said(&b))
	}) || !slices.EqualFunc(records[0].Says, records[1].Says, func(a, b recommend.Said) bool { return maps.Equal(a.Text, b.Text) })
}

// tally is what counts over the scenes of a trial: the limits of rules as in life, from nothing.
type tally struct {
	told   map[who.Key]who.Told
	counts map[string]int64
}

func newTally() *tally { return &tally{map[who.Key]who.Told{}, map[string]int64{}} }

// tallyGuard is the guard of one scene of a trial.
type tallyGuard struct {
	tally *tally
	key   who.Key
	day   uint32
	held  map[string][]string // counters by rule
}

var _ rule.Guard = (*tallyGuard)(nil)

func (t *tally) of(key who.Key) *tallyGuard { return &tallyGuard{tally: t, key: key} }

func (g *tallyGuard) Hold(r *rule.Rule, s *rule.Scene) rule.Hold {
	g.day = dayOf(s)
	limits := &r.Guards
	if limits.PerShopperDay > 0 && g.tally.told[g.key].Times(r.ID, g.day) >= limits.PerShopperDay {
		return rule.HeldByCount
	}
	if limits.BudgetMinor > 0 && g.tally.counts["budget "+r.ID] >= limits.BudgetMinor {
		return rule.HeldByFunds
	}
	day := strconv.FormatUint(uint64(g.day), 10)
	var counters []string
	if limits.PerDay > 0 {
		counter := "day " + day + " " + r.ID
		if g.tally.counts[counter] >= int64(limits.PerDay) {
			return rule.HeldByCount
		}
		counters = append(counters, counter)
	}
	if limits.PerStoreDay > 0 && s.Place.Store != "" {
		counter := "store " + day + " " + s.Place.Store + " " + r.ID
		if g.tally.counts[counter] >= int64(limits.PerStoreDay) {
			return rule.HeldByCount
		}
		counters = append(counters, counter)
	}
	if len(counters) > 0 {
		if g.held == nil {
			g.held = map[string][]string{}
		}
		g.held[r.ID] = counters
	}
	return rule.Free
}

func (g *tallyGuard) Spend(r *rule.Rule, minor int64) bool {
	counter := "budget " + r.ID
	if g.tally.counts[counter]+minor > r.Guards.BudgetMinor {
		return false
	}
	g.tally.counts[counter] += minor
	return true
}

// settle counts the rules that acted.
func (g *tallyGuard) settle(acted []*rule.Rule) {
	for _, r := range acted {
		if r.Guards.PerShopperDay > 0 {
			g.tally.told[g.key] = g.tally.told[g.key].With(g.day, r.ID)
		}
		for _, counter := range g.held[r.ID] {
			g.tally.counts[counter]++
		}
	}
}

// dayOf is the date of a scene by the clock of the store, as 20261127.
func dayOf(s *rule.Scene) uint32 {
	return uint32(s.Moment.Year*10_000 + s.Moment.Month*100 + s.Moment.Day)
}

// PastMoments finds up to limit moments since an instant at which shoppers really shopped, of shoppers who allow that their
// history is used: a minute before each of their baskets, where it was bought. The shoppers are a fair sample, the same one at each call.
func (v *Visits) PastMoments(ctx context.Context, retailer string, since, until time.Time, limit int) ([]TrialScene, error) {
	snapshot, err := v.retailers.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	var found []TrialScene
	err = v.shoppers.Sample(ctx, retailer, func(key who.Key) (more bool, err error) {
		shopper, err := v.shoppers.Shopper(ctx, key)
		if errors.Is(err, who.ErrUnknown) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		now, err := scene.Open(ctx, v.shoppers, &snapshot.Scene, scene.Call{Key: shopper.Key(), At: until})
		if err != nil {
			return false, err
		}
		view, ok := who.Access(who.Loyalty, now.Shopper)
		if !ok {
			return true, nil
		}
		baskets := view.History().Baskets
		taken := 0
		for i := len(baskets) - 1; i >= 0 && taken < perShopper && len(found) < limit; i-- {
			at := time.Unix(int64(baskets[i].At), 0).UTC()
			if at.Before(since) {
				break
			}
			if at.After(until) {
				continue
			}
			s := TrialScene{Key: key, At: at.Add(-time.Minute)}
			if baskets[i].Store != 0 {
				s.Store = snapshot.Names.Stores.Name(baskets[i].Store)
			}
			found, taken = append(found, s), taken+1
		}
		return len(found) < limit, nil
	})
	slices.SortStableFunc(found, func(a, b TrialScene) int { return a.At.Compare(b.At) })
	return found, err
}

// perShopper bounds the moments of one shopper in a sample: many shoppers tell more than much of a few.
const perShopper = 4
