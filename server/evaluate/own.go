package evaluate

import (
	"context"
	"fmt"
	"io"
	"time"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/backtest"
	"satnav/recommend/learn"
	"satnav/server/retailer"
)

// Own is a backtest on a retailer's own history: the time is split at an instant, the engine and the methods beside it know
// what was before, and are asked what each shopper bought first since. The model is learnt anew from what was before;
// the one in service has seen what is to be guessed.
type Own struct {
	Retailer  string
	Histories retailer.Histories
	Suggest   *recommend.Snapshot // for catalogue, stores and zone
	Since     time.Time           // zero: the day on which the newest tenth of the baskets begins
	Most      int                 // shoppers asked about; they are drawn evenly
	Context   bool                // the engine knows where and when it is
	Said      io.Writer           // progress, for people
}

// Run measures.
func (o Own) Run(ctx context.Context) (Report, error) {
	var histories []*who.History
	err := o.Histories.Each(ctx, o.Retailer, func(h *who.History) error {
		histories = append(histories, h)
		return ctx.Err()
	})
	if err != nil {
		return Report{}, fmt.Errorf("retailer %q: read histories: %w", o.Retailer, err)
	}
	since := backtest.Since(histories)
	if !o.Since.IsZero() {
		since = who.Stamp(o.Since)
	}
	past, shoppers := backtest.Split(histories, since)
	if n := thin(shoppers, o.Most); n == 0 {
		return Report{}, fmt.Errorf("retailer %q: no shopper bought before %s and since: name another instant", o.Retailer, time.Unix(int64(since), 0).UTC().Format(time.RFC3339))
	}
	snapshot := o.Suggest.WithRules(nil)
	if !o.Context {
		snapshot = snapshot.WithoutContext()
	}
	crowd := learn.NewCrowd(o.Suggest.Crowd.Zone)
	for _, h := range past {
		crowd.Replace(nil, h)
	}
	began := time.Now()
	snapshot = snapshot.With(crowd.View(), nil)
	model, err := learn.Fit(snapshot, past, "evaluation", time.Unix(int64(since), 0))
	if err != nil {
		fmt.Fprintf(o.Said, "%v: the built-in weights are measured\n", err)
	} else {
		fmt.Fprintf(o.Said, "learnt from %d shoppers in %.1f s\n", len(past), time.Since(began).Seconds())
		snapshot = snapshot.With(snapshot.Crowd, model)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	methods := append([]backtest.Method{backtest.Engine(engineName, snapshot, past, shoppers)}, backtest.Baselines(shoppers)...)
	report := Report{Since: time.Unix(int64(since), 0).UTC(), Context: o.Context, Report: backtest.Run(shoppers, methods)}
	return report, ctx.Err()
}

// engineName is what the engine is called among the methods.
const engineName = "satnav"

// thin keeps at most so many targets, evenly over the shoppers, and returns how many are left.
func thin(shoppers []backtest.Shopper, most int) int {
	asked := 0
	for i := range shoppers {
		if len(shoppers[i].Target) > 0 {
			asked++
		}
	}
	if most <= 0 || asked <= most {
		return asked
	}
	n := 0
	for i := range shoppers {
		if len(shoppers[i].Target) == 0 {
			continue
		}
		if n*most/asked == (n+1)*most/asked { // of each asked/most, one is kept
			shoppers[i].Target = nil
		}
		n++
	}
	return most
}
