package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"satnav/server/decision"
)

// decisionWatch shows how the book of decision records fares.
type decisionWatch struct{ book *decision.Book }

var (
	decisionsWaiting = prometheus.NewDesc("satnav_decisions_waiting", "Decision records that are not committed yet.", nil, nil)
	decisionsKept    = prometheus.NewDesc("satnav_decisions_kept_total", "Decision records that were handed to the store.", nil, nil)
	decisionsDropped = prometheus.NewDesc("satnav_decisions_dropped_total", "Decision records that were lost, because the queue was full or the store was away.", nil, nil)
)

// Describe lists the figures.
func (w decisionWatch) Describe(all chan<- *prometheus.Desc) {
	all <- decisionsWaiting
	all <- decisionsKept
	all <- decisionsDropped
}

// Collect reads the figures.
func (w decisionWatch) Collect(all chan<- prometheus.Metric) {
	stats := w.book.Stats()
	all <- prometheus.MustNewConstMetric(decisionsWaiting, prometheus.GaugeValue, float64(stats.Waiting))
	all <- prometheus.MustNewConstMetric(decisionsKept, prometheus.CounterValue, float64(stats.Kept))
	all <- prometheus.MustNewConstMetric(decisionsDropped, prometheus.CounterValue, float64(stats.Dropped))
}
