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
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/identity"
)

// ledger is what a client knows for sure of one shopper.
type ledger struct {
	token    string
	triggers []string // ids that were told, in order
	events   []string // ids that were acknowledged
	products []string // ids that were made, one for each leg
	admin    string
	name     string
	at       time.Time
	legs     int
}

// TestCrashLosesNothing kills a process again and again, at any moment, while shoppers walk in and out of a geofence and send
// events. In the end everything that was acknowledged is stored once, and every trigger that was told was delivered, each
// shopper's in order. A call that broke off is sent again, and finds what its first try did.
func TestCrashLosesNothing(t *testing.T) {
	t.Parallel()
	kills, shoppers := 4, 4
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		kills = 200
	}
	const retailer = "crashed"
	data, settings, address := t.TempDir(), filepath.Join(t.TempDir(), "satnav.yaml"), freeAddress()
	if err := os.WriteFile(settings, []byte("delivery:\n  allow: [127.0.0.0/8]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func() *process {
		p := start(t, data, "serve", "--config", settings, "--data", data, "--listen", address)
		p.up(t, address)
		return p
	}
	receiver := newReceiver(t)
	p := serve()
	admin := p.role(t, identity.Admin, retailer)
	hook := read[wire.StoredWebhook](p.call(t, admin, "PUT", "/v1/webhooks/orders", map[string]any{"url": receiver.URL}).wants(201))
	p.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80,"triggers":["enter","exit"]}}`).wants(201)

	stop := make(chan struct{})
	var walkers sync.WaitGroup
	ledgers := make([]*ledger, shoppers)
	for s := range ledgers {
		l := &ledger{at: time.Now().Add(-23 * time.Hour), admin: admin, name: fmt.Sprint("made by ", s)}
		l.token = p.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: fmt.Sprint("crash-walker-", s), Expires: time.Now().Add(3 * time.Hour)})
		ledgers[s] = l
		walkers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l.walk(t, address)
			}
		})
	}
	dice := rand.New(rand.NewPCG(uint64(kills), 77))
	for range kills {
		time.Sleep(time.Duration(50+dice.IntN(400)) * time.Millisecond)
		p.kill(t)
		p = serve()
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	walkers.Wait()

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
	verifier, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all that was told is delivered", func() bool {
		ids := map[string]bool{}
		for _, m := range receiver.all() {
			ids[m.header.Get("webhook-id")] = true
		}
		return !slices.ContainsFunc(ledgers, func(l *ledger) bool {
			return slices.ContainsFunc(l.triggers, func(id string) bool { return !ids[id] })
		})
	})
	last, seen := map[string]string{}, map[string]bool{}
	for _, m := range receiver.all() {
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
	t.Logf("%d kills, %d triggers told, %d events; %d messages for %d ids", kills, told, events, len(receiver.all()), len(seen))
}

// walk goes into the geofence or out of it, and sends an event. What breaks off is sent again until it is answered.
func (l *ledger) walk(t *testing.T, address string) {
	lat := []float64{38.71, 38.73}[l.legs%2]
	for range 4 {
		l.at = l.at.Add(20 * time.Second)
		body := fmt.Sprintf(`{"at":%q,"limit":0,"where":{"lat":%g,"lng":-9.14,"accuracy_m":8},"permissions":{"location":"precise"}}`, l.at.UTC().Format(time.RFC3339), lat)
		var answer wire.ContextResponse
		l.post(t, address, l.token, "/v1/context", body, &answer)
		for _, trigger := range answer.Triggers {
			if !slices.Contains(l.triggers, trigger.ID) {
				l.triggers = append(l.triggers, trigger.ID)
			}
		}
	}
	id := fmt.Sprint("e", l.legs)
	var results wire.EventsResponse
	l.post(t, address, l.token, "/v1/events", `{"events":[{"id":"`+id+`","kind":"view","item":"i"}]}`, &results)
	l.events = append(l.events, id)
	var made wire.StoredProduct
	named := fmt.Sprint(l.name, " on leg ", l.legs)
	l.post(t, address, l.admin, "/v1/products", fmt.Sprintf(`{"title":%q}`, named), &made, "Idempotency-Key", named)
	l.products = append(l.products, made.Item)
	l.legs++
}

func (l *ledger) post(t *testing.T, address, token, path, body string, into any, headers ...string) {
	client := apitest.Client(t)
	for {
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+path, strings.NewReader(body))
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
			if err == nil && response.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d %s", path, response.StatusCode, text)
				return
			}
		}
		if t.Context().Err() != nil {
			return
		}
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
