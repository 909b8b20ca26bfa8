package geo

import (
	"cmp"
	"math"
	"slices"
)

// Ring is a closed line in the order of GeoJSON: its last point repeats its first.
type Ring []Point

// Polygon is one or more areas, each a ring with holes (a MultiPolygon is a Polygon with several parts). Edges are
// straight in longitude and latitude, as RFC 7946 has it; the boundary, of holes too, is inside. Nothing is rounded:
// Contains is exact for what the coordinates mean (a decimal fraction of degrees).
//
// A pole is inside when the area reaches its latitude at any longitude, for there the map has no longitudes. Both
// names of the antimeridian, 180 and -180, are the same line.
type Polygon struct {
	flat   flatRing // nil: see pieces
	pieces *pieces
}

// pieces is a polygon that has no flat form.
type pieces struct {
	parts  []part
	bounds Bounds
	seams  [][2]Point // pieces of edges along the antimeridian that have nothing on the other side
}

// part is one outer ring and its holes. Opposite tells that its longitudes are counted from the antimeridian.
type part struct {
	rings    []ring
	box      box
	opposite bool
}

// NewPolygon checks parts, each an outer ring followed by holes, and holds a copy. What is wrong is a *Fault, or has
// been mended and is reported; pointers are into the coordinates of a MultiPolygon (/part/ring/point).
func NewPolygon(parts [][]Ring) (*Polygon, []Mending, error) {
	if len(parts) == 0 {
		return nil, nil, &Fault{Code: FaultTooFew, What: "no polygon", Mend: "give at least one"}
	}
	checked, mended, err := checkParts(parts)
	if err != nil {
		return nil, mended, err
	}
	if len(checked) == 1 && len(checked[0].rings) == 1 && !checked[0].opposite {
		if flat := flatten(checked[0].rings[0].points()); flat != nil {
			return &Polygon{flat: flat}, mended, nil
		}
	}
	all := make([]part, 0, len(parts))
	for _, c := range checked {
		p := part{opposite: c.opposite}
		for _, r := range c.rings {
			p.rings = append(p.rings, newRing(r.points()))
		}
		all = append(all, p)
	}
	return &Polygon{pieces: newPieces(all)}, mended, nil
}

// newPieces finds the boxes and seams of parts that were checked, and holds the parts.
func newPieces(parts []part) *pieces {
	boxes := make([]Bounds, 0, len(parts))
	for i := range parts {
		p := &parts[i]
		p.box = boxOf(p.rings[0].corners())
		boxes = append(boxes, p.bounds())
	}
	return &pieces{parts: parts, bounds: unionBounds(boxes), seams: openSeams(parts)}
}

// bounds is the box of the part, across the antimeridian if need be.
func (p *part) bounds() Bounds {
	b := Bounds{South: p.box.minY, North: p.box.maxY, West: p.box.minX, East: p.box.maxX}
	if p.opposite {
		b.West, b.East = oppositeLng(b.West), oppositeLng(b.East)
	}
	if b.North == 90 || b.South == -90 {
		b.West, b.East = -180, 180
	}
	return b
}

// Parts gives the rings back, closed, outer rings counter-clockwise and holes clockwise.
func (g *Polygon) Parts() [][]Ring {
	if g.flat != nil {
		ring := make(Ring, 0, g.flat.len()+1)
		for i := range g.flat.len() {
			ring = append(ring, g.flat.corner(i))
		}
		return [][]Ring{{append(ring, ring[0])}}
	}
	parts := make([][]Ring, len(g.pieces.parts))
	for i, p := range g.pieces.parts {
		for _, r := range p.rings {
			corners := r.corners()
			if p.opposite {
				for j := range corners {
					corners[j].Lng = oppositeLng(corners[j].Lng)
				}
			}
			parts[i] = append(parts[i], append(corners, corners[0]))
		}
	}
	return parts
}

// Bounds is exact.
func (g *Polygon) Bounds() Bounds {
	if g.flat != nil {
		minX, minY, maxX, maxY := g.flat.span()
		return Bounds{South: degreesOf(int32(minY)), West: degreesOf(int32(minX)), North: degreesOf(int32(maxY)), East: degreesOf(int32(maxX))}
	}
	return g.pieces.bounds
}

// Contains counts crossings of a ray with exact arithmetic.
func (g *Polygon) Contains(p Point) bool {
	if g.flat != nil {
		q := spotOf(p)
		return g.flat.contains(&q)
	}
	return g.pieces.contains(p)
}

func (g *pieces) contains(p Point) bool {
	if math.Abs(p.Lat) == 90 {
		for i := range g.parts {
			if b := g.parts[i].box; b.minY == p.Lat || b.maxY == p.Lat {
				return true
			}
		}
		return false
	}
	for i := range g.parts {
		if g.parts[i].contains(p) {
			return true
		}
	}
	return false
}

func (p *part) contains(at Point) bool {
	if p.opposite {
		at.Lng = oppositeLng(at.Lng)
	}
	if math.Abs(at.Lng) == 180 {
		other := Point{Lat: at.Lat, Lng: -at.Lng}
		if p.box.holds(other) && p.locate(spotOf(other)) != offRing {
			return true
		}
	}
	return p.box.holds(at) && p.locate(spotOf(at)) != offRing
}

// locate is in the part's own frame.
func (p *part) locate(q spot) side {
	if s := p.rings[0].locate(q); s != inRing {
		return s
	}
	for _, hole := range p.rings[1:] {
		if s := hole.locate(q); s != offRing {
			return -s
		}
	}
	return inRing
}

// Distance is along the sphere to the nearest edge, to within a millimetre.
func (g *Polygon) Distance(p Point) float64 {
	n := nearestTo(p)
	for a, b := range g.edges {
		n.add(a, b)
	}
	d := n.meters()
	if !n.near() {
		for a, b := range g.edges {
			d = sphereDistance(p, a, b, d)
		}
	}
	if g.Contains(p) {
		return -d
	}
	return d
}

// edges yields every edge that bounds the area, in degrees; longitudes may go on beyond 180. Edges along the
// antimeridian or at a pole are where the map was cut, and bound nothing, unless only one side of the cut is covered.
func (g *Polygon) edges(yield func(a, b Point) bool) {
	if f := g.flat; f != nil {
		a := f.corner(f.len() - 1)
		for i := range f.len() {
			b := f.corner(i)
			if !yield(a, b) {
				return
			}
			a = b
		}
		return
	}
	g.pieces.edges(yield)
}

func (g *pieces) edges(yield func(a, b Point) bool) {
	for i := range g.parts {
		for a, b := range g.parts[i].lines {
			if !cut(a, b) && !yield(a, b) {
				return
			}
		}
	}
	for _, s := range g.seams {
		if !yield(s[0], s[1]) {
			return
		}
	}
}

// lines yields every edge of the part, in degrees; longitudes may go on beyond 180.
func (p *part) lines(yield func(a, b Point) bool) {
	shift := 0.0
	if p.opposite {
		shift = 180
	}
	for _, r := range p.rings {
		n := r.len()
		a := r.corner(n - 1)
		a.Lng += shift
		for i := range n {
			b := r.corner(i)
			b.Lng += shift
			if !yield(a, b) {
				return
			}
			a = b
		}
	}
}

// cut tells whether an edge is on the rim of the map.
func cut(a, b Point) bool {
	return math.Abs(a.Lng) == 180 && a.Lng == b.Lng || math.Abs(a.Lat) == 90 && a.Lat == b.Lat
}

// openSeams are the stretches of the antimeridian that are an edge on one side only.
func openSeams(parts []part) [][2]Point {
	type end struct {
		lat   float64
		east  bool
		start bool
	}
	var ends []end
	for i := range parts {
		for a, b := range parts[i].lines {
			if math.Abs(a.Lng) == 180 && a.Lng == b.Lng {
				ends = append(ends, end{min(a.Lat, b.Lat), a.Lng > 0, true}, end{max(a.Lat, b.Lat), a.Lng > 0, false})
			}
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.lat, b.lat) })
	var seams [][2]Point
	east, west, from := 0, 0, 0.0
	for _, e := range ends {
		if (east > 0) != (west > 0) && e.lat > from {
			seams = append(seams, [2]Point{{Lat: from, Lng: 180}, {Lat: e.lat, Lng: 180}})
		}
		step := -1
		if e.start {
			step = 1
		}
		if e.east {
			east += step
		} else {
			west += step
		}
		from = e.lat
	}
	return seams
}
