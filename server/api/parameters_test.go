package api

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// onlyParameters answers 204 to whatever the contract's parameters let through.
func onlyParameters(t *testing.T) *fiber.App {
	t.Helper()
	a := &API{contract: readContract(), operation: map[string]*operation{}}
	for _, op := range a.contract.operations {
		a.operation[operationKey(op.Method, op.Path)] = op
	}
	app := fiber.New(fiber.Config{ReadBufferSize: 16 << 10, ErrorHandler: failer(slog.New(slog.DiscardHandler))})
	app.Use(func(c *fiber.Ctx) error {
		op := a.find(c.Method(), c.Path())
		if op == nil {
			return a.nowhere(c)
		}
		if err := a.checkParameters(c, op); err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusNoContent)
	})
	return app
}

func TestParameters(t *testing.T) {
	t.Parallel()
	app := onlyParameters(t)
	for _, tc := range []struct {
		name, give string
		header     string // If-Match
		want       string // parameter: code: detail; empty: let through
	}{
		{"none", "GET /v1/geofences", "", ""},
		{"all", "GET /v1/geofences?limit=1000&cursor=a&status=live&store=s-1&tag=caf%C3%A9", "", ""},
		{"of an import", "POST /v1/import/stores?dry_run=true&first_line=9007199254740993&basis=contract", "", ""},
		{"times", "GET /v1/me/diary?from=2026-11-01T00:00:00Z&until=2026-11-01T00:00:00.5%2B02:00", "", ""},
		{"an id with a slash", "GET /v1/stores/a%2Fb", "", ""},
		{"an id of 128 letters", "GET /v1/stores/" + strings.Repeat("%C3%A9", 128), "", ""},
		{"numbers", "GET /v1/geofences/nearby?lat=-90&lng=1.8e2", "", ""},
		{"a version", "DELETE /v1/stores/a", `"3"`, ""},

		{"misspelt", "GET /v1/geofences?limt=3", "", "limt: unknown_field: is no parameter here; did you mean limit?"},
		{"another case", "GET /v1/geofences?Limit=3", "", "Limit: unknown_field: is no parameter here; did you mean limit?"},
		{"unknown", "GET /v1/stores?colour=red", "", "colour: unknown_field: is no parameter here; want limit and cursor"},
		{"where there is none", "POST /v1/context?debug=1", "", "debug: unknown_field: is no parameter here; there is none"},
		{"beside an id", "GET /v1/stores/a?x=1", "", "x: unknown_field: is no parameter here; there is none"},
		{"twice", "GET /v1/stores?limit=3&limit=4", "", "limit: duplicate_field: stands there 2 times, want it once"},
		{"no number", "GET /v1/stores?limit=ten", "", `limit: wrong_type: got "ten", want a whole number`},
		{"a fraction", "GET /v1/stores?limit=1.0", "", `limit: wrong_type: got "1.0", want a whole number`},
		{"beyond all numbers", "GET /v1/stores?limit=99999999999999999999", "", `limit: wrong_type: got "99999999999999999999", want a whole number`},
		{"too small", "GET /v1/stores?limit=0", "", "limit: out_of_range: got 0, want at least 1"},
		{"too large", "GET /v1/me/diary?limit=501", "", "limit: out_of_range: got 501, want at most 500"},
		{"not a number", "GET /v1/geofences/nearby?lat=NaN&lng=0", "", `lat: wrong_type: got "NaN", want a number`},
		{"words for a number", "GET /v1/geofences/nearby?lat=0&lng=west", "", `lng: wrong_type: got "west", want a number`},
		{"off the earth", "GET /v1/geofences/nearby?lat=91&lng=0", "", "lat: out_of_range: got 91, want -90 to 90"},
		{"empty number", "GET /v1/stores?limit=", "", `limit: wrong_type: got "", want a whole number`},
		{"empty text", "GET /v1/stores?cursor=", "", "cursor: too_short: is empty: leave it out, or say what is wanted"},
		{"too long", "GET /v1/geofences?tag=" + strings.Repeat("x", 65), "", "tag: too_long: got 65 characters, want at most 64"},
		{"no status", "GET /v1/geofences?status=lvie", "", `status: unknown_value: got "lvie"; did you mean live?`},
		{"nothing like a status", "GET /v1/geofences?status=deleted", "", `status: unknown_value: got "deleted", want one of live, draft`},
		{"no boolean", "POST /v1/import/stores?dry_run=1", "", `dry_run: wrong_type: got "1", want true or false`},
		{"a day is no time", "GET /v1/me/diary?from=2026-11-01", "", `from: wrong_type: got "2026-11-01", want a time such as "2026-11-22T09:14:03Z"`},
		{"a line feed", "GET /v1/geofences?store=a%0Ab", "", `store: bad_format: got "a\nb", want UTF-8 text without control characters`},
		{"not UTF-8", "GET /v1/geofences?store=a%FF", "", `store: bad_format: got "a\xff", want UTF-8 text without control characters`},
		{"an id too long", "GET /v1/stores/" + strings.Repeat("x", 129), "", "id: too_long: got 129 characters, want at most 128"},
		{"an id with a zero byte", "GET /v1/stores/a%00", "", `id: bad_format: got "a\x00", want UTF-8 text without control characters`},
		{"an id half escaped", "GET /v1/stores/a%", "", `id: malformed: got "a%", want percent-encoded text`},
		{"a good id before more", "GET /v1/geofences/caf%C3%A9/versions", "", ""},
		{"an id too long before more", "GET /v1/geofences/" + strings.Repeat("x", 3000) + "/versions", "", "id: too_long: got 3000 characters, want at most 128"},
		{"an id with a zero byte before more", "GET /v1/geofences/%00/versions", "", `id: bad_format: got "\x00", want UTF-8 text without control characters`},
		{"an id that is not UTF-8 before more", "GET /v1/geofences/%ff%fe/versions", "", `id: bad_format: got "\xff\xfe", want UTF-8 text without control characters`},
		{"a long version", "DELETE /v1/stores/a", strings.Repeat("9", 257), "If-Match: too_long: got 257 characters, want at most 256"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			method, target, _ := strings.Cut(tc.give, " ")
			request := httptest.NewRequest(method, "/", nil)
			request.RequestURI = target // as it stands: half an escape is no path of net/url
			request.Header.Set("If-Match", tc.header)
			response, err := app.Test(request, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if tc.want == "" {
				if response.StatusCode != fiber.StatusNoContent {
					t.Errorf("got %d", response.StatusCode)
				}
				return
			}
			var told wire.Problem
			if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
				t.Fatal(err)
			}
			if told.Status != 400 || told.Type != problemPrefix+"invalid-request" || len(told.Errors) != 1 {
				t.Fatalf("got %+v", told)
			}
			fault := told.Errors[0]
			if got := fault.Parameter + ": " + fault.Code + ": " + fault.Detail; got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if told.Detail != fault.Parameter+": "+fault.Detail {
				t.Errorf("detail: got %s", told.Detail)
			}
		})
	}
}

func TestParametersTellsAllFaults(t *testing.T) {
	t.Parallel()
	response, err := onlyParameters(t).Test(httptest.NewRequest("GET", "/v1/geofences?limit=x&status=y&b=1&a=1", nil), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var told wire.Problem
	if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, fault := range told.Errors {
		named = append(named, fault.Parameter)
	}
	if want := []string{"limit", "status", "a", "b"}; !slices.Equal(named, want) || !strings.HasSuffix(told.Detail, "(and 3 more)") {
		t.Errorf("got %v and %q, want %v", named, told.Detail, want)
	}
}

// TestParametersAreTold holds that every operation which may refuse its parameters says so in the contract.
func TestParametersAreTold(t *testing.T) {
	t.Parallel()
	for _, op := range readContract().operations {
		if _, ok := op.Responses.get("400"); !ok && len(op.Roles) > 0 {
			t.Errorf("%s %s has no answer 400", op.Method, op.Path)
		}
		for _, p := range op.Parameters {
			if s := readContract().resolve(p.Schema); s.is("number") && (s.Minimum == nil || s.Maximum == nil) {
				t.Errorf("%s %s: %s wants a minimum and a maximum", op.Method, op.Path, p.Name)
			}
			if s := readContract().resolve(p.Schema); p.In == "path" && s.MaxLength != 0 && s.MaxLength != maxSegment {
				t.Errorf("%s %s: %s has at most %d characters, want %d", op.Method, op.Path, p.Name, s.MaxLength, maxSegment)
			}
		}
	}
}
