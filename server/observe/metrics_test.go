package observe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRouteCounts(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	route := m.Route(http.MethodPost, "/v1/context")
	for _, status := range []int{200, 201, 404, 500, 101, 0, 999} {
		route.Begin()
		route.End(status, 3*time.Millisecond)
	}
	route.Begin()
	m.UnknownItem("demo")
	m.HiddenEvent("demo")
	m.HiddenFixes("demo", 3)
	got := scrape(t, m)
	for _, want := range []string{
		`satnav_http_calls_total{method="POST",route="/v1/context",status="1xx"} 1`,
		`satnav_http_calls_total{method="POST",route="/v1/context",status="2xx"} 2`,
		`satnav_http_calls_total{method="POST",route="/v1/context",status="3xx"} 0`,
		`satnav_http_calls_total{method="POST",route="/v1/context",status="4xx"} 1`,
		`satnav_http_calls_total{method="POST",route="/v1/context",status="5xx"} 3`,
		`satnav_http_call_seconds_bucket{method="POST",route="/v1/context",le="0.003"} 7`,
		`satnav_http_call_seconds_bucket{method="POST",route="/v1/context",le="0.002"} 0`,
		`satnav_http_calls_in_flight 1`,
		`satnav_events_unknown_item_total{retailer="demo"} 1`,
		`satnav_sensitive_places_total{retailer="demo",what="event"} 1`, `satnav_sensitive_places_total{retailer="demo",what="position"} 3`,
		`go_goroutines `, `process_open_fds `, `go_build_info{`,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("missing: %s", want)
		}
	}
}

// scrape returns what Prometheus would read.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	OperatorHandler(m.Registry, &Health{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

func TestLabelIsBounded(t *testing.T) {
	t.Parallel()
	l := NewLabel(2, "demo")
	give := []string{"demo", "a", "b", "c", "a", "demo", "c", string(make([]byte, 100))}
	want := []string{"demo", "a", "b", Other, "a", "demo", Other, Other}
	var got []string
	for _, v := range give {
		got = append(got, l.Of(v))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLabelConcurrently(t *testing.T) {
	t.Parallel()
	l := NewLabel(10)
	seen := make([]map[string]bool, 8)
	var wait sync.WaitGroup
	for worker := range seen {
		seen[worker] = map[string]bool{}
		wait.Go(func() {
			for i := range 1000 {
				seen[worker][l.Of(fmt.Sprint((i*7+worker)%100))] = true
			}
		})
	}
	wait.Wait()
	all := map[string]bool{}
	for _, values := range seen {
		for v := range values {
			all[v] = true
		}
	}
	if len(all) != 11 || !all[Other] {
		t.Errorf("got %d values, want 10 and %q", len(all), Other)
	}
}

func BenchmarkRoute(b *testing.B) {
	route := NewMetrics().Route(http.MethodPost, "/v1/context")
	b.ReportAllocs()
	for b.Loop() {
		route.Begin()
		route.End(200, time.Millisecond)
	}
}
