package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"satnav/server/importer"
)

// check tells whether the configuration, and geofence files, are right, and prints what is in force.
type check struct {
	knobs
	Files []string `arg:"" optional:"" help:"Geofence files: GeoJSON or NDJSON." type:"existingfile"`
}

// Run checks everything and reports all that is wrong.
func (c *check) Run(ctx context.Context, std IO) error {
	loaded, origins, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if len(c.Files) == 0 {
		table := tabwriter.NewWriter(std.Out, 0, 4, 2, ' ', 0)
		for _, s := range loaded.Settings(origins) {
			fmt.Fprintf(table, "%s\t%s\t%s\n", s.Knob, s.Value, s.Origin)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(std.Err, "the configuration is right")
		return nil
	}
	wrong := false
	for _, name := range c.Files {
		refused, err := checkGeofences(ctx, std, name)
		if err != nil {
			return err
		}
		wrong = wrong || refused > 0
	}
	if wrong {
		return &exit{code: 2, err: errors.New("some geofences are wrong")}
	}
	return nil
}

// checkGeofences reads a file as an import would, and stores nothing.
func checkGeofences(ctx context.Context, std IO, name string) (refused int, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	summary, err := importer.Run(ctx, importer.KindGeofences, file, importer.Nowhere{}, importer.Options{Rejected: std.Out})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(std.Err, "%s: %d geofences, %d of them wrong\n", name, summary.Read, summary.Refused)
	for _, note := range summary.Notes {
		fmt.Fprintln(std.Err, "  "+note)
	}
	return summary.Refused, nil
}
