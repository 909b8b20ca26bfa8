package geo

import (
	"cmp"
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
//	posting: what may hold a point of the cell: two bits of kind, thirty of value; a second word where the kind has one
//
// The postings of a cell are in the order of their kinds, then of the numbers of their geofences: what is read runs without
// a branch that the processor could not foresee. A posting of a cell that is wholly inside asks
// for no geometry. One of a circle has the circle again, rounded, in its second word: only points that are closer to the
// boundary than the rounding read the circle itself. One of a flat ring names the place of its words; its second word
// says in which sixteenths of the cell the ring can hold anything, and which few edges a ray from the cell, to its better
// side, can meet: a handful are read instead of all. Memory is slow, and this keeps most of it unread.
const (
	gridLevels  = 6
	cellShiftX  = 15 // 364 m at the equator
	cellShiftY  = 14 // 182 m
	levelShift  = 3
	pageShift   = 6
	maxCellSpan = 16

	postInside = 0 // value: number of the geofence
	postCircle = 1 // value: number of the geofence; a word that circleWord made follows
	postFlat   = 2 // value: place in Index.rings; a word of mask and edges follows
	postAsk    = 3 // value: number of the geofence, whose shape is asked

	postKindShift = 30
	postValueMask = 1<<postKindShift - 1

	tileWide  = 1 << 31
	pageTiles = 64
	tileHead  = 2

	// The word of a circle says whether it is fine, then the radius, the centre's row and its column. Where the circle is no larger
	// than a few cells it is fine: the centre then counts in 256ths of a cell from a cell and a half west and three and a half south of
	// the cell's own origin, the radius in 256ths of a cell's height. Otherwise the centre counts in 64ths from eight cells
	// before, and the radius in 64ths.
	circleFine = 1 << 31

	// The words of flat rings: sixteen bits of mask; a run of groups of edges, first and count less one; the side.
	maskSteps  = 2 // each way, so sixteenths
	runShift   = 16
	runBits    = 6
	runMask    = 1<<runBits - 1
	flatWest   = 1 << (runShift + 2*runBits)
	flatGroups = 1 << runBits
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
	n     uint32 // number of the geofence
	word  uint32
	more  uint32 // the second word
}

func (p posted) words() int { return postWords(p.word) }

// postWords is how many words the posting has that begins with this one.
func postWords(word uint32) int {
	if kind := word >> postKindShift; kind == postFlat || kind == postCircle {
		return 2
	}
	return 1
}

// circleForm is how the word of a circle is read: bits of column, row and radius from the lowest up; how many steps they have to a cell; and how many
// steps the centre may be before the cell's own origin.
type circleForm struct {
	bitsX, bitsY, bitsR int
	logX, logY, logR    int // steps to a cell, as powers of two; those of the radius to a cell's height
	reachX, reachY      int
}

var (
	coarseCircle = circleForm{bitsX: 11, bitsY: 11, bitsR: 9, logX: 6, logY: 6, logR: 6, reachX: 8 << 6, reachY: 8 << 6}
	fineCircle   = circleForm{bitsX: 10, bitsY: 11, bitsR: 10, logX: 8, logY: 8, logR: 8, reachX: 3 << 7, reachY: 7 << 7}
)

// circleReader reads the words of circles in one form, in units of one cell's level.
type circleReader struct {
	stepX, stepY, stepR float64
	reachX, reachY      float64
	// slack is how much farther than its word says, in units of latitude, a circle may reach: half a step of the centre either way,
	// half a step of the radius, a quarter of a step for the earth being round, and two units for the point itself being between units.
	slack float64
}

func (f circleForm) reader(level int) circleReader {
	r := circleReader{
		stepX: float64(int64(1) << (levelShift*level + cellShiftX - f.logX)),
		stepY: float64(int64(1) << (levelShift*level + cellShiftY - f.logY)),
		stepR: float64(int64(1) << (levelShift*level + cellShiftY - f.logR)),
	}
	r.reachX, r.reachY = float64(f.reachX)*r.stepX, float64(f.reachY)*r.stepY
	r.slack = r.stepX/2 + r.stepY*3/4 + r.stepR/2 + 2
	return r
}

// circleReaders are those of each level, coarse and fine.
var circleReaders = func() (all [gridLevels][2]circleReader) {
	for level := range all {
		all[level] = [2]circleReader{coarseCircle.reader(level), fineCircle.reader(level)}
	}
	return all
}()

// circleWord holds a circle in units of the cell, rounded; ok is false for one that does not fit. Words of circles are read as if
// the earth were flat, from which it strays by so many metres: that must not matter more than the slack allows.
func circleWord(c *Circle, cell gridCell, level int, stray float64) (word uint32, ok bool) {
	if word, ok = fineCircle.word(c, cell, level, stray); ok {
		return word | circleFine, true
	}
	return coarseCircle.word(c, cell, level, stray)
}

func (f circleForm) word(c *Circle, cell gridCell, level int, stray float64) (word uint32, ok bool) {
	r := f.reader(level)
	x0, y0 := cell.origin(level)
	x := math.Round((c.center.Lng*unitsPerDegree-float64(x0))/r.stepX) + float64(f.reachX)
	y := math.Round((c.center.Lat*unitsPerDegree-float64(y0))/r.stepY) + float64(f.reachY)
	radius := math.Round(c.radiusMeters / metersPerUnit / r.stepR)
	fits := func(v float64, bits int) bool { return v >= 0 && v < float64(int(1)<<bits) }
	if !fits(x, f.bitsX) || !fits(y, f.bitsY) || !fits(radius, f.bitsR) || stray >= r.stepY/4*metersPerUnit {
		return 0, false
	}
	return uint32(x) | uint32(y)<<f.bitsX | uint32(radius)<<(f.bitsX+f.bitsY), true
}

// encodePage sorts the postings of one page into words.
func encodePage(all []posted) []uint32 {
	slices.SortFunc(all, func(a, b posted) int {
		return cmp.Or(cmp.Compare(a.word>>postKindShift, b.word>>postKindShift), cmp.Compare(a.n, b.n))
	})
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
			words[at+1] = p.more
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
					p.more = words[i]
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

// coverBoxes posts the number in every cell that the bounds meet: right for any shape.
func coverBoxes(b Bounds, n uint32, all []posted) []posted {
	for _, plane := range planes(b) {
		minX, minY, maxX, maxY := unitBox(plane)
		level := levelOf(minX, minY, maxX, maxY)
		from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
		for y := from.y; y <= to.y; y++ {
			for x := from.x; x <= to.x; x++ {
				c := gridCell{x, y}
				all = append(all, posted{page: c.pageKey(level), place: c.place(), n: n, word: postAsk<<postKindShift | n})
			}
		}
	}
	return all
}

// cover posts the shape in the cells where it may be, by its bare number in those that are clearly inside. Rings that are
// laid out are posted by their place, rings that are not (at < 0) are asked. Which cells these are depends on the shape alone.
func cover(s Shape, n uint32, at int, all []posted) []posted {
	switch s := s.(type) {
	case *Circle:
		if s.gridded() {
			return coverCircle(s, n, all)
		}
	case *Polygon:
		if s.flat != nil {
			return coverFlat(s.flat, n, at, all)
		}
	}
	return coverBoxes(s.Bounds(), n, all)
}

// gridded tells whether coverCircle can do better than boxes.
func (c *Circle) gridded() bool {
	b := c.Bounds()
	return b.West < b.East && b.West > -180 && b.East < 180 && b.South > -89 && b.North < 89 && c.radiusMeters < 2_000_000
}

// coverCircle leaves out cells that are clearly outside and names the geofence in those clearly inside.
func coverCircle(c *Circle, n uint32, all []posted) []posted {
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
			post := posted{page: cell.pageKey(level), place: cell.place(), n: n, word: postAsk<<postKindShift | n}
			if c.Distance(Point{Lat: farLat, Lng: farLng}) < -stray && c.Distance(Point{Lat: south + north - farLat, Lng: farLng}) < -stray {
				post.word = postInside<<postKindShift | n
			} else if b.South > -80 && b.North < 80 {
				if word, ok := circleWord(c, cell, level, stray); ok {
					post.word, post.more = postCircle<<postKindShift|n, word
				}
			}
			all = append(all, post)
		}
	}
	return all
}

// coverFlat finds for each cell that the ring meets which edges a ray from it can meet and where in it the ring can hold
// anything, and names the geofence in cells that no edge meets and that are inside.
func coverFlat(f flatRing, n uint32, at int, all []posted) []posted {
	minX, minY, maxX, maxY := f.span()
	level := levelOf(minX, minY, maxX, maxY)
	from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
	shiftX, shiftY := cellShiftX+levelShift*level, cellShiftY+levelShift*level
	corners := f.len()
	// Edges are told apart by the bits of a word: one each up to 64, else in groups of neighbours.
	group := f.group()
	// Per cell: edges that begin to be east of it here, edges that begin to be west, and whether any meets it. Per row of
	// sixteenths: from which to which the ring reaches.
	const steps = 1 << maskSteps
	var east, west [maxCellSpan + 1][maxCellSpan + 1]uint64
	var met [maxCellSpan + 1]uint32
	var reachWest, reachEast [(maxCellSpan + 1) * steps]int16
	for i := range reachWest {
		reachWest[i], reachEast[i] = math.MaxInt16, -1
	}
	originX, originY := from.origin(level)
	lastStep := int(to.x-from.x+1)*steps - 1
	step := func(x float64) int {
		return max(0, min(lastStep, int(int64(x)-originX)>>(shiftX-maskSteps)))
	}
	ax, ay := f.unit(0)
	for i := range corners {
		bx, by := f.unit((i + 1) % corners)
		bit := uint64(1) << (i / group)
		low, high := min(ay, by), max(ay, by)
		slope := 0.0
		if ay != by {
			slope = float64(bx-ax) / float64(by-ay)
		}
		for y := low; ; {
			// The stretch of the edge in this row of sixteenths, a little wider.
			line := int(y-originY) >> (shiftY - maskSteps)
			next := originY + int64(line+1)<<(shiftY-maskSteps)
			left, right := float64(min(ax, bx)), float64(max(ax, bx))
			if ay != by {
				at0 := float64(ax) + slope*float64(y-ay)
				at1 := float64(ax) + slope*float64(min(next, high)-ay)
				left, right = max(left, min(at0, at1)), min(right, max(at0, at1))
			}
			first, last := step(left-2), step(right+2)
			reachWest[line], reachEast[line] = min(reachWest[line], int16(first)), max(reachEast[line], int16(last))
			row := line >> maskSteps
			first, last = first>>maskSteps, last>>maskSteps
			east[row][last] |= bit
			west[row][first] |= bit
			met[row] |= (2<<last - 1) &^ (1<<first - 1)
			if y = next; y > high {
				break
			}
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
			run := edgeRun(east[row][c], corners, group)
			if w := edgeRun(west[row][c], corners, group); w>>runBits < run>>runBits {
				run = w | flatWest>>runShift
			}
			post := posted{page: cell.pageKey(level), place: cell.place(), n: n, word: postAsk<<postKindShift | n}
			if met[row]>>c&1 == 0 {
				if !known {
					x, y := cell.origin(level)
					q := spot{x: x, y: y, wholeX: true, wholeY: true}
					first, count := f.run(run << runShift)
					in = f.locate(&q, first, count, run<<runShift&flatWest != 0) != offRing
					known = true
				}
				if !in {
					continue
				}
				post.word = postInside<<postKindShift | n
			} else {
				known = false
				if at >= 0 {
					post.word, post.more = postFlat<<postKindShift|uint32(at), run<<runShift
					for line := range steps {
						reach := row*steps + line
						for sixteenth := range steps {
							if x := int16(c*steps + sixteenth); x >= reachWest[reach] && x <= reachEast[reach] {
								post.more |= 1 << (line*steps + sixteenth)
							}
						}
					}
				}
			}
			all = append(all, post)
		}
	}
	return all
}

// edgeRun is the shortest run around the ring that has all the groups in it: first group, and count less one from runBits up.
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
	count := end - begin + 1
	if count <= 0 {
		count += n
	}
	return uint32(begin) | uint32(count-1)<<runBits
}
