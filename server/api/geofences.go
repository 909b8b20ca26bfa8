package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListGeofences lists geofences.
func (a *API) ListGeofences(c *fiber.Ctx, params wire.ListGeofencesParams) error {
	out := wire.GeofenceList{Type: wire.GeofenceListTypeFeatureCollection, Features: []wire.StoredGeofence{}}
	wanted := wire.GeofenceStatus(strings.Clone(string(params.Status)))
	next, err := a.listing(c, store.GeofenceEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		fence, err := e.Geofence()
		if err != nil {
			return false, err
		}
		switch {
		case wanted == wire.GeofenceStatusDraft && fence.Status != geo.Draft,
			wanted == wire.GeofenceStatusLive && fence.Status != geo.Live,
			params.Store != "" && fence.Store != params.Store,
			params.Tag != "" && !contains(fence.Tags, params.Tag):
			return false, nil
		}
		told, err := geofenceFrom(e.Body, e.Version)
		told.UpdatedAt = e.At
		out.Features = append(out.Features, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

// geofenceFrom tells a stored geofence: a Feature with its version.
func geofenceFrom(body []byte, version int64) (wire.StoredGeofence, error) {
	told := wire.StoredGeofence{}
	if err := json.Unmarshal(body, &told); err != nil {
		return told, err
	}
	told.Properties = withName(told.Properties, told.ID)
	told.Version = version
	return told, nil
}

// withName tells the name of a geofence also where it is the id by default, which geo.AppendFeature leaves out: the
// name is the first of the properties that it writes.
func withName(properties json.RawMessage, id string) json.RawMessage {
	if bytes.HasPrefix(properties, []byte(`{"name":`)) || len(properties) == 0 {
		return properties
	}
	told := appendText([]byte(`{"name":`), id)
	if properties[1] != '}' {
		told = append(told, ',')
	}
	return append(told, properties[1:]...)
}

// CreateGeofence draws a geofence.
func (a *API) CreateGeofence(c *fiber.Ctx, _ wire.CreateGeofenceParams) error {
	fence, mended, err := a.readFeature(c)
	if err != nil {
		return err
	}
	return a.saveGeofence(c, retailer.Change[geo.Geofence]{ID: fence.ID, Value: fence, Expect: new(int64)}, mended, false)
}

// PutGeofence replaces a geofence, or creates it under an id.
func (a *API) PutGeofence(c *fiber.Ctx, id wire.ID, params wire.PutGeofenceParams) error {
	expect, err := a.expected(c, store.GeofenceEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	fence, mended, err := a.readFeature(c)
	if err != nil {
		return err
	}
	id = strings.Clone(id)
	if err := sameID(fence.ID, id, "/id"); err != nil {
		return err
	}
	return a.saveGeofence(c, retailer.Change[geo.Geofence]{ID: id, Value: fence, Expect: expect}, mended, expect != nil)
}

// readFeature reads the geofence of a call. It shares no memory with the request.
func (a *API) readFeature(c *fiber.Ctx) (geo.Geofence, []geo.Mending, error) {
	raw, err := a.body(c, "application/geo+json", "application/json")
	if err != nil {
		return geo.Geofence{}, nil, err
	}
	fence, mended, err := geo.ParseFeature(raw)
	var fault *geo.Fault
	if errors.As(err, &fault) && fault.At == "" {
		return fence, nil, &failure{kind: invalidRequest, detail: fault.Error(), faults: Faults{faultOf(fault, "")}}
	}
	return fence, mended, editProblem(err, "", false)
}

func (a *API) saveGeofence(c *fiber.Ctx, change retailer.Change[geo.Geofence], mended []geo.Mending, conditional bool) error {
	if change.Value.Name == "" {
		change.Value.Name = change.Value.ID
	}
	saved, err := a.Retailers.SaveGeofences(c.UserContext(), caller(c).Retailer, editor(c), []retailer.Change[geo.Geofence]{change})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		if !conditional && errors.Is(err, store.ErrConflict) {
			return problem(conflict, "there is a geofence %s already: PUT it to replace it", quote(saved[0].ID))
		}
		return editProblem(err, "", conditional)
	}
	told, err := geofenceFrom(saved[0].Body, saved[0].Version)
	if err != nil {
		return err
	}
	told.UpdatedAt = saved[0].At
	for _, m := range mended {
		told.Mended = append(told.Mended, wire.Mended{At: m.At, What: m.What})
	}
	return finish(c, saved[0], "/v1/geofences", told)
}

// GetGeofence reads a geofence.
func (a *API) GetGeofence(c *fiber.Ctx, id wire.ID, params wire.GetGeofenceParams) error {
	entry, err := a.entry(c, store.GeofenceEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := geofenceFrom(entry.Body, entry.Version)
	if err != nil {
		return err
	}
	told.UpdatedAt = entry.At
	return encode(c, told)
}

// DeleteGeofence deletes a geofence. Whoever is inside gets an exit that says so.
func (a *API) DeleteGeofence(c *fiber.Ctx, id wire.ID, params wire.DeleteGeofenceParams) error {
	expect, err := a.expected(c, store.GeofenceEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveGeofences(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[geo.Geofence]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	return deleted(c, store.GeofenceEntry, saved, err, expect != nil)
}
