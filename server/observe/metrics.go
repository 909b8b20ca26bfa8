package observe

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics is the process's registry with what every process shows (Go runtime,
// process, build) and the figures of the API. Other parts register their own.
type Metrics struct {
	Registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	unknown  *prometheus.CounterVec
	hidden   *prometheus.CounterVec
	oneSided *prometheus.CounterVec
	shed     *prometheus.CounterVec
	retailer *Label
}

// buckets of call durations, in seconds: fine where the budget of DESIGN lies
// (single milliseconds), coarse up to the longest deadline.
var buckets = []float64{.0005, .001, .002, .003, .005, .0075, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}

// NewMetrics returns an own registry, so that tests may have many in one process.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_http_calls_total", Help: "Calls answered, by method, route and class of status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "satnav_http_call_seconds", Help: "Time to answer a call, by method and route.", Buckets: buckets,
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "satnav_http_calls_in_flight", Help: "Calls being answered now.",
		}),
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_events_unknown_item_total", Help: "Events stored although their item is not in the catalogue, by retailer.",
		}, []string{"retailer"}),
		hidden: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_sensitive_places_total", Help: "Events and positions at sensitive places that were counted here and kept nowhere, by retailer.",
		}, []string{"retailer", "what"}),
		oneSided: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_suggestions_one_sided_total", Help: "Suggestions that hang on one kind of sign, by sign: it made more than four fifths of what speaks for them.",
		}, []string{"sign"}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_http_calls_shed_total", Help: "Calls refused early, because half of all waited for a processor for too long (wait), or too many were under way (places).",
		}, []string{"why"}),
		retailer: NewLabel(1000),
	}
	m.Registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(),
		m.calls, m.seconds, m.inFlight, m.unknown, m.hidden, m.oneSided, m.shed)
	return m
}

// Shed counts a call that was refused early.
func (m *Metrics) Shed(why string) { m.shed.WithLabelValues(why).Inc() }

// Route counts the calls of one route. It is made once, when routes are mounted,
// so that a call costs no look-up of labels. Safe for concurrent use.
type Route struct {
	calls    [len(classes)]prometheus.Counter
	seconds  prometheus.Observer
	inFlight prometheus.Gauge
}

// classes of status codes; what is not one of 1xx to 5xx counts as 5xx.
var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// Route returns the counters of a route. pattern is the one it was mounted with
// (/v1/geofences/:id), never a path that a caller sent: those have no end.
func (m *Metrics) Route(method, pattern string) *Route {
	r := &Route{seconds: m.seconds.WithLabelValues(method, pattern), inFlight: m.inFlight}
	for i, class := range classes {
		r.calls[i] = m.calls.WithLabelValues(method, pattern, class)
	}
	return r
}

// Begin counts a call as being answered; every Begin needs its End.
func (r *Route) Begin() { r.inFlight.Inc() }

// End counts an answered call.
func (r *Route) End(status int, took time.Duration) {
	r.inFlight.Dec()
	class := status/100 - 1
	if class < 0 || class >= len(classes) {
		class = len(classes) - 1
	}
	r.calls[class].Inc()
	r.seconds.Observe(took.Seconds())
}

// OneSided counts a suggestion that hangs on one kind of sign: where most do, the model knows little else, or looks at little else.
func (m *Metrics) OneSided(sign string) { m.oneSided.WithLabelValues(sign).Inc() }

// UnknownItem counts an event whose item the retailer's catalogue does not have:
// many of them mean that the catalogue is late.
func (m *Metrics) UnknownItem(retailer string) {
	m.unknown.WithLabelValues(m.retailer.Of(retailer)).Inc()
}

// HiddenEvent counts an event at a sensitive place, which is not kept.
func (m *Metrics) HiddenEvent(retailer string) { m.hid(retailer, "event", 1) }

// HiddenFixes counts positions at sensitive places, which are not used.
func (m *Metrics) HiddenFixes(retailer string, n int) { m.hid(retailer, "position", n) }

func (m *Metrics) hid(retailer, what string, n int) {
	m.hidden.WithLabelValues(m.retailer.Of(retailer), what).Add(float64(n))
}

// Other is the label of values beyond a label's bound.
const Other = "other"

// Label keeps the values of one metric label bounded: those of a fixed list, and
// the first so many others that appear. Every further one is Other. Safe for
// concurrent use. It is for operators' words (retailers, event kinds), never for
// ids of people.
type Label struct {
	mu    sync.RWMutex
	room  int
	known []string
}

// NewLabel returns a label that knows a list of values and has room for more.
func NewLabel(room int, known ...string) *Label {
	return &Label{room: room, known: slices.Clone(known)}
}

// Of returns the value, or Other when there is no room for it.
func (l *Label) Of(value string) string {
	l.mu.RLock()
	known, full := slices.Contains(l.known, value), l.room == 0
	l.mu.RUnlock()
	if known {
		return value
	}
	if full || len(value) > 64 {
		return Other
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case slices.Contains(l.known, value):
		return value
	case l.room == 0:
		return Other
	}
	l.room--
	value = string([]byte(value)) // the caller's may be part of a request's reused memory
	l.known = append(l.known, value)
	return value
}
