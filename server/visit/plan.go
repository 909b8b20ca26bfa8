package visit

import (
	"context"
	"errors"
	"math"
	"time"

	"satnav/context/who"
	"satnav/geo"
)

// ErrNowhere says that it is not known where the shopper is, or that it may not be used.
var ErrNowhere = errors.New("it is not known where the shopper is")

// Wanted is a question for a device plan.
type Wanted struct {
	Key     who.Key    // the shopper; may be empty when a position is given
	Point   *geo.Point // where the phone is; nil: Cell
	Cell    geo.Cell   // 0: where the shopper was last seen
	At      time.Time
	Regions int // at most so many
}

// Plan says what a phone should watch by itself. It stores nothing. It returns ErrNowhere when there is no position.
func (v *Visits) Plan(ctx context.Context, w Wanted) (geo.DevicePlan, error) {
	snapshot, err := v.retailers.Of(ctx, w.Key.Retailer)
	if err != nil {
		return geo.DevicePlan{}, err
	}
	switch {
	case w.Point != nil:
		return geo.PlanAt(snapshot.Fences, *w.Point, w.At, w.Regions), nil
	case w.Cell != 0:
		plan := geo.PlanAt(snapshot.Fences, w.Cell.Center(), w.At, w.Regions)
		plan.SafeRadiusMeters = math.Max(0, plan.SafeRadiusMeters-w.Cell.Circumradius()) // the phone may be at its edge
		return plan, nil
	}
	shopper, err := v.shoppers.Shopper(ctx, w.Key)
	if errors.Is(err, who.ErrUnknown) {
		return geo.DevicePlan{}, ErrNowhere
	}
	if err != nil {
		return geo.DevicePlan{}, err
	}
	view, ok := who.Access(who.Location, who.NewSubject(shopper, who.Permissions{Location: geo.Precise}))
	if !ok {
		return geo.DevicePlan{}, ErrNowhere
	}
	presence := view.Presence()
	if presence.Now.Seen.IsZero() {
		return geo.DevicePlan{}, ErrNowhere
	}
	return geo.Plan(snapshot.Fences, presence, w.At, w.Regions), nil
}
