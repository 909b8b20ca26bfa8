package api

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"satnav/geo"
	"satnav/sdk-contract/wire"
)

func TestReadPoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, give string
		want       []geo.Point
		plain      bool
	}{
		{"two points", `{"points":[[-0.12,51.5],[2.3522,48.8566]]}`, []geo.Point{{Lat: 51.5, Lng: -0.12}, {Lat: 48.8566, Lng: 2.3522}}, true},
		{"space everywhere", " { \"points\" : [ [ 1 , -2 ] ] }\n", []geo.Point{{Lat: -2, Lng: 1}}, true},
		{"none", `{"points":[]}`, nil, true},
		{"many digits", `{"points":[[-0.1234567890123456789,51.5]]}`, []geo.Point{{Lat: 51.5, Lng: -0.1234567890123456789}}, true},
		{"an exponent is for the full reader", `{"points":[[1e1,2]]}`, nil, false},
		{"a leading zero", `{"points":[[01,2]]}`, nil, false},
		{"no digit after the point", `{"points":[[1.,2]]}`, nil, false},
		{"three numbers", `{"points":[[1,2,3]]}`, nil, false},
		{"one number", `{"points":[[1]]}`, nil, false},
		{"text", `{"points":[["1",2]]}`, nil, false},
		{"another field", `{"points":[],"a":1}`, nil, false},
		{"twice", `{"points":[],"points":[]}`, nil, false},
		{"more after it", `{"points":[]}{}`, nil, false},
		{"a comma too many", `{"points":[[1,2],]}`, nil, false},
		{"cut short", `{"points":[[1,2]`, nil, false},
		{"the edges of the earth", `{"points":[[-180,-90],[180,90]]}`, []geo.Point{{Lat: -90, Lng: -180}, {Lat: 90, Lng: 180}}, true},
		{"beyond a pole", `{"points":[[50,90.1]]}`, nil, false},
		{"beyond the antimeridian", `{"points":[[-180.1,50]]}`, nil, false},
		{"too many", `{"points":[` + strings.Repeat(`[0,0],`, 10_000) + `[0,0]]}`, nil, false},
		{"nothing", ``, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, plain := readPoints([]byte(c.give), nil)
			if plain != c.plain || plain && !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v, %v", got, plain, c.want, c.plain)
			}
		})
	}
}

// FuzzReadPoints holds that what readPoints reads is what decodeJSON reads.
func FuzzReadPoints(f *testing.F) {
	f.Add([]byte(`{"points":[[-0.12,51.5],[2.3522,48.8566]]}`))
	f.Add([]byte(`{"points":[[-0.1234567890123456789,123456789012345678]]}`))
	f.Add([]byte(`{"points":[[180,-90],[-180.000001,0]]}`))
	f.Add([]byte(` {"points" : [ [ -0.0 , 0.1e1 ] ] } `))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, plain := readPoints(bytes.Clone(body), nil)
		if !plain {
			return
		}
		var want wire.MatchRequest
		if err := decodeJSON(body, &want); err != nil {
			t.Fatalf("%s: read, but the full reader says %v", body, err)
		}
		if len(got) != len(want.Points) {
			t.Fatalf("%s: got %d points, want %d", body, len(got), len(want.Points))
		}
		for i, p := range want.Points {
			if got[i] != (geo.Point{Lng: p[0], Lat: p[1]}) {
				t.Fatalf("%s: point %d: got %v, want %v", body, i, got[i], p)
			}
		}
	})
}

// TestMatchAnswer holds that the answer means what encoding/json would write.
func TestMatchAnswer(t *testing.T) {
	t.Parallel()
	var fences []geo.Geofence
	for i, id := range []string{"b", "a<\"", "ü"} {
		circle, err := geo.NewCircle(geo.Point{Lat: 48, Lng: 11}, float64(100*(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		fences = append(fences, geo.Geofence{ID: id, Shape: circle})
	}
	room := &pointRoom{points: []geo.Point{{Lat: 48, Lng: 11}, {Lat: 1, Lng: 1}, {Lat: 48, Lng: 11.002}}}
	room.match(geo.NewIndex(fences))
	want, err := json.Marshal(wire.MatchResponse{Matches: [][]string{{"a<\"", "b", "ü"}, {}, {"a<\"", "ü"}}})
	if err != nil {
		t.Fatal(err)
	}
	if string(room.answer) != string(want) {
		t.Errorf("got %s, want %s", room.answer, want)
	}
}

// BenchmarkReadPoints pays for one point of a call with 1,000, beside the full reader.
func BenchmarkReadPoints(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	body := []byte(`{"points":[`)
	for i := range 1_000 {
		body = append(comma(body, i), '[')
		body = append(strconv.AppendFloat(body, rng.Float64()*360-180, 'f', 7, 64), ',')
		body = append(strconv.AppendFloat(body, rng.Float64()*180-90, 'f', 7, 64), ']')
	}
	body = append(body, `]}`...)
	b.Run("plain", func(b *testing.B) {
		var points []geo.Point
		for b.Loop() {
			var plain bool
			if points, plain = readPoints(body, points[:0]); !plain {
				b.Fatal("not plain")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1_000), "ns/point")
	})
	b.Run("full", func(b *testing.B) {
		for b.Loop() {
			var in wire.MatchRequest
			if err := decodeJSON(body, &in); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1_000), "ns/point")
	})
}
