package app

import (
	"context"
	"time"

	"satnav/config"
	"satnav/server/every"
	"satnav/server/store"
	"satnav/server/visit"
)

// recountEvery is how often a worker beside other processes counts anew what they recorded, to know when to learn.
const recountEvery = 10 * time.Minute

// work starts what runs in the background until Close: learning, settling, delivery, what erasures leave to do, counting. Of several processes one does each,
// by a lease; a process that is alone needs none.
func (a *App) work() {
	works := map[string]func(context.Context){
		"learning": a.learn,
		"heralding": func(ctx context.Context) {
			visit.NewHerald(a.Visits, store.NewNotes(a.Documents), a.now, a.log).Run(ctx)
		},
		"settling": func(ctx context.Context) {
			visit.NewSettler(a.Visits, store.NewEntries(a.Documents), store.NewNotes(a.Documents), a.now, a.log).Run(ctx)
		},
		"delivery":  a.Deliverer.Run,
		"erasures":  a.Erasures.Run,
		"outcomes":  a.Outcomes.Run,
		"retention": a.Retention.Run,
		"trail":     func(ctx context.Context) { a.Permissions.Run(ctx, a.now, a.log) },
		"insights":  a.Insights.Run,
		"calls":     func(ctx context.Context) { a.calls.Run(ctx, a.now, a.log) },
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

// learn learns when enough is new. Beside other processes it looks now and then at what they recorded.
func (a *App) learn(ctx context.Context) {
	if a.Config.Store != config.Embedded {
		a.running.Go(func() {
			every.Do(ctx, recountEvery, func() {
				if err := a.Retailers.CountAnew(ctx); err != nil && ctx.Err() == nil {
					a.log.Warn("what other processes recorded cannot be counted", "err", err)
				}
			})
		})
	}
	a.Retailers.LearnWhenDue(ctx)
}
