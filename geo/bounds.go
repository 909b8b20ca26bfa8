package geo

import (
	"cmp"
	"math"
	"slices"
)

// Contains tells whether p is in the box or on its edge. A pole is in every box that reaches it.
func (b Bounds) Contains(p Point) bool {
	if p.Lat < b.South || p.Lat > b.North {
		return false
	}
	if math.Abs(p.Lat) == 90 {
		return true
	}
	return b.containsLng(p.Lng) || math.Abs(p.Lng) == 180 && b.containsLng(-p.Lng)
}

func (b Bounds) containsLng(lng float64) bool {
	if b.West <= b.East {
		return b.West <= lng && lng <= b.East
	}
	return lng >= b.West || lng <= b.East
}

// Center is the middle of the box in latitude and longitude.
func (b Bounds) Center() Point {
	east := b.East
	if b.West > east {
		east += 360
	}
	return Point{Lat: (b.South + b.North) / 2, Lng: wrapLng((b.West + east) / 2)}
}

// unionBounds is the smallest box around boxes: the widest gap in longitude is left out.
func unionBounds(boxes []Bounds) Bounds {
	type span struct{ west, east float64 }
	var spans []span
	all := Bounds{South: math.Inf(1), North: math.Inf(-1), West: -180, East: 180}
	for _, b := range boxes {
		all.South, all.North = min(all.South, b.South), max(all.North, b.North)
		if b.West <= b.East {
			spans = append(spans, span{b.West, b.East})
		} else {
			spans = append(spans, span{b.West, 180}, span{-180, b.East})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.west, b.west) })
	// The gap over the antimeridian comes first: a tie is decided for the box that does not cross it.
	last := slices.MaxFunc(spans, func(a, b span) int { return cmp.Compare(a.east, b.east) }).east
	gap := spans[0].west + 360 - last
	all.West, all.East = spans[0].west, last
	reach := spans[0].east
	for _, s := range spans[1:] {
		if s.west-reach > gap {
			gap, all.West, all.East = s.west-reach, s.west, reach
		}
		reach = max(reach, s.east)
	}
	return all
}

// boundsAround is a box that holds everything within radiusMeters of p.
func boundsAround(p Point, radiusMeters float64) Bounds {
	const degree = math.Pi / 180
	angle := radiusMeters / EarthRadiusMeters
	dLat := angle/degree*(1+1e-12) + 1e-11
	b := Bounds{South: p.Lat - dLat, North: p.Lat + dLat, West: -180, East: 180}
	if b.South <= -90 || b.North >= 90 {
		b.South, b.North = max(-90, b.South), min(90, b.North)
		return b
	}
	// The circle touches its meridians where sin(dLng) = sin(angle) / cos(lat), away from the pole.
	dLng := math.Asin(min(1, math.Sin(angle)/math.Cos(p.Lat*degree)))/degree*(1+1e-9) + 1e-11
	if dLng < 180 {
		b.West, b.East = wrapLng(p.Lng-dLng), wrapLng(p.Lng+dLng)
	}
	return b
}

// grown is a box that holds everything within reachMeters of b.
func (b Bounds) grown(reachMeters float64) Bounds {
	dLat := reachMeters/EarthRadiusMeters*180/math.Pi*(1+1e-12) + 1e-11
	g := Bounds{South: b.South - dLat, North: b.North + dLat, West: -180, East: 180}
	if g.South <= -90 || g.North >= 90 {
		g.South, g.North = max(-90, g.South), min(90, g.North)
		return g
	}
	// The meridians come closest to each other at the latitude farthest from the equator.
	around := boundsAround(Point{Lat: max(math.Abs(b.South), math.Abs(b.North))}, reachMeters)
	width := b.East - b.West
	if width < 0 {
		width += 360
	}
	if around.East < 180 && width+2*around.East < 360 {
		g.West, g.East = wrapLng(b.West-around.East), wrapLng(b.East+around.East)
	}
	return g
}

// planes cuts a box at the antimeridian. What reaches the antimeridian or a pole is given both its names, or all.
func planes(b Bounds) []box {
	if b.South == -90 || b.North == 90 {
		b.West, b.East = -180, 180
	}
	if b.West > b.East {
		return []box{{b.West, b.South, 180, b.North}, {-180, b.South, b.East, b.North}}
	}
	boxes := []box{{b.West, b.South, b.East, b.North}}
	if b.East == 180 && b.West > -180 {
		boxes = append(boxes, box{-180, b.South, -180, b.North})
	}
	if b.West == -180 && b.East < 180 {
		boxes = append(boxes, box{180, b.South, 180, b.North})
	}
	return boxes
}
