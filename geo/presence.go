package geo

import (
	"cmp"
	"slices"
	"time"
)

// Presence is what the crossing machine remembers of one shopper. The zero value is a shopper who was
// never seen; set Shopper before the first Advance.
//
// It is a value that never changes: Advance and Settle return a new one, which may share memory with
// the old one. It is bounded (MaxTail fixes, MaxStays geofences) and has plain fields, so that a store
// can write a codec over it. Times are exact to the millisecond: Advance rounds what it is given, so that
// a presence that was stored and read back decides the same.
type Presence struct {
	// Shopper goes into the ids of crossings and nowhere else: a pseudonym of (retailer, shopper).
	Shopper string
	// Rehearsal lets drafts cross too: for a replay, never for a real shopper.
	Rehearsal bool

	// Now is the memory after everything that was decided, Base the one before Tail[Replayable:], from
	// which late fixes are put in order.
	Now, Base Memory

	Tail       []Fix // the newest fixes, in order of time
	Replayable int   // Tail[:Replayable] are older than any fix that may still come late: kept to know retries
	// Whole is the first fix of the last call that brought new ones, when the tail cannot hold them all; zero: it can. What is
	// older than the tail and no older than this came with that call, so that its retry is known as a whole.
	Whole time.Time
	// Recent are the crossings decided since Tail[0], and since Whole, in the order in which they were returned.
	Recent []Crossing

	// Changed tells whether Advance or Settle changed what decides crossings (a crossing, a
	// confirmation under way, a dwell running): such a presence is committed before its answer is given, another one may be
	// written lazily. It is not stored.
	Changed bool
	// Odd is what the fixes of the last Advance were not trusted for, each kind once. It is not stored.
	Odd []Distrust
}

// Bounds of a presence.
const (
	MaxTail  = 32  // fixes
	MaxStays = 256 // geofences: of more that hold one point, those of highest priority count
)

// LateLimit is how late a fix may come and still be put in order.
const LateLimit = 120 * time.Second

// Memory is the state of the crossing machine between two fixes.
type Memory struct {
	Track Track
	Stays []Stay    // in order of geofence id
	Seen  time.Time // of the newest fix
	Point Point     // of the newest fix that was believed
}

// Stay is what is remembered of one shopper and one geofence: a visit, one that may begin, or one that ended and
// still counts for cool-down, cap or approach.
type Stay struct {
	Geofence string
	Version  int64 // of the geofence when it was last looked at
	Inside   bool
	Wants    Wants // of the geofence: an exit is told also when the geofence is gone

	Begin time.Time // first fix of the visit; of the last visit when not inside

	// Turn is the first fix of those that now speak against Inside: a confirmation under way. Zero: none.
	Turn      time.Time
	TurnPoint Point
	Witnesses int  // fixes since Turn that agree with it, 0 to 2
	Sure      bool // the last of them was certain, and alone: it counts when nobody opposes it

	// Doubt: the shopper stood, or was first seen, so near the boundary that the side is a guess. Only
	// overwhelming evidence makes a crossing then, or jitter would make many.
	Doubt bool

	// After is the end of what is settled: fixes that are not after it say nothing here any more.
	After time.Time

	Dwelled    bool      // dwell was decided in this visit
	DwellAt    time.Time // when it is due; zero: never
	ClosesAt   time.Time // when the schedule ends the visit; zero: never
	Approached bool      // approach was decided and the shopper did not go away since

	// Admission of the visit: decided once, with the first crossing that the geofence wants.
	Admitted bool
	Withheld Withheld
	ToldAt   time.Time // when the last visit that was told was admitted
	ToldDay  int       // the local day of ToldAt, in days since 1970, and the visits told on it
	Told     int
}

// Late tells whether a fix is too old to be put in order: it changes nothing, and belongs into the diary
// with that reason. A fix that is already known is not late.
func (p Presence) Late(f Fix) bool {
	f = f.rounded()
	if len(p.Tail) == 0 || p.known(f) {
		return false
	}
	newest := p.Tail[len(p.Tail)-1]
	if f.At.Before(newest.At.Add(-LateLimit)) {
		return true
	}
	return p.Replayable > 0 && compareFixes(f, p.Tail[p.Replayable-1]) < 0
}

func (p Presence) known(f Fix) bool {
	if !p.Whole.IsZero() && len(p.Tail) > 0 && !f.At.Before(p.Whole) && f.At.Before(p.Tail[0].At) {
		return true
	}
	_, ok := slices.BinarySearchFunc(p.Tail, f, compareFixes)
	return ok
}

// Inside lists the geofences that the shopper is inside of, in order of id.
func (p Presence) Inside() []string {
	var ids []string
	for _, s := range p.Now.Stays {
		if s.Inside {
			ids = append(ids, s.Geofence)
		}
	}
	return ids
}

// compareFixes orders fixes by time; two of the same instant are told apart by their position.
func compareFixes(a, b Fix) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Lat, b.Lat); c != 0 {
		return c
	}
	return cmp.Compare(a.Lng, b.Lng)
}

// rounded drops what a stored fix would lose: all below a millisecond, and the time zone.
func (f Fix) rounded() Fix {
	f.At = f.At.UTC().Truncate(time.Millisecond)
	return f
}
