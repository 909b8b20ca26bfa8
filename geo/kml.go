package geo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// KMLReader reads geofences from the Placemarks of a KML 2.2 document: Polygons, alone or in MultiGeometries of any depth, a Point with the
// ExtendedData radius_m (circle) or a LineString with width_m (corridor). Other ExtendedData, typed (SimpleData) or not, are properties, as in
// TableReader; the id is the Placemark's id or the property id. Points and lines without a size beside polygons, which editors add to hang a
// label on, are left out and told. It holds one Placemark, and is for one goroutine.
type KMLReader struct {
	in     *xml.Decoder
	number int
	end    error
}

// NewKMLReader reads from r as Next is called; r is the caller's to close.
func NewKMLReader(r io.Reader) *KMLReader { return &KMLReader{in: xml.NewDecoder(r)} }

type kmlPlacemark struct {
	ID   string  `xml:"id,attr"`
	Name *string `xml:"name"`
	kmlGeometry
	Data []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value"`
	} `xml:"ExtendedData>Data"`
	Typed []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:",chardata"`
	} `xml:"ExtendedData>SchemaData>SimpleData"`
}

type kmlGeometry struct {
	Polygons []kmlPolygon  `xml:"Polygon"`
	Points   []string      `xml:"Point>coordinates"`
	Lines    []string      `xml:"LineString>coordinates"`
	Multi    []kmlGeometry `xml:"MultiGeometry"`
}

// flat is the geometry with all that lies in its MultiGeometries.
func (g kmlGeometry) flat() kmlGeometry {
	for _, inner := range g.Multi {
		inner = inner.flat()
		g.Polygons = append(g.Polygons, inner.Polygons...)
		g.Points = append(g.Points, inner.Points...)
		g.Lines = append(g.Lines, inner.Lines...)
	}
	g.Multi = nil
	return g
}

type kmlPolygon struct {
	Outer string   `xml:"outerBoundaryIs>LinearRing>coordinates"`
	Inner []string `xml:"innerBoundaryIs>LinearRing>coordinates"`
}

// Next gives the next Placemark, good or bad, or io.EOF. Any other error says where the XML is broken; it comes
// again with each call.
func (k *KMLReader) Next() (Row, error) {
	for k.end == nil {
		token, err := k.in.Token()
		if err != nil {
			if k.end = err; err != io.EOF {
				line, column := k.in.InputPos()
				k.end = fmt.Errorf("line %d, column %d: %w", line, column, err)
			}
			break
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Placemark" {
			continue
		}
		k.number++
		row := Row{Number: k.number}
		row.Line, _ = k.in.InputPos()
		var mark kmlPlacemark
		if err := k.in.DecodeElement(&mark, &start); err != nil {
			k.end = fmt.Errorf("placemark %d, which starts on line %d: %w", k.number, row.Line, err)
			break
		}
		row.Fence, row.Mended, row.Err = mark.fence()
		return row, nil
	}
	return Row{}, k.end
}

func (m *kmlPlacemark) fence() (Geofence, []Mending, error) {
	g := Geofence{ID: m.ID}
	var texts []property
	sizes := map[string]string{}
	take := func(name, value string) {
		switch name {
		case "id":
			if g.ID == "" {
				g.ID = value
			}
		case "radius_m", "width_m":
			sizes[name] = strings.TrimSpace(value)
		default:
			texts = append(texts, property{name, value})
		}
	}
	for _, d := range m.Data {
		take(d.Name, d.Value)
	}
	for _, d := range m.Typed {
		take(d.Name, d.Value)
	}
	if m.Name != nil && strings.TrimSpace(*m.Name) != "" {
		texts = append(texts, property{"name", strings.TrimSpace(*m.Name)})
	}
	mended, err := g.describe(texts)
	if err != nil || g.Shape != nil {
		return g, mended, err
	}
	geometry := m.kmlGeometry.flat()
	polygons, points, lines := len(geometry.Polygons), len(geometry.Points), len(geometry.Lines)
	if kinds := min(1, polygons) + points + lines; kinds > 1 {
		if polygons == 0 || sizes["radius_m"] != "" || sizes["width_m"] != "" {
			return g, nil, &Fault{Code: FaultTooMany, What: fmt.Sprintf("the Placemark has more than one area (polygons: %d, points: %d, lines: %d)", polygons, points, lines),
				Mend: "give each a Placemark of its own"}
		}
		mended = append(mended, Mending{What: fmt.Sprintf("what has no area beside the polygons was left out (points: %d, lines: %d)", points, lines)})
	}
	size := func(name, of string) (float64, error) {
		f, err := strconv.ParseFloat(sizes[name], 64)
		if err != nil {
			return 0, &Fault{Code: FaultMissing, At: "/" + name, What: fmt.Sprintf("a %s is no area without a number %s in ExtendedData: got %q", of, name, shorten(sizes[name])), Mend: "give it in metres"}
		}
		return f, nil
	}
	switch {
	case polygons > 0:
		var parts [][]Ring
		for i, p := range geometry.Polygons {
			var rings []Ring
			for j, text := range append([]string{p.Outer}, p.Inner...) {
				ring, fault := kmlPoints(text)
				if fault != nil {
					return g, nil, fault.under(fmt.Sprintf("/%d/%d", i, j))
				}
				rings = append(rings, ring)
			}
			parts = append(parts, rings)
		}
		polygon, more, err := NewPolygon(parts)
		if err != nil {
			return g, more, err
		}
		g.Shape = polygon
		return g, append(mended, more...), nil
	case points == 1:
		at, fault := kmlPoints(geometry.Points[0])
		if fault == nil && len(at) != 1 {
			fault = &Fault{Code: FaultMalformed, What: fmt.Sprintf("Point has %d positions, want 1", len(at))}
		}
		if fault != nil {
			return g, nil, fault
		}
		radius, err := size("radius_m", "Point")
		if err != nil {
			return g, nil, err
		}
		circle, err := NewCircle(at[0], radius)
		if err != nil {
			return g, nil, err
		}
		g.Shape = circle
		return g, mended, nil
	case lines == 1:
		line, fault := kmlPoints(geometry.Lines[0])
		if fault != nil {
			return g, nil, fault
		}
		width, err := size("width_m", "LineString")
		if err != nil {
			return g, nil, err
		}
		corridor, more, err := NewCorridor(line, width)
		if err != nil {
			return g, more, err
		}
		g.Shape = corridor
		return g, append(mended, more...), nil
	}
	return g, nil, &Fault{Code: FaultMissing, What: "the Placemark has no area", Mend: "give a Polygon, a MultiGeometry of Polygons, one Point with radius_m or one LineString with width_m"}
}

// kmlPoints reads tuples of longitude, latitude and an optional altitude, which is ignored.
func kmlPoints(text string) ([]Point, *Fault) {
	var points []Point
	for i, tuple := range strings.Fields(text) {
		numbers := strings.Split(tuple, ",")
		if len(numbers) < 2 || len(numbers) > 3 {
			return nil, &Fault{Code: FaultMalformed, At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("got %q, want longitude,latitude", shorten(tuple)), Mend: "give two numbers with a comma and no space between them"}
		}
		lng, errLng := strconv.ParseFloat(numbers[0], 64)
		lat, errLat := strconv.ParseFloat(numbers[1], 64)
		if errors.Join(errLng, errLat) != nil {
			return nil, &Fault{Code: FaultMalformed, At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("got %q, want longitude,latitude", shorten(tuple)), Mend: "give two numbers with a comma and no space between them"}
		}
		points = append(points, Point{Lat: lat, Lng: lng})
	}
	return points, nil
}

// KMLWriter writes geofences as the KML that KMLReader reads; viewers show polygons, and circles and corridors by their
// middle. Cell sets are written as their cells in ExtendedData, which viewers do not show.
type KMLWriter struct {
	out     io.Writer
	started bool
}

// NewKMLWriter writes to w; Close ends the document.
func NewKMLWriter(w io.Writer) *KMLWriter { return &KMLWriter{out: w} }

// Write adds a Placemark.
func (k *KMLWriter) Write(g *Geofence) error {
	var b strings.Builder
	k.begin(&b)
	data := func(name, value string) {
		b.WriteString(`<Data name="` + escapeXML(name) + `"><value>` + escapeXML(value) + "</value></Data>")
	}
	b.WriteString("<Placemark><name>" + escapeXML(g.Name) + "</name><ExtendedData>")
	data("id", g.ID)
	for _, p := range g.texts() {
		if p.name != "name" {
			data(p.name, p.value)
		}
	}
	switch s := g.Shape.(type) {
	case *Circle:
		data("radius_m", string(appendFloat(nil, s.radiusMeters)))
	case *Corridor:
		data("width_m", string(appendFloat(nil, s.widthMeters)))
	case *CellSet:
		cells := make([]string, len(s.cells))
		for i, c := range s.cells {
			cells[i] = c.String()
		}
		data("cells", strings.Join(cells, ";"))
	}
	b.WriteString("</ExtendedData>")
	points := func(all []Point) {
		b.WriteString("<coordinates>")
		for i, p := range all {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.Write(appendFloat(append(appendFloat(nil, p.Lng), ','), p.Lat))
		}
		b.WriteString("</coordinates>")
	}
	switch s := g.Shape.(type) {
	case *Circle:
		b.WriteString("<Point>")
		points([]Point{s.center})
		b.WriteString("</Point>")
	case *Corridor:
		b.WriteString("<LineString>")
		points(s.line)
		b.WriteString("</LineString>")
	case *Polygon:
		parts := s.Parts()
		if len(parts) > 1 {
			b.WriteString("<MultiGeometry>")
		}
		for _, rings := range parts {
			b.WriteString("<Polygon>")
			for i, ring := range rings {
				tag := "outerBoundaryIs"
				if i > 0 {
					tag = "innerBoundaryIs"
				}
				b.WriteString("<" + tag + "><LinearRing>")
				points(ring)
				b.WriteString("</LinearRing></" + tag + ">")
			}
			b.WriteString("</Polygon>")
		}
		if len(parts) > 1 {
			b.WriteString("</MultiGeometry>")
		}
	}
	b.WriteString("</Placemark>\n")
	_, err := io.WriteString(k.out, b.String())
	return err
}

func (k *KMLWriter) begin(b *strings.Builder) {
	if !k.started {
		k.started = true
		b.WriteString(xml.Header + `<kml xmlns="http://www.opengis.net/kml/2.2"><Document>` + "\n")
	}
}

// Close ends the document; it does not close the writer below.
func (k *KMLWriter) Close() error {
	var b strings.Builder
	k.begin(&b)
	b.WriteString("</Document></kml>\n")
	_, err := io.WriteString(k.out, b.String())
	return err
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes all
	return b.String()
}
