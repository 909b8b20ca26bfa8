package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"satnav/config"
	contract "satnav/sdk-contract"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/store/mongodb/mongotest"
)

// unnamed are the operations that change things and need no Idempotency-Key, and why.
var unnamed = map[string]string{
	"PostContext":          "a fix that is known has the triggers that it made",
	"PostEvents":           "events have ids",
	"PostImport":           "rows have ids: a file that is sent again changes nothing",
	"PostMyPage":           "it makes a link and changes nothing",
	"PostPage":             "a form of the page, with a secret of its own",
	"DeleteSource":         "what is gone is gone: the same call goes on, and tells how far it is",
	"PostSuggestionsBatch": "it reads",
	"MatchGeofences":       "it reads",
	"ReplayGeofences":      "it reads",
	"CheckRule":            "it reads",
	"SimulateRules":        "it reads",
}

// TestUnsafeCallsCanBeNamed holds that each operation of the contract that changes something takes an Idempotency-Key.
func TestUnsafeCallsCanBeNamed(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(contract.OpenAPI, &document); err != nil {
		t.Fatal(err)
	}
	for _, methods := range document.Paths {
		for method, node := range methods {
			if node.Kind != yaml.MappingNode || method == "get" {
				continue
			}
			var op struct {
				ID         string `yaml:"operationId"`
				Parameters []struct {
					Ref string `yaml:"$ref"`
				}
			}
			if err := node.Decode(&op); err != nil {
				t.Fatal(err)
			}
			named := false
			for _, p := range op.Parameters {
				named = named || p.Ref == "#/components/parameters/IdempotencyKey"
			}
			if _, spared := unnamed[op.ID]; spared == named {
				t.Errorf("%s takes an Idempotency-Key: %v, and stands in the list of those that need none: %v", op.ID, named, spared)
			}
		}
	}
}

// TestNamedCall follows calls that are sent again.
func TestNamedCall(t *testing.T) {
	t.Parallel()
	const retailer, header = "named-calls", "Idempotency-Key"
	admin := city.role(t, identity.Admin, retailer)
	product := `{"title":"Beans","category":"food"}`
	hall := `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80}}`
	city.call(t, admin, "PUT", "/v1/products/there", product).wants(201)
	city.call(t, admin, "PUT", "/v1/webhooks/orders", `{"url":"https://example.com/hook"}`).wants(201)
	for _, tc := range []struct {
		name, method, path, give string
		want                     int
	}{
		{"a product without an id", "POST", "/v1/products", product, 201},
		{"a geofence without an id", "POST", "/v1/geofences", hall, 201},
		{"a product under an id", "PUT", "/v1/products/new", product, 201},
		{"a webhook with its secret", "POST", "/v1/webhooks", `{"url":"https://example.com/hook"}`, 201},
		{"a new secret", "POST", "/v1/webhooks/orders/rotate", "", 200},
		{"a deletion", "DELETE", "/v1/products/there", "", 204},
		{"an id that exists", "POST", "/v1/webhooks", `{"id":"orders","url":"https://example.com/hook"}`, 409},
		{"a refusal", "POST", "/v1/products", `{"title":7}`, 400},
		{"the settings", "PUT", "/v1/retailer", `{"name":"R"}`, 200},
	} {
		var body any
		if tc.give != "" {
			body = tc.give
		}
		for _, key := range []string{tc.name, `"` + tc.name + ` in quotes"`} {
			before := countOf(t, city.house, admin)
			first := city.call(t, admin, tc.method, tc.path, body, header, key)
			if key == tc.name {
				first.wants(tc.want)
			}
			after := countOf(t, city.house, admin)
			again := city.call(t, admin, tc.method, tc.path, body, header, key)
			if again.status != first.status || string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: got %d %s, then %d %s %v", tc.name, first.status, first.body, again.status, again.body, again.header)
			}
			for _, kept := range []string{"Content-Type", "ETag", "Location"} {
				if again.header.Get(kept) != first.header.Get(kept) {
					t.Errorf("%s: %s was %q, then %q", tc.name, kept, first.header.Get(kept), again.header.Get(kept))
				}
			}
			if now := countOf(t, city.house, admin); now != after || now > before+1 {
				t.Errorf("%s: there were %d things, then %d, then %d", tc.name, before, after, now)
			}
		}
		other := city.call(t, admin, "PUT", "/v1/stores/other", things[1].one, header, tc.name).problem(422)
		if len(other.Errors) != 1 || other.Errors[0].Parameter != header {
			t.Errorf("%s: another call of the same name got %+v", tc.name, other)
		}
	}
	// A name belongs to who gave it.
	made := read[wire.StoredProduct](city.call(t, admin, "POST", "/v1/products", product, header, "mine").wants(201))
	for name, token := range map[string]string{
		"another subject":  city.as(t, identity.Claims{Role: identity.Admin, Retailer: retailer, Subject: canary("another admin")}),
		"another role":     city.role(t, identity.Manager, retailer),
		"another retailer": city.role(t, identity.Admin, retailer+"-too"),
	} {
		if got := read[wire.StoredProduct](city.call(t, token, "POST", "/v1/products", product, header, "mine").wants(201)); got.Item == made.Item {
			t.Errorf("%s was told the answer of somebody else: %+v", name, got)
		}
	}
	city.call(t, admin, "POST", "/v1/products", product, header, strings.Repeat("k", 257)).problem(400)
}

// countOf is how many things a retailer has configured.
func countOf(t *testing.T, h *house, token string) (n int) {
	t.Helper()
	n += len(read[wire.ProductList](h.call(t, token, "GET", "/v1/products?limit=1000", nil).wants(200)).Products)
	n += len(read[wire.WebhookList](h.call(t, token, "GET", "/v1/webhooks?limit=1000", nil).wants(200)).Webhooks)
	return n
}

// TestNamedCallOfShopper holds that what a shopper was answered is forgotten with them.
func TestNamedCallOfShopper(t *testing.T) {
	t.Parallel()
	shopper := city.as(t, identity.Claims{Role: identity.Shopper, Retailer: "named-shopper", Subject: canary("who names calls")})
	decide := func(granted string) reply {
		return city.call(t, shopper, "PUT", "/v1/me/permissions", `{"grants":{"location":`+granted+`}}`, "Idempotency-Key", "yes")
	}
	first := decide("true").wants(200)
	city.grant(t, shopper, "location", false)
	if again := decide("true").wants(200); string(again.body) != string(first.body) {
		t.Errorf("got %s, then %s", first.body, again.body)
	}
	if now := city.call(t, shopper, "GET", "/v1/me/permissions", nil).wants(200); string(now.body) == string(first.body) {
		t.Errorf("the call was carried out again: %s", now.body)
	}
	receipt := city.call(t, shopper, "DELETE", "/v1/me", nil, "Idempotency-Key", "gone").wants(200)
	if again := city.call(t, shopper, "DELETE", "/v1/me", nil, "Idempotency-Key", "gone").wants(200); string(again.body) != string(receipt.body) {
		t.Errorf("the receipt was %s, then %s", receipt.body, again.body)
	}
	if again := decide("true").wants(200); again.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("after the erasure the old answer was told: %s", again.body)
	}
}

// TestNamedCallOnReplicas sends the same call to two processes on one database at the same moment: it is carried out once.
func TestNamedCallOnReplicas(t *testing.T) {
	t.Parallel()
	url := mongotest.URL(t)
	shared := plan{data: t.TempDir(), set: func(c *config.Config) { c.Store = url }}
	replicas := []*house{newHouse(t, shared), newHouse(t, shared)}
	admin := replicas[0].role(t, identity.Admin, "named-replicas")
	for n := range 3 {
		var mu sync.Mutex
		var all sync.WaitGroup
		answers := map[string]bool{}
		for try := range 4 {
			all.Go(func() {
				for {
					r := replicas[try%2].call(t, admin, "POST", "/v1/products", `{"title":"Beans"}`, "Idempotency-Key", fmt.Sprint("beans-", n))
					if r.status == http.StatusConflict || r.status == http.StatusServiceUnavailable {
						continue
					}
					mu.Lock()
					answers[string(r.wants(201).body)] = true
					mu.Unlock()
					return
				}
			})
		}
		all.Wait()
		if len(answers) != 1 {
			t.Errorf("one call got %d answers: %v", len(answers), answers)
		}
	}
	list := read[wire.ProductList](replicas[1].call(t, admin, "GET", "/v1/products", nil).wants(200)).Products
	if len(list) != 3 {
		t.Errorf("three calls made %d products: %v", len(list), list)
	}
	if slices.ContainsFunc(list, func(p wire.StoredProduct) bool { return p.Title != "Beans" }) {
		t.Errorf("got %+v", list)
	}
}
