// Package when turns an instant at a place into what it means there: local time, daypart, weekday,
// holiday, distance to payday.
//
// It exists so that "now" is one value that goes in as an argument: tests, replays and evaluations of
// past days run the same code. Decided against: reading a clock, and resolving time zones or holiday
// calendars here (server does both once, when a store is saved).
package when

import "time"

// Moment is an instant at a place.
type Moment struct {
	Instant time.Time // in the place's zone
	Daypart Daypart
	Holiday string // name; empty: none
	// Payday is how many days the nearest payday lies ahead (positive) or back (negative); 0 on the day.
	Payday int
}

// Daypart is a part of a local day, in the words of retail.
type Daypart string

const (
	Night     Daypart = "night"     // 22 to 6
	Morning   Daypart = "morning"   // 6 to 11
	Midday    Daypart = "midday"    // 11 to 14
	Afternoon Daypart = "afternoon" // 14 to 17
	Evening   Daypart = "evening"   // 17 to 22
)
