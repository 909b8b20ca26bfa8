package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"satnav/geo"
	"satnav/server/store"
)

// export writes what a retailer configured.
type export struct {
	Geofences exportGeofences `cmd:"" help:"Geofences, live ones and drafts, in order of their ids."`
}

// exportGeofences writes them so that import reads them back.
type exportGeofences struct {
	knobs
	Format   string `help:"One of ${enum}. GeoJSON and NDJSON hold everything; wkt holds polygons and no properties, csv polygons and circles, kml all shapes." enum:"geojson,ndjson,wkt,csv,kml" default:"geojson"`
	Data     string `help:"Data folder; no server may be running on it (default satnav-data)." placeholder:"DIR"`
	Retailer string `help:"The retailer." default:"demo"`
}

// fenceWriter writes one form.
type fenceWriter struct {
	write func(*geo.Geofence) error
	end   func() error
}

// errShape says that a form has no words for a shape: the others are written.
var errShape = errors.New("this form has no words for its shape")

// Run exports, and says which geofences the form could not hold.
func (e *exportGeofences) Run(ctx context.Context, std IO) (err error) {
	a, err := e.openFolder(ctx, std, e.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	out := bufio.NewWriter(std.Out)
	to := writerOf(e.Format, out)
	written, left, bare := 0, 0, 0
	err = store.NewEntries(a.Documents).Each(ctx, e.Retailer, store.GeofenceEntry, func(entry store.Entry) error {
		fence, err := entry.Geofence()
		if err != nil {
			return fmt.Errorf("geofence %q: %w", entry.ID, err)
		}
		err = to.write(&fence)
		if errors.Is(err, errShape) {
			fmt.Fprintf(std.Err, "geofence %q was left out: %s: export it as geojson\n", entry.ID, err)
			left++
			return nil
		}
		written++
		if loses(e.Format, &fence) {
			bare++
		}
		return err
	})
	if err := errors.Join(err, to.end(), out.Flush()); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "%d geofences exported, %d left out\n", written, left)
	if bare > 0 {
		fmt.Fprintf(std.Err, "%d of them have properties that %s has no words for: imported again, they would lose them; export geojson to keep all\n", bare, e.Format)
	}
	return nil
}

// loses tells whether a form leaves properties of a geofence out: WKT all of them, CSV those that are not ours.
func loses(format string, g *geo.Geofence) bool {
	switch format {
	case "csv":
		return g.Foreign != nil
	case "wkt":
		bare := geo.Geofence{ID: g.ID, Name: g.ID, Shape: g.Shape, Wants: geo.WantEnter | geo.WantExit}
		return !bytes.Equal(bare.AppendFeature(nil), g.AppendFeature(nil))
	}
	return false
}

func writerOf(format string, out io.Writer) fenceWriter {
	var b []byte
	put := func(text []byte) error { _, err := out.Write(text); return err }
	nothing := func() error { return nil }
	switch format {
	case "kml":
		kml := geo.NewKMLWriter(out)
		return fenceWriter{kml.Write, kml.Close}
	case "csv":
		table := geo.NewTableWriter(out)
		return fenceWriter{func(g *geo.Geofence) error {
			switch g.Shape.(type) {
			case *geo.Circle, *geo.Polygon:
				return table.Write(g)
			}
			return errShape
		}, table.Flush}
	case "wkt":
		return fenceWriter{func(g *geo.Geofence) error {
			area, ok := g.Shape.(*geo.Polygon)
			if !ok {
				return errShape
			}
			b = append(append(b[:0], g.ID...), '\t')
			b = append(area.AppendWKT(b), '\n')
			return put(b)
		}, nothing}
	case "ndjson":
		return fenceWriter{func(g *geo.Geofence) error {
			b = append(g.AppendFeature(b[:0]), '\n')
			return put(b)
		}, nothing}
	}
	between := `{"type":"FeatureCollection","features":[`
	return fenceWriter{func(g *geo.Geofence) error {
		b = g.AppendFeature(append(append(b[:0], between...), '\n'))
		between = ","
		return put(b)
	}, func() error {
		if between != "," {
			return put([]byte(between + "]}\n"))
		}
		return put([]byte("\n]}\n"))
	}}
}
