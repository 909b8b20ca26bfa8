package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	contract "satnav/sdk-contract"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// operation is one row of the contract, as far as roles go.
type operation struct {
	method, path string
	roles        []string
}

// operations reads every operation of the contract.
func operations(t testing.TB) (all []operation) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(contract.OpenAPI, &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, node := range methods {
			var op struct {
				Roles []string `yaml:"x-roles"`
			}
			if node.Kind != yaml.MappingNode {
				continue
			}
			if err := node.Decode(&op); err != nil {
				t.Fatal(err)
			}
			all = append(all, operation{strings.ToUpper(method), path, op.Roles})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(all) < 25 {
		t.Fatalf("got %d operations of the contract", len(all))
	}
	return all
}

// bodyOf is a body with which an operation succeeds.
func (op operation) bodyOf(role identity.Role) any {
	named := map[string]any{}
	if role != identity.Shopper {
		named["shopper"] = "somebody"
	}
	switch {
	case op.method == "GET" || op.method == "DELETE":
		return nil
	case op.path == "/v1/context":
		return named
	case op.path == "/v1/events":
		named["id"], named["kind"], named["item"] = "e", "view", "i"
		return map[string]any{"events": []any{named}}
	case op.path == "/v1/me/page":
		return nil
	case op.path == "/me":
		return "do=decide"
	case op.path == "/v1/me/permissions":
		return `{"grants":{"location":true}}`
	case op.path == "/v1/me/preferences":
		return `{"messages":true}`
	case op.path == "/v1/me/diary/{id}":
		return `{"quantity":2}`
	case op.path == "/v1/admin/erasures":
		return `{"shopper":"somebody"}`
	case op.path == "/v1/me/doubts":
		return `{"text":"It was me"}`
	case strings.HasPrefix(op.path, "/v1/admin/appeals"):
		return `{"accept":true}`
	case strings.HasPrefix(op.path, "/v1/admin/holds"):
		return `{"reason":"a case"}`
	case strings.HasPrefix(op.path, "/v1/cards"):
		return `{"tier":"gold","points":10}`
	case op.path == "/v1/suggestions/batch":
		return `{"shoppers":["somebody"]}`
	case op.path == "/v1/geofences/match":
		return `{"points":[[-9.1364,38.7075]]}`
	case op.path == "/v1/geofences/replay":
		return `{"fixes":[]}`
	case strings.HasPrefix(op.path, "/v1/geofences"):
		return things[0].one
	case strings.HasPrefix(op.path, "/v1/stores"):
		return things[1].one
	case strings.HasPrefix(op.path, "/v1/products"):
		return things[2].one
	case op.path == "/v1/retailer":
		return `{"name":"R"}`
	case op.path == "/v1/rules/approve":
		return `{"digest":"none"}`
	case op.path == "/v1/rules/publish":
		return `{"why":"a test"}`
	case op.path == "/v1/rules/simulate":
		return `{"imagined":[{"name":"nobody"}]}`
	case op.path == "/v1/rules/rollback":
		return `{"version":0,"why":"a test"}`
	case strings.HasPrefix(op.path, "/v1/rules"):
		return `{"when":"moment.hour >= 0","then":[{"kind":"message","text":{"en":"Hello"}}]}`
	case strings.HasSuffix(op.path, "/start") || strings.HasSuffix(op.path, "/stop"):
		return `{"why":"a test"}`
	case strings.HasSuffix(op.path, "/codes"):
		return `{"count":1}`
	case strings.HasPrefix(op.path, "/v1/offers"):
		return things[3].one
	case strings.HasPrefix(op.path, "/v1/experiments"):
		return `{"metric":"orders","arms":[{"id":"a"},{"id":"b","rules":"none"}]}`
	case strings.HasSuffix(op.path, "/rotate") || strings.HasPrefix(op.path, "/v1/deliveries"):
		return nil
	case strings.HasPrefix(op.path, "/v1/webhooks"):
		return `{"url":"https://example.com/hook"}`
	case op.path == "/v1/import/{kind}":
		return `{"item":"i","store":"","stock":1}`
	}
	panic("no body for " + op.method + " " + op.path)
}

func (op operation) request(id string) string {
	path := strings.NewReplacer("{id}", id, "{kind}", "stock", "{measure}", "visits").Replace(op.path)
	switch op.path {
	case "/v1/admin/sources/{id}":
		path = "/v1/admin/sources/import"
	case "/v1/geofences/nearby":
		path += "?lat=38.7&lng=-9.1"
	case "/v1/geofences/{id}/restore":
		path += "?version=1"
	case "/v1/stream":
		path += "?for_s=1"
	case "/v1/deliveries", "/v1/deliveries/replay":
		path += "?webhook=id"
	}
	return path
}

// TestRoles holds every operation to the roles that the contract names: all others are refused, and so is
// everybody without a token.
func TestRoles(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		for _, role := range append([]identity.Role{""}, identity.Roles...) {
			name := string(role)
			if role == "" {
				name = "nobody"
			}
			t.Run(op.method+op.path+"/"+name, func(t *testing.T) {
				t.Parallel()
				token := ""
				if role != "" {
					token = city.role(t, role, "roles")
				}
				var headers []string
				if op.path == "/v1/import/{kind}" {
					headers = []string{"Content-Type", "application/x-ndjson"}
				}
				if op.path == "/me" {
					headers = []string{"Content-Type", "application/x-www-form-urlencoded"}
				}
				got := city.call(t, token, op.method, op.request("id"), op.bodyOf(role), headers...).status
				switch {
				case len(op.roles) == 0:
					if got != http.StatusOK {
						t.Errorf("got %d, want 200 for everybody", got)
					}
				case role == "":
					if got != http.StatusUnauthorized {
						t.Errorf("got %d, want 401", got)
					}
				case !slices.Contains(op.roles, name):
					if got != http.StatusForbidden {
						t.Errorf("got %d, want 403", got)
					}
				case got >= 400 && got != http.StatusNotFound && got != http.StatusConflict: // of a thing that is not there, or is
					t.Errorf("got %d, want it allowed", got)
				}
			})
		}
	}
}

// TestRetailersAreApart plants everything that one retailer can have, and lets every role of another read and
// edit all it can: nothing of the first comes out, and nothing of it changes.
func TestRetailersAreApart(t *testing.T) {
	t.Parallel()
	const secret, id = "alpha-secret", "the-id"
	admin := city.role(t, identity.Admin, "alpha")
	city.call(t, admin, "PUT", "/v1/retailer", `{"name":"`+secret+`"}`).wants(200)
	planted := map[string]string{}
	for _, kind := range things {
		city.call(t, admin, "PUT", kind.path+"/"+id, strings.ReplaceAll(strings.ReplaceAll(kind.two, "two", secret), `"name":"one"`, `"name":"`+secret+`"`)).wants(201)
		planted[kind.path] = string(city.call(t, admin, "GET", kind.path+"/"+id, nil).wants(200).body)
	}
	shopper := city.as(t, identity.Claims{Role: identity.Shopper, Subject: "same-name", Retailer: "alpha"})
	city.record(t, shopper, wire.Event{ID: secret, Kind: "purchase", Item: id})
	city.grant(t, shopper, "location", false)

	for _, role := range identity.Roles {
		t.Run(string(role), func(t *testing.T) {
			subject := "service"
			if role == identity.Shopper {
				subject = "same-name"
			}
			token := city.as(t, identity.Claims{Role: role, Subject: subject, Retailer: "beta-" + string(role)})
			for _, op := range operations(t) {
				if !slices.Contains(op.roles, string(role)) || op.method != "GET" && op.method != "POST" || op.path == "/v1/events" {
					continue
				}
				body := op.bodyOf(role)
				if text, ok := body.(map[string]any); ok && text["shopper"] != nil {
					text["shopper"] = "same-name"
				}
				var headers []string
				if op.path == "/v1/import/{kind}" {
					headers = []string{"Content-Type", "application/x-ndjson"}
				}
				got := city.call(t, token, op.method, op.request(id), body, headers...)
				if strings.Contains(string(got.body), secret) {
					t.Errorf("%s %s tells of another retailer: %s", op.method, op.path, got.body)
				}
				if (strings.HasSuffix(op.path, "{id}") || strings.HasSuffix(op.path, "/restore") || strings.HasSuffix(op.path, "/rotate")) && got.status != http.StatusNotFound {
					t.Errorf("%s %s: got %d, want 404", op.method, op.path, got.status)
				}
			}
			if role == identity.Shopper {
				grants := read[wire.Permissions](city.call(t, token, "GET", "/v1/me/permissions", nil).wants(200)).Grants
				if slices.ContainsFunc(grants, func(g wire.Grant) bool { return g.Source == "shopper" }) {
					t.Errorf("a decision at another retailer holds here: %+v", grants)
				}
			}
			for _, kind := range things {
				city.call(t, token, "DELETE", kind.path+"/"+id, nil)
				city.call(t, token, "PUT", kind.path+"/"+id, kind.one)
				city.call(t, token, "DELETE", kind.path+"/"+id, nil)
				if now := string(city.call(t, admin, "GET", kind.path+"/"+id, nil).wants(200).body); now != planted[kind.path] {
					t.Errorf("%s of another retailer was changed to %s", kind.name, now)
				}
			}
		})
	}
}

// TestManagerOfStores holds what a manager of some stores may edit: geofences of those stores, nothing else.
func TestManagerOfStores(t *testing.T) {
	t.Parallel()
	const retailer = "stores-claim"
	admin := city.role(t, identity.Admin, retailer)
	some := city.as(t, identity.Claims{Role: identity.Manager, Retailer: retailer, Stores: []string{"s1", "s2"}})
	all := city.role(t, identity.Manager, retailer)
	for _, id := range []string{"mine", "others", "nobodys"} {
		link := map[string]string{"mine": `,"store":"s1"`, "others": `,"store":"s3"`}[id]
		city.call(t, admin, "PUT", "/v1/geofences/"+id, plaza(link)).wants(201)
	}
	for _, tc := range []struct {
		name, method, path, give string
		status, whole            int // for a manager of some stores, and of the whole retailer
	}{
		{"a geofence of theirs", "PUT", "/v1/geofences/mine", plaza(`,"store":"s1","name":"x"`), 200, 200},
		{"moved to another store of theirs", "PUT", "/v1/geofences/mine", plaza(`,"store":"s2"`), 200, 200},
		{"moved away from theirs", "PUT", "/v1/geofences/mine", plaza(`,"store":"s3"`), 403, 200},
		{"of another store", "PUT", "/v1/geofences/others", plaza(`,"store":"s3"`), 403, 200},
		{"taken from another store", "PUT", "/v1/geofences/others", plaza(`,"store":"s1"`), 403, 200},
		{"of no store", "PUT", "/v1/geofences/nobodys", plaza(``), 403, 200},
		{"a new one of theirs", "POST", "/v1/geofences", plaza(`,"store":"s2"`), 201, 201},
		{"a new one of no store", "POST", "/v1/geofences", plaza(``), 403, 201},
		{"reading", "GET", "/v1/geofences/nobodys", "", 200, 200},
		{"deletion of another's", "DELETE", "/v1/geofences/nobodys", "", 403, 204},
		{"a store", "PUT", "/v1/stores/s1", things[1].one, 403, 201},
		{"a product", "PUT", "/v1/products/p1", things[2].one, 403, 201},
		{"deletion of a store", "DELETE", "/v1/stores/s1", "", 403, 204},
		{"deletion of a product", "DELETE", "/v1/products/p1", "", 403, 204},
		{"settings", "PUT", "/v1/retailer", `{"name":"R"}`, 403, 200},
	} {
		var body any
		if tc.give != "" {
			body = tc.give
		}
		if got := city.call(t, some, tc.method, tc.path, body); got.status != tc.status {
			t.Errorf("%s, a manager of some stores: got %d %s, want %d", tc.name, got.status, got.body, tc.status)
		}
		if got := city.call(t, all, tc.method, tc.path, body); got.status != tc.whole {
			t.Errorf("%s, a manager of all: got %d %s, want %d", tc.name, got.status, got.body, tc.whole)
		}
	}
	for _, kind := range []string{"stores", "products", "stock", "geofences"} {
		want := map[bool]int{true: 200, false: 403}[kind == "geofences"]
		if got := city.call(t, some, "POST", "/v1/import/"+kind+"?dry_run=true", "{}\n", "Content-Type", "application/x-ndjson").status; got != want {
			t.Errorf("import of %s: got %d, want %d", kind, got, want)
		}
	}
}

// TestImportRoles holds who may import what.
func TestImportRoles(t *testing.T) {
	t.Parallel()
	may := map[string][]identity.Role{
		"stores": {"manager", "backend", "admin"}, "geofences": {"manager", "backend", "admin"},
		"products": {"product", "manager", "backend", "admin"}, "stock": {"product", "manager", "backend", "admin"},
		"purchases": {"backend", "admin"}, "events": {"backend", "admin"},
	}
	for kind, roles := range may {
		for _, role := range identity.Roles {
			want := http.StatusForbidden
			if slices.Contains(roles, role) {
				want = http.StatusOK
			}
			got := city.call(t, city.role(t, role, "import-roles"), "POST", fmt.Sprintf("/v1/import/%s?dry_run=true", kind), "{}\n", "Content-Type", "application/x-ndjson")
			if got.status != want {
				t.Errorf("%s by %s: got %d %s, want %d", kind, role, got.status, got.body, want)
			}
		}
	}
}
