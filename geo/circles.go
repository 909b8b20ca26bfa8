package geo

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// TableReader reads geofences from CSV with a header: circles from the columns lat, lng and radius_m, polygons from a
// column wkt. Other columns are properties: id, and those of ParseFeature by their names (lists are separated by semicolons,
// schedule and payload are JSON); unknown ones are kept as text. It holds one row, and is for one goroutine.
type TableReader struct {
	in     *csv.Reader
	header []string
	number int
	end    error
}

// NewTableReader reads from r as Next is called; r is the caller's to close.
func NewTableReader(r io.Reader) *TableReader {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	return &TableReader{in: in}
}

// Next gives the next row after the header, good or bad, or io.EOF. Any other error says that the table cannot be
// read on; it comes again with each call.
func (t *TableReader) Next() (Row, error) {
	if t.end == nil && t.header == nil {
		t.end = t.readHeader()
	}
	if t.end != nil {
		return Row{}, t.end
	}
	record, err := t.in.Read()
	var syntax *csv.ParseError
	if err != nil && !errors.As(err, &syntax) {
		t.end = err
		return Row{}, err
	}
	t.number++
	row := Row{Number: t.number}
	if syntax != nil {
		row.Line = syntax.StartLine
		row.Err = &Fault{Code: FaultMalformed, What: fmt.Sprintf("malformed CSV in column %d: %v", syntax.Column, syntax.Err), Mend: "double the quotes inside quotes"}
		return row, nil //nolint:nilerr // the fault is the row's; reading goes on
	}
	row.Line, _ = t.in.FieldPos(0)
	row.Raw = appendRecord(nil, record)
	if len(record) != len(t.header) {
		row.Err = &Fault{Code: FaultMalformed, What: fmt.Sprintf("got %d columns, want %d as in the header", len(record), len(t.header)), Mend: "quote values with commas in them"}
		return row, nil
	}
	row.Fence, row.Mended, row.Err = t.fence(record)
	return row, nil
}

func (t *TableReader) readHeader() error {
	record, err := t.in.Read()
	if err == io.EOF {
		return errors.New("the table is empty, want a header with lat, lng, radius_m, or wkt")
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	t.header = slices.Clone(record)
	t.header[0] = strings.TrimPrefix(t.header[0], "\ufeff")
	for i, name := range t.header {
		t.header[i] = strings.TrimSpace(name)
		if slices.Contains(t.header[:i], t.header[i]) {
			return fmt.Errorf("header: column %q is there twice", name)
		}
	}
	if !slices.Contains(t.header, "wkt") && !(slices.Contains(t.header, "lat") && slices.Contains(t.header, "lng") && slices.Contains(t.header, "radius_m")) {
		return fmt.Errorf("header: got %s, want lat, lng and radius_m, or wkt", strings.Join(t.header, ","))
	}
	return nil
}

func appendRecord(dst []byte, record []string) []byte {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(record) // a builder takes all
	w.Flush()
	return append(dst, strings.TrimSuffix(b.String(), "\n")...)
}

func (t *TableReader) fence(record []string) (Geofence, []Mending, error) {
	var g Geofence
	var texts []property
	var wkt string
	var place [3]string // lat, lng, radius_m
	for i, name := range t.header {
		value := record[i]
		switch name {
		case "id":
			g.ID = value
		case "wkt":
			wkt = value
		case "lat":
			place[0] = value
		case "lng":
			place[1] = value
		case "radius_m":
			place[2] = value
		default:
			texts = append(texts, property{name, value})
		}
	}
	mended, err := g.describe(texts)
	if err != nil {
		return g, nil, err
	}
	if strings.TrimSpace(wkt) != "" {
		shape, m, err := ParseWKT(wkt)
		if fault := new(Fault); errors.As(err, &fault) {
			return g, nil, fault.under("/wkt")
		}
		g.Shape = shape
		return g, append(mended, mendingsUnder("/wkt", m)...), nil
	}
	var numbers [3]float64
	for i, name := range []string{"lat", "lng", "radius_m"} {
		if numbers[i], err = strconv.ParseFloat(strings.TrimSpace(place[i]), 64); err != nil {
			return g, nil, &Fault{Code: FaultWrongType, At: "/" + name, What: fmt.Sprintf("got %q, want a number", shorten(place[i])), Mend: "give lat, lng and radius_m, or wkt"}
		}
	}
	circle, err := NewCircle(Point{Lat: numbers[0], Lng: numbers[1]}, numbers[2])
	if err != nil {
		return g, nil, err
	}
	g.Shape = circle
	return g, mended, nil
}

// property is one property as text, of a format that knows no types.
type property struct{ name, value string }

// describe takes properties in text: each is brought into the JSON that takeProperties reads. Empty ones of ours are absent.
// The id is there already.
func (g *Geofence) describe(texts []property) ([]Mending, error) {
	if g.ID != "" {
		if err := CheckID(g.ID); err != nil {
			return nil, err
		}
	}
	g.Name, g.Wants = g.ID, g.defaultWants()
	all := make([]member, 0, len(texts))
	for _, p := range texts {
		quoted := json.RawMessage(appendString(nil, p.value))
		trimmed := strings.TrimSpace(p.value)
		value := quoted
		switch p.name {
		case "dwell_s", "floor", "priority", "approach_m", "cooldown_s", "daily_cap", "payload", "schedule":
			switch {
			case trimmed == "":
				value = json.RawMessage("null")
			case json.Valid([]byte(trimmed)):
				value = json.RawMessage(trimmed)
			}
		case "tags", "triggers", "cells":
			switch {
			case trimmed == "":
				value = json.RawMessage("null")
			case trimmed[0] == '[' && json.Valid([]byte(trimmed)):
				value = json.RawMessage(trimmed)
			default:
				items := strings.Split(trimmed, ";")
				for i := range items {
					items[i] = strings.TrimSpace(items[i])
				}
				value, _ = json.Marshal(items) // strings cannot fail
			}
		case "name", "store", "status":
			if trimmed == "" {
				value = json.RawMessage("null")
			}
		}
		all = append(all, member{p.name, value})
	}
	shape, err := g.takeProperties(all, "")
	if fault := new(Fault); errors.As(err, &fault) {
		fault.At = strings.TrimPrefix(fault.At, "/properties")
		return nil, fault
	}
	noted := g.remarks("", all, "")
	if cells, ok := shape["cells"]; ok {
		set, mended, err := parseCells(cells)
		if err != nil {
			return nil, err
		}
		g.Shape = set
		return append(noted, mended...), nil
	}
	return noted, nil
}

// texts are the properties of the geofence as describe reads them, but for id and shape.
func (g *Geofence) texts() []property {
	bare := *g
	bare.Shape = nil
	var feature struct {
		Properties json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(bare.AppendFeature(nil), &feature) != nil {
		return nil
	}
	all, err := members(feature.Properties)
	if err != nil {
		return nil
	}
	texts := make([]property, 0, len(all))
	for _, m := range all {
		value := string(m.value)
		if s, ok := stringOf(m.value); ok && m.name != "payload" {
			value = s
		}
		texts = append(texts, property{m.name, value})
	}
	return texts
}

// tableColumns are those of ours, in the order of TableWriter.
var tableColumns = []string{"name", "dwell_s", "tags", "payload", "store", "schedule", "status", "floor", "priority", "approach_m", "cooldown_s", "daily_cap", "triggers"}

// TableWriter writes circles and polygons as the CSV that TableReader reads. Properties that are not ours are left out:
// GeoJSON holds them.
type TableWriter struct {
	out     *csv.Writer
	started bool
}

// NewTableWriter writes to w; Flush ends it.
func NewTableWriter(w io.Writer) *TableWriter { return &TableWriter{out: csv.NewWriter(w)} }

// Write adds a row. It refuses cell sets and corridors, which CSV has no columns for.
func (t *TableWriter) Write(g *Geofence) error {
	if !t.started {
		t.started = true
		if err := t.out.Write(append([]string{"id", "lat", "lng", "radius_m", "wkt"}, tableColumns...)); err != nil {
			return err
		}
	}
	record := make([]string, 5+len(tableColumns))
	record[0] = g.ID
	switch s := g.Shape.(type) {
	case *Circle:
		record[1], record[2], record[3] = string(appendFloat(nil, s.center.Lat)), string(appendFloat(nil, s.center.Lng)), string(appendFloat(nil, s.radiusMeters))
	case *Polygon:
		record[4] = string(s.AppendWKT(nil))
	default:
		return fmt.Errorf("geofence %q: CSV holds circles and polygons; write it as GeoJSON", g.ID)
	}
	for _, p := range g.texts() {
		if i := slices.Index(tableColumns, p.name); i >= 0 {
			record[5+i] = p.value
		}
	}
	return t.out.Write(record)
}

// Flush writes what is buffered and tells of any error so far.
func (t *TableWriter) Flush() error {
	t.out.Flush()
	return t.out.Error()
}
