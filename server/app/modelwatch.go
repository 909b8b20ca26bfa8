package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"satnav/server/observe"
	"satnav/server/retailer"
)

// modelWatch shows operators what was learnt for each retailer, when the figures are asked for.
type modelWatch struct {
	retailers *retailer.Retailers
	label     *observe.Label
}

var (
	modelLearned = prometheus.NewDesc("satnav_model_learned_timestamp_seconds", "When the model in service was learnt, by retailer; 0: it is built in.", []string{"retailer"}, nil)
	modelLines   = prometheus.NewDesc("satnav_model_lines", "Lines of purchases that the model in service was learnt from, by retailer.", []string{"retailer"}, nil)
	modelFigure  = prometheus.NewDesc("satnav_model_figure", "What the model in service, and the methods beside it, reached in its own backtest (0 to 1), by retailer.", []string{"retailer", "method", "figure"}, nil)
	learning     = prometheus.NewDesc("satnav_learning", "1 while something waits to be learnt or is being learnt, by retailer.", []string{"retailer"}, nil)
)

// Describe names the figures.
func (w *modelWatch) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{modelLearned, modelLines, modelFigure, learning} {
		descs <- d
	}
}

// Collect takes the figures. Retailers beyond the label's bound are left out: sums over them would say nothing.
func (w *modelWatch) Collect(metrics chan<- prometheus.Metric) {
	for _, l := range w.retailers.Lessons() {
		name := w.label.Of(l.Retailer)
		if name == observe.Other {
			continue
		}
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{name}, labels...)...)
		}
		learned, open := 0.0, 0.0
		if !l.Model.Learned.IsZero() {
			learned = float64(l.Model.Learned.UnixMilli()) / 1000
		}
		if l.Learning {
			open = 1
		}
		gauge(modelLearned, learned)
		gauge(learning, open)
		gauge(modelLines, float64(l.Model.Lines))
		seen := map[string]bool{}
		for _, f := range l.Model.Figures {
			if seen[f.Method] {
				continue
			}
			seen[f.Method] = true
			for figure, value := range map[string]float64{
				"recall_10": f.Recall10, "recall_20": f.Recall20, "ndcg_10": f.NDCG10, "ndcg_20": f.NDCG20,
				"hit_10": f.Hit10, "repeat_10": f.Repeat10, "new_10": f.New10,
			} {
				gauge(modelFigure, value, f.Method, figure)
			}
		}
	}
}
