package e2e

import (
	"slices"
	"testing"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

const (
	small = `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":50,"name":"Bakery"}}`
	large = `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":500,"name":"Bakery"}}`
)

// TestRestoreGeofence brings old versions back, of a deleted geofence too. The history goes on.
func TestRestoreGeofence(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "restored")
	const path = "/v1/geofences/bakery"
	city.call(t, admin, "PUT", path, small).wants(201)
	city.call(t, admin, "PUT", path, large).wants(200)
	near := [2]float64{-9.14, 38.7127} // 300 m off
	inside := func() bool { return len(match(t, admin, near)[0]) > 0 }
	if !inside() {
		t.Fatal("the large one does not hold a point 300 m off")
	}
	city.call(t, admin, "POST", path+"/restore?version=1", nil, "If-Match", `"1"`).wants(412)
	back := read[wire.StoredGeofence](city.call(t, admin, "POST", path+"/restore?version=1", nil, "If-Match", `"2"`).wants(200))
	if back.Version != 3 || inside() {
		t.Errorf("got version %d, large %v; want version 3, small again", back.Version, inside())
	}
	city.call(t, admin, "DELETE", path, nil).wants(204)
	city.call(t, admin, "POST", path+"/restore?version=4", nil).wants(409)
	city.call(t, admin, "POST", path+"/restore?version=9", nil).wants(404)
	city.call(t, admin, "POST", "/v1/geofences/other/restore?version=1", nil).wants(404)
	back = read[wire.StoredGeofence](city.call(t, admin, "POST", path+"/restore?version=2", nil).wants(201))
	if back.Version != 5 || !inside() {
		t.Errorf("got version %d, large %v; want version 5, large again", back.Version, inside())
	}
	versions := read[wire.GeofenceVersions](city.call(t, admin, "GET", path+"/versions", nil).wants(200)).Versions
	if len(versions) != 5 {
		t.Errorf("got %d versions, want all 5", len(versions))
	}
}

// TestDryRunTellsWhatWouldChange holds that a dry run knows new, changed and unchanged, checks what an import
// checks, and stores nothing.
func TestDryRunTellsWhatWouldChange(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "rehearsed")
	of := func(id, store, radius string) string {
		return `{"type":"Feature","id":"` + id + `","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":` + radius + `,"store":"` + store + `"}}` + "\n"
	}
	before := of("a", "s1", "50") + of("b", "s1", "50") + of("c", "s2", "50")
	city.upload(t, admin, "geofences", "", before, "Content-Type", "application/x-ndjson")
	after := of("a", "s1", "50") + of("b", "s1", "60") + of("c", "s1", "70") + of("d", "s1", "50")
	got := city.upload(t, admin, "geofences", "?dry_run=true", after, "Content-Type", "application/x-ndjson")
	want := []wire.ImportChange{
		{Line: 2, ID: "b", Changed: []string{"radius_m"}}, {Line: 3, ID: "c", Changed: []string{"radius_m", "store"}}, {Line: 4, ID: "d", Created: true},
	}
	same := func(x, y wire.ImportChange) bool {
		return x.Line == y.Line && x.ID == y.ID && x.Created == y.Created && slices.Equal(x.Changed, y.Changed)
	}
	if !got.DryRun || got.Stored != 3 || got.Created != 1 || got.Unchanged != 1 || !slices.EqualFunc(got.Changes, want, same) {
		t.Errorf("got %+v, want changes %+v", got, want)
	}

	// A manager of s1 may not take c from s2: a dry run says so too.
	manager := city.as(t, identity.Claims{Role: identity.Manager, Subject: "m", Retailer: "rehearsed", Stores: []string{"s1"}})
	dry := city.upload(t, manager, "geofences", "?dry_run=true", after, "Content-Type", "application/x-ndjson")
	real := city.upload(t, manager, "geofences", "", after, "Content-Type", "application/x-ndjson")
	if dry.Refused != 1 || dry.Rejected[0].Line != 3 || dry.Stored != 2 {
		t.Errorf("a dry run for a manager of one store: got %+v, want line 3 refused", dry)
	}
	if real.Stored != dry.Stored || real.Created != dry.Created || real.Unchanged != dry.Unchanged || real.Refused != dry.Refused {
		t.Errorf("the import did %+v, the dry run had said %+v", real, dry)
	}
}
