package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/identity"
	"satnav/server/store/embedded"
	"satnav/server/store/embedded/disktest"
)

// promises are what was acknowledged to clients: events by shopper, triggers by shopper, products by name.
type promises struct {
	mu       sync.Mutex
	events   map[string][]string
	triggers map[string][]string
	products map[string]string
}

// copy is what was promised by now.
func (p *promises) copy() *promises {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &promises{events: map[string][]string{}, triggers: map[string][]string{}, products: map[string]string{}}
	for _, of := range [][2]map[string][]string{{c.events, p.events}, {c.triggers, p.triggers}} {
		for shopper, ids := range of[1] {
			of[0][shopper] = slices.Clone(ids)
		}
	}
	for name, id := range p.products {
		c.products[name] = id
	}
	return c
}

func (p *promises) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ids := range p.events {
		n += len(ids)
	}
	return n + len(p.products)
}

const (
	cutRetailer = "power"
	cutShoppers = 3
)

// broken are the promises that a house does not keep.
func (p *promises) broken(t *testing.T, h *house) (broken []string) {
	t.Helper()
	for n := range cutShoppers {
		name := fmt.Sprint("shopper-", n)
		stored, crossings := diaryOf(t, h, h.as(t, identity.Claims{Role: identity.Shopper, Retailer: cutRetailer, Subject: name}))
		there := map[string]int{}
		for _, line := range stored {
			there[line]++
		}
		for _, id := range p.events[name] {
			if there["event "+id] != 1 {
				broken = append(broken, fmt.Sprintf("%s: event %s is there %d times", name, id, there["event "+id]))
			}
		}
		for _, id := range p.triggers[name] {
			if !crossings[id] {
				broken = append(broken, fmt.Sprintf("%s: trigger %s is lost", name, id))
			}
		}
	}
	made := productsOf(t, h, h.role(t, identity.Admin, cutRetailer))
	for name, id := range p.products {
		if !slices.Equal(made[name], []string{id}) {
			broken = append(broken, fmt.Sprintf("product %q was %s, there are %v", name, id, made[name]))
		}
	}
	return broken
}

// send makes a call that may break off, and tells whether it was answered with what was wanted.
func (h *house) send(t *testing.T, client *http.Client, token, path, body, key string, into any) bool {
	request, err := http.NewRequestWithContext(t.Context(), "POST", h.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode < 300 && json.Unmarshal(text, into) == nil
}

// cutPower lets shoppers and a back end work on a house whose disk loses its power again and again, and returns what was promised
// before a cut and is broken after it.
func cutPower(t *testing.T, cuts int, wrap func(*disktest.Disk) disktest.FS) (broken []string, promised int) {
	dice := rand.New(rand.NewPCG(uint64(cuts), 5))
	data := t.TempDir()
	disk, err := disktest.New(data)
	if err != nil {
		t.Fatal(err)
	}
	kept := (&promises{}).copy()
	for cut := range cuts {
		h, err := raise(plan{data: data, store: embedded.Options{FS: wrap(disk), MemTableBytes: 256 << 10}})
		if err != nil {
			return append(broken, fmt.Sprintf("cut %d: %v", cut, err)), promised // a store that does not open again has lost something
		}
		if broken = kept.broken(t, h); len(broken) > 0 {
			if err := h.stop(); err != nil {
				t.Error(err)
			}
			return broken, promised
		}
		admin := h.role(t, identity.Admin, cutRetailer)
		if cut == 0 {
			h.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80}}`).wants(201)
		}
		stop := make(chan struct{})
		var all sync.WaitGroup
		for n := range cutShoppers {
			name := fmt.Sprint("shopper-", n)
			token := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: cutRetailer, Subject: name})
			at := time.Now().Add(time.Duration(cut-cuts-1) * 20 * time.Minute)
			all.Go(func() {
				client := apitest.Client(t)
				for leg := 0; ; leg++ {
					select {
					case <-stop:
						return
					default:
					}
					var answer wire.ContextResponse
					lat := []float64{38.71, 38.73}[leg/4%2]
					at = at.Add(20 * time.Second)
					fix := fmt.Sprintf(`{"at":%q,"limit":0,"where":{"lat":%g,"lng":-9.14,"accuracy_m":8},"permissions":{"location":"precise"}}`, at.UTC().Format(time.RFC3339), lat)
					if at.Before(time.Now()) && h.send(t, client, token, "/v1/context", fix, "", &answer) {
						kept.mu.Lock()
						for _, trigger := range answer.Triggers {
							kept.triggers[name] = append(kept.triggers[name], trigger.ID)
						}
						kept.mu.Unlock()
					}
					var results wire.EventsResponse
					id := fmt.Sprintf("e%d-%d", cut, leg)
					if h.send(t, client, token, "/v1/events", `{"events":[{"id":"`+id+`","kind":"view","item":"i"}]}`, "", &results) {
						kept.mu.Lock()
						kept.events[name] = append(kept.events[name], id)
						kept.mu.Unlock()
					}
					var made wire.StoredProduct
					title := fmt.Sprintf("%s of %s", id, name)
					if h.send(t, client, admin, "/v1/products", fmt.Sprintf(`{"title":%q}`, title), title, &made) {
						kept.mu.Lock()
						kept.products[title] = made.Item
						kept.mu.Unlock()
					}
				}
			})
		}
		for until := kept.count() + 20 + dice.IntN(60); kept.count() < until && t.Context().Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		before := kept.copy()
		disk = disktest.PowerCut(disk, dice)
		close(stop)
		all.Wait()
		_ = h.stop() // what it writes now is on the old disk
		kept, promised = before, before.count()
	}
	h, err := raise(plan{data: data, store: embedded.Options{FS: wrap(disk)}})
	if err != nil {
		return append(broken, err.Error()), promised
	}
	broken = kept.broken(t, h)
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	return broken, promised
}

// TestPowerCutUnderServer holds that what a whole Satnav acknowledged outlives the power.
func TestPowerCutUnderServer(t *testing.T) {
	t.Parallel()
	cuts := 3
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		cuts = 30
	}
	broken, promised := cutPower(t, cuts, disktest.Honest)
	if len(broken) > 0 {
		t.Errorf("%d promises are broken, the first: %.2000q", len(broken), broken[:min(5, len(broken))])
	}
	if promised < 20*cuts {
		t.Errorf("only %d promises over %d cuts: the test proves nothing", promised, cuts)
	}
	t.Logf("%d promises kept over %d cuts", promised, cuts)
}

// TestPowerCutFindsSyncTurnedOff plants the fault that the test above is there to find: a Satnav whose log is never synced.
func TestPowerCutFindsSyncTurnedOff(t *testing.T) {
	t.Parallel()
	broken, promised := cutPower(t, 40, disktest.Lying)
	if len(broken) == 0 {
		t.Fatalf("of %d promises over 40 cuts of a log that was never synced nothing was found missing", promised)
	}
	t.Logf("found: %.300s", broken[0])
}
