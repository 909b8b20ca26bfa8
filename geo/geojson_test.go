package geo

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func feature(geometry, properties string) string {
	return `{"type":"Feature","id":"a","geometry":` + geometry + `,"properties":` + properties + `}`
}

const (
	squareJSON = `{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`
	pointJSON  = `{"type":"Point","coordinates":[-0.12,51.5]}`
)

func TestParseFeature(t *testing.T) {
	t.Parallel()
	one := 1
	tests := []struct {
		name string
		give string
		want Geofence // without its shape
		kind Shape
	}{
		{"a polygon", feature(squareJSON, `null`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &Polygon{}},
		{"altitudes are ignored", feature(`{"type":"MultiPolygon","coordinates":[[[[0,0,7],[1,0,7],[1,1,7],[0,1,7],[0,0,7]]]]}`, `{}`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &Polygon{}},
		{"a circle", feature(pointJSON, `{"radius_m":50}`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &Circle{}},
		{"a corridor", feature(`{"type":"LineString","coordinates":[[0,0],[1,1]]}`, `{"width_m":5.5}`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &Corridor{}},
		{"cells without a geometry", `{"type":"Feature","id":"a","properties":{"cells":["8a195da49d47fff"]}}`, Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &CellSet{}},
		{"cells beside a geometry", feature(squareJSON, `{"cells":["8a195da49d47fff"]}`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &CellSet{}},
		{"id 0", strings.Replace(feature(squareJSON, `{}`), `"a"`, `0`, 1), Geofence{ID: "0", Name: "0", Wants: WantEnter | WantExit}, &Polygon{}},
		{"no id", `{"type":"Feature","geometry":` + squareJSON + `}`, Geofence{Wants: WantEnter | WantExit}, &Polygon{}},
		{"an id of 128 characters", strings.Replace(feature(squareJSON, `{}`), `"a"`, `"`+strings.Repeat("é", 128)+`"`, 1),
			Geofence{ID: strings.Repeat("é", 128), Name: strings.Repeat("é", 128), Wants: WantEnter | WantExit}, &Polygon{}},
		{"everything of ours", feature(squareJSON, `{"name":"Bakery","dwell_s":90.5,"tags":["x","y"],"payload":{"k": [1]},"store":"s1","status":"draft","floor":1,"priority":-3,"approach_m":20,"cooldown_s":60,"daily_cap":2,"triggers":["exit","dwell"]}`),
			Geofence{ID: "a", Name: "Bakery", Dwell: 90*time.Second + 500*time.Millisecond, Tags: []string{"x", "y"}, Payload: []byte(`{"k": [1]}`), Store: "s1", Status: Draft,
				Floor: &one, Priority: -3, ApproachMeters: 20, Cooldown: time.Minute, DailyCap: 2, Wants: WantExit | WantDwell}, &Polygon{}},
		{"what is told by default", feature(squareJSON, `{"dwell_s":1,"approach_m":5}`),
			Geofence{ID: "a", Name: "a", Dwell: time.Second, ApproachMeters: 5, Wants: WantEnter | WantExit | WantDwell | WantApproach}, &Polygon{}},
		{"nothing is told", feature(squareJSON, `{"triggers":[]}`), Geofence{ID: "a", Name: "a"}, &Polygon{}},
		{"null is absent", feature(squareJSON, `{"name":null,"dwell_s":null,"tags":null,"floor":null,"schedule":null,"cells":null,"triggers":null,"payload":null}`), Geofence{ID: "a", Name: "a", Wants: WantEnter | WantExit}, &Polygon{}},
		{"what is not ours is kept as it came", feature(squareJSON, `{"name":"n", "opening_hours" : "Mo-Fr 08:00", "Name":7, "radius_m":"big","z":{"b":1, "a":1.50},"z":2}`),
			Geofence{ID: "a", Name: "n", Wants: WantEnter | WantExit, Foreign: []byte(`{"opening_hours":"Mo-Fr 08:00","Name":7,"radius_m":"big","z":{"b":1, "a":1.50},"z":2}`)}, &Polygon{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := ParseFeature([]byte(test.give))
			if err != nil {
				t.Fatal(err)
			}
			if reflect.TypeOf(got.Shape) != reflect.TypeOf(test.kind) {
				t.Errorf("got a %T, want a %T", got.Shape, test.kind)
			}
			written := got.AppendFeature(nil)
			again, mended, err := ParseFeature(written)
			if err != nil || slices.ContainsFunc(mended, func(m Mending) bool { return !strings.Contains(m.What, "kept as a property of yours") }) {
				t.Fatalf("%s does not come back: %v %v", written, mended, err)
			}
			if twice := again.AppendFeature(nil); !slices.Equal(twice, written) {
				t.Errorf("got %s the second time, %s the first", twice, written)
			}
			for _, g := range []Geofence{got, again} {
				g.Shape = nil
				if !reflect.DeepEqual(g, test.want) {
					t.Errorf("got %+v, want %+v", g, test.want)
				}
			}
		})
	}
}

func TestParseFeatureKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	g, _, err := ParseFeature([]byte(feature(squareJSON, `{"schedule":{"zone":"Europe/Berlin","weekly":{"mo":["08:00-20:00"]}}}`)))
	if err != nil || g.Schedule == nil {
		t.Fatalf("got %v, %v", g.Schedule, err)
	}
	again, _, err := ParseFeature(g.AppendFeature(nil))
	if err != nil || again.Schedule.Hours() != g.Schedule.Hours() || again.Schedule.Zone().String() != "Europe/Berlin" {
		t.Errorf("got %v, %v, want %v", again.Schedule, err, g.Schedule)
	}
}

func TestParseFeatureTakesTheScheduleAsText(t *testing.T) {
	t.Parallel()
	g, _, err := ParseFeature([]byte(feature(squareJSON, `{"schedule":"Mo-Sa 07:00-18:00"}`)))
	if err != nil || g.Schedule.Hours() != "Mo-Sa 07:00-18:00; Su closed" {
		t.Fatalf("got %q, %v", g.Schedule.Hours(), err)
	}
	again, _, err := ParseFeature(g.AppendFeature(nil))
	if err != nil || again.Schedule.Hours() != g.Schedule.Hours() || again.Schedule.HasZone() {
		t.Errorf("got %q, %v, want %q without a zone", again.Schedule.Hours(), err, g.Schedule.Hours())
	}
}

func TestParseFeatureRefuses(t *testing.T) {
	t.Parallel()
	withID := func(id string) string { return strings.Replace(feature(squareJSON, `{}`), `"a"`, id, 1) }
	polygon := func(coordinates string) string {
		return feature(`{"type":"Polygon","coordinates":`+coordinates+`}`, `{}`)
	}
	tests := []struct {
		name, give, at, what string
	}{
		{"nothing", ``, "", "malformed JSON"},
		{"cut short", `{"type":"Feature"`, "", "malformed JSON at byte 17"},
		{"a list", `[]`, "", "want a GeoJSON Feature"},
		{"two values", `{}{}`, "", "malformed JSON"},
		{"a bare geometry", squareJSON, "/type", `got "Polygon", want "Feature"`},
		{"an id that is a list", withID(`["a"]`), "/id", "got an array"},
		{"an id that is a fraction", withID(`1.5`), "/id", "got 1.5, want a string or a whole number"},
		{"an empty id", withID(`""`), "/id", "id has 0 characters, want 1 to 128"},
		{"a long id", withID(`"` + strings.Repeat("é", 129) + `"`), "/id", "129 characters"},
		{"a word of the API: nearby", withID(`"nearby"`), "/id", "a word of the API"},
		{"a word of the API: match", withID(`"match"`), "/id", "a word of the API"},
		{"properties that are a list", feature(squareJSON, `[]`), "/properties", "got an array"},
		{"a name that is a number", feature(squareJSON, `{"name":5}`), "/properties/name", "got 5, want a string"},
		{"a negative dwell", feature(squareJSON, `{"dwell_s":-1}`), "/properties/dwell_s", "got -1, want seconds"},
		{"a dwell in words", feature(squareJSON, `{"dwell_s":"5 min"}`), "/properties/dwell_s", `got "5 min", want a number`},
		{"tags that are a word", feature(squareJSON, `{"tags":"x"}`), "/properties/tags", `want a list of strings`},
		{"a tag that is a number", feature(squareJSON, `{"tags":["x",1]}`), "/properties/tags/1", `got 1, want a string`},
		{"half a floor", feature(squareJSON, `{"floor":0.5}`), "/properties/floor", "want a whole number"},
		{"an unknown status", feature(squareJSON, `{"status":"on"}`), "/properties/status", `got "on", want "live" or "draft"`},
		{"an unknown trigger", feature(squareJSON, `{"triggers":["enter","leave"]}`), "/properties/triggers/1", `got "leave"`},
		{"a bad schedule", feature(squareJSON, `{"schedule":{"zone":"Mars/Olympus"}}`), "/properties/schedule/zone", "Mars/Olympus"},
		{"no geometry", feature(`null`, `{}`), "/geometry", "no geometry"},
		{"a geometry that is a word", feature(`"Polygon"`, `{}`), "/geometry", "want an object"},
		{"a geometry of another type", feature(`{"type":"MultiPoint","coordinates":[]}`, `{}`), "/geometry/type", `got "MultiPoint"`},
		{"no coordinates", feature(`{"type":"Polygon"}`, `{}`), "/geometry/coordinates", "want an array"},
		{"a point without a radius", feature(pointJSON, `{}`), "/properties/radius_m", "no area"},
		{"a radius in words", feature(pointJSON, `{"radius_m":"50"}`), "/properties/radius_m", `got "50"`},
		{"no radius to speak of", feature(pointJSON, `{"radius_m":0}`), "/properties/radius_m", "above 0"},
		{"a line without a width", feature(`{"type":"LineString","coordinates":[[0,0],[1,1]]}`, `{}`), "/properties/width_m", "no area"},
		{"latitude first", feature(`{"type":"Point","coordinates":[51.5,-140]}`, `{"radius_m":5}`), "/geometry/coordinates", "latitude: got -140"},
		{"a ring of numbers", polygon(`[[0,0]]`), "/geometry/coordinates/0/0", "got 0, want a position"},
		{"a word among numbers", polygon(`[[[0,0],[1,"0"],[1,1],[0,0]]]`), "/geometry/coordinates/0/1/1", `got "0", want a number`},
		{"null among numbers", polygon(`[[[0,0],[null,0],[1,1],[0,0]]]`), "/geometry/coordinates/0/1/0", `got null, want a number`},
		{"half a position", polygon(`[[[0,0],[1],[1,1],[0,0]]]`), "/geometry/coordinates/0/1", `position has 1 numbers`},
		{"a number beyond all", polygon(`[[[0,0],[1e999,0],[1,1],[0,0]]]`), "/geometry/coordinates/0/1/0", `got 1e999`},
		{"a bow tie", polygon(`[[[0,0],[1,1],[1,0],[0,1],[0,0]]]`), "/geometry/coordinates/0/0", "crosses itself"},
		{"a bad cell", feature(`null`, `{"cells":["8a195da49d47fff","x"]}`), "/properties/cells/1", "hexadecimal"},
		{"a cell that is a number", feature(`null`, `{"cells":[613]}`), "/properties/cells/0", "want an H3 cell as a string"},
		{"no cells", feature(`null`, `{"cells":[]}`), "/properties/cells", "no cell"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ParseFeature([]byte(test.give))
			fault := new(Fault)
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a Fault", err)
			}
			if fault.At != test.at || !strings.Contains(fault.What, test.what) {
				t.Errorf("got %q: %q, want %q: %q", fault.At, fault.What, test.at, test.what)
			}
		})
	}
}

func FuzzParseFeature(f *testing.F) {
	f.Add([]byte(feature(squareJSON, `{"name":"x","schedule":{"zone":"UTC"},"other":[1]}`)))
	f.Add([]byte(feature(pointJSON, `{"radius_m":1e3,"payload":null}`)))
	f.Add([]byte(feature(`{"type":"LineString","coordinates":[[179.9,0],[-179.9,0,5]]}`, `{"width_m":5}`)))
	f.Add([]byte(feature(`null`, `{"cells":["8a195da49d47fff"]}`)))
	f.Add([]byte(feature(`{"type":"MultiPolygon","coordinates":[[[[179,0],[-179,0],[-179,1],[179,0]]]]}`, `{}`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, _, err := ParseFeature(raw)
		if err != nil {
			return
		}
		written := g.AppendFeature(nil)
		if !json.Valid(written) {
			t.Fatalf("%q is written as %q", raw, written)
		}
		again, _, err := ParseFeature(written)
		if err != nil {
			t.Fatalf("%q is written as %q, which is refused: %v", raw, written, err)
		}
		if twice := again.AppendFeature(nil); string(twice) != string(written) {
			t.Fatalf("got %s the second time, %s the first", twice, written)
		}
		if c := g.Shape.Bounds().Center(); g.Shape.Contains(c) && !g.Shape.Bounds().Contains(c) {
			t.Fatalf("%s: the middle of the bounds is not in them", written)
		}
	})
}

// TestParseFeatureNotesWhatIsHardlyMeant holds what is right, and told of all the same, because nobody can have meant it.
func TestParseFeatureNotesWhatIsHardlyMeant(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, geometry, properties, at, want string }{
		{"a radius of a polygon", squareJSON, `{"radius_m":5}`, "/properties/radius_m", `"radius_m" says nothing of a Polygon; it was kept as a property of yours`},
		{"a width of a point", pointJSON, `{"radius_m":5,"width_m":5}`, "/properties/width_m", `"width_m" says nothing of a Point; it was kept as a property of yours`},
		{"a dwell without a time", pointJSON, `{"radius_m":5,"triggers":["enter","dwell"]}`, "/properties/triggers", "a dwell is never told without dwell_s"},
		{"an approach without a distance", pointJSON, `{"radius_m":5,"triggers":["approach"]}`, "/properties/triggers", "an approach is never told without approach_m"},
		{"a slip under a name with a slash", pointJSON, `{"radius_m":5,"floor/":1}`, "/properties/floor~1", `"floor/" was kept as a property of yours; did you mean "floor"?`},
		{"all that is told has what it needs", pointJSON, `{"radius_m":5,"triggers":["dwell","approach"],"dwell_s":1,"approach_m":1}`, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, noted, err := ParseFeature([]byte(feature(test.geometry, test.properties)))
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" && len(noted) == 0 {
				return
			}
			if len(noted) != 1 || noted[0].At != test.at || noted[0].What != test.want {
				t.Errorf("got %v, want %s: %s", noted, test.at, test.want)
			}
		})
	}
}

func TestParseFeatureNotesSlips(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, give, want string }{
		{"a letter too few", "dwel_s", "dwell_s"},
		{"a letter too many", "approache_m", "approach_m"},
		{"another letter", "prioritx", "priority"},
		{"another case", "Schedule", "schedule"},
		{"one of ours", "floor", ""},
		{"one of theirs", "colour", ""},
		{"short names are like many", "game", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			raw := `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":50,"` + test.give + `":3}}`
			g, mended, err := ParseFeature([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(mended) > 0 {
				got = mended[0].What
			}
			want := ""
			if test.want != "" {
				want = `"` + test.give + `" was kept as a property of yours; did you mean "` + test.want + `"?`
			}
			if got != want || want != "" && string(g.Foreign) != `{"`+test.give+`":3}` {
				t.Errorf("got %q and kept %s, want %q", got, g.Foreign, want)
			}
		})
	}
}
