package retailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/recommend"
	"satnav/recommend/experiment"
	"satnav/recommend/rule"
	"satnav/server/store"
)

// ExperimentState is how far an experiment has come.
type ExperimentState string

const (
	DraftExperiment   ExperimentState = "draft"
	RunningExperiment ExperimentState = "running"
	StoppedExperiment ExperimentState = "stopped"
)

// Experiment is an experiment of a retailer, as it is kept.
type Experiment struct {
	experiment.Experiment
	State   ExperimentState `json:"state"`
	Started time.Time       `json:"started,omitzero"`
	Stopped time.Time       `json:"stopped,omitzero"`
	Why     string          `json:"why,omitempty"` // it was started or stopped
	// Rules is the version of the live rules when it was started: arms that name a version of their own hold only as long as
	// that is live, so that taking rules back takes back these as well.
	Rules int64 `json:"rules,omitempty"`
	// Pinned are the rules of the versions that arms name, by version.
	Pinned map[string][]rule.Rule `json:"pinned,omitempty"`
}

// Running is an experiment that answers are made under. It is immutable.
type Running struct {
	*experiment.Experiment
	Since time.Time
	Sides []Side // of its arms, in their order
	// OfRules: the arms differ in which of the live rules act, and in nothing else.
	OfRules bool
}

// Side is what an arm changes.
type Side struct {
	Arm     *experiment.Arm
	None    bool                // no rule acts
	Without map[string]bool     // rules that do not act
	Rules   *rule.Set           // in place of the live rules; nil: the live ones
	Suggest *recommend.Snapshot // with another model; nil: the live one
}

// Masks tells whether a rule does not act on this side.
func (s *Side) Masks(id string) bool { return s.None || s.Without[id] }

// DefaultHoldout is the share of shoppers who are held out where the retailer says nothing.
const DefaultHoldout = 0.05

// HoldoutShare is the share of shoppers for whom rules, offers and experiments do nothing.
func (s Settings) HoldoutShare() float64 {
	if s.Holdout == nil {
		return DefaultHoldout
	}
	return *s.Holdout
}

// takeExperiment takes in an experiment as it is kept.
func (p *picture) takeExperiment(e store.Entry) error {
	delete(p.experiments, e.ID)
	if e.Deleted {
		return nil
	}
	kept := new(Experiment)
	if err := json.Unmarshal(e.Body, kept); err != nil {
		return err
	}
	if kept.State == RunningExperiment {
		p.experiments[e.ID] = kept
	}
	return nil
}

// compileExperiments makes the running experiments anew: the holdout first, then those of single rules, then the others in
// order of id. One that cannot be used is left out and reported: its shoppers are served as everybody else.
func (p *picture) compileExperiments(errs *[]error) {
	p.running = nil
	if p.rules == nil && len(p.experiments) == 0 {
		return
	}
	if share := p.settings.HoldoutShare(); share > 0 {
		p.running = append(p.running, p.run(experiment.HoldoutOf(share), time.Time{}))
	}
	if p.rules != nil {
		for _, r := range p.rules.Rules() {
			if r.Guards.Holdout > 0 {
				p.running = append(p.running, p.run(experiment.RuleHoldoutOf(r.ID, r.Guards.Holdout), time.Time{}))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.experiments)) {
		kept := p.experiments[id]
		if len(kept.Pinned) > 0 && kept.Rules != p.ruleVersion {
			continue
		}
		running := p.run(&kept.Experiment, kept.Started)
		failed := false
		for i := range running.Sides {
			pinned, ok := kept.Pinned[running.Sides[i].Arm.Rules]
			if !ok {
				continue
			}
			set, err := rule.NewSet(running.Sides[i].Arm.Rules, pinned, rule.House{FloorMargin: p.settings.FloorMargin, Offers: p.catalogued})
			if err != nil {
				*errs = append(*errs, fmt.Errorf("experiment %q, arm %q: %w", id, running.Sides[i].Arm.ID, err))
				failed = true
			}
			running.Sides[i].Rules = set
		}
		if !failed {
			p.running = append(p.running, running)
		}
	}
}

func (p *picture) run(e *experiment.Experiment, since time.Time) *Running {
	r := &Running{Experiment: e, Since: since, Sides: make([]Side, len(e.Arms)), OfRules: true}
	for i := range e.Arms {
		a := &e.Arms[i]
		side := Side{Arm: a, None: a.Rules == "none"}
		if len(a.Without) > 0 {
			side.Without = map[string]bool{}
			for _, id := range a.Without {
				side.Without[id] = true
			}
		}
		r.Sides[i] = side
		r.OfRules = r.OfRules && (side.None || a.Rules == "" || a.Rules == "live") && (a.Model == "" || a.Model == "live") && a.Parameters == experiment.Parameters{}
	}
	return r
}

// withModels are the running experiments, the snapshots of other models made for those whose arms name one.
func (p *picture) withModels(suggest *recommend.Snapshot) []*Running {
	var builtIn *recommend.Snapshot
	all := slices.Clone(p.running)
	for i, r := range all {
		if !slices.ContainsFunc(r.Sides, func(s Side) bool { return s.Arm.Model == "built-in" }) {
			continue
		}
		if builtIn == nil {
			builtIn = suggest.With(suggest.Crowd, nil)
		}
		next := *r
		next.Sides = slices.Clone(r.Sides)
		for n := range next.Sides {
			if next.Sides[n].Arm.Model == "built-in" {
				next.Sides[n].Suggest = builtIn
			}
		}
		all[i] = &next
	}
	return all
}

// Running finds a running experiment by its id, the holdouts among them; nil: it does not run.
func (s *Snapshot) Running(id string) *Running {
	for _, r := range s.Experiments {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Errors of the life of an experiment, with what to do in their texts.
var (
	ErrRunning    = errors.New("the experiment runs: stop it first, for shoppers would change sides")
	ErrNotRunning = errors.New("the experiment does not run")
	ErrStopped    = errors.New("the experiment was stopped: write another one, for what was measured belongs to this one")
)

// SaveExperiments changes drafts of experiments. Saved.Err is *Invalid, ErrRunning or ErrStopped where one cannot be.
func (r *Retailers) SaveExperiments(ctx context.Context, retailer string, by Editor, changes []Change[experiment.Experiment]) ([]Saved, error) {
	return save(ctx, r, retailer, store.ExperimentEntry, by, changes, func(c *Change[experiment.Experiment]) ([]byte, error) {
		now, err := r.Experiment(ctx, retailer, c.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		case now.State == RunningExperiment:
			return nil, ErrRunning
		case now.State == StoppedExperiment && !c.Delete:
			return nil, ErrStopped
		}
		if c.Delete {
			return nil, nil
		}
		c.Value.ID = c.ID
		var faults []Fault
		for _, p := range c.Value.Check() {
			faults = append(faults, Fault{p.Pointer, p.Text})
		}
		if len(faults) > 0 {
			return nil, invalid(faults)
		}
		return json.Marshal(Experiment{Experiment: c.Value, State: DraftExperiment})
	})
}

// Experiment is one experiment as it is kept, or store.ErrNotFound. The holdouts are there whenever they run.
func (r *Retailers) Experiment(ctx context.Context, retailer, id string) (Experiment, error) {
	if id == experiment.Holdout || strings.HasPrefix(id, experiment.RulePrefix) {
		snapshot, err := r.Of(ctx, retailer)
		if err != nil {
			return Experiment{}, err
		}
		running := snapshot.Running(id)
		if running == nil {
			return Experiment{}, store.ErrNotFound
		}
		return Experiment{Experiment: *running.Experiment, State: RunningExperiment}, nil
	}
	e, err := r.entries.Get(ctx, retailer, store.ExperimentEntry, id)
	if err != nil {
		return Experiment{}, err
	}
	var kept Experiment
	return kept, json.Unmarshal(e.Body, &kept)
}

// StartExperiment lets shoppers in. From then on it stays as it is until it is stopped.
func (r *Retailers) StartExperiment(ctx context.Context, retailer string, by Editor, id, why string) (Experiment, store.Entry, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return Experiment{}, store.Entry{}, err
	}
	return r.moveExperiment(ctx, retailer, by, id, func(e *Experiment) error {
		switch e.State {
		case RunningExperiment:
			return ErrRunning
		case StoppedExperiment:
			return ErrStopped
		}
		live, current, err := r.Live(ctx, retailer)
		if err != nil {
			return err
		}
		var faults []Fault
		for i := range e.Arms {
			a := &e.Arms[i]
			if number, err := strconv.ParseInt(strings.TrimPrefix(a.Rules, "v"), 10, 64); err == nil && a.Rules != "" {
				set, was, err := r.RuleVersion(ctx, retailer, number)
				other := ""
				if err == nil {
					other, err = r.otherOffer(ctx, retailer, set.Rules, was.At)
				}
				if other != "" {
					faults = append(faults, Fault{fmt.Sprintf("/arms/%d/rules", i), fmt.Sprintf("got %q, which names offer %q: it is another one since, and prices take a second person", a.Rules, other)})
				}
				if errors.Is(err, store.ErrNotFound) {
					faults = append(faults, Fault{fmt.Sprintf("/arms/%d/rules", i), fmt.Sprintf("got %q, which was never live: an arm names a version that was published", a.Rules)})
				} else if err != nil {
					return err
				}
				if e.Pinned == nil {
					e.Pinned = map[string][]rule.Rule{}
				}
				e.Pinned[a.Rules] = append([]rule.Rule{}, set.Rules...)
			}
			for n, id := range a.Without {
				if !slices.ContainsFunc(live.Rules, func(r rule.Rule) bool { return r.ID == id }) {
					faults = append(faults, Fault{fmt.Sprintf("/arms/%d/without/%d", i, n), fmt.Sprintf("rule %.80q is not live: publish it first, or leave it out", id)})
				}
			}
		}
		for _, other := range snapshot.Experiments {
			if e.Overlaps(other.Experiment) {
				faults = append(faults, Fault{"/namespace", fmt.Sprintf("experiment %q runs on the same part of %q: choose from and to beside it, or stop it", other.ID, e.Namespace)})
			}
			if e.sharesWith(other.Experiment) {
				faults = append(faults, Fault{"/arms", fmt.Sprintf("experiment %q runs with rules, a model or parameters of its own, too: put both into one namespace with parts that do not overlap", other.ID)})
			}
		}
		if len(faults) > 0 {
			return invalid(faults)
		}
		e.State, e.Started, e.Why, e.Rules = RunningExperiment, r.now().UTC().Truncate(time.Millisecond), why, current.Version
		return nil
	})
}

// sharesWith tells whether both experiments set something whole (a version of rules, a model, parameters) for shoppers who
// may be in both: one of them would win, and its arms would no longer be what they say. Leaving out rules goes together.
func (e *Experiment) sharesWith(other *experiment.Experiment) bool {
	whole := func(x *experiment.Experiment) bool {
		return slices.ContainsFunc(x.Arms, func(a experiment.Arm) bool {
			return strings.HasPrefix(a.Rules, "v") || a.Model == "built-in" || a.Parameters != experiment.Parameters{}
		})
	}
	return (e.Namespace == "" || e.Namespace != other.Namespace) && whole(&e.Experiment) && whole(other)
}

// StopExperiment serves everybody alike again. What was measured stays.
func (r *Retailers) StopExperiment(ctx context.Context, retailer string, by Editor, id, why string) (Experiment, store.Entry, error) {
	return r.moveExperiment(ctx, retailer, by, id, func(e *Experiment) error {
		if e.State != RunningExperiment {
			return ErrNotRunning
		}
		e.State, e.Stopped, e.Why = StoppedExperiment, r.now().UTC().Truncate(time.Millisecond), why
		return nil
	})
}

// moveExperiment changes the state of an experiment, unless somebody else did at the same time.
func (r *Retailers) moveExperiment(ctx context.Context, retailer string, by Editor, id string, move func(*Experiment) error) (Experiment, store.Entry, error) {
	e, err := r.entries.Get(ctx, retailer, store.ExperimentEntry, id)
	if err != nil {
		return Experiment{}, store.Entry{}, err
	}
	var kept Experiment
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return Experiment{}, store.Entry{}, err
	}
	if err := move(&kept); err != nil {
		return kept, store.Entry{}, err
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return kept, store.Entry{}, err
	}
	if len(body) > maxRuleSetBytes {
		return kept, store.Entry{}, invalid([]Fault{{"/arms", fmt.Sprintf("the rules of its arms take %d bytes, want at most %d: name fewer versions", len(body), maxRuleSetBytes)}})
	}
	saved, err := save(ctx, r, retailer, store.ExperimentEntry, by, []Change[Experiment]{{ID: id, Expect: &e.Version}}, func(*Change[Experiment]) ([]byte, error) { return body, nil })
	if err == nil {
		err = saved[0].Err
	}
	if err != nil {
		return kept, store.Entry{}, fmt.Errorf("experiment %q: %w", id, err)
	}
	return kept, saved[0].Entry(), nil
}
