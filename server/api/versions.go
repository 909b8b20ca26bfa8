package api

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
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

// RestoreGeofence brings an old version back, as a new one.
func (a *API) RestoreGeofence(c *fiber.Ctx, id wire.ID, params wire.RestoreGeofenceParams) error {
	expect, err := a.expected(c, store.GeofenceEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	id, version := strings.Clone(id), params.Version
	entries, err := a.Retailers.Versions(c.UserContext(), caller(c).Retailer, store.GeofenceEntry, id)
	if err != nil {
		return absent(err, store.GeofenceEntry, id)
	}
	at := slices.IndexFunc(entries, func(e store.Entry) bool { return e.Version == version })
	switch {
	case at < 0:
		return problem(notFound, "the geofence %s has no version %d: GET /v1/geofences/%s/versions lists those there are", quote(id), version, pathEscape(id))
	case entries[at].Deleted:
		return problem(conflict, "at version %d the geofence %s was deleted: restore the version before, or delete it", version, quote(id))
	}
	fence, err := entries[at].Geofence()
	if err != nil {
		return editProblem(err, "", false)
	}
	return a.saveGeofence(c, retailer.Change[geo.Geofence]{ID: id, Value: fence, Expect: expect}, nil, expect != nil)
}
