package geo

import "math"

// ring is a closed line in the plane of longitude and latitude; its first corner is not repeated at the end.
// Coordinates of at most seven decimals are held as units, 8 bytes a corner; when one is finer, all are
// held as the doubles that they came as.
type ring struct {
	units []int32 // x, y, x, y, …
	fine  []Point // nil unless needed
}

func newRing(corners []Point) ring {
	units := make([]int32, 0, 2*len(corners))
	for _, p := range corners {
		x, y, whole := wholePoint(p)
		if !whole {
			return ring{fine: append([]Point(nil), corners...)}
		}
		units = append(units, int32(x), int32(y))
	}
	return ring{units: units}
}

func (r ring) len() int {
	if r.fine != nil {
		return len(r.fine)
	}
	return len(r.units) / 2
}

func (r ring) corner(i int) Point {
	if r.fine != nil {
		return r.fine[i]
	}
	return Point{Lng: degreesOf(r.units[2*i]), Lat: degreesOf(r.units[2*i+1])}
}

func (r ring) corners() []Point {
	all := make([]Point, r.len())
	for i := range all {
		all[i] = r.corner(i)
	}
	return all
}

// side says where a point is: outside, on the line itself, or inside.
type side int8

const (
	offRing side = iota - 1
	onRing
	inRing
)

// spot is a point prepared for many comparisons with whole units: x and y are rounded down, and whole tells
// whether that changed nothing.
type spot struct {
	Point
	x, y           int64
	wholeX, wholeY bool
	warmed         uint32 // keeps the reads of Index.warm from being left out
}

func spotOf(p Point) spot {
	x, wholeX := floorUnits(p.Lng)
	y, wholeY := floorUnits(p.Lat)
	return spot{Point: p, x: int64(x), y: int64(y), wholeX: wholeX, wholeY: wholeY}
}

// locate is exact: it counts the edges that a ray to the east crosses. An edge counts when one end is above the
// ray and the other is not, so that a corner on the ray is counted once or twice, as it must be.
func (r ring) locate(q spot) side {
	if r.fine != nil {
		return locateFine(r.fine, q.Point)
	}
	in := offRing
	n := len(r.units)
	ax, ay := int64(r.units[n-2]), int64(r.units[n-1])
	for i := 0; i < n; i += 2 {
		bx, by := int64(r.units[i]), int64(r.units[i+1])
		if (ay > q.y) != (by > q.y) {
			switch t := q.turn(ax, ay, bx, by); {
			case t == 0:
				return onRing
			case (t > 0) == (by > ay):
				in = -in
			}
		} else if by == q.y && q.wholeY {
			if bx == q.x && q.wholeX {
				return onRing
			}
			if ay == by && min(ax, bx) <= q.x && (q.x < max(ax, bx)) {
				return onRing
			}
		}
		ax, ay = bx, by
	}
	return in
}

// turn is the side of the edge from a to b that the spot is on, for an edge that the ray meets.
func (q spot) turn(ax, ay, bx, by int64) int {
	up := 1
	if by < ay {
		up = -1
	}
	if q.x < min(ax, bx) {
		return up
	}
	if q.x > max(ax, bx) {
		return -up
	}
	if q.wholeX && q.wholeY {
		return turnUnits(ax, ay, bx, by, q.x, q.y)
	}
	// The true point is less than one unit north and east of (x, y), which moves the cross product by less than |dx|+|dy|.
	dx, dy := bx-ax, by-ay
	det := dx*(q.y-ay) - dy*(q.x-ax)
	slack := max(dx, -dx) + max(dy, -dy)
	if det > slack {
		return 1
	}
	if det < -slack {
		return -1
	}
	return turn(Point{Lng: degreesOf(int32(ax)), Lat: degreesOf(int32(ay))},
		Point{Lng: degreesOf(int32(bx)), Lat: degreesOf(int32(by))}, q.Point)
}

// locateFine is locate for doubles. Doubles compare as their meanings do.
func locateFine(corners []Point, p Point) side {
	in := offRing
	a := corners[len(corners)-1]
	for _, b := range corners {
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) {
			switch t := turn(a, b, p); {
			case t == 0:
				return onRing
			case (t > 0) == (b.Lat > a.Lat):
				in = -in
			}
		} else if b.Lat == p.Lat {
			if b.Lng == p.Lng {
				return onRing
			}
			if a.Lat == b.Lat && (a.Lng < p.Lng) != (b.Lng < p.Lng) {
				return onRing
			}
		}
		a = b
	}
	return in
}

// counterClockwise is exact for a ring that does not cross itself: it looks at the turn in its lowest corner.
func counterClockwise(corners []Point) bool {
	low := 0
	for i, p := range corners {
		if l := corners[low]; p.Lat < l.Lat || p.Lat == l.Lat && p.Lng < l.Lng {
			low = i
		}
	}
	n := len(corners)
	// Corners in line with their neighbours do not decide; the lowest, westernmost one cannot be in line unless it is a
	// spike, which is no simple ring.
	return turn(corners[(low+n-1)%n], corners[low], corners[(low+1)%n]) > 0
}

// box is a rectangle in the plane, never across its edge.
type box struct{ minX, minY, maxX, maxY float64 }

func boxOf(corners []Point) box {
	b := box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range corners {
		b.minX, b.maxX = min(b.minX, p.Lng), max(b.maxX, p.Lng)
		b.minY, b.maxY = min(b.minY, p.Lat), max(b.maxY, p.Lat)
	}
	return b
}

func (b box) holds(p Point) bool {
	return b.minX <= p.Lng && p.Lng <= b.maxX && b.minY <= p.Lat && p.Lat <= b.maxY
}

func (b box) meets(o box) bool {
	return b.minX <= o.maxX && o.minX <= b.maxX && b.minY <= o.maxY && o.minY <= b.maxY
}
