package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/app"
	"satnav/server/identity"
	"satnav/server/privacy"
)

// TestRecipientsAreToldOfErasures holds that whoever was told of a shopper is told that the shopper was erased, by the key under which they know them and
// by nothing else; that what still waited for them about the shopper never comes; and that a receiver who is away at that time is told later, after a
// restart too.
func TestRecipientsAreToldOfErasures(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := newHouse(t, plan{data: data, set: openToLoopback})
	const retailer = "telling"
	admin, r := h.role(t, identity.Admin, retailer), newReceiver(t)
	h.call(t, admin, "POST", "/v1/webhooks", map[string]any{"id": "orders", "url": r.URL, "kinds": []string{"enter"}}).wants(201)
	h.call(t, admin, "POST", "/v1/webhooks", map[string]any{"id": "away", "url": r.URL, "status": "paused"}).wants(201)
	h.call(t, admin, "PUT", "/v1/geofences/bakery", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	anna := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("anna-of-telling")})
	for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}) {
		h.ask(t, anna, fix)
	}
	type message struct {
		ID, Type, PartitionKey string
		Data                   map[string]any
		body                   string
	}
	messages := func() (all []message) {
		for _, told := range r.all() {
			m := message{body: string(told.body)}
			if err := json.Unmarshal(told.body, &m); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
		return all
	}
	eventually(t, "the enter is told", func() bool { return len(r.all()) == 1 })
	receipt := read[wire.Erasure](h.call(t, anna, "DELETE", "/v1/me", nil).wants(200))
	if receipt.ToldAt.IsZero() {
		t.Error("the receipt does not say that recipients are told")
	}
	eventually(t, "the erasure is told", func() bool { return len(r.all()) == 2 })
	entered, erased := messages()[0], messages()[1]
	if erased.ID != receipt.ID || erased.Type != "satnav.erasure" || erased.PartitionKey != entered.PartitionKey || erased.Data["erasure"] != receipt.ID || len(erased.Data) != 2 {
		t.Errorf("got %+v, want that %s was erased", erased, entered.PartitionKey)
	}
	if strings.Contains(erased.body, "anna-of-telling") {
		t.Errorf("it names the shopper: %s", erased.body)
	}
	waiting := read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=away", nil).wants(200)).Deliveries
	if len(waiting) != 1 || waiting[0].Type != "satnav.erasure" || waiting[0].Erasure.Erasure != receipt.ID || waiting[0].Data.Shopper != "" {
		t.Errorf("for who is away there wait %+v, want the erasure alone", waiting)
	}
	if _, err := h.app.Erase(t.Context(), app.Erasure{Retailer: retailer, Shoppers: []string{"nobody-of-telling"}}); err != nil { // and the disk is cleaned
		t.Fatal(err)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = newHouse(t, plan{data: data, set: openToLoopback})
	admin = h.role(t, identity.Admin, retailer)
	before := len(r.all())
	h.call(t, admin, "PUT", "/v1/webhooks/away", map[string]any{"url": r.URL, "status": "live"}).wants(200)
	eventually(t, "who was away is told", func() bool { return len(r.all()) > before })
	last := messages()[len(messages())-1]
	if last.Type != "satnav.erasure" || strings.Contains(last.body, "anna-of-telling") {
		t.Errorf("got %+v", last)
	}
	proof, err := h.app.Erasures.Proof(t.Context(), retailer, receipt.ID)
	if err != nil || proof.Commitment != privacy.Commitment(receipt.Secret, who.Key{Retailer: retailer, Shopper: "anna-of-telling"}) {
		t.Errorf("the proof: got %+v, %v", proof, err)
	}
}
