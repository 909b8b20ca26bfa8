package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/store"
)

func TestProblemOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		give   error
		want   *kind
		detail string
	}{
		{"a problem", fmt.Errorf("put: %w", problem(conflict, "geofence %q exists", "a")), conflict, `geofence "a" exists`},
		{"a body of another shape", Faults{{Pointer: "/limit", Code: codeOutOfRange, Detail: "got -1"}, {Pointer: "/x", Code: codeUnknownField, Detail: "is no field here"}}, invalidRequest, "body: /limit: got -1 (and 1 more)"},
		{"a body with a bad value", Faults{{Pointer: "/limit", Code: codeOutOfRange, Detail: "got -1"}}, invalidValue, "body: /limit: got -1"},
		{"a broken body", Faults{{Code: codeMalformed, Detail: "line 1"}}, invalidRequest, "body: line 1"},
		{"something the store does not have", fmt.Errorf("get: %w", store.ErrNotFound), notFound, ""},
		{"a full disk", fmt.Errorf("commit: %w", store.ErrFull), unavailable, "the disk is full"},
		{"a deadline", fmt.Errorf("scan: %w", context.DeadlineExceeded), unavailable, "the call took too long"},
		{"no such route", fiber.NewError(404, "Cannot GET /x"), notFound, "Cannot GET /x"},
		{"a status that is not in the table", fiber.NewError(418, "teapot"), invalidRequest, "teapot"},
		{"a fault of fiber", fiber.NewError(502, "secret"), internal, ""},
		{"what nobody foresaw", errors.New("secret"), internal, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := problemOf(tc.give)
			if got.kind != tc.want || got.detail != tc.detail {
				t.Errorf("got %s %q, want %s %q", got.kind.slug, got.detail, tc.want.slug, tc.detail)
			}
		})
	}
}

// TestProblemsAreInTheContract holds the table to the statuses and examples of the contract.
func TestProblemsAreInTheContract(t *testing.T) {
	t.Parallel()
	bySlug := map[string]*kind{}
	for _, k := range kinds {
		if bySlug[k.slug] != nil {
			t.Errorf("%s stands twice", k.slug)
		}
		bySlug[k.slug] = k
	}
	examples := 0
	for _, r := range readContract().Components.Responses {
		content, _ := r.value.Content.get("application/problem+json")
		for _, e := range content.Examples {
			var p struct {
				Type, Title string
				Status      int
			}
			if err := e.value.Value.Decode(&p); err != nil {
				t.Fatal(err)
			}
			examples++
			k := bySlug[strings.TrimPrefix(p.Type, problemPrefix)]
			if k == nil || k.status != p.Status || k.title != p.Title {
				t.Errorf("%s: the example says %+v, the table %+v", r.name, p, k)
			}
		}
	}
	if examples < 10 {
		t.Errorf("got %d examples of problems, want one for each response", examples)
	}
}

func TestFailerLogsOnceWhatIsOurs(t *testing.T) {
	t.Parallel()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, tc := range []struct {
		name       string
		give       error
		status     int
		logs       int
		retryAfter string
	}{
		{"ours", errors.New("secret"), 500, 1, ""},
		{"the store", fmt.Errorf("secret: %w", store.ErrUnavailable), 503, 1, "1"},
		{"theirs", problem(notFound, "no such thing"), 404, 0, ""},
		{"come back later", &failure{kind: rateLimited, retryAfter: 1500 * time.Millisecond}, 429, 0, "2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var logged bytes.Buffer
			app := fiber.New(fiber.Config{ErrorHandler: failer(slog.New(slog.NewTextHandler(&logged, nil)))})
			app.Get("/", func(*fiber.Ctx) error { return tc.give })
			request := httptest.NewRequest("GET", "/", nil)
			request.Header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01")
			response, err := app.Test(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			var p wire.Problem
			if err := json.Unmarshal(answer, &p); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status || p.Status != tc.status || p.TraceID != trace {
				t.Errorf("got %d %s", response.StatusCode, answer)
			}
			if strings.Contains(string(answer), "secret") {
				t.Errorf("the answer shows what is ours: %s", answer)
			}
			if got := response.Header.Get("Retry-After"); got != tc.retryAfter {
				t.Errorf("Retry-After: got %q, want %q", got, tc.retryAfter)
			}
			if got := strings.Count(logged.String(), trace); got != tc.logs {
				t.Errorf("got %d lines, want %d: %s", got, tc.logs, &logged)
			}
		})
	}
}

func TestTraceparent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, give, want string }{
		{"as described", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"},
		{"a later version with more", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "0af7651916cd43dd8448eb211c80319c"},
		{"none", "", ""},
		{"an unknown version", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""},
		{"this version with more", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", ""},
		{"capitals", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", ""},
		{"all zero", "00-00000000000000000000000000000000-b7ad6b7169203331-01", ""},
		{"no parent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", ""},
		{"text", "00-<script>alert(1)</script>xxxxxxx-b7ad6b7169203331-01", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, _ := traceparent(tc.give); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
