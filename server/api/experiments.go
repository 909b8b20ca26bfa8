package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/recommend/experiment"
	"satnav/sdk-contract/wire"
	"satnav/server/outcome"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListExperiments lists experiments.
func (a *API) ListExperiments(c *fiber.Ctx, params wire.ListExperimentsParams) error {
	out := wire.ExperimentList{Experiments: []wire.StoredExperiment{}}
	next, err := a.listing(c, store.ExperimentEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := experimentOf(e)
		out.Experiments = append(out.Experiments, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

// experimentOf is an experiment as it is kept.
func experimentOf(e store.Entry) (wire.StoredExperiment, error) {
	var kept retailer.Experiment
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return wire.StoredExperiment{}, fmt.Errorf("experiment %q: %w", e.ID, err)
	}
	return experimentFrom(&kept, e)
}

// experimentFrom tells an experiment. The contract and the entry say what it compares in the same JSON.
func experimentFrom(kept *retailer.Experiment, e store.Entry) (wire.StoredExperiment, error) {
	told := wire.StoredExperiment{ID: kept.ID, State: string(kept.State), StartedAt: kept.Started, StoppedAt: kept.Stopped, Why: kept.Why, Version: e.Version, UpdatedAt: e.At}
	body, err := json.Marshal(kept.Experiment)
	if err == nil {
		err = json.Unmarshal(body, &told.Experiment)
	}
	return told, err
}

// GetExperiment reads an experiment.
func (a *API) GetExperiment(c *fiber.Ctx, id wire.ID) error {
	entry, err := a.entry(c, store.ExperimentEntry, id)
	var told wire.StoredExperiment
	if err == nil {
		c.Set(fiber.HeaderETag, etag(entry.Version))
		told, err = experimentOf(entry)
	} else if kept, found := a.Retailers.Experiment(c.UserContext(), caller(c).Retailer, id); found == nil {
		c.Set(fiber.HeaderETag, etag(0))
		told, err = experimentFrom(&kept, store.Entry{})
	}
	if err != nil {
		return err
	}
	return encode(c, told)
}

// PutExperiment writes a draft.
func (a *API) PutExperiment(c *fiber.Ctx, id wire.ID, params wire.PutExperimentParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.ExperimentEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Experiment
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.ID, id, "/id"); err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var draft experiment.Experiment
	if err := json.Unmarshal(body, &draft); err != nil {
		return err
	}
	saved, err := a.Retailers.SaveExperiments(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[experiment.Experiment]{{ID: strings.Clone(id), Value: draft, Expect: expect}})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		return experimentProblem(err, expect != nil)
	}
	told, err := experimentOf(saved[0].Entry())
	if err != nil {
		return err
	}
	return finish(c, saved[0], "/v1/experiments", told)
}

// DeleteExperiment deletes an experiment that does not run.
func (a *API) DeleteExperiment(c *fiber.Ctx, id wire.ID, params wire.DeleteExperimentParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.ExperimentEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveExperiments(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[experiment.Experiment]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	if err == nil && errors.Is(saved[0].Err, retailer.ErrRunning) {
		return experimentProblem(saved[0].Err, false)
	}
	return deleted(c, store.ExperimentEntry, saved, err, expect != nil)
}

// experimentProblem tells why an experiment is not changed.
func experimentProblem(err error, conditional bool) error {
	switch {
	case errors.Is(err, retailer.ErrRunning), errors.Is(err, retailer.ErrNotRunning), errors.Is(err, retailer.ErrStopped):
		return problem(conflict, "%s", err)
	case errors.Is(err, store.ErrNotFound):
		return problem(notFound, "there is no such experiment: GET /v1/experiments lists those there are")
	case errors.Is(err, store.ErrConflict) && !conditional:
		return problem(conflict, "somebody else changed the experiment at the same moment: read it again")
	}
	return editProblem(err, "", conditional)
}

// StartExperiment lets shoppers in.
func (a *API) StartExperiment(c *fiber.Ctx, id wire.ID, _ wire.StartExperimentParams) error {
	return a.moveExperiment(c, func(by retailer.Editor, why string) (retailer.Experiment, store.Entry, error) {
		return a.Retailers.StartExperiment(c.UserContext(), caller(c).Retailer, by, strings.Clone(id), why)
	})
}

// StopExperiment serves everybody alike again.
func (a *API) StopExperiment(c *fiber.Ctx, id wire.ID, _ wire.StopExperimentParams) error {
	return a.moveExperiment(c, func(by retailer.Editor, why string) (retailer.Experiment, store.Entry, error) {
		return a.Retailers.StopExperiment(c.UserContext(), caller(c).Retailer, by, strings.Clone(id), why)
	})
}

func (a *API) moveExperiment(c *fiber.Ctx, move func(by retailer.Editor, why string) (retailer.Experiment, store.Entry, error)) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var in wire.ExperimentMove
	if err := a.decode(c, &in); err != nil {
		return err
	}
	kept, entry, err := move(editor(c), in.Why)
	if err != nil {
		return experimentProblem(err, false)
	}
	told, err := experimentFrom(&kept, entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// GetVerdict tells what an experiment did.
func (a *API) GetVerdict(c *fiber.Ctx, id wire.ID) error {
	judged, err := a.Outcomes.Verdict(c.UserContext(), caller(c).Retailer, strings.Clone(id))
	if err != nil {
		return experimentProblem(err, false)
	}
	return encode(c, verdictFrom(&judged))
}

func verdictFrom(judged *outcome.Judged) wire.Verdict {
	v := &judged.Verdict
	told := wire.Verdict{ID: judged.Experiment.ID, State: string(v.State), Text: v.Text, Best: v.Best, Broke: string(v.Broke), BrokeOn: v.By, At: judged.At,
		Exposed: int64(v.Exposed), Needed: int64(v.Needed), Detectable: finite(v.Detectable), Arms: []wire.VerdictArm{}, Differences: []wire.VerdictDifference{}}
	for i := range judged.Experiment.Arms {
		told.Arms = append(told.Arms, wire.VerdictArm{ID: judged.Experiment.Arms[i].ID, Share: v.Balance.Planned[i], Exposed: int64(v.Balance.Exposed[i])})
	}
	for _, d := range v.Differences {
		one := wire.VerdictDifference{Arm: d.Arm, Metric: string(d.Metric), First: d.First, Value: d.Value, Difference: d.Between.Mean, Reduced: d.Reduced}
		if d.Known {
			low, high := d.Between.Low, d.Between.High
			one.Low, one.High = &low, &high
		}
		told.Differences = append(told.Differences, one)
	}
	return told
}

// finite is a number that JSON can hold and that says something; nil otherwise.
func finite(x float64) *float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

// GetPower tells how many shoppers an experiment needs.
func (a *API) GetPower(c *fiber.Ctx, id wire.ID) error {
	kept, err := a.Retailers.Experiment(c.UserContext(), caller(c).Retailer, id)
	if err != nil {
		return experimentProblem(err, false)
	}
	power, err := a.Outcomes.Power(c.UserContext(), caller(c).Retailer, &kept.Experiment)
	if err != nil {
		return err
	}
	return encode(c, wire.Power{Sampled: power.Sampled, Mean: power.Mean, Deviation: power.Deviation, Needed: int64(power.Needed), Detectable: finite(power.Found)})
}
