package e2e

import (
	"slices"
	"testing"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestStockByStore holds that an imported stock counts at once in the store that it is of: what that store has none of is
// not suggested there, and still is in the next town.
func TestStockByStore(t *testing.T) {
	t.Parallel()
	const retailer = "shelves"
	admin := city.role(t, identity.Admin, retailer)
	upload := func(kind, file string) { city.upload(t, admin, kind, "", file, "Content-Type", "text/csv") }
	upload("stores", "store,lat,lng,zone\nharbour,38.70,-9.13,UTC\nhill,38.90,-9.13,UTC\n")
	upload("products", "item,title\nmilk,Milk\nbread,Bread\n")
	till := city.role(t, identity.Backend, retailer)
	suggested := func(store string) []string {
		t.Helper()
		answer := read[wire.BatchResponse](city.call(t, till, "POST", "/v1/suggestions/batch", `{"shoppers":["u1"],"store":"`+store+`"}`).wants(200))
		var found []string
		for _, s := range answer.Results[0].Suggestions {
			found = append(found, s.Item)
		}
		slices.Sort(found)
		return found
	}
	near := func(lat string) []string {
		t.Helper()
		got := read[wire.ContextResponse](city.call(t, till, "POST", "/v1/context",
			`{"shopper":"u1","where":{"lat":`+lat+`,"lng":-9.13,"accuracy_m":10},"permissions":{"location":"precise"},"kinds":["product"],"explore":false}`).wants(200))
		found := items(got)
		slices.Sort(found)
		return found
	}
	both := []string{"bread", "milk"}
	for _, step := range []struct {
		name, stock   string
		harbour, hill []string
	}{
		{"nothing is counted", "", both, both},
		{"the harbour runs out of milk", "milk,harbour,0\nmilk,hill,4\n", []string{"bread"}, both},
		{"a delivery comes", "milk,harbour,12\n", both, both},
		{"the hill runs out of bread, of which nobody else has any", "bread,hill,0\n", []string{"milk"}, []string{"milk"}},
	} {
		if step.stock != "" {
			upload("stock", "item,store,stock\n"+step.stock)
		}
		for _, tc := range []struct {
			how       string
			got, want []string
		}{
			{"a batch for the harbour", suggested("harbour"), step.harbour}, {"a batch for the hill", suggested("hill"), step.hill},
			{"a shopper at the harbour", near("38.7001"), step.harbour}, {"a shopper on the hill", near("38.9001"), step.hill},
		} {
			if !slices.Equal(tc.got, tc.want) {
				t.Errorf("%s, %s: got %v, want %v", step.name, tc.how, tc.got, tc.want)
			}
		}
	}
}
