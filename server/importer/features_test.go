package importer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func circle(id string) string {
	return fmt.Sprintf(`{"type":"Feature","id":%q,"geometry":{"type":"Point","coordinates":[-9.137,38.711]},"properties":{"radius_m":50}}`, id)
}

func TestRunReadsGeofences(t *testing.T) {
	t.Parallel()
	a, b := circle("a"), circle("b")
	pretty := strings.NewReplacer("{", "{\n", ",", ",\n").Replace(a)
	long := strings.Repeat(" ", 70<<10)
	for _, test := range []struct {
		name string
		give string
		want string // ids
	}{
		{"a feature a line", a + "\n" + b + "\n", "a b"},
		{"a feature a line, gzip", zipped(a + "\n" + b), "a b"},
		{"record separators", "\x1e" + a + "\n\x1e" + b + "\n", "a b"},
		{"collection in one line", `{"type":"FeatureCollection","features":[` + a + "," + b + "]}", "a b"},
		{"collection, a feature a line", "{\"type\":\"FeatureCollection\",\n\"features\":[\n" + a + ",\n" + b + "\n]}\n", "a b"},
		{"collection, spread", "\ufeff{\n  \"type\": \"FeatureCollection\",\n  \"name\": \"x\",\n  \"crs\": {\"a\": [1]},\n  \"features\": [\n" + pretty + ",\n" + strings.Replace(pretty, `"a"`, `"b"`, 1) + "\n  ],\n  \"bbox\": [1,2,3,4]\n}\n", "a b"},
		{"collection in one line longer than the look ahead", `{"type":"FeatureCollection",` + long + `"features":[` + a + "," + b + "]}", "a b"},
		{"first feature longer than the look ahead", a[:len(a)-1] + long + "}\n" + b, "a b"},
		{"one feature", a, "a"},
		{"one feature, spread", pretty, "a"},
		{"empty collection", `{"type":"FeatureCollection","features":[]}`, ""},
		{"integer ids", strings.Replace(a, `"a"`, "0", 1) + "\n", "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			got, err := Run(t.Context(), KindGeofences, strings.NewReader(test.give), &sink, Options{})
			if err != nil || got.Refused != 0 {
				t.Fatalf("got %+v, %v", got, err)
			}
			var ids []string
			for _, g := range sink.geofences {
				ids = append(ids, g.ID)
			}
			if strings.Join(ids, " ") != test.want {
				t.Errorf("got %v, want %s", ids, test.want)
			}
		})
	}
}

func TestRunRefusesGeofencesAndReadsOn(t *testing.T) {
	t.Parallel()
	good, last := circle("a"), circle("z")
	bowtie := `{"type":"Feature","id":"x","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]},"properties":{}}`
	for _, test := range []struct {
		name   string
		give   string
		line   int
		column string
		reason string
	}{
		{"a broken line", `{"type":"Feature","id":` + "\n" + good + "\n" + last + "\n", 1, "", "malformed JSON"},
		{"a broken line further down", good + "\n{]\n" + last + "\n", 2, "", "malformed JSON"},
		{"not UTF-8", good + "\n" + strings.Replace(good, `"a"`, "\"\xff\"", 1) + "\n" + last, 2, "", "not UTF-8"},
		{"a line of 17 MB", good + "\n" + strings.Repeat("x", 17<<20) + "\n" + last, 2, "", "longer than 16 MiB"},
		{"a broken feature in a collection", "{\"features\":[\n" + good + ",\n{\"type\":},\n" + last + "]}", 3, "", "malformed JSON"},
		{"a WKT line of 17 MB", "a\tPOLYGON((0 0,1 0,1 1,0 0))\n" + strings.Repeat("x", 17<<20) + "\nb\tPOLYGON((0 0,1 0,1 1,0 0))", 2, "", "longer than 16 MiB"},
		{"a CSV line", good + "\ns1,38.7,-9.1\n" + last, 2, "", "malformed JSON"},
		{"self-crossing, in a collection", "{\"type\":\"FeatureCollection\",\n\"features\":[\n" + good + ",\n" + bowtie + ",\n" + last + "]}", 4, "/geometry/coordinates/0", "cross"},
		{"no radius", good + "\n" + strings.Replace(good, `"radius_m":50`, "", 1) + "\n" + last, 2, "/properties", "radius_m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), KindGeofences, strings.NewReader(test.give), &memory{}, Options{})
			if err != nil || got.Refused != 1 || got.Read != 3 {
				t.Fatalf("got %+v, %v", got, err)
			}
			if r := got.First[0]; r.Line != test.line || !strings.HasPrefix(r.Column, test.column) || !strings.Contains(r.Reason, test.reason) {
				t.Errorf("got %v, want line %d, %s…: …%s", r, test.line, test.column, test.reason)
			}
		})
	}
}

func TestRunEndsGeofenceFilesThatAreNone(t *testing.T) {
	t.Parallel()
	a := circle("a")
	for _, test := range []struct {
		name string
		give string
		want string
		read int
	}{
		{"empty", "", "the file is empty", 0},
		{"no features", "{\n\"type\":\"FeatureCollection\"\n}", "no \"features\"", 0},
		{"a collection cut off between features", "{\"features\":[\n" + a + ",\n" + a + "\n", "line 4: want a Feature or the end of the array", 2},
		{"a collection cut off in a feature", "{\"features\":[\n" + a + ",\n" + a[:50], "line 3: the file ends in the middle of it", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), KindGeofences, strings.NewReader(test.give), &memory{}, Options{})
			if got.Read != test.read || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v, want …%s", got, err, test.want)
			}
			if errors.Is(err, ErrNothingRead) != (test.read == 0) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestReportsNameGeofences holds that a row can be told from the others of a file of one line, whoever refuses it.
func TestReportsNameGeofences(t *testing.T) {
	t.Parallel()
	clockwise := `{"type":"Feature","id":"turned","geometry":{"type":"Polygon","coordinates":[[[0,0],[0,1],[1,1],[1,0],[0,0]]]},"properties":{}}`
	pathless := `{"type":"Feature","geometry":null,"properties":{}}`
	got, err := Run(t.Context(), KindGeofences, strings.NewReader(`[`+circle("a")+`,`+clockwise+`,`+pathless+`,`+circle("a")+`,`+strings.Replace(circle("b"), "50", "-5", 1)+`]`), &memory{}, Options{})
	if err != nil || len(got.First) != 3 || len(got.Notes) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, want := range []string{"line 1, geofence 3, /geometry: no geometry", `line 1, geofence 4 "a", id: "a" stands on line 1 already`, `line 1, geofence 5 "b", /properties/radius_m: got -5`} {
		if text := got.First[i].String(); !strings.HasPrefix(text, want) {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	if text := got.Notes[0].String(); !strings.HasPrefix(text, `line 1, geofence 2 "turned": mended: /geometry/coordinates/0: `) {
		t.Errorf("got %s", text)
	}
}

func TestRunTellsWhatWasMended(t *testing.T) {
	t.Parallel()
	clockwise := `{"type":"Feature","id":"a","geometry":{"type":"Polygon","coordinates":[[[0,0],[0,1],[1,1],[1,0],[0,0]]]},"properties":{}}`
	got, err := Run(t.Context(), KindGeofences, strings.NewReader(circle("b")+"\n"+clockwise), &memory{}, Options{})
	if err != nil || got.Stored != 2 || got.Mended != 1 || len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0].String(), `line 2, geofence 2 "a": mended: /geometry/coordinates/0: `) {
		t.Errorf("got %+v, %v", got, err)
	}
}
