// Package track reads recorded walks and tells what would have been told on them.
//
// It exists so that a manager can try geofences on a real walk before they go live, and see why something fired. Command
// line and HTTP replay with the same code, which is geo's: what serves shoppers. Decided against: leaving out rows that
// cannot be read. A replay with holes would look like an answer, so the first wrong row ends the reading and says where.
package track

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/geo"
)

// MaxFixes bounds a track: eleven days of a fix a second.
const MaxFixes = 1_000_000

// Read reads a track, whose form is told by how it begins: GPX ("<"), NDJSON ("{") or CSV with a header. A fix has a
// time t (RFC 3339, or Unix seconds), lat and lng, and may have accuracy_m, floor and mocked. Fixes may be in any order.
// An error says in which line, or which point of a GPX, what was found and what would be right.
func Read(r io.Reader) ([]geo.Fix, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var fixes []geo.Fix
	switch head = bytes.TrimLeft(head, " \t\r\n"); {
	case len(head) == 0:
		return nil, errors.New("the track is empty: want GPX, NDJSON, or CSV with the header t,lat,lng")
	case head[0] == '<':
		fixes, err = readGPX(in)
	case head[0] == '{':
		fixes, err = readNDJSON(in)
	default:
		fixes, err = readCSV(in)
	}
	if err == nil && len(fixes) == 0 {
		return nil, errors.New("the track has no fix")
	}
	return fixes, err
}

// errLong says that there are more than MaxFixes.
var errLong = fmt.Errorf("the track has more than %d fixes: cut it", MaxFixes)

// row is one fix as text, by the names of the columns.
type row struct{ t, lat, lng, accuracy, floor, mocked string }

// fix reads a row. An empty text is absent.
func (r *row) fix() (f geo.Fix, err error) {
	if f.At, err = instant(r.t); err != nil {
		return f, err
	}
	if f.Lat, err = number("lat", r.lat, -90, 90); err != nil {
		return f, err
	}
	if f.Lng, err = number("lng", r.lng, -180, 180); err != nil {
		return f, err
	}
	if r.accuracy != "" {
		if f.AccuracyMeters, err = number("accuracy_m", r.accuracy, 0, geo.MaxRadiusMeters); err != nil {
			return f, err
		}
	}
	if r.floor != "" {
		floor, err := strconv.Atoi(r.floor)
		if err != nil {
			return f, fmt.Errorf("floor: got %.40q, want a whole number", r.floor)
		}
		f.Floor = &floor
	}
	switch strings.ToLower(r.mocked) {
	case "", "false", "0", "no":
	case "true", "1", "yes":
		f.Mocked = true
	default:
		return f, fmt.Errorf("mocked: got %.40q, want true or false", r.mocked)
	}
	return f, nil
}

func number(name, text string, least, most float64) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < least || n > most {
		return 0, fmt.Errorf("%s: got %.40q, want a number from %g to %g", name, text, least, most)
	}
	return n, nil
}

// Instants are within the years that a time can be written in.
const leastSecond, mostSecond = -62_135_596_800, 253_402_300_799

// instant reads RFC 3339, or seconds since 1970 with or without a fraction, to the millisecond.
func instant(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < leastSecond || seconds > mostSecond {
		return time.Time{}, fmt.Errorf("t: got %.40q, want RFC 3339 (2026-11-22T09:14:03Z) or Unix seconds (1795338843)", text)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}

func readCSV(r io.Reader) ([]geo.Fix, error) {
	in := csv.NewReader(r)
	in.ReuseRecord, in.TrimLeadingSpace = true, true
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var at row
	columns := make([]*string, len(header)) // where each cell goes; nil: nowhere
	known := map[string]*string{"t": &at.t, "lat": &at.lat, "lng": &at.lng, "accuracy_m": &at.accuracy, "floor": &at.floor, "mocked": &at.mocked}
	var found []string
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(found, name) {
			return nil, fmt.Errorf("header: column %q is there twice", name)
		}
		columns[i] = known[name]
		found = append(found, name)
	}
	for _, name := range []string{"t", "lat", "lng"} {
		if !slices.Contains(found, name) {
			return nil, fmt.Errorf("header: got %.200q, want t,lat,lng and optionally accuracy_m,floor,mocked: %s is missing", strings.Join(found, ","), name)
		}
	}
	var fixes []geo.Fix
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return fixes, nil
		}
		if err != nil {
			return nil, err // it names the line
		}
		for i, cell := range record {
			if columns[i] != nil {
				*columns[i] = strings.TrimSpace(cell)
			}
		}
		f, err := at.fix()
		if err != nil {
			line, _ := in.FieldPos(0)
			return nil, fmt.Errorf("line %d, %w", line, err)
		}
		if len(fixes) == MaxFixes {
			return nil, errLong
		}
		fixes = append(fixes, f)
	}
}

// maxLine bounds a line of NDJSON.
const maxLine = 1 << 20

func readNDJSON(r io.Reader) ([]geo.Fix, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var fixes []geo.Fix
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		f, err := readObject(text)
		if err != nil {
			return nil, fmt.Errorf("line %d, %w", n, err)
		}
		if len(fixes) == MaxFixes {
			return nil, errLong
		}
		fixes = append(fixes, f)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return fixes, nil
}

// readObject reads a fix as an object; "at" says the same as "t".
func readObject(text []byte) (geo.Fix, error) {
	var members struct {
		T, At, Lat, Lng, Floor, Mocked json.RawMessage
		Accuracy                       json.RawMessage `json:"accuracy_m"`
	}
	if err := json.Unmarshal(text, &members); err != nil {
		return geo.Fix{}, fmt.Errorf("it is no JSON object: %w", err)
	}
	if members.T == nil {
		members.T = members.At
	}
	at := row{plain(members.T), plain(members.Lat), plain(members.Lng), plain(members.Accuracy), plain(members.Floor), plain(members.Mocked)}
	return at.fix()
}

// plain is a JSON value as the text of a cell.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil { // null leaves it empty
		return text
	}
	return string(raw)
}

// readGPX reads the track points of a GPX 1.0 or 1.1. GPX has no accuracy in metres, so a fix has none, unless an
// extension accuracy_m or accuracy says it.
func readGPX(r io.Reader) ([]geo.Fix, error) {
	in := xml.NewDecoder(r)
	in.Entity = xml.HTMLEntity
	var fixes []geo.Fix
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return fixes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("GPX: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "trkpt" {
			continue
		}
		at, err := readPoint(in, start)
		if err != nil {
			return nil, fmt.Errorf("GPX: track point %d: %w", len(fixes)+1, err)
		}
		f, err := at.fix()
		if err != nil {
			return nil, fmt.Errorf("GPX: track point %d, %w", len(fixes)+1, err)
		}
		if len(fixes) == MaxFixes {
			return nil, errLong
		}
		fixes = append(fixes, f)
	}
}

// readPoint reads a trkpt to its end.
func readPoint(in *xml.Decoder, start xml.StartElement) (at row, err error) {
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "lat":
			at.lat = strings.TrimSpace(a.Value)
		case "lon":
			at.lng = strings.TrimSpace(a.Value)
		}
	}
	var text strings.Builder
	for depth := 1; depth > 0; {
		token, err := in.Token()
		if err != nil {
			return at, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			text.Reset()
		case xml.CharData:
			text.Write(token)
		case xml.EndElement:
			depth--
			switch value := strings.TrimSpace(text.String()); token.Name.Local {
			case "time":
				at.t = value
			case "accuracy", "accuracy_m":
				at.accuracy = value
			case "floor":
				at.floor = value
			case "mocked":
				at.mocked = value
			}
			text.Reset()
		}
	}
	return at, nil
}

// InOrder is a copy of a track in order of time.
func InOrder(fixes []geo.Fix) []geo.Fix {
	sorted := slices.Clone(fixes)
	slices.SortStableFunc(sorted, func(a, b geo.Fix) int { return a.At.Compare(b.At) })
	return sorted
}
