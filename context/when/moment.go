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
	// Payday is how many days the nearest payday lies ahead (positive) or back (negative); 0 on the
	// day; of two equally far the one ahead. NoPayday where none is known.
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

// Dayparts lists all dayparts in the order of a day.
var Dayparts = []Daypart{Night, Morning, Midday, Afternoon, Evening}

// At is what an instant means in a zone (nil: UTC) whose days the calendar describes. It follows the
// clock on the wall, so an hour that a clock change repeats has the same daypart twice.
func At(instant time.Time, zone *time.Location, calendar Calendar) Moment {
	if zone == nil {
		zone = time.UTC
	}
	local := instant.In(zone)
	return Moment{
		Instant: local,
		Daypart: DaypartOf(local.Hour()),
		Holiday: calendar.Holiday(local),
		Payday:  calendar.payday(local),
	}
}

// DaypartOf is the daypart of an hour on the clock, 0 to 23.
func DaypartOf(hour int) Daypart {
	switch {
	case hour < 6 || hour >= 22:
		return Night
	case hour < 11:
		return Morning
	case hour < 14:
		return Midday
	case hour < 17:
		return Afternoon
	default:
		return Evening
	}
}
