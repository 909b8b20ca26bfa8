package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"satnav/context/who"
	"satnav/server/every"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Retention removes what has been kept for its time or whose purpose is fulfilled. It is safe for concurrent use.
//
// When the first thing of a shopper is to go is noted by the commit that brings it (see store.Shoppers), so nothing is looked for: the sweep finds
// by a mark whom it is about. A retailer who keeps things for another time than before has all shoppers looked at anew.
type Retention struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	erasures  *store.Erasures
	notes     store.Notes
	now       func() time.Time
	log       *slog.Logger

	overdue, removed atomic.Int64
}

// NewRetention makes a retention; Run must run.
func NewRetention(shoppers *store.Shoppers, retailers *retailer.Retailers, erasures *store.Erasures, notes store.Notes, now func() time.Time, log *slog.Logger) *Retention {
	return &Retention{shoppers: shoppers, retailers: retailers, erasures: erasures, notes: notes, now: now, log: log}
}

const (
	// Overdue is how long after its time something may still be there.
	Overdue = 5 * time.Minute

	sweepEvery = 30 * time.Second
	heldFor    = time.Hour // then it is asked again whether a legal hold was released
)

// Figures are how many shoppers have something that should have gone more than Overdue ago, as of the last sweep, and how many things went
// since the process began.
func (r *Retention) Figures() (overdue, removed int64) { return r.overdue.Load(), r.removed.Load() }

// Run sweeps until the context ends.
func (r *Retention) Run(ctx context.Context) {
	sweep := func() {
		if err := r.Sweep(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("what has been kept for its time cannot be removed; it is tried again", "err", err)
		}
	}
	sweep()
	every.Do(ctx, sweepEvery, sweep)
}

// Sweep removes all that is to go by now.
func (r *Retention) Sweep(ctx context.Context) error {
	now := r.now().UTC().Truncate(time.Millisecond)
	err := r.recheck(ctx, now)
	for position, more := (store.Position{}), err == nil; more; {
		var found []store.MarkedShopper
		if found, more, err = r.shoppers.Expiring(ctx, position, now.Add(time.Millisecond)); err != nil {
			break
		}
		for _, m := range found {
			position = m.Position
			if err = errors.Join(err, r.expire(ctx, m.Key, now)); err != nil && ctx.Err() != nil {
				return err
			}
		}
		more = more && len(found) > 0
	}
	late, _, lateErr := r.shoppers.Expiring(ctx, store.Position{}, now.Add(-Overdue))
	r.overdue.Store(int64(len(late)))
	return errors.Join(err, lateErr)
}

// expire removes what is to go of one shopper.
func (r *Retention) expire(ctx context.Context, key who.Key, now time.Time) error {
	_, err := r.erasures.Hold(ctx, key.Retailer, r.shoppers.Pseudonym(key))
	if err == nil {
		return r.shoppers.PutOff(ctx, key, now.Add(heldFor))
	}
	if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("legal hold: %w", err)
	}
	for try := 0; ; try++ {
		removed := 0
		err := r.retailers.Record(ctx, key.Retailer, func() ([]store.Step, error) {
			var step *store.Step
			var err error
			removed, step, err = r.shoppers.Expire(ctx, key, now)
			if err != nil || step == nil {
				return nil, err
			}
			return []store.Step{*step}, nil
		})
		r.removed.Add(int64(removed))
		switch {
		case errors.Is(err, store.ErrErasing), errors.Is(err, who.ErrUnknown):
			return nil
		case errors.Is(err, store.ErrConflict) && try < decideTries:
		case err != nil || removed == 0:
			return err
		}
	}
}

// keepsNote is where it is noted for how long a retailer's things were kept when all shoppers were last looked at.
const keepsNote = "retention/"

// recheck looks at all shoppers of retailers who keep things for another time than before.
func (r *Retention) recheck(ctx context.Context, now time.Time) error {
	for _, snapshot := range r.retailers.Snapshots() {
		keeps, err := json.Marshal(snapshot.Keeps)
		if err != nil {
			return err
		}
		before, err := r.notes.Get(ctx, keepsNote+snapshot.Retailer)
		if err == nil && string(before) == string(keeps) {
			continue
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil && maps.Equal(snapshot.Keeps, who.NewRegistry(nil).Keeps()) { // new, and kept as ever
			if err := r.notes.Put(ctx, keepsNote+snapshot.Retailer, keeps); err != nil {
				return err
			}
			continue
		}
		err = r.shoppers.Sample(ctx, snapshot.Retailer, func(key who.Key) (bool, error) { return true, r.shoppers.PutOff(ctx, key, now) })
		if err == nil {
			err = r.notes.Put(ctx, keepsNote+snapshot.Retailer, keeps)
		}
		if err != nil {
			return fmt.Errorf("retailer %q: %w", snapshot.Retailer, err)
		}
	}
	return nil
}
