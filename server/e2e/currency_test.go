package e2e

import (
	"strings"
	"testing"

	"satnav/server/identity"
)

// TestCurrencyOfACatalogue holds that a retailer's currency changes only while no price would become wrong.
func TestCurrencyOfACatalogue(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "currency")
	put := func(currency string, want int) string {
		t.Helper()
		return string(city.call(t, admin, "PUT", "/v1/retailer", `{"currency":"`+currency+`"}`).wants(want).body)
	}
	put("JPY", 200)
	put("EUR", 200) // nothing is priced yet
	city.upload(t, admin, "products", "", "item,price\np1,1.79\np2,2\n", "Content-Type", "text/csv")
	if got := put("JPY", 409); !strings.Contains(got, "2 products are priced in EUR") {
		t.Errorf("got %s", got)
	}
	put("EUR", 200)
	city.call(t, admin, "DELETE", "/v1/products/p1", nil).wants(204)
	city.call(t, admin, "DELETE", "/v1/products/p2", nil).wants(204)
	put("JPY", 200)
}
