package who

import (
	"math"
	"slices"
)

// Told counts how often rules acted for a shopper, by rule and day, so that nobody is told the same thing too often. It is
// immutable.
type Told []Tell

// Tell is how often one rule acted for a shopper on one day.
type Tell struct {
	Rule  string // id; empty: all that came without being asked for
	Day   uint32 // on the clock of the store, as 20261127
	Times uint16
}

// MaxTold bounds the rules that are counted for one shopper; more than so many count as having reached any limit.
const MaxTold = 256

// Times is how often a rule acted on a day.
func (t Told) Times(rule string, day uint32) int {
	for i := range t {
		if t[i].Rule == rule && t[i].Day == day {
			return int(t[i].Times)
		}
	}
	if len(t) >= MaxTold {
		return math.MaxUint16
	}
	return 0
}

// With returns the counts after rules acted once more. What was counted for another day is forgotten, but for the newest such
// day: it may still be that day in a zone further west.
func (t Told) With(day uint32, rules ...string) Told {
	var other uint32
	for _, tell := range t {
		if tell.Day != day {
			other = max(other, tell.Day)
		}
	}
	next := make(Told, 0, len(t)+len(rules))
	for _, tell := range t {
		if tell.Day == day || tell.Day == other {
			next = append(next, tell)
		}
	}
	for _, rule := range rules {
		i := slices.IndexFunc(next, func(tell Tell) bool { return tell.Rule == rule && tell.Day == day })
		switch {
		case i >= 0 && next[i].Times < math.MaxUint16:
			next[i].Times++
		case i < 0 && len(next) < MaxTold:
			next = append(next, Tell{rule, day, 1})
		}
	}
	return next
}
