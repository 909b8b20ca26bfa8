package visit

import (
	"context"
	"errors"
	"math"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/retailer"
)

// Why there is no plan.
var (
	ErrNowhere    = errors.New("it is not known where the shopper is")
	ErrNotAllowed = errors.New("the shopper has not granted the purpose location")
)

// Wanted is a question for a device plan.
type Wanted struct {
	Key     who.Key    // the shopper; may be empty when a position is given
	Point   *geo.Point // where the phone is; nil: Cell
	Cell    geo.Cell   // 0: where the shopper was last seen
	At      time.Time
	Regions int // at most so many
}

// Plan says what a phone should watch by itself. It stores nothing. It returns ErrNowhere when there is no position, and ErrNotAllowed
// when the shopper does not let a position be used, told or known.
func (v *Visits) Plan(ctx context.Context, w Wanted) (geo.DevicePlan, error) {
	snapshot, err := v.retailers.Of(ctx, w.Key.Retailer)
	if err != nil {
		return geo.DevicePlan{}, err
	}
	var presence geo.Presence
	if w.Key.Shopper != "" {
		if presence, err = v.whereabouts(ctx, snapshot, w.Key); err != nil {
			return geo.DevicePlan{}, err
		}
	}
	switch {
	case w.Point != nil:
		return geo.PlanAt(snapshot.Fences, *w.Point, w.At, w.Regions), nil
	case w.Cell != 0:
		plan := geo.PlanAt(snapshot.Fences, w.Cell.Center(), w.At, w.Regions)
		plan.SafeRadiusMeters = math.Max(0, plan.SafeRadiusMeters-w.Cell.Circumradius()) // the phone may be at its edge
		return plan, nil
	}
	if presence.Now.Seen.IsZero() {
		return geo.DevicePlan{}, ErrNowhere
	}
	return geo.Plan(snapshot.Fences, presence, w.At, w.Regions), nil
}

// whereabouts is what is known of where a shopper was, or ErrNotAllowed when the shopper does not want to be located.
func (v *Visits) whereabouts(ctx context.Context, snapshot *retailer.Snapshot, key who.Key) (geo.Presence, error) {
	shopper, err := v.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		shopper, err = who.Stranger(key, snapshot.Scene.Defaults), nil
	}
	if err != nil {
		return geo.Presence{}, err
	}
	view, ok := who.Access(who.Location, who.NewSubject(shopper, who.Permissions{Location: geo.Precise}))
	if !ok {
		return geo.Presence{}, ErrNotAllowed
	}
	return view.Presence(), nil
}
