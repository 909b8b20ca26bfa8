package geo

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// Crossing is something that happened between a shopper and a geofence. It is a trigger when it is told.
type Crossing struct {
	// ID is the same wherever and however often the crossing is found: by the call that brought the
	// fix, by its retry, by the worker that settles what no fix will, and by a replay.
	ID       string `json:"id"`
	Geofence string `json:"geofence"`
	Version  int64  `json:"version"`
	Kind     Kind   `json:"kind"`

	At        time.Time `json:"at"`         // when it happened, as far as the fixes show
	DecidedAt time.Time `json:"decided_at"` // the fix, or the moment without one, that settled it
	Point     Point     `json:"point"`      // of the fix at At; of the last one seen where time decided
	Reason    Reason    `json:"reason"`

	// Told is false when the geofence does not want this kind, or when something holds it back;
	// Withheld says what. The visit goes on all the same.
	Told     bool     `json:"told"`
	Withheld Withheld `json:"withheld,omitempty"`

	// Asked is the time of the fix with which the crossing was first returned; zero: by the worker. A
	// retry of that fix returns it again.
	Asked time.Time `json:"-"`
}

// Kind is what happened.
type Kind string

const (
	Enter    Kind = "enter"
	Dwell    Kind = "dwell"
	Exit     Kind = "exit"
	Approach Kind = "approach"
)

func (k Kind) wanted() Wants {
	switch k {
	case Enter:
		return WantEnter
	case Dwell:
		return WantDwell
	case Exit:
		return WantExit
	default:
		return WantApproach
	}
}

// Withheld says why a crossing is not told.
type Withheld string

const (
	NotWanted Withheld = "not_wanted" // the geofence does not ask for this kind
	Cooldown  Withheld = "cooldown"   // too soon after the last visit that was told
	DailyCap  Withheld = "daily_cap"  // enough visits were told today
)

// Rule names what decided a crossing.
type Rule string

const (
	RulePosition  Rule = "position"  // the position, with confidence
	RuleWitness   Rule = "witness"   // a position that needed a second fix to be believed, and got it
	RuleUnopposed Rule = "unopposed" // a position that no other fix opposed for a while
	RuleDwell     Rule = "dwell"     // time spent inside
	RuleNear      Rule = "near"      // the distance to the boundary
	RuleFloor     Rule = "floor"     // another floor
	RuleClosed    Rule = "closed"    // the geofence closed for now
	RuleEnded     Rule = "ended"     // the geofence's schedule ended for good
	RuleDeleted   Rule = "deleted"   // the geofence is no longer there
	RuleEdited    Rule = "edited"    // the geofence was moved away from under the shopper
	RuleDraft     Rule = "draft"     // the geofence went back to draft
	RuleSilence   Rule = "silence"   // nothing was heard for a day
)

// Reason says why a crossing was decided: enough for a manager to see "why did it fire".
type Reason struct {
	Rule Rule `json:"rule"`
	// DistanceMeters is how far the shopper was thought to be from the boundary, negative inside, and
	// AccuracyMeters the radius that held the true position with a probability of 68 %: both
	// estimated from all fixes so far, not from the last one alone.
	DistanceMeters float64 `json:"distance_m"`
	AccuracyMeters float64 `json:"accuracy_m"`
	Probability    float64 `json:"probability"` // of being inside; of being within reach for an approach
	// Fix is the fix that decided; nil when time did.
	Fix      *Fix     `json:"fix,omitempty"`
	Distrust Distrust `json:"distrust,omitempty"`
}

// Distrust says what was odd about a fix. Such a fix is given less weight, never thrown away in silence.
type Distrust string

const (
	DistrustMocked   Distrust = "mocked"   // another app made the position up
	DistrustAccuracy Distrust = "accuracy" // claimed to be more accurate than phones are
	DistrustJump     Distrust = "jump"     // farther from the track than anybody moves
)

// visitID derives the id of a crossing from the shopper, the geofence, the first fix of its visit (or
// approach) and its kind. A shopper cannot begin two visits of one geofence with the same fix, so no
// counter has to be kept for ever, and the order in which late fixes arrive changes no id.
func visitID(shopper, geofence string, begin time.Time, kind Kind) string {
	h := sha256.New()
	for _, part := range [3]string{shopper, geofence, string(kind)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(begin.UnixNano()))
	h.Write(at[:])
	return "x" + crossingEncoding.EncodeToString(h.Sum(nil)[:16])
}

// crossingEncoding is base32 in lower case: safe in URLs, file names and double clicks.
var crossingEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
