package app

import (
	"context"

	"satnav/config"
	"satnav/server/store"
	"satnav/server/visit"
)

// work starts what runs in the background until Close: learning, settling, delivery, what erasures leave to do, counting. Of several processes one does each,
// by a lease; a process that is alone needs none.
func (a *App) work() {
	works := map[string]func(context.Context){
		"learning": a.Retailers.LearnWhenDue,
		"heralding": func(ctx context.Context) {
			visit.NewHerald(a.Visits, store.NewNotes(a.Documents), a.now, a.log).Run(ctx)
		},
		"settling": func(ctx context.Context) {
			visit.NewSettler(a.Visits, store.NewEntries(a.Documents), store.NewNotes(a.Documents), a.now, a.log).Run(ctx)
		},
		"delivery": a.Deliverer.Run,
		"erasures": a.Erasures.Run,
		"outcomes": a.Outcomes.Run,
		"codes":    a.Redemptions.Settle,
		"retention": func(ctx context.Context) { // of what shoppers left, and of what their calls were answered
			a.running.Go(func() { a.calls.Run(ctx, a.now, a.log) })
			a.Retention.Run(ctx)
		},
		"sources":  func(ctx context.Context) { a.Sources.Run(ctx, a.log) },
		"trail":    func(ctx context.Context) { a.Permissions.Run(ctx, a.now, a.log) },
		"insights": a.Insights.Run,
	}
	leases := store.NewLeases(a.Documents, a.log)
	for name, work := range works {
		a.running.Go(func() {
			if a.Config.Store == config.Embedded {
				work(a.background)
				return
			}
			leases.Hold(a.background, name, func(ctx context.Context, _ int64) { work(ctx) })
		})
	}
}
