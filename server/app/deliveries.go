package app

import (
	"net/netip"

	"satnav/server/deliver"
)

// deliveries joins the outbox with what empties it.
func (a *App) deliveries() {
	c := a.Config.Delivery
	var guard deliver.Guard
	for _, network := range c.Allow {
		guard.Allow = append(guard.Allow, netip.MustParsePrefix(network)) // config checked it
	}
	metrics := deliver.NewMetrics(a.metrics.Registry)
	a.Deliverer = deliver.New(a.Shoppers, a.Retailers, deliver.Config{
		Guard: guard, Timeout: c.Timeout, GiveUp: c.GiveUp, AtOnce: c.AtOnce,
	}, metrics, a.now, a.log)
	a.Desk = deliver.NewDesk(a.Shoppers, guard, metrics, a.now, a.Deliverer.Posted)
	a.Visits.Tell(deliver.NewOutbox(nil, a.Deliverer.Posted))
}
