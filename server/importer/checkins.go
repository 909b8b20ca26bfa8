package importer

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"satnav/geo"
)

// CheckinOptions say what to make of a check-in data set.
type CheckinOptions struct {
	// Start is minute 0 of the data set. Zero: whichever lets the last check-in of all users be at End.
	Start time.Time
	// End is the instant of the last check-in, to the minute. It counts only without a Start, and the
	// input is then read twice.
	End time.Time
	// RadiusMeters is the radius of each place's geofence; 0 means 50.
	RadiusMeters float64
	// AccuracyMeters is what the fixes of the track claim; 0 means 10.
	AccuracyMeters float64
	// User is the one whose track is written. Empty: the first of the file.
	User string
	// Stores gets a stores.csv with every place, Visits an events.csv of kind "visit" with every check-in
	// of every user. nil: not written.
	Stores, Visits io.Writer
}

// CheckinSummary is what a conversion read.
type CheckinSummary struct{ Users, Places, Checkins, Fixes int }

// ConvertCheckins turns a check-in data set into one circle geofence per place (GeoJSON features, one a
// line) and one user's check-ins into a track that can be replayed (CSV: t,lat,lng,accuracy_m). The input
// is CSV, gzip or not, with the columns user, seq, minute, poi, lat and lng; minute counts from the start
// of the set; further columns are ignored. A geofence stands at the mean of its place's positions.
func ConvertCheckins(r io.ReadSeeker, geofences, track io.Writer, opts CheckinOptions) (CheckinSummary, error) {
	var summary CheckinSummary
	radius, accuracy := opts.RadiusMeters, opts.AccuracyMeters
	if radius == 0 {
		radius = 50
	}
	if accuracy == 0 {
		accuracy = 10
	}
	start := opts.Start
	if start.IsZero() && !opts.End.IsZero() {
		last, err := lastMinute(r)
		if err != nil {
			return summary, fmt.Errorf("check-ins: %w", err)
		}
		start = opts.End.Truncate(time.Minute).Add(-last)
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return summary, fmt.Errorf("check-ins: read again: %w", err)
		}
	}
	rows, err := OpenSet(r, "user", "seq", "minute", "poi", "lat", "lng")
	if err != nil {
		return summary, fmt.Errorf("check-ins: %w", err)
	}
	type place struct {
		lat, lng float64 // sums
		n        int
	}
	places := map[string]*place{}
	users := map[string]bool{}
	var visits *csv.Writer
	if opts.Visits != nil {
		visits = csv.NewWriter(opts.Visits)
		if err := visits.Write([]string{"shopper", "id", "kind", "store", "at"}); err != nil {
			return summary, fmt.Errorf("write visits: %w", err)
		}
	}
	fixes := csv.NewWriter(track)
	if err := fixes.Write([]string{"t", "lat", "lng", "accuracy_m"}); err != nil {
		return summary, fmt.Errorf("write track: %w", err)
	}
	user := opts.User
	for {
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return summary, fmt.Errorf("check-ins: %w", err)
		}
		since, err := minutes(cells[2])
		if err != nil {
			return summary, fmt.Errorf("check-ins: line %d, minute: %w", rows.Line, err)
		}
		var point geo.Point
		for name, to := range map[int]*float64{4: &point.Lat, 5: &point.Lng} {
			if *to, err = strconv.ParseFloat(cells[name], 64); err != nil {
				return summary, fmt.Errorf("check-ins: line %d: got %q, want degrees", rows.Line, cells[name])
			}
		}
		if err := point.Check(); err != nil {
			return summary, fmt.Errorf("check-ins: line %d: %w", rows.Line, err)
		}
		if cells[0] == "" || cells[3] == "" {
			return summary, fmt.Errorf("check-ins: line %d: user and poi must not be empty", rows.Line)
		}
		if user == "" {
			user = cells[0]
		}
		users[cells[0]] = true
		p := places[cells[3]]
		if p == nil {
			p = new(place)
			places[cells[3]] = p
		}
		p.lat, p.lng, p.n = p.lat+point.Lat, p.lng+point.Lng, p.n+1
		summary.Checkins++
		at := start.Add(since).UTC().Format(time.RFC3339)
		if visits != nil {
			if err := visits.Write([]string{cells[0], "c" + cells[1], "visit", cells[3], at}); err != nil {
				return summary, fmt.Errorf("write visits: %w", err)
			}
		}
		if cells[0] == user {
			summary.Fixes++
			if err := fixes.Write([]string{at, cells[4], cells[5], strconv.FormatFloat(accuracy, 'f', -1, 64)}); err != nil {
				return summary, fmt.Errorf("write track: %w", err)
			}
		}
	}
	if summary.Fixes == 0 && opts.User != "" {
		return summary, fmt.Errorf("check-ins: user %q is not in the file", opts.User)
	}
	fixes.Flush()
	if err := fixes.Error(); err != nil {
		return summary, fmt.Errorf("write track: %w", err)
	}
	if visits != nil {
		visits.Flush()
		if err := visits.Error(); err != nil {
			return summary, fmt.Errorf("write visits: %w", err)
		}
	}
	summary.Users, summary.Places = len(users), len(places)

	var stores *csv.Writer
	if opts.Stores != nil {
		stores = csv.NewWriter(opts.Stores)
		if err := stores.Write([]string{"store", "lat", "lng"}); err != nil {
			return summary, fmt.Errorf("write stores: %w", err)
		}
	}
	out := bufio.NewWriter(geofences)
	encoder := json.NewEncoder(out)
	degrees := func(sum float64, n int) float64 { return math.Round(sum/float64(n)*1e7) / 1e7 }
	for _, id := range sortedKeys(places) {
		p := places[id]
		lat, lng := degrees(p.lat, p.n), degrees(p.lng, p.n)
		if err := encoder.Encode(map[string]any{
			"type": "Feature", "id": id,
			"geometry":   map[string]any{"type": "Point", "coordinates": []float64{lng, lat}},
			"properties": map[string]any{"radius_m": radius},
		}); err != nil {
			return summary, fmt.Errorf("write geofences: %w", err)
		}
		if stores != nil {
			if err := stores.Write([]string{id, strconv.FormatFloat(lat, 'f', -1, 64), strconv.FormatFloat(lng, 'f', -1, 64)}); err != nil {
				return summary, fmt.Errorf("write stores: %w", err)
			}
		}
	}
	if stores != nil {
		stores.Flush()
		if err := stores.Error(); err != nil {
			return summary, fmt.Errorf("write stores: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return summary, fmt.Errorf("write geofences: %w", err)
	}
	return summary, nil
}

// minutes reads the time of a check-in since the start of its set.
func minutes(cell string) (time.Duration, error) {
	n, err := strconv.Atoi(cell)
	if err != nil || n < 0 || n > 100*366*24*60 {
		return 0, fmt.Errorf("got %q, want a number from 0 on", cell)
	}
	return time.Duration(n) * time.Minute, nil
}

// lastMinute reads a data set to its end for the time of its last check-in since its start.
func lastMinute(r io.Reader) (last time.Duration, err error) {
	rows, err := OpenSet(r, "minute")
	if err != nil {
		return 0, err
	}
	for {
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return 0, err
		}
		since, err := minutes(cells[0])
		if err != nil {
			return 0, fmt.Errorf("line %d, minute: %w", rows.Line, err)
		}
		last = max(last, since)
	}
}
