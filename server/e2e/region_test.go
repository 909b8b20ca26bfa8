package e2e

import (
	"slices"
	"strings"
	"testing"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestRegions pins a retailer to one of two deployments: that one serves and keeps, the other refuses each operation and says where to go; what is kept already
// cannot be pinned away, and the log names the region.
func TestRegions(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	cn := newHouse(t, plan{set: func(c *config.Config) { c.Region = "CN" }})
	eu := newHouse(t, plan{log: &log, set: func(c *config.Config) { c.Region, c.Elsewhere = "EU", []string{"CN=https://cn.example.com"} }})
	const shop = "pinned"
	body := `{"region":"CN","jurisdiction":"other"}`
	for _, h := range []*house{cn, eu} {
		h.call(t, h.role(t, identity.Admin, shop), "PUT", "/v1/retailer", body).wants(200)
	}
	refused := 0
	for _, op := range operations(t) {
		for _, role := range identity.Roles {
			if op.path == "/v1/retailer" || op.path == "/me" || !strings.HasPrefix(op.path, "/v1/") || !slices.Contains(op.roles, string(role)) {
				continue
			}
			var headers []string
			if op.path == "/v1/import/{kind}" {
				headers = []string{"Content-Type", "application/x-ndjson"}
			}
			got := eu.call(t, eu.role(t, role, shop), op.method, op.request("id"), op.bodyOf(role), headers...).wants(403)
			if !strings.Contains(string(got.body), "wrong-region") || !strings.Contains(string(got.body), "https://cn.example.com") {
				t.Errorf("%s %s as %s: got %s, want the region and its address", op.method, op.path, role, got.body)
			}
			refused++
		}
	}
	if refused < 60 {
		t.Errorf("tried %d operations", refused)
	}
	me := identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: "anna"}
	cn.call(t, cn.as(t, me), "POST", "/v1/events", `{"events":[{"id":"e","kind":"view","item":"i"}]}`).wants(200)
	cn.call(t, cn.as(t, me), "POST", "/v1/context", `{}`).wants(200)
	moved := string(cn.call(t, cn.role(t, identity.Admin, shop), "PUT", "/v1/retailer", `{"region":"EU"}`).wants(422).body)
	if !strings.Contains(moved, "is kept in") {
		t.Errorf("pinned away from what is kept: got %s", moved)
	}
	for name, c := range map[string]struct {
		h      *house
		region string
		want   int
	}{
		"pinned here": {eu, "EU", 200}, "pinned to nowhere": {eu, "", 200}, "pinned elsewhere": {eu, "CN", 403}, "pinned to a part": {eu, "EU-FR", 200}, "no region here": {city.house, "CN", 200},
	} {
		claims := identity.Claims{Role: identity.Shopper, Retailer: "free", Subject: "bo", Region: c.region}
		if got := c.h.call(t, c.h.as(t, claims), "POST", "/v1/context", `{}`); got.status != c.want {
			t.Errorf("a shopper %s: got %d, want %d", name, got.status, c.want)
		}
	}
	if got := read[wire.StoredRetailer](eu.call(t, eu.role(t, identity.Admin, shop), "GET", "/v1/retailer", nil).wants(200)); got.Region != "CN" {
		t.Errorf("the pin: got %q", got.Region)
	}
	if err := eu.stop(); err != nil { // it says in the log that it drains
		t.Error(err)
	}
	if !strings.Contains(log.String(), "region=EU") {
		t.Error("the log does not name the region")
	}
}
