package outcome

import (
	"context"
	"time"

	"satnav/server/every"
	"satnav/server/store"
)

// countEvery is how often a process adds what it measured to the tallies that all processes share.
const countEvery = 10 * time.Second

// Answered notes how long an answer took to a shopper who is on an arm, in memory until Count.
func (o *Outcomes) Answered(retailer, experiment, arm string, took time.Duration) {
	millis := float64(took) / float64(time.Millisecond)
	o.measuring.Lock()
	defer o.measuring.Unlock()
	of := name{retailer, experiment}
	if o.measured == nil {
		o.measured = map[name]map[string]store.Tally{}
	}
	if o.measured[of] == nil {
		o.measured[of] = map[string]store.Tally{}
	}
	t := o.measured[of][arm]
	o.measured[of][arm] = store.Tally{Answers: t.Answers + 1, Millis: t.Millis + millis, Squares: t.Squares + millis*millis}
}

// Count adds what Answered noted to the tallies, until the context ends. Every process that answers runs it; one that is killed
// loses the last seconds of its figures.
func (o *Outcomes) Count(ctx context.Context) {
	every.Do(ctx, countEvery, func() {
		if err := o.Flush(ctx); err != nil && ctx.Err() == nil {
			o.log.Warn("how long answers took is not counted", "err", err)
		}
	})
}

// Flush adds what was noted up to now.
func (o *Outcomes) Flush(ctx context.Context) error {
	o.measuring.Lock()
	noted := o.measured
	o.measured = nil
	o.measuring.Unlock()
	for of, arms := range noted {
		if err := o.tallies.Add(ctx, of.retailer, of.experiment, arms); err != nil {
			return err // what is lost is a few seconds of figures
		}
	}
	return nil
}
