package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"satnav/server/track"
)

// match tells which geofences hold each point: geometry alone.
type match struct {
	fences
	Points string `arg:"" help:"CSV with a header that has lng and lat, such as lng,lat or t,lat,lng." type:"existingfile"`
}

// matched is one line of the output.
type matched struct {
	Lng       float64  `json:"lng"`
	Lat       float64  `json:"lat"`
	Geofences []string `json:"geofences"`
}

// Run prints one JSON object for each point, in their order.
func (m *match) Run(ctx context.Context, std IO) (err error) {
	file, err := os.Open(m.Points)
	if err != nil {
		return err
	}
	defer file.Close()
	index, err := m.index(ctx, std)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(std.Out)
	defer func() { err = errors.Join(err, out.Flush()) }()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var found []uint32
	points, inside := 0, 0
	for point, err := range track.Points(file) {
		if err != nil {
			return fmt.Errorf("%s: %w", m.Points, err)
		}
		found = index.Match(point, found[:0])
		line := matched{Lng: point.Lng, Lat: point.Lat, Geofences: make([]string, len(found))}
		for i, n := range found {
			line.Geofences[i] = index.Fence(n).ID
		}
		slices.Sort(line.Geofences)
		if err := encoder.Encode(line); err != nil {
			return err
		}
		points++
		if len(found) > 0 {
			inside++
		}
	}
	fmt.Fprintf(std.Err, "%s: %d points, %d of them in geofences (%d)\n", m.Points, points, inside, index.Len())
	return nil
}
