package importer

import (
	"context"
	"encoding/json"
	"strings"

	"satnav/geo"
)

// Geofence is one feature of a geofences file.
type Geofence struct {
	geo.Geofence
	Feature json.RawMessage // as it came
	Mended  []geo.Mending   // what was repaired while reading
	in      Label
}

// tellMended makes what the reader repaired part of each stored row's result.
func tellMended(put func(context.Context, []Geofence) ([]Result, error)) func(context.Context, []Geofence) ([]Result, error) {
	return func(ctx context.Context, rows []Geofence) ([]Result, error) {
		results, err := put(ctx, rows)
		for i, row := range rows {
			if len(row.Mended) == 0 || err != nil {
				continue
			}
			if results == nil {
				results = make([]Result, len(rows))
			}
			if i >= len(results) || results[i].Outcome != Stored || results[i].Reason != "" {
				continue
			}
			var told []string
			for _, m := range row.Mended {
				told = append(told, strings.TrimPrefix(m.At+": "+m.What, ": "))
			}
			results[i].Reason = strings.Join(told, "; ")
		}
		return results, err
	}
}
