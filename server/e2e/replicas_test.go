package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/app"
	"satnav/server/identity"
	"satnav/server/observe"
	"satnav/server/store"
	"satnav/server/store/mongodb/mongotest"
)

// TestReplicas runs two processes' worth of Satnav on one database: what one acknowledged is known to the other.
func TestReplicas(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	shared := plan{set: func(c *config.Config) { c.Store = url }} // both with both roles
	shared.data = t.TempDir()                                     // of the development key alone
	one, two := newHouse(t, shared), newHouse(t, shared)
	admin := one.role(t, identity.Admin, "replicas")

	// An edit on one is live on the other.
	one.call(t, admin, "PUT", "/v1/products/beans", `{"title":"Beans","category":"food","brand":"b","price":"2.00","currency":"EUR"}`).wants(201)
	eventually(t, "the other replica knows the product", func() bool {
		return two.call(t, admin, "GET", "/v1/products/beans", nil).status == 200
	})
	fence := `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80}}`
	two.call(t, admin, "PUT", "/v1/geofences/hall", fence).wants(201)
	eventually(t, "the geofence is live on the first replica", func() bool {
		return one.call(t, admin, "GET", "/v1/geofences/hall", nil).status == 200
	})

	// Events that one acknowledged are in the diary of the other, each once, whoever was asked.
	shopper := one.as(t, identity.Claims{Role: identity.Shopper, Retailer: "replicas", Subject: canary("shopper of two")})
	const events = 12
	for i := range events {
		h := []*house{one, two}[i%2]
		for range 2 { // a retry reaches the other one
			for _, r := range h.record(t, shopper, wire.Event{ID: fmt.Sprint("e", i), Kind: "view", Item: "beans"}) {
				if r.Status != "stored" && r.Status != "duplicate" {
					t.Errorf("event %d: %+v", i, r)
				}
			}
			h = []*house{two, one}[i%2]
		}
	}
	for name, h := range map[string]*house{"one": one, "two": two} {
		seen := map[string]int{}
		for _, e := range eventsIn(read[wire.Diary](h.call(t, shopper, "GET", "/v1/me/diary?limit=100", nil).wants(200))) {
			seen[e.ID]++
		}
		if len(seen) != events {
			t.Errorf("replica %s tells %d events, want %d", name, len(seen), events)
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("replica %s tells %s %d times", name, id, n)
			}
		}
	}

	// A walk of which the fixes reach either in turn enters once, with one id.
	where := func(lat float64) *wire.Where { lng := -9.14; return &wire.Where{Lat: &lat, Lng: &lng, AccuracyM: 8} }
	began, entered := time.Now().Add(-10*time.Minute), map[string]bool{}
	for i := range 10 {
		lat := 38.72
		if i >= 4 {
			lat = 38.71
		}
		answer := []*house{one, two}[i%2].ask(t, shopper, wire.ContextRequest{
			At: began.Add(time.Duration(i) * 20 * time.Second), Where: where(lat),
			Permissions: &wire.DevicePermissions{Location: "precise"},
		})
		for _, trigger := range answer.Triggers {
			if trigger.Kind == "enter" {
				entered[trigger.ID] = true
			}
		}
	}
	if len(entered) != 1 {
		t.Errorf("the walk entered %d times: %v", len(entered), entered)
	}

	// A withdrawal on one holds on the other from the next call on.
	one.grant(t, shopper, "loyalty", false)
	if used := two.ask(t, shopper, wire.ContextRequest{}).Used; used.History {
		t.Errorf("a withdrawn history was used: %+v", used)
	}

	// Nothing copies what is served; once nobody serves it, a copy holds the same.
	c := config.Default()
	c.Store = url
	log := observe.NewLogger(info, "info", "text")
	from, err := app.OpenStore(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	c.Store, c.Data = config.Embedded, t.TempDir()
	to, err := app.OpenStore(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	copyAll := func() (store.Contents, error) {
		return store.Copy(context.Background(), from, to, func(store.Contents) {})
	}
	if _, err := copyAll(); !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "is served by process") {
		t.Errorf("copying what is served: %v, want %v", err, store.ErrBusy)
	}
	if err := errors.Join(one.stop(), two.stop()); err != nil {
		t.Fatal(err)
	}
	copied, err := copyAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	moved := newHouse(t, plan{data: c.Data})
	moved.issuer.Key = one.issuer.Key
	got, err := store.Summary(t.Context(), from)
	if err != nil || got != copied || copied.Documents < events {
		t.Errorf("the source holds %+v, %v, copied were %+v", got, err, copied)
	}
}
