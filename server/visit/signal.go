package visit

import (
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// Signal is what an app tells in one call: who, where, when, and what the shopper is doing.
type Signal struct {
	Key     who.Key
	Arrived time.Time // the server's clock
	At      time.Time // when it was so; zero: on arrival
	SentAt  time.Time // the device's clock when it sent this; zero: not told

	Fix    *geo.Fix // nil: no position, or a cell
	Cell   geo.Cell // 0: no cell
	Trail  []geo.Fix
	Device who.Permissions

	Screen  string
	Basket  []string // item ids
	List    []string // item ids
	Query   string
	Kinds   []recommend.Kind
	Explore bool
	Limit   int
	Regions int // how many the phone can watch by itself

	degraded bool // the store is away: nothing is known of anybody
}

// timed returns the signal with its times on the server's clock, and by how much the device's differs.
func (s Signal) timed() (Signal, time.Duration, error) {
	skew, err := Skew(s.SentAt, s.Arrived)
	if err != nil {
		return s, 0, err
	}
	if s.At.IsZero() {
		s.At = s.Arrived
	} else {
		s.At = s.At.Add(-skew)
	}
	if s.Fix != nil {
		fix := *s.Fix
		fix.At = s.At
		s.Fix = &fix
	}
	if skew != 0 {
		trail := make([]geo.Fix, len(s.Trail))
		for i, fix := range s.Trail {
			fix.At = fix.At.Add(-skew)
			trail[i] = fix
		}
		s.Trail = trail
	}
	return s, skew, nil
}
