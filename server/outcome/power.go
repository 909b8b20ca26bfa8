package outcome

import (
	"context"
	"errors"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/recommend/experiment"
)

// Power is what an experiment needs, by what a sample of shoppers did of late.
type Power struct {
	Sampled   int     // shoppers who were looked at
	Mean      float64 // of the metric
	Deviation float64
	Needed    int     // exposed shoppers, of all arms; 0: the metric is not known of the past
	Found     float64 // the smallest relative difference that 4 of 5 experiments with as many shoppers as planned find; +Inf: none
}

// powerSample is how many shoppers are looked at.
const powerSample = 2_000

// Power tells how many shoppers an experiment needs to find its smallest difference, by what a fair sample of shoppers did in the
// last 28 days, as if they had been exposed then.
func (o *Outcomes) Power(ctx context.Context, of string, e *experiment.Experiment) (Power, error) {
	snapshot, err := o.retailers.Of(ctx, of)
	if err != nil {
		return Power{}, err
	}
	now := o.now()
	var sample experiment.Sample
	err = o.shoppers.Sample(ctx, of, func(key who.Key) (bool, error) {
		opened, err := scene.Open(ctx, o.shoppers, &snapshot.Scene, scene.Call{Key: key, At: now})
		if errors.Is(err, who.ErrUnknown) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if _, ok := who.Access(who.Loyalty, opened.Shopper); !ok {
			return true, nil
		}
		did, err := o.deeds(ctx, snapshot, key, now.Add(-2*before), now.Add(-before), now)
		if err != nil {
			return false, err
		}
		deed, counted := did.deed(e.Metric)
		if counted {
			sample.Add(deed)
		}
		return counted && sample.N() < powerSample, nil
	})
	if err != nil {
		return Power{}, err
	}
	plan := e.PlanOf(&sample)
	return Power{Sampled: sample.N(), Mean: sample.Mean(), Deviation: sample.Deviation(), Needed: plan.Needed(), Found: plan.Detectable(e.Exposures())}, nil
}
