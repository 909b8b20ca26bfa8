package outcome

import (
	"context"
	"errors"
	"time"

	"satnav/recommend/experiment"
	"satnav/server/every"
	"satnav/server/retailer"
)

// watchEvery is how often experiments with guards are judged without being asked.
const watchEvery = 15 * time.Second

// Run stops experiments whose guards are broken, until the context ends. One process of all does it.
func (o *Outcomes) Run(ctx context.Context) {
	every.Do(ctx, watchEvery, func() {
		if err := o.Watch(ctx); err != nil && ctx.Err() == nil {
			o.log.Error("experiments cannot be watched", "err", err)
		}
	})
}

// Watch judges all running experiments with guards once, and stops those that do harm. The always-valid intervals make looking
// so often harmless.
func (o *Outcomes) Watch(ctx context.Context) (all error) {
	of, err := o.retailers.All(ctx)
	if err != nil {
		return err
	}
	for _, id := range of {
		snapshot, err := o.retailers.Of(ctx, id)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		for _, running := range snapshot.Experiments {
			if len(running.Guards) == 0 {
				continue
			}
			judged, err := o.Verdict(ctx, id, running.ID)
			if err == nil && judged.Verdict.State == experiment.Harmful {
				_, _, err = o.retailers.StopExperiment(ctx, id, retailer.Editor{Role: "guard", Subject: string(judged.Verdict.Broke)}, running.ID, judged.Verdict.Text)
				if errors.Is(err, retailer.ErrNotRunning) {
					err = nil
				}
			}
			all = errors.Join(all, err)
		}
	}
	return all
}
