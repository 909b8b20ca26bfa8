package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/deliver"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
	"satnav/server/visit"
)

const shop = "demo"

var admin = retailer.Editor{Role: "admin", Subject: "test"}

// house is a store with retailers, an outbox and a deliverer of short waits.
type house struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	outbox    *deliver.Outbox
	desk      *deliver.Desk
	deliverer *deliver.Deliverer
	registry  *prometheus.Registry
}

func newHouse(t testing.TB, config deliver.Config, now func() time.Time) *house {
	t.Helper()
	documents := embeddedtest.Open(t)
	names := retailer.NewNames()
	h := &house{shoppers: store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("secret"), Names: names.Of, CacheBytes: 64 << 20, Alone: true})}
	log := slog.New(slog.DiscardHandler)
	h.retailers = retailer.New(store.NewEntries(documents), h.shoppers, names, now, log)
	config.Guard.Allow = append(config.Guard.Allow, netip.MustParsePrefix("127.0.0.0/8"))
	h.registry = prometheus.NewRegistry()
	metrics := deliver.NewMetrics(h.registry)
	h.deliverer = deliver.New(h.shoppers, h.retailers, config, metrics, now, log)
	h.desk = deliver.NewDesk(h.shoppers, config.Guard, metrics, now, h.deliverer.Posted)
	h.outbox = deliver.NewOutbox(slices.Collect(mapKeys(config.Sinks)), h.deliverer.Posted)
	if _, err := h.retailers.Of(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	return h
}

func mapKeys(sinks map[string]deliver.Sink) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range sinks {
			if !yield(name) {
				return
			}
		}
	}
}

// run delivers until the test ends or stop is called.
func (h *house) run(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.deliverer.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return stop
}

// hook saves a webhook and returns its newest secret.
func (h *house) hook(t testing.TB, id, url string, kinds ...string) string {
	t.Helper()
	saved, err := h.retailers.SaveWebhook(t.Context(), shop, admin, retailer.Change[retailer.Webhook]{ID: id, Value: retailer.Webhook{URL: url, Kinds: kinds}}, false)
	if err != nil || saved.Err != nil {
		t.Fatal(err, saved.Err)
	}
	return secretOf(t, saved)
}

func secretOf(t testing.TB, saved retailer.Saved) string {
	t.Helper()
	var kept retailer.Webhook
	if err := json.Unmarshal(saved.Body, &kept); err != nil {
		t.Fatal(err)
	}
	return kept.Secrets[0].Key
}

// cross commits crossings of a shopper with their letters, as visit does.
func (h *house) cross(t testing.TB, shopper string, from, n int) {
	t.Helper()
	key := who.Key{Retailer: shop, Shopper: shopper}
	snapshot, err := h.retailers.Of(t.Context(), shop)
	if err != nil {
		t.Error(err)
		return
	}
	for i := from; i < from+n; i++ {
		now := time.Now()
		trigger := visit.Trigger{ID: fmt.Sprintf("%s-%06d", shopper, i), Geofence: "bakery", Kind: []geo.Kind{geo.Enter, geo.Exit}[i%2], At: now, DecidedAt: now, Payload: []byte(`{"n":1}`)}
		for {
			revision := int64(0)
			if known, err := h.shoppers.Shopper(t.Context(), key); err == nil {
				revision = known.Revision()
			}
			_, err = h.shoppers.Commit(t.Context(), key, revision, store.Change{At: now, Letters: h.outbox.Letters(snapshot, key, []visit.Trigger{trigger}, now)})
			if err == nil {
				break
			}
			if !isConflict(err) {
				t.Error(err)
				return
			}
		}
		h.outbox.Posted(shop)
	}
}

// receiver is an endpoint that keeps what it is told.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	verify   []*standardwebhooks.Webhook // all must agree
	order    map[string][]string         // ids by partition key, in the order of their first arrival
	seen     map[string]bool
	sequence map[string]string // the last by partition key
	wrong    []string
	again    int
	refuse   func(w http.ResponseWriter, r *http.Request) bool // true: it answered
	refused  atomic.Int64
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{order: map[string][]string{}, seen: map[string]bool{}, sequence: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	if refuse := r.refuse; refuse != nil && refuse(w, request) {
		r.refused.Add(1)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	complain := func(format string, args ...any) { r.wrong = append(r.wrong, fmt.Sprintf(format, args...)) }
	for _, verifier := range r.verify {
		if err := verifier.Verify(body, request.Header); err != nil {
			complain("signature: %v", err)
		}
	}
	var event struct {
		SpecVersion, ID, Source, Type, PartitionKey, Sequence, DataContentType string
		Time                                                                   time.Time
		Data                                                                   struct{ Shopper, Geofence, Kind string }
	}
	if err := json.Unmarshal(body, &event); err != nil {
		complain("body: %v", err)
	}
	if event.SpecVersion != "1.0" || event.Source != "/satnav/"+shop || event.Type != "satnav.trigger."+event.Data.Kind || event.Time.IsZero() {
		complain("no CloudEvent of ours: %s", body)
	}
	if id := request.Header.Get("webhook-id"); id != event.ID || id == "" {
		complain("webhook-id %q, event %q", id, event.ID)
	}
	if r.seen[event.ID] {
		r.again++
	} else {
		if event.Sequence <= r.sequence[event.PartitionKey] {
			complain("%s: sequence %s after %s", event.ID, event.Sequence, r.sequence[event.PartitionKey])
		}
		r.sequence[event.PartitionKey] = event.Sequence
		r.seen[event.ID] = true
		r.order[event.Data.Shopper] = append(r.order[event.Data.Shopper], event.ID)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) verifies(t *testing.T, secrets ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verify = nil
	for _, secret := range secrets {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		r.verify = append(r.verify, verifier)
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// wants waits for n messages and holds that all were right, each shopper's in order.
func (r *receiver) wants(t *testing.T, n int) {
	t.Helper()
	last, since := -1, time.Now()
	for got := r.count(); got < n; got = r.count() {
		if got != last {
			last, since = got, time.Now()
		}
		if time.Since(since) > 4*time.Minute { // it may be down for two
			t.Fatalf("got %d messages, want %d", got, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) != n || len(r.wrong) > 0 {
		t.Errorf("got %d messages, want %d; %d are wrong, the first: %q", len(r.seen), n, len(r.wrong), r.wrong[:min(3, len(r.wrong))])
	}
	for shopper, ids := range r.order {
		if !slices.IsSorted(ids) {
			t.Errorf("shopper %s: got %.500q, want them in order", shopper, ids)
		}
	}
}

func long() bool { return os.Getenv("SATNAV_TEST_LONG") != "" }

// A receiver that fails a fifth of the messages, lets a twentieth of them time out, and is down for a while, gets all of them, each
// shopper's in order, signed so that the public library agrees.
func TestReceiverInTroubleGetsAll(t *testing.T) {
	t.Parallel()
	shoppers, each, down := 100, 10, 500*time.Millisecond
	if long() {
		shoppers, each, down = 1_000, 100, 2*time.Minute
	}
	h := newHouse(t, deliver.Config{Timeout: 150 * time.Millisecond, First: 10 * time.Millisecond, Longest: time.Second, Breaking: 20 * time.Millisecond, AtOnce: 64}, time.Now)
	r := newReceiver(t)
	var random sync.Mutex
	dice := rand.New(rand.NewPCG(20, 5))
	began := time.Now()
	var up atomic.Int64 // when it is up again, in nanoseconds since it began; it goes down after a third
	r.refuse = func(w http.ResponseWriter, request *http.Request) bool {
		if up.Load() == 0 && r.count() >= shoppers*each/3 {
			up.CompareAndSwap(0, int64(time.Since(began)+down))
		}
		if until := up.Load(); int64(time.Since(began)) < until {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		random.Lock()
		roll := dice.IntN(100)
		random.Unlock()
		switch {
		case roll < 20:
			w.WriteHeader(http.StatusInternalServerError)
			return true
		case roll < 25:
			select {
			case <-request.Context().Done():
			case <-time.After(time.Second):
			}
			return true
		}
		return false
	}
	r.verifies(t, h.hook(t, "orders", r.URL+"/hook?key=1"))
	h.run(t)
	var writers sync.WaitGroup
	slots := make(chan struct{}, 32)
	for s := range shoppers {
		writers.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			h.cross(t, fmt.Sprintf("s%d", s), 0, each)
		})
	}
	writers.Wait()
	r.wants(t, shoppers*each)
	if up.Load() == 0 {
		t.Error("the receiver was never down: the test proves nothing")
	}
	if refused := r.refused.Load(); refused < int64(shoppers*each/10) {
		t.Errorf("only %d messages were refused: the test proves nothing", refused)
	}
	eventually(t, "nothing waits any more", func() bool {
		letters, _, err := h.desk.List(t.Context(), shop, "orders", false, "", 10)
		return err == nil && len(letters) == 0
	})
	t.Logf("%d messages in %s, %d refused, %d came again", shoppers*each, time.Since(began), r.refused.Load(), r.again)
}

// eventually waits until something holds that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// An endpoint that never answers takes nothing from another.
func TestSlowEndpointDelaysNoOther(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{Timeout: time.Minute, AtOnce: 2}, time.Now)
	slow, quick := newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	var under atomic.Int64
	slow.refuse = func(_ http.ResponseWriter, request *http.Request) bool {
		under.Add(1)
		select {
		case <-release:
		case <-request.Context().Done():
		}
		return false
	}
	h.hook(t, "a-slow", slow.URL)
	quick.verifies(t, h.hook(t, "b-quick", quick.URL))
	h.run(t)
	for s := range 20 {
		h.cross(t, fmt.Sprint("s", s), 0, 3)
	}
	quick.wants(t, 60)
	if got := slow.count(); got != 0 || under.Load() != 2 {
		t.Errorf("the slow one has taken %d, %d are under way; want 0 and 2", got, under.Load())
	}
	close(release)
	slow.wants(t, 60)
}

// A message that is never taken holds up its own shopper alone, is given up in the end, is shown, and is delivered with the same id
// once somebody asks for it.
func TestGivenUpIsKeptAndReplayed(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // the clock
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	h := newHouse(t, deliver.Config{First: time.Millisecond, Longest: 5 * time.Millisecond, GiveUp: time.Hour}, now)
	r := newReceiver(t)
	var healed atomic.Bool
	r.refuse = func(w http.ResponseWriter, request *http.Request) bool {
		if request.Header.Get("webhook-id") == "anna-000001" && !healed.Load() {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	}
	h.hook(t, "orders", r.URL)
	h.run(t)
	h.cross(t, "anna", 0, 4)
	h.cross(t, "ben", 0, 4)
	r.wants(t, 5) // anna's first, all of ben's
	eventually(t, "the failure is told", func() bool {
		letters, _, err := h.desk.List(t.Context(), shop, "orders", false, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(letters, func(l store.WaitingLetter) bool { return l.Message == "anna-000001" })
		return len(letters) == 3 && i >= 0 && letters[i].Attempts > 2 && letters[i].Fault == "answered 400 Bad Request, want 2xx"
	})
	ahead.Store(int64(2 * time.Hour))
	eventually(t, "the others of the shopper arrive", func() bool { return r.count() == 7 })
	dead, _, err := h.desk.List(t.Context(), shop, "orders", true, "", 10)
	if err != nil || len(dead) != 1 || dead[0].Message != "anna-000001" || !dead[0].Dead {
		t.Fatalf("given up: got %+v, %v", dead, err)
	}
	if err := h.desk.Discard(t.Context(), shop, "orders~nobody~1"); !isNotFound(err) {
		t.Errorf("discard of what is not there: got %v", err)
	}
	healed.Store(true)
	if n, left, err := h.desk.ReplayAll(t.Context(), shop, "orders"); n != 1 || left || err != nil {
		t.Fatalf("replay: got %d, %v, %v", n, left, err)
	}
	eventually(t, "it arrives", func() bool { return r.count() == 8 })
	if dead, _, err := h.desk.List(t.Context(), shop, "orders", true, "", 10); err != nil || len(dead) > 0 {
		t.Errorf("after the replay: got %+v, %v", dead, err)
	}
}

// waiting are the letters to the endpoint that wait, once they hold.
func (h *house) waiting(t *testing.T, what string, holds func([]store.WaitingLetter) bool) (letters []store.WaitingLetter) {
	t.Helper()
	eventually(t, what, func() bool {
		var err error
		if letters, _, err = h.desk.List(t.Context(), shop, "orders", false, "", 10); err != nil {
			t.Fatal(err)
		}
		return holds(letters)
	})
	return letters
}

// A message that waits for an hour is tried at once when somebody asks for it, and so is the one behind it when it is discarded.
func TestWaitIsOverOnceSomebodyAsks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		ask  func(h *house, id string) error
		want int
	}{
		{"replayed", func(h *house, id string) error { return h.desk.Replay(context.Background(), shop, id) }, 2},
		{"discarded", func(h *house, id string) error { return h.desk.Discard(context.Background(), shop, id) }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, deliver.Config{First: 4 * time.Hour, Longest: 4 * time.Hour}, time.Now)
			r := newReceiver(t)
			var healed atomic.Bool
			r.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
				up := healed.Load()
				if !up {
					w.WriteHeader(http.StatusInternalServerError)
				}
				return !up
			}
			h.hook(t, "orders", r.URL)
			h.cross(t, "anna", 0, 2)
			h.run(t)
			letters := h.waiting(t, "it was tried", func(l []store.WaitingLetter) bool {
				return slices.ContainsFunc(l, func(l store.WaitingLetter) bool { return l.Attempts == 1 })
			})
			healed.Store(true)
			first := slices.IndexFunc(letters, func(l store.WaitingLetter) bool { return l.Attempts == 1 })
			if err := tc.ask(h, letters[first].ID()); err != nil {
				t.Fatal(err)
			}
			r.wants(t, tc.want)
		})
	}
}

// How long a message waited before anybody tried it does not count: one that is tried for the first time after four days is not given up
// because of one refusal.
func TestGivenUpAfterTheFirstTry(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // the clock
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	h := newHouse(t, deliver.Config{First: time.Hour, Longest: time.Hour}, now)
	r := newReceiver(t)
	r.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	h.hook(t, "orders", r.URL)
	h.cross(t, "anna", 0, 1)
	ahead.Store(int64(96 * time.Hour))
	h.run(t)
	eventually(t, "it was tried", func() bool { return r.refused.Load() == 1 })
	h.waiting(t, "it waits", func(l []store.WaitingLetter) bool { return len(l) == 1 && l[0].Attempts == 1 })
	ahead.Store(int64(96*time.Hour + deliver.Defaults().GiveUp + time.Hour))
	h.waiting(t, "it is given up", func(l []store.WaitingLetter) bool { return len(l) == 0 })
	if dead, _, err := h.desk.List(t.Context(), shop, "orders", true, "", 10); err != nil || len(dead) != 1 || dead[0].Attempts != 2 {
		t.Errorf("got %+v, %v; want it given up at its second try", dead, err)
	}
}

// gauge is what a figure without labels says now.
func (h *house) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("%s is not among the figures", name)
	return 0
}

// A process that delivers tells of endpoints that rest and of what waits; one that no longer does tells of none.
func TestFiguresEndWithTheWork(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{First: time.Millisecond, Longest: 2 * time.Millisecond}, time.Now)
	r := newReceiver(t)
	r.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	h.hook(t, "orders", r.URL)
	h.cross(t, "anna", 0, 2)
	stop := h.run(t)
	const resting, due = "satnav_delivery_endpoints_resting", "satnav_delivery_oldest_due_seconds"
	eventually(t, "the endpoint rests and messages wait", func() bool { return h.gauge(t, resting) == 1 && h.gauge(t, due) > 0 })
	stop()
	if r, d := h.gauge(t, resting), h.gauge(t, due); r != 0 || d != 0 {
		t.Errorf("after the end: %v rest and the oldest waits for %v s, want none", r, d)
	}
}

// What is known of a shopper is erased with what is still to be told of them, also while a try is under way that fails.
func TestErasedIsNotDelivered(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{First: 20 * time.Millisecond, Longest: 50 * time.Millisecond}, time.Now)
	r := newReceiver(t)
	var tries atomic.Int64
	var open atomic.Bool
	r.refuse = func(w http.ResponseWriter, request *http.Request) bool {
		tries.Add(1)
		up := open.Load()
		if !up {
			time.Sleep(5 * time.Millisecond)
			w.WriteHeader(http.StatusInternalServerError)
		}
		return !up
	}
	h.hook(t, "orders", r.URL)
	h.run(t)
	h.cross(t, "anna", 0, 3)
	eventually(t, "it was tried", func() bool { return tries.Load() > 1 })
	if err := h.shoppers.Forget(t.Context(), who.Key{Retailer: shop, Shopper: "anna"}); err != nil {
		t.Fatal(err)
	}
	open.Store(true)
	h.cross(t, "ben", 0, 1)
	eventually(t, "the endpoint is up again", func() bool { return r.count() > 0 })
	eventually(t, "nothing waits", func() bool {
		letters, _, err := h.desk.List(t.Context(), shop, "orders", false, "", 10)
		return err == nil && len(letters) == 0
	})
	if r.order["anna"] != nil || r.count() != 1 {
		t.Errorf("got %v of a shopper who was erased", r.order)
	}
}

// Both secrets sign for a while after one replaced the other; kinds choose; a paused webhook's messages wait; a deleted one's go.
func TestWebhookIsReconfigured(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{}, time.Now)
	r, exits := newReceiver(t), newReceiver(t)
	first := h.hook(t, "orders", r.URL)
	h.hook(t, "exits", exits.URL, "exit")
	rotated, err := h.retailers.SaveWebhook(t.Context(), shop, admin, retailer.Change[retailer.Webhook]{ID: "orders"}, true)
	if err != nil || rotated.Err != nil {
		t.Fatal(err, rotated.Err)
	}
	second := secretOf(t, rotated)
	if first == second {
		t.Fatal("the secret is the same after a rotation")
	}
	r.verifies(t, first, second)
	h.run(t)
	h.cross(t, "anna", 0, 2) // an enter and an exit
	r.wants(t, 2)
	exits.wants(t, 1)

	save := func(status string) {
		t.Helper()
		saved, err := h.retailers.SaveWebhook(t.Context(), shop, admin, retailer.Change[retailer.Webhook]{ID: "orders", Value: retailer.Webhook{URL: r.URL, Status: status}}, false)
		if err != nil || saved.Err != nil {
			t.Fatal(err, saved.Err)
		}
	}
	save("paused")
	time.Sleep(300 * time.Millisecond) // a lane learns of it within 200 ms
	h.cross(t, "anna", 2, 2)
	exits.wants(t, 2)
	if r.count() != 2 {
		t.Errorf("a paused webhook was told: got %d, want 2", r.count())
	}
	save("live")
	r.wants(t, 4)
	save("paused")
	time.Sleep(300 * time.Millisecond)
	h.cross(t, "anna", 4, 2)
	if _, err := h.retailers.SaveWebhook(t.Context(), shop, admin, retailer.Change[retailer.Webhook]{ID: "orders", Delete: true}, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what waited for it is gone", func() bool {
		letters, _, err := h.desk.List(t.Context(), shop, "orders", false, "", 10)
		return err == nil && len(letters) == 0
	})
	if r.count() != 4 {
		t.Errorf("a deleted webhook was told: got %d, want 4", r.count())
	}
}

// Nothing is lost when the process ends at any moment and another one goes on.
func TestDeliveryGoesOnAfterAStop(t *testing.T) {
	t.Parallel()
	h := newHouse(t, deliver.Config{First: 5 * time.Millisecond, Longest: 50 * time.Millisecond}, time.Now)
	r := newReceiver(t)
	dice := rand.New(rand.NewPCG(1, 2))
	r.verifies(t, h.hook(t, "orders", r.URL))
	stop := h.run(t)
	for round := range 10 {
		for s := range 5 {
			h.cross(t, fmt.Sprint("s", s), 4*round, 4)
		}
		time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
		stop()
		stop = h.run(t)
	}
	r.wants(t, 200)
}
