// Package where turns what a device says of its position, under the permission that it gives, into a
// place: a cell, the nearest store, and how far to trust both.
//
// It exists so that nobody else asks "how precise may I be?". Decided against: geocoding (addresses are
// nobody's need here) and a general spatial database (stores are few: a snapshot in memory answers).
package where

import (
	"satnav/geo"
)

// Place is where a shopper is, as precisely as was permitted. Its zero value is "somewhere": the
// shopper gave no location.
type Place struct {
	Known          bool
	Precision      geo.Precision
	Cell           geo.Cell  // resolution 10 when precise, 6 when coarse; 0: unknown
	Point          geo.Point // the fix, or the centre of the cell
	AccuracyMeters float64
	Store          *Store  // nearest; nil: none near
	DistanceMeters float64 // to Store
	Trust          float64 // 0 to 1: how far the position is believed
}
