package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"satnav/server/privacy"
)

// retentionWatch shows whether what is to go is gone.
type retentionWatch struct{ retention *privacy.Retention }

var (
	overdueRecords = prometheus.NewDesc("satnav_overdue_records", "Shoppers of whom something is kept more than five minutes after its time, as of the last sweep: it should be 0.", nil, nil)
	expiredRecords = prometheus.NewDesc("satnav_expired_records_total", "Things that went because their time or their purpose was over.", nil, nil)
)

// Describe lists the figures.
func (w retentionWatch) Describe(all chan<- *prometheus.Desc) {
	all <- overdueRecords
	all <- expiredRecords
}

// Collect reads the figures.
func (w retentionWatch) Collect(all chan<- prometheus.Metric) {
	overdue, removed := w.retention.Figures()
	all <- prometheus.MustNewConstMetric(overdueRecords, prometheus.GaugeValue, float64(overdue))
	all <- prometheus.MustNewConstMetric(expiredRecords, prometheus.CounterValue, float64(removed))
}
