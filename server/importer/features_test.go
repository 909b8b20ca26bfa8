package importer

import (
	"errors"
	"fmt"
	"io"
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
		{"collection, spread", "\ufeff{\n  \"type\": \"FeatureCollection\",\n  \"name\": \"x\",\n  \"crs\": {\"a\": [1]},\n  \"features\": [\n" + pretty + ",\n" + pretty + "\n  ],\n  \"bbox\": [1,2,3,4]\n}\n", "a a"},
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
			if test.want == "a a" { // equal features: the sink knows the second again
				ids = append(ids, strings.Repeat("a", got.Unchanged))
			}
			if strings.Join(ids, " ") != test.want {
				t.Errorf("got %v, want %s", ids, test.want)
			}
		})
	}
}

func TestRunRefusesGeofencesAndReadsOn(t *testing.T) {
	t.Parallel()
	good := circle("a")
	bowtie := `{"type":"Feature","id":"x","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]},"properties":{}}`
	for _, test := range []struct {
		name   string
		give   string
		line   int
		column string
		reason string
	}{
		{"a broken line", `{"type":"Feature","id":` + "\n" + good + "\n" + good + "\n", 1, "", "malformed JSON"},
		{"a broken line further down", good + "\n{]\n" + good + "\n", 2, "", "malformed JSON"},
		{"not UTF-8", good + "\n" + strings.Replace(good, `"a"`, "\"\xff\"", 1) + "\n" + good, 2, "", "not UTF-8"},
		{"a line of 3 MB", good + "\n" + strings.Repeat("x", 3<<20) + "\n" + good, 2, "", "longer than 2 MiB"},
		{"self-crossing, in a collection", "{\"type\":\"FeatureCollection\",\n\"features\":[\n" + good + ",\n" + bowtie + ",\n" + good + "]}", 4, "/geometry/coordinates/0", "cross"},
		{"no radius", good + "\n" + strings.Replace(good, `"radius_m":50`, "", 1) + "\n" + good, 2, "/properties", "radius_m"},
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

func TestRunRefusesGeofenceFiles(t *testing.T) {
	t.Parallel()
	a := circle("a")
	for _, test := range []struct {
		name string
		give string
		want string
		read int
	}{
		{"empty", "", "the file is empty", 0},
		{"CSV", "store,name\ns1,x\n", "line 1: malformed JSON: byte 1: invalid character 's'", 0},
		{"a list", "[\n" + a + "\n]", "the file begins with [", 0},
		{"another object", `{` + "\n" + `"type":"Topology"}`, `of type "Topology": want a GeoJSON FeatureCollection`, 0},
		{"features is no list", "{\n\"features\":{}}", "line 2: features: got {, want a list", 0},
		{"a collection cut off between features", "{\"features\":[\n" + a + ",\n" + a + "\n", "line 4: the JSON ends in the middle", 2},
		{"a collection cut off in a feature", "{\"features\":[\n" + a + ",\n" + a[:50], "line 3: the JSON ends in the middle", 1},
		{"a collection with a syntax error", "{\"features\":[\n" + a + ",\n{]\n" + a + "]}", "malformed JSON", 1},
		{"a feature without end", "{\"features\":[\n" + a + ",\n{\"a\":\"" + strings.Repeat("x", 3<<20) + "\"}]}", "a feature is longer than 2 MiB", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), KindGeofences, strings.NewReader(test.give), &memory{}, Options{})
			if got.Read != test.read || (test.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v, want …%s", got, err, test.want)
			}
			if err != nil && errors.Is(err, ErrNothingRead) != (test.read == 0) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRunTellsWhatWasMended(t *testing.T) {
	t.Parallel()
	clockwise := `{"type":"Feature","id":"a","geometry":{"type":"Polygon","coordinates":[[[0,0],[0,1],[1,1],[1,0],[0,0]]]},"properties":{}}`
	got, err := Run(t.Context(), KindGeofences, strings.NewReader(circle("b")+"\n"+clockwise), &memory{}, Options{})
	if err != nil || got.Stored != 2 || got.Mended != 1 || len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], "line 2: mended: /geometry/coordinates/0: ") {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A collection of any length is read in a small window.
func TestCollectionHoldsItsMemory(t *testing.T) {
	t.Parallel()
	in := newCollection(&endless{header: `{"features":[` + circle("first"), row: ",\n" + circle("a"), rows: 20_000, rest: ""})
	n := 0
	for {
		_, line, _, refusal, err := in.next()
		if err != nil {
			if !strings.Contains(err.Error(), "the JSON ends in the middle") {
				t.Fatal(err)
			}
			break
		}
		if n++; line != n || refusal != nil {
			t.Fatalf("feature %d: got line %d, %v", n, line, refusal)
		}
		if len(in.in.feeds) > 10_000 {
			t.Fatalf("holds %d line feeds", len(in.in.feeds))
		}
	}
	if n != 20_001 {
		t.Errorf("got %d features", n)
	}
	if _, _, _, _, err := featuresOf(strings.NewReader(`{"features":[]}`)).next(); !errors.Is(err, io.EOF) {
		t.Errorf("empty: got %v", err)
	}
}
