package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"satnav/recommend/rule"
	"satnav/server/app"
	"satnav/server/visit"
)

// simulate tells what rules would do.
type simulate struct {
	knobs
	Rules    string    `help:"A JSON file with a list of rules, or drafts, live, none, or a version such as v41." default:"drafts"`
	Against  string    `help:"What they are compared with: drafts, live, none or a version." default:"live"`
	At       time.Time `help:"The time of every moment, such as 2026-11-27T18:00:00Z (default: each has its own)." placeholder:"TIME"`
	Since    time.Time `help:"Moments since then (default: a month ago)." placeholder:"TIME"`
	Scenes   int       `help:"Moments at most." default:"1000"`
	Limit    int       `help:"Suggestions in each list." default:"10"`
	Data     string    `help:"Data folder; no server may be running on it (default satnav-data)." placeholder:"DIR"`
	Retailer string    `help:"The retailer." default:"demo"`
}

// simulatedRule is one line of the output.
type simulatedRule struct {
	Rule     string         `json:"rule"`
	Matched  int            `json:"matched"`
	Acted    int            `json:"acted"`
	Shoppers int            `json:"shoppers"`
	Outcomes map[string]int `json:"outcomes,omitempty"`
}

// Run prints one JSON object for each rule, and at the end what changed.
func (s *simulate) Run(ctx context.Context, std IO) (err error) {
	a, err := s.openFolder(ctx, std, s.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	trial := visit.Trial{Retailer: s.Retailer, At: s.At, Limit: s.Limit}
	if trial.Rules, err = s.set(ctx, a, s.Rules); err != nil {
		return err
	}
	if trial.Against, err = a.Retailers.RulesNamed(ctx, s.Retailer, s.Against); err != nil {
		return fmt.Errorf("--against %s: %w", s.Against, err)
	}
	until := time.Now()
	since := s.Since
	if since.IsZero() {
		since = until.AddDate(0, -1, 0)
	}
	if trial.Scenes, err = a.Visits.PastMoments(ctx, s.Retailer, since, until, min(s.Scenes, visit.MaxTrialScenes)); err != nil {
		return err
	}
	began := time.Now()
	tried, err := a.Visits.Try(ctx, trial)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(std.Out)
	for _, r := range tried.Rules {
		if err := encoder.Encode(simulatedRule{r.ID, r.Matched, r.Acted, r.Shoppers, r.Outcomes}); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.Err, "%d moments in %s: %d would change, of %d shoppers; margin %+.0f, given %+.0f (minor units, by how likely each suggestion is taken)\n",
		tried.Scenes, time.Since(began).Round(time.Millisecond), tried.Changed, tried.Shoppers, tried.MarginMinor, tried.GivenMinor)
	return nil
}

// set reads a file of rules, or finds a set by its name.
func (s *simulate) set(ctx context.Context, a *app.App, name string) (*rule.Set, error) {
	body, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		set, err := a.Retailers.RulesNamed(ctx, s.Retailer, name)
		if err != nil {
			return nil, fmt.Errorf("--rules %s: %w", name, err)
		}
		return set, nil
	}
	if err != nil {
		return nil, err
	}
	var rules []rule.Rule
	if err := json.Unmarshal(body, &rules); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a.Retailers.Compile(ctx, s.Retailer, rules)
}
