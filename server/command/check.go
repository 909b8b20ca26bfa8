package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"satnav/server/importer"
)

// check tells whether the configuration, and geofence files, are right, and prints what is in force. With
// Ready it asks a server instead: a container without a shell has nothing else to ask with.
type check struct {
	knobs
	Data  string   `help:"Data folder, as serve has it." placeholder:"DIR"`
	Ready string   `help:"Ask this server whether it is ready, and nothing else: exit 0 when it is, 1 when not." placeholder:"URL"`
	Files []string `arg:"" optional:"" help:"Geofence files: GeoJSON, NDJSON, KML, WKT or CSV."`
}

// Run checks everything and reports all that is wrong.
func (c *check) Run(ctx context.Context, std IO) error {
	if c.Ready != "" {
		return checkReady(ctx, c.Ready)
	}
	loaded, origins, err := c.load(std, map[string]string{"data": c.Data})
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

// readyTimeout is a little more than a server takes to find out.
const readyTimeout = 3 * time.Second

// checkReady asks a server's /readyz.
func checkReady(ctx context.Context, server string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(server, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return errors.Join(fmt.Errorf("%s is not ready: %s: %s", server, answer.Status, bytes.TrimSpace(why)), err)
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
		fmt.Fprintln(std.Err, "  "+note.String())
	}
	return summary.Refused, nil
}
