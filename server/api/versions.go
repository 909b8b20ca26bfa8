package api

import (
	"bytes"
	"slices"

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
			out.Versions[i].Feature = namedFeature(e.Body, e.ID)
		}
	}
	return encode(c, out)
}

// namedFeature is withName of a whole feature, which shares no memory with it. geo.AppendFeature writes no text but the
// id before the properties, and escapes its quotes, so that the first of these words is where they begin.
func namedFeature(feature []byte, id string) []byte {
	before, properties, found := bytes.Cut(feature, []byte(`,"properties":`))
	if !found {
		return bytes.Clone(feature)
	}
	return slices.Concat(before, []byte(`,"properties":`), withName(properties, id))
}
