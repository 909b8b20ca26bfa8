package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"satnav/recommend"
	contract "satnav/sdk-contract"
	"satnav/server/retailer"
)

// TestContractIsValid holds the contract to OpenAPI 3.1, with every example valid for its schema.
func TestContractIsValid(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(contract.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

// TestContractAgreesWithTheCode holds lists and patterns of the contract to the code that has the same a second time.
func TestContractAgreesWithTheCode(t *testing.T) {
	t.Parallel()
	schemas := readContract().Components.Schemas
	if got, want := schemas.must("Jurisdiction").Enum, retailer.Jurisdictions; !slices.Equal(got, want) {
		t.Errorf("jurisdictions: the contract has %v, the code %v", got, want)
	}
	id := schemas.must("ID").Pattern
	for r := range rune(0x180) {
		if text := "a" + string(r); id.MatchString(text) != plainText(text) {
			t.Errorf("%q: the pattern of an id says %t, the decoder %t", text, id.MatchString(text), plainText(text))
		}
	}
}

// TestContractDescribesReasons holds the contract to the codes and values of reasons that the server sends.
func TestContractDescribesReasons(t *testing.T) {
	t.Parallel()
	schemas := readContract().Components.Schemas
	code, _ := schemas.must("Reason").Properties.get("code")
	values := schemas.must("ReasonValues").Properties
	var described []string
	for _, c := range code.Examples {
		described = append(described, c.(string))
	}
	sent := map[string]bool{} // "value of code"
	for c := range phrasesOf[language.English] {
		if strings.Contains(string(c), "_once") || strings.HasPrefix(string(c), string(recommend.PopularNow)+"_") { // phrases, not codes
			continue
		}
		if !slices.Contains(described, string(c)) {
			t.Errorf("the contract does not name the code %s", c)
		}
		w := wordsOf(language.English)
		told, n := w.slots(&recommend.Reason{Code: c, Values: recommend.Values{EveryDays: 1, LastDays: 1, Times: 1, With: "p1", Store: "s1", Meters: 1, When: recommend.ThisHour}})
		for _, s := range told[:n] {
			sent[s.name+" of "+string(c)] = true
			if value, ok := values.get(s.name); !ok || !strings.Contains(value.Description, "`"+string(c)+"`") {
				t.Errorf("the contract does not say that %s has the value %s", c, s.name)
			}
		}
	}
	for _, value := range values {
		for _, c := range described {
			if strings.Contains(value.value.Description, "`"+c+"`") && !sent[value.name+" of "+c] {
				t.Errorf("the contract says that %s has the value %s, which is never sent", c, value.name)
			}
		}
	}
}

// TestContractKeywords holds the contract to the keywords that this package reads: another one would be
// written down, documented, and never checked.
func TestContractKeywords(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, k := range strings.Fields(`$ref description type format enum default examples properties required additionalProperties items prefixItems
		oneOf minimum maximum exclusiveMinimum minLength maxLength pattern minItems maxItems minProperties maxProperties`) {
		known[k] = true
	}
	var root yaml.Node
	if err := yaml.Unmarshal(contract.OpenAPI, &root); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var schemaAt func(place string, n *yaml.Node)
	schemaAt = func(place string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode { // additionalProperties: true
			return
		}
		seen++
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			if !known[key] {
				t.Errorf("%s, line %d: keyword %q is not read by anybody", place, n.Content[i].Line, key)
			}
			switch key {
			case "properties":
				for j := 0; j < len(value.Content); j += 2 {
					schemaAt(place+"."+value.Content[j].Value, value.Content[j+1])
				}
			case "items", "additionalProperties":
				schemaAt(place+"."+key, value)
			case "oneOf", "prefixItems":
				for _, branch := range value.Content {
					schemaAt(place+"."+key, branch)
				}
			}
		}
	}
	var walk func(place string, n *yaml.Node)
	walk = func(place string, n *yaml.Node) {
		for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			switch key {
			case "schema":
				schemaAt(place, value)
			case "schemas":
				for j := 0; j < len(value.Content); j += 2 {
					schemaAt(value.Content[j].Value, value.Content[j+1])
				}
			case "examples", "example":
			default:
				walk(place+"/"+key, value)
			}
		}
		for _, item := range n.Content {
			if n.Kind != yaml.MappingNode {
				walk(place, item)
			}
		}
	}
	walk("", &root)
	if seen < 300 {
		t.Errorf("saw %d schemas, want the whole contract", seen)
	}
}

// TestContractManners holds what every operation of the contract must say.
func TestContractManners(t *testing.T) {
	t.Parallel()
	doc := readContract()
	if len(doc.operations) < 28 {
		t.Fatalf("got %d operations, want all", len(doc.operations))
	}
	roles := []string{"shopper", "manager", "product", "backend", "admin"}
	for _, op := range doc.operations {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			if op.Summary == "" || len(op.Tags) == 0 {
				t.Error("want a summary and a tag")
			}
			for _, role := range op.Roles {
				if !slices.Contains(roles, role) {
					t.Errorf("x-roles: got %q, want some of %v", role, roles)
				}
			}
			var want []string
			if strings.HasPrefix(op.Path, "/v1/") {
				want = append(want, "400", "401", "403", "429", "503")
				if len(op.Roles) == 0 {
					t.Error("want x-roles: who may call it")
				}
			} else if len(op.Roles) != 0 {
				t.Error("a call without a token has no roles")
			}
			if op.Body != nil {
				want = append(want, "413", "415", "422")
			}
			if strings.Contains(op.Path, "{") {
				want = append(want, "404")
			}
			for _, p := range op.Parameters {
				if p.Name == "If-Match" {
					want = append(want, "412")
				}
				if p.Name == "If-None-Match" && op.Method == "GET" {
					want = append(want, "304")
				}
			}
			want = append(want, "500")
			for _, status := range want {
				if op.Method == "PUT" && status == "404" { // it creates
					continue
				}
				if _, ok := op.Responses.get(status); !ok {
					t.Errorf("want a response for %s", status)
				}
			}
			for _, r := range op.Responses {
				if r.name >= "400" {
					if _, ok := r.value.Content.get("application/problem+json"); !ok {
						t.Errorf("%s: want a problem", r.name)
					}
				} else if strings.HasPrefix(op.Path, "/v1/") && r.name < "300" && r.name != "204" {
					if _, ok := r.value.Headers.get("RateLimit"); !ok {
						t.Errorf("%s: want the RateLimit headers", r.name)
					}
				}
			}
		})
	}
}
