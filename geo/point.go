package geo

import (
	"fmt"
	"math"
)

// Point is a position on the WGS 84 globe, in degrees.
type Point struct {
	Lat float64 // -90 to 90
	Lng float64 // -180 to 180
}

// EarthRadiusMeters is the mean radius of the WGS 84 ellipsoid (IUGG R1). All distances are on the
// sphere of this radius: at most 0.56 % off the ellipsoid, and the same everywhere in this package.
const EarthRadiusMeters = 6_371_008.8

// Check says what is wrong with the point, or nil.
func (p Point) Check() error {
	switch {
	case math.IsNaN(p.Lat) || math.IsInf(p.Lat, 0) || p.Lat < -90 || p.Lat > 90:
		return fmt.Errorf("latitude: got %v, want -90 to 90", p.Lat)
	case math.IsNaN(p.Lng) || math.IsInf(p.Lng, 0) || p.Lng < -180 || p.Lng > 180:
		return fmt.Errorf("longitude: got %v, want -180 to 180", p.Lng)
	}
	return nil
}

// Distance is the great-circle distance from p to q in metres (haversine: exact for near points too).
func (p Point) Distance(q Point) float64 {
	const degree = math.Pi / 180
	dLat, dLng := (q.Lat-p.Lat)*degree, (q.Lng-p.Lng)*degree
	a := math.Sin(dLat / 2)
	b := math.Sin(dLng / 2)
	h := a*a + math.Cos(p.Lat*degree)*math.Cos(q.Lat*degree)*b*b
	return 2 * EarthRadiusMeters * math.Asin(math.Sqrt(min(1, h)))
}
