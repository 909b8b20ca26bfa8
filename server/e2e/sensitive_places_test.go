package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestSensitivePlacesKeepNothing tells of a shopper in a clinic's shop in every way there is: nothing of it is kept or answered, all of it is counted, and what
// happens in the bakery next door but one is as ever.
func TestSensitivePlacesKeepNothing(t *testing.T) {
	t.Parallel()
	const shop = "places"
	const clinic, bakery = `"lat":38.7075,"lng":-9.1364`, `"lat":38.7275,"lng":-9.1364`
	admin, manager, till := city.role(t, identity.Admin, shop), city.role(t, identity.Manager, shop), city.role(t, identity.Backend, shop)
	me := city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: "anna"})
	stored := read[wire.StoredStore](city.call(t, admin, "PUT", "/v1/stores/clinic", `{"name":"Apothecary",`+clinic+`,"zone":"Europe/Lisbon","sensitive":"Clinic"}`).wants(201))
	if stored.Sensitive != "health" {
		t.Errorf("the store is %q, want health", stored.Sensitive)
	}
	city.call(t, admin, "PUT", "/v1/stores/bakery", `{"name":"Bakery",`+bakery+`,"zone":"Europe/Lisbon"}`).wants(201)
	city.call(t, manager, "POST", "/v1/geofences", plaza(`,"store":"clinic"`)).wants(422)
	city.call(t, manager, "POST", "/v1/geofences", plaza(`,"name":"square"`)).wants(201)
	city.call(t, me, "PUT", "/v1/me/permissions", `{"grants":{"location":true,"loyalty":true}}`).wants(200)

	in := func(lat float64) string { return geo.CellAt(geo.Point{Lat: lat, Lng: -9.1364}, 10).String() }
	body := `{"events":[{"id":"a","kind":"purchase","item":"p","store":"clinic"},{"id":"b","kind":"purchase","item":"p","store":"bakery"},{"id":"c","kind":"view","item":"p","place":"` + in(38.7275) + `"},
		{"id":"d","kind":"view","item":"p","place":"` + in(38.7075) + `"}]}`
	for range 2 { // a retry is not kept either
		for i, got := range read[wire.EventsResponse](city.call(t, me, "POST", "/v1/events", body).wants(200)).Results {
			if refused := got.Status == wire.EventResultStatusRefused; refused != (i == 0 || i == 3) || refused && got.Problem.Errors[0].Code != "sensitive_place" {
				t.Errorf("event %d: got %+v", i, got)
			}
		}
	}
	imported := read[wire.ImportReport](city.call(t, admin, "POST", "/v1/import/purchases?basis=contract", "shopper,at,item,store\nanna,2026-11-20T10:00:00Z,pill,clinic\n", "Content-Type", "text/csv").wants(200))
	if imported.Stored != 0 || imported.Refused != 1 {
		t.Errorf("import: got %+v", imported)
	}
	began := time.Now().Add(-10 * time.Minute)
	for i := range 8 {
		at := began.Add(time.Duration(i) * 20 * time.Second).UTC().Format(time.RFC3339Nano)
		got := read[wire.ContextResponse](city.call(t, till, "POST", "/v1/context", fmt.Sprintf(`{"shopper":"anna","at":%q,"where":{%s,"accuracy_m":8}}`, at, clinic)).wants(200))
		if got.Place.Store != "" || got.Place.Cell != "" || len(got.Triggers) > 0 || got.Used.Location != "none" {
			t.Fatalf("in the clinic: got %+v, used %+v", got.Place, got.Used)
		}
	}
	if got := read[wire.ContextResponse](city.call(t, till, "POST", "/v1/context", `{"shopper":"anna","where":{`+bakery+`,"accuracy_m":8}}`).wants(200)); got.Place.Store != "bakery" {
		t.Errorf("in the bakery: got %+v", got.Place)
	}
	for _, path := range []string{"/v1/me/diary", "/v1/me/uses", "/v1/me/export"} {
		if got := string(city.call(t, me, "GET", path, nil).wants(200).body); strings.Contains(got, "clinic") || strings.Contains(got, "Apothecary") || strings.Contains(got, "pill") {
			t.Errorf("%s tells of the clinic: %.2000s", path, got)
		}
	}
	response, err := http.Get(operator + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`satnav_sensitive_places_total{retailer="places",what="event"} 5`, `satnav_sensitive_places_total{retailer="places",what="position"} 8`} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("not counted: %s", want)
		}
	}
}
