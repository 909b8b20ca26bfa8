package visit

import (
	"slices"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Outbox writes down what a retailer's endpoints are to be told. It is safe for concurrent use.
type Outbox interface {
	// Letters are those that tell of triggers, in order; nil when nobody wants to be told. They become durable in the commit
	// that keeps the triggers.
	Letters(snapshot *retailer.Snapshot, key who.Key, triggers []Trigger, now time.Time) []store.Letter
	// Suggested are those that tell what rules suggest on an occasion, likewise.
	Suggested(snapshot *retailer.Snapshot, o *Occasion, proposal *Proposal, now time.Time) []store.Letter
	// Posted is called once letters are durable. It does not block.
	Posted(retailer string)
}

// letters are those of the triggers that these crossings make: others were written when they were decided.
func (v *Visits) letters(snapshot *retailer.Snapshot, key who.Key, told []Trigger, made []geo.Crossing, now time.Time) []store.Letter {
	if v.outbox == nil || len(told) == 0 || len(made) == 0 {
		return nil
	}
	news := make([]Trigger, 0, len(told))
	for _, t := range told {
		if slices.ContainsFunc(made, func(c geo.Crossing) bool { return c.ID == t.ID }) {
			news = append(news, t)
		}
	}
	return v.outbox.Letters(snapshot, key, news, now)
}
