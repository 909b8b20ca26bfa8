package app

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"satnav/server/store"
	"satnav/server/store/embedded"
	"satnav/server/store/mongodb"
)

// watchDatabase shows what this process does with its database to operators, and calls the process not ready when no
// primary answers.
func (a *App) watchDatabase(s *mongodb.Store) {
	count := func(name, help string, of func(mongodb.Stats) int64) {
		a.metrics.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "satnav_store_" + name, Help: help},
			func() float64 { return float64(of(s.Stats())) }))
	}
	count("commits_total", "Durable commits.", func(s mongodb.Stats) int64 { return s.Commits })
	count("conflicts_total", "Commits refused because the revision had moved.", func(s mongodb.Stats) int64 { return s.Conflicts })
	count("helped_total", "Batches of other processes that were found pending and applied.", func(s mongodb.Stats) int64 { return s.Helped })
	count("retries_total", "Commands that were tried again after a fault of the database.", func(s mongodb.Stats) int64 { return s.Retries })
	a.health.Check("store", s.Ping)
}

// watch shows the state of the embedded store to operators, and calls the process not ready when the store
// takes no more commits.
func (a *App) watch(s *embedded.Store) {
	a.metrics.Registry.MustRegister(&storeWatch{s})
	a.health.Check("store", func(context.Context) error {
		switch state := s.Stats(); {
		case state.Broken != nil:
			return fmt.Errorf("restart the process: %w", state.Broken)
		case state.Full:
			return fmt.Errorf("%w: %d bytes are free", store.ErrFull, state.FreeBytes)
		}
		return nil
	})
}

// storeWatch collects the figures of a store when they are asked for.
type storeWatch struct{ store *embedded.Store }

type storeFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*embedded.Stats) float64
}

func figure(name, help string, kind prometheus.ValueType, of func(*embedded.Stats) float64) storeFigure {
	return storeFigure{prometheus.NewDesc("satnav_store_"+name, help, nil, nil), kind, of}
}

var storeFigures = []storeFigure{
	figure("commits_total", "Durable commits.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.Commits) }),
	figure("lazy_commits_total", "Commits that did not wait for the disk.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.LazyCommits) }),
	figure("conflicts_total", "Commits refused because the revision had moved.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.Conflicts) }),
	figure("stalls_total", "Times at which writes waited for flushes.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.Stalls) }),
	figure("background_errors_total", "Failed flushes and compactions, damaged files found.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.BackgroundErrors) }),
	figure("cache_hits_total", "Blocks found in the cache.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.CacheHits) }),
	figure("cache_misses_total", "Blocks read from disk.", prometheus.CounterValue, func(s *embedded.Stats) float64 { return float64(s.CacheMisses) }),
	figure("log_bytes", "Write-ahead log on disk.", prometheus.GaugeValue, func(s *embedded.Stats) float64 { return float64(s.LogBytes) }),
	figure("disk_bytes", "The whole data folder.", prometheus.GaugeValue, func(s *embedded.Stats) float64 { return float64(s.DiskBytes) }),
	figure("disk_free_bytes", "Left on the disk when last looked at; 0: not known.", prometheus.GaugeValue, func(s *embedded.Stats) float64 { return float64(s.FreeBytes) }),
	figure("compaction_debt_bytes", "Still to be rewritten until the tree is in shape.", prometheus.GaugeValue, func(s *embedded.Stats) float64 { return float64(s.CompactionDebtBytes) }),
	figure("read_amplification", "Tables that one cold read may look into.", prometheus.GaugeValue, func(s *embedded.Stats) float64 { return float64(s.ReadAmplification) }),
}

// Describe names the figures.
func (w *storeWatch) Describe(descs chan<- *prometheus.Desc) {
	for _, f := range storeFigures {
		descs <- f.desc
	}
}

// Collect takes the figures.
func (w *storeWatch) Collect(metrics chan<- prometheus.Metric) {
	state := w.store.Stats()
	for _, f := range storeFigures {
		metrics <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(&state))
	}
}
