package geo

import (
	"math"
	"math/big"
	"math/rand/v2"
)

// The slow, obvious twins that the clever code must agree with.

// twinContains decides with fractions: is p on an edge, or does a ray to the east cross an odd number of edges? Longitudes
// are unrolled along each ring, and p is tried in every turn.
func twinContains(parts [][]Ring, p Point) bool {
	for _, rings := range parts {
		if math.Abs(p.Lat) == 90 {
			for _, q := range rings[0] {
				if q.Lat == p.Lat {
					return true
				}
			}
			continue
		}
		for _, turn := range []int64{-1, 0, 1} {
			x := new(big.Rat).Add(fraction(p.Lng), big.NewRat(turn*360*unitsPerDegree, 1))
			y := fraction(p.Lat)
			in, on := false, false
			for _, ring := range rings {
				odd, edge := twinRing(ring, rings[0][0], x, y)
				in = in != odd
				on = on || edge
			}
			if in || on {
				return true
			}
		}
	}
	return false
}

// twinRing unrolls the ring from the turn that is nearest to start.
func twinRing(ring Ring, start Point, x, y *big.Rat) (odd, on bool) {
	turn := big.NewRat(360*unitsPerDegree, 1)
	half := big.NewRat(180*unitsPerDegree, 1)
	near := func(v, to *big.Rat) *big.Rat {
		v = new(big.Rat).Set(v)
		for new(big.Rat).Sub(v, to).Cmp(half) > 0 {
			v.Sub(v, turn)
		}
		for new(big.Rat).Sub(to, v).Cmp(half) > 0 {
			v.Add(v, turn)
		}
		return v
	}
	ax, ay := near(fraction(ring[0].Lng), fraction(start.Lng)), fraction(ring[0].Lat)
	for _, q := range ring[1:] {
		bx, by := near(fraction(q.Lng), ax), fraction(q.Lat)
		low, high := ay, by
		if low.Cmp(high) > 0 {
			low, high = high, low
		}
		if y.Cmp(low) < 0 || y.Cmp(high) > 0 {
			ax, ay = bx, by
			continue
		}
		// cross = (b-a) × (p-a)
		cross := new(big.Rat).Sub(
			new(big.Rat).Mul(new(big.Rat).Sub(bx, ax), new(big.Rat).Sub(y, ay)),
			new(big.Rat).Mul(new(big.Rat).Sub(by, ay), new(big.Rat).Sub(x, ax)))
		west, east := ax, bx
		if west.Cmp(east) > 0 {
			west, east = east, west
		}
		if cross.Sign() == 0 && west.Cmp(x) <= 0 && x.Cmp(east) <= 0 {
			on = true
		}
		if y.Cmp(high) < 0 && (cross.Sign() > 0) == (by.Cmp(ay) > 0) {
			odd = !odd
		}
		ax, ay = bx, by
	}
	return odd, on
}

// twinDistance walks along every edge in small steps.
func twinDistance(g *Polygon, p Point, steps int) float64 {
	best := math.Inf(1)
	for a, b := range g.edges {
		for i := range steps + 1 {
			t := float64(i) / float64(steps)
			best = min(best, p.Distance(Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lng: a.Lng + t*(b.Lng-a.Lng)}))
		}
	}
	return best
}

// decimals rounds to n decimals, as people write coordinates.
func decimals(f float64, n int) float64 {
	scale := math.Pow10(n)
	return math.Round(f*scale) / scale
}

// star is a ring around a centre that does not cross itself. Longitudes may go over the antimeridian.
func star(rng *rand.Rand, center Point, size float64, corners, digits int) Ring {
	ring := make(Ring, 0, corners+1)
	for i := range corners {
		angle := 2 * math.Pi * float64(i) / float64(corners)
		r := size * (0.5 + rng.Float64()/2)
		p := Point{Lat: center.Lat + r*math.Sin(angle), Lng: wrapLng(center.Lng + r*math.Cos(angle))}
		p = Point{Lat: decimals(p.Lat, digits), Lng: decimals(p.Lng, digits)}
		ring = append(ring, p)
	}
	return append(ring, ring[0])
}

// corner cases of a shape: its corners, points on its edges, and those a hair beside.
func hardPoints(rng *rand.Rand, parts [][]Ring, n int) []Point {
	var points []Point
	for range n {
		rings := parts[rng.IntN(len(parts))]
		ring := rings[rng.IntN(len(rings))]
		i := rng.IntN(len(ring) - 1)
		a, b := ring[i], ring[i+1]
		t := float64(rng.IntN(5)) / 4
		if math.Abs(a.Lng-b.Lng) > 180 {
			t = 0
		}
		p := Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lng: a.Lng + t*(b.Lng-a.Lng)}
		switch rng.IntN(4) {
		case 0:
			p = Point{Lat: decimals(p.Lat, 7), Lng: decimals(p.Lng, 7)}
		case 1:
			p.Lat, p.Lng = p.Lat+float64(rng.IntN(3)-1)*1e-7, p.Lng+float64(rng.IntN(3)-1)*1e-7
		case 2:
			p.Lat = ring[rng.IntN(len(ring))].Lat
		}
		p.Lat = max(-90, min(90, p.Lat))
		p.Lng = wrapLng(p.Lng)
		points = append(points, p)
	}
	return points
}

// fraction is what a coordinate means, in units.
func fraction(deg float64) *big.Rat {
	if u, whole := wholeUnits(deg); whole {
		return new(big.Rat).SetInt64(int64(u))
	}
	r := new(big.Rat).SetFloat64(deg)
	return r.Mul(r, big.NewRat(unitsPerDegree, 1))
}
