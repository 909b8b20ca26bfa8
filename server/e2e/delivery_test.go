package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// told is a message as a receiver got it.
type told struct {
	body   []byte
	header http.Header
}

// receiver keeps what it is told.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	told []told
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, told{body, request.Header.Clone()})
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// openToLoopback lets webhooks be on this machine.
func openToLoopback(c *config.Config) { c.Delivery.Allow = []string{"127.0.0.0/8"} }

// TestTriggerIsDelivered holds that a webhook is told of exactly what the shopper was told, with the same ids, verifiable by the
// public library, and that a retry of the call tells it nothing new.
func TestTriggerIsDelivered(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{set: openToLoopback})
	const retailer = "delivered"
	admin, r := h.role(t, identity.Admin, retailer), newReceiver(t)
	hook := read[wire.StoredWebhook](h.call(t, admin, "POST", "/v1/webhooks", map[string]any{"id": "orders", "url": r.URL}).wants(201))
	if hook.Secret == "" || hook.Status != "live" {
		t.Fatalf("got %+v, want a live webhook with its secret", hook)
	}
	h.call(t, admin, "PUT", "/v1/geofences/bakery", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"],"payload":{"aisle":4}}}`).wants(201)
	anna := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("anna-of-delivery")})
	var ids []string
	for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
		answer := h.ask(t, anna, fix)
		h.ask(t, anna, fix)
		for _, trigger := range answer.Triggers {
			ids = append(ids, trigger.ID)
		}
	}
	if len(ids) < 2 {
		t.Fatalf("the walk made %d triggers, want an enter and an exit", len(ids))
	}
	eventually(t, "all are told", func() bool { return len(r.all()) >= len(ids) })
	verifier, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, message := range r.all() {
		if err := verifier.Verify(message.body, message.header); err != nil {
			t.Error(err)
		}
		var event struct {
			ID   string
			Data wire.TriggerEvent
		}
		if err := json.Unmarshal(message.body, &event); err != nil {
			t.Fatal(err)
		}
		if event.Data.Shopper != "anna-of-delivery" || event.Data.Geofence != "bakery" || string(event.Data.Payload) != `{"aisle":4}` {
			t.Errorf("got %s", message.body)
		}
		got = append(got, event.ID)
	}
	if !slices.Equal(got, ids) {
		t.Errorf("the webhook was told of %q, the shopper of %q", got, ids)
	}
	if left := read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=orders&status=undelivered", nil).wants(200)); len(left.Deliveries) > 0 {
		t.Errorf("undelivered: got %+v", left)
	}
}

// walk is a fix each 20 seconds, six at each place.
func walk(from time.Time, places ...[2]float64) (fixes []map[string]any) {
	at := from
	for _, place := range places {
		for range 6 {
			at = at.Add(20 * time.Second)
			fixes = append(fixes, map[string]any{
				"at": at.UTC().Format(time.RFC3339), "limit": 0,
				"where":       map[string]any{"lat": place[0], "lng": place[1], "accuracy_m": 8},
				"permissions": map[string]any{"location": "precise"},
			})
		}
	}
	return fixes
}

// TestWebhooksAreConfigured walks through the life of a webhook and of a message that nobody takes.
func TestWebhooksAreConfigured(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{set: openToLoopback})
	const retailer = "webhooks"
	admin := h.role(t, identity.Admin, retailer)
	created := h.call(t, admin, "PUT", "/v1/webhooks/orders", `{"url":"https://example.com/a","kinds":["exit"],"name":"Desk"}`).wants(201)
	first := read[wire.StoredWebhook](created)
	h.call(t, admin, "POST", "/v1/webhooks", `{"id":"orders","url":"https://example.com/b"}`).problem(409)
	h.call(t, admin, "PUT", "/v1/webhooks/orders", `{"url":"https://example.com/b"}`, "If-Match", `"9"`).problem(412)
	replaced := read[wire.StoredWebhook](h.call(t, admin, "PUT", "/v1/webhooks/orders", `{"url":"https://example.com/b","status":"paused"}`, "If-Match", `"1"`).wants(200))
	if replaced.Secret != "" || replaced.Version != 2 || replaced.Status != "paused" || len(replaced.Kinds) > 0 {
		t.Errorf("replaced: got %+v", replaced)
	}
	rotated := read[wire.StoredWebhook](h.call(t, admin, "POST", "/v1/webhooks/orders/rotate", nil).wants(200))
	if rotated.Secret == "" || rotated.Secret == first.Secret || rotated.RotatingUntil.Before(time.Now().Add(23*time.Hour)) || rotated.URL != "https://example.com/b" {
		t.Errorf("rotated: got %+v", rotated)
	}
	if got := read[wire.StoredWebhook](h.call(t, admin, "GET", "/v1/webhooks/orders", nil).wants(200)); got.Secret != "" || got.Version != 3 {
		t.Errorf("read: got %+v, want no secret, version 3", got)
	}
	h.call(t, admin, "GET", "/v1/webhooks/orders", nil, "If-None-Match", `"3"`).wants(304)
	if list := read[wire.WebhookList](h.call(t, admin, "GET", "/v1/webhooks", nil).wants(200)); len(list.Webhooks) != 1 || list.Webhooks[0].Secret != "" {
		t.Errorf("list: got %+v", list)
	}
	for _, tc := range []struct{ name, give string }{
		{"a private address", `{"url":"https://10.0.0.1/"}`},
		{"a cloud's metadata", `{"url":"https://169.254.169.254/"}`},
		{"a password", `{"url":"https://u:p@example.com/"}`},
		{"no URL", `{"url":"example"}`},
		{"an unknown kind", `{"url":"https://example.com/","kinds":["leave"]}`},
		{"an id that no key can hold", `{"url":"https://example.com/","id":"a/b"}`},
	} {
		if got := h.call(t, admin, "POST", "/v1/webhooks", tc.give).problem(422); len(got.Errors) != 1 {
			t.Errorf("%s: got %+v, want one fault with its place", tc.name, got)
		}
	}
	h.call(t, admin, "GET", "/v1/deliveries?webhook=orders&cursor=x", nil).problem(400)
	h.call(t, admin, "POST", "/v1/deliveries/orders~x~1/replay", nil).problem(404)
	h.call(t, admin, "DELETE", "/v1/deliveries/nothing", nil).problem(404)
	h.call(t, admin, "DELETE", "/v1/webhooks/orders", nil).wants(204)
	h.call(t, admin, "DELETE", "/v1/webhooks/orders", nil).problem(404)
	h.call(t, admin, "POST", "/v1/webhooks/orders/rotate", nil).problem(404)
	for n := range 16 {
		h.call(t, admin, "PUT", "/v1/webhooks/h"+string(rune('a'+n)), `{"url":"https://example.com/"}`).wants(201)
	}
	h.call(t, admin, "PUT", "/v1/webhooks/one-more", `{"url":"https://example.com/"}`).problem(422)
}

// TestWaitingDeliveryIsShown holds that what cannot be delivered yet is shown, and can be deleted.
func TestWaitingDeliveryIsShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{set: openToLoopback})
	const retailer = "waiting"
	admin := h.role(t, identity.Admin, retailer)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(broken.Close)
	h.call(t, admin, "PUT", "/v1/webhooks/orders", map[string]any{"url": broken.URL}).wants(201)
	h.call(t, admin, "PUT", "/v1/geofences/bakery", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	ben := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("ben-of-delivery")})
	for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
		h.ask(t, ben, fix)
	}
	var waiting []wire.Delivery
	eventually(t, "the failure is shown", func() bool {
		waiting = read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=orders", nil).wants(200)).Deliveries
		return len(waiting) == 2 && slices.ContainsFunc(waiting, func(d wire.Delivery) bool { return d.Attempts > 0 && d.Fault != "" })
	})
	page := read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=orders&limit=1", nil).wants(200))
	rest := read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=orders&cursor="+page.Next, nil).wants(200))
	if page.Next == "" || len(rest.Deliveries) != 1 || rest.Deliveries[0].ID == page.Deliveries[0].ID {
		t.Errorf("pages: got %+v, then %+v", page, rest)
	}
	h.call(t, admin, "POST", "/v1/deliveries/"+waiting[0].ID+"/replay", nil).wants(200)
	for _, d := range waiting {
		h.call(t, admin, "DELETE", "/v1/deliveries/"+d.ID, nil).wants(204)
	}
	if left := read[wire.DeliveryList](h.call(t, admin, "GET", "/v1/deliveries?webhook=orders", nil).wants(200)); len(left.Deliveries) > 0 {
		t.Errorf("after the deletion: got %+v", left)
	}
}

// TestStream holds that who looks on is told of what happens, that a stream goes on where another one ended, and that it
// does not keep a process from ending.
func TestStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t, plan{})
	const retailer = "streamed"
	admin := h.role(t, identity.Admin, retailer)
	h.call(t, admin, "PUT", "/v1/geofences/bakery", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	h.call(t, admin, "GET", "/v1/stream", nil, "Last-Event-ID", "yesterday").problem(400)
	open := func(after string) (*http.Response, *bufio.Scanner) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "GET", h.url+"/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+admin)
		if after != "" {
			request.Header.Set("Last-Event-ID", after)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || kind != "text/event-stream; charset=utf-8" {
			t.Fatalf("got %d %s", response.StatusCode, kind)
		}
		return response, bufio.NewScanner(response.Body)
	}
	next := func(lines *bufio.Scanner) (id string, told struct{ ID, Shopper, Geofence, Kind string }) {
		t.Helper()
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = text
			}
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(text), &told); err != nil {
					t.Fatal(err)
				}
				return id, told
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", told
	}
	response, lines := open("")
	cleo := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("cleo-of-stream")})
	var ids []string
	for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
		for _, trigger := range h.ask(t, cleo, fix).Triggers {
			ids = append(ids, trigger.ID)
		}
	}
	if len(ids) < 2 {
		t.Fatalf("the walk made %d triggers", len(ids))
	}
	first, told := next(lines)
	if told.ID != ids[0] || told.Shopper != "cleo-of-stream" || told.Geofence != "bakery" || told.Kind != "enter" {
		t.Errorf("got %+v, want the trigger %s", told, ids[0])
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	response, lines = open(first)
	for told.ID != ids[1] { // the first may come again
		_, told = next(lines)
	}
	h.call(t, cleo, "PUT", "/v1/me/permissions", `{"grants":{"location":false}}`).wants(200)
	dora := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("dora-of-stream")})
	for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
		h.ask(t, dora, fix)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	response, lines = open(first)
	if _, told = next(lines); told.Shopper != "dora-of-stream" {
		t.Errorf("after the withdrawal: got %+v, which the shopper took back", told)
	}
	log := string(h.call(t, admin, "GET", "/v1/admin/audit", nil).wants(200).body)
	if !strings.Contains(log, "StreamTriggers") {
		t.Errorf("the audit log does not tell who looked on: %.500s", log)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.stop() }()
	for lines.Scan() { // the process closes it
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	_ = response.Body.Close()
}
