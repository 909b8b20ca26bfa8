package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"satnav/geo"
	"satnav/server/track"
)

// wellFormed ends the test unless text is XML without anything from elsewhere.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in %.300s", err, text)
		}
		if start, ok := token.(xml.StartElement); ok {
			for _, a := range start.Attr {
				if a.Name.Local == "href" || strings.Contains(a.Value, "://") && a.Name.Local != "xmlns" {
					t.Errorf("it asks for something else: %s=%q", a.Name.Local, a.Value)
				}
			}
		}
	}
}

func shapes(t *testing.T) []geo.Geofence {
	t.Helper()
	features := []string{
		`{"type":"Feature","id":"circle","geometry":{"type":"Point","coordinates":[-0.12,51.5]},"properties":{"radius_m":60,"name":"<Bakery> & \"Co\" \u0007"}}`,
		`{"type":"Feature","id":"hall","geometry":{"type":"Polygon","coordinates":[[[-0.1210,51.5010],[-0.1190,51.5010],[-0.1190,51.5020],[-0.1210,51.5020],[-0.1210,51.5010]],[[-0.1202,51.5013],[-0.1202,51.5016],[-0.1198,51.5016],[-0.1198,51.5013],[-0.1202,51.5013]]]},"properties":{"status":"draft"}}`,
		`{"type":"Feature","id":"street","geometry":{"type":"LineString","coordinates":[[-0.1215,51.4990],[-0.1185,51.4992]]},"properties":{"width_m":20}}`,
		`{"type":"Feature","id":"cells","geometry":null,"properties":{"cells":["` + geo.CellAt(geo.Point{Lat: 51.4985, Lng: -0.12}, 10).String() + `"]}}`,
	}
	fences := make([]geo.Geofence, len(features))
	for i, text := range features {
		fence, _, err := geo.ParseFeature([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		fences[i] = fence
	}
	return fences
}

func walk(lat, lng, dLat, dLng float64, n int) []geo.Fix {
	fixes := make([]geo.Fix, n)
	for i := range fixes {
		fixes[i] = geo.Fix{
			At: time.Unix(1_795_338_843+8*int64(i), 0), AccuracyMeters: 12, Mocked: i == 7,
			Point: geo.Point{Lat: lat + dLat*float64(i), Lng: lng + dLng*float64(i)},
		}
		if fixes[i].Lng > 180 {
			fixes[i].Lng -= 360
		}
	}
	return fixes
}

func TestReplay(t *testing.T) {
	t.Parallel()
	index := geo.NewIndex(shapes(t))
	for _, tc := range []struct {
		name  string
		fixes []geo.Fix
		want  []string
	}{
		{"a walk through all shapes", walk(51.4975, -0.12, 0.0001, 0, 50), []string{"&lt;Bakery&gt; &amp;", `class="fence draft"`, `class="corridor"`, `class="pin enter"`, "50 fixes", "sure"}},
		{"nothing near", walk(10, 10, 0.0001, 0, 20), []string{"Nothing was crossed."}},
		{"one fix", walk(51.5, -0.12, 0, 0, 1), []string{"1 fixes"}},
		{"over the antimeridian", walk(-17, 179.9990, 0, 0.0001, 20), []string{"Nothing was crossed."}},
		{"at a pole", walk(89.9999, 0, 0, 7, 20), []string{"20 fixes"}},
		{"no fix", nil, []string{"no fixes"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			crossings := track.Replay(index, tc.fixes)
			var first, again bytes.Buffer
			if err := errors.Join(Replay(&first, index, tc.fixes, crossings), Replay(&again, index, tc.fixes, crossings)); err != nil {
				t.Fatal(err)
			}
			wellFormed(t, first.String())
			if !bytes.Equal(first.Bytes(), again.Bytes()) {
				t.Error("drawn twice, it differs")
			}
			for _, want := range tc.want {
				if !strings.Contains(first.String(), want) {
					t.Errorf("%q is not in the picture", want)
				}
			}
			for _, never := range []string{"NaN", "Inf"} {
				if strings.Contains(first.String(), never) {
					t.Errorf("%s is in the picture", never)
				}
			}
		})
	}
}

// TestAntimeridianStaysTogether holds that a short walk over the antimeridian is not drawn around the globe.
func TestAntimeridianStaysTogether(t *testing.T) {
	t.Parallel()
	points := []geo.Point{{Lat: 0, Lng: 179.999}, {Lat: 0, Lng: -179.999}}
	v := around(points)
	x1, _ := v.at(points[0])
	x2, _ := v.at(points[1])
	if x2 <= x1 || x1 < margin || x2 > width-margin {
		t.Errorf("at %.0f and %.0f", x1, x2)
	}
}
