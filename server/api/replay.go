package api

import (
	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/track"
)

// ReplayGeofences tells what would have been told on a recorded walk.
func (a *API) ReplayGeofences(c *fiber.Ctx) error {
	var in wire.ReplayRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	fences := snapshot.Fences
	if in.Geofences == wire.GeofenceStatusDraft {
		fences = snapshot.Drafts
	}
	fixes := make([]geo.Fix, len(in.Fixes))
	for i, f := range in.Fixes {
		fixes[i] = geo.Fix{At: f.At, Point: geo.Point{Lat: f.Lat, Lng: f.Lng}, AccuracyMeters: f.AccuracyM, Floor: f.Floor, Mocked: f.Mocked}
	}
	crossings := track.Replay(fences, fixes)
	out := wire.ReplayResponse{Crossings: make([]wire.ReplayedCrossing, len(crossings))}
	for i := range crossings {
		x := &crossings[i]
		out.Crossings[i] = wire.ReplayedCrossing{
			Geofence: x.Geofence, Kind: wire.TriggerKind(x.Kind), At: x.At, DecidedAt: x.DecidedAt, Lat: x.Lat, Lng: x.Lng,
			Told: x.Told, Withheld: x.Withheld,
			Reason: wire.CrossingReason{
				Rule: string(x.Reason.Rule), DistanceM: x.Reason.DistanceMeters, AccuracyM: x.Reason.AccuracyMeters,
				Probability: x.Reason.Probability, Distrust: string(x.Reason.Distrust), Fix: replayedFix(x.Reason.Fix), Text: x.Why(),
			},
		}
	}
	return encode(c, out)
}

// replayedFix is the fix of the track that decided; nil: time did.
func replayedFix(f *track.Fix) (told wire.Fix) {
	if f == nil {
		return told
	}
	return wire.Fix{At: f.T, Lat: f.Lat, Lng: f.Lng, AccuracyM: f.AccuracyMeters, Floor: f.Floor, Mocked: f.Mocked}
}
