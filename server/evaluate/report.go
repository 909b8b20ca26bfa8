package evaluate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"satnav/recommend/backtest"
	"satnav/sdk-contract/wire"
)

// Report is what an evaluation of next baskets found. Its first result is the engine's.
type Report struct {
	Model   *wire.Model `json:"model,omitempty"` // that was in service, when a server was asked
	Since   time.Time   `json:"since,omitzero"`  // the instant of the split, of a retailer's own history
	Context bool        `json:"context"`         // the engine knew where and when it was
	Fold    *int        `json:"fold,omitempty"`  // of a folder
	backtest.Report
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	where := ""
	if !r.Since.IsZero() {
		where = ", the first since " + r.Since.Format(time.RFC3339)
	}
	fmt.Fprintf(out, "The next basket of %d shoppers%s; %d shoppers and %d items were known.\n\n", r.Shoppers, where, r.Known, r.Items)
	columns := []string{"recall_10", "ndcg_10", "hit_10", "recall_20", "ndcg_20", "hit_20", "repeat_10", "new_10", "repeats_10", "novelty_10"}
	fmt.Fprint(out, "method")
	for _, name := range columns {
		fmt.Fprintf(out, "\t%s", name)
	}
	fmt.Fprintln(out, "\tcoverage_10\tcoverage_20")
	for _, result := range r.Results {
		fmt.Fprint(out, result.Method)
		for _, name := range columns {
			fmt.Fprintf(out, "\t%s", figure(result.All, name))
		}
		fmt.Fprintf(out, "\t%.3f\t%.3f\n", result.Coverage["coverage_10"], result.Coverage["coverage_20"])
	}
	fmt.Fprintf(out, "\nWithin which bounds the figures are believed (95 %%), and how far the methods are behind %s:\n\n", r.Results[0].Method)
	fmt.Fprintln(out, "method\trecall_10\tbehind by\tndcg_10\tbehind by")
	for _, result := range r.Results {
		fmt.Fprint(out, result.Method)
		for _, name := range []string{"recall_10", "ndcg_10"} {
			fmt.Fprintf(out, "\t%s\t%s", bounds(result.All, name), bounds(result.Behind, name))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprint(out, "\nBy segment, recall_10 and ndcg_10:\n\nmethod")
	for _, segment := range backtest.Segments {
		if n := r.Segments[segment]; n > 0 {
			fmt.Fprintf(out, "\t%s (%d)\t", segment, n)
		}
	}
	fmt.Fprintln(out)
	for _, result := range r.Results {
		fmt.Fprint(out, result.Method)
		for _, segment := range backtest.Segments {
			if of, ok := result.Segments[segment]; ok {
				fmt.Fprintf(out, "\t%s\t%s", figure(of, "recall_10"), figure(of, "ndcg_10"))
			}
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
	for _, name := range slices.Sorted(maps.Keys(backtest.Explain)) {
		fmt.Fprintf(out, "%s\t%s\n", name, backtest.Explain[name])
	}
	fmt.Fprint(out, "coverage_10\tshare of all items bought before that are among the first 10 of anybody\n")
	return out.Flush()
}

func figure(of map[string]backtest.Interval, name string) string {
	i, ok := of[name]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.4f", i.Mean)
}

func bounds(of map[string]backtest.Interval, name string) string {
	i, ok := of[name]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.4f to %.4f", i.Low, i.High)
}
