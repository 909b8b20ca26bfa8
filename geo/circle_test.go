package geo

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func mustCircle(t testing.TB, center Point, radiusMeters float64) *Circle {
	t.Helper()
	c, err := NewCircle(center, radiusMeters)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewCircleRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		center Point
		radius float64
	}{
		{"no radius", Point{1, 2}, 0},
		{"a negative radius", Point{1, 2}, -5},
		{"a radius that is no number", Point{1, 2}, math.NaN()},
		{"more than the globe", Point{1, 2}, MaxRadiusMeters * 1.001},
		{"a centre off the globe", Point{91, 2}, 5},
		{"a centre that is no number", Point{1, math.NaN()}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewCircle(test.center, test.radius)
			if fault := new(Fault); !errors.As(err, &fault) || fault.Mend == "" {
				t.Errorf("got %v, want a Fault that says how to mend it", err)
			}
		})
	}
}

// Every point of a circle must be in its bounds, and some point near each side of them.
func TestCircleBounds(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	for range 300 {
		center := Point{Lat: math.Asin(rng.Float64()*2-1) / radian, Lng: rng.Float64()*360 - 180}
		if rng.IntN(4) == 0 {
			center.Lat = math.Copysign(90-rng.Float64()*0.01, center.Lat)
		}
		c := mustCircle(t, center, math.Pow(10, 7.3*rng.Float64()))
		b := c.Bounds()
		for i := range 200 {
			// Walk the rim: the point at a bearing and the distance of the radius.
			angle, bearing := c.radiusMeters/EarthRadiusMeters*(1-1e-9), float64(i)/100*math.Pi
			sin, cos := math.Sincos(center.Lat * radian)
			lat := math.Asin(sin*math.Cos(angle) + cos*math.Sin(angle)*math.Cos(bearing))
			lng := math.Atan2(math.Sin(bearing)*math.Sin(angle)*cos, math.Cos(angle)-sin*math.Sin(lat))
			p := Point{Lat: lat / radian, Lng: wrapLng(center.Lng + lng/radian)}
			if c.Contains(p) && !b.Contains(p) {
				t.Fatalf("circle of %v m at %v holds %v, its bounds %v do not", c.radiusMeters, center, p, b)
			}
			if d := c.Distance(p); math.Abs(d) > 1e-6*c.radiusMeters+1e-4 {
				t.Fatalf("circle of %v m at %v: its rim at %v is %v m away", c.radiusMeters, center, p, d)
			}
		}
	}
}
