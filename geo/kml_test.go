package geo

import (
	"strings"
	"testing"
)

func TestKMLReader(t *testing.T) {
	t.Parallel()
	document := func(placemarks string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>d</name><Folder>` + placemarks + `</Folder></Document></kml>`
	}
	outer := `<outerBoundaryIs><LinearRing><coordinates> 0,0,5 9,0,5
9,9,5 0,0,5 </coordinates></LinearRing></outerBoundaryIs>`
	tests := []struct {
		name, give string
		want       []string
		err        string
	}{
		{"a polygon with a hole", document(`<Placemark id="p"><name>Park</name><description>x</description><Polygon>` + outer + `<innerBoundaryIs><LinearRing><coordinates>5,1 8,2 8,1 5,1</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>`), []string{
			`1@1 {"type":"Feature","id":"p","geometry":{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,0]],[[5,1],[8,2],[8,1],[5,1]]]},"properties":{"name":"Park"}}`}, ""},
		{"several polygons", document(`<Placemark><MultiGeometry><Polygon>` + outer + `</Polygon><Polygon><outerBoundaryIs><LinearRing><coordinates>20,0 21,0 21,1 20,0</coordinates></LinearRing></outerBoundaryIs></Polygon></MultiGeometry></Placemark>`), []string{
			`1@1 {"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":[[[[0,0],[9,0],[9,9],[0,0]]],[[[20,0],[21,0],[21,1],[20,0]]]]},"properties":{}}`}, ""},
		{"a circle and a corridor", document(`<Placemark><ExtendedData><Data name="id"><value>c</value></Data><Data name="radius_m"><value>50</value></Data><Data name="dwell_s"><value>5</value></Data></ExtendedData><Point><coordinates>1,2</coordinates></Point></Placemark>
<Placemark><ExtendedData><Data name="width_m"><value>7</value></Data></ExtendedData><LineString><coordinates>1,2 3,4</coordinates></LineString></Placemark>`), []string{
			`1@1 {"type":"Feature","id":"c","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":50,"dwell_s":5}}`,
			`2@2 {"type":"Feature","geometry":{"type":"LineString","coordinates":[[1,2],[3,4]]},"properties":{"width_m":7}}`}, ""},
		{"bad ones among good ones", document(`<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark><Placemark/><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 1 1,1 0,0</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark><Placemark><Polygon>` + outer + `</Polygon></Placemark>`), []string{
			`1@1! /radius_m: a Point is no area without a number radius_m in ExtendedData: got ""; give it in metres`,
			`2@1! the Placemark has no area; give a Polygon, a MultiGeometry of Polygons, one Point with radius_m or one LineString with width_m`,
			`3@1! /0/0/1: got "1", want longitude,latitude; give two numbers with a comma and no space between them`,
			`4@1 {"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,0]]]},"properties":{}}`}, ""},
		{"polygons at every depth", document(`<Placemark><MultiGeometry><MultiGeometry><Polygon>` + outer + `</Polygon></MultiGeometry></MultiGeometry><MultiGeometry><Polygon><outerBoundaryIs><LinearRing><coordinates>20,0 21,0 21,1 20,0</coordinates></LinearRing></outerBoundaryIs></Polygon></MultiGeometry></Placemark>`), []string{
			`1@1 {"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":[[[[0,0],[9,0],[9,9],[0,0]]],[[[20,0],[21,0],[21,1],[20,0]]]]},"properties":{}}`}, ""},
		{"a label beside the area", document(`<Placemark><MultiGeometry><Point><coordinates>5,1</coordinates></Point><Polygon>` + outer + `</Polygon></MultiGeometry></Placemark>`), []string{
			`1@1 {"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,0]]]},"properties":{}} mended : what has no area beside the polygons was left out (points: 1, lines: 0)`}, ""},
		{"two areas of two kinds", document(`<Placemark><ExtendedData><Data name="radius_m"><value>5</value></Data></ExtendedData><Point><coordinates>5,1</coordinates></Point><Polygon>` + outer + `</Polygon></Placemark><Placemark><MultiGeometry><Point><coordinates>5,1</coordinates></Point><Point><coordinates>6,1</coordinates></Point></MultiGeometry></Placemark>`), []string{
			`1@1! the Placemark has more than one area (polygons: 1, points: 1, lines: 0); give each a Placemark of its own`,
			`2@2! the Placemark has more than one area (polygons: 0, points: 2, lines: 0); give each a Placemark of its own`}, ""},
		{"typed data", document(`<Placemark><name>S</name><ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="radius_m"> 70 </SimpleData><SimpleData name="dwell_s">60</SimpleData></SchemaData></ExtendedData><Point><coordinates>1,2</coordinates></Point></Placemark>`), []string{
			`1@1 {"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"name":"S","radius_m":70,"dwell_s":60}}`}, ""},
		{"broken", document(`<Placemark><Polygon>`), nil, "placemark 1, which starts on line 1"},
		{"not XML", `{"type":"FeatureCollection"}`, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := summaries(NewKMLReader(strings.NewReader(test.give)).Next)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want %q", err, test.err)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestKMLRoundTrip(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	w := NewKMLWriter(&text)
	fences := full(t)
	for i := range fences {
		if err := w.Write(&fences[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := NewKMLReader(strings.NewReader(text.String()))
	for i := range fences {
		row, err := r.Next()
		if err != nil || row.Err != nil || len(row.Mended) > 0 {
			t.Fatal(err, row.Err, row.Mended)
		}
		if got, want := string(row.Fence.AppendFeature(nil)), string(fences[i].AppendFeature(nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzKMLReader(f *testing.F) {
	f.Add(`<kml><Placemark id="a"><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 9,0 9,9 0,0</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>`)
	f.Fuzz(func(t *testing.T, text string) {
		r := NewKMLReader(strings.NewReader(text))
		for n := 1; ; n++ {
			row, err := r.Next()
			if err != nil {
				return
			}
			if row.Number != n || row.Err == nil && row.Fence.Shape == nil {
				t.Fatalf("row %d: %+v", n, row)
			}
		}
	})
}
