package apitest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	contract "satnav/sdk-contract"
)

const (
	answer = `{"suggestions":[{"id":"s","kind":"product","item":"p1","score":0.5,"reasons":[{"code":"new","text":"New here"}]}],"triggers":[],"place":{},` +
		`"moment":{"local_time":"2026-11-22T09:14:03Z","daypart":"morning"},"next":{"check_again_s":300},` +
		`"used":{"permissions":[],"purposes":[],"location":"none","history":false}}`
	lost = `{"type":"urn:problem-type:satnav:not-found","title":"There is no such thing","status":404}`
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		method, path string
		give         string
		status       int
		kind, answer string
		want         string // part of the complaint; empty: none
	}{
		{"as described", "POST", "/v1/context", `{"where":{"lat":1,"lng":2}}`, 200, "application/json", answer, ""},
		{"a problem as described", "GET", "/v1/stores/s1", ``, 404, "application/problem+json", lost, ""},
		{"a path that nobody described", "GET", "/v1/secret", ``, 404, "application/problem+json", lost, ""},
		{"a wrong request that was refused", "POST", "/v1/context", `{"wehre":1}`, 400, "application/problem+json", strings.Replace(lost, "404", "400", 1), ""},
		{"a page", "GET", "/docs", ``, 200, "text/html; charset=utf-8", "<p>", ""},
		{"the contract itself", "GET", "/openapi.yaml", ``, 200, "application/yaml", "openapi: 3.1.0", ""},
		{"an answer without a body", "DELETE", "/v1/stores/s1", ``, 204, "", "", ""},
		{"head", "HEAD", "/v1/stores", ``, 200, "application/json", "", ""},

		{"a path that should not be there", "GET", "/v1/secret", ``, 200, "application/json", `{}`, "not in the contract"},
		{"a wrong request that was taken", "POST", "/v1/context", `{"wehre":1}`, 200, "application/json", answer, "request that breaks the contract"},
		{"a wrong union that was taken", "POST", "/v1/context", `{"where":{"lat":1}}`, 200, "application/json", answer, "request that breaks the contract"},
		{"a wrong parameter that was taken", "GET", "/v1/stores?limit=0", ``, 200, "application/json", `{"stores":[]}`, "request that breaks the contract"},
		{"a status that nobody described", "GET", "/v1/stores", ``, 418, "application/json", `{}`, "status 418 is not in the contract"},
		{"another type", "GET", "/v1/stores", ``, 200, "text/plain", `hello`, "Content-Type"},
		{"a missing field", "GET", "/v1/stores", ``, 200, "application/json", `{}`, "breaks the contract"},
		{"a null", "GET", "/v1/stores", ``, 200, "application/json", `{"stores":null}`, "breaks the contract"},
		{"a field that nobody described", "GET", "/v1/stores", ``, 200, "application/json", `{"stores":[],"more":1}`, "breaks the contract"},
		{"a wrong type deep inside", "POST", "/v1/context", `{}`, 200, "application/json", strings.Replace(answer, "0.5", `"0.5"`, 1), "breaks the contract"},
		{"a time that is none", "POST", "/v1/context", `{}`, 200, "application/json", strings.Replace(answer, "09:14:03Z", "9:14", 1), "breaks the contract"},
		{"a body where none belongs", "DELETE", "/v1/stores/s1", ``, 204, "", "{}", "want none"},
		{"a problem that is none", "GET", "/v1/stores/s1", ``, 404, "application/problem+json", `{"error":"gone"}`, "breaks the contract"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			validator, err := New()
			if err != nil {
				t.Fatal(err)
			}
			request := httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.give))
			if tc.give != "" {
				request.Header.Set("Content-Type", "application/json")
			}
			response := &http.Response{StatusCode: tc.status, Header: http.Header{"Content-Type": {tc.kind}}}
			err = validator.Check(request, []byte(tc.give), response, []byte(tc.answer))
			if got := fmt.Sprint(err); tc.want == "" && err != nil || !strings.Contains(got, tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestExamples holds the examples of the contract to fields that it describes: a misnamed one is what an app would be
// written against.
func TestExamples(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(contract.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	closeSchemas(doc)
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

// complaints counts what a test would have been told.
type complaints struct {
	testing.TB
	count int
}

func (c *complaints) Errorf(string, ...any) { c.count++ }

func TestTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"stores":7}`)
	}))
	defer server.Close()
	told := &complaints{TB: t}
	response, err := Client(told).Get(server.URL + "/v1/stores")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if told.count != 1 {
		t.Errorf("got %d complaints, want 1", told.count)
	}
}

// BenchmarkCheck is what validation costs a test suite for each call.
func BenchmarkCheck(b *testing.B) {
	validator, err := New()
	if err != nil {
		b.Fatal(err)
	}
	const give = `{"where":{"lat":1,"lng":2}}`
	request := httptest.NewRequest("POST", "/v1/context", strings.NewReader(give))
	request.Header.Set("Content-Type", "application/json")
	response := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}}
	for b.Loop() {
		if err := validator.Check(request, []byte(give), response, []byte(answer)); err != nil {
			b.Fatal(err)
		}
	}
}
