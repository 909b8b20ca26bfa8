package geo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// The packed form of a geofence is what the store keeps of it: everything that AppendFeature writes, in a fifth of the bytes. It
// was checked before it was packed, so that reading it back is copying: a millionth of what a million geofences take to start with is
// a microsecond, and parsing one costs twenty.
//
//	format, then the shape (its kind, then what that kind has), then the record that a snapshot has too, all in little endian; at the end
//	CRC-32C of all before it. What passes that is trusted.
const packedFormat = 1

const (
	packedFlat     = iota // words of a flat ring, but for the first
	packedCircle          // latitude, longitude, radius
	packedPieces          // parts, each with its rings
	packedCorridor        // points, width
	packedCells           // cells
)

// ErrPacked is what UnpackGeofence answers to anything that AppendPacked did not write whole.
var ErrPacked = errors.New("no whole geofence of this format")

// AppendPacked writes the geofence in its packed form. Like AppendFeature it leaves out what the store knows: the version.
func (g *Geofence) AppendPacked(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := appendShape(append(dst, packedFormat), g.Shape)
	if err != nil {
		return nil, err
	}
	own := *g
	own.Version = 0
	if dst, err = appendFence(dst, &own); err != nil {
		return nil, err
	}
	return append(dst[:start], withChecksum(dst[start:])...), nil
}

// withChecksum appends the checksum of all before it.
func withChecksum(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

// UnpackGeofence reads what AppendPacked wrote. Anything else is ErrPacked. The geofence does not share memory with raw.
func UnpackGeofence(raw []byte) (Geofence, error) {
	var u Unpacker
	return u.Geofence(raw)
}

// Unpacker reads many packed geofences. Those that say the same of their hours share a schedule. It is for one goroutine.
type Unpacker struct {
	schedules map[string]*Schedule
}

// Geofence is UnpackGeofence.
func (u *Unpacker) Geofence(raw []byte) (Geofence, error) {
	var g Geofence
	body := len(raw) - crc32.Size
	if body < 1 || raw[0] != packedFormat {
		return g, ErrPacked
	}
	if crc32.Checksum(raw[:body], castagnoli) != binary.LittleEndian.Uint32(raw[body:]) {
		return g, fmt.Errorf("%w: its checksum is wrong", ErrPacked)
	}
	s := &snapshotReader{raw: raw[1:body]}
	shape := s.shape()
	if s.broken {
		return g, ErrPacked
	}
	s.texts = string(s.raw)
	if u.schedules == nil {
		u.schedules = map[string]*Schedule{}
	}
	if err := s.fence(&g, u.schedules); err != nil || s.broken || len(s.raw) > 0 {
		return Geofence{}, errors.Join(ErrPacked, err)
	}
	g.Shape = shape
	return g, nil
}

// KindOf names the kind of a shape in one word.
func KindOf(shape Shape) string {
	switch shape.(type) {
	case *Circle:
		return "circle"
	case *Polygon:
		return "polygon"
	case *Corridor:
		return "corridor"
	case *CellSet:
		return "cells"
	}
	return "shape"
}

// appendShape writes the kind of a shape and the shape.
func appendShape(dst []byte, shape Shape) ([]byte, error) {
	float := func(f float64) { dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)) }
	count := func(n int) { dst = binary.AppendUvarint(dst, uint64(n)) }
	points := func(all []Point) {
		count(len(all))
		for _, p := range all {
			float(p.Lat)
			float(p.Lng)
		}
	}
	switch s := shape.(type) {
	case *Circle:
		dst = append(dst, packedCircle)
		float(s.center.Lat)
		float(s.center.Lng)
		float(s.radiusMeters)
	case *Corridor:
		dst = append(dst, packedCorridor)
		points(s.line)
		float(s.widthMeters)
	case *CellSet:
		dst = append(dst, packedCells)
		count(len(s.cells))
		for _, c := range s.cells {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(c))
		}
	case *Polygon:
		if s.flat != nil {
			dst = append(dst, packedFlat)
			count(len(s.flat) - 1)
			for _, word := range s.flat[1:] {
				dst = binary.LittleEndian.AppendUint32(dst, word)
			}
			return dst, nil
		}
		dst = append(dst, packedPieces)
		count(len(s.pieces.parts))
		for i := range s.pieces.parts {
			p := &s.pieces.parts[i]
			dst = append(dst, flag(p.opposite))
			count(len(p.rings))
			for _, r := range p.rings {
				dst = append(dst, flag(r.fine != nil))
				if r.fine != nil {
					points(r.fine)
					continue
				}
				count(r.len())
				for _, u := range r.units {
					dst = binary.LittleEndian.AppendUint32(dst, uint32(u))
				}
			}
		}
	default:
		return nil, fmt.Errorf("a shape of the type %T has no packed form", shape)
	}
	return dst, nil
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// shape reads what appendShape wrote.
func (s *snapshotReader) shape() Shape {
	switch s.byte() {
	case packedFlat:
		n := s.count()
		if flat := flatRing(s.wordsAfter(1, n)); !s.broken && n >= 7 && flat.words() == len(flat) {
			return &Polygon{flat: flat}
		}
	case packedCircle:
		return &Circle{center: Point{Lat: s.float(), Lng: s.float()}, radiusMeters: s.float()}
	case packedPieces:
		parts := make([]part, s.some(3))
		for i := range parts {
			p := &parts[i]
			p.opposite = s.byte() != 0
			p.rings = make([]ring, s.some(2))
			for j := range p.rings {
				if p.rings[j] = s.ring(); s.broken || p.rings[j].len() < 3 {
					s.broken = true
					return nil
				}
			}
		}
		if !s.broken {
			return &Polygon{pieces: newPieces(parts)}
		}
	case packedCorridor:
		if line, width := s.points(), s.float(); !s.broken && len(line) > 1 {
			return newCorridor(line, width)
		}
	case packedCells:
		cells := make([]Cell, s.some(8))
		for i := range cells {
			cells[i] = Cell(binary.LittleEndian.Uint64(s.take(8)))
			s.broken = s.broken || cells[i].fault() != ""
		}
		if !s.broken {
			return newCellSet(cells)
		}
	}
	s.broken = true
	return nil
}

// some is the number of things that follow, at least one, each of so many bytes or more.
func (s *snapshotReader) some(bytes int) int {
	n := s.count()
	if n < 1 || n > len(s.raw)/bytes {
		s.broken, s.raw = true, nil
		return 0
	}
	return n
}

func (s *snapshotReader) points() []Point {
	all := make([]Point, s.some(16))
	for i := range all {
		all[i] = Point{Lat: s.float(), Lng: s.float()}
	}
	return all
}

func (s *snapshotReader) ring() ring {
	if s.byte() != 0 {
		return ring{fine: s.points()}
	}
	units := make([]int32, 2*s.some(8))
	for i := range units {
		units[i] = int32(s.word())
	}
	return ring{units: units}
}

// wordsAfter reads n words behind so many empty ones.
func (s *snapshotReader) wordsAfter(empty, n int) []uint32 {
	raw := s.take(4 * n)
	if s.broken {
		return nil
	}
	all := make([]uint32, empty+n)
	for i := range n {
		all[empty+i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return all
}
