package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/app"
	"satnav/server/demo"
	"satnav/server/identity"
	"satnav/server/observe"
	"satnav/server/store"
	"satnav/server/store/embedded"
)

// house is a whole Satnav that answers on loopback, opened as the binary opens it.
type house struct {
	app    *app.App
	url    string
	data   string
	issuer identity.Issuer
	stop   func() error // drains and closes; idempotent
}

// plan says how a house is opened. The zero value is an empty folder with the default configuration.
type plan struct {
	data    string // "": a folder of the test's own
	set     func(*config.Config)
	store   embedded.Options
	between func(store.Documents) store.Documents // nil: nothing
	now     func() time.Time                      // nil: time.Now
	log     io.Writer                             // nil: the log that is searched for what must not be in it
}

// info collects what every house of this test binary logs at info level; see TestMain.
var info = new(lockedBuffer)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// patience is the deadline of calls, long enough for a machine that does much else at the same time.
const patience = 3 * time.Minute

// raise opens a house; the caller stops it.
func raise(p plan) (*house, error) {
	c := config.Default()
	c.Listen, c.Data, c.OperatorListen = "127.0.0.1:0", p.data, ""
	c.Limits.Deadline, c.Limits.MaxWait = patience, 0 // however busy the machine is
	if p.set != nil {
		p.set(&c)
	}
	out := p.log
	if out == nil {
		out = info
	}
	satnav, err := app.Open(context.Background(), app.Options{Config: c, Log: observe.NewLogger(out, "info", "text"), Store: p.store, Now: p.now, Between: p.between})
	if err != nil {
		return nil, err
	}
	return answer(satnav, c)
}

// answer lets an open app answer calls.
func answer(satnav *app.App, c config.Config) (*house, error) {
	key, err := identity.DevelopmentKey(c.Data)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	addresses, served := make(chan net.Addr, 1), make(chan error, 1)
	go func() { served <- satnav.Serve(ctx, func(a net.Addr) { addresses <- a }) }()
	h := &house{
		app: satnav, data: c.Data,
		issuer: identity.Issuer{Key: key, Issuer: c.Identity.Issuer, Audience: c.Identity.Audience},
		stop:   sync.OnceValue(func() error { stop(); return <-served }),
	}
	select {
	case address := <-addresses:
		h.url = "http://" + address.String()
		return h, nil
	case err := <-served:
		stop()
		return nil, err
	}
}

// newHouse opens a house for one test.
func newHouse(t testing.TB, p plan) *house {
	t.Helper()
	if p.data == "" {
		p.data = t.TempDir()
	}
	h, err := raise(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// city is the house that most tests share: a small demo city, seeded once. Tests that edit it use shoppers,
// stores and geofences of their own, or a retailer of their own.
var city struct {
	*house
	*demo.City
}

var scale = demo.Scale{Shoppers: 200, Days: 60}

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(runCommand())
	}
	os.Exit(inCity(m))
}

func inCity(m *testing.M) (code int) {
	data, err := os.MkdirTemp("", "satnav-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(data)
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", data
	c.OperatorListen = freeAddress()
	c.Limits.Deadline, c.Limits.MaxWait = patience, 0
	satnav, err := app.Open(context.Background(), app.Options{Config: c, Log: observe.NewLogger(info, "info", "text")})
	if err == nil {
		city.City, err = satnav.SeedDemo(context.Background(), scale, func(string) {})
	}
	if err == nil {
		_, err = satnav.Retailers.Learn(context.Background(), demo.Retailer) // no test shall depend on when it is learnt
	}
	if err == nil {
		city.house, err = answer(satnav, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	operator = "http://" + c.OperatorListen
	code = m.Run()
	if err := city.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if found := betrayed(info.String()); len(found) > 0 {
		fmt.Fprintf(os.Stderr, "the log at info level holds what is nobody's business: %s\n", strings.Join(found, "\n"))
		code = 1
	}
	return code
}

// operator is where the city's metrics are.
var operator string

// freeAddress is a loopback address that nobody listens on. Its port is below those that systems give to callers: a client that calls
// again and again while nobody listens would sooner or later be given the very port that it calls, and talk to itself.
func freeAddress() string {
	for {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 15_000+rand.IntN(15_000)))
		if err != nil {
			continue // it is taken
		}
		defer l.Close()
		return l.Addr().String()
	}
}

// as makes a token.
func (h *house) as(t testing.TB, claims identity.Claims) string {
	t.Helper()
	now := time.Now()
	if claims.Retailer == "" {
		claims.Retailer = demo.Retailer
	}
	if claims.Subject == "" {
		claims.Subject = canary("token " + string(claims.Role))
	}
	if claims.Expires.IsZero() {
		claims.Expires = now.Add(time.Hour)
	}
	token, err := h.issuer.Issue(claims, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// shopper makes the token of a shopper of the demo retailer.
func (h *house) shopper(t testing.TB, id string) string {
	t.Helper()
	return h.as(t, identity.Claims{Role: identity.Shopper, Subject: id})
}

// role makes the token of a role at a retailer.
func (h *house) role(t testing.TB, role identity.Role, retailer string) string {
	t.Helper()
	return h.as(t, identity.Claims{Role: role, Retailer: retailer, Subject: canary("token " + string(role))})
}

// reply is an answer, read whole.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// call sends one call through the contract's validator. body is sent as it is when it is a string or bytes,
// else as JSON; headers come in pairs.
func (h *house) call(t testing.TB, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	return h.try(t, apitest.Client(t), token, method, path, body, headers...)
}

// stream is call for a body that comes bit by bit: it is sent as it comes, and the answer alone is validated.
func (h *house) stream(t testing.TB, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	return h.try(t, apitest.StreamingClient(t), token, method, path, body, headers...)
}

func (h *house) try(t testing.TB, client *http.Client, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	var sent io.Reader
	switch body := body.(type) {
	case nil:
	case io.Reader:
		sent = body
	case string:
		sent = strings.NewReader(body)
	case []byte:
		sent = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, h.url+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	if sent != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{t, response.StatusCode, response.Header, got}
}

// wants ends the test unless the call was answered with this status.
func (r reply) wants(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("got %d %.1000s, want %d", r.status, r.body, status)
	}
	return r
}

// problem is the problem of an answer with this status.
func (r reply) problem(status int) wire.Problem {
	r.t.Helper()
	if kind := r.wants(status).header.Get("Content-Type"); kind != "application/problem+json" {
		r.t.Fatalf("got Content-Type %q, want a problem", kind)
	}
	return read[wire.Problem](r)
}

// read decodes an answer.
func read[T any](r reply) (into T) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, &into); err != nil {
		r.t.Fatalf("%v in %.500s", err, r.body)
	}
	return into
}

// ask posts one moment of a shopper.
func (h *house) ask(t testing.TB, token string, body any) wire.ContextResponse {
	t.Helper()
	return read[wire.ContextResponse](h.call(t, token, "POST", "/v1/context", body).wants(200))
}

// record posts events and returns their results.
func (h *house) record(t testing.TB, token string, events ...wire.Event) []wire.EventResult {
	t.Helper()
	return read[wire.EventsResponse](h.call(t, token, "POST", "/v1/events", wire.EventsRequest{Events: events}).wants(200)).Results
}

// grant decides about one purpose.
func (h *house) grant(t testing.TB, token, purpose string, given bool) {
	t.Helper()
	h.call(t, token, "PUT", "/v1/me/permissions", map[string]any{"grants": map[string]bool{purpose: given}}).wants(200)
}

// eventually waits until something holds that another goroutine brings about. It says nothing about how fast that is: machines are busy.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// canaries are words that must not be in a log: ids of shoppers, cells and the like.
var canaries struct {
	mu    sync.Mutex
	words map[string]bool
}

// canary plants a word.
func canary(word string) string {
	canaries.mu.Lock()
	defer canaries.mu.Unlock()
	if canaries.words == nil {
		canaries.words = map[string]bool{}
	}
	canaries.words[word] = true
	return word
}

// betrayed lists the canaries that a log holds.
func betrayed(log string) (found []string) {
	canaries.mu.Lock()
	defer canaries.mu.Unlock()
	for word := range canaries.words {
		if line := strings.Index(log, word); line >= 0 {
			found = append(found, fmt.Sprintf("%q in …%.200s", word, log[max(0, line-100):]))
		}
	}
	return found
}
