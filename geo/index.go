package geo

import (
	"cmp"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
)

// Index answers which geofences hold a point, and which are near. It is an immutable snapshot, safe for any number of
// readers; Edit makes a new one that shares what did not change. It knows geometry alone: floor, status and schedule
// are the caller's to ask.
//
// A geofence has a number, in which the answers are given. A number stays valid for the same geofence in all
// snapshots made by Edit, and is given to another only after its own was removed.
//
// The structure is the grid of grid.go: exact for what is plain, and for all else a short list of candidates whose shapes are
// asked. An R-tree was decided against: BenchmarkIndexMatch shows both.
type Index struct {
	pages     [][]uint32 // of the grid
	directory []uint64   // open addressing by page key: key in the high half, place in pages in the low
	levels    uint32     // one bit for each level that has pages

	rings   []uint32 // flat rings, in the order of their places; never changed after NewIndex
	circles []Circle // the same of circles

	fences fenceTable
	ids    idTable

	approach float64 // no geofence has a larger ApproachMeters
	loose    int     // edits since the last build
}

// Neighbour is a geofence near a point.
type Neighbour struct {
	Fence          uint32
	DistanceMeters float64 // to the boundary; negative inside
}

// NewIndex numbers the geofences in the order given. Of two with the same id the later one counts. The geofences are
// copied; their shapes are laid out anew, in the order of their places.
func NewIndex(fences []Geofence) *Index { return NewIndexOf(fences) }

// NewIndexOf is NewIndex of geofences that lie in several places.
func NewIndexOf(some ...[]Geofence) *Index {
	x := &Index{}
	count := 0
	for _, fences := range some {
		count += len(fences)
	}
	x.ids.reserve(count)
	for _, fences := range some {
		for i := range fences {
			g := &fences[i]
			x.approach = max(x.approach, g.ApproachMeters)
			if n, known := x.ids.lookup(g.ID, &x.fences); known {
				x.fences.set(n, g)
				continue
			}
			x.ids.put(g.ID, x.fences.add(g), &x.fences)
		}
	}
	x.build()
	return x
}

// laid is a geofence on its way into an index, and where its shape goes.
type laid struct {
	key  uint64 // of its place
	n    uint32 // its number
	ring uint32 // place in Index.rings, or in Index.circles; math.MaxUint32: in neither
}

// build copies all geofences, lays out their shapes and makes all pages anew, on all processors.
func (x *Index) build() {
	order := make([]laid, 0, x.fences.live)
	for n := range uint32(x.fences.len()) {
		if x.fences.at(n) != nil {
			order = append(order, laid{n: n})
		}
	}
	inParts(len(order), func(_, from, to int) {
		for i := from; i < to; i++ {
			order[i].key = zOrder(x.fences.at(order[i].n).Shape.Bounds().Center())
		}
	})
	slices.SortFunc(order, func(a, b laid) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return cmp.Compare(a.n, b.n)
	})
	words, rings, circles := 0, 0, 0
	for i := range order {
		order[i].ring = math.MaxUint32
		switch s := x.fences.at(order[i].n).Shape.(type) {
		case *Circle:
			order[i].ring = uint32(circles)
			circles++
		case *Polygon:
			if s.flat != nil && words <= postValueMask {
				order[i].ring = uint32(words)
				words += len(s.flat)
				rings++
			}
		}
	}
	x.rings, x.circles = make([]uint32, words), make([]Circle, circles)
	slab := make([]Geofence, len(order))
	all := make([][]posted, processors())
	inParts(len(order), func(part, from, to int) {
		polygons := make([]Polygon, 0, to-from)
		postings := make([]posted, 0, 8*(to-from))
		for i, o := range order[from:to] {
			g := &slab[from+i]
			*g = *x.fences.at(o.n)
			at := -1
			switch s := g.Shape.(type) {
			case *Circle:
				x.circles[o.ring] = *s
				g.Shape = &x.circles[o.ring]
			case *Polygon:
				if s.flat != nil && o.ring != math.MaxUint32 {
					at = int(o.ring)
					flat := flatRing(x.rings[at : at+len(s.flat) : at+len(s.flat)])
					copy(flat, s.flat)
					flat[0] = o.n
					polygons = append(polygons, Polygon{flat: flat})
					g.Shape = &polygons[len(polygons)-1]
				}
			}
			postings = cover(g.Shape, o.n, at, postings)
		}
		all[part] = postings
	})
	for i := range order {
		x.fences.set(order[i].n, &slab[i])
	}
	x.pages, x.directory, x.levels = nil, nil, 0
	x.loose = 0
	x.setPages(byPage(all...))
	x.gather()
}

// processors is how many parts of a work are done at the same time.
func processors() int { return runtime.GOMAXPROCS(0) }

// inParts does a work of n steps in as many parts as there are processors, at the same time; a small one at once.
func inParts(n int, do func(part, from, to int)) {
	parts := processors()
	if n < 1_000 || parts == 1 {
		do(0, 0, n)
		return
	}
	var working sync.WaitGroup
	for part := range parts {
		working.Go(func() { do(part, n*part/parts, n*(part+1)/parts) })
	}
	working.Wait()
}

// gather lays all pages side by side in one block of memory: a million geofences then need few entries of the processor's table of
// memory pages.
func (x *Index) gather() {
	size := 0
	for _, page := range x.pages {
		size += len(page)
	}
	block := make([]uint32, 0, size)
	for i, page := range x.pages {
		start := len(block)
		block = append(block, page...)
		x.pages[i] = block[start:len(block):len(block)]
	}
}

// zOrder interleaves the cell's column and row: near places get near keys.
func zOrder(p Point) uint64 {
	c := cellOf(int64(p.Lng*unitsPerDegree), int64(p.Lat*unitsPerDegree), 0)
	spread := func(v uint32) uint64 {
		s := uint64(v)
		s = (s | s<<16) & 0x0000ffff0000ffff
		s = (s | s<<8) & 0x00ff00ff00ff00ff
		s = (s | s<<4) & 0x0f0f0f0f0f0f0f0f
		s = (s | s<<2) & 0x3333333333333333
		return (s | s<<1) & 0x5555555555555555
	}
	return spread(c.x) | spread(c.y)<<1
}

// paged are the postings of one page.
type paged struct {
	key uint32
	all []posted
}

// byPage groups postings by page, keeping their order.
func byPage(some ...[]posted) []paged {
	places := map[uint32]int32{}
	var groups []paged
	var counts []int
	last, place := uint32(0), int32(0)
	find := func(key uint32) int32 {
		if key != last { // mostly the same as before
			known := false
			if place, known = places[key]; !known {
				place = int32(len(groups))
				places[key], groups, counts = place, append(groups, paged{key: key}), append(counts, 0)
			}
			last = key
		}
		return place
	}
	total := 0
	for _, all := range some {
		for i := range all {
			counts[find(all[i].page)]++
		}
		total += len(all)
	}
	sorted := make([]posted, total)
	for i, n := range counts {
		groups[i].all, sorted = sorted[0:0:n], sorted[n:]
	}
	for _, all := range some {
		for i := range all {
			group := &groups[find(all[i].page)]
			group.all = append(group.all, all[i])
		}
	}
	return groups
}

// setPages encodes pages and enters them. An empty one stays: a page without postings answers nothing.
func (x *Index) setPages(groups []paged) {
	fresh := 0
	for _, group := range groups {
		if x.page(group.key) == nil {
			fresh++
		}
	}
	if need := 2 * (len(x.pages) + fresh); need > len(x.directory) || len(x.directory) == 0 {
		old := x.directory
		x.directory = make([]uint64, 1<<bits.Len(uint(max(need, 8))))
		for _, entry := range old {
			if entry != 0 {
				x.enter(entry)
			}
		}
	}
	words := make([][]uint32, len(groups))
	inParts(len(groups), func(_, from, to int) {
		for i := from; i < to; i++ {
			words[i] = encodePage(groups[i].all)
		}
	})
	for i, group := range groups {
		if at, ok := x.find(group.key); ok {
			x.pages[at] = words[i]
			continue
		}
		x.enter(uint64(group.key)<<32 | uint64(len(x.pages)))
		x.pages = append(x.pages, words[i])
		x.levels |= 1 << (group.key>>26 - 1)
	}
}

func (x *Index) enter(entry uint64) {
	mask := uint32(len(x.directory) - 1)
	for i := pageHash(uint32(entry>>32)) & mask; ; i = (i + 1) & mask {
		if x.directory[i] == 0 {
			x.directory[i] = entry
			return
		}
	}
}

func pageHash(key uint32) uint32 {
	h := key * 0x9e3779b1
	return h ^ h>>15
}

// find is the place of a page.
func (x *Index) find(key uint32) (uint32, bool) {
	if len(x.directory) == 0 {
		return 0, false
	}
	mask := uint32(len(x.directory) - 1)
	for i := pageHash(key) & mask; ; i = (i + 1) & mask {
		entry := x.directory[i]
		if uint32(entry>>32) == key {
			return uint32(entry), true
		}
		if entry == 0 {
			return 0, false
		}
	}
}

func (x *Index) page(key uint32) []uint32 {
	if at, ok := x.find(key); ok {
		return x.pages[at]
	}
	return nil
}

// ApproachMeters bounds the approach distances of all geofences: how far to look around a shopper.
func (x *Index) ApproachMeters() float64 { return x.approach }

// Len is the number of geofences.
func (x *Index) Len() int { return x.fences.live }

// Fence is the geofence with number n, nil if there is none. It is shared: do not write to it.
func (x *Index) Fence(n uint32) *Geofence {
	if int(n) >= x.fences.len() {
		return nil
	}
	return x.fences.at(n)
}

// Lookup finds the number of a geofence by its id.
func (x *Index) Lookup(id string) (n uint32, ok bool) { return x.ids.lookup(id, &x.fences) }

// Match appends to dst the numbers of the geofences that contain p, in ascending order. It allocates nothing but room in
// dst. A point that is off the globe or no number is in none.
func (x *Index) Match(p Point, dst []uint32) []uint32 {
	if !(p.Lat >= -90 && p.Lat <= 90 && p.Lng >= -180 && p.Lng <= 180) {
		return dst
	}
	start := len(dst)
	q := spotOf(p)
	dst = x.match(&q, dst)
	if math.Abs(p.Lng) == 180 { // the antimeridian is in the cells of both its names
		q = spotOf(Point{Lat: p.Lat, Lng: -p.Lng})
		dst = x.match(&q, dst)
		slices.Sort(dst[start:])
		return dst[:start+len(slices.Compact(dst[start:]))]
	}
	if found := dst[start:]; len(found) > 24 {
		slices.Sort(found)
	} else {
		for i := 1; i < len(found); i++ {
			for j := i; j > 0 && found[j] < found[j-1]; j-- {
				found[j], found[j-1] = found[j-1], found[j]
			}
		}
	}
	return dst
}

func (x *Index) match(q *spot, dst []uint32) []uint32 {
	for levels := x.levels; levels != 0; levels &= levels - 1 {
		level := bits.TrailingZeros32(levels)
		cell := cellOf(q.x, q.y, level)
		at, ok := x.find(cell.pageKey(level))
		if !ok {
			continue
		}
		if all := postings(x.pages[at], cell.place()); len(all) > 0 {
			dst = x.ask(q, level, all, dst)
		}
	}
	return dst
}

// ask appends the numbers of the geofences among the postings of a cell that hold the spot. Whether one does is anybody's guess,
// also the processor's: the loops for circles and flat rings do the same work either way.
func (x *Index) ask(q *spot, level int, all []uint32, dst []uint32) []uint32 {
	shiftX, shiftY := cellShiftX+levelShift*level, cellShiftY+levelShift*level
	// Where in the cell the point is.
	inX, inY := (q.x+1<<31)&(1<<shiftX-1), (q.y+1<<31)&(1<<shiftY-1)
	i := 0
	for i < len(all) && all[i] < postCircle<<postKindShift {
		dst = append(dst, all[i])
		i++
	}
	circles := i
	for i+1 < len(all) && all[i] < postFlat<<postKindShift {
		i += 2
	}
	flats := all[i:]
	// First a word of each ring that is going to be read: these reads wait for no answer of each other, so memory serves them at
	// once, while the circles are looked at.
	var places [32]flatPosting
	sixteenth := inY>>(shiftY-maskSteps)<<maskSteps | inX>>(shiftX-maskSteps)
	flats, rings := x.warm(q, flats, sixteenth, &places)
	if circles < i {
		dst = x.askCircles(q, level, inX, inY, all[circles:i], dst)
	}
	for {
		for _, p := range places[:rings] {
			f := flatRing(x.rings[p.at:])
			first, count := f.run(p.more)
			if f.locate(q, first, count, p.more&flatWest != 0) != offRing {
				dst = append(dst, f[0])
			}
		}
		if len(flats) < 2 || flats[0] >= postAsk<<postKindShift {
			break
		}
		flats, rings = x.warm(q, flats, sixteenth, &places)
	}
	i = len(all) - len(flats)
	for ; i < len(all); i++ {
		if value := all[i] & postValueMask; x.fences.at(value).Shape.Contains(q.Point) {
			dst = append(dst, value)
		}
	}
	return dst
}

// askCircles appends the numbers of the circles among the postings that hold the spot. It does the same work either way, but for the few
// points that are closer to the boundary than the words tell.
func (x *Index) askCircles(q *spot, level int, inX, inY int64, all, dst []uint32) []uint32 {
	n := len(dst)
	dst = slices.Grow(dst, len(all)/2)
	room := dst[:cap(dst)]
	cos := math.Cos(q.Lat * radian)
	coarse, fine := &circleReaders[level][0], &circleReaders[level][1]
	coarseX, coarseY := float64(inX)+coarse.reachX, float64(inY)+coarse.reachY
	fineX, fineY := float64(inX)+fine.reachX, float64(inY)+fine.reachY
	for ; len(all) > 1; all = all[2:] {
		value, word := all[0]&postValueMask, all[1]
		var dx, dy, r, slack float64
		if word&circleFine != 0 {
			dx = (fineX - float64(int32(word&(1<<10-1)))*fine.stepX) * cos
			dy = fineY - float64(int32(word>>10&(1<<11-1)))*fine.stepY
			r, slack = float64(int32(word>>21&(1<<10-1)))*fine.stepR, fine.slack
		} else {
			dx = (coarseX - float64(int32(word&(1<<11-1)))*coarse.stepX) * cos
			dy = coarseY - float64(int32(word>>11&(1<<11-1)))*coarse.stepY
			r, slack = float64(int32(word>>22))*coarse.stepR, coarse.slack
		}
		// Inside where d < (r-slack)², outside where d > (r+slack)²: both at once, around the middle of the two.
		middle, half := r*r+slack*slack, 2*r*slack
		if r < slack {
			half = middle
		}
		d := dx*dx + dy*dy - middle
		room[n] = value
		in := 0
		if d < -half {
			in = 1
		}
		if math.Abs(d) <= half && x.fences.at(value).Shape.Contains(q.Point) {
			in = 1
		}
		n += in
	}
	return dst[:n]
}

// warm picks from the front of postings those of flat rings that may hold something in the sixteenth of the cell, as many as
// there are places, and reads a word of each. It returns the rest of the postings, and how many it picked.
func (x *Index) warm(q *spot, all []uint32, sixteenth int64, places *[32]flatPosting) (rest []uint32, n int) {
	for len(all) > 1 && all[0] < postAsk<<postKindShift && n < len(places) {
		places[n] = flatPosting{all[0] & postValueMask, all[1]}
		n += int(all[1] >> sixteenth & 1)
		all = all[2:]
	}
	for _, p := range places[:n] {
		q.warmed += x.rings[p.at] + x.rings[min(p.at+5+p.more>>runShift&runMask, uint32(len(x.rings)-1))]
	}
	return all, n
}

// flatPosting is the posting of a flat ring: its place and its second word.
type flatPosting struct{ at, more uint32 }

// candidates is room for numbers while Near works.
var candidates = sync.Pool{New: func() any { return new([]uint32) }}

// Near appends to dst, in ascending order of number, every geofence that contains p or whose boundary is within
// reachMeters of it.
func (x *Index) Near(p Point, reachMeters float64, dst []Neighbour) []Neighbour {
	if p.Check() != nil || !(reachMeters >= 0) {
		return dst
	}
	room := candidates.Get().(*[]uint32)
	found := (*room)[:0]
	// The longitudes of what reaches a pole are all of them; the planes see to that.
	for _, plane := range planes(boundsAround(p, min(reachMeters, MaxRadiusMeters))) {
		found = x.meet(plane, found)
	}
	slices.Sort(found)
	for _, n := range slices.Compact(found) {
		if d := x.fences.at(n).Shape.Distance(p); d <= reachMeters {
			dst = append(dst, Neighbour{n, d})
		}
	}
	*room = found
	candidates.Put(room)
	return dst
}

// meet appends the numbers of all that is posted in cells that meet the box, some of them repeatedly.
func (x *Index) meet(b box, found []uint32) []uint32 {
	minX, minY, maxX, maxY := unitBox(b)
	for levels := x.levels; levels != 0; levels &= levels - 1 {
		level := bits.TrailingZeros32(levels)
		from, to := cellOf(minX, minY, level), cellOf(maxX, maxY, level)
		across, up := to.x>>pageShift-from.x>>pageShift+1, to.y>>pageShift-from.y>>pageShift+1
		if uint64(across)*uint64(up) > uint64(len(x.pages)) {
			for _, entry := range x.directory {
				if key := uint32(entry >> 32); key>>26 == uint32(level+1) {
					found = x.meetPage(x.pages[uint32(entry)], key&0xfff<<pageShift, key>>12&0x3fff<<pageShift, from, to, found)
				}
			}
			continue
		}
		for py := from.y >> pageShift; py <= to.y>>pageShift; py++ {
			for px := from.x >> pageShift; px <= to.x>>pageShift; px++ {
				corner := gridCell{px << pageShift, py << pageShift}
				if page := x.page(corner.pageKey(level)); page != nil {
					found = x.meetPage(page, corner.x, corner.y, from, to, found)
				}
			}
		}
	}
	return found
}

// meetPage appends what is posted in the cells from and to, both included, of the page that begins in column px, row py.
func (x *Index) meetPage(page []uint32, px, py uint32, from, to gridCell, found []uint32) []uint32 {
	for tile := range uint32(pageTiles) {
		offset, bitmap := tileOf(page, int(tile))
		used := bits.OnesCount64(bitmap)
		tx, ty := px+tile&7<<3, py+tile>>3<<3
		if bitmap == 0 || tx > to.x || tx+7 < from.x || ty > to.y || ty+7 < from.y {
			continue
		}
		for k := range used {
			cell := uint32(bits.TrailingZeros64(bitmap))
			bitmap &= bitmap - 1
			if cx, cy := tx+cell&7, ty+cell>>3; cx < from.x || cx > to.x || cy < from.y || cy > to.y {
				continue
			}
			all := cellPostings(page, offset, used, k)
			for i := 0; i < len(all); i++ {
				found = append(found, x.number(all[i]))
				i += postWords(all[i]) - 1
			}
		}
	}
	return found
}

// number is that of the geofence that a posting is about.
func (x *Index) number(word uint32) uint32 {
	value := word & postValueMask
	if word>>postKindShift == postFlat {
		return x.rings[value]
	}
	return value
}

// Distance is the distance in metres from p to the boundary of geofence n, negative inside; NaN when there is no such
// geofence.
func (x *Index) Distance(n uint32, p Point) float64 {
	if g := x.Fence(n); g != nil {
		return g.Shape.Distance(p)
	}
	return math.NaN()
}

// Loose counts the geofences edited since all were laid out.
func (x *Index) Loose() int { return x.loose }

// Rebuilt is the same snapshot, numbers included, laid out anew. It takes as long as NewIndex: call it beside the requests, when
// Loose says that it is worth it.
func (x *Index) Rebuilt() *Index {
	y := *x
	y.fences, y.ids = x.fences.clone(), x.ids.clone()
	y.build()
	return &y
}

// Edit is a new snapshot with the geofences put, new or instead of those with the same id, and without the ids removed. Ids
// that are not there to be removed are no mistake; one that is both removed and put is put. It takes time in proportion to
// what is edited, unless that is a quarter of the index or more: then it is built anew. What was replaced keeps its room in the
// memory that snapshots share, and rings that were put are asked for their shape, until somebody calls Rebuilt.
func (x *Index) Edit(put []Geofence, remove []string) *Index {
	y := *x
	y.fences, y.ids = x.fences.clone(), x.ids.clone()
	anew := len(put)+len(remove) > 10_000+x.fences.live/4
	gone := map[uint32]bool{} // numbers whose postings are to go
	touched := map[uint32]bool{}
	var fresh []posted
	take := func(n uint32) {
		if !gone[n] && !anew {
			gone[n] = true
			for _, p := range cover(x.fences.at(n).Shape, n, -1, nil) {
				touched[p.page] = true
			}
		}
	}
	for _, id := range remove {
		if n, ok := y.ids.lookup(id, &y.fences); ok {
			take(n)
			y.ids.remove(id, &y.fences)
			y.fences.remove(n)
		}
	}
	// Of two with the same id the later one counts.
	last := make(map[string]int, len(put))
	for i := range put {
		last[put[i].ID] = i
	}
	slab := make([]Geofence, 0, len(last))
	for i := range put {
		if last[put[i].ID] != i {
			continue
		}
		slab = append(slab, put[i])
		g := &slab[len(slab)-1]
		y.approach = max(y.approach, g.ApproachMeters)
		n, known := y.ids.lookup(g.ID, &y.fences)
		if known {
			take(n)
			y.fences.set(n, g)
		} else {
			n = y.fences.add(g)
			y.ids.put(g.ID, n, &y.fences)
		}
		if !anew {
			fresh = cover(g.Shape, n, -1, fresh)
		}
	}
	if anew {
		y.build()
		return &y
	}
	y.loose += len(last) + len(gone)
	y.pages = slices.Clone(x.pages)
	pages := byPage(fresh)
	for _, group := range pages {
		delete(touched, group.key)
	}
	for key := range touched {
		pages = append(pages, paged{key: key})
	}
	shared := true
	for i, group := range pages {
		page := x.page(group.key)
		if page == nil {
			if shared {
				y.directory, shared = slices.Clone(x.directory), false
			}
			continue
		}
		all := decodePage(page, make([]posted, 0, len(page)+len(group.all)))
		for j := range all {
			all[j].n = x.number(all[j].word)
		}
		all = slices.DeleteFunc(all, func(p posted) bool { return gone[p.n] })
		pages[i].all = append(all, group.all...)
	}
	y.setPages(pages)
	return &y
}
