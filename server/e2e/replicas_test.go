package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
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

	// What one records the crowd of the other counts, what one erases the other counts no more, and then the proof may close.
	buyer := one.as(t, identity.Claims{Role: identity.Shopper, Retailer: "replicas", Subject: canary("buyer of two")})
	one.record(t, buyer, wire.Event{ID: "rope", Kind: "purchase", Item: "rope"}, wire.Event{ID: "beans", Kind: "purchase", Item: "beans"})
	eventually(t, "both crowds count what one recorded", func() bool { return one.counts(t, "replicas", "rope") == 1 && two.counts(t, "replicas", "rope") == 1 })
	rope := read[wire.Diary](two.call(t, buyer, "GET", "/v1/me/diary?limit=100", nil).wants(200))
	if len(eventsIn(rope)) != 2 {
		t.Errorf("the buyer's diary on the other: %+v", rope)
	}
	receipt := read[wire.Erasure](two.call(t, buyer, "DELETE", "/v1/me", nil).wants(200))
	eventually(t, "no crowd counts who was erased on the other", func() bool { return one.counts(t, "replicas", "rope") == 0 && two.counts(t, "replicas", "rope") == 0 })
	if one.counts(t, "replicas", "beans") != 0 || two.counts(t, "replicas", "beans") != 0 {
		t.Error("a crowd counts a part of who was erased")
	}
	if proof := read[wire.Erasure](one.call(t, admin, "GET", "/v1/admin/erasures/"+receipt.ID, nil).wants(200)); proof.ErasedAt.IsZero() {
		t.Errorf("proof: %+v", proof)
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
	c.Store = mongotest.URL(t)
	database, err := app.OpenStore(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	back, err := store.Copy(context.Background(), to, database, func(store.Contents) {})
	if err != nil || back != copied {
		t.Errorf("copied back from the folder were %+v, %v, want %+v", back, err, copied)
	}
	if err := errors.Join(to.Close(), database.Close()); err != nil {
		t.Fatal(err)
	}
	moved := newHouse(t, plan{data: c.Data})
	moved.issuer.Key = one.issuer.Key
	got, err := store.Summary(t.Context(), from)
	if err != nil || got != copied || copied.Documents < events {
		t.Errorf("the source holds %+v, %v, copied were %+v", got, err, copied)
	}
}

// counts tells how many lines of an item the crowd of this process counts.
func (h *house) counts(t *testing.T, retailer, item string) uint32 {
	t.Helper()
	snapshot, err := h.app.Retailers.Of(t.Context(), retailer)
	if err != nil {
		t.Fatal(err)
	}
	number, known := snapshot.Names.Items.Lookup(item)
	if !known || int(number) >= len(snapshot.Suggest.Crowd.Items) {
		return 0
	}
	return snapshot.Suggest.Crowd.Items[number].Lines
}

// TestReplicasInterleave lets replicas answer for the same few shoppers at the same moment, each fix and each event twice at once.
// In the end each crossing and each event is there exactly once, as if one process had answered in order.
func TestReplicasInterleave(t *testing.T) {
	t.Parallel()
	visits, shoppers := 1, 2 // of 1,000 fixes each, 100 a call: the test server does tens of calls a second
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		visits, shoppers = 7, 3
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
					var trail []map[string]any
					for n := range 99 {
						if n >= 50 {
							lat = 38.73
						}
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
			if len(want) < visits*20 { // each call enters and leaves
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
