package importer

import (
	"encoding/json"
	"errors"
	"io"
)

// Geofence is one GeoJSON feature, as it came.
type Geofence struct {
	Feature json.RawMessage
}

type features struct{}

func featuresOf(r io.Reader) *features { return &features{} }

func (f *features) next() (row Geofence, line int, raw string, refusal *Refusal, err error) {
	return row, 0, "", nil, errors.New("x")
}
func (f *features) notes() []string { return nil }
