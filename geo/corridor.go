package geo

import (
	"fmt"
	"math"
	"slices"
)

// Corridor is every point within half a width of a line: a street, a bus route. The line is straight in longitude
// and latitude between its points; distances are along the sphere. It may cross itself.
type Corridor struct {
	line        []Point
	widthMeters float64
	bounds      Bounds
}

// NewCorridor checks the line and holds a copy. Two points and a width above 0 are the least; pointers are into the line.
// A step of more than 180 degrees of longitude goes over the antimeridian, which is reported.
func NewCorridor(line []Point, widthMeters float64) (*Corridor, []Mending, error) {
	if !(widthMeters > 0 && widthMeters <= 2*MaxRadiusMeters) {
		return nil, nil, &Fault{Code: FaultOutOfRange, What: fmt.Sprintf("width: got %v m, want above 0 and at most %.0f m", widthMeters, 2*MaxRadiusMeters), Mend: "give the whole width in metres"}
	}
	var mended []Mending
	var held []Point
	for i, p := range line {
		if err := p.Check(); err != nil {
			return nil, mended, &Fault{Code: FaultOutOfRange, At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("point %d: %v", i, err), Mend: "positions are [longitude, latitude] in degrees"}
		}
		if i > 0 && p == line[i-1] {
			mended = append(mended, Mending{At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("point %d repeats the one before; it was left out", i)})
			continue
		}
		if i > 0 && math.Abs(p.Lng-line[i-1].Lng) > 180 {
			mended = append(mended, Mending{At: fmt.Sprintf("/%d", i), What: "the line crosses the antimeridian; it was read the short way round"})
		}
		held = append(held, p)
	}
	if len(held) < 2 {
		return nil, mended, &Fault{Code: FaultTooFew, What: fmt.Sprintf("line has %d different points, want 2 or more", len(held)), Mend: "add points, or use a circle"}
	}
	return newCorridor(held, widthMeters), mended, nil
}

// newCorridor finds the box of a line that was checked, and holds the line.
func newCorridor(line []Point, widthMeters float64) *Corridor {
	c := &Corridor{line: line, widthMeters: widthMeters}
	boxes := make([]Bounds, 0, len(c.line))
	for a, b := range c.edges {
		box := Bounds{South: min(a.Lat, b.Lat), North: max(a.Lat, b.Lat), West: wrapLng(min(a.Lng, b.Lng)), East: wrapLng(max(a.Lng, b.Lng))}
		boxes = append(boxes, box.grown(widthMeters/2))
	}
	c.bounds = unionBounds(boxes)
	return c
}

// Line gives the points back.
func (c *Corridor) Line() []Point { return slices.Clone(c.line) }

// WidthMeters is the whole width.
func (c *Corridor) WidthMeters() float64 { return c.widthMeters }

// Contains compares Distance with 0.
func (c *Corridor) Contains(p Point) bool { return c.bounds.Contains(p) && c.Distance(p) <= 0 }

// Distance is the distance from the line, less half the width. Deep inside a bend the boundary may be farther than it says.
func (c *Corridor) Distance(p Point) float64 {
	n := nearestTo(p)
	for a, b := range c.edges {
		n.add(a, b)
	}
	d := n.meters()
	if !n.near() {
		for a, b := range c.edges {
			d = sphereDistance(p, a, b, d)
		}
	}
	return d - c.widthMeters/2
}

// Bounds has the width in it.
func (c *Corridor) Bounds() Bounds { return c.bounds }

// edges yields the pieces of the line; the end of one across the antimeridian goes on beyond 180.
func (c *Corridor) edges(yield func(a, b Point) bool) {
	for i := 1; i < len(c.line); i++ {
		a, b := c.line[i-1], c.line[i]
		switch step := b.Lng - a.Lng; {
		case step > 180:
			b.Lng -= 360
		case step < -180:
			b.Lng += 360
		}
		if !yield(a, b) {
			return
		}
	}
}
