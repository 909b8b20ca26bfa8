package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"satnav/geo"
)

// fenceReader is what geo's readers of geofences have in common.
type fenceReader interface{ Next() (geo.Row, error) }

// fencesIn reads geofences in whatever form they come, told by how the text begins: GeoJSON and NDJSON by a brace, a
// bracket or the record separator of RFC 8142, KML by "<", WKT by its words; all else is CSV with a header.
func fencesIn(r io.Reader) fenceReader {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(4 << 10) // an error comes again with the first read
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(head) == 0 || head[0] == '{' || head[0] == '[' || head[0] == 0x1e:
		return geo.NewFeatureReader(in)
	case head[0] == '<':
		return geo.NewKMLReader(in)
	}
	if line, _, _ := bytes.Cut(head, []byte("\n")); isWKT(string(line)) {
		return newWKTReader(in)
	}
	return geo.NewTableReader(in)
}

// isWKT tells whether a line is an area in WKT, alone or behind an id and a tab.
func isWKT(line string) bool {
	if _, shape, found := strings.Cut(line, "\t"); found {
		line = shape
	}
	line = strings.ToUpper(strings.TrimSpace(line))
	if strings.HasPrefix(line, "SRID=") {
		_, line, _ = strings.Cut(line, ";")
	}
	return strings.HasPrefix(line, "POLYGON") || strings.HasPrefix(line, "MULTIPOLYGON")
}

// wktReader reads an area a line, alone or behind an id and a tab.
type wktReader struct {
	in   *bufio.Reader
	text []byte // of the line under way, reused
	line int
	rows int
}

func newWKTReader(r io.Reader) *wktReader { return &wktReader{in: bufio.NewReaderSize(r, 64<<10)} }

// read takes the next line. One that is longer than a geofence may be is skipped without being held.
func (w *wktReader) read() (text []byte, tooLong bool, err error) {
	w.text = w.text[:0]
	for {
		piece, err := w.in.ReadSlice('\n')
		if tooLong = tooLong || len(w.text)+len(piece) > geo.MaxFeatureBytes; tooLong {
			w.text = w.text[:0]
		} else {
			w.text = append(w.text, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(w.text) > 0 || tooLong):
			return w.text, tooLong, nil
		default:
			return w.text, tooLong, err
		}
	}
}

// Next gives the next line that is not empty, or io.EOF.
func (w *wktReader) Next() (geo.Row, error) {
	for {
		read, tooLong, err := w.read()
		if errors.Is(err, io.EOF) {
			return geo.Row{}, io.EOF
		}
		w.line++
		if err != nil {
			return geo.Row{}, fmt.Errorf("line %d: %w", w.line, err)
		}
		text := bytes.TrimSpace(read)
		if len(text) == 0 && !tooLong {
			continue
		}
		w.rows++
		row := geo.Row{Number: w.rows, Line: w.line, Raw: text}
		if tooLong {
			row.Err = &geo.Fault{What: fmt.Sprintf("the line is longer than %d MiB", geo.MaxFeatureBytes>>20), Mend: "simplify its geometry, or split it"}
			return row, nil
		}
		id, shape, found := strings.Cut(string(text), "\t")
		if !found {
			id, shape = "", id
		}
		row.Fence = geo.Geofence{ID: strings.TrimSpace(id), Name: strings.TrimSpace(id), Wants: geo.WantEnter | geo.WantExit}
		if row.Fence.ID != "" {
			row.Err = geo.CheckID(row.Fence.ID)
		}
		if row.Err == nil {
			var area *geo.Polygon
			if area, row.Mended, row.Err = geo.ParseWKT(shape); row.Err == nil {
				row.Fence.Shape = area
			}
		}
		return row, nil
	}
}

// ReadGeofences reads a whole file of geofences in any form that Run understands, gzip or not. One without an id is
// named by its place: "row-3". The refused ones do not touch the others.
func ReadGeofences(r io.Reader) (fences []geo.Geofence, refused []Refusal, err error) {
	text, err := plain(r, 0)
	if err != nil {
		return nil, nil, err
	}
	rows := featuresOf(text, Options{})
	for n := 1; ; n++ {
		row, _, _, refusal, err := rows.next()
		switch {
		case errors.Is(err, io.EOF):
			return fences, refused, nil
		case err != nil:
			return nil, refused, err
		case refusal != nil:
			refused = append(refused, *refusal)
			continue
		}
		if row.ID == "" {
			row.ID = fmt.Sprintf("row-%d", n)
		}
		if row.Name == "" {
			row.Name = row.ID
		}
		fences = append(fences, row.Geofence)
	}
}
