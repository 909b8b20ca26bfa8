package geo

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tidwall/rtree"
)

// hair is how far apart the ends of a ring may be and still be taken for one point: 11 cm at most.
const hair = 1e-6

// corner is a point of a ring under examination, with the place that it had in the input.
type corner struct {
	Point
	index int
}

// checkedRing has no repeated points, is not closed, and is wound as RFC 7946 asks.
type checkedRing struct {
	part, ring int
	corners    []corner
}

func (r *checkedRing) points() []Point {
	all := make([]Point, len(r.corners))
	for i, c := range r.corners {
		all[i] = c.Point
	}
	return all
}

func (r *checkedRing) pointer() string { return fmt.Sprintf("/%d/%d", r.part, r.ring) }

func (r *checkedRing) vertexPointer(i int) string {
	return fmt.Sprintf("/%d/%d/%d", r.part, r.ring, r.corners[i].index)
}

// name is what people call the ring.
func (r *checkedRing) name() string {
	if r.ring == 0 {
		return "the outer ring"
	}
	return fmt.Sprintf("hole %d", r.ring)
}

// checkedPart is a part of a polygon, in a frame of longitudes in which it is in one piece.
type checkedPart struct {
	rings    []checkedRing
	opposite bool
}

// checkParts is the whole of validation: each ring for itself, then how they lie to each other.
func checkParts(parts [][]Ring) ([]checkedPart, []Mending, error) {
	var mended []Mending
	checked := make([]checkedPart, 0, len(parts))
	for i, rings := range parts {
		part, m, fault := checkPart(i, rings)
		mended = append(mended, m...)
		if fault != nil {
			return nil, mended, fault
		}
		checked = append(checked, part)
	}
	if fault := checkTogether(checked); fault != nil {
		return nil, mended, fault
	}
	for i := range checked {
		for j := range checked[i].rings {
			r := &checked[i].rings[j]
			if counterClockwise(r.points()) == (j == 0) {
				continue
			}
			slices.Reverse(r.corners[1:]) // the first point stays the first
			want := "counter-clockwise"
			if j > 0 {
				want = "clockwise"
			}
			mended = append(mended, Mending{At: r.pointer(), What: r.name() + " was not " + want + ", as RFC 7946 asks; it was turned round"})
		}
	}
	return checked, mended, nil
}

func checkPart(part int, rings []Ring) (checkedPart, []Mending, *Fault) {
	if len(rings) == 0 {
		return checkedPart{}, nil, &Fault{Code: FaultTooFew, At: fmt.Sprintf("/%d", part), What: "polygon has no ring", Mend: "give an outer ring"}
	}
	var mended []Mending
	checked := checkedPart{rings: make([]checkedRing, 0, len(rings))}
	for i, ring := range rings {
		r, m, fault := checkRing(part, i, ring)
		mended = append(mended, m...)
		if fault != nil {
			return checkedPart{}, mended, fault
		}
		checked.rings = append(checked.rings, r)
	}
	m, fault := checked.unfold()
	mended = append(mended, m...)
	if fault != nil {
		return checkedPart{}, mended, fault
	}
	for i := range checked.rings {
		if fault := checked.rings[i].checkArea(); fault != nil {
			return checkedPart{}, mended, fault
		}
		if fault := checked.rings[i].checkSpikes(); fault != nil {
			return checkedPart{}, mended, fault
		}
	}
	return checked, mended, nil
}

func checkRing(part, index int, ring Ring) (checkedRing, []Mending, *Fault) {
	r := checkedRing{part: part, ring: index, corners: make([]corner, 0, len(ring))}
	var mended []Mending
	for i, p := range ring {
		if err := p.Check(); err != nil {
			return r, nil, &Fault{Code: FaultOutOfRange, At: fmt.Sprintf("%s/%d", r.pointer(), i), What: fmt.Sprintf("point %d of %s: %v", i, r.name(), err),
				Mend: "positions are [longitude, latitude] in degrees"}
		}
	}
	if len(ring) < 4 {
		return r, nil, &Fault{Code: FaultTooFew, At: r.pointer(), What: fmt.Sprintf("%s has %d points, want 4 or more, the last equal to the first", r.name(), len(ring)),
			Mend: "add the missing corners"}
	}
	first, last := ring[0], ring[len(ring)-1]
	if first != last {
		end := fmt.Sprintf("%s/%d", r.pointer(), len(ring)-1)
		if math.Abs(first.Lat-last.Lat) > hair || math.Abs(first.Lng-last.Lng) > hair {
			return r, nil, &Fault{Code: FaultUnclosed, At: end, What: fmt.Sprintf("%s is not closed: it starts at %s and ends at %s", r.name(), where(first), where(last)),
				Mend: "repeat the first point at the end"}
		}
		mended = append(mended, Mending{At: end, What: r.name() + " ended a hair beside its first point; it was closed there"})
	}
	for i, p := range ring[:len(ring)-1] {
		if n := len(r.corners); n > 0 && r.corners[n-1].Point == p {
			mended = append(mended, Mending{At: fmt.Sprintf("%s/%d", r.pointer(), i), What: fmt.Sprintf("point %d of %s repeats the one before; it was left out", i, r.name())})
			continue
		}
		r.corners = append(r.corners, corner{p, i})
	}
	for n := len(r.corners); n > 1 && r.corners[n-1].Point == first; n-- {
		mended = append(mended, Mending{At: fmt.Sprintf("%s/%d", r.pointer(), r.corners[n-1].index),
			What: fmt.Sprintf("point %d of %s repeats its first point; it was left out", r.corners[n-1].index, r.name())})
		r.corners = r.corners[:n-1]
	}
	if len(r.corners) < 3 {
		return r, mended, &Fault{Code: FaultTooFew, At: r.pointer(), What: fmt.Sprintf("%s has %d different points, want 3 or more", r.name(), len(r.corners)), Mend: "add the missing corners"}
	}
	return r, mended, nil
}

// longArc is the first edge of more than half a turn, or -1.
func (r *checkedRing) longArc() int {
	for i, a := range r.corners {
		if math.Abs(r.corners[(i+1)%len(r.corners)].Lng-a.Lng) > 180 {
			return i
		}
	}
	return -1
}

// unfold finds the frame in which no edge of the part is longer than half a turn. A ring with such edges, read the
// short way round, is one that crosses the antimeridian, if that makes it counter-clockwise as it should be. If not, it may
// as well be a band the long way round the globe, and nobody should guess.
func (p *checkedPart) unfold() ([]Mending, *Fault) {
	outer := &p.rings[0]
	arc := outer.longArc()
	if arc >= 0 {
		over := func(r *checkedRing, i int) *Fault {
			a, b := r.corners[i], r.corners[(i+1)%len(r.corners)]
			return &Fault{Code: FaultLongArc, At: r.vertexPointer(i),
				What: fmt.Sprintf("edge %d of %s, from longitude %v to %v, is longer than 180 degrees", a.index, r.name(), a.Lng, b.Lng),
				Mend: "add points between; or, if it should cross the antimeridian, cut the polygon there in two (RFC 7946, section 3.1.9)"}
		}
		fault := over(outer, arc)
		turned := make([]checkedRing, len(p.rings))
		for i, r := range p.rings {
			turned[i] = checkedRing{part: r.part, ring: r.ring, corners: slices.Clone(r.corners)}
			for j := range turned[i].corners {
				turned[i].corners[j].Lng = oppositeLng(r.corners[j].Lng)
			}
			if turned[i].longArc() >= 0 {
				return nil, fault
			}
		}
		if !counterClockwise(turned[0].points()) {
			return nil, fault
		}
		p.rings, p.opposite = turned, true
		return []Mending{{At: outer.pointer(), What: "the ring crosses the antimeridian; its edges were read the short way round"}}, nil
	}
	for i := range p.rings {
		if j := p.rings[i].longArc(); j >= 0 {
			r := &p.rings[i]
			return nil, &Fault{Code: FaultLongArc, At: r.vertexPointer(j), What: fmt.Sprintf("edge %d of %s is longer than 180 degrees", r.corners[j].index, r.name()), Mend: "add points between"}
		}
	}
	return nil, nil
}

// checkSpikes refuses a corner at which the ring turns back on itself. It comes before edges are compared, where the
// neighbours of a spike meet too and would seem to be what is wrong.
func (r *checkedRing) checkSpikes() *Fault {
	n := len(r.corners)
	for i, c := range r.corners {
		before, after := r.corners[(i+n-1)%n].Point, r.corners[(i+1)%n].Point
		if turn(before, c.Point, after) == 0 && (c.Lng-before.Lng)*(after.Lng-c.Lng)+(c.Lat-before.Lat)*(after.Lat-c.Lat) < 0 {
			return &Fault{Code: FaultSpike, At: r.vertexPointer(i), What: fmt.Sprintf("%s runs back over itself: at point %d, %s, it turns round", r.name(), c.index, where(c.Point)), Mend: "remove the spike"}
		}
	}
	return nil
}

func (r *checkedRing) checkArea() *Fault {
	a, b := r.corners[0].Point, r.corners[1].Point
	for _, c := range r.corners[2:] {
		if turn(a, b, c.Point) != 0 {
			return nil
		}
	}
	return &Fault{Code: FaultNoArea, At: r.pointer(), What: r.name() + " has no area: all its points are on one line", Mend: "move or remove it"}
}

// edge is one edge of one ring under examination.
type edge struct {
	ring *checkedRing
	i    int
	a, b Point
}

func (e edge) box() box {
	return box{min(e.a.Lng, e.b.Lng), min(e.a.Lat, e.b.Lat), max(e.a.Lng, e.b.Lng), max(e.a.Lat, e.b.Lat)}
}

// neighbours tells whether two edges of one ring share a corner.
func (e edge) neighbours(o edge) bool {
	n := len(e.ring.corners)
	return e.ring == o.ring && ((e.i+1)%n == o.i || (o.i+1)%n == e.i)
}

// checkTogether refuses rings that cross or touch themselves, rings that cross or overlap each other, holes outside
// their ring, and polygons that fall apart. Parts that cross the antimeridian are compared with the others in their frame.
func checkTogether(parts []checkedPart) *Fault {
	var here, there []*checkedRing
	for i := range parts {
		for j := range parts[i].rings {
			if parts[i].opposite {
				there = append(there, &parts[i].rings[j])
			} else {
				here = append(here, &parts[i].rings[j])
			}
		}
	}
	if fault := checkRings(here); fault != nil || len(there) == 0 {
		return fault
	}
	for _, r := range here {
		turned := &checkedRing{part: r.part, ring: r.ring, corners: slices.Clone(r.corners)}
		for j := range turned.corners {
			turned.corners[j].Lng = oppositeLng(turned.corners[j].Lng)
		}
		// What goes over Greenwich is in two pieces in that frame; it does not reach the antimeridian but as a giant.
		if turned.longArc() < 0 {
			there = append(there, turned)
		}
	}
	return checkRings(there)
}

// touch is a point that two rings share.
type touch struct {
	a, b *checkedRing
	at   Point
}

func checkRings(rings []*checkedRing) *Fault {
	var edges []edge
	for _, r := range rings {
		for i, c := range r.corners {
			edges = append(edges, edge{ring: r, i: i, a: c.Point, b: r.corners[(i+1)%len(r.corners)].Point})
		}
	}
	var touches []touch
	var fault *Fault
	meetings(edges, func(e, f edge) bool {
		kind, at := meet(e.a, e.b, f.a, f.b)
		switch {
		case kind == apart:
		case e.ring == f.ring:
			fault = selfFault(e, f, kind, at)
		case kind == touching:
			touches = append(touches, touch{e.ring, f.ring, at})
		default:
			fault = pairFault(e, f, kind, at)
		}
		return fault == nil
	})
	if fault != nil {
		return fault
	}
	return checkNesting(rings, touches)
}

func selfFault(e, f edge, kind meeting, at Point) *Fault {
	r := e.ring
	i, j := r.corners[e.i].index, r.corners[f.i].index
	if i > j {
		i, j, e = j, i, f
	}
	pointer := r.vertexPointer(e.i)
	switch {
	case kind == touching && e.neighbours(f):
		return nil // at the corner that they share
	case kind == crossing:
		return &Fault{Code: FaultCrosses, At: pointer, What: fmt.Sprintf("%s crosses itself: edges %d and %d meet near %s", r.name(), i, j, where(at)),
			Mend: "reorder its points, or split it into polygons that do not cross"}
	case kind == overlapping:
		return &Fault{Code: FaultSpike, At: pointer, What: fmt.Sprintf("%s runs back over itself: edges %d and %d overlap near %s", r.name(), i, j, where(at)),
			Mend: "remove the spike"}
	}
	return &Fault{Code: FaultTouches, At: pointer, What: fmt.Sprintf("%s touches itself: edges %d and %d meet at %s", r.name(), i, j, where(at)),
		Mend: "make two polygons of it, or a hole of the part inside"}
}

func pairFault(e, f edge, kind meeting, at Point) *Fault {
	if f.ring.part < e.ring.part || f.ring.part == e.ring.part && f.ring.ring < e.ring.ring {
		e, f = f, e
	}
	a, b := e.ring, f.ring
	pointer := b.vertexPointer(f.i)
	if samePoints(a, b) {
		return &Fault{Code: FaultDuplicate, At: b.pointer(), What: fmt.Sprintf("%s repeats %s", ringOf(b, a), ringOf(a, b)), Mend: "remove one of the two"}
	}
	verb, code := "crosses", FaultRingsCross
	mend := "move one of them, or cut them so that they only touch"
	if kind == overlapping {
		verb, code, mend = "shares an edge with", FaultRingsShare, "join the two into one"
	}
	return &Fault{Code: code, At: pointer, What: fmt.Sprintf("%s %s %s near %s", ringOf(b, a), verb, ringOf(a, b), where(at)), Mend: mend}
}

// ringOf names r beside another ring.
func ringOf(r, beside *checkedRing) string {
	if r.part == beside.part {
		return r.name()
	}
	return fmt.Sprintf("%s of polygon %d", r.name(), r.part)
}

func samePoints(a, b *checkedRing) bool {
	if len(a.corners) != len(b.corners) {
		return false
	}
	p, q := a.points(), b.points()
	slices.SortFunc(p, comparePoints)
	slices.SortFunc(q, comparePoints)
	return slices.Equal(p, q)
}

func comparePoints(a, b Point) int {
	return cmp.Or(cmp.Compare(a.Lng, b.Lng), cmp.Compare(a.Lat, b.Lat))
}

// checkNesting looks at rings that do not cross: holes must be inside their outer ring and outside each other,
// parts outside each other, and no chain of touching rings may cut an area in two.
func checkNesting(rings []*checkedRing, touches []touch) *Fault {
	touching := map[[2]*checkedRing][]Point{}
	for _, t := range touches {
		touching[[2]*checkedRing{t.a, t.b}] = append(touching[[2]*checkedRing{t.a, t.b}], t.at)
		touching[[2]*checkedRing{t.b, t.a}] = append(touching[[2]*checkedRing{t.b, t.a}], t.at)
	}
	points := map[*checkedRing][]Point{}
	boxes := map[*checkedRing]box{}
	outers := map[int]*checkedRing{}
	for _, r := range rings {
		points[r] = r.points()
		boxes[r] = boxOf(points[r])
		if r.ring == 0 {
			outers[r.part] = r
		}
	}
	place := func(a, b *checkedRing) placement {
		if !boxes[a].meets(boxes[b]) {
			return placement{outside: true}
		}
		return placeRing(points[a], points[b], touching[[2]*checkedRing{a, b}])
	}
	for _, r := range rings {
		if r.ring == 0 {
			continue
		}
		if place(r, outers[r.part]).outside {
			return &Fault{Code: FaultHoleOutside, At: r.pointer(), What: r.name() + " is outside the outer ring", Mend: "move it, or make it a polygon of its own"}
		}
	}
	// Rings are compared in order of their west end, so that far ones are not.
	order := slices.Clone(rings)
	slices.SortStableFunc(order, func(a, b *checkedRing) int { return cmp.Compare(boxes[a].minX, boxes[b].minX) })
	for i, a := range order {
		for _, b := range order[i+1:] {
			if boxes[b].minX > boxes[a].maxX {
				break
			}
			if !boxes[a].meets(boxes[b]) {
				continue
			}
			switch {
			case a.part == b.part && a.ring > 0 && b.ring > 0:
				if place(a, b).inside || place(b, a).inside {
					x, y := a, b
					if x.ring > y.ring {
						x, y = y, x
					}
					return &Fault{Code: FaultHolesNested, At: y.pointer(), What: fmt.Sprintf("%s overlaps %s", y.name(), x.name()), Mend: "join the two holes"}
				}
			case a.part != b.part && a.ring == 0 && b.ring == 0:
				if fault := partsOverlap(a, b, rings, place); fault != nil {
					return fault
				}
			}
		}
	}
	return checkWhole(touches)
}

// partsOverlap lets a part lie in a hole of another, but not in its area.
func partsOverlap(a, b *checkedRing, rings []*checkedRing, place func(a, b *checkedRing) placement) *Fault {
	for _, pair := range [][2]*checkedRing{{a, b}, {b, a}} {
		in, around := pair[0], pair[1]
		if !place(in, around).inside {
			continue
		}
		free := slices.ContainsFunc(rings, func(hole *checkedRing) bool {
			return hole.part == around.part && hole.ring > 0 && !place(in, hole).outside
		})
		if !free {
			return &Fault{Code: FaultPartsNested, At: fmt.Sprintf("/%d", in.part), What: fmt.Sprintf("polygon %d lies inside polygon %d", in.part, around.part), Mend: "remove it, or make a hole for it"}
		}
	}
	return nil
}

// placement tells where pieces of one ring are, as seen from the area of another.
type placement struct{ inside, outside bool }

// placeRing is for rings that do not cross but may touch. Pieces of a between touches are asked one by one, for a may go
// through b in a corner of it.
func placeRing(a, b, touches []Point) placement {
	var found placement
	ask := func(p Point) {
		s := locateFine(b, p)
		found.inside = found.inside || s == inRing
		found.outside = found.outside || s == offRing
	}
	if len(touches) == 0 {
		ask(a[0])
		return found
	}
	for i, from := range a {
		to := a[(i+1)%len(a)]
		cuts := []Point{from, to}
		for _, t := range touches {
			if t != from && t != to && turn(from, to, t) == 0 && (edge{a: from, b: to}).box().holds(t) {
				cuts = append(cuts, t)
			}
		}
		slices.SortFunc(cuts, comparePoints)
		ask(from)
		for j := range len(cuts) - 1 {
			ask(Point{Lat: (cuts[j].Lat + cuts[j+1].Lat) / 2, Lng: (cuts[j].Lng + cuts[j+1].Lng) / 2})
		}
	}
	return found
}

// checkWhole refuses rings that touch in a circle, for they enclose a piece of the area. Rings and the points where they
// touch are the nodes of a graph; a loop in it is such a circle.
func checkWhole(touches []touch) *Fault {
	type node struct {
		part, ring int
		at         Point
	}
	up := map[node]node{}
	root := func(n node) node {
		for {
			parent, ok := up[n]
			if !ok {
				return n
			}
			n = parent
		}
	}
	known := map[[2]node]bool{}
	for _, t := range touches {
		if t.a.part != t.b.part {
			continue
		}
		spot := node{part: t.a.part, ring: -1, at: t.at}
		for _, r := range []*checkedRing{t.a, t.b} {
			n := node{part: r.part, ring: r.ring}
			if known[[2]node{n, spot}] {
				continue
			}
			known[[2]node{n, spot}] = true
			a, b := root(n), root(spot)
			if a == b {
				return &Fault{Code: FaultCutInTwo, At: r.pointer(), What: fmt.Sprintf("%s cuts the polygon in two where it touches other rings, at %s", r.name(), where(t.at)),
					Mend: "make two polygons of it"}
			}
			up[a] = b
		}
	}
	return nil
}

// meeting is how two edges lie to each other.
type meeting uint8

const (
	apart meeting = iota
	touching
	crossing
	overlapping
)

// meet is exact, but for the place named of a crossing.
func meet(a, b, c, d Point) (meeting, Point) {
	abc, abd := turn(a, b, c), turn(a, b, d)
	if abc*abd > 0 {
		return apart, Point{}
	}
	cda, cdb := turn(c, d, a), turn(c, d, b)
	if cda*cdb > 0 {
		return apart, Point{}
	}
	if abc*abd < 0 && cda*cdb < 0 {
		return crossing, crossPoint(a, b, c, d)
	}
	if abc == 0 && abd == 0 {
		// All on one line: compare the stretches in order of the plane.
		if comparePoints(a, b) > 0 {
			a, b = b, a
		}
		if comparePoints(c, d) > 0 {
			c, d = d, c
		}
		from, to := a, b
		if comparePoints(c, from) > 0 {
			from = c
		}
		if comparePoints(d, to) < 0 {
			to = d
		}
		switch o := comparePoints(from, to); {
		case o < 0:
			return overlapping, Point{Lat: (from.Lat + to.Lat) / 2, Lng: (from.Lng + to.Lng) / 2}
		case o == 0:
			return touching, from
		}
		return apart, Point{}
	}
	ab, cd := edge{a: a, b: b}.box(), edge{a: c, b: d}.box()
	switch {
	case abc == 0 && ab.holds(c):
		return touching, c
	case abd == 0 && ab.holds(d):
		return touching, d
	case cda == 0 && cd.holds(a):
		return touching, a
	case cdb == 0 && cd.holds(b):
		return touching, b
	}
	return apart, Point{}
}

func crossPoint(a, b, c, d Point) Point {
	dx, dy, ex, ey := b.Lng-a.Lng, b.Lat-a.Lat, d.Lng-c.Lng, d.Lat-c.Lat
	det := dx*ey - dy*ex
	if det == 0 {
		return a
	}
	t := ((c.Lng-a.Lng)*ey - (c.Lat-a.Lat)*ex) / det
	return Point{Lat: a.Lat + t*dy, Lng: a.Lng + t*dx}
}

// meetings yields each pair of edges whose boxes meet, once. A few are compared each with each; for many, a tree of boxes
// keeps it at n log n, whatever the shape.
func meetings(edges []edge, yield func(e, f edge) bool) {
	const few = 48
	boxes := make([]box, len(edges))
	for i, e := range edges {
		boxes[i] = e.box()
	}
	if len(edges) <= few {
		for i := range edges {
			for j := range i {
				if boxes[i].meets(boxes[j]) && !yield(edges[j], edges[i]) {
					return
				}
			}
		}
		return
	}
	var tree rtree.RTreeG[int]
	more := true
	for i, b := range boxes {
		low, high := [2]float64{b.minX, b.minY}, [2]float64{b.maxX, b.maxY}
		tree.Search(low, high, func(_, _ [2]float64, j int) bool {
			more = yield(edges[j], edges[i])
			return more
		})
		if !more {
			return
		}
		tree.Insert(low, high, i)
	}
}
