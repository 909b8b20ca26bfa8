package geo

import "math"

// Coordinates are decimal degrees, written by people and programs with a few decimals. A double that is
// the nearest one to a number of at most seven decimals means that number, exactly; any other double
// means itself. Predicates decide on these meanings, so that (0.1, 0.2) is on the line from (0, 0) to (0.3, 0.6),
// although no double is exactly a tenth. A coordinate of seven decimals is a whole number of units.

// unitsPerDegree makes one unit 1e-7 degrees: 1.1 cm, and 180 degrees fit into an int32.
const unitsPerDegree = 10_000_000

// metersPerUnit is how long a unit of latitude is.
const metersPerUnit = EarthRadiusMeters * radian / unitsPerDegree

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
	if p == a || p == b || a == b {
		return 0
	}
	if ax, ay, ok := wholePoint(a); ok {
		if bx, by, ok := wholePoint(b); ok {
			if px, py, ok := wholePoint(p); ok {
				return turnUnits(ax, ay, bx, by, px, py)
			}
		}
	}
	var sum expansion
	sum.addProduct(lessMeaning(b.Lng, a.Lng), lessMeaning(p.Lat, a.Lat), 1)
	sum.addProduct(lessMeaning(b.Lat, a.Lat), lessMeaning(p.Lng, a.Lng), -1)
	return sum.sign()
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

// lessMeaning is the difference of what two coordinates mean, in units, as an unevaluated sum of four doubles.
func lessMeaning(v, w float64) [4]float64 {
	a, b := meaning(v)
	c, d := meaning(w)
	return [4]float64{a, b, -c, -d}
}

// meaning is what a coordinate means, in units, as an unevaluated sum of two doubles.
func meaning(deg float64) (high, low float64) {
	if u, whole := wholeUnits(deg); whole {
		return float64(u), 0
	}
	high = deg * unitsPerDegree
	return high, math.FMA(deg, unitsPerDegree, -high)
}

// expansion is an exact sum of doubles: parts that do not overlap, smallest first (J. Shewchuk, Adaptive Precision
// Floating-Point Arithmetic, 1997). Two products of four by four terms fill it at most.
type expansion struct {
	parts [64]float64
	n     int
}

func (e *expansion) addProduct(v, w [4]float64, sign float64) {
	for _, a := range v {
		for _, b := range w {
			if a == 0 || b == 0 {
				continue
			}
			high := a * b
			e.add(sign * math.FMA(a, b, -high))
			e.add(sign * high)
		}
	}
}

// add is Shewchuk's GROW-EXPANSION, without the zeros.
func (e *expansion) add(x float64) {
	n := 0
	for _, part := range e.parts[:e.n] {
		sum := x + part
		of := sum - x
		err := (x - (sum - of)) + (part - of)
		if x = sum; err != 0 {
			e.parts[n] = err
			n++
		}
	}
	if x != 0 {
		e.parts[n] = x
		n++
	}
	e.n = n
}

// sign is that of the largest part.
func (e *expansion) sign() int {
	switch {
	case e.n == 0:
		return 0
	case e.parts[e.n-1] > 0:
		return 1
	}
	return -1
}
