package app

import (
	"slices"
	"strings"
	"testing"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestGeofencesAreRefusedWithTheirPlace holds faults that a geofence could be stored with, or that were told as another.
func TestGeofencesAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	manager := as(t, a, url, identity.Manager, "ann")
	circle := func(properties string) string {
		return `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,` + properties + `}}`
	}
	for _, test := range []struct {
		name, give    string
		status        int
		pointer, code string
	}{
		{"a payload that is a number", circle(`"payload":5`), 400, "/properties/payload", "wrong_type"},
		{"a name of a page", circle(`"name":"` + strings.Repeat("é", 201) + `"`), 422, "/properties/name", "too_long"},
		{"a dwell in words", circle(`"dwell_s":"5 min"`), 400, "/properties/dwell_s", "wrong_type"},
		{"a dwell of a century", circle(`"dwell_s":3e9`), 422, "/properties/dwell_s", "out_of_range"},
		{"an unknown status", circle(`"status":"on"`), 422, "/properties/status", "unknown_value"},
		{"a day that is none", circle(`"schedule":{"weekly":{"mon":["08:00-20:00"]}}`), 422, "/properties/schedule/weekly/mon", "unknown_value"},
		{"a radius twice", circle(`"radius_m":90`), 400, "/properties/radius_m", "duplicate_field"},
		{"another projection", `{"type":"Feature","crs":{"properties":{"name":"EPSG:3857"}},"geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":80}}`, 422, "/crs", "other_projection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var problem wire.Problem
			manager.call("PUT", "/v1/geofences/hall", "application/json", test.give, test.status, &problem)
			if len(problem.Errors) != 1 || problem.Errors[0].Pointer != test.pointer || problem.Errors[0].Code != test.code {
				t.Errorf("got %+v, want %s at %s", problem.Errors, test.code, test.pointer)
			}
		})
	}
	manager.call("PUT", "/v1/geofences/hall", "application/json", circle(`"name":"`+strings.Repeat("é", 200)+`","payload":{"k":5},"schedule":{"weekly":{"mo":["08:00-20:00"]}}`), 201, nil)
}

// TestGeofencesComeInEveryForm imports each form of file by its own media type, and from a file of one line is told which one is wrong.
func TestGeofencesComeInEveryForm(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	manager := as(t, a, url, identity.Manager, "ann")
	for _, test := range []struct{ name, mediaType, give string }{
		{"KML", "application/vnd.google-earth.kml+xml", `<kml><Placemark id="f"><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 9,0 9,9 0,0</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>`},
		{"WKT", "text/plain", "f\tPOLYGON ((0 0, 9 0, 9 9, 0 0))\n"},
		{"CSV", "text/csv", "id,lat,lng,radius_m\nf,1,2,50\n"},
		{"GeoJSON", "application/geo+json", `{"type":"FeatureCollection","features":[{"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":5}}]}`},
		{"NDJSON", "application/x-ndjson", `{"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":6}}` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var report wire.ImportReport
			manager.call("POST", "/v1/import/geofences?dry_run=true", test.mediaType, test.give, 200, &report)
			if report.Stored != 1 || len(report.Changes) != 1 || report.Changes[0].ID != "f" {
				t.Errorf("got %+v", report)
			}
		})
	}
	var report wire.ImportReport
	manager.call("POST", "/v1/import/geofences?dry_run=true", "application/octet-stream",
		`[{"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":5,"dwel_s":5}},{"type":"Feature","id":"g","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}]`, 200, &report)
	if len(report.Rejected) != 1 || report.Rejected[0].Number != 2 || report.Rejected[0].ID != "g" {
		t.Errorf("got %+v, want the second to be refused", report.Rejected)
	}
	if !slices.ContainsFunc(report.Notes, func(n wire.RejectedRow) bool { return n.Number == 1 && n.ID == "f" }) {
		t.Errorf("got %+v, want a note on the first", report.Notes)
	}
}

// TestReplayTellsTheFixThatDecided holds what a reason is made of.
func TestReplayTellsTheFixThatDecided(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	manager := as(t, a, url, identity.Manager, "ann")
	manager.call("PUT", "/v1/geofences/hall", "application/json", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"dwell_s":60}}`, 201, nil)
	var replayed wire.ReplayResponse
	manager.call("POST", "/v1/geofences/replay", "application/json", `{"fixes":[{"at":"2026-11-22T09:00:00Z","lat":38.71,"lng":-9.14,"accuracy_m":6},{"at":"2026-11-22T09:00:10Z","lat":38.71,"lng":-9.14,"accuracy_m":7},{"at":"2026-11-22T09:02:00Z","lat":38.71,"lng":-9.14,"accuracy_m":8}]}`, 200, &replayed)
	if len(replayed.Crossings) != 2 {
		t.Fatalf("got %+v, want an enter and a dwell", replayed.Crossings)
	}
	if enter := replayed.Crossings[0]; !enter.Reason.Fix.At.Equal(enter.DecidedAt) || enter.Reason.Fix.AccuracyM == 0 || enter.Reason.Rule == "" {
		t.Errorf("got %+v, want the fix that decided", enter.Reason)
	}
	if dwell := replayed.Crossings[1]; !dwell.Reason.Fix.At.IsZero() {
		t.Errorf("got %+v, want no fix where time decided", dwell.Reason)
	}
}
