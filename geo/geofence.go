package geo

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"
)

// Geofence is an area, and what a retailer wants to be told about it. It is immutable once it is in an Index.
type Geofence struct {
	ID       string // 1 to 128 characters
	Name     string
	Shape    Shape
	Floor    *int // nil: every floor
	Tags     []string
	Priority int    // higher first among geofences crossed by the same fix
	Payload  []byte // JSON, handed back with each trigger; nil: none
	Store    string // linked store; empty: none
	Status   Status

	// Foreign holds the GeoJSON properties that are not ours, as they came: a JSON object; nil: none.
	Foreign []byte

	Schedule *Schedule // opening hours in the geofence's own zone; nil: always open
	Wants    Wants     // the crossings that are told as triggers
	Dwell    time.Duration
	// ApproachMeters is the distance from the boundary at which an approach is told; 0: never.
	ApproachMeters float64
	Cooldown       time.Duration // least time between two enters of one shopper that are told; 0: none
	DailyCap       int           // most enters told to one shopper in a local day; 0: no cap

	// Version counts the edits of this geofence. A presence remembers it, so that an edit under
	// somebody's feet is noticed.
	Version int64
}

// MaxNameLength is the most characters of a name.
const MaxNameLength = 200

// Check says what of a geofence cannot be told to apps, or nil. A file may hold it, and a replay may try it.
func (g *Geofence) Check() error {
	if n := utf8.RuneCountInString(g.Name); n > MaxNameLength {
		return &Fault{Code: FaultTooLong, At: "/properties/name", What: fmt.Sprintf("got %d characters, want at most %d", n, MaxNameLength), Mend: "put what is longer into the payload"}
	}
	if payload := bytes.TrimSpace(g.Payload); len(payload) > 0 && payload[0] != '{' {
		return &Fault{Code: FaultWrongType, At: "/properties/payload", What: "got " + shown(payload) + ", want an object", Mend: "wrap it, as {\"value\": …}"}
	}
	return nil
}

// Status says whether a geofence takes part in live matching.
type Status uint8

const (
	Live  Status = iota // matched, and its crossings are told
	Draft               // seen by replay only
)

// Wants is the set of crossing kinds that a geofence tells as triggers.
type Wants uint8

const (
	WantEnter Wants = 1 << iota
	WantDwell
	WantExit
	WantApproach
)

// Shape is the area of a geofence. A point on the boundary is inside. Shapes are immutable and safe
// for concurrent use.
type Shape interface {
	// Contains tells exactly whether p is inside or on the boundary.
	Contains(p Point) bool
	// Distance is the distance in metres from p to the boundary, negative inside.
	Distance(p Point) float64
	// Bounds is the smallest latitude/longitude box around the shape.
	Bounds() Bounds
}

// Bounds is a latitude/longitude box. West > East means that it crosses the antimeridian.
type Bounds struct{ South, West, North, East float64 }
