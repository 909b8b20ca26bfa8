package observe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOperatorRoutes(t *testing.T) {
	t.Parallel()
	health := &Health{}
	health.Check("store", func(context.Context) error { return nil })
	m := NewMetrics()
	m.Route(http.MethodGet, "/livez").End(200, time.Millisecond)
	handler := OperatorHandler(m.Registry, health)
	tests := []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/livez", 200, "live\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"GET", "/metrics", 200, `satnav_http_calls_total{method="GET",route="/livez",status="2xx"} 1`},
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/", 200, "/metrics"},
		{"GET", "/v1/context", 404, ""},
		{"POST", "/metrics", 405, ""},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			t.Parallel()
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
			if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.want) {
				t.Errorf("got %d %.200s", recorder.Code, recorder.Body)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	works := func(context.Context) error { return nil }
	hangs := func(context.Context) error { select {} }
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fails := func(context.Context) error { return errors.New("disk full") }
	tests := []struct {
		name string
		give []check
		want string // empty: ready
	}{
		{"nothing to check", nil, ""},
		{"all work", []check{{"store", works}, {"keys", works}}, ""},
		{"one fails", []check{{"keys", works}, {"store", fails}}, "store: disk full"},
		{"two fail", []check{{"keys", fails}, {"store", fails}}, "keys: disk full\nstore: disk full"},
		{"one waits for ever", []check{{"store", waits}}, "store: context deadline exceeded"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a bubble's clock: nothing waits for real
				h := &Health{}
				for _, c := range test.give {
					h.Check(c.name, c.ask)
				}
				got := ""
				if err := h.Ready(t.Context()); err != nil {
					got = err.Error()
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
	t.Run("one hangs", func(t *testing.T) {
		t.Parallel()
		h := &Health{}
		h.Check("store", hangs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := h.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("draining", func(t *testing.T) {
		t.Parallel()
		h := &Health{}
		h.Drain()
		if err := h.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "draining") {
			t.Errorf("got %v", err)
		}
	})
}

func TestListenOperator(t *testing.T) {
	t.Parallel()
	health := &Health{}
	o, err := ListenOperator("127.0.0.1:0", NewMetrics().Registry, health)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := get("/readyz"); status != 200 {
		t.Errorf("ready: got %d %s", status, body)
	}
	health.Drain()
	if status, body := get("/readyz"); status != 503 || !strings.Contains(body, "draining") {
		t.Errorf("draining: got %d %s", status, body)
	}
	if status, _ := get("/livez"); status != 200 {
		t.Errorf("draining is not dead: got %d", status)
	}
	if _, err := ListenOperator(o.Address(), NewMetrics().Registry, health); err == nil {
		t.Error("two listeners on one address")
	}
	if err := o.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
