package geo

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// summary is a row in one line.
func summary(row Row) string {
	if row.Err != nil {
		return fmt.Sprintf("%d@%d! %v", row.Number, row.Line, row.Err)
	}
	text := fmt.Sprintf("%d@%d %s", row.Number, row.Line, row.Fence.AppendFeature(nil))
	for _, m := range row.Mended {
		text += fmt.Sprintf(" mended %s: %s", m.At, m.What)
	}
	return text
}

func summaries(next func() (Row, error)) (all []string, err error) {
	for {
		row, err := next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, summary(row))
	}
}

func TestTableReader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
		err        string
	}{
		{"circles", "\ufeffid,name,lat,lng,radius_m\na,Bakery,48.1,11.5,50\nb,,1,2,3.5\n", []string{
			`1@2 {"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[11.5,48.1]},"properties":{"name":"Bakery","radius_m":50}}`,
			`2@3 {"type":"Feature","id":"b","geometry":{"type":"Point","coordinates":[2,1]},"properties":{"radius_m":3.5}}`}, ""},
		{"properties of all kinds", "radius_m,lat,lng,dwell_s,tags,triggers,payload,floor,colour\n5,1,2,60,a; b,enter,\"{\"\"k\"\":1}\",-1,red\n5,1,2,,,,,,\n", []string{
			`1@2 {"type":"Feature","geometry":{"type":"Point","coordinates":[2,1]},"properties":{"radius_m":5,"dwell_s":60,"tags":["a","b"],"payload":{"k":1},"floor":-1,"triggers":["enter"],"colour":"red"}}`,
			`2@3 {"type":"Feature","geometry":{"type":"Point","coordinates":[2,1]},"properties":{"radius_m":5,"colour":""}}`}, ""},
		{"polygons", "id,wkt\na,\"POLYGON((0 0,1 0,1 1,0 0))\"\n", []string{
			`1@2 {"type":"Feature","id":"a","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]},"properties":{}}`}, ""},
		{"bad rows among good ones", "id,lat,lng,radius_m,dwell_s\na,x,1,1,\nb,1,1\nc,1,1,-5,\nnearby,1,1,1,\nd,1,1,1,soon\n\"e,1,\ne\",1,1\"1,1,\nf,1,1,1,1\n", []string{
			`1@2! /lat: got "x", want a number; give lat, lng and radius_m, or wkt`,
			`2@3! got 3 columns, want 5 as in the header; quote values with commas in them`,
			`3@4! radius: got -5 m, want above 0 and at most 20015114 m; give the radius in metres`,
			`4@5! /id: id "nearby" is a word of the API; choose another`,
			`5@6! /dwell_s: got "soon", want a number`,
			`6@7! malformed CSV in column 7: bare " in non-quoted-field; double the quotes inside quotes`,
			`7@9 {"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[1,1]},"properties":{"radius_m":1,"dwell_s":1}}`}, ""},
		{"a bad polygon", "wkt\n\"POLYGON((0 0,1 1,1 0,0 1,0 0))\"\n", []string{
			`1@2! /wkt/0/0: the outer ring crosses itself: edges 0 and 2 meet near latitude 0.5, longitude 0.5; reorder its points, or split it into polygons that do not cross`}, ""},
		{"nothing", "", nil, "the table is empty"},
		{"other columns", "a,b\n1,2\n", nil, "header: got a,b, want lat, lng and radius_m, or wkt"},
		{"a column twice", "lat,lng,lat,radius_m\n", nil, `column "lat" is there twice`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := summaries(NewTableReader(strings.NewReader(test.give)).Next)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want %q", err, test.err)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// full has a geofence of every shape that has all properties.
func full(t testing.TB) []Geofence {
	t.Helper()
	properties := `"name":"<Bäckerei> & \"Co\", 2","dwell_s":90.5,"tags":["x","y"],"payload":{"k":[1]},"store":"s1","status":"draft","floor":1,"priority":-3,"approach_m":20,"cooldown_s":60,"daily_cap":2,"triggers":["dwell","exit"],"schedule":{"zone":"Europe/Berlin","weekly":{"mo":["08:00-20:00"]}}`
	var fences []Geofence
	for i, raw := range []string{
		feature(squareJSON, `{`+properties+`}`),
		feature(`{"type":"MultiPolygon","coordinates":[[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[1,2],[2,2],[2,1],[1,1]]],[[[20,0],[21.123456789,0],[21,1],[20,0]]]]}`, `{`+properties+`}`),
		feature(pointJSON, `{"radius_m":12.5,`+properties+`}`),
		feature(`{"type":"LineString","coordinates":[[0,0],[1,1.5],[179,2]]}`, `{"width_m":5,`+properties+`}`),
		feature(`null`, `{"cells":["8a195da49d47fff"],`+properties+`}`),
	} {
		g, _, err := ParseFeature([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		g.ID = fmt.Sprint("f", i)
		fences = append(fences, g)
	}
	return fences
}

func TestTableRoundTrip(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	w := NewTableWriter(&text)
	var want []string
	for _, g := range full(t) {
		err := w.Write(&g)
		switch g.Shape.(type) {
		case *Circle, *Polygon:
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, string(g.AppendFeature(nil)))
		default:
			if err == nil || !strings.Contains(err.Error(), "write it as GeoJSON") {
				t.Errorf("got %v for a shape without columns", err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r := NewTableReader(strings.NewReader(text.String()))
	for _, w := range want {
		row, err := r.Next()
		if err != nil || row.Err != nil || len(row.Mended) > 0 {
			t.Fatal(err, row.Err, row.Mended)
		}
		if got := string(row.Fence.AppendFeature(nil)); got != w {
			t.Errorf("got %s, want %s", got, w)
		}
	}
}

func FuzzTableReader(f *testing.F) {
	f.Add("id,lat,lng,radius_m\na,1,2,3\n")
	f.Add("id,wkt,tags,schedule\na,\"POLYGON((0 0,1 0,1 1,0 0))\",a;b,{}\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		r := NewTableReader(strings.NewReader(text))
		for n := 1; ; n++ {
			row, err := r.Next()
			if err != nil {
				return
			}
			if row.Number != n || n > len(text)+1 || row.Err == nil && row.Fence.Shape == nil {
				t.Fatalf("row %d: %+v", n, row)
			}
		}
	})
}
