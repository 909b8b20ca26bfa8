// Package scene puts who, where and when together into the one value that everything above works on.
//
// It exists so that the three stay strangers to each other: it is the only code that calls all three.
// So it is also the one place where the shopper's grant meets the device's position: no grant, no place.
package scene

import (
	"context"
	"errors"
	"slices"
	"time"

	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
)

// Scene is one shopper at one place at one moment. It belongs to one call.
type Scene struct {
	Shopper *who.Subject
	Place   where.Place
	Moment  when.Moment
	// Fixes are what the crossing machine may see of the call: its trail as it came, then its own
	// position. They are empty unless the shopper and the device allow it.
	Fixes []geo.Fix
	// Hidden is how many positions of the call were left out, since they tell of somebody at a sensitive place.
	Hidden int
}

// Call is what one call says about the shopper: who, where, when and under which permissions.
type Call struct {
	Key    who.Key
	Device who.Permissions
	At     time.Time
	Fix    *geo.Fix  // nil: none
	Cell   geo.Cell  // used without a Fix; 0: none
	Trail  []geo.Fix // earlier fixes, in any order
	// Clock is the store whose clock and holidays count where the shopper is near none; nil: the retailer's.
	Clock *where.Store
}

// Retailer is the part of a retailer's configuration that a scene needs: an immutable snapshot.
type Retailer struct {
	Stores *where.Stores
	Zone   *time.Location // where no store is near; nil: UTC
	// Calendars holds the days of each store's region; "" is the retailer's own and stands in for a
	// region that is missing. nil: no special days.
	Calendars map[string]when.Calendar
	Defaults  who.Grants // of a shopper who has decided nothing yet
	// Shared are the purposes whose data others than the retailer receive: a call that wants nothing shared does without them.
	Shared []who.Purpose
	// Finest is the H3 resolution of a cell by which a place is used to suggest, at most; 0: that of the cell that came. Coarser than
	// where.PreciseResolution it holds for a fix too; geofences see what the device gave.
	Finest int
}

// Calendar is that of a store's region, of the retailer where the store is nil.
func (r *Retailer) Calendar(store *where.Store) when.Calendar {
	if store != nil {
		if c, ok := r.Calendars[store.Region]; ok {
			return c
		}
	}
	return r.Calendars[""]
}

// Open reads the shopper and makes the scene of one call. Somebody of whom nothing is stored comes as a
// stranger with the retailer's default grants; an error is one of the store.
func Open(ctx context.Context, shoppers who.Shoppers, retailer *Retailer, call Call) (Scene, error) {
	shopper, err := shoppers.Shopper(ctx, call.Key)
	if errors.Is(err, who.ErrUnknown) {
		shopper, err = who.Stranger(call.Key, retailer.Defaults), nil
	}
	if err != nil {
		return Scene{}, err
	}
	return of(shopper, retailer, call), nil
}

// Seen makes the scene of a shopper who was read before.
func Seen(shopper *who.Shopper, retailer *Retailer, call Call) Scene {
	return of(shopper, retailer, call)
}

// of makes the scene of a shopper.
func of(shopper *who.Shopper, retailer *Retailer, call Call) Scene {
	if call.Device.Private {
		call.Device.Closed = retailer.Shared
	}
	scene := Scene{Shopper: who.NewSubject(shopper, call.Device)}
	scene.locate(retailer, call)
	zone, store := retailer.Zone, scene.Place.Store
	if store == nil {
		store = call.Clock
	}
	if store != nil && store.Zone != nil {
		zone = store.Zone
	}
	scene.Moment = when.At(call.At, zone, retailer.Calendar(store))
	return scene
}

// locate uses the call's position as far as the gate allows, and notes that it did.
func (s *Scene) locate(retailer *Retailer, call Call) {
	location, ok := who.Access(who.Location, s.Shopper)
	if !ok {
		return
	}
	s.hide(retailer.Stores, &call)
	precision := s.Shopper.Device().Location
	s.Place = where.Locate(retailer.Stores, call.Fix, call.Cell, precision)
	if finest := retailer.Finest; finest > 0 && max(s.Place.Cell.Resolution(), s.Place.Resolution) > finest {
		trust, distrust := s.Place.Trust, s.Place.Distrust
		s.Place = where.Locate(retailer.Stores, nil, s.Place.Cell.Parent(finest), precision)
		s.Place.Trust, s.Place.Distrust = trust, distrust
	}
	for _, earlier := range call.Trail {
		if fix, ok := where.Permit(earlier, precision); ok {
			s.Fixes = append(s.Fixes, fix)
		}
	}
	if fix, ok := where.Sight(call.Fix, call.Cell, call.At, precision); ok {
		s.Fixes = append(s.Fixes, fix)
	}
	if s.Place.Known || len(s.Fixes) > 0 {
		location.Use()
	}
}

// hide takes the positions out of a call that tell of somebody at a hidden store, and counts them: nobody learns more of them.
func (s *Scene) hide(stores *where.Stores, call *Call) {
	hidden := func(fix geo.Fix) bool { return stores.Hides(fix.Point, fix.AccuracyMeters) }
	if call.Fix != nil && hidden(*call.Fix) {
		call.Fix = nil
		call.Cell = 0 // it says the same
		s.Hidden++
	}
	if stores.HidesCell(call.Cell) {
		call.Cell = 0
		s.Hidden++
	}
	if slices.ContainsFunc(call.Trail, hidden) {
		shown := slices.DeleteFunc(slices.Clone(call.Trail), hidden)
		s.Hidden += len(call.Trail) - len(shown)
		call.Trail = shown
	}
}
