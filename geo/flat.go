package geo

// flatRing is the common polygon (one ring, at most seven decimals, away from antimeridian and poles) as a run of words,
// so that a million of them lie side by side in one block of memory, in the order of their places:
//
//	0     number of the geofence, set by the index
//	1     number of corners; flatWide set: corners take two words each
//	2, 3  west and south end, in units
//	4     narrow: width and height, 16 bits each; wide: width
//	5     wide: height
//	…     corners: 16 bits of x and of y above the ends, or x and y in units
//
// Narrow rings are those of at most 65,535 units (729 m of latitude): half of the memory, nothing rounded.
type flatRing []uint32

const (
	flatWide       = 1 << 31
	flatMaxCorners = 1<<15 - 1
)

// flatten is nil for what has no flat form.
func flatten(corners []Point) flatRing {
	if len(corners) > flatMaxCorners {
		return nil
	}
	units := make([]int32, 0, 2*len(corners))
	minX, minY, maxX, maxY := int32(halfTurn), int32(halfTurn), int32(-halfTurn), int32(-halfTurn)
	for _, p := range corners {
		x, wholeX := wholeUnits(p.Lng)
		y, wholeY := wholeUnits(p.Lat)
		if !wholeX || !wholeY {
			return nil
		}
		units = append(units, x, y)
		minX, minY, maxX, maxY = min(minX, x), min(minY, y), max(maxX, x), max(maxY, y)
	}
	if minX == -halfTurn || maxX == halfTurn || minY == -halfTurn/2 || maxY == halfTurn/2 {
		return nil
	}
	w, h := uint32(maxX-minX), uint32(maxY-minY)
	if w > 0xffff || h > 0xffff {
		f := flatRing{0, uint32(len(corners)) | flatWide, uint32(minX), uint32(minY), w, h}
		for _, u := range units {
			f = append(f, uint32(u))
		}
		return f[:len(f):len(f)]
	}
	f := make(flatRing, 0, 5+len(corners))
	f = append(f, 0, uint32(len(corners)), uint32(minX), uint32(minY), w|h<<16)
	for i := 0; i < len(units); i += 2 {
		f = append(f, uint32(units[i]-minX)|uint32(units[i+1]-minY)<<16)
	}
	return f
}

func (f flatRing) len() int   { return int(f[1] &^ flatWide) }
func (f flatRing) wide() bool { return f[1]&flatWide != 0 }

// group is how many neighbouring edges a bit stands for where edges are told apart by the bits of a word.
func (f flatRing) group() int { return (f.len() + flatGroups - 1) / flatGroups }

// run reads the run of edges in the second word of a posting.
func (f flatRing) run(word uint32) (first, count int) {
	first, count = int(word>>runShift&runMask), int(word>>(runShift+runBits)&runMask)+1
	if n := f.len(); n > flatGroups {
		group := f.group()
		groups := (n + group - 1) / group
		end := first + count
		if first *= group; end <= groups {
			return first, min(end*group, n) - first
		}
		return first, n - first + (end-groups)*group
	}
	return first, count
}

// words is how long the flat ring is that begins here.
func (f flatRing) words() int {
	if f.wide() {
		return 6 + 2*f.len()
	}
	return 5 + f.len()
}

// span is the box of the ring in units.
func (f flatRing) span() (minX, minY, maxX, maxY int64) {
	minX, minY = int64(int32(f[2])), int64(int32(f[3]))
	if f.wide() {
		return minX, minY, minX + int64(f[4]), minY + int64(f[5])
	}
	return minX, minY, minX + int64(f[4]&0xffff), minY + int64(f[4]>>16)
}

func (f flatRing) unit(i int) (x, y int64) {
	if f.wide() {
		return int64(int32(f[6+2*i])), int64(int32(f[7+2*i]))
	}
	return int64(int32(f[2])) + int64(f[5+i]&0xffff), int64(int32(f[3])) + int64(f[5+i]>>16)
}

func (f flatRing) corner(i int) Point {
	x, y := f.unit(i)
	return Point{Lng: degreesOf(int32(x)), Lat: degreesOf(int32(y))}
}

func (f flatRing) contains(q *spot) bool {
	minX, minY, maxX, maxY := f.span()
	if q.x < minX || q.y < minY || q.x > maxX || q.y > maxY {
		return false
	}
	return f.locate(q, 0, f.len(), false) != offRing
}

// locate is ring.locate over count edges from the edge first on. The spot must be such that a ray from it, to the west or
// to the east, meets no other edge, nor the spot itself.
func (f flatRing) locate(q *spot, first, count int, west bool) side {
	if f.wide() {
		return f.locateWide(q, first, count, west)
	}
	n := f.len()
	corners := f[5 : 5+n]
	x, y := q.x-int64(int32(f[2])), q.y-int64(int32(f[3]))
	ax, ay := int64(corners[first]&0xffff), int64(corners[first]>>16)
	if ay == y {
		return f.locateClose(q, first, count, west)
	}
	// Which edges the ray meets cannot be foreseen, so it is computed and not branched on: in the sign of whole words.
	in := int64(0)
	i := first
	for range count {
		if i++; i == n {
			i = 0
		}
		bx, by := int64(corners[i]&0xffff), int64(corners[i]>>16)
		dx, dy := bx-ax, by-ay
		det := dx*(y-ay) - dy*(x-ax)
		// The true spot is less than a unit north and east of (x, y), which moves det by less than |dx| + |dy|.
		if slack := max(dx, -dx) + max(dy, -dy); max(det, -det) <= slack || by == y {
			return f.locateClose(q, first, count, west)
		}
		in ^= ((y - ay) ^ (y - by)) &^ (det ^ dy)
		if west {
			in ^= (y - ay) ^ (y - by)
		}
		ax, ay = bx, by
	}
	if in < 0 {
		return inRing
	}
	return offRing
}

// locateClose is locate for a spot that may be on an edge, or level with a corner.
func (f flatRing) locateClose(q *spot, first, count int, west bool) side {
	n := f.len()
	x, y := q.x-int64(int32(f[2])), q.y-int64(int32(f[3]))
	corners := f[5 : 5+n]
	ax, ay := int64(corners[first]&0xffff), int64(corners[first]>>16)
	in := offRing
	i := first
	for range count {
		if i++; i == n {
			i = 0
		}
		bx, by := int64(corners[i]&0xffff), int64(corners[i]>>16)
		if (ay > y) != (by > y) {
			dx, dy := bx-ax, by-ay
			det := dx*(y-ay) - dy*(x-ax)
			if !(q.wholeX && q.wholeY) {
				if slack := max(dx, -dx) + max(dy, -dy); det <= slack && det >= -slack {
					det = int64(turn(f.corner((i+n-1)%n), f.corner(i), q.Point))
				}
			}
			if det == 0 {
				return onRing
			}
			if ((det > 0) == (dy > 0)) != west {
				in = -in
			}
		} else if by == y || ay == y {
			if q.onFlat(ax, ay, bx, by, x, y) {
				return onRing
			}
		}
		ax, ay = bx, by
	}
	return in
}

// onFlat tells whether the spot is one of two corners, or between them when they are on its own height.
func (q *spot) onFlat(ax, ay, bx, by, x, y int64) bool {
	if !q.wholeY {
		return false
	}
	if q.wholeX && (bx == x && by == y || ax == x && ay == y) {
		return true
	}
	return ay == by && min(ax, bx) <= x && x < max(ax, bx)
}

func (f flatRing) locateWide(q *spot, first, count int, west bool) side {
	n := f.len()
	in := offRing
	ax, ay := f.unit(first)
	i := first
	for range count {
		if i++; i == n {
			i = 0
		}
		bx, by := f.unit(i)
		if (ay > q.y) != (by > q.y) {
			t := q.turn(ax, ay, bx, by)
			if t == 0 {
				return onRing
			}
			if ((t > 0) == (by > ay)) != west {
				in = -in
			}
		} else if by == q.y || ay == q.y {
			if q.onFlat(ax, ay, bx, by, q.x, q.y) {
				return onRing
			}
		}
		ax, ay = bx, by
	}
	return in
}
