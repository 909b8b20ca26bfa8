package geo

import "math"

const radian = math.Pi / 180

// nearest finds the distance from a point to the nearest of many straight lines of latitude and longitude. Feed it
// all lines with add, then ask meters. It works in the plane around the point, where a line stays a line: good to a
// millimetre within two kilometres. When all are farther away, or near a pole, feed all to sphereDistance as well.
type nearest struct {
	from   Point
	cosLat float64
	best   float64 // square of the distance in degrees of latitude
	foot   Point
}

func nearestTo(p Point) nearest {
	return nearest{from: p, cosLat: math.Cos(p.Lat * radian), best: math.Inf(1)}
}

func (n *nearest) add(a, b Point) {
	ax := (a.Lng - n.from.Lng)
	if ax > 180 {
		ax -= 360
	} else if ax < -180 {
		ax += 360
	}
	dx, dy := (b.Lng-a.Lng)*n.cosLat, b.Lat-a.Lat
	px, py := -ax*n.cosLat, n.from.Lat-a.Lat
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, (px*dx+py*dy)/l))
	}
	x, y := px-t*dx, py-t*dy
	if d := x*x + y*y; d < n.best {
		n.best = d
		n.foot = Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lng: a.Lng + t*(b.Lng-a.Lng)}
	}
}

// near tells whether the first pass is good enough.
func (n *nearest) near() bool {
	const twoKilometers = 2000 / EarthRadiusMeters / radian
	return n.best < twoKilometers*twoKilometers && math.Abs(n.from.Lat) < 80
}

// meters is the distance to the nearest line if near, else a bound for the second pass to begin with.
func (n *nearest) meters() float64 {
	if math.IsInf(n.best, 1) {
		return n.best
	}
	return n.from.Distance(n.foot)
}

// sphereDistance is the smaller of best and the distance in metres from p to the line of straight latitude and
// longitude from a to b. It halves the line, leaves out halves that cannot be nearer, and ends with parabolas.
func sphereDistance(p, a, b Point, best float64) float64 {
	// The line is nowhere longer than it would be at the latitude nearest to the equator.
	low := min(math.Abs(a.Lat), math.Abs(b.Lat))
	if (a.Lat < 0) != (b.Lat < 0) {
		low = 0
	}
	length := EarthRadiusMeters * radian * math.Hypot(b.Lat-a.Lat, (b.Lng-a.Lng)*math.Cos(low*radian))
	mid := Point{Lat: (a.Lat + b.Lat) / 2, Lng: (a.Lng + b.Lng) / 2}
	d := p.Distance(mid)
	if d-length/2 >= best {
		return best
	}
	if length > 200 && length > d/10 {
		return sphereDistance(p, mid, b, sphereDistance(p, a, mid, best))
	}
	at := func(t float64) float64 {
		return p.Distance(Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lng: a.Lng + t*(b.Lng-a.Lng)})
	}
	best = min(best, d, at(0), at(1))
	// The square of the distance is a parabola along a short line, but for a little.
	t, h := 0.5, 0.5
	for range 4 {
		l, m, r := at(t-h), at(t), at(t+h)
		best = min(best, m)
		l, m, r = l*l, m*m, r*r
		bend := l - 2*m + r
		if bend <= 0 {
			break
		}
		t = max(0, min(1, t+h*(l-r)/(2*bend)))
		h /= 8
	}
	return min(best, at(t))
}

// vector is a place on the unit sphere.
type vector struct{ x, y, z float64 }

func vectorOf(p Point) vector {
	sinLat, cosLat := math.Sincos(p.Lat * radian)
	sinLng, cosLng := math.Sincos(p.Lng * radian)
	return vector{cosLat * cosLng, cosLat * sinLng, sinLat}
}

func (v vector) cross(w vector) vector {
	return vector{v.y*w.z - v.z*w.y, v.z*w.x - v.x*w.z, v.x*w.y - v.y*w.x}
}

func (v vector) dot(w vector) float64 { return v.x*w.x + v.y*w.y + v.z*w.z }

func (v vector) norm() float64 { return math.Sqrt(v.dot(v)) }

// meters is the distance along the sphere.
func (v vector) meters(w vector) float64 {
	return EarthRadiusMeters * math.Atan2(v.cross(w).norm(), v.dot(w))
}

// arc is a piece of a great circle, shorter than half of it.
type arc struct{ a, b vector }

// meters is the distance from v to the arc.
func (c arc) meters(v vector) float64 {
	normal := c.a.cross(c.b)
	length := normal.norm()
	if length == 0 {
		return v.meters(c.a)
	}
	if normal.cross(c.a).dot(v) >= 0 && c.b.cross(normal).dot(v) >= 0 {
		sine := math.Abs(normal.dot(v)) / length
		return EarthRadiusMeters * math.Asin(min(1, sine))
	}
	return min(v.meters(c.a), v.meters(c.b))
}
