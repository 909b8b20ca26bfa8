package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"satnav/server/bench"
	"satnav/server/command"
)

// TestMain lets this binary be the program that the benchmark starts its servers with.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_CHILD") == "1" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := command.Run(ctx, os.Args[1:], command.IO{Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestBench runs the quick form for real, servers and all. How fast it was is nobody's business here.
func TestBench(t *testing.T) {
	t.Setenv("BENCH_CHILD", "1")
	data := t.TempDir()
	for _, arguments := range [][]string{{}, {"--backend-token", "--overload"}} { // the second run finds the city as the first one left it
		var out, said bytes.Buffer
		code := command.Run(t.Context(), append([]string{"bench", "--quick", "--json", "--data", data}, arguments...), command.IO{Out: &out, Err: &said, Environ: os.Environ()})
		if code != 0 {
			t.Fatalf("satnav bench %v: exit code %d\n%s", arguments, code, &said)
		}
		var report bench.Report
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		for name, f := range map[string]bench.Figures{
			"echo": report.Echo, "context": report.Context, "echo at half": report.HalfEcho, "context at half": report.HalfContext,
			"crossings at half": report.HalfCrossing, "put": report.Put,
		} {
			if f.Rate <= 0 || f.Calls <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.P999 < f.P99 {
				t.Errorf("%v: %s: %+v, want figures", arguments, name, f)
			}
			if f.Errors != 0 {
				t.Errorf("%v: %s: %d errors", arguments, name, f.Errors)
			}
		}
		if report.Ratio <= 0 || report.ReplyBytes < 500 {
			t.Errorf("%v: ratio %v to an answer of %d bytes, want a ratio to a real answer", arguments, report.Ratio, report.ReplyBytes)
		}
		if report.Context.Crossings <= 0 || report.Context.Crossings > 0.1 {
			t.Errorf("%v: %.3f of the calls returned a crossing, want about the 0.05 that reported one", arguments, report.Context.Crossings)
		}
		if o := report.Overload; (o != nil) != (len(arguments) > 0) {
			t.Errorf("%v: overload is %+v", arguments, o)
		} else if o != nil && (o.Accepted <= 0 || o.Before.P99 <= 0 || o.During.P99 <= 0 || o.After.P99 <= 0 || o.BesideDuring.P99 <= 0) {
			t.Errorf("%v: overload: %+v, want figures", arguments, o)
		}
		if again := len(arguments) > 0; again == strings.Contains(said.String(), "seeding") {
			t.Errorf("%v: want the city to be seeded once:\n%s", arguments, &said)
		}
	}
}
