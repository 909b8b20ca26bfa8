package app

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"satnav/server/deliver"
)

// clocksDiffer is by how much the clocks of processes on one database may differ before a trigger is told a minute late.
const clocksDiffer = 10 * time.Second

// deliveries joins the outbox with what empties it.
func (a *App) deliveries() error {
	c := a.Config.Delivery
	var guard deliver.Guard
	for _, network := range c.Allow {
		guard.Allow = append(guard.Allow, netip.MustParsePrefix(network)) // config checked it
	}
	metrics := deliver.NewMetrics(a.metrics.Registry)
	sinks := map[string]deliver.Sink{}
	if c.NATS != "" {
		sink, err := deliver.DialNATS(c.NATS, c.Subject)
		if err != nil {
			return err
		}
		sinks[deliver.NATSEndpoint] = sink
		context.AfterFunc(a.background, func() { a.running.Wait(); sink.Close() })
	}
	a.Deliverer = deliver.New(a.Shoppers, a.Retailers, deliver.Config{
		Guard: guard, Timeout: c.Timeout, GiveUp: c.GiveUp, AtOnce: c.AtOnce, Late: a.Config.Limits.Deadline + clocksDiffer, Sinks: sinks,
	}, metrics, a.now, a.log)
	a.Desk = deliver.NewDesk(a.Shoppers, guard, metrics, a.now, a.Deliverer.Posted)
	a.outbox = deliver.NewOutbox(slices.Sorted(maps.Keys(sinks)), a.Deliverer.Posted)
	a.Visits.Tell(a.outbox)
	return nil
}
