package geo

import "math"

// cellAt is the cell that holds p, as H3's own latLngToCell finds it: the face of the icosahedron, the hexagon on its plane, then the
// digits from the finest up. It is here because the C library is called at the price of two allocations, for each point that
// a cell set is asked for. Sines and cosines are Go's, so that within a nanometre of a side the neighbour may be named.
func cellAt(p Point, resolution int) Cell {
	v := vectorOf(p)
	face, best := 0, 5.0
	for f := range h3Faces {
		dx, dy, dz := h3Faces[f].x-v.x, h3Faces[f].y-v.y, h3Faces[f].z-v.z
		if d := dx*dx + dy*dy + dz*dz; d < best {
			face, best = f, d
		}
	}
	at := hexAt(v, face, best, resolution)
	cell := Cell(1)<<cellModeShift | Cell(resolution)<<cellResolutionShift | (1<<cellBaseShift - 1)
	for r := resolution; r >= 1; r-- {
		last, center := at, hex{}
		if r%2 == 1 {
			at = hex{roundSeventh(3*(at.i-at.k) - (at.j - at.k)), roundSeventh(at.i - at.k + 2*(at.j-at.k)), 0}.normal()
			center = hex{3*at.i + at.j, 3*at.j + at.k, at.i + 3*at.k}
		} else {
			at = hex{roundSeventh(2*(at.i-at.k) + at.j - at.k), roundSeventh(3*(at.j-at.k) - (at.i - at.k)), 0}.normal()
			center = hex{3*at.i + at.k, at.i + 3*at.j, at.j + 3*at.k}
		}
		step := hex{last.i - center.i, last.j - center.j, last.k - center.k}.normal()
		cell = cell.withDigit(r, step.i<<2|step.j<<1|step.k)
	}
	if max(at.i, at.j, at.k) > 2 {
		return 0
	}
	base := int(h3Bases[face][9*at.i+3*at.j+at.k])
	turns := base & 7
	base >>= 3
	cell |= Cell(base) << cellBaseShift
	if !pentagonBases[base] {
		for range turns {
			cell = cell.turned(&ccw60)
		}
		return cell
	}
	if cell.leadingDigit() == 1 { // the part that a pentagon does not have
		if offsets, known := h3Offsets[base]; known && (offsets[0] == face || offsets[1] == face) {
			cell = cell.turned(&cw60)
		} else {
			cell = cell.turned(&ccw60)
		}
	}
	for range turns {
		found := false
		for r := 1; r <= resolution; r++ {
			cell = cell.withDigit(r, ccw60[cell.digit(r)])
			if !found && cell.digit(r) != 0 {
				found = true
				if cell.leadingDigit() == 1 {
					cell = cell.turned(&ccw60)
				}
			}
		}
	}
	return cell
}

// hex is a hexagon on the plane of a face, in H3's three axes 120 degrees apart.
type hex struct{ i, j, k int }

// normal is the same hexagon with no coordinate below 0 and the least of them 0.
func (h hex) normal() hex {
	least := min(h.i, h.j, h.k)
	return hex{h.i - least, h.j - least, h.k - least}
}

// roundSeventh is a seventh, rounded; there are no halves.
func roundSeventh(n int) int { return int(math.Round(float64(n) / 7)) }

// hexAt projects a point onto the plane of its face and finds the hexagon there.
func hexAt(v vector, face int, square float64, resolution int) hex {
	const (
		turnOdd = 0.333473172251832115336090755351601070065900389 // odd resolutions are turned by so many radians
		perUnit = 2.61803398874989588842                          // hexagons of resolution 0 per unit on the plane
		sqrt7   = 2.6457513110645905905016157536392604257102
	)
	r := math.Acos(1 - square/2)
	if r < 1e-16 {
		return hex{}
	}
	// The azimuth from the centre of the face.
	c := h3Faces[face]
	north := vector{-c.z * c.x, -c.z * c.y, 1 - c.z*c.z}
	north = north.scaled(1 / north.norm())
	east := north.cross(c)
	along := v.dot(c)
	flat := vector{v.x - along*c.x, v.y - along*c.y, v.z - along*c.z}
	theta := h3Axes[face] - math.Atan2(flat.dot(east), flat.dot(north))
	if resolution%2 == 1 {
		theta -= turnOdd
	}
	r = math.Tan(r) * perUnit
	for range resolution {
		r *= sqrt7
	}
	sin, cos := math.Sincos(theta)
	x, y := r*cos, r*sin

	// H3 rounds in the first quadrant and folds the others onto it.
	x2 := math.Abs(y) * 1.1547005383792515290182975610039149112953
	x1 := math.Abs(x) + x2/2
	m1, m2 := int(x1), int(x2)
	r1, r2 := x1-float64(m1), x2-float64(m2)
	h := hex{i: m1, j: m2}
	switch {
	case r1 < 1.0/3:
		if r2 >= (1+r1)/2 {
			h.j++
		}
	case r1 < 0.5:
		if r2 >= 1-r1 {
			h.j++
			if r2 < 2*r1 {
				h.i++
			}
		}
	case r1 < 2.0/3:
		if r2 >= 1-r1 {
			h.j++
		}
		if !(2*r1-1 < r2 && r2 < 1-r1) {
			h.i++
		}
	default:
		h.i++
		if r2 >= r1/2 {
			h.j++
		}
	}
	if x < 0 {
		h.i = h.j - h.i
	}
	if y < 0 {
		h.i, h.j = h.i-h.j, -h.j
	}
	return h.normal()
}

func (v vector) scaled(f float64) vector { return vector{v.x * f, v.y * f, v.z * f} }

// Digits turned by 60 degrees, against the clock and with it.
var (
	ccw60 = [8]int{0, 5, 3, 1, 6, 4, 2, 7}
	cw60  = [8]int{0, 3, 6, 2, 5, 1, 4, 7}
)

func (c Cell) withDigit(resolution, digit int) Cell {
	shift := cellDigitShift(resolution)
	return c&^(7<<shift) | Cell(digit)<<shift
}

// turned turns every digit.
func (c Cell) turned(by *[8]int) Cell {
	for r := 1; r <= c.Resolution(); r++ {
		c = c.withDigit(r, by[c.digit(r)])
	}
	return c
}

// leadingDigit is the first digit that is not 0, or 0.
func (c Cell) leadingDigit() int {
	for r := 1; r <= c.Resolution(); r++ {
		if d := c.digit(r); d != 0 {
			return d
		}
	}
	return 0
}
