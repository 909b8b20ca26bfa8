package geo

import (
	"math"
	"math/big"
)

// Coordinates are decimal degrees, written by people and programs with a few decimals. A double that is
// the nearest one to a number of at most seven decimals means that number, exactly; any other double
// means itself. Predicates decide on these meanings, so that (0.1, 0.2) is on the line from (0, 0) to (0.3, 0.6),
// although no double is exactly a tenth. A coordinate of seven decimals is a whole number of units.

// unitsPerDegree makes one unit 1e-7 degrees: 1.1 cm, and 180 degrees fit into an int32.
const unitsPerDegree = 10_000_000

// halfTurn is 180 degrees in units.
const halfTurn = 180 * unitsPerDegree

// wholeUnits is the number of units that deg means, if it means a whole number of them.
func wholeUnits(deg float64) (units int32, whole bool) {
	u := math.Round(deg * unitsPerDegree)
	return int32(u), u/unitsPerDegree == deg
}

// floorUnits is the largest number of units not above what deg means, and whether it is exactly that.
func floorUnits(deg float64) (units int32, whole bool) {
	product := deg * unitsPerDegree
	if u := math.Round(product); u/unitsPerDegree == deg {
		return int32(u), true
	}
	u := math.Floor(product)
	// The product is rounded: when it came out whole, the remainder tells on which side the true one is.
	if u == product && math.FMA(deg, unitsPerDegree, -product) < 0 {
		u--
	}
	return int32(u), false
}

// degreesOf is the double that means a number of units.
func degreesOf(units int32) float64 { return float64(units) / unitsPerDegree }

// wrapLng brings a longitude that is at most one turn off into -180 to 180.
func wrapLng(lng float64) float64 {
	switch {
	case lng > 180:
		return lng - 360
	case lng < -180:
		return lng + 360
	}
	return lng
}

// oppositeLng is the longitude counted from the antimeridian instead of Greenwich: the frame in which
// a shape across the antimeridian is in one piece. Applied twice it gives the longitude back.
func oppositeLng(lng float64) float64 {
	if u, whole := wholeUnits(lng); whole {
		if u > 0 {
			return degreesOf(u - halfTurn)
		}
		return degreesOf(u + halfTurn)
	}
	if lng > 0 {
		return lng - 180
	}
	return lng + 180
}

// turn tells on which side of the line from a to b the point p lies, in the plane of longitude (x) and latitude
// (y): 1 left, -1 right, 0 on it. It is exact.
func turn(a, b, p Point) int {
	left, right := (b.Lng-a.Lng)*(p.Lat-a.Lat), (b.Lat-a.Lat)*(p.Lng-a.Lng)
	det := left - right
	// Each coordinate is off its meaning by at most half a unit in the last place of 256, 2.9e-14; the bound takes
	// that four times over, with the rounding of the products.
	spread := math.Abs(b.Lng-a.Lng) + math.Abs(b.Lat-a.Lat) + math.Abs(p.Lng-a.Lng) + math.Abs(p.Lat-a.Lat)
	bound := 1.2e-13*spread + 8e-16*(math.Abs(left)+math.Abs(right)) + 1e-26
	if det > bound {
		return 1
	}
	if det < -bound {
		return -1
	}
	return turnExact(a, b, p)
}

func turnExact(a, b, p Point) int {
	if ax, ay, ok := wholePoint(a); ok {
		if bx, by, ok := wholePoint(b); ok {
			if px, py, ok := wholePoint(p); ok {
				return turnUnits(ax, ay, bx, by, px, py)
			}
		}
	}
	ax, ay := meaning(a.Lng), meaning(a.Lat)
	left := new(big.Rat).Sub(meaning(b.Lng), ax)
	left.Mul(left, new(big.Rat).Sub(meaning(p.Lat), ay))
	right := new(big.Rat).Sub(meaning(b.Lat), ay)
	right.Mul(right, new(big.Rat).Sub(meaning(p.Lng), ax))
	return left.Cmp(right)
}

// turnUnits is turn for whole units. Products stay below 2^63, their difference might not.
func turnUnits(ax, ay, bx, by, px, py int64) int {
	left, right := (bx-ax)*(py-ay), (by-ay)*(px-ax)
	switch {
	case left > right:
		return 1
	case left < right:
		return -1
	}
	return 0
}

func wholePoint(p Point) (x, y int64, ok bool) {
	ux, okx := wholeUnits(p.Lng)
	uy, oky := wholeUnits(p.Lat)
	return int64(ux), int64(uy), okx && oky
}

// meaning is what a coordinate means, in units.
func meaning(deg float64) *big.Rat {
	if u, whole := wholeUnits(deg); whole {
		return new(big.Rat).SetInt64(int64(u))
	}
	r := new(big.Rat).SetFloat64(deg)
	return r.Mul(r, big.NewRat(unitsPerDegree, 1))
}
