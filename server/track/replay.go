package track

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"satnav/geo"
)

// Crossing is what happened on a track, as it is printed: a line of NDJSON, a Feature of GeoJSON.
type Crossing struct {
	Geofence  string    `json:"geofence"`
	Kind      geo.Kind  `json:"kind"`
	At        time.Time `json:"at"`         // when it happened
	DecidedAt time.Time `json:"decided_at"` // the fix that settled it
	Lat       float64   `json:"lat"`
	Lng       float64   `json:"lng"`
	Reason    Reason    `json:"reason"`
	Told      bool      `json:"told"`
	Withheld  string    `json:"withheld,omitempty"` // why it is not told
}

// Reason says why.
type Reason struct {
	Rule           geo.Rule     `json:"rule"`
	DistanceMeters float64      `json:"distance_m"` // to the boundary, negative inside
	AccuracyMeters float64      `json:"accuracy_m"`
	Probability    float64      `json:"probability"`
	Fix            *Fix         `json:"fix,omitempty"` // that decided; absent when time did
	Distrust       geo.Distrust `json:"distrust,omitempty"`
}

// Fix is a fix as a track has it.
type Fix struct {
	T              time.Time `json:"t"`
	Lat            float64   `json:"lat"`
	Lng            float64   `json:"lng"`
	AccuracyMeters float64   `json:"accuracy_m,omitempty"`
	Floor          *int      `json:"floor,omitempty"`
	Mocked         bool      `json:"mocked,omitempty"`
}

// Replay lists every crossing of a track, in the order in which it would have been told; see geo.Replay.
func Replay(fences *geo.Index, fixes []geo.Fix) []Crossing {
	all := []Crossing{}
	for c := range geo.Replay(fences, fixes, time.Time{}) {
		all = append(all, crossingFrom(&c))
	}
	return all
}

func crossingFrom(c *geo.Crossing) Crossing {
	out := Crossing{
		Geofence: c.Geofence, Kind: c.Kind, At: c.At, DecidedAt: c.DecidedAt, Lat: c.Point.Lat, Lng: c.Point.Lng,
		Told: c.Told, Withheld: string(c.Withheld),
		Reason: Reason{
			Rule: c.Reason.Rule, DistanceMeters: c.Reason.DistanceMeters, AccuracyMeters: c.Reason.AccuracyMeters,
			Probability: c.Reason.Probability, Distrust: c.Reason.Distrust,
		},
	}
	if f := c.Reason.Fix; f != nil {
		out.Reason.Fix = &Fix{T: f.At, Lat: f.Lat, Lng: f.Lng, AccuracyMeters: f.AccuracyMeters, Floor: f.Floor, Mocked: f.Mocked}
	}
	return out
}

// words for each rule, for people.
var words = map[geo.Rule]string{
	geo.RulePosition: "its place and course were clear", geo.RuleWitness: "a second fix agreed", geo.RuleUnopposed: "no other fix spoke against it",
	geo.RuleDwell: "stayed long enough", geo.RuleNear: "came near", geo.RuleFloor: "another floor", geo.RuleClosed: "the geofence closed",
	geo.RuleEnded: "its schedule ended", geo.RuleDeleted: "it was deleted", geo.RuleEdited: "it was edited", geo.RuleDraft: "it went back to draft",
	geo.RuleSilence: "nothing was heard for a day",
}

// Why says in one line why it happened: "12 m inside ± 5 m, 99 % sure: a second fix agreed".
func (c *Crossing) Why() string {
	side := fmt.Sprintf("%.0f m outside", c.Reason.DistanceMeters)
	if c.Reason.DistanceMeters <= 0 {
		side = fmt.Sprintf("%.0f m inside", -c.Reason.DistanceMeters)
	}
	rule, ok := words[c.Reason.Rule]
	if !ok {
		rule = string(c.Reason.Rule)
	}
	certain := c.Reason.Probability
	if c.Kind == geo.Exit {
		certain = 1 - certain
	}
	why := fmt.Sprintf("%s ± %.0f m, %.0f %% sure: %s", side, c.Reason.AccuracyMeters, 100*certain, rule)
	if c.Kind == geo.Dwell || c.Reason.Fix == nil {
		why = fmt.Sprintf("%s ± %.0f m: %s", side, c.Reason.AccuracyMeters, rule)
	}
	if c.Reason.Distrust != "" {
		why += fmt.Sprintf(" (distrusted: %s)", c.Reason.Distrust)
	}
	if !c.Told {
		why += fmt.Sprintf("; not told: %s", c.Withheld)
	}
	return why
}

// Form is how an outcome is printed.
type Form string

// The forms.
const (
	Text    Form = "text"    // a line for people
	NDJSON  Form = "ndjson"  // a Crossing a line
	GeoJSON Form = "geojson" // a FeatureCollection: the track as a line, and a point for each crossing
)

// Write prints an outcome. The same outcome gives the same bytes.
func Write(w io.Writer, form Form, fixes []geo.Fix, crossings []Crossing) error {
	out := bufio.NewWriter(w)
	var err error
	switch form {
	case NDJSON:
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		for i := range crossings {
			if err = encoder.Encode(&crossings[i]); err != nil {
				break
			}
		}
	case GeoJSON:
		err = writeGeoJSON(out, fixes, crossings)
	default:
		for i := range crossings {
			c := &crossings[i]
			delay := ""
			if late := c.DecidedAt.Sub(c.At); late > 0 {
				delay = fmt.Sprintf(" (settled %s later)", late.Round(time.Second))
			}
			fmt.Fprintf(out, "%s  %-8s %s%s: %s\n", c.At.Format("2006-01-02 15:04:05Z07:00"), c.Kind, c.Geofence, delay, c.Why())
		}
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

type feature struct {
	Type       string   `json:"type"`
	Geometry   geometry `json:"geometry"`
	Properties any      `json:"properties"`
}

type geometry struct {
	Type        string `json:"type"`
	Coordinates any    `json:"coordinates"`
}

func writeGeoJSON(w io.Writer, fixes []geo.Fix, crossings []Crossing) error {
	line := make([][2]float64, len(fixes))
	for i, f := range InOrder(fixes) {
		line[i] = [2]float64{f.Lng, f.Lat}
	}
	track := geometry{"LineString", line}
	if len(line) == 1 {
		track = geometry{"Point", line[0]} // a line has two positions at least
	}
	features := []feature{{"Feature", track, map[string]any{"track": true, "fixes": len(fixes)}}}
	for i := range crossings {
		c := &crossings[i]
		features = append(features, feature{"Feature", geometry{"Point", [2]float64{c.Lng, c.Lat}}, c})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Type     string    `json:"type"`
		Features []feature `json:"features"`
	}{"FeatureCollection", features})
}
