package visit

import (
	"time"

	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// Answer is what helps this shopper now, what just happened, and what both were made of.
type Answer struct {
	Suggestions []recommend.Suggestion
	Says        []recommend.Said // messages and reminders that are about no suggestion
	Triggers    []Trigger
	Place       where.Place
	Open        bool // Place.Store is open now
	Moment      when.Moment
	Next        Next
	Used        Used
}

// Arm is the arm of an experiment that a shopper is on.
type Arm struct{ Experiment, Arm string }

// Next tells the phone how long it may sleep.
type Next struct {
	SafeRadiusMeters float64 // within it nothing can happen; 0: not known
	CheckAgain       time.Duration
	At               geo.Point    // with Watch: where the phone is likely to be
	Watch            []geo.Region // nil: none was asked for
}

// Trigger is a crossing that its geofence wants told.
type Trigger struct {
	ID        string
	Geofence  string
	Kind      geo.Kind
	At        time.Time // when it happened
	DecidedAt time.Time // the fix that made it certain
	Reason    string    // why, when it is not the shopper who moved; empty: it is
	Payload   []byte    // JSON of the geofence; nil: none
	Proposal  *Proposal // what it suggests, or why it does not; nil: no rule was about it
}

// Used is the receipt of an answer: what it was really made of.
type Used struct {
	Permissions []string      // device permissions that were used
	Purposes    []who.Purpose // purposes for which data was read
	Location    string        // how precisely positions were used: "fix", "cell-10", …, "trail" (earlier ones alone), "none"
	History     bool          // loyalty history is in what was suggested, or left out
	Model       string        // version of the suggestion model
	Rules       string        // version of the rule set
	Arms        []Arm         // experiments that could matter by now, and the arm of each
	Degraded    []string      // what was left out because something was away
	Distrust    []string      // why positions were not trusted fully, or not used
	Skew        time.Duration // by which the device's clock was corrected
}
