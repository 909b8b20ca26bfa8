package geo

import "math"

// Region is the circle by which a phone watches a geofence. A circle is watched as itself. Of other shapes it is a circle that wakes
// the phone no later than the boundary is crossed: around the shape, where the phone comes into it; or free of the
// boundary with the phone in it, where the phone leaves it.
type Region struct {
	Geofence     string
	Center       Point
	RadiusMeters float64
	// Leave is true when leaving the circle is watched, else coming into it. Where several circles of a geofence are watched for leaving, nothing
	// happens there before the phone has left all of them.
	Leave          bool
	DistanceMeters float64 // to the boundary of the geofence; negative inside
	// Exact is true when the circle is the geofence itself; otherwise who is woken by it asks again.
	Exact bool
}

const (
	// leastRegionMeters is the least radius of a circle that is made up: phones know no better where they are, so that a
	// smaller one is left to the safe radius.
	leastRegionMeters = 10
	// mostRegionMeters bounds the circles that grow away from a boundary.
	mostRegionMeters = 4_000
)

// watched is a geofence near a phone, and what can happen there next.
type watched struct {
	fence    *Geofence
	distance float64 // to the boundary, negative inside
	clear    float64 // how far it is to the next boundary: its own, or where an approach is told
	margin   float64 // how far outside of the geofence that is
	leaves   float64 // how far it is until a told approach is forgotten; infinite: none is
}

func watchedAt(g *Geofence, distance float64) watched {
	w := watched{fence: g, distance: distance, clear: math.Abs(distance), leaves: math.Inf(1)}
	switch {
	case g.ApproachMeters > 0 && distance > g.ApproachMeters:
		w.margin, w.clear = g.ApproachMeters, distance-g.ApproachMeters
	case g.ApproachMeters > 0 && distance > 0:
		w.leaves = approachOver(g) - distance
	}
	return w
}

func (w *watched) inside() bool { return w.distance <= 0 }

// free is how far p is from the boundary on the side where the phone is; negative on the other side.
func (w *watched) free(p Point) float64 {
	d := w.fence.Shape.Distance(p)
	if w.inside() {
		return -d
	}
	return d - w.margin
}

// region is the circle for a phone that is there; ok is false where only the safe radius can watch.
func (w *watched) region(at Point) (r Region, ok bool) {
	r = Region{Geofence: w.fence.ID, DistanceMeters: w.distance, Leave: w.inside()}
	if circle, is := w.fence.Shape.(*Circle); is {
		r.Center, r.RadiusMeters, r.Exact = circle.Center(), circle.RadiusMeters()+w.margin, w.margin == 0
		return r, true
	}
	if !w.inside() {
		r.Center, r.RadiusMeters = enclosing(w.fence.Shape)
		r.RadiusMeters += w.margin
		// Who is far from the circle, as far as from the shape or nearly so, is not woken in vain.
		if r.Center.Distance(at)-r.RadiusMeters >= w.clear/1.2 {
			return r, true
		}
	}
	r.Leave = true
	r.Center, r.RadiusMeters = w.clearing(at)
	return r, r.RadiusMeters >= leastRegionMeters
}

// more are circles beside the one that region made, for a phone that leaves it: as free of the boundary, each reaching on from inside of those
// before it, where the phone is likely to go. As long as it is in any of them it has crossed nothing.
func (w *watched) more(at Point, first Region, most int) []Region {
	all := []Region{first}
	var rim []Region // circles around places on the rims of those chosen
	for len(all) <= most {
		const places = 12
		last := all[len(all)-1]
		for i := range places {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / places)
			next := last
			next.Center = last.Center.shift(0.95*last.RadiusMeters*cos, 0.95*last.RadiusMeters*sin)
			if math.Abs(next.Center.Lat) > 80 {
				continue
			}
			if next.RadiusMeters = min(mostRegionMeters, w.free(next.Center)*(1-1e-6)); next.RadiusMeters >= leastRegionMeters {
				rim = append(rim, next)
			}
		}
		best, most := 0.0, -1
		for i, r := range rim {
			// How far it reaches beyond those chosen, seen from where the phone is.
			beyond := math.Inf(1)
			for _, c := range all {
				beyond = min(beyond, c.Center.Distance(r.Center)+r.RadiusMeters-c.RadiusMeters)
			}
			if worth := beyond * r.RadiusMeters / (r.RadiusMeters + r.Center.Distance(at)); beyond >= leastRegionMeters && worth > best {
				best, most = worth, i
			}
		}
		if most < 0 {
			break
		}
		all = append(all, rim[most])
	}
	return all[1:]
}

// clearing is a large circle around the phone that no boundary comes into: it touches the boundary where that is
// nearest, and reaches from there to the phone and beyond. Whatever the direction it is given, it holds what it says, for its radius
// is asked of the shape.
func (w *watched) clearing(at Point) (Point, float64) {
	// The boundary is nearest against the slope of the distance.
	step := min(1, w.clear/4)
	east := w.free(at.shift(step, 0)) - w.free(at.shift(-step, 0))
	north := w.free(at.shift(0, step)) - w.free(at.shift(0, -step))
	center, radius := at, w.clear
	slope := math.Hypot(east, north)
	if slope == 0 {
		return center, radius
	}
	try := func(t float64) bool {
		c := at.shift(east/slope*(t-w.clear), north/slope*(t-w.clear))
		free := w.free(c) * (1 - 1e-6)
		if free-c.Distance(at) < 0.97*w.clear {
			return false
		}
		center, radius = c, free
		return true
	}
	good, bad := w.clear, 0.0
	for bad == 0 && good < mostRegionMeters {
		if t := max(2*good, leastRegionMeters); try(t) {
			good = t
		} else {
			bad = t
		}
	}
	for range 4 {
		if bad == 0 {
			break
		}
		if t := (good + bad) / 2; try(t) {
			good = t
		} else {
			bad = t
		}
	}
	return center, radius
}

// enclosing is a circle around a shape, close to the smallest one where the shape is small.
func enclosing(s Shape) (Point, float64) {
	b := s.Bounds()
	center := b.Center()
	height := b.North - b.South
	width := b.East - b.West
	if width < 0 {
		width += 360
	}
	corners, margin := hull(s)
	if corners == nil || height > 1 || width > 1 || max(math.Abs(b.South), math.Abs(b.North)) > 80 {
		return enclosingBox(b)
	}
	// Edges are straight on the map and so bend on the ground, by up to w² tan(lat) / 8R over a width w; taken twice over.
	w := width * radian * EarthRadiusMeters
	margin += w * w * math.Tan(max(math.Abs(b.South), math.Abs(b.North))*radian) / (4 * EarthRadiusMeters)
	far := func(c Point) (farthest Point, radius float64) {
		for _, p := range corners {
			if d := c.Distance(p); d > radius {
				farthest, radius = p, d
			}
		}
		return farthest, radius
	}
	farthest, radius := far(center)
	if len(corners) <= 256 {
		// Badoiu and Clarkson (2003): go towards the farthest corner, by less each time.
		c := center
		for i := range 12 {
			step := 1 / float64(i+2)
			c = Point{Lat: c.Lat + step*(farthest.Lat-c.Lat), Lng: wrapLng(c.Lng + step*wrapLng(farthest.Lng-c.Lng))}
			var r float64
			if farthest, r = far(c); r < radius {
				center, radius = c, r
			}
		}
	}
	return center, radius*(1+1e-9) + margin
}

// hull gives points, and a distance from them, in whose convex hull the shape lies; nil where there are none.
func hull(s Shape) (corners []Point, margin float64) {
	switch s := s.(type) {
	case *Polygon:
		for a, b := range s.edges {
			corners = append(corners, a)
			if s.flat == nil { // where the map is cut, an end is no beginning
				corners = append(corners, b)
			}
		}
		return corners, 0
	case *Corridor:
		return s.line, s.widthMeters / 2
	}
	return nil, 0
}

// enclosingBox is a circle around the middle of a box, through its corners.
func enclosingBox(b Bounds) (Point, float64) {
	center := b.Center()
	radius := 0.0
	for _, lat := range [2]float64{b.South, b.North} {
		for _, lng := range [2]float64{b.West, b.East} {
			radius = max(radius, center.Distance(Point{lat, lng}))
		}
	}
	// The edges of a box at the equator side bulge less than its corners; a box across the equator is widest there.
	if b.South < 0 && b.North > 0 {
		radius = max(radius, center.Distance(Point{0, b.West}), center.Distance(Point{0, b.East}))
	}
	return center, radius
}
