package e2e

import (
	"slices"
	"strings"
	"testing"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestRopa declares a purpose, a partner and a webhook: the record of processing activities has them at once, in both forms.
func TestRopa(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "recorded")
	settings := wire.Retailer{Name: "Shop | Co", Jurisdiction: "EU", Region: "PT", Purposes: []wire.PurposeSetting{warranty(), {Purpose: "loyalty", KeepDays: 700, Recipients: []string{"Acme"}}}, Sources: []string{"partner:acme"}}
	city.call(t, admin, "PUT", "/v1/retailer", settings).wants(200)
	city.call(t, admin, "POST", "/v1/webhooks", `{"id":"orders","url":"https://example.com/hook?secret=1"}`).wants(201)
	r := read[wire.Ropa](city.call(t, admin, "GET", "/v1/admin/ropa", nil).wants(200))
	of := map[string]wire.RopaActivity{}
	for _, a := range r.Activities {
		of[a.Purpose] = a
	}
	if len(of) != 4 || of["loyalty"].Retention.KeepDays != 700 || !slices.Equal(of["loyalty"].Recipients, []string{"Acme"}) || !of["warranty"].Own || of["location"].Resolution.Stored != 9 {
		t.Errorf("activities: got %+v", of)
	}
	if r.Name != "Shop | Co" || r.Region != "PT" || r.Jurisdiction != "EU" || !slices.Contains(r.Sources, "partner:acme") || len(r.Recipients) != 1 || r.Recipients[0].Name != "example.com" {
		t.Errorf("got %+v", r)
	}
	if len(r.Measures) < 20 || len(r.Measures[0].Tests) == 0 {
		t.Errorf("measures: got %+v", r.Measures)
	}
	page := string(city.call(t, admin, "GET", "/v1/admin/ropa?format=markdown", nil).wants(200).body)
	for _, want := range []string{"| controller | Shop \\| Co (recorded) |", "## warranty: Your warranties", "700 days after it happened", "| webhook | example.com |", r.Measures[0].Promise} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%.3000s", want, page)
		}
	}
}
