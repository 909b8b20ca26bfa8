package geo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// A snapshot file holds an index as it lies in memory, so that a process serves a second after its start without asking
// the store for a million geofences: numbers, pages, rings and circles in little endian, then the records. It ends
// with a checksum over all before it (CRC-32C); what passes it is trusted. It is a cache, not an exchange format: another
// snapshotFormat is refused, and the index is then built from the store.
const (
	snapshotFormat = "satnav geofence index 3\n"
	snapshotFence  = 1 // a record follows; 0: the number is free
	shapeFlat      = 0
	shapeCircle    = 1
	shapePacked    = 2 // written out, see appendShape
)

// ErrSnapshot is what ReadSnapshot answers to anything that WriteSnapshot did not write whole.
var ErrSnapshot = errors.New("no whole snapshot of this format")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteSnapshot writes the index to w. The label comes back with it: say there which state of the store it is.
func (x *Index) WriteSnapshot(w io.Writer, label string) error {
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10)
	var buf []byte
	flush := func() {
		_, _ = out.Write(buf) // the writer remembers its first error
		buf = buf[:0]
	}
	words := func(all []uint32) {
		for _, word := range all {
			if buf = binary.LittleEndian.AppendUint32(buf, word); len(buf) > 64<<10 {
				flush()
			}
		}
		flush()
	}
	buf = append(buf, snapshotFormat...)
	buf = appendText(buf, label)
	buf = binary.AppendUvarint(buf, uint64(len(x.pages)))
	buf = binary.AppendUvarint(buf, uint64(len(x.rings)))
	buf = binary.AppendUvarint(buf, uint64(len(x.circles)))
	buf = binary.AppendUvarint(buf, uint64(x.fences.len()))
	buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(x.approach))
	keys := make([]uint32, len(x.pages))
	for _, entry := range x.directory {
		if entry != 0 {
			keys[uint32(entry)] = uint32(entry >> 32)
		}
	}
	for i, page := range x.pages {
		buf = binary.LittleEndian.AppendUint32(buf, keys[i])
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(page)))
		words(page)
	}
	words(x.rings)
	rings := map[*uint32]int{}
	for at := 0; at < len(x.rings); at += flatRing(x.rings[at:]).words() {
		rings[&x.rings[at]] = at
	}
	circles := make(map[*Circle]int, len(x.circles))
	for i := range x.circles {
		c := &x.circles[i]
		circles[c] = i
		for _, f := range []float64{c.center.Lat, c.center.Lng, c.radiusMeters} {
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(f))
		}
		flush()
	}
	for n := range x.fences.len() {
		g := x.fences.at(uint32(n))
		if g == nil {
			buf = append(buf, 0)
			flush()
			continue
		}
		buf = append(buf, snapshotFence)
		shape, at := shapePacked, 0
		switch s := g.Shape.(type) {
		case *Circle:
			if i, held := circles[s]; held {
				shape, at = shapeCircle, i
			}
		case *Polygon:
			if s.flat != nil {
				if i, held := rings[&s.flat[0]]; held {
					shape, at = shapeFlat, i
				}
			}
		}
		buf = append(buf, byte(shape))
		var err error
		if shape == shapePacked {
			if buf, err = appendShape(buf, g.Shape); err != nil {
				return fmt.Errorf("geofence %q: %w", g.ID, err)
			}
		} else {
			buf = binary.AppendUvarint(buf, uint64(at))
		}
		if buf, err = appendFence(buf, g); err != nil {
			return fmt.Errorf("geofence %q: %w", g.ID, err)
		}
		flush()
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

func appendText(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// appendFence writes all of a geofence but its shape.
func appendFence(buf []byte, g *Geofence) ([]byte, error) {
	buf = appendText(appendText(appendText(buf, g.ID), g.Name), g.Store)
	buf = appendText(appendText(buf, string(g.Payload)), string(g.Foreign))
	schedule := ""
	if g.Schedule != nil {
		raw, err := g.Schedule.MarshalJSON()
		if err != nil {
			return buf, err
		}
		schedule = string(raw)
	}
	buf = appendText(buf, schedule)
	buf = binary.AppendUvarint(buf, uint64(len(g.Tags)))
	for _, tag := range g.Tags {
		buf = appendText(buf, tag)
	}
	if g.Floor == nil {
		buf = append(buf, 0)
	} else {
		buf = binary.AppendVarint(append(buf, 1), int64(*g.Floor))
	}
	buf = append(buf, byte(g.Status), byte(g.Wants))
	for _, v := range []int64{int64(g.Priority), int64(g.Dwell), int64(g.Cooldown), int64(g.DailyCap), g.Version} {
		buf = binary.AppendVarint(buf, v)
	}
	return binary.LittleEndian.AppendUint64(buf, math.Float64bits(g.ApproachMeters)), nil
}

// ReadSnapshot reads the whole of what WriteSnapshot wrote, and its label. Numbers are the same. Anything else, cut short or
// changed, is ErrSnapshot. The index shares no memory with raw.
func ReadSnapshot(raw []byte) (*Index, string, error) {
	body := len(raw) - crc32.Size
	if body < len(snapshotFormat) || string(raw[:len(snapshotFormat)]) != snapshotFormat {
		return nil, "", ErrSnapshot
	}
	if crc32.Checksum(raw[:body], castagnoli) != binary.BigEndian.Uint32(raw[body:]) {
		return nil, "", fmt.Errorf("%w: its checksum is wrong", ErrSnapshot)
	}
	s := &snapshotReader{raw: raw[len(snapshotFormat):body]}
	label := s.text()
	pages, rings, circles, fences := s.count(), s.count(), s.count(), s.count()
	x := &Index{approach: s.float(), pages: make([][]uint32, 0, pages)}
	for 2*pages > len(x.directory) || len(x.directory) == 0 {
		x.directory = make([]uint64, max(16, 2*len(x.directory)))
	}
	for i := range pages {
		key := s.word()
		page := s.words(int(s.word()))
		if s.broken || key == 0 || len(page) < pageTiles {
			return nil, "", ErrSnapshot
		}
		x.enter(uint64(key)<<32 | uint64(i))
		x.pages = append(x.pages, page)
		x.levels |= 1 << (key>>26 - 1)
	}
	x.rings = s.words(rings)
	x.circles = make([]Circle, circles)
	for i := range x.circles {
		x.circles[i] = Circle{center: Point{Lat: s.float(), Lng: s.float()}, radiusMeters: s.float()}
	}
	// One string for all texts of the records: a geofence then costs no allocation of its own.
	s.texts = string(s.raw)
	slab, polygons := make([]Geofence, 0, fences), make([]Polygon, 0, max(0, fences-circles))
	schedules := map[string]*Schedule{}
	x.ids.reserve(fences)
	for n := range uint32(fences) {
		if s.byte() != snapshotFence {
			x.fences.skip()
			continue
		}
		var g Geofence
		switch s.byte() {
		case shapeFlat:
			at := s.count()
			if at >= len(x.rings) {
				return nil, "", ErrSnapshot
			}
			words := flatRing(x.rings[at:]).words()
			polygons = append(polygons, Polygon{flat: x.rings[at : at+words : at+words]})
			g.Shape = &polygons[len(polygons)-1]
		case shapeCircle:
			at := s.count()
			if at >= len(x.circles) {
				return nil, "", ErrSnapshot
			}
			g.Shape = &x.circles[at]
		default:
			if g.Shape = s.shape(); s.broken {
				return nil, "", fmt.Errorf("%w: geofence %d", ErrSnapshot, n)
			}
		}
		if err := s.fence(&g, schedules); err != nil || s.broken {
			return nil, "", ErrSnapshot
		}
		slab = append(slab, g)
		x.fences.append(&slab[len(slab)-1])
		x.ids.put(g.ID, n, &x.fences)
	}
	if s.broken || len(s.raw) != 0 {
		return nil, "", ErrSnapshot
	}
	return x, label, nil
}

// snapshotReader takes values off the front; after a broken one it yields zeros.
type snapshotReader struct {
	raw    []byte
	texts  string // the end of it is raw, as text
	broken bool
}

func (s *snapshotReader) take(n int) []byte {
	if n < 0 || n > len(s.raw) {
		s.broken, s.raw = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	taken := s.raw[:n]
	s.raw = s.raw[n:]
	return taken
}

func (s *snapshotReader) byte() byte { return s.take(1)[0] }

func (s *snapshotReader) word() uint32 { return binary.LittleEndian.Uint32(s.take(4)) }

func (s *snapshotReader) float() float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(s.take(8)))
}

// count is a number that nothing in the file can exceed, so that no room is made for more.
func (s *snapshotReader) count() int {
	v, n := binary.Uvarint(s.raw)
	if n <= 0 || v > math.MaxUint32 {
		s.broken, s.raw = true, nil
		return 0
	}
	s.take(n)
	return int(v)
}

func (s *snapshotReader) varint() int64 {
	v, n := binary.Varint(s.raw)
	if n <= 0 {
		s.broken, s.raw = true, nil
		return 0
	}
	s.take(n)
	return v
}

func (s *snapshotReader) text() string {
	n := s.count()
	if s.texts == "" {
		return string(s.take(n))
	}
	start := len(s.texts) - len(s.raw)
	if s.take(n); s.broken {
		return ""
	}
	return s.texts[start : start+n]
}

func (s *snapshotReader) words(n int) []uint32 { return s.wordsAfter(0, n) }

func (s *snapshotReader) fence(g *Geofence, schedules map[string]*Schedule) error {
	g.ID, g.Name, g.Store = s.text(), s.text(), s.text()
	if payload := s.text(); payload != "" {
		g.Payload = []byte(payload)
	}
	if foreign := s.text(); foreign != "" {
		g.Foreign = []byte(foreign)
	}
	if text := s.text(); text != "" {
		schedule, known := schedules[text]
		if !known {
			var err error
			if schedule, err = ParseSchedule([]byte(text)); err != nil {
				return err
			}
			schedules[text] = schedule
		}
		g.Schedule = schedule
	}
	if tags := s.count(); tags > 0 && tags <= len(s.raw) {
		g.Tags = make([]string, tags)
		for i := range g.Tags {
			g.Tags[i] = s.text()
		}
	}
	if s.byte() == 1 {
		floor := int(s.varint())
		g.Floor = &floor
	}
	g.Status, g.Wants = Status(s.byte()), Wants(s.byte())
	g.Priority, g.Dwell, g.Cooldown = int(s.varint()), time.Duration(s.varint()), time.Duration(s.varint())
	g.DailyCap, g.Version = int(s.varint()), s.varint()
	g.ApproachMeters = s.float()
	return nil
}
