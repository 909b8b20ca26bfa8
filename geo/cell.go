package geo

import (
	"fmt"
	"math"
	"strconv"

	"github.com/uber/h3-go/v4"
)

// Cell is one hexagon (twelve per resolution are pentagons) of the H3 grid, in H3's own 64-bit form.
// The zero Cell is no cell. Whoever asks for its place must ask Valid first, or have it from
// ParseCell or CellAt.
//
// H3 stands behind this file alone. What is asked once per geofence, candidate or point (Valid, Parent, Resolution,
// CellAt) is computed here, because a call into the C library allocates and costs more than the answer.
type Cell uint64

// MaxCellResolution is the finest resolution of H3: cells of about 0.9 m².
const MaxCellResolution = 15

// The layout of an H3 index, from its specification: a zero bit, 4 bits of mode (1: cell), 3 reserved bits,
// 4 bits of resolution, 7 bits of base cell, and fifteen digits of 3 bits, coarsest first; unused ones are 7.
const (
	cellModeShift       = 59
	cellReservedMask    = Cell(7) << 56
	cellResolutionShift = 52
	cellResolutionMask  = Cell(15) << cellResolutionShift
	cellBaseShift       = 45
	cellBaseCells       = 122
)

// pentagonBases marks the base cells that are pentagons.
var pentagonBases = [cellBaseCells]bool{4: true, 14: true, 24: true, 38: true, 49: true, 58: true,
	63: true, 72: true, 83: true, 97: true, 107: true, 117: true}

// ParseCell reads the usual hexadecimal form, such as "8a195da49d47fff".
func ParseCell(s string) (Cell, error) {
	if s == "" {
		return 0, fmt.Errorf("cell: got an empty string, want an H3 index such as \"8a195da49d47fff\"")
	}
	if len(s) > 40 {
		return 0, fmt.Errorf("cell: got %d characters, want an H3 index of 15 hexadecimal digits", len(s))
	}
	bits, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("cell %q: want an H3 index of 15 hexadecimal digits, such as \"8a195da49d47fff\"", s)
	}
	c := Cell(bits)
	if why := c.fault(); why != "" {
		return 0, fmt.Errorf("cell %q: %s", s, why)
	}
	return c, nil
}

// String is the form that ParseCell reads.
func (c Cell) String() string { return strconv.FormatUint(uint64(c), 16) }

// Valid tells whether c is a cell of the grid.
func (c Cell) Valid() bool { return c.fault() == "" }

// fault says why c is not a cell, or nothing.
func (c Cell) fault() string {
	if mode := c >> cellModeShift; mode != 1 {
		return fmt.Sprintf("it is not an H3 cell (its mode is %d, want 1)", mode)
	}
	if c&cellReservedMask != 0 {
		return "it is not an H3 cell (reserved bits are set)"
	}
	base := int(c>>cellBaseShift) & 127
	if base >= cellBaseCells {
		return fmt.Sprintf("base cell: got %d, want 0 to %d", base, cellBaseCells-1)
	}
	// A pentagon has no child 1, so the first digit that is not 0 may not be 1 below one.
	leading := pentagonBases[base]
	for r := 1; r <= MaxCellResolution; r++ {
		d := c.digit(r)
		switch {
		case r > c.Resolution() && d != 7:
			return fmt.Sprintf("digit %d: got %d, want 7 beyond resolution %d", r, d, c.Resolution())
		case r <= c.Resolution() && d == 7:
			return fmt.Sprintf("digit %d: got 7, want 0 to 6 within resolution %d", r, c.Resolution())
		case leading && d == 1:
			return "it lies in the part that a pentagon does not have"
		}
		leading = leading && d == 0
	}
	return ""
}

func (c Cell) digit(resolution int) int { return int(c>>cellDigitShift(resolution)) & 7 }

func cellDigitShift(resolution int) uint { return uint(3 * (MaxCellResolution - resolution)) }

// CellAt is the cell that holds p. The resolution is 0 (coarsest) to 15, and the point one that
// passes Point.Check; otherwise the answer is the zero Cell.
func CellAt(p Point, resolution int) Cell {
	if p.Check() != nil || resolution < 0 || resolution > MaxCellResolution {
		return 0
	}
	return cellAt(p, resolution)
}

// Resolution is 0 (cells of 4.4 million km²) to 15 (0.9 m²).
func (c Cell) Resolution() int { return int(c>>cellResolutionShift) & 15 }

// Parent is the cell of a coarser resolution that c descends from; c itself at its own resolution, and
// the zero Cell when the resolution is finer or negative. A parent does not cover its children exactly:
// the outermost ones stand out over its edges.
func (c Cell) Parent(resolution int) Cell {
	own := c.Resolution()
	if resolution > own || resolution < 0 {
		return 0
	}
	unused := Cell(1)<<(cellDigitShift(resolution)) - 1
	used := Cell(1)<<cellBaseShift - 1
	return c&^cellResolutionMask | Cell(resolution)<<cellResolutionShift | unused&used
}

// Pentagon tells whether c has five neighbours instead of six.
func (c Cell) Pentagon() bool {
	if !pentagonBases[int(c>>cellBaseShift)&127] {
		return false
	}
	for r := 1; r <= c.Resolution(); r++ {
		if c.digit(r) != 0 {
			return false
		}
	}
	return true
}

// Center is the middle of c.
func (c Cell) Center() Point {
	ll, err := h3.Cell(c).LatLng()
	if err != nil {
		return Point{Lat: math.NaN(), Lng: math.NaN()}
	}
	return pointOfH3(ll)
}

// Boundary is the outline of c, counter-clockwise, without repeating the first corner. Its edges are great
// circles. A cell that crosses an edge of the icosahedron has up to four corners more.
func (c Cell) Boundary() []Point {
	outline, err := h3.Cell(c).Boundary()
	if err != nil {
		return nil
	}
	corners := make([]Point, len(outline))
	for i, ll := range outline {
		corners[i] = pointOfH3(ll)
	}
	return corners
}

// Circumradius is the distance in metres from the centre to the farthest corner.
func (c Cell) Circumradius() float64 {
	center, far := c.Center(), 0.0
	for _, corner := range c.Boundary() {
		far = max(far, center.Distance(corner))
	}
	return far
}

// Neighbours are the cells within k steps of c, c itself included, in no order. There are 3k²+3k+1 of them, fewer
// around a pentagon. It is nil for a negative k.
func (c Cell) Neighbours(k int) []Cell {
	if k < 0 {
		return nil
	}
	disk, err := h3.GridDisk(h3.Cell(c), k)
	if err != nil {
		return nil
	}
	cells := make([]Cell, 0, len(disk))
	for _, n := range disk {
		if n != 0 {
			cells = append(cells, Cell(n))
		}
	}
	return cells
}

// Children are the cells of the next finer resolution that descend from c: seven, six for a pentagon, none
// at resolution 15.
func (c Cell) Children() []Cell {
	r := c.Resolution() + 1
	if r > MaxCellResolution {
		return nil
	}
	children := make([]Cell, 0, 7)
	for d := range Cell(7) {
		if d == 1 && c.Pentagon() {
			continue
		}
		shift := cellDigitShift(r)
		child := c&^cellResolutionMask&^(7<<shift) | Cell(r)<<cellResolutionShift | d<<shift
		children = append(children, child)
	}
	return children
}

// cellSide is one side of a cell: the line shared with one neighbour, as a few corners.
type cellSide struct {
	neighbour Cell
	corners   []Point
}

func (c Cell) sides() []cellSide {
	edges, err := h3.Cell(c).DirectedEdges()
	if err != nil {
		return nil
	}
	sides := make([]cellSide, 0, 6)
	for _, e := range edges {
		to, err := e.Destination()
		if err != nil {
			continue
		}
		line, err := e.Boundary()
		if err != nil {
			continue
		}
		side := cellSide{neighbour: Cell(to)}
		for _, ll := range line {
			side.corners = append(side.corners, pointOfH3(ll))
		}
		sides = append(sides, side)
	}
	return sides
}

// pointOfH3 brings the few longitudes that H3 gives as a hair beyond 180 degrees back into range.
func pointOfH3(ll h3.LatLng) Point {
	return Point{Lat: max(-90, min(90, ll.Lat)), Lng: wrapLng(ll.Lng)}
}
