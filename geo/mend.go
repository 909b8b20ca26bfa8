package geo

import (
	"fmt"
	"strings"
)

// Fault is a reason why something is no geofence: what is wrong, where, and how to mend it.
type Fault struct {
	Code FaultCode // empty: a value that cannot be
	At   string    // JSON pointer into the geofence, such as /geometry/coordinates/0/3; empty: the whole of it
	What string
	Mend string // what to do about it; empty when What says it all
}

// FaultCode names the kind of a fault for programs. It is part of the contract: codes are added, never renamed.
type FaultCode string

// The kinds. A place is a ring, a line or a cell.
const (
	FaultMalformed   FaultCode = "malformed"        // it cannot be read at all
	FaultMissing     FaultCode = "missing"          // no geometry, no size
	FaultWrongType   FaultCode = "wrong_type"       // another JSON value, or another geometry, than can be an area
	FaultOutOfRange  FaultCode = "out_of_range"     // a coordinate, radius or width beyond what there is; no number
	FaultTooFew      FaultCode = "too_few_points"   // or rings, or cells
	FaultTooMany     FaultCode = "too_many"         // cells, or bytes
	FaultUnclosed    FaultCode = "ring_not_closed"  // it does not end where it begins
	FaultLongArc     FaultCode = "arc_too_long"     // an edge of more than half a turn
	FaultNoArea      FaultCode = "no_area"          // all points on one line, or EMPTY
	FaultCrosses     FaultCode = "self_crossing"    // a ring crosses itself
	FaultSpike       FaultCode = "spike"            // a ring runs back over itself
	FaultTouches     FaultCode = "self_touching"    // a ring touches itself
	FaultDuplicate   FaultCode = "duplicate_ring"   // a ring is there twice
	FaultRingsCross  FaultCode = "rings_cross"      // two rings cross
	FaultRingsShare  FaultCode = "rings_share_edge" // two rings run along each other
	FaultHoleOutside FaultCode = "hole_outside"     // a hole is not in its outer ring
	FaultHolesNested FaultCode = "holes_overlap"    // a hole is in another one
	FaultPartsNested FaultCode = "polygons_overlap" // a polygon is in another one
	FaultCutInTwo    FaultCode = "area_cut_in_two"  // a chain of touching rings cuts the area
	FaultBadCell     FaultCode = "bad_cell"         // no H3 cell, or of another resolution
	FaultBadID       FaultCode = "bad_id"
	FaultProjection  FaultCode = "other_projection" // not WGS 84
	FaultTwice       FaultCode = "duplicate_field"  // a member stands twice
	FaultUnknown     FaultCode = "unknown_field"    // a member that there is not
	FaultTooLong     FaultCode = "too_long"         // a name
)

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
