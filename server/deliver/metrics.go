package deliver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"satnav/server/store"
)

// Metrics are the figures of delivery. They are labelled by what they count and not by endpoint: retailers make
// endpoints at will.
type Metrics struct {
	tries   *prometheus.CounterVec
	dead    prometheus.Counter
	dropped *prometheus.CounterVec
	lag     prometheus.Histogram
	lanes   *lanes
}

// Why letters are dropped without having been delivered.
const (
	dropUnhooked  = "webhook_deleted"
	dropDiscarded = "discarded" // somebody asked for it
)

// NewMetrics registers the figures.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_delivery_tries_total", Help: "Messages handed to endpoints, by what became of the try: delivered, or failed and tried again. first tells first tries from retries.",
		}, []string{"outcome", "try"}),
		dead: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "satnav_delivery_undelivered_total", Help: "Messages given up after the configured time; they are kept, and can be replayed.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "satnav_delivery_dropped_total", Help: "Messages that were removed without having been delivered, because somebody asked for it; nothing else drops any.",
		}, []string{"why"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "satnav_delivery_lag_seconds", Help: "From the commit of a trigger to its delivery.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400},
		}),
		lanes: &lanes{oldest: map[*lane]time.Time{}},
	}
	for _, why := range []string{dropUnhooked, dropDiscarded} {
		m.dropped.WithLabelValues(why)
	}
	registry.MustRegister(m.tries, m.dead, m.dropped, m.lag, m.lanes)
	return m
}

func (m *Metrics) tried(letter *store.WaitingLetter, ok bool, now time.Time) {
	outcome, try := "failed", "again"
	if letter.Attempts == 0 {
		try = "first"
	}
	if ok {
		outcome = "delivered"
		m.lag.Observe(now.Sub(letter.Made).Seconds())
	}
	m.tries.WithLabelValues(outcome, try).Inc()
}

func (m *Metrics) drop(why string) { m.dropped.WithLabelValues(why).Inc() }

func (m *Metrics) died() { m.dead.Inc() }
