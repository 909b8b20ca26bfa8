package command

import (
	"context"
	"fmt"
	"io"
	"os"

	"satnav/server/draw"
	"satnav/server/track"
)

// replay takes a recorded track through geofences and tells what would have been told.
type replay struct {
	fences
	Track string `arg:"" help:"GPX, CSV (t,lat,lng[,accuracy_m,floor,mocked]) or NDJSON."`
	Out   string `help:"How the outcome is printed: ${enum}." enum:"text,ndjson,geojson" default:"text"`
	SVG   string `help:"Also draw geofences, track and crossings into this file." placeholder:"FILE" name:"svg"`
}

// Run replays. The same track and geofences give the same bytes.
func (r *replay) Run(ctx context.Context, std IO) error {
	file, err := os.Open(r.Track)
	if err != nil {
		return err
	}
	defer file.Close()
	fixes, err := track.Read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Track, err)
	}
	index, err := r.index(ctx, std)
	if err != nil {
		return err
	}
	crossings := track.Replay(index, fixes)
	if err := track.Write(std.Out, track.Form(r.Out), fixes, crossings); err != nil {
		return err
	}
	if r.SVG != "" {
		if _, err := into(r.SVG, func(out io.Writer) (struct{}, error) { return struct{}{}, draw.Replay(out, index, fixes, crossings) }); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.Err, "%s: %d fixes, %d geofences, %d crossings\n", r.Track, len(fixes), index.Len(), len(crossings))
	return nil
}
