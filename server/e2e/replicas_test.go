package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// TestReplicasInterleave lets replicas answer for the same few shoppers at the same moment, each fix and each event twice at once.
// In the end each crossing and each event is there exactly once, as if one process had answered in order.
func TestReplicasInterleave(t *testing.T) {
	t.Parallel()
	visits, shoppers := 7, 3 // of 100 fixes each
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		visits = 67
	}
	url := mongotest.URL(t)
	shared := plan{data: t.TempDir(), set: func(c *config.Config) { c.Store = url }}
	replicas := []*house{newHouse(t, shared), newHouse(t, shared), newHouse(t, shared)}
	twin := newHouse(t, plan{})
	const retailer = "interleaved"
	hall := `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`
	for _, h := range []*house{replicas[0], twin} {
		admin := h.role(t, identity.Admin, retailer)
		h.call(t, admin, "PUT", "/v1/geofences/hall", hall).wants(201)
		h.call(t, admin, "PUT", "/v1/products/beans", `{}`).wants(201)
	}
	admin := replicas[0].role(t, identity.Admin, retailer)
	for _, h := range replicas {
		eventually(t, "the geofence is live everywhere", func() bool {
			found := read[wire.MatchResponse](h.call(t, admin, "POST", "/v1/geofences/match", `{"points":[[-9.14,38.71]]}`).wants(200)).Matches
			return len(found[0]) > 0
		})
	}

	began := time.Now().Add(-23 * time.Hour)
	var walkers sync.WaitGroup
	for s := range shoppers {
		walkers.Go(func() {
			name := fmt.Sprint("walker-", s)
			claims := identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: name}
			token, twins := replicas[0].as(t, claims), twin.as(t, claims)
			var mu sync.Mutex
			told := map[string]bool{}
			at := began
			for visit := range visits {
				for part := range 10 {
					lat := 38.71
					if part%10 >= 5 {
						lat = 38.73
					}
					var trail []map[string]any
					for range 9 {
						trail = append(trail, map[string]any{"at": at.UTC().Format(time.RFC3339Nano), "lat": lat, "lng": -9.14, "accuracy_m": 8})
						at = at.Add(10 * time.Second)
					}
					moment := map[string]any{
						"at": at.UTC().Format(time.RFC3339Nano), "limit": 0, "trail": trail,
						"where":       map[string]any{"lat": lat, "lng": -9.14, "accuracy_m": 8},
						"permissions": map[string]any{"location": "precise"},
					}
					at = at.Add(10 * time.Second)
					event := fmt.Sprintf(`{"events":[{"id":"e%d-%d","kind":"view","item":"beans"}]}`, visit, part)
					var both sync.WaitGroup
					for n := range 2 {
						h := replicas[(visit+part+n+s)%len(replicas)]
						both.Go(func() {
							answer := patiently(t, h, token, "/v1/context", moment)
							mu.Lock()
							defer mu.Unlock()
							for _, trigger := range read[wire.ContextResponse](answer).Triggers {
								told[trigger.ID] = true
							}
						})
						if part%5 == 0 {
							both.Go(func() { patiently(t, h, token, "/v1/events", event) })
						}
					}
					both.Wait()
					twin.call(t, twins, "POST", "/v1/context", moment).wants(200)
					if part%5 == 0 {
						twin.call(t, twins, "POST", "/v1/events", event).wants(200)
					}
				}
			}
			got, ids := diaryOf(t, replicas[s%len(replicas)], token)
			want, _ := diaryOf(t, twin, twins)
			if !slices.Equal(got, want) {
				t.Errorf("%s: the diary tells %d things, want the %d of one process\n%.2000q\n%.2000q", name, len(got), len(want), got, want)
			}
			if len(want) < visits*3 {
				t.Errorf("%s: one process tells only %d things: the test proves nothing", name, len(want))
			}
			if !maps.Equal(ids, told) {
				t.Errorf("%s: told were the triggers %v, the diary has %v", name, told, ids)
			}
		})
	}
	walkers.Wait()
}

// patiently repeats a call that is told to come back.
func patiently(t *testing.T, h *house, token, path string, body any) reply {
	t.Helper()
	for try := 0; ; try++ {
		r := h.call(t, token, "POST", path, body)
		if r.status == http.StatusServiceUnavailable && try < 200 {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		return r.wants(200)
	}
}

// diaryOf lists crossings and events, oldest first, and the ids of crossings.
func diaryOf(t *testing.T, h *house, token string) (told []string, crossings map[string]bool) {
	t.Helper()
	crossings = map[string]bool{}
	path := "/v1/me/diary?limit=100"
	for cursor := ""; ; {
		page := read[wire.Diary](h.call(t, token, "GET", path+cursor, nil).wants(200))
		for _, e := range page.Entries {
			switch {
			case e.Type == "event":
				told = append(told, "event "+e.ID)
			case e.Type == "crossing":
				told = append(told, fmt.Sprint("crossing ", e.Kind, " ", e.Geofence, " ", e.At.UTC().Format(time.RFC3339)))
				crossings[e.ID] = true
			}
		}
		if page.Next == "" {
			slices.Sort(told) // events have the time at which they came
			return told, crossings
		}
		cursor = "&cursor=" + page.Next
	}
}

// TestWorkIsTakenOver kills the process that delivers; another one goes on, and nothing is lost.
func TestWorkIsTakenOver(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	data, settings := t.TempDir(), filepath.Join(t.TempDir(), "satnav.yaml")
	if err := os.WriteFile(settings, []byte("delivery:\n  allow: [127.0.0.0/8]\nlimits:\n  deadline: 1m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(roles string) (*process, string) {
		address := freeAddress()
		return start(t, data, "serve", "--config", settings, "--data", data, "--store", url, "--listen", address, "--roles", roles), address
	}
	api, address := serve("api")
	api.up(t, address)
	first, _ := serve("worker")
	first.says(t, "work=delivery")
	second, _ := serve("worker")
	second.says(t, "answers no calls")

	const retailer = "taken-over"
	admin, r := api.role(t, identity.Admin, retailer), newReceiver(t)
	api.call(t, admin, "PUT", "/v1/webhooks/orders", map[string]any{"url": r.URL}).wants(201)
	api.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	want := 0
	visit := func(name string) {
		token := api.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary(name)})
		for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
			want += len(read[wire.ContextResponse](patiently(t, api.house, token, "/v1/context", fix)).Triggers)
		}
	}
	arrived := func() bool {
		ids := map[string]bool{}
		for _, m := range r.all() {
			ids[m.header.Get("webhook-id")] = true
		}
		return len(ids) == want
	}
	await := func(what string) {
		for deadline := time.Now().Add(2 * time.Minute); !arrived(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: got %d messages, want %d", what, len(r.all()), want)
			}
		}
	}
	visit("before-the-kill")
	await("before the kill")
	first.kill(t)
	killed := time.Now()
	visit("after-the-kill")
	await("after the kill")
	t.Logf("delivered again %s after the kill", time.Since(killed))
	if want < 4 {
		t.Errorf("only %d triggers: the test proves nothing", want)
	}
	second.says(t, "work=delivery")
	t.Logf("%d messages for %d triggers", len(r.all()), want)
}
