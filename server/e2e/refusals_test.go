package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/demo"
	"satnav/server/identity"
	"satnav/server/store/embedded"
)

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadInput holds each wrong call to its problem: status, type, the place if there is one, and a text that says what
// would be right.
func TestBadInput(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	bow := `{"type":"Feature","id":"bow","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]},"properties":{}}`
	for _, tc := range []struct {
		name    string
		role    identity.Role
		call    string // method and path
		give    any
		headers []string
		status  int
		kind    string // the end of the problem's type
		place   string // pointer or parameter of the first error
		text    string // part of what is said of it
	}{
		{"malformed JSON", "shopper", "POST /v1/context", `{"at": `, nil, 400, "invalid-request", "/at", "end of the body"},
		{"two values", "shopper", "POST /v1/context", `{} {}`, nil, 400, "invalid-request", "", "more data after the value"},
		{"an array", "shopper", "POST /v1/context", `[]`, nil, 400, "invalid-request", "", "object"},
		{"no body", "shopper", "POST /v1/context", ``, nil, 400, "invalid-request", "", "want an object"},
		{"an unknown field", "shopper", "POST /v1/context", `{"wehre":{}}`, nil, 400, "invalid-request", "/wehre", "where"},
		{"a field twice", "shopper", "POST /v1/context", `{"limit":1,"limit":2}`, nil, 400, "invalid-request", "/limit", "want it once"},
		{"NaN", "shopper", "POST /v1/context", `{"where":{"lat":NaN,"lng":0}}`, nil, 400, "invalid-request", "/where/lat", "want a number"},
		{"a latitude out of range", "shopper", "POST /v1/context", `{"where":{"lat":91,"lng":0}}`, nil, 422, "invalid-value", "/where/lat", "-90"},
		{"a longitude out of range", "shopper", "POST /v1/context", `{"where":{"lat":9,"lng":180.5}}`, nil, 422, "invalid-value", "/where/lng", "180"},
		{"a number that is none", "shopper", "POST /v1/context", `{"where":{"lat":1e999,"lng":0}}`, nil, 422, "invalid-value", "/where/lat", "want a number that fits"},
		{"a cell of no pattern", "shopper", "POST /v1/context", `{"where":{"cell":"not-a-cell"}}`, nil, 422, "invalid-value", "/where/cell", "want at least 15"},
		{"a cell of the pattern", "shopper", "POST /v1/context", `{"where":{"cell":"8a195da49d47ffe"}}`, nil, 422, "invalid-value", "/where/cell", "got 6, want 7"},
		{"an unknown permission", "shopper", "POST /v1/context", `{"permissions":{"location":"sometimes"}}`, nil, 422, "invalid-value", "/permissions/location", "precise"},
		{"an unknown purpose", "shopper", "PUT /v1/me/permissions", `{"grants":{"resale":true}}`, nil, 422, "invalid-value", "/grants/resale", "loyalty"},
		{"a clock a day ahead", "shopper", "POST /v1/context", fmt.Sprintf(`{"sent_at":%q}`, now.Add(24*time.Hour).Format(time.RFC3339)), nil, 422, "invalid-value", "/sent_at", "clock"},
		{"a clock a day behind", "shopper", "POST /v1/context", fmt.Sprintf(`{"sent_at":%q}`, now.Add(-24*time.Hour).Format(time.RFC3339)), nil, 422, "invalid-value", "/sent_at", "clock"},
		{"a time without an offset", "shopper", "POST /v1/context", `{"at":"2026-11-22T09:14:03"}`, nil, 422, "invalid-value", "/at", "2026-11-22T09:14:03Z"},
		{"a trail that is too long", "shopper", "POST /v1/context", `{"trail":[` + strings.Repeat(`{"at":"2026-11-22T09:14:03Z","lat":1,"lng":1},`, 100) + `{"at":"2026-11-22T09:14:03Z","lat":1,"lng":1}]}`, nil, 422, "invalid-value", "/trail", "100"},
		{"10 MB", "shopper", "POST /v1/context", `{"doing":{"query":"` + strings.Repeat("x", 10<<20) + `"}}`, nil, 413, "too-large", "", "4 MiB"},
		{"a gzip bomb", "shopper", "POST /v1/context", zipped(t, make([]byte, 100<<20)), []string{"Content-Encoding", "gzip"}, 413, "too-large", "", "4 MiB"},
		{"truncated gzip", "shopper", "POST /v1/context", zipped(t, []byte(`{"explore":true}`))[:20], []string{"Content-Encoding", "gzip"}, 400, "invalid-request", "", "cut off"},
		{"not gzip", "shopper", "POST /v1/context", `{}`, []string{"Content-Encoding", "gzip"}, 400, "invalid-request", "", "gzip"},
		{"another encoding", "shopper", "POST /v1/context", `{}`, []string{"Content-Encoding", "br"}, 415, "unsupported-media-type", "", "gzip"},
		{"another type", "shopper", "POST /v1/context", `{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported-media-type", "", "application/json"},
		{"a self-crossing polygon", "manager", "POST /v1/geofences", bow, nil, 422, "invalid-value", "/geometry", "cross"},
		{"a geofence that is not JSON", "manager", "POST /v1/geofences", `{`, nil, 400, "invalid-request", "", "brackets"},
		{"a circle without a radius", "manager", "POST /v1/geofences", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{}}`, nil, 400, "invalid-request", "/properties/radius_m", "give it in metres"},
		{"a reserved id", "manager", "POST /v1/geofences", strings.Replace(plaza(``), `{`, `{"id":"nearby",`, 1), nil, 422, "invalid-value", "", "nearby"},
		{"a duplicate id", "manager", "POST /v1/stores", `{"store":"twice","lat":1,"lng":1,"zone":"UTC"}`, nil, 409, "conflict", "", "twice"},
		{"a store nowhere", "manager", "POST /v1/stores", `{"lat":1,"lng":1,"zone":"Nowhere/Land"}`, nil, 422, "invalid-value", "/zone", "Europe/Lisbon"},
		{"hours that nobody understands", "manager", "POST /v1/stores", `{"lat":1,"lng":1,"zone":"UTC","hours":"sometimes"}`, nil, 422, "invalid-value", "/hours", "Mo-Fr 08:00-20:00"},
		{"a price in words", "product", "POST /v1/products", `{"title":"x","price":"cheap"}`, nil, 422, "invalid-value", "/price", "want a decimal amount"},
		{"a shopper with a control character", "backend", "POST /v1/context", `{"shopper":"u\u0000"}`, nil, 422, "invalid-value", "/shopper", "control character"},
		{"a shopper whom no token names", "backend", "POST /v1/context", `{"shopper":"u\u200b"}`, nil, 422, "invalid-value", "/shopper", "characters that can be seen"},
		{"a basket with a control character", "shopper", "POST /v1/context", `{"doing":{"basket":["p1","p\u001b[2J"]}}`, nil, 422, "invalid-value", "/doing/basket/1", "control character"},
		{"a batch with a control character", "backend", "POST /v1/suggestions/batch", `{"shoppers":["u1","u\u0085"]}`, nil, 422, "invalid-value", "/shoppers/1", "control character"},
		{"a geofence with a control character", "manager", "POST /v1/geofences", strings.Replace(plaza(``), `{`, `{"id":"a\u0007",`, 1), nil, 422, "invalid-value", "/id", "control character"},
		{"a store with a control character", "manager", "POST /v1/stores", `{"store":"s\n1","lat":1,"lng":1,"zone":"UTC"}`, nil, 422, "invalid-value", "/store", "control character"},
		{"a product with a control character", "product", "POST /v1/products", `{"item":"p\u007f","title":"x"}`, nil, 422, "invalid-value", "/item", "control character"},
		{"a control character in a path", "manager", "PUT /v1/stores/s%00", `{"lat":1,"lng":1,"zone":"UTC"}`, nil, 400, "invalid-request", "id", "control character"},
		{"a page of nothing", "manager", "GET /v1/stores?limit=0", nil, nil, 400, "invalid-request", "limit", "want at least 1"},
		{"a page of too much", "manager", "GET /v1/stores?limit=1001", nil, nil, 400, "invalid-request", "limit", "want at most 1000"},
		{"a page of words", "shopper", "GET /v1/me/diary?limit=ten", nil, nil, 400, "invalid-request", "limit", "whole number"},
		{"an unknown status", "manager", "GET /v1/geofences?status=liev", nil, nil, 400, "invalid-request", "status", "live"},
		{"an unknown parameter", "manager", "GET /v1/stores?limits=5", nil, nil, 400, "invalid-request", "limits", "limit"},
		{"a date that is none", "shopper", "GET /v1/me/diary?from=today", nil, nil, 400, "invalid-request", "from", "time"},
		{"too many points", "backend", "POST /v1/geofences/match", `{"points":[` + strings.Repeat(`[0,0],`, 10_000) + `[0,0]]}`, nil, 422, "invalid-value", "/points", "10000"},
		{"a point of three numbers", "backend", "POST /v1/geofences/match", `{"points":[[0,0,0]]}`, nil, 400, "invalid-request", "/points/0", "want 2"},
		{"a point beyond a pole", "backend", "POST /v1/geofences/match", `{"points":[[1,2],[50,120]]}`, nil, 422, "invalid-value", "/points/1/1", "want -90 to 90"},
		{"a point beyond the antimeridian", "backend", "POST /v1/geofences/match", `{"points":[[200,50]]}`, nil, 422, "invalid-value", "/points/0/0", "want -180 to 180"},
		{"versions of an id too long", "manager", "GET /v1/geofences/" + strings.Repeat("x", 3000) + "/versions", nil, nil, 400, "invalid-request", "id", "want at most 128"},
		{"versions of an id that is no text", "manager", "GET /v1/geofences/%ff%fe/versions", nil, nil, 400, "invalid-request", "id", "UTF-8"},
		{"versions of an id with a zero byte", "manager", "GET /v1/geofences/%00/versions", nil, nil, 400, "invalid-request", "id", "control character"},
		{"a store that is not there", "backend", "POST /v1/suggestions/batch", `{"shoppers":["u"],"store":"nowhere"}`, nil, 422, "invalid-value", "/store", "nowhere"},
		{"an unknown kind of import", "backend", "POST /v1/import/people", `x`, nil, 404, "not-found", "", "stores"},
		{"a file with wrong columns", "backend", "POST /v1/import/stores", "name,latitude\nx,1\n", []string{"Content-Type", "text/csv"}, 400, "invalid-request", "", "store"},
		{"an empty file", "backend", "POST /v1/import/stores", "", []string{"Content-Type", "text/csv"}, 400, "invalid-request", "", "want a header line"},
		{"no such path", "shopper", "GET /v1/secrets", nil, nil, 404, "not-found", "", `"/v1/secrets": /docs`},
		{"a path with a letter too many", "shopper", "GET /v1/storess", nil, nil, 404, "not-found", "", "did you mean /v1/stores?"},
		{"a path with a slash too many", "shopper", "POST /v1/context/", `{}`, nil, 404, "not-found", "", "did you mean /v1/context?"},
		{"no such geofence", "manager", "GET /v1/geofences/bakery-13", nil, nil, 404, "not-found", "", `no geofence "bakery-13": GET /v1/geofences`},
		{"no such geofence to delete", "manager", "DELETE /v1/geofences/bakery-13", nil, nil, 404, "not-found", "", `no geofence "bakery-13": GET /v1/geofences`},
		{"no versions of no geofence", "manager", "GET /v1/geofences/bakery-13/versions", nil, nil, 404, "not-found", "", `no geofence "bakery-13"`},
		{"no such store", "manager", "GET /v1/stores/s-13", nil, nil, 404, "not-found", "", `no store "s-13": GET /v1/stores`},
		{"no such store to delete", "manager", "DELETE /v1/stores/s-13", nil, nil, 404, "not-found", "", `no store "s-13": GET /v1/stores`},
		{"no such product", "product", "GET /v1/products/p-13", nil, nil, 404, "not-found", "", `no product "p-13": GET /v1/products`},
		{"no such product to delete", "product", "DELETE /v1/products/p-13", nil, nil, 404, "not-found", "", `no product "p-13": GET /v1/products`},
		{"no such method", "shopper", "PUT /v1/context", `{}`, nil, 405, "method-not-allowed", "", "POST"},
		{"no such method of a thing", "manager", "POST /v1/stores/s-13", `{}`, nil, 405, "method-not-allowed", "", "GET, HEAD, PUT, DELETE"},
		{"no such method below a thing", "manager", "DELETE /v1/geofences/bakery-13/versions", nil, nil, 405, "method-not-allowed", "", "GET, HEAD"},
		{"an unknown jurisdiction", "admin", "PUT /v1/retailer", `{"jurisdiction":"Mars"}`, nil, 422, "invalid-value", "/jurisdiction", "minors"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			retailer := "bad-input"
			if tc.name == "a duplicate id" {
				city.call(t, city.role(t, identity.Admin, retailer), "PUT", "/v1/stores/twice", `{"lat":1,"lng":1,"zone":"UTC"}`)
			}
			method, path, _ := strings.Cut(tc.call, " ")
			answer := city.call(t, city.role(t, tc.role, retailer), method, path, tc.give, tc.headers...)
			p := answer.problem(tc.status)
			if allow := answer.header.Get("Allow"); tc.status == 405 && (allow == "" || !strings.Contains(p.Detail, allow)) {
				t.Errorf("Allow: got %q, want what the problem says: %s", allow, p.Detail)
			}
			if want := "urn:problem-type:satnav:" + tc.kind; p.Type != want {
				t.Errorf("type: got %s, want %s", p.Type, want)
			}
			place, said := "", p.Detail
			if len(p.Errors) > 0 {
				place, said = p.Errors[0].Pointer+p.Errors[0].Parameter, said+" "+p.Errors[0].Detail
			}
			if !strings.HasPrefix(place, tc.place) || tc.place == "" && place != "" && tc.status != 422 || !strings.Contains(said, tc.text) {
				t.Errorf("got %q: %s, want %q: …%s…", place, said, tc.place, tc.text)
			}
			if tc.text == "" {
				t.Error("the row does not say what would be right")
			}
			if p.TraceID == "" || p.Title == "" || p.Status != tc.status {
				t.Errorf("a problem has a title, its status and a trace id: %+v", p)
			}
		})
	}
}

// TestRootLeadsToTheDocs holds that whoever opens the address in a browser sees what is there.
func TestRootLeadsToTheDocs(t *testing.T) {
	t.Parallel()
	r := city.call(t, "", "GET", "/", nil).wants(200)
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(string(r.body), "/v1/context") {
		t.Errorf("got %s %.100s, want the docs", r.header.Get("Content-Type"), r.body)
	}
}

// TestBadTokens holds which tokens are not believed.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := map[string]any{"iss": "satnav", "aud": "satnav", "exp": now.Add(time.Hour).Unix(), "sub": canary("intruder-0815"), "retailer": demo.Retailer, "role": "shopper"}
	// signed makes a token by hand: no library would sign some of these.
	signed := func(method string, sign func(text []byte) []byte) string {
		header, err := json.Marshal(map[string]any{"alg": method, "typ": "JWT", "kid": city.issuer.Key.ID()})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := json.Marshal(good)
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		text := encode(header) + "." + encode(claims)
		return text + "." + encode(sign([]byte(text)))
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := city.issuer.Issue(identity.Claims{Retailer: demo.Retailer, Role: identity.Shopper, Subject: "late", Expires: now.Add(-time.Minute)}, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	other := city.issuer
	other.Audience = "another-service"
	foreign, err := other.Issue(identity.Claims{Retailer: demo.Retailer, Role: identity.Shopper, Subject: "lost", Expires: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, token, code string }{
		{"none at all", "", "token_missing"},
		{"not a token", "abc", "token_malformed"},
		{"method none", signed("none", func([]byte) []byte { return nil }), "token_algorithm"},
		{"HS256 with the public name", signed("HS256", func(text []byte) []byte {
			mac := hmac.New(sha256.New, []byte(city.issuer.Key.ID()))
			mac.Write(text)
			return mac.Sum(nil)
		}), "token_algorithm"},
		{"another key", signed("EdDSA", func(text []byte) []byte { return ed25519.Sign(stranger, text) }), "token_signature"},
		{"expired", expired, "token_expired"},
		{"for another service", foreign, "token_audience"},
		{"cut off", foreign[:len(foreign)-5], "token_malformed"}, // no base64 has such a length
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.token != "" {
				canary(tc.token)
			}
			r := city.call(t, tc.token, "POST", "/v1/context", `{}`)
			p := r.problem(401)
			if len(p.Errors) != 1 || p.Errors[0].Code != tc.code {
				t.Errorf("got %+v, want %s", p.Errors, tc.code)
			}
			if r.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 says in WWW-Authenticate how to do better")
			}
		})
	}
}

// TestClockIsCorrected holds that a phone whose clock is an hour ahead has its times set right.
func TestClockIsCorrected(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	got := city.ask(t, city.shopper(t, "early-clock"), wire.ContextRequest{SentAt: now.Add(time.Hour), At: now.Add(50 * time.Minute)})
	if off := got.Moment.LocalTime.Sub(now.Add(-10 * time.Minute)); off.Abs() > 20*time.Second {
		t.Errorf("got %s, which is off by %s", got.Moment.LocalTime, off)
	}
}

// TestFullDisk holds that a full disk refuses writes as unavailable and goes on answering reads.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h := newHouse(t, plan{data: data})
	token := h.as(t, identity.Claims{Role: identity.Shopper, Subject: "collector", Retailer: "full"})
	h.record(t, token, wire.Event{ID: "before", Kind: "view", Item: "i"})
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = newHouse(t, plan{data: data, store: embedded.Options{ReserveBytes: 1 << 60}})
	r := h.call(t, token, "POST", "/v1/events", wire.EventsRequest{Events: []wire.Event{{ID: "after", Kind: "view", Item: "i"}}})
	if p := r.problem(503); !strings.Contains(p.Detail, "disk") || r.header.Get("Retry-After") == "" {
		t.Errorf("got %+v, Retry-After %q", p, r.header.Get("Retry-After"))
	}
	h.ask(t, token, wire.ContextRequest{})
	if got := eventsIn(read[wire.Diary](h.call(t, token, "GET", "/v1/me/diary", nil).wants(200))); len(got) != 1 || got[0].ID != "before" {
		t.Errorf("the diary: got %+v, want what was stored before alone", got)
	}
}

// TestBusyFolder holds that a second house on a folder is told which folder and who has it.
func TestBusyFolder(t *testing.T) {
	t.Parallel()
	_, err := raise(plan{data: city.data})
	if err == nil {
		t.Fatal("the same folder was opened twice")
	}
	if text := err.Error(); !strings.Contains(text, city.data) || !strings.Contains(text, fmt.Sprint(os.Getpid())) {
		t.Errorf("got %q, want the folder and the process id", text)
	}
}

// TestRateLimits holds that whoever calls too often is told when to come back, and nobody else is hurt.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	stopped := time.Now().Add(time.Minute) // the clock stands still, so that a slow machine wins no calls back
	h := newHouse(t, plan{now: func() time.Time { return stopped }, set: func(c *config.Config) {
		c.Limits.ShopperCalls, c.Limits.ServiceCalls, c.Limits.RetailerCalls = 3, 30, 40
	}})
	token := h.as(t, identity.Claims{Role: identity.Shopper, Subject: "impatient", Retailer: "limits"})
	refused := 0
	for range 12 {
		r := h.call(t, token, "POST", "/v1/context", `{"limit":0}`)
		if !strings.Contains(r.header.Get("RateLimit-Policy"), "q=3") || !strings.HasPrefix(r.header.Get("RateLimit"), `"token";r=`) {
			t.Errorf("got RateLimit %q, RateLimit-Policy %q", r.header.Get("RateLimit"), r.header.Get("RateLimit-Policy"))
		}
		if r.status == 429 {
			refused++
			if p := r.problem(429); r.header.Get("Retry-After") != "1" || p.Type != "urn:problem-type:satnav:rate-limited" {
				t.Errorf("got %+v, Retry-After %q", p, r.header.Get("Retry-After"))
			}
		}
	}
	if refused != 9 {
		t.Errorf("12 calls at once at 3 a second: %d were refused, want 9", refused)
	}
	h.call(t, h.as(t, identity.Claims{Role: identity.Shopper, Subject: "patient", Retailer: "limits"}), "POST", "/v1/context", `{"limit":0}`).wants(200)
	statuses := map[int]int{}
	for i := range 60 { // many tokens of one retailer
		statuses[h.call(t, h.as(t, identity.Claims{Role: identity.Shopper, Subject: fmt.Sprint("one-of-many-", i), Retailer: "crowded"}), "POST", "/v1/context", `{"limit":0}`).status]++
	}
	if statuses[200] != 40 || statuses[429] != 20 {
		t.Errorf("60 calls of one retailer at 40 a second: got %v", statuses)
	}
}

// TestUnwantedBody holds that the rest of a refused body is not taken for the next request of its connection.
func TestUnwantedBody(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(city.url, "http://")
	for _, tc := range []struct{ name, call, headers, body string }{
		{"chunks without a token", "POST /v1/import/stores", "Transfer-Encoding: chunked\r\n", "%x\r\n%s\r\n0\r\n\r\n"},
		{"a length without a token", "POST /v1/import/stores", "Content-Length: %d\r\n", ""},
		{"chunks where none belong", "GET /livez", "Transfer-Encoding: chunked\r\n", "%x\r\n%s\r\n0\r\n\r\n"},
		{"a length on no path", "POST /v1/nowhere", "Content-Length: %d\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			hidden := strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 4000)
			headers, body := tc.headers, hidden
			if tc.body != "" {
				body = fmt.Sprintf(tc.body, len(hidden), hidden)
			} else {
				headers = fmt.Sprintf(headers, len(hidden))
			}
			connection, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			go func() { // an error shows below
				_, _ = io.WriteString(connection, tc.call+" HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n"+body+"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			}()
			if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			answers, err := io.ReadAll(connection)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(answers), "HTTP/1.1 "); n != 2 || strings.Contains(string(answers), "smuggled") || !strings.Contains(string(answers), `"ok"`) {
				t.Errorf("got %d answers, want two: %.600s", n, answers)
			}
		})
	}
}
