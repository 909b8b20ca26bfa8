package geo

import (
	"fmt"
	"strings"
)

// Fault is a reason why something is no geofence: what is wrong, where, and how to mend it.
type Fault struct {
	At   string // JSON pointer into the geofence, such as /geometry/coordinates/0/3; empty: the whole of it
	What string
	Mend string // what to do about it; empty when What says it all
}

// Error is for people: where, what, and how to mend it.
func (f *Fault) Error() string {
	var b strings.Builder
	if f.At != "" {
		b.WriteString(f.At + ": ")
	}
	b.WriteString(f.What)
	if f.Mend != "" {
		b.WriteString("; " + f.Mend)
	}
	return b.String()
}

// under moves the fault below a pointer.
func (f *Fault) under(pointer string) *Fault {
	moved := *f
	moved.At = pointer + f.At
	return &moved
}

// Mending tells of something that was wrong and could mean one thing only, so that it was put right.
type Mending struct {
	At   string // JSON pointer, as in Fault
	What string
}

// mendingsUnder moves mendings below a pointer.
func mendingsUnder(pointer string, all []Mending) []Mending {
	for i := range all {
		all[i].At = pointer + all[i].At
	}
	return all
}

// where names a place for people, as tools show coordinates: latitude, longitude.
func where(p Point) string { return fmt.Sprintf("latitude %.7g, longitude %.7g", p.Lat, p.Lng) }
