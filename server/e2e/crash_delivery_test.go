package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/identity"
	"satnav/server/store/mongodb/mongotest"
)

// ledger is what a client knows for sure of one shopper.
type ledger struct {
	token    string
	triggers []string // ids that were told, in order
	events   []string // ids that were acknowledged
	products []string // ids that were made, one for each leg
	admin    string
	name     string

	addresses []string // of the processes; any will do
	turn      int
	at        time.Time
	legs      int
}

// TestCrashLosesNothing kills a process again and again, at any moment, while shoppers walk in and out of a geofence and send
// events and a back end makes products. In the end everything that was acknowledged is stored once, and every trigger that was
// told was delivered, each shopper's in order. A call that broke off is sent again, and finds what its first try did.
func TestCrashLosesNothing(t *testing.T) {
	t.Parallel()
	kills := 4
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		kills = 200
	}
	crash(t, config.Embedded, 1, kills, 4)
}

// TestReplicaCrashLosesNothing does the same to two processes on one database, of which one is killed and started again while
// the other goes on.
func TestReplicaCrashLosesNothing(t *testing.T) {
	t.Parallel()
	kills, shoppers := 2, 1 // the test server does tens of calls a second
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		kills, shoppers = 20, 3
	}
	crash(t, mongotest.URL(t), 2, kills, shoppers)
}

// crash kills processes on a store while shoppers walk, and checks what is left.
func crash(t *testing.T, url string, processes, kills, shoppers int) {
	const retailer = "crashed"
	data, settings := t.TempDir(), filepath.Join(t.TempDir(), "satnav.yaml")
	if err := os.WriteFile(settings, []byte("delivery:\n  allow: [127.0.0.0/8]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses, running := make([]string, processes), make([]*process, processes)
	serve := func(n int) {
		running[n] = start(t, data, "serve", "--config", settings, "--data", data, "--store", url, "--listen", addresses[n])
		running[n].up(t, addresses[n])
	}
	for n := range processes {
		addresses[n] = freeAddress()
		serve(n)
	}
	p := running[0]
	receiver := newReceiver(t)
	admin := p.as(t, identity.Claims{Role: identity.Admin, Retailer: retailer, Subject: canary("who makes products"), Expires: time.Now().Add(3 * time.Hour)})
	hook := read[wire.StoredWebhook](p.call(t, admin, "PUT", "/v1/webhooks/orders", map[string]any{"url": receiver.URL}).wants(201))
	p.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	for _, other := range running[1:] {
		eventually(t, "the configuration is live on all", func() bool {
			return other.call(t, admin, "GET", "/v1/geofences/hall", nil).status == 200 && len(other.match(t, admin, -9.14, 38.71)) > 0
		})
	}

	stop := make(chan struct{})
	var walkers sync.WaitGroup
	ledgers := make([]*ledger, shoppers)
	var legs atomic.Int64
	for s := range ledgers {
		l := &ledger{at: time.Now().Add(-23 * time.Hour), admin: admin, name: fmt.Sprint("made by ", s), addresses: addresses}
		l.token = p.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: fmt.Sprint("crash-walker-", s), Expires: time.Now().Add(3 * time.Hour)})
		ledgers[s] = l
		walkers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l.walk(t)
				legs.Add(1)
			}
		})
	}
	dice := rand.New(rand.NewPCG(uint64(kills), 77))
	for kill := range kills {
		if processes > 1 { // slow ones are killed in the midst of work, too
			for before := legs.Load(); legs.Load() == before && t.Context().Err() == nil; {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(50+dice.IntN(400)) * time.Millisecond)
		running[kill%processes].kill(t)
		serve(kill % processes)
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	walkers.Wait()
	p = running[0]

	told, events := 0, 0
	for s, l := range ledgers {
		told, events = told+len(l.triggers), events+len(l.events)
		stored, crossings := diaryOf(t, p.house, l.token)
		for _, id := range l.events {
			if n := len(slices.DeleteFunc(slices.Clone(stored), func(line string) bool { return line != "event "+id })); n != 1 {
				t.Errorf("shopper %d: the acknowledged event %s is stored %d times", s, id, n)
			}
		}
		for _, id := range l.triggers {
			if !crossings[id] {
				t.Errorf("shopper %d: the trigger %s was told and is not in the diary", s, id)
			}
		}
	}
	if told < kills || events < kills {
		t.Fatalf("%d triggers and %d events were acknowledged over %d kills: the test proves nothing", told, events, kills)
	}
	made := productsOf(t, p.house, admin)
	for s, l := range ledgers {
		for leg, id := range l.products {
			if ids := made[fmt.Sprint(l.name, " on leg ", leg)]; !slices.Equal(ids, []string{id}) {
				t.Errorf("shopper %d: the product of leg %d was told as %s, stored are %v", s, leg, id, ids)
			}
		}
	}
	receiver.await(t, func(ids map[string]bool) bool {
		return !slices.ContainsFunc(ledgers, func(l *ledger) bool {
			return slices.ContainsFunc(l.triggers, func(id string) bool { return !ids[id] })
		})
	})
	messages, ids := receiver.ordered(t, hook.Secret)
	t.Logf("%d kills, %d triggers told, %d events; %d messages for %d ids", kills, told, events, messages, ids)
}

// match lists the geofences that hold a point.
func (h *house) match(t *testing.T, token string, lng, lat float64) []string {
	t.Helper()
	return read[wire.MatchResponse](h.call(t, token, "POST", "/v1/geofences/match", fmt.Sprintf(`{"points":[[%g,%g]]}`, lng, lat)).wants(200)).Matches[0]
}

// await waits until what was told is enough, judged by the ids that came. Nothing depends on how long that takes, but that it ends.
func (r *receiver) await(t *testing.T, enough func(ids map[string]bool) bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		ids := map[string]bool{}
		for _, m := range r.all() {
			ids[m.header.Get("webhook-id")] = true
		}
		if enough(ids) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 5 minutes %d messages for %d ids came: not all that was told is delivered", len(r.all()), len(ids))
		}
	}
}

// ordered checks that all messages are signed and that the first ones of each id came in the order of their shopper.
func (r *receiver) ordered(t *testing.T, secret string) (messages, ids int) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	last, seen := map[string]string{}, map[string]bool{}
	all := r.all()
	for _, m := range all {
		if err := verifier.VerifyIgnoringTimestamp(m.body, m.header); err != nil {
			t.Error(err)
		}
		var event struct{ ID, PartitionKey, Sequence string }
		if err := json.Unmarshal(m.body, &event); err != nil {
			t.Fatal(err)
		}
		if seen[event.ID] {
			continue // it came again
		}
		seen[event.ID] = true
		if event.Sequence <= last[event.PartitionKey] {
			t.Errorf("%s came after its successor", event.ID)
		}
		last[event.PartitionKey] = event.Sequence
	}
	return len(all), len(seen)
}

// TestWorkIsTakenOver kills the process that delivers: another one goes on, and nothing is lost.
func TestWorkIsTakenOver(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	data, settings := t.TempDir(), filepath.Join(t.TempDir(), "satnav.yaml")
	if err := os.WriteFile(settings, []byte("delivery:\n  allow: [127.0.0.0/8]\n"), 0o600); err != nil {
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
	hook := read[wire.StoredWebhook](api.call(t, admin, "PUT", "/v1/webhooks/orders", map[string]any{"url": r.URL}).wants(201))
	api.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)
	want := map[string]bool{}
	visit := func(name string) {
		token := api.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary(name)})
		for _, fix := range walk(time.Now().Add(-20*time.Minute), [2]float64{38.71, -9.14}, [2]float64{38.73, -9.14}) {
			for _, trigger := range read[wire.ContextResponse](patiently(t, api.house, token, "/v1/context", fix)).Triggers {
				want[trigger.ID] = true
			}
		}
		r.await(t, func(ids map[string]bool) bool {
			for id := range want {
				if !ids[id] {
					return false
				}
			}
			return true
		})
	}
	visit("before-the-kill")
	first.kill(t)
	killed := time.Now()
	visit("after-the-kill")
	t.Logf("delivered %s after the kill, of which it takes 6 s to be sure of it", time.Since(killed).Round(100*time.Millisecond))
	if messages, ids := r.ordered(t, hook.Secret); ids != len(want) || len(want) < 4 {
		t.Errorf("%d messages for %d ids, want those of %d triggers, at least 4", messages, ids, len(want))
	}
}

// walk goes into the geofence or out of it, and sends an event. What breaks off is sent again until it is answered.
func (l *ledger) walk(t *testing.T) {
	lat := []float64{38.71, 38.73}[l.legs%2]
	for range 4 {
		l.at = l.at.Add(20 * time.Second)
		body := fmt.Sprintf(`{"at":%q,"limit":0,"where":{"lat":%g,"lng":-9.14,"accuracy_m":8},"permissions":{"location":"precise"}}`, l.at.UTC().Format(time.RFC3339), lat)
		var answer wire.ContextResponse
		l.post(t, l.token, "/v1/context", body, &answer)
		for _, trigger := range answer.Triggers {
			if !slices.Contains(l.triggers, trigger.ID) {
				l.triggers = append(l.triggers, trigger.ID)
			}
		}
	}
	id := fmt.Sprint("e", l.legs)
	var results wire.EventsResponse
	l.post(t, l.token, "/v1/events", `{"events":[{"id":"`+id+`","kind":"view","item":"i"}]}`, &results)
	l.events = append(l.events, id)
	var made wire.StoredProduct
	named := fmt.Sprint(l.name, " on leg ", l.legs)
	l.post(t, l.admin, "/v1/products", fmt.Sprintf(`{"title":%q}`, named), &made, "Idempotency-Key", named)
	l.products = append(l.products, made.Item)
	l.legs++
}

func (l *ledger) post(t *testing.T, token, path, body string, into any, headers ...string) {
	client := apitest.Client(t)
	for {
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+l.addresses[l.turn%len(l.addresses)]+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		for pair := range slices.Chunk(headers, 2) {
			request.Header.Set(pair[0], pair[1])
		}
		response, err := client.Do(request)
		if err == nil {
			var text []byte
			text, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err == nil && (response.StatusCode == http.StatusOK || response.StatusCode == http.StatusCreated) {
				if err := json.Unmarshal(text, into); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil && response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusConflict {
				t.Errorf("%s: got %d %s", path, response.StatusCode, text)
				return
			}
		}
		if t.Context().Err() != nil {
			return
		}
		l.turn++
		time.Sleep(5 * time.Millisecond)
	}
}

// productsOf are the ids of all products, by title.
func productsOf(t *testing.T, h *house, token string) map[string][]string {
	t.Helper()
	ids := map[string][]string{}
	for cursor := ""; ; {
		page := read[wire.ProductList](h.call(t, token, "GET", "/v1/products?limit=1000"+cursor, nil).wants(200))
		for _, p := range page.Products {
			ids[p.Title] = append(ids[p.Title], p.Item)
		}
		if page.Next == "" {
			return ids
		}
		cursor = "&cursor=" + page.Next
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
			switch e.Type {
			case "event":
				told = append(told, "event "+e.ID)
			case "crossing":
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
