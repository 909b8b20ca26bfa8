package geo

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

// CellSet is the area of some H3 cells, of one or several resolutions. Containment is logical, as H3 means it: a point
// is inside when its cell at the finest resolution of the set descends from a cell of the set. (A coarse cell so has the frayed edge
// of its descendants, and a set says the same compacted or not.)
type CellSet struct {
	cells            []Cell // sorted, none an ancestor of another
	coarsest, finest int
	bounds           Bounds
	outline          func() []arc // made when first asked for
}

// MaxCells bounds a cell set.
const MaxCells = 100_000

// NewCellSet checks cells and holds a sorted copy. Repeated cells, and those that lie in another of the set, are left
// out and reported. Pointers are into the list.
func NewCellSet(cells []Cell) (*CellSet, []Mending, error) {
	switch {
	case len(cells) == 0:
		return nil, nil, &Fault{Code: FaultTooFew, What: "no cell", Mend: "give at least one H3 cell"}
	case len(cells) > MaxCells:
		return nil, nil, &Fault{Code: FaultTooMany, What: fmt.Sprintf("got %d cells, want at most %d", len(cells), MaxCells), Mend: "compact the cells, or draw a polygon"}
	}
	known := make(map[Cell]bool, len(cells))
	coarsest := MaxCellResolution
	var mended []Mending
	for i, c := range cells {
		if why := c.fault(); why != "" {
			return nil, nil, &Fault{Code: FaultBadCell, At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("cell %q: %s", c, why), Mend: "give a valid H3 cell"}
		}
		if known[c] {
			mended = append(mended, Mending{At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("cell %s is repeated; it was left out", c)})
		}
		known[c] = true
		coarsest = min(coarsest, c.Resolution())
	}
	for i, c := range cells {
		for r := coarsest; r < c.Resolution(); r++ {
			if parent := c.Parent(r); known[parent] {
				mended = append(mended, Mending{At: fmt.Sprintf("/%d", i), What: fmt.Sprintf("cell %s lies in cell %s; it was left out", c, parent)})
				delete(known, c)
				break
			}
		}
	}
	return newCellSet(slices.Sorted(maps.Keys(known))), mended, nil
}

// newCellSet holds cells that are sorted, none an ancestor of another.
func newCellSet(cells []Cell) *CellSet {
	set := &CellSet{cells: cells, coarsest: MaxCellResolution}
	for _, c := range cells {
		set.coarsest, set.finest = min(set.coarsest, c.Resolution()), max(set.finest, c.Resolution())
	}
	set.bounds = set.box()
	set.outline = sync.OnceValue(set.trace)
	return set
}

// Cells are those of the set, sorted. The caller may keep the slice.
func (s *CellSet) Cells() []Cell { return slices.Clone(s.cells) }

// Contains asks for the cell of p once, at the finest resolution, and climbs.
func (s *CellSet) Contains(p Point) bool {
	if !s.bounds.Contains(p) {
		return false
	}
	return s.covers(CellAt(p, s.finest))
}

// covers tells whether c, or an ancestor of it, is in the set.
func (s *CellSet) covers(c Cell) bool {
	for r := c.Resolution(); r >= s.coarsest; r-- {
		if _, found := slices.BinarySearch(s.cells, c.Parent(r)); found {
			return true
		}
	}
	return false
}

// Distance is along the sphere to the nearest great-circle side of a cell that borders on one outside the set. A cell
// coarser than the finest is traced by its descendants three resolutions down at most: finer frays, of less than 1 %
// of the cell, are not followed.
func (s *CellSet) Distance(p Point) float64 {
	v, best := vectorOf(p), math.Inf(1)
	for _, side := range s.outline() {
		best = min(best, side.meters(v))
	}
	if s.Contains(p) {
		return -best
	}
	return best
}

// Bounds holds the set; around cells coarser than the finest it has a margin for the descendants that stand out.
func (s *CellSet) Bounds() Bounds { return s.bounds }

func (s *CellSet) box() Bounds {
	boxes := make([]Bounds, 0, len(s.cells))
	for _, c := range s.cells {
		radius := c.Circumradius() * (1 + 1e-9)
		if c.Resolution() < s.finest {
			radius *= 1.2
		}
		boxes = append(boxes, boundsAround(c.Center(), radius))
	}
	return unionBounds(boxes)
}

// trace finds the sides between cells inside and outside. It goes down only into cells that border on something
// not covered, so that the work grows with the outline and not with the area.
func (s *CellSet) trace() []arc {
	type level struct {
		cell   Cell
		deeper int
	}
	var arcs []arc
	var queue []level
	for _, c := range s.cells {
		queue = append(queue, level{c, min(3, s.finest-c.Resolution())})
	}
	for len(queue) > 0 {
		l := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		sides := l.cell.sides()
		open := slices.DeleteFunc(sides, func(side cellSide) bool { return s.covers(side.neighbour) })
		if len(open) == 0 {
			continue
		}
		if l.deeper > 0 {
			for _, child := range l.cell.Children() {
				queue = append(queue, level{child, l.deeper - 1})
			}
			continue
		}
		for _, side := range open {
			for i := 1; i < len(side.corners); i++ {
				arcs = append(arcs, arc{vectorOf(side.corners[i-1]), vectorOf(side.corners[i])})
			}
		}
	}
	slices.SortFunc(arcs, func(a, b arc) int { return cmp.Or(cmp.Compare(a.a.z, b.a.z), cmp.Compare(a.a.x, b.a.x)) })
	return arcs
}
