package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"satnav/server/draw"
	"satnav/server/track"
)

// match tells which geofences hold each point: geometry alone.
type match struct {
	fences
	Points string `arg:"" help:"CSV with a header that has lng and lat, such as lng,lat or t,lat,lng."`
	SVG    string `help:"Also draw geofences and points into this file." placeholder:"FILE" name:"svg"`
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
	var drawn []draw.Point
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
		if m.SVG != "" {
			drawn = append(drawn, draw.Point{Point: point, Inside: len(found) > 0})
		}
	}
	if m.SVG != "" {
		if _, err := into(m.SVG, func(out io.Writer) (struct{}, error) { return struct{}{}, draw.Match(out, index, drawn) }); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.Err, "%s: %d points, %d of them in geofences (%d)\n", m.Points, points, inside, index.Len())
	return nil
}
