package geo

import (
	"math"
	"math/bits"
	"slices"
)

// The grid cuts the map of units into cells of a power of two, at six levels of which each has cells eight times as wide
// as the one before. A geofence is in the first level where it spans at most sixteen cells either way, so
// that no cover grows with area. 64 × 64 cells of a level are a page: one run of words, rewritten whole by an edit.
//
//	page:    64 offsets of tiles of 8 × 8 cells; 0: the tile is empty
//	tile:    two words of bitmap (which cells hold anything), the ends of these cells, counted in words: 16 bits each; or 32, if
//	         tileWide is set in the offset; then the postings, cell after cell
//	posting: what may hold a point of the cell: two bits of kind, thirty of value
//
// A posting of a cell that is wholly inside names the geofence and asks for no geometry. One of a flat ring names the
// place of its words, and in a second word the few edges that a ray from the cell, to its better side, can meet: a handful
// are read instead of all.
const (
	gridLevels  = 6
	cellShiftX  = 14 // 182 m at the equator
	cellShiftY  = 14
	levelShift  = 3
	pageShift   = 6
	maxCellSpan = 16

	postInside = 0 // value: number of the geofence
	postCircle = 1 // value: place in Index.circles
	postFlat   = 2 // value: place in Index.rings; a word of edges follows
	postAsk    = 3 // value: number of the geofence, whose shape is asked

	postKindShift = 30
	postValueMask = 1<<postKindShift - 1

	tileWide  = 1 << 31
	pageTiles = 64
	tileHead  = 2

	edgesWest = 1 << 15
)

// gridCell is a cell of a level: its column and row.
type gridCell struct{ x, y uint32 }

// cellOf counts cells from the smallest int32, so that all is positive.
func cellOf(x, y int64, level int) gridCell {
	return gridCell{uint32(x+1<<31) >> (cellShiftX + levelShift*level), uint32(y+1<<31) >> (cellShiftY + levelShift*level)}
}

// origin is the south-west end of the cell in units.
func (c gridCell) origin(level int) (x, y int64) {
	return int64(c.x)<<(cellShiftX+levelShift*level) - 1<<31, int64(c.y)<<(cellShiftY+levelShift*level) - 1<<31
}

// pageKey names the page of the cell; never 0.
func (c gridCell) pageKey(level int) uint32 {
	return uint32(level+1)<<26 | (c.y>>pageShift)<<12 | c.x>>pageShift
}

// place is where in its page the cell is: six bits of tile, six of the cell in it.
func (c gridCell) place() uint16 {
	tile := (c.y>>3&7)<<3 | c.x>>3&7
	return uint16(tile<<6 | (c.y&7)<<3 | c.x&7)
}

// posted is one posting on its way into a page.
type posted struct {
	page  uint32
	place uint16
	word  uint32
	edges uint32
}

func (p posted) words() int {
	if p.word>>postKindShift == postFlat {
		return 2
	}
	return 1
}

// encodePage sorts the postings of one page into words.
func encodePage(all []posted) []uint32 {
	var ends [pageTiles*64 + 1]int32 // first counts, then begins, of cells in words
	for _, p := range all {
		ends[p.place+1] += int32(p.words())
	}
	size := pageTiles
	for _, n := range ends {
		size += int(n)
	}
	words := make([]uint32, pageTiles, size*9/8+pageTiles*tileHead)
	for tile := range pageTiles {
		cells := ends[tile*64+1 : tile*64+65]
		total, used := int32(0), 0
		var bitmap uint64
		for i, n := range cells {
			if n > 0 {
				bitmap |= 1 << i
				used++
			}
			total += n
		}
		if used == 0 {
			continue
		}
		offset := uint32(len(words))
		head := (used + 1) / 2
		if total > 0xffff {
			head = used
			offset |= tileWide
		}
		words[tile] = offset
		words = append(words, uint32(bitmap), uint32(bitmap>>32))
		start := len(words)
		words = append(words, make([]uint32, head+int(total))...)
		at, k := int32(0), 0
		for i, n := range cells {
			if n == 0 {
				continue
			}
			cells[i] = int32(start+head) + at // where the cell's postings go
			at += n
			if offset&tileWide != 0 {
				words[start+k] = uint32(at)
			} else {
				words[start+k/2] |= uint32(at) << (16 * (k & 1))
			}
			k++
		}
	}
	for _, p := range all {
		at := ends[p.place+1]
		words[at] = p.word
		if p.words() == 2 {
			words[at+1] = p.edges
		}
		ends[p.place+1] += int32(p.words())
	}
	return slices.Clip(slices.Clone(words))
}

// tileOf is the offset of a tile in a page and the bitmap of its cells that hold anything.
func tileOf(page []uint32, tile int) (offset uint32, bitmap uint64) {
	offset = page[tile]
	if offset == 0 {
		return 0, 0
	}
	head := page[offset&^tileWide:]
	return offset, uint64(head[0]) | uint64(head[1])<<32
}

// postings are those of a cell in a page.
func postings(page []uint32, place uint16) []uint32 {
	offset, bitmap := tileOf(page, int(place>>6))
	bit := uint64(1) << (place & 63)
	if bitmap&bit == 0 {
		return nil
	}
	return cellPostings(page, offset, bits.OnesCount64(bitmap), bits.OnesCount64(bitmap&(bit-1)))
}

// cellPostings are those of cell k of the used ones of a tile.
func cellPostings(page []uint32, offset uint32, used, k int) []uint32 {
	start := int(offset&^tileWide) + tileHead
	head, from, to := 0, 0, 0
	if offset&tileWide != 0 {
		head = used
		to = int(page[start+k])
		if k > 0 {
			from = int(page[start+k-1])
		}
	} else {
		head = (used + 1) / 2
		to = int(page[start+k/2]>>(16*(k&1))) & 0xffff
		if k > 0 {
			from = int(page[start+(k-1)/2]>>(16*((k-1)&1))) & 0xffff
		}
	}
	return page[start+head+from : start+head+to]
}

// decodePage is encodePage backwards.
func decodePage(page []uint32, all []posted) []posted {
	for tile := range pageTiles {
		offset, bitmap := tileOf(page, tile)
		used := bits.OnesCount64(bitmap)
		for k := range used {
			cell := bits.TrailingZeros64(bitmap)
			bitmap &= bitmap - 1
			words := cellPostings(page, offset, used, k)
			for i := 0; i < len(words); i++ {
				p := posted{place: uint16(tile<<6 | cell), word: words[i]}
				if p.words() == 2 {
					i++
					p.edges = words[i]
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// levelOf is the first level where the box in units spans few cells.
func levelOf(minX, minY, maxX, maxY int64) int {
	for level := range gridLevels - 1 {
		a, b := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
		if b.x-a.x < maxCellSpan && b.y-a.y < maxCellSpan {
			return level
		}
	}
	return gridLevels - 1
}

// unitBox is a box in whole units that holds the box in degrees.
func unitBox(b box) (minX, minY, maxX, maxY int64) {
	down := func(deg float64) int64 { return max(-halfTurn, int64(math.Floor(deg*unitsPerDegree))-1) }
	up := func(deg float64) int64 { return min(halfTurn, int64(math.Ceil(deg*unitsPerDegree))+1) }
	return down(b.minX), down(b.minY), up(b.maxX), up(b.maxY)
}

// coverBoxes posts the word in every cell that the bounds meet: right for any shape.
func coverBoxes(b Bounds, word uint32, all []posted) []posted {
	for _, plane := range planes(b) {
		minX, minY, maxX, maxY := unitBox(plane)
		level := levelOf(minX, minY, maxX, maxY)
		from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
		for y := from.y; y <= to.y; y++ {
			for x := from.x; x <= to.x; x++ {
				c := gridCell{x, y}
				all = append(all, posted{page: c.pageKey(level), place: c.place(), word: word})
			}
		}
	}
	return all
}

// cover posts the word in the cells where the shape may be, and the bare number in those that are clearly inside. Which
// cells these are depends on the shape alone.
func cover(s Shape, n, word uint32, all []posted) []posted {
	switch s := s.(type) {
	case *Circle:
		if s.gridded() {
			return coverCircle(s, n, word, all)
		}
	case *Polygon:
		if s.flat != nil {
			return coverFlat(s.flat, n, word, all)
		}
	}
	return coverBoxes(s.Bounds(), word, all)
}

// gridded tells whether coverCircle can do better than boxes.
func (c *Circle) gridded() bool {
	b := c.Bounds()
	return b.West < b.East && b.West > -180 && b.East < 180 && b.South > -89 && b.North < 89 && c.radiusMeters < 2_000_000
}

// coverCircle leaves out cells that are clearly outside and names the geofence in those clearly inside.
func coverCircle(c *Circle, n, word uint32, all []posted) []posted {
	b := c.Bounds()
	minX, minY, maxX, maxY := unitBox(box{b.West, b.South, b.East, b.North})
	level := levelOf(minX, minY, maxX, maxY)
	from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
	steep := math.Tan(max(math.Abs(b.South), math.Abs(b.North)) * radian)
	for y := from.y; y <= to.y; y++ {
		for x := from.x; x <= to.x; x++ {
			cell := gridCell{x, y}
			x0, y0 := cell.origin(level)
			x1, y1 := gridCell{x + 1, y + 1}.origin(level)
			south, north := float64(y0)/unitsPerDegree, float64(y1)/unitsPerDegree
			west, east := float64(x0)/unitsPerDegree, float64(x1)/unitsPerDegree
			// Parallels are no great circles: over a width w they stray by up to w² tan(lat) / 8R. Taken four times over.
			w := (east-west)*radian*EarthRadiusMeters + c.radiusMeters
			stray := w*w*steep/(2*EarthRadiusMeters) + 0.01
			nearest := Point{Lat: max(south, min(north, c.center.Lat)), Lng: max(west, min(east, c.center.Lng))}
			if c.Distance(nearest) > stray {
				continue
			}
			farLat, farLng := south, west
			if c.center.Lat-south < north-c.center.Lat {
				farLat = north
			}
			if c.center.Lng-west < east-c.center.Lng {
				farLng = east
			}
			post := word
			if c.Distance(Point{Lat: farLat, Lng: farLng}) < -stray && c.Distance(Point{Lat: south + north - farLat, Lng: farLng}) < -stray {
				post = postInside<<postKindShift | n
			}
			all = append(all, posted{page: cell.pageKey(level), place: cell.place(), word: post})
		}
	}
	return all
}

// coverFlat finds for each cell that the ring meets which edges a ray from it can meet, and names the geofence in cells
// that no edge meets and that are inside.
func coverFlat(f flatRing, n, word uint32, all []posted) []posted {
	minX, minY, maxX, maxY := f.span()
	level := levelOf(minX, minY, maxX, maxY)
	from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
	corners := f.len()
	// Edges are told apart by the bits of a word: one each up to 64, else in groups of neighbours.
	group := (corners + 63) / 64
	// Per cell: edges that begin to be east of it here, edges that begin to be west, and whether any meets it.
	var east, west [maxCellSpan + 1][maxCellSpan + 1]uint64
	var met [maxCellSpan + 1]uint32
	shiftY := cellShiftY + levelShift*level
	column := func(x float64) int {
		c := cellOf(int64(x), minY, level).x
		return int(max(from.x, min(to.x, c)) - from.x)
	}
	ax, ay := f.unit(0)
	for i := range corners {
		bx, by := f.unit((i + 1) % corners)
		bit := uint64(1) << (i / group)
		low, high := cellOf(ax, min(ay, by), level).y, cellOf(ax, max(ay, by), level).y
		slope := 0.0
		if ay != by {
			slope = float64(bx-ax) / float64(by-ay)
		}
		for y := low; y <= high; y++ {
			// The stretch of the edge in this row, a unit wider.
			left, right := float64(min(ax, bx)), float64(max(ax, bx))
			if low != high {
				y0 := int64(y)<<shiftY - 1<<31
				y1 := y0 + 1<<shiftY
				at0 := float64(ax) + slope*float64(max(y0, min(ay, by))-ay)
				at1 := float64(ax) + slope*float64(min(y1, max(ay, by))-ay)
				left, right = max(left, min(at0, at1)), min(right, max(at0, at1))
			}
			first, last := column(left-2), column(right+2)
			row := y - from.y
			east[row][last] |= bit
			west[row][first] |= bit
			met[row] |= (2<<last - 1) &^ (1<<first - 1)
		}
		ax, ay = bx, by
	}
	columns := int(to.x-from.x) + 1
	for row := range int(to.y-from.y) + 1 {
		for c := columns - 2; c >= 0; c-- {
			east[row][c] |= east[row][c+1]
		}
		for c := 1; c < columns; c++ {
			west[row][c] |= west[row][c-1]
		}
		known, in := false, false // about cells that nothing meets, since the last one met
		for c := range columns {
			if east[row][c] == 0 || west[row][c] == 0 {
				known = false
				continue // a ray from here meets nothing: outside
			}
			cell := gridCell{from.x + uint32(c), from.y + uint32(row)}
			e, w := edgeRun(east[row][c], corners, group), edgeRun(west[row][c], corners, group)
			edges := e
			if w>>16 < e>>16 {
				edges = w | edgesWest
			}
			post := posted{page: cell.pageKey(level), place: cell.place(), word: word, edges: edges}
			if met[row]>>c&1 == 0 {
				if !known {
					x, y := cell.origin(level)
					q := spot{x: x, y: y, wholeX: true, wholeY: true}
					in = f.locate(&q, int(edges&0x7fff), int(edges>>16), edges&edgesWest != 0) != offRing
					known = true
				}
				if !in {
					continue
				}
				post.word = postInside<<postKindShift | n
			} else {
				known = false
			}
			all = append(all, post)
		}
	}
	return all
}

// edgeRun is the shortest run of edges around the ring that has all the groups in it: first edge, and count from bit 16 up.
func edgeRun(groups uint64, corners, group int) uint32 {
	n := (corners + group - 1) / group
	first, last := bits.TrailingZeros64(groups), 63-bits.LeadingZeros64(groups)
	// The longest stretch without a group is left out; at first the one over the start of the ring.
	gap, begin, end := first+n-1-last, first, last
	for rest, previous := groups&(groups-1), first; rest != 0; rest &= rest - 1 {
		next := bits.TrailingZeros64(rest)
		if next-previous-1 > gap {
			gap, begin, end = next-previous-1, next, previous
		}
		previous = next
	}
	from, to := begin*group, min((end+1)*group, corners)
	count := to - from
	if count <= 0 {
		count += corners
	}
	return uint32(from) | uint32(count)<<16
}
