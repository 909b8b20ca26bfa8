package e2e

import (
	"strings"
	"testing"

	"satnav/server/identity"
)

// TestSensitivePlacesAreRefused holds that a geofence of which it would tell too much to have been there cannot be saved, also as a
// draft, and that ordinary ones can.
func TestSensitivePlacesAreRefused(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "sensitive")
	fence := func(tags string) string {
		return `{"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":50,"tags":[` + tags + `]}}`
	}
	for _, tag := range []string{"health", "Clinic", "abortion", "church", "mosque", "political", "sexuality", "kindergarten", "prison", "rehab"} {
		p := city.call(t, admin, "PUT", "/v1/geofences/f", fence(`"food","`+tag+`"`)).problem(422)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/properties/tags/1" || !strings.Contains(p.Errors[0].Detail, "sensitive") {
			t.Errorf("%s: got %+v", tag, p)
		}
	}
	for _, tag := range []string{"bakery", "food", "tennis court", "healthy food", "market", "party", "baby", "credit", "school"} {
		if got := city.call(t, admin, "PUT", "/v1/geofences/f-"+strings.ReplaceAll(tag, " ", "-"), strings.Replace(fence(`"`+tag+`"`), `"id":"f",`, "", 1)); got.status != 201 {
			t.Errorf("%s: got %d %s", tag, got.status, got.body)
		}
	}
}
