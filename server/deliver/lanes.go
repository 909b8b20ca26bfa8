package deliver

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lanes tells how those that run are doing, whenever it is asked: what one of them left behind when it ended would be told for ever.
// It is safe for concurrent use.
type lanes struct {
	mu     sync.Mutex
	oldest map[*lane]time.Time // since when a lane's oldest letter waits; zero: none does
}

var (
	lanesWait = prometheus.NewDesc("satnav_delivery_oldest_due_seconds", "How long the longest waiting message that may be tried has been waiting.", nil, nil)
	lanesRest = prometheus.NewDesc("satnav_delivery_endpoints_resting", "Endpoints that failed again and again and are given a rest.", nil, nil)
)

// note says since when the oldest letter of a lane waits; zero: none does.
func (a *lanes) note(l *lane, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.oldest[l] = since
}

// left forgets a lane that ended.
func (a *lanes) left(l *lane) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.oldest, l)
}

// Describe implements prometheus.Collector.
func (a *lanes) Describe(to chan<- *prometheus.Desc) { to <- lanesWait; to <- lanesRest }

// Collect implements prometheus.Collector.
func (a *lanes) Collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var age time.Duration
	resting := 0
	for l, since := range a.oldest {
		if !since.IsZero() {
			age = max(age, l.d.now().Sub(since))
		}
		if !l.gone() && l.breaker.open() {
			resting++
		}
	}
	to <- prometheus.MustNewConstMetric(lanesWait, prometheus.GaugeValue, age.Seconds())
	to <- prometheus.MustNewConstMetric(lanesRest, prometheus.GaugeValue, float64(resting))
}
