package track

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"satnav/geo"
)

func fixAt(second int, lat, lng float64) geo.Fix {
	return geo.Fix{At: time.Unix(1_795_338_843+int64(second), 0).UTC(), Point: geo.Point{Lat: lat, Lng: lng}}
}

func TestRead(t *testing.T) {
	t.Parallel()
	full := fixAt(5, 51.51, -0.13)
	floor := 2
	full.AccuracyMeters, full.Floor, full.Mocked = 7.5, &floor, true
	half := fixAt(0, 51.5, -0.12)
	half.At = half.At.Add(500 * time.Millisecond)
	for _, tc := range []struct {
		name, give string
		want       []geo.Fix
	}{
		{"CSV", "t,lat,lng\n1795338843,51.5,-0.12\n", []geo.Fix{fixAt(0, 51.5, -0.12)}},
		{"CSV, all columns in another order", "\ufeffmocked,Floor, accuracy_m,lng,lat,t,note\ntrue,2,7.5,-0.13,51.51,2026-11-22T09:14:08+00:00,x\n,,,-0.12,51.5,1795338843,y\n",
			[]geo.Fix{full, fixAt(0, 51.5, -0.12)}},
		{"a fraction of a second", "t,lat,lng\n1795338843.5,51.5,-0.12\n", []geo.Fix{half}},
		{"NDJSON", `{"t": 1795338848, "lat": 51.51, "lng": -0.13, "accuracy_m": 7.5, "floor": 2, "mocked": true}` + "\n\n" + `{"at": "2026-11-22T09:14:03Z", "lat": 51.5, "lng": -0.12, "floor": null}`,
			[]geo.Fix{full, fixAt(0, 51.5, -0.12)}},
		{"GPX", `<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="1" lon="1"/><trk><trkseg>
			<trkpt lat="51.51" lon="-0.13"><ele>3</ele><time>2026-11-22T09:14:08Z</time><extensions><accuracy_m>7.5</accuracy_m><floor>2</floor><mocked>true</mocked></extensions></trkpt></trkseg><trkseg>
			<trkpt lat="51.5" lon="-0.12"><time>2026-11-22T09:14:03Z</time></trkpt></trkseg></trk></gpx>`, []geo.Fix{full, fixAt(0, 51.5, -0.12)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(strings.NewReader(tc.give))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, give, want string }{
		{"nothing", " \n", "the track is empty"},
		{"a header alone", "t,lat,lng\n", "the track has no fix"},
		{"a column is missing", "t,lat\n1,2\n", "lng is missing"},
		{"a column twice", "t,lat,lng,lat\n", `column "lat" is there twice`},
		{"no number", "t,lat,lng\n1,2,3\n1,north,3\n", `line 3, lat: got "north", want a number from -90 to 90`},
		{"NaN", "t,lat,lng\n1,NaN,3\n", `line 2, lat: got "NaN"`},
		{"off the globe", "t,lat,lng\n1,2,181\n", "want a number from -180 to 180"},
		{"no time", "t,lat,lng\nyesterday,2,3\n", "want RFC 3339"},
		{"milliseconds", "t,lat,lng\n1795338843000,2,3\n", "Unix seconds"},
		{"accuracy below 0", "t,lat,lng,accuracy_m\n1,2,3,-1\n", "accuracy_m: got"},
		{"half a floor", "t,lat,lng,floor\n1,2,3,1.5\n", "floor: got"},
		{"perhaps mocked", "t,lat,lng,mocked\n1,2,3,perhaps\n", "mocked: got"},
		{"too few cells", "t,lat,lng\n1,2\n", "line 2"},
		{"broken JSON", "{\"t\": 1,\n", "line 1"},
		{"JSON without a time", `{"lat": 1, "lng": 2}`, `line 1, t: got ""`},
		{"GPX without a time", `<gpx><trkpt lat="1" lon="2"/></gpx>`, "track point 1, t: got"},
		{"GPX cut off", `<gpx><trkpt lat="1" lon="2">`, "track point 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Read(strings.NewReader(tc.give)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("t,lat,lng,accuracy_m,floor,mocked\n1,2,3,4,5,true\n"))
	f.Add([]byte(`{"t": "2026-11-22T09:14:03Z", "lat": 1e1, "lng": 2}`))
	f.Add([]byte(`<gpx><trkpt lat="1" lon="2"><time>2026-11-22T09:14:03Z</time></trkpt></gpx>`))
	f.Fuzz(func(t *testing.T, give []byte) {
		fixes, err := Read(bytes.NewReader(give))
		if err != nil && fixes != nil {
			t.Fatal("fixes beside an error")
		}
		for _, fix := range fixes {
			if err := fix.Check(); err != nil {
				t.Fatalf("%+v: %v", fix, err)
			}
			if year := fix.At.Year(); year < 0 || year > 9999 {
				t.Fatalf("year %d", year)
			}
		}
	})
}

func TestPoints(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, give, want string }{
		{"lng,lat", "lng,lat\n2.5,48\n-1,1\n", "[{48 2.5} {1 -1}] <nil>"},
		{"a track", "t,lat,lng,accuracy_m\n1,48,2.5,3\n", "[{48 2.5}] <nil>"},
		{"no header", "2.5,48\n", `[] header: got "2.5,48", want lng,lat, or others with lng and lat among them`},
		{"off the globe", "lng,lat\n1,1\n2.5,91\n", `[{1 1}] line 3, lat: got "91", want a number from -90 to 90`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			points, last := []geo.Point{}, error(nil)
			for p, err := range Points(strings.NewReader(tc.give)) {
				if last = err; err == nil {
					points = append(points, p)
				}
			}
			if got := fmt.Sprint(points, " ", last); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// walked is a walk through a circle of 60 m and out again, with a stop inside.
func walked(t *testing.T) (*geo.Index, []geo.Fix) {
	t.Helper()
	circle, err := geo.NewCircle(geo.Point{Lat: 51.5, Lng: -0.12}, 60)
	if err != nil {
		t.Fatal(err)
	}
	index := geo.NewIndex([]geo.Geofence{{ID: "bakery", Name: "Bakery", Shape: circle, Status: geo.Draft, Wants: geo.WantEnter | geo.WantDwell, Dwell: 30 * time.Second}})
	var fixes []geo.Fix
	for i := range 60 {
		lat := 51.4980 + float64(i)*0.0001
		if i > 20 {
			lat = max(51.5, lat-0.0015)
		}
		f := fixAt(8*i, lat, -0.12)
		f.AccuracyMeters = 5
		fixes = append(fixes, f)
	}
	return index, fixes
}

// TestReplayIsRepeatable holds that a replay gives the same bytes in every form when it is run twice, and whatever the
// order of the fixes in the file.
func TestReplayIsRepeatable(t *testing.T) {
	t.Parallel()
	index, fixes := walked(t)
	mixed := append(append([]geo.Fix{}, fixes[30:]...), fixes[:30]...)
	for _, form := range []Form{Text, NDJSON, GeoJSON} {
		var first, again, shuffled bytes.Buffer
		for out, give := range map[*bytes.Buffer][]geo.Fix{&first: fixes, &again: fixes, &shuffled: mixed} {
			if err := Write(out, form, give, Replay(index, give)); err != nil {
				t.Fatal(err)
			}
		}
		if first.String() != again.String() || first.String() != shuffled.String() {
			t.Errorf("%s: it came out differently", form)
		}
		for _, want := range []string{"enter", "dwell", "exit", "bakery"} {
			if !strings.Contains(first.String(), want) {
				t.Errorf("%s: %q is not in %s", form, want, &first)
			}
		}
	}
}

// TestReplayTells holds what a crossing tells: when, where, why, and that an exit nobody wants is not told.
func TestReplayTells(t *testing.T) {
	t.Parallel()
	index, fixes := walked(t)
	all := Replay(index, fixes)
	if len(all) != 3 {
		t.Fatalf("got %+v, want enter, dwell and exit", all)
	}
	for i, want := range []geo.Kind{geo.Enter, geo.Dwell, geo.Exit} {
		c := &all[i]
		if c.Kind != want || c.Geofence != "bakery" || c.DecidedAt.Before(c.At) || c.Reason.Rule == "" || c.Why() == "" {
			t.Errorf("got %+v, want %s", c, want)
		}
	}
	if !all[0].Told || all[2].Told || all[2].Withheld != "not_wanted" {
		t.Errorf("told: got %+v", all)
	}
}
