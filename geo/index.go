package geo

import (
	"math"
	"slices"

	"github.com/tidwall/rtree"
)

// Index answers which geofences hold a point, and which are near. It is an immutable snapshot, safe for any number of
// readers; Edit makes a new one that shares what did not change. It knows geometry alone: floor, status and schedule
// are the caller's to ask.
//
// A geofence has a number, in which the answers are given. A number stays valid for the same geofence in all
// snapshots made by Edit, and is given to another only after its own was removed.
type Index struct {
	fences []*Geofence // by number; nil: removed
	ids    map[string]uint32
	free   []uint32
	tree   *rtree.RTreeG[uint32]

	approach float64 // no geofence has a larger ApproachMeters
}

// Neighbour is a geofence near a point.
type Neighbour struct {
	Fence          uint32
	DistanceMeters float64 // to the boundary; negative inside
}

// NewIndex numbers the geofences in the order given. Of two with the same id the later one counts.
func NewIndex(fences []Geofence) *Index {
	return (&Index{tree: new(rtree.RTreeG[uint32])}).Edit(fences, nil)
}

// Len is the number of geofences.
func (x *Index) Len() int { return len(x.ids) }

// ApproachMeters bounds the approach distances of all geofences: how far to look around a shopper.
func (x *Index) ApproachMeters() float64 { return x.approach }

// Fence is the geofence with number n, nil if there is none. It is shared: do not write to it.
func (x *Index) Fence(n uint32) *Geofence {
	if int(n) >= len(x.fences) {
		return nil
	}
	return x.fences[n]
}

// Lookup finds the number of a geofence by its id.
func (x *Index) Lookup(id string) (n uint32, ok bool) {
	n, ok = x.ids[id]
	return n, ok
}

// Match appends to dst the numbers of the geofences that contain p, in ascending order.
func (x *Index) Match(p Point, dst []uint32) []uint32 {
	start := len(dst)
	x.tree.Search([2]float64{p.Lng, p.Lat}, [2]float64{p.Lng, p.Lat}, func(_, _ [2]float64, n uint32) bool {
		if x.fences[n].Shape.Contains(p) {
			dst = append(dst, n)
		}
		return true
	})
	slices.Sort(dst[start:])
	return slices.Compact(dst)
}

// Near appends to dst, in ascending order of number, every geofence that contains p or whose boundary is within
// reachMeters of it.
func (x *Index) Near(p Point, reachMeters float64, dst []Neighbour) []Neighbour {
	start := len(dst)
	for _, b := range planes(boundsAround(p, reachMeters)) {
		x.tree.Search([2]float64{b.minX, b.minY}, [2]float64{b.maxX, b.maxY}, func(_, _ [2]float64, n uint32) bool {
			if d := x.fences[n].Shape.Distance(p); d <= reachMeters {
				dst = append(dst, Neighbour{n, d})
			}
			return true
		})
	}
	slices.SortFunc(dst[start:], func(a, b Neighbour) int { return int(a.Fence) - int(b.Fence) })
	return slices.Compact(dst)
}

// Distance is the distance in metres from p to the boundary of geofence n, negative inside; NaN when there is no such
// geofence.
func (x *Index) Distance(n uint32, p Point) float64 {
	if g := x.Fence(n); g != nil {
		return g.Shape.Distance(p)
	}
	return math.NaN()
}

// Edit is a new snapshot with the geofences put, new or instead of those with the same id, and without the ids removed. Ids
// that are not there to be removed are no mistake.
func (x *Index) Edit(put []Geofence, remove []string) *Index {
	y := &Index{fences: slices.Clone(x.fences), ids: make(map[string]uint32, len(x.ids)+len(put)), free: slices.Clone(x.free), tree: x.tree.Copy(), approach: x.approach}
	for id, n := range x.ids {
		y.ids[id] = n
	}
	for _, id := range remove {
		if n, ok := y.ids[id]; ok {
			y.unplace(n)
			y.fences[n] = nil
			y.free = append(y.free, n)
			delete(y.ids, id)
		}
	}
	for i := range put {
		g := put[i]
		n, known := y.ids[g.ID]
		switch {
		case known:
			y.unplace(n)
		case len(y.free) > 0:
			n = y.free[len(y.free)-1]
			y.free = y.free[:len(y.free)-1]
		default:
			n = uint32(len(y.fences))
			y.fences = append(y.fences, nil)
		}
		y.ids[g.ID] = n
		y.fences[n] = &g
		y.approach = max(y.approach, g.ApproachMeters)
		for _, b := range planes(g.Shape.Bounds()) {
			y.tree.Insert([2]float64{b.minX, b.minY}, [2]float64{b.maxX, b.maxY}, n)
		}
	}
	return y
}

func (x *Index) unplace(n uint32) {
	for _, b := range planes(x.fences[n].Shape.Bounds()) {
		x.tree.Delete([2]float64{b.minX, b.minY}, [2]float64{b.maxX, b.maxY}, n)
	}
}

// planes cuts a box at the antimeridian. What reaches the antimeridian or a pole is given both its names, or all.
func planes(b Bounds) []box {
	if b.South == -90 || b.North == 90 {
		b.West, b.East = -180, 180
	}
	if b.West > b.East {
		return []box{{b.West, b.South, 180, b.North}, {-180, b.South, b.East, b.North}}
	}
	boxes := []box{{b.West, b.South, b.East, b.North}}
	if b.East == 180 && b.West > -180 {
		boxes = append(boxes, box{-180, b.South, -180, b.North})
	}
	if b.West == -180 && b.East < 180 {
		boxes = append(boxes, box{180, b.South, 180, b.North})
	}
	return boxes
}
