package command

import (
	"context"
	"errors"
	"fmt"
	"os"

	"satnav/geo"
	"satnav/server/importer"
)

// fences names the geofences that a command works on.
type fences struct {
	knobs
	Geofences string `help:"live, draft, or a file of geofences (GeoJSON, NDJSON, WKT, KML, CSV), which needs no data folder." required:"" placeholder:"live|draft|FILE"`
	Data      string `help:"Data folder; no server may be running on it (default satnav-data)." placeholder:"DIR"`
	Retailer  string `help:"The retailer." default:"demo"`
}

// index reads the geofences.
func (f *fences) index(ctx context.Context, std IO) (index *geo.Index, err error) {
	if f.Geofences != "live" && f.Geofences != "draft" {
		return fencesOf(std, f.Geofences)
	}
	a, err := f.openFolder(ctx, std, f.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	snapshot, err := a.Retailers.Of(ctx, f.Retailer)
	if err != nil {
		return nil, err
	}
	if f.Geofences == "draft" {
		return snapshot.Drafts, nil
	}
	return snapshot.Fences, nil
}

// fencesOf reads a file. One wrong geofence is an error: what comes out would not be what was asked.
func fencesOf(std IO, name string) (*geo.Index, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("geofences: want live, draft or a file: %w", err)
	}
	defer file.Close()
	all, refused, err := importer.ReadGeofences(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, r := range refused[:min(shownRefusals, len(refused))] {
		fmt.Fprintf(std.Err, "%s: %s\n", name, r)
	}
	if len(refused) > 0 {
		return nil, fmt.Errorf("%s: %d of %d geofences are wrong", name, len(refused), len(refused)+len(all))
	}
	return geo.NewIndex(all), nil
}
