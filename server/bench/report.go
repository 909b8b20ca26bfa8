package bench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what was measured, with what it was measured on.
type Report struct {
	Machine struct {
		OS, Arch string
		Cores    int
	}
	Shoppers     int
	Days         int
	Seconds      float64 // of each run that counts
	BoundMilli   float64 // of p99, for a rate to count as sustained
	Connections  int
	Tokens       string  // whose
	Crossings    float64 // share of calls that report one
	SeedSeconds  float64 // 0: the city was there
	LearnSeconds float64
	ReplyBytes   int // of the echo's answer, a typical one of the server's

	Echo, Context Figures // at the highest rate that each bears
	Ratio         float64 // Context.Rate / Echo.Rate

	// At half of Context.Rate. HalfContext are the calls that returned no crossing, HalfCrossing those that did,
	// and Put are bare synced puts, as many as there were crossings, beside the echo at that rate.
	HalfEcho, HalfContext, HalfCrossing, Put Figures

	Overload *Overload // nil: it was not asked for
}

// Figures are one row. Times are in milliseconds, from when a call was due.
type Figures struct {
	Rate           float64 // calls a second
	Calls          int64
	Errors         int64
	P50, P99, P999 float64
	Crossings      float64 // share of calls that returned a crossing
	ProcessorMicro float64 // the server's processor time a call; 0: not known
}

func (r *Report) begin(o *Options) {
	r.Machine.OS, r.Machine.Arch, r.Machine.Cores = runtime.GOOS, runtime.GOARCH, runtime.NumCPU()
	r.Shoppers, r.Days, r.Seconds, r.Connections, r.Crossings = o.Shoppers, o.Days, o.Duration.Seconds(), o.Connections, o.Crossings
	r.BoundMilli = float64(o.Bound.Milliseconds())
	r.Tokens = "one a shopper"
	if o.BackendToken {
		r.Tokens = "one backend's for all"
	}
}

func figures(rate float64, o *outcome) Figures {
	h := o.all()
	f := Figures{Rate: rate, Calls: o.Sent, Errors: o.Errors}
	f.P50, f.P99, f.P999 = milli(h.ValueAtQuantile(50)), milli(h.ValueAtQuantile(99)), milli(h.ValueAtQuantile(99.9))
	if o.Sent > 0 {
		f.Crossings = float64(o.latency[crossing].TotalCount()) / float64(o.Sent)
		f.ProcessorMicro = float64(o.Processor.Microseconds()) / float64(o.Sent)
	}
	return f
}

// classFigures are those of the calls of one class alone.
func classFigures(rate float64, o *outcome, kind class) Figures {
	one := outcome{Sent: o.latency[kind].TotalCount(), Errors: o.Errors}
	for i := range one.latency {
		one.latency[i] = newHistogram()
	}
	one.latency[kind] = o.latency[kind]
	return figures(rate*float64(one.Sent)/float64(max(1, o.Sent)), &one)
}

func milli(micro int64) float64 { return float64(micro) / 1000 }

// line is an outcome for people.
func (o *outcome) line(rate float64, bound time.Duration) string {
	f := figures(rate, o)
	verdict := "holds"
	switch {
	case o.Errors > 0:
		verdict = fmt.Sprintf("%d errors, first: %v", o.Errors, o.First)
	case o.GivenUp:
		verdict = "given up: calls came far too late"
	case !o.sustained(bound):
		verdict = "p99 too high"
	}
	return fmt.Sprintf("%7.0f calls/s for %4.1f s: p50 %.2f ms, p99 %.2f ms, %.0f µs processor time a call: %s", rate, o.Took.Seconds(), f.P50, f.P99, f.ProcessorMicro, verdict)
}

// middling is the answer of median length.
func middling(answers [][]byte) []byte {
	slices.SortFunc(answers, func(a, b []byte) int { return len(a) - len(b) })
	return answers[len(answers)/2]
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	fmt.Fprintf(out, "satnav bench on %d cores (%s/%s), load and server on the same machine, loopback\n", r.Machine.Cores, r.Machine.OS, r.Machine.Arch)
	fmt.Fprintf(out, "%d shoppers with %d days of history, drawn evenly; tokens: %s, made before\n", r.Shoppers, r.Days, r.Tokens)
	fmt.Fprintf(out, "load: %.1f %% of calls report a crossing, the others a precise fix; limit 10; %d connections; arrivals at a constant rate,\n", 100*r.Crossings, r.Connections)
	fmt.Fprintf(out, "      latency from when a call was due; runs of %.0f s; sustained: no error and p99 <= %.0f ms\n\n", r.Seconds, r.BoundMilli)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, f Figures) {
		processor := "-"
		if f.ProcessorMicro > 0 {
			processor = fmt.Sprintf("%.0f µs", f.ProcessorMicro)
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.2f ms\t%.2f ms\t%.2f ms\t%.1f %%\t%s\t%d\t\n", name, f.Rate, f.P50, f.P99, f.P999, 100*f.Crossings, processor, f.Errors)
	}
	fmt.Fprintln(table, "highest sustained\treq/s\tp50\tp99\tp99.9\tcrossings\tprocessor/call\terrors\t")
	row("bare fiber echo", r.Echo)
	row("/v1/context", r.Context)
	fmt.Fprintf(table, "ratio\t%.2f\t\t\t\t\t\t\t\n", r.Ratio)
	fmt.Fprintln(table, "\t\t\t\t\t\t\t\t")
	fmt.Fprintln(table, "at half of that\treq/s\tp50\tp99\tp99.9\tcrossings\tprocessor/call\terrors\t")
	row("bare fiber echo", r.HalfEcho)
	row("/v1/context, no crossing", r.HalfContext)
	row("/v1/context, crossing", r.HalfCrossing)
	row("bare synced put", r.Put)
	if err := table.Flush(); err != nil || r.Overload == nil {
		return err
	}
	o := r.Overload
	fmt.Fprintf(out, "\nat %.0f times the highest rate, latency of accepted calls from when they were sent (p50, p99 in ms):\n", o.Times)
	fmt.Fprintf(out, "  %.0f calls/s got through to the server: %.0f answered (%.2f of the highest rate), %.0f refused\n", o.Sent, o.Accepted, o.Accepted/r.Context.Rate, o.Refused)
	fmt.Fprintf(out, "  before, at half: %.2f %.2f   in the flood: %.2f %.2f (p99 %.1f times)   a second after it: %.2f %.2f (p99 %.1f times)\n",
		o.Before.P50, o.Before.P99, o.During.P50, o.During.P99, o.During.P99/o.Before.P99, o.After.P50, o.After.P99, o.After.P99/o.Before.P99)
	_, err := fmt.Fprintf(out, "  another retailer, %d calls/s: before %.2f %.2f   beside the flood %.2f %.2f (p99 %.2f times), %d refused\n",
		besideRate, o.BesideBefore.P50, o.BesideBefore.P99, o.BesideDuring.P50, o.BesideDuring.P99, o.BesideDuring.P99/o.BesideBefore.P99, o.BesideRefused)
	return err
}
