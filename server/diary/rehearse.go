package diary

import (
	"context"
	"errors"
	"time"

	"satnav/context/who"
	"satnav/server/store"
)

// Rehearse tells what Import would do, and does none of it. A line that stands twice among the entries is told as stored twice, unless it
// is stored already.
func (d *Diary) Rehearse(ctx context.Context, retailerID string, now time.Time, basis string, entries []Entry) ([]Result, error) {
	in, err := d.intake(ctx, retailerID, now, basis)
	if err != nil {
		return nil, err
	}
	in.timed = true
	return in.each(ctx, entries, in.rehearse)
}

// rehearse tells of the events of one shopper.
func (d *intake) rehearse(ctx context.Context, shopper string, entries []Entry, mine []int, results []Result) error {
	key := who.Key{Retailer: d.snapshot.Retailer, Shopper: shopper}
	known, err := d.shoppers.Shopper(ctx, key)
	if err != nil && !errors.Is(err, who.ErrUnknown) {
		return err
	}
	var events []who.Event
	var indexes, twice []int
	for _, i := range mine {
		event := d.complete(d.snapshot, entries[i].Event, d.now)
		if results[i] = d.refusal(&event); results[i].Status != "" {
			continue
		}
		if results[i] = unwanted(d.wanted(known, event.For()), event.For()); results[i].Status != "" {
			continue
		}
		results[i] = Result{Status: Stored}
		twice = append(twice, len(events))
		events, indexes = append(events, event), append(indexes, i)
	}
	if known == nil || len(events) == 0 {
		return nil
	}
	return d.compare(ctx, key, entries, events, indexes, twice, results)
}

// wanted tells whether events for a purpose would be kept of a shopper, as Record of the store does; nil: a stranger.
func (d *intake) wanted(shopper *who.Shopper, p who.Purpose) error {
	grants := d.defaults
	if shopper != nil {
		if !shopper.Preferences().Paused.IsZero() {
			return store.ErrPaused
		}
		if grants = shopper.Grants(); d.imported != nil && !grants.Decided(who.Loyalty) {
			grants = grants.With(*d.imported)
		}
	}
	if !grants.Holds(p) {
		return store.ErrNoGrant
	}
	return nil
}
