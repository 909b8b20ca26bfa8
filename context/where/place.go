// Package where turns what a device says of its position, under the permission that it gives, into a
// place: a cell, the nearest store, and how far to trust both.
//
// It exists so that nobody else asks "how precise may I be?". Decided against: geocoding (addresses are
// nobody's need here) and a general spatial database (stores are few: a snapshot in memory answers).
package where

import (
	"math"
	"time"

	"satnav/geo"
)

const (
	// PreciseResolution is the H3 resolution of a place that may be precise: cells of about 130 m across.
	PreciseResolution = 10
	// CoarseResolution is that of a place that must be coarse: cells of about 7 km across.
	CoarseResolution = 6
	// CoarseMeters is the least accuracy that a coarse position claims.
	CoarseMeters = 3_000
	// NearMeters is how far a store may be and still be the one that a shopper is near: a long drive.
	NearMeters = 100_000
)

// Place is where a shopper is, as precisely as was permitted. Its zero value is "somewhere": the
// shopper gave no location.
type Place struct {
	Known          bool
	Precision      geo.Precision
	Cell           geo.Cell     // resolution 10 when precise, 6 when coarse, or coarser if such a cell came; 0: unknown
	Point          geo.Point    // the fix, or the centre of the cell
	AccuracyMeters float64      // 0: the device did not say
	Store          *Store       // nearest; nil: none near
	DistanceMeters float64      // to Store
	Trust          float64      // 0 to 1: how far the position is believed
	Distrust       geo.Distrust // what was odd about the fix; empty where Trust is 1, or the fix is only vague
	FromFix        bool         // Point is the device's own fix; otherwise it is the centre of a cell
	Resolution     int          // of the cell whose centre Point is; means nothing if FromFix
}

// Accuracies in metres that a phone's receiver does not report of a real fix.
const (
	tooSharpMeters = 0.5
	tooVagueMeters = 100_000
)

var cellWords = [geo.MaxCellResolution + 1]string{"cell-0", "cell-1", "cell-2", "cell-3", "cell-4", "cell-5", "cell-6", "cell-7",
	"cell-8", "cell-9", "cell-10", "cell-11", "cell-12", "cell-13", "cell-14", "cell-15"}

// Used is the word for what the place was made of, for an answer's receipt: "fix", "cell-10", "cell-6"
// (the number is the cell's resolution) or "none".
func (p Place) Used() string {
	switch {
	case !p.Known:
		return "none"
	case p.FromFix:
		return "fix"
	default:
		return cellWords[p.Resolution&15]
	}
}

// FromCell is a cell as a fix: at its centre, with its circumradius as accuracy. The cell must be valid.
func FromCell(cell geo.Cell, at time.Time) geo.Fix {
	return geo.Fix{At: at, Point: cell.Center(), AccuracyMeters: cell.Circumradius(), Coarse: true}
}

// Permit is what may be used of a fix under a permission: the fix itself, the centre of its resolution-6
// cell as a fix, or nothing (false). Nothing is also made of a fix without a valid point.
func Permit(fix geo.Fix, precision geo.Precision) (geo.Fix, bool) {
	if precision == geo.NoLocation || fix.Check() != nil {
		return geo.Fix{}, false
	}
	if precision == geo.Precise {
		return fix, true
	}
	coarse := FromCell(geo.CellAt(fix.Point, CoarseResolution), fix.At)
	coarse.AccuracyMeters = max(coarse.AccuracyMeters, CoarseMeters, fix.AccuracyMeters)
	coarse.Mocked = fix.Mocked
	return coarse, true
}

// PermitCell is what may be used of a cell under a permission: the cell itself, its parent of resolution
// 6, or nothing (the zero Cell). Nothing is also made of what is no cell.
func PermitCell(cell geo.Cell, precision geo.Precision) geo.Cell {
	if precision == geo.NoLocation || !cell.Valid() {
		return 0
	}
	if precision == geo.Coarse && cell.Resolution() > CoarseResolution {
		return cell.Parent(CoarseResolution)
	}
	return cell
}

// Sight is what the crossing machine may see of one call: the fix, else the cell as a fix at an instant,
// each as precisely as is permitted; false when there is nothing. A fix goes before a cell.
func Sight(fix *geo.Fix, cell geo.Cell, at time.Time, precision geo.Precision) (geo.Fix, bool) {
	if fix != nil {
		return Permit(*fix, precision)
	}
	cell = PermitCell(cell, precision)
	if cell == 0 {
		return geo.Fix{}, false
	}
	seen := FromCell(cell, at)
	if precision == geo.Coarse {
		seen.AccuracyMeters = max(seen.AccuracyMeters, CoarseMeters)
	}
	return seen, true
}

// Locate makes a place of a fix (nil: none) or, without one, of a cell (0: none), as precisely as is
// permitted, with the nearest of the stores. Without a usable position it is the zero Place.
func Locate(stores *Stores, fix *geo.Fix, cell geo.Cell, precision geo.Precision) Place {
	seen, ok := Sight(fix, cell, time.Time{}, precision)
	if !ok {
		return Place{}
	}
	place := Place{Known: true, Precision: precision, Point: seen.Point, AccuracyMeters: seen.AccuracyMeters}
	switch {
	case fix == nil:
		place.Cell = PermitCell(cell, precision)
		place.Resolution = place.Cell.Resolution()
		if place.Resolution > PreciseResolution {
			place.Cell = place.Cell.Parent(PreciseResolution)
		}
	case precision == geo.Precise:
		place.FromFix = true
		place.Cell = geo.CellAt(seen.Point, PreciseResolution)
	default:
		place.Cell = geo.CellAt(fix.Point, CoarseResolution)
		place.Resolution = CoarseResolution
	}
	place.Trust, place.Distrust = trust(fix)
	if store, meters := stores.Nearest(place.Point); store != nil && meters <= NearMeters {
		place.Store, place.DistanceMeters = store, meters
	}
	return place
}

// trust says how far a fix is believed. A cell is what the device made of a fix that we never see, so
// there is nothing to doubt.
func trust(fix *geo.Fix) (float64, geo.Distrust) {
	switch {
	case fix == nil:
		return 1, ""
	case fix.Mocked:
		return 0.1, geo.DistrustMocked
	case math.IsNaN(fix.AccuracyMeters), fix.AccuracyMeters < 0, fix.AccuracyMeters > 0 && fix.AccuracyMeters < tooSharpMeters:
		return 0.5, geo.DistrustAccuracy
	case fix.AccuracyMeters > tooVagueMeters:
		return 0.2, ""
	}
	return 1, ""
}
