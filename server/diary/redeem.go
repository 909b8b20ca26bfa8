package diary

import (
	"context"
	"errors"

	"satnav/context/who"
	"satnav/server/redemption"
	"satnav/server/store"
)

// redeems tells whether an event redeems an offer of the catalogue. One that is imported, or of which the catalogue knows nothing,
// is kept as what it is: something that was.
func (d *intake) redeems(e *who.Event) bool {
	return d.desk != nil && !d.timed && e.Kind == who.Redeemed && (e.Code != "" || d.snapshot.Offers.Of(e.Item) != nil)
}

// redeemAll redeems what events of one shopper want, one after the other: entries[i] for i in mine.
func (d *intake) redeemAll(ctx context.Context, key who.Key, entries []Entry, mine []int, results []Result) error {
	for _, i := range mine {
		event := d.complete(d.snapshot, entries[i].Event, d.now)
		var outcome redemption.Outcome
		err := d.retailers.Record(ctx, key.Retailer, func() (steps []store.Step, err error) {
			outcome, err = d.desk.Redeem(ctx, d.snapshot, key, d.now, d.defaults, event)
			return outcome.Steps, err
		})
		var refused *redemption.Refusal
		switch {
		case errors.As(err, &refused):
			results[i] = Result{Status: Refused, Code: refused.Code, Field: refused.Field, Problem: refused.Text, Held: !refused.Wrong}
		case unwanted(err, event.For()).Status != "":
			results[i] = unwanted(err, event.For())
		case err != nil:
			return err
		case outcome.Duplicate:
			results[i] = Result{Status: Duplicate}
		default:
			results[i] = Result{Status: Stored, Points: outcome.Points}
		}
	}
	return nil
}
