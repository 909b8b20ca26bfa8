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
}

// Skew rules: a phone's clock is compared with ours by the instant at which it sent the call, never by
// what it tells of the past.
const (
	skewIgnored = 2 * time.Minute // less than this is the network and rounding
	skewRefused = 12 * time.Hour  // more than this is no clock at all
)

// timed returns the signal with its times on the server's clock, and by how much the device's differs.
func (s Signal) timed() (Signal, time.Duration, error) {
	var skew time.Duration
	if !s.SentAt.IsZero() {
		if skew = s.SentAt.Sub(s.Arrived); skew.Abs() > skewRefused {
			return s, skew, &SkewError{SentAt: s.SentAt, Arrived: s.Arrived}
		}
		if skew.Abs() < skewIgnored {
			skew = 0
		}
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
