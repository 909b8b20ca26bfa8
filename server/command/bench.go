package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"satnav/server/bench"
	"satnav/server/observe"
)

// benchmark measures /v1/context beside a bare handler.
type benchmark struct {
	Data         string        `help:"Folder for the seeded city, kept and used again (default: a temporary one)." placeholder:"DIR"`
	Shoppers     int           `help:"How many shoppers live in the city." default:"100000"`
	Days         int           `help:"How many days of history they have." default:"40"`
	Duration     time.Duration `help:"Length of the runs that count." default:"60s"`
	Rate         float64       `help:"Measure at this many calls a second, instead of looking for the highest rate." placeholder:"N"`
	Connections  int           `help:"How many calls may be under way at once." default:"256"`
	Crossings    float64       `help:"Share of calls that report a crossing." default:"0.05"`
	BackendToken bool          `help:"One backend's token for all calls, instead of one token a shopper."`
	Overload     bool          `help:"Flood the server as well, with five times what it bears, and see how it and another retailer fare."`
	Profile      string        `help:"Keep a CPU profile of the server's last run here." placeholder:"FILE"`
	Quick        bool          `help:"A few seconds with 500 shoppers: shows that all works, measures little."`
	JSON         bool          `help:"Print the figures as JSON."`
	Echo         string        `help:"Be the bare handler that answers with this file." hidden:""`
}

// Run measures and prints.
func (b *benchmark) Run(ctx context.Context, std IO) error {
	if b.Echo != "" {
		return bench.Echo(ctx, b.Echo, std.Err)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	o := bench.Options{
		Data: b.Data, Shoppers: b.Shoppers, Days: b.Days, Duration: b.Duration, Probe: 4 * time.Second, Bound: 50 * time.Millisecond, Connections: b.Connections,
		Rate: b.Rate, Crossings: b.Crossings, BackendToken: b.BackendToken, Overload: b.Overload, Profile: b.Profile,
		Program: program, Env: std.Environ, Said: std.Err, Log: observe.NewLogger(std.Err, "warn", "text"),
	}
	if b.Quick {
		o.Shoppers, o.Days, o.Duration, o.Probe, o.Connections = 500, 30, time.Second, 300*time.Millisecond, 32
		o.Bound, o.Most = 2*time.Second, 2000 // on however busy a machine a test runs
	}
	report, err := bench.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if b.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.Print(std.Out)
}
