// Package experiment tells what a change did: which shopper is on which side, and what the sides differ in.
//
// It exists so that a product team may look at an experiment whenever it likes and is not fooled. All intervals
// are always valid: however often somebody looks, and whenever they stop, at most one experiment in twenty that
// changes nothing is called a difference. A split that came out otherwise than it was planned blocks the verdict.
//
// Everything is pure: who was exposed and what they did comes in, a verdict in plain words goes out. Decided
// against: a test with a length fixed before (everybody looks early, and then it is wrong up to one time in
// three), and a chance to be best (it says nothing of how often it is wrong).
package experiment

import (
	"fmt"
	"regexp"
	"slices"
)

// Experiment compares arms. Its JSON is what the API takes and gives, and what is kept.
type Experiment struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Purpose string `json:"purpose,omitempty"` // what is to be learnt, in a sentence
	// Namespace keeps experiments apart: a shopper is in at most one experiment of a namespace whose parts do
	// not overlap. Empty: one of its own.
	Namespace string  `json:"namespace,omitempty"`
	From      float64 `json:"from,omitempty"` // the part of its namespace that it takes, from 0
	To        float64 `json:"to,omitempty"`   // to 1, which 0 stands for
	Arms      []Arm   `json:"arms"`           // the others are compared with the first
	Metric    Metric  `json:"metric"`         // that decides
	Guards    []Guard `json:"guards,omitempty"`
	// Smallest is the relative difference that is worth knowing, 0.05 for one of 5 %; 0 stands for DefaultSmallest.
	Smallest float64 `json:"smallest,omitempty"`
	// Planned is how many exposed shoppers, of all arms together, the experiment is made for: there its intervals are
	// tightest, and they hold everywhere. 0 stands for DefaultPlanned; see Plan.Needed.
	Planned int `json:"planned,omitempty"`
	// WithinDays counts of each shopper only what happened so many days after the exposure; 0: all.
	WithinDays int `json:"within_days,omitempty"`
}

// Arm is one side of an experiment. What it does not name is as it is live.
type Arm struct {
	ID     string `json:"id"`
	Weight int    `json:"weight,omitempty"` // shoppers go by the weights; 0 stands for 1
	// Rules is which set of rules holds: "live", which empty stands for, "none", or a version such as "v41".
	Rules   string   `json:"rules,omitempty"`
	Without []string `json:"without,omitempty"` // rules that do nothing here
	Model   string   `json:"model,omitempty"`   // "live", which empty stands for, or "built-in"
	// Parameters of the answer; the zero value leaves each as it is.
	Parameters Parameters `json:"parameters,omitzero"`
}

// Parameters are numbers of an answer that an arm may set.
type Parameters struct {
	Limit            int   `json:"limit,omitempty"`             // at most so many suggestions, 1 to 100
	Explore          *bool `json:"explore,omitempty"`           // false: nothing is tried out
	InterruptionsDay int   `json:"interruptions_day,omitempty"` // how often a day a shopper may be spoken to unasked
}

// Guard stops an experiment when a metric gets worse on any arm than on the first.
type Guard struct {
	Metric Metric `json:"metric"`
	// Worse is by how much it may get worse, relative to the first arm: 0.1 for a tenth. 0: not at all, as far as can be told.
	Worse float64 `json:"worse,omitempty"`
}

// Bounds of an experiment.
const (
	MaxArms         = 8
	MaxGuards       = 8
	MaxWeight       = 1_000
	DefaultSmallest = 0.05
	DefaultPlanned  = 10_000
)

// Holdout is the id of the experiment that every retailer has: a small part of the shoppers is served without rules,
// offers and experiments, so that what all of them do together can be told.
const Holdout = "holdout"

// Sides of the Holdout.
const (
	HeldOut = "held-out"
	Served  = "served"
)

// HoldoutOf is the Holdout with a share of shoppers, from 0 to 0.5.
func HoldoutOf(share float64) *Experiment {
	held := int(share*MaxWeight + 0.5)
	return &Experiment{ID: Holdout, Name: "Holdout", Purpose: "What rules, offers and experiments do together.", Metric: Conversion,
		Arms: []Arm{{ID: HeldOut, Weight: held, Rules: "none"}, {ID: Served, Weight: MaxWeight - held}}}
}

// RulePrefix begins the ids of experiments that a rule's own holdout makes; no other id can.
const RulePrefix = "rule:"

// RuleHoldoutOf is the experiment that holds one rule out from a share of shoppers, from 0 to 0.5.
func RuleHoldoutOf(rule string, share float64) *Experiment {
	held := int(share*MaxWeight + 0.5)
	return &Experiment{ID: RulePrefix + rule, Name: rule, Purpose: "What the rule does.", Metric: Conversion,
		Arms: []Arm{{ID: HeldOut, Weight: held, Without: []string{rule}}, {ID: Served, Weight: MaxWeight - held}}}
}

// Problem is something that is wrong with an experiment.
type Problem struct {
	Pointer string // JSON pointer
	Text    string // what was found and what would be right
}

var wellNamed = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Check tells everything that is wrong.
func (e *Experiment) Check() (problems []Problem) {
	say := func(pointer, format string, args ...any) {
		problems = append(problems, Problem{pointer, fmt.Sprintf(format, args...)})
	}
	if !wellNamed.MatchString(e.ID) {
		say("/id", "got %.80q, want 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit", e.ID)
	}
	if e.ID == Holdout {
		say("/id", "%q is the experiment that every retailer has: want another id; its share is a setting of the retailer", e.ID)
	}
	if e.Namespace != "" && !wellNamed.MatchString(e.Namespace) {
		say("/namespace", "got %.80q, want 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit", e.Namespace)
	}
	if !(e.From >= 0 && e.From < e.end() && e.end() <= 1) {
		say("/from", "got the part from %v to %v, want one from 0 to 1 that is not empty", e.From, e.end())
	}
	if len(e.Arms) < 2 || len(e.Arms) > MaxArms {
		say("/arms", "got %d arms, want 2 to %d", len(e.Arms), MaxArms)
	}
	seen := map[string]bool{}
	for i := range e.Arms {
		a, at := &e.Arms[i], fmt.Sprintf("/arms/%d", i)
		if !wellNamed.MatchString(a.ID) || seen[a.ID] {
			say(at+"/id", "got %.80q, want 1 to 64 letters, digits, '.', '_' or '-' that no other arm has", a.ID)
		}
		seen[a.ID] = true
		if a.Weight < 0 || a.Weight > MaxWeight {
			say(at+"/weight", "got %d, want 1 to %d", a.Weight, MaxWeight)
		}
		if a.Rules != "" && a.Rules != "live" && a.Rules != "none" && !version.MatchString(a.Rules) {
			say(at+"/rules", "got %.80q, want live, none or a version that was published such as v41", a.Rules)
		}
		if a.Model != "" && a.Model != "live" && a.Model != "built-in" {
			say(at+"/model", "got %.80q, want live or built-in", a.Model)
		}
		if p := a.Parameters; p.Limit < 0 || p.Limit > 100 || p.InterruptionsDay < 0 || p.InterruptionsDay > 100 {
			say(at+"/parameters", "got a limit of %d and %d interruptions a day, want 1 to 100, or none", p.Limit, p.InterruptionsDay)
		}
	}
	if _, ok := about[e.Metric]; !ok {
		say("/metric", "got %.80q, want one of %v", e.Metric, Metrics)
	}
	if len(e.Guards) > MaxGuards {
		say("/guards", "got %d, want at most %d", len(e.Guards), MaxGuards)
	}
	for i, g := range e.Guards {
		if _, ok := about[g.Metric]; !ok {
			say(fmt.Sprintf("/guards/%d/metric", i), "got %.80q, want one of %v", g.Metric, Metrics)
		}
		if !(g.Worse >= 0 && g.Worse <= 10) {
			say(fmt.Sprintf("/guards/%d/worse", i), "got %v, want 0 to 10", g.Worse)
		}
	}
	if !(e.Smallest >= 0 && e.Smallest <= 10) {
		say("/smallest", "got %v, want 0 to 10: 0.05 is a difference of 5 %%", e.Smallest)
	}
	if e.Planned < 0 || e.Planned > 1_000_000_000 {
		say("/planned", "got %d shoppers, want 0 to a billion", e.Planned)
	}
	if e.WithinDays < 0 || e.WithinDays > 366 {
		say("/within_days", "got %d, want 0 to 366", e.WithinDays)
	}
	return problems
}

var version = regexp.MustCompile(`^v[1-9][0-9]{0,8}$`)

func (e *Experiment) end() float64 {
	if e.To == 0 {
		return 1
	}
	return e.To
}

func (e *Experiment) smallest() float64 {
	if e.Smallest == 0 {
		return DefaultSmallest
	}
	return e.Smallest
}

// Arm finds an arm by its id; nil: there is none.
func (e *Experiment) Arm(id string) *Arm {
	if i := slices.IndexFunc(e.Arms, func(a Arm) bool { return a.ID == id }); i >= 0 {
		return &e.Arms[i]
	}
	return nil
}

// Overlaps tells whether a shopper may be in both experiments although they name one namespace.
func (e *Experiment) Overlaps(other *Experiment) bool {
	return e.Namespace != "" && e.Namespace == other.Namespace && e.From < other.end() && other.From < e.end()
}
