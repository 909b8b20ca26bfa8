// Package apitest holds a running server to the contract: every request that a test sends and every
// response that it gets is validated against openapi.yaml. It is for tests only (about a tenth of a millisecond
// a call) and knows nothing of the server's code, so that the two cannot be wrong together.
package apitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/santhosh-tekuri/jsonschema/v6"

	contract "satnav/sdk-contract"
)

// Validator checks requests and responses against the contract. It is safe for concurrent use.
type Validator struct {
	router  routers.Router
	schemas map[string]*jsonschema.Schema // by name; kin-openapi would compile one again for each call
}

// load reads the contract once for all tests of a process.
var load = sync.OnceValues(func() (*Validator, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	closeSchemas(doc)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	schemas, err := compile(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Validator{router, schemas}, nil
})

// compile makes every schema that has a name ready for use.
func compile(doc *openapi3.T) (map[string]*jsonschema.Schema, error) {
	text, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", resource); err != nil {
		return nil, err
	}
	schemas := map[string]*jsonschema.Schema{}
	for name := range doc.Components.Schemas {
		if schemas[name], err = compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			return nil, err
		}
	}
	return schemas, nil
}

// body validates JSON against the schema of a media type. The contract names every schema of a JSON body.
func (v *Validator) body(content *openapi3.MediaType, data []byte) error {
	name := strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/")
	schema := v.schemas[name]
	if schema == nil {
		return fmt.Errorf("the schema of the body has no name in components")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// New returns the validator of the contract.
func New() (*Validator, error) { return load() }

// closeSchemas makes the objects of answers refuse fields that they do not describe. Clients must ignore
// such fields, but this server must not send any.
func closeSchemas(doc *openapi3.T) {
	for _, ref := range doc.Components.Schemas {
		schema := ref.Value
		extra := schema.AdditionalProperties
		if len(schema.Properties) > 0 && extra.Has == nil && extra.Schema == nil {
			closed := false
			schema.AdditionalProperties.Has = &closed
		}
	}
}

// Check says how an exchange breaks the contract, or nil. Every response must be as described for its status.
// A request must be as described when the server accepted it; what it refuses may be wrong on purpose. Only
// problems 404 and 405 may answer a path or method that is not in the contract. Where each element of a request
// has its own result (x-item-results), refused ones may be wrong in an accepted call.
func (v *Validator) Check(request *http.Request, requestBody []byte, response *http.Response, responseBody []byte) error {
	return v.check(request, requestBody, true, response, responseBody)
}

func (v *Validator) check(request *http.Request, requestBody []byte, known bool, response *http.Response, responseBody []byte) error {
	name := request.Method + " " + request.URL.Path
	if request.Method == http.MethodHead { // GET without the body
		get := request.Clone(request.Context())
		get.Method = http.MethodGet
		request = get
	}
	route, parameters, err := v.router.FindRoute(request)
	if err != nil {
		if (response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed) &&
			mediaType(response.Header) == "application/problem+json" {
			return nil
		}
		return fmt.Errorf("%s: answered %d, but it is not in the contract: %w", name, response.StatusCode, err)
	}
	checked := request.Clone(request.Context())
	checked.Body = io.NopCloser(bytes.NewReader(requestBody))
	itemsRefused := route.Operation.Extensions["x-item-results"] != nil && bytes.Contains(responseBody, []byte(`"refused"`))
	input := &openapi3filter.RequestValidationInput{
		Request: checked, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			ExcludeRequestBody:  true,
			SkipSettingDefaults: true,
		},
	}
	if response.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(request.Context(), input); err != nil {
			return fmt.Errorf("%s: answered %d to a request that breaks the contract: %w", name, response.StatusCode, err)
		}
		if described := route.Operation.RequestBody; described != nil && known && !itemsRefused && request.Header.Get("Content-Encoding") != "gzip" {
			kind := mediaType(request.Header)
			if kind == "" {
				kind = "application/json"
			}
			content := described.Value.Content[kind]
			if content == nil {
				return fmt.Errorf("%s: answered %d to a request that breaks the contract: Content-Type %q", name, response.StatusCode, kind)
			}
			if isJSON(kind) {
				if err := v.body(content, requestBody); err != nil {
					return fmt.Errorf("%s: answered %d to a request that breaks the contract: %w", name, response.StatusCode, err)
				}
			}
		}
	}
	kind := mediaType(response.Header)
	described := route.Operation.Responses.Status(response.StatusCode)
	if described == nil {
		return fmt.Errorf("%s: status %d is not in the contract", name, response.StatusCode)
	}
	if request.Method != name[:strings.IndexByte(name, ' ')] { // HEAD
		return nil
	}
	if content := described.Value.Content; len(content) == 0 {
		if len(responseBody) > 0 {
			return fmt.Errorf("%s: %d has a body, want none: %.200s", name, response.StatusCode, responseBody)
		}
		return nil
	} else if content[kind] == nil {
		return fmt.Errorf("%s: %d has Content-Type %q, which is not in the contract", name, response.StatusCode, kind)
	}
	if isJSON(kind) {
		if err := v.body(described.Value.Content[kind], responseBody); err != nil {
			return fmt.Errorf("%s: the answer %d breaks the contract: %w\n%.2000s", name, response.StatusCode, err, responseBody)
		}
	}
	return nil
}

func mediaType(header http.Header) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// Transport validates what goes through it. What breaks the contract fails the test; the exchange goes on.
type Transport struct {
	T    testing.TB
	Next http.RoundTripper // nil: http.DefaultTransport
	// Streamed lets the bodies of requests go out as they come, unread and not validated.
	Streamed bool
}

// Client is an HTTP client whose every exchange is validated.
func Client(t testing.TB) *http.Client { return &http.Client{Transport: &Transport{T: t}} }

// StreamingClient is a Client for requests whose bodies come bit by bit, or never end. Every answer is validated.
func StreamingClient(t testing.TB) *http.Client {
	return &http.Client{Transport: &Transport{T: t, Streamed: true}}
}

// RoundTrip implements http.RoundTripper. It reads both bodies whole, unless x.Streamed.
func (x *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	validator, err := New()
	if err != nil {
		return nil, err
	}
	next := x.Next
	if next == nil {
		next = http.DefaultTransport
	}
	var sent []byte
	if request.Body != nil && !x.Streamed {
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		if err := request.Body.Close(); err != nil {
			return nil, err
		}
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(got))
	if err := validator.check(request, sent, !x.Streamed, response, got); err != nil {
		x.T.Errorf("contract: %v", err)
	}
	return response, nil
}

// App is the part of fiber.App that answers a request without a network.
type App interface {
	Test(request *http.Request, msTimeout ...int) (*http.Response, error)
}

// InProcess is a transport over an app: a client over it needs no port.
func InProcess(app App) http.RoundTripper { return inProcess{app} }

type inProcess struct{ app App }

// RoundTrip implements http.RoundTripper. It waits for the answer as long as it takes.
func (p inProcess) RoundTrip(request *http.Request) (*http.Response, error) {
	return p.app.Test(request, -1)
}
