package api

import (
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/visit"
)

// NearbyGeofences answers "what should the phone watch by itself?".
func (a *API) NearbyGeofences(c *fiber.Ctx, params wire.NearbyGeofencesParams) error {
	wanted, err := a.wantedFrom(c, &params)
	if err != nil {
		return err
	}
	plan, err := a.Visits.Plan(c.UserContext(), wanted)
	if errors.Is(err, visit.ErrNotAllowed) {
		return problem(noGrant, "%s: ask the shopper, and keep a yes with PUT /v1/me/permissions", err)
	}
	if errors.Is(err, visit.ErrNowhere) {
		return parameterProblem(invalidRequest, "lat", codeMissing, "%s: say where the phone is, by lat and lng, or by cell", err)
	}
	if err != nil {
		return err
	}
	c.Response().Header.Set(fiber.HeaderCacheControl, "private, no-store")
	return encode(c, planFrom(&plan))
}

// wantedFrom reads the parameters of a plan. The parameters themselves were held to the contract before.
func (a *API) wantedFrom(c *fiber.Ctx, params *wire.NearbyGeofencesParams) (w visit.Wanted, err error) {
	w = visit.Wanted{Key: who.Key{Retailer: caller(c).Retailer}, At: a.Now(), Regions: geo.RegionsIOS}
	if params.Platform == wire.NearbyGeofencesParamsPlatformAndroid {
		w.Regions = geo.RegionsAndroid
	}
	if params.Limit != nil {
		w.Regions = *params.Limit
	}
	switch named := strings.Clone(params.Shopper); {
	case caller(c).Role == "shopper" && named != "" && named != caller(c).Subject:
		return w, parameterProblem(forbidden, "shopper", "forbidden", "this token speaks for its own shopper only: leave it out")
	case caller(c).Role == "shopper":
		w.Key.Shopper = caller(c).Subject
	default:
		w.Key.Shopper = named
	}
	pair := params.Lat != nil && params.Lng != nil
	switch {
	case (params.Lat != nil || params.Lng != nil) && params.Cell != "":
		return w, parameterProblem(invalidRequest, "cell", codeMixed, "want lat and lng, or cell, not both")
	case !pair && params.Lat != nil:
		return w, parameterProblem(invalidRequest, "lng", codeMissing, "missing: lat comes with lng")
	case !pair && params.Lng != nil:
		return w, parameterProblem(invalidRequest, "lat", codeMissing, "missing: lng comes with lat")
	case pair:
		w.Point = &geo.Point{Lat: *params.Lat, Lng: *params.Lng}
	case params.Cell != "":
		if w.Cell, err = geo.ParseCell(params.Cell); err != nil {
			return w, parameterProblem(invalidRequest, "cell", codeBadFormat, "%s", err)
		}
	case w.Key.Shopper == "":
		return w, parameterProblem(invalidRequest, "lat", codeMissing, "missing: say where the phone is, by lat and lng, or by cell, or name the shopper")
	}
	return w, nil
}

// planFrom tells a plan in the words of the contract.
func planFrom(plan *geo.DevicePlan) wire.DevicePlan {
	return wire.DevicePlan{
		At: wire.LatLng{Lat: plan.At.Lat, Lng: plan.At.Lng}, Regions: regionsFrom(plan.Watch),
		SafeRadiusM: plan.SafeRadiusMeters, CheckAgainS: int(plan.CheckAgain / time.Second),
	}
}

func regionsFrom(watch []geo.Region) []wire.Region {
	out := make([]wire.Region, len(watch))
	for i, r := range watch {
		wakes := wire.RegionWatchEnter
		if r.Leave {
			wakes = wire.RegionWatchExit
		}
		out[i] = wire.Region{
			Geofence: r.Geofence, Lat: r.Center.Lat, Lng: r.Center.Lng, RadiusM: r.RadiusMeters,
			Watch: wakes, Exact: r.Exact, DistanceM: r.DistanceMeters,
		}
	}
	return out
}
