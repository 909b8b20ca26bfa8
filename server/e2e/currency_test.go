package e2e

import (
	"strings"
	"testing"

	"satnav/sdk-contract/wire"
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

// TestCurrencyOfEvents holds that a retailer's currency stays once an event has a price, also after a restart: what was
// paid would be told in the decimals of another currency.
func TestCurrencyOfEvents(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := newHouse(t, plan{data: data})
	admin := h.as(t, identity.Claims{Role: identity.Admin, Subject: "teller", Retailer: "currency"})
	buyer := h.as(t, identity.Claims{Role: identity.Shopper, Subject: "buyer", Retailer: "currency"})
	put := func(currency string, want int) string {
		t.Helper()
		return string(h.call(t, admin, "PUT", "/v1/retailer", `{"currency":"`+currency+`"}`).wants(want).body)
	}
	put("JPY", 200)
	put("EUR", 200)
	h.record(t, buyer, wire.Event{ID: "free", Kind: "purchase", Item: "i", Price: "0"}, wire.Event{ID: "unpriced", Kind: "purchase", Item: "i"})
	put("JPY", 200) // nothing costs as much in any currency
	h.call(t, admin, "PUT", "/v1/retailer", `{}`).wants(200)
	h.record(t, buyer, wire.Event{ID: "priced", Kind: "purchase", Item: "i", Price: "12.50"})
	put("EUR", 200) // named for the first time, with the same decimals
	for range 2 {
		if got := put("JPY", 409); !strings.Contains(got, "events with prices in EUR") {
			t.Errorf("got %s", got)
		}
		put("USD", 409)
		put("EUR", 200)
		for _, e := range eventsIn(read[wire.Diary](h.call(t, buyer, "GET", "/v1/me/diary", nil).wants(200))) {
			if e.ID == "priced" && e.Price != "12.50" {
				t.Errorf("the diary says %s, want 12.50", e.Price)
			}
		}
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h = newHouse(t, plan{data: data})
	}
}
