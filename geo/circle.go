package geo

import (
	"fmt"
	"math"
)

// Circle is every point within a distance of a centre, along the sphere of EarthRadiusMeters (the mean radius of
// the ellipsoid; the distance on the ellipsoid differs by at most 0.56 %). It is round on the ground, not in
// latitude and longitude, and goes over the antimeridian and the poles without more ado.
type Circle struct {
	center       Point
	radiusMeters float64
}

// MaxRadiusMeters is half the circumference of the sphere: a circle of this radius is the whole globe.
const MaxRadiusMeters = math.Pi * EarthRadiusMeters

// NewCircle makes a circle. The radius is above 0 and at most MaxRadiusMeters.
func NewCircle(center Point, radiusMeters float64) (*Circle, error) {
	if err := center.Check(); err != nil {
		return nil, &Fault{Code: FaultOutOfRange, What: "centre: " + err.Error(), Mend: "give the centre as [longitude, latitude] in degrees"}
	}
	if !(radiusMeters > 0 && radiusMeters <= MaxRadiusMeters) {
		return nil, &Fault{Code: FaultOutOfRange, What: fmt.Sprintf("radius: got %v m, want above 0 and at most %.0f m", radiusMeters, MaxRadiusMeters),
			Mend: "give the radius in metres"}
	}
	return &Circle{center: center, radiusMeters: radiusMeters}, nil
}

// Center is the middle of the circle.
func (c *Circle) Center() Point { return c.center }

// RadiusMeters is the radius along the sphere.
func (c *Circle) RadiusMeters() float64 { return c.radiusMeters }

// Contains compares the great-circle distance (haversine, in double precision: micrometres) with the radius.
func (c *Circle) Contains(p Point) bool { return c.center.Distance(p) <= c.radiusMeters }

// Distance is along the great circle through the centre.
func (c *Circle) Distance(p Point) float64 { return c.center.Distance(p) - c.radiusMeters }

// Bounds goes around the pole when the circle reaches it.
func (c *Circle) Bounds() Bounds { return boundsAround(c.center, c.radiusMeters) }
