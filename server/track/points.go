package track

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"satnav/geo"
)

// Points reads positions from CSV with a header that has the columns lng and lat, one at a time. The first error is
// the last thing that comes; it names the line.
func Points(r io.Reader) iter.Seq2[geo.Point, error] {
	return func(yield func(geo.Point, error) bool) {
		in := csv.NewReader(r)
		in.ReuseRecord, in.TrimLeadingSpace = true, true
		header, err := in.Read()
		if err != nil {
			yield(geo.Point{}, fmt.Errorf("header: want lng,lat: %w", err))
			return
		}
		for i, name := range header {
			header[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		}
		lat, lng := slices.Index(header, "lat"), slices.Index(header, "lng")
		if lat < 0 || lng < 0 {
			yield(geo.Point{}, fmt.Errorf("header: got %.200q, want lng,lat, or others with lng and lat among them", strings.Join(header, ",")))
			return
		}
		for {
			record, err := in.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			var p geo.Point
			if err == nil {
				line, _ := in.FieldPos(0)
				if p.Lat, err = number("lat", strings.TrimSpace(record[lat]), -90, 90); err == nil {
					p.Lng, err = number("lng", strings.TrimSpace(record[lng]), -180, 180)
				}
				if err != nil {
					err = fmt.Errorf("line %d, %w", line, err)
				}
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}
