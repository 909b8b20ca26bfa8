package api

import (
	"bytes"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/store"
)

// ListGeofenceVersions tells what a geofence was, and who changed it.
func (a *API) ListGeofenceVersions(c *fiber.Ctx, id wire.ID) error {
	entries, err := a.Retailers.Versions(c.UserContext(), caller(c).Retailer, store.GeofenceEntry, id)
	if err != nil {
		return absent(err, store.GeofenceEntry, id)
	}
	out := wire.GeofenceVersions{Versions: make([]wire.GeofenceVersion, len(entries))}
	for i, e := range entries {
		out.Versions[i] = wire.GeofenceVersion{Version: e.Version, At: e.At, By: e.By, Deleted: e.Deleted}
		if !e.Deleted {
			out.Versions[i].Feature = bytes.Clone(e.Body)
		}
	}
	return encode(c, out)
}
