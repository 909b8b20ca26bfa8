package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"satnav/server/importer"
)

// convert turns public data sets into files that can be imported.
type convert struct {
	Baskets  convertBaskets  `cmd:"" help:"Baskets (user,basket,day,item) into purchases.csv on stdout."`
	Checkins convertCheckins `cmd:"" help:"Check-ins (user,seq,minute,poi,lat,lng) into geofences and one user's track."`
}

type convertBaskets struct {
	File string `arg:"" help:"CSV, gzip or not."`
	Now  string `help:"The instant that day 0 stands for (RFC 3339 or a date; default today)." placeholder:"TIME"`
}

// Run converts baskets.
func (c *convertBaskets) Run(std IO) error {
	now, err := instant(c.Now)
	if err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(std.Out)
	summary, err := importer.ConvertBaskets(file, out, importer.BasketOptions{Now: now})
	if err := errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	fmt.Fprintf(std.Err, "%s: %+v\n", c.File, summary)
	return nil
}

type convertCheckins struct {
	File      string `arg:"" help:"CSV, gzip or not."`
	Geofences string `help:"Write circle geofences here (NDJSON)." required:"" placeholder:"FILE"`
	Track     string `help:"Write the track here (CSV)." required:"" placeholder:"FILE"`
	User      string `help:"Whose track (default: the first user's)." placeholder:"ID"`
	Start     string `help:"The instant of minute 0 (RFC 3339 or a date; default: so that the last check-in is at --end)." placeholder:"TIME" xor:"times"`
	End       string `help:"The instant of the last check-in (RFC 3339 or a date; default now)." placeholder:"TIME" xor:"times"`
}

// Run converts check-ins.
func (c *convertCheckins) Run(std IO) error {
	opts := importer.CheckinOptions{User: c.User, End: time.Now()}
	for text, to := range map[string]*time.Time{c.Start: &opts.Start, c.End: &opts.End} {
		if text == "" {
			continue
		}
		t, err := instant(text)
		if err != nil {
			return err
		}
		*to = t
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	summary, err := into(c.Geofences, func(geofences io.Writer) (summary importer.CheckinSummary, err error) {
		return into(c.Track, func(track io.Writer) (importer.CheckinSummary, error) {
			return importer.ConvertCheckins(file, geofences, track, opts)
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	fmt.Fprintf(std.Err, "%s: %+v\n", c.File, summary)
	return nil
}

// into lets write fill a file, which takes its name only once it is whole: whatever had the name before is lost to no
// failure.
func into[T any](name string, write func(io.Writer) (T, error)) (result T, err error) {
	part := name + ".part"
	if there, err := os.Stat(name); err == nil && !there.Mode().IsRegular() {
		part = name // a pipe or a device: nothing to keep
	}
	file, err := os.Create(part)
	if err != nil {
		return result, err
	}
	buffered := bufio.NewWriter(file)
	result, err = write(buffered)
	err = errors.Join(err, buffered.Flush(), file.Close())
	switch {
	case part == name:
		return result, err
	case err != nil:
		return result, errors.Join(err, os.Remove(part))
	}
	return result, os.Rename(part, name)
}

// instant reads RFC 3339 or a date; empty is the last midnight UTC.
func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Now().UTC().Truncate(24 * time.Hour), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("got %q, want RFC 3339 (2026-11-22T09:00:00Z) or a date (2026-11-22)", text)
	}
	return t, nil
}
