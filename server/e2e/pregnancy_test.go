package e2e

import (
	"fmt"
	"strings"
	"testing"

	"satnav/server/identity"
)

// TestPregnancyScore is the story of the shop that knew of a pregnancy before the family did, told to Satnav: every way to it is refused, and what
// was bought of it is neither suggested nor told as a reason.
func TestPregnancyScore(t *testing.T) {
	t.Parallel()
	const shop = "target"
	manager, product, admin := city.role(t, identity.Manager, shop), city.role(t, identity.Product, shop), city.role(t, identity.Admin, shop)
	me := city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: "anna"})
	for i, p := range []string{
		`{"title":"Lotion without scent","category":"baby/maternity","sensitive":"pregnancy"}`, `{"title":"Supplements","category":"baby/maternity","sensitive":"yes"}`,
		`{"title":"Bread","category":"food"}`, `{"title":"Milk","category":"food"}`,
	} {
		city.call(t, admin, "POST", "/v1/products", strings.Replace(p, "{", fmt.Sprintf(`{"item":"p%d",`, i), 1)).wants(201)
	}
	rule := func(when string) string {
		return fmt.Sprintf(`{"when":%q,"then":[{"kind":"boost","factor":2}]}`, when)
	}
	for name, when := range map[string]string{
		"by a product":                  `candidate.item == "p0"`,
		"by a category of the shop":     `candidate.category == "baby/maternity"`,
		"by a category that is to come": `candidate.category == "pregnancy"`,
		"by a part of a path":           `candidate.category.startsWith("care/fertility/")`,
		"by a tag of a place":           `"maternity" in place.geofence_tags`,
	} {
		got := city.call(t, product, "PUT", "/v1/rules/score", rule(when))
		if got.status != 422 || !strings.Contains(string(got.body), "sensitive") {
			t.Errorf("%s: got %d %s, want it refused as sensitive", name, got.status, got.body)
		}
	}
	if got := city.call(t, product, "PUT", "/v1/rules/ordinary", rule(`candidate.category == "food"`)); got.status != 201 {
		t.Errorf("an ordinary category: got %d %s", got.status, got.body)
	}
	city.call(t, manager, "POST", "/v1/geofences", plaza(`,"tags":["maternity"]`)).wants(422)
	events := ""
	for i := range 12 {
		events += fmt.Sprintf(`,{"id":"e%d","kind":"purchase","item":"p%d","basket":"b%d","at":"2026-11-%02dT10:00:00Z"}`, i, i%3, i/3, 1+i)
	}
	city.call(t, me, "POST", "/v1/events", `{"events":[`+events[1:]+`]}`).wants(200)
	for range 3 {
		got := string(city.call(t, me, "POST", "/v1/context", `{"limit":20}`).wants(200).body)
		for _, telling := range []string{`"p0"`, `"p1"`, "Lotion", "Supplements", "maternity"} {
			if strings.Contains(got, telling) {
				t.Errorf("the answer holds %s: %s", telling, got)
			}
		}
		if !strings.Contains(got, `"p2"`) {
			t.Errorf("nothing else is suggested either: %s", got)
		}
	}
}
