package api

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
)

// pointRoom is the memory that one call of /v1/geofences/match works in.
type pointRoom struct {
	points []geo.Point
	found  []uint32
	ids    []string
	answer []byte
}

var pointRooms = sync.Pool{New: func() any { return new(pointRoom) }}

// MatchGeofences tells which live geofences hold each point: geometry alone, whatever the time. Thousands of points come
// in one call, so it is read and written without reflection: readPoints and appendText cost less than the matching.
func (a *API) MatchGeofences(c *fiber.Ctx) error {
	data, err := a.body(c, "application/json")
	if err != nil {
		return err
	}
	room := pointRooms.Get().(*pointRoom)
	defer pointRooms.Put(room)
	var plain bool
	if room.points, plain = readPoints(data, room.points[:0]); !plain {
		var in wire.MatchRequest
		if err := decodeJSON(data, &in); err != nil {
			return err
		}
		room.points = room.points[:0]
		for _, p := range in.Points {
			room.points = append(room.points, geo.Point{Lng: p[0], Lat: p[1]})
		}
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	room.match(snapshot.Fences)
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBody(room.answer) // copies
	return nil
}

// match writes the answer: the ids of the geofences for each point, sorted.
func (r *pointRoom) match(fences *geo.Index) {
	b := append(r.answer[:0], `{"matches":[`...)
	for i, point := range r.points {
		r.found = fences.Match(point, r.found[:0])
		r.ids = r.ids[:0]
		for _, n := range r.found {
			r.ids = append(r.ids, fences.Fence(n).ID)
		}
		slices.Sort(r.ids)
		b = appendTexts(comma(b, i), r.ids)
	}
	r.answer = append(b, `]}`...)
	clear(r.ids[:cap(r.ids)]) // the room outlives the snapshot
}

// readPoints reads the plain form of a wire.MatchRequest: {"points":[[lng,lat],…]} with numbers of decimal digits. Whatever is
// not plain, or not right, is for decodeJSON, which knows all forms and what to say of mistakes; a fuzz target holds that
// both read the same.
func readPoints(data []byte, dst []geo.Point) (points []geo.Point, plain bool) {
	d := pointScanner{data: data}
	if !d.takes('{') || !d.word(`"points"`) || !d.takes(':') || !d.takes('[') {
		return dst, false
	}
	if !d.takes(']') {
		for more := true; more; more = d.takes(',') {
			var p geo.Point
			if len(dst) == maxPoints || !d.takes('[') || !d.number(&p.Lng) || !d.takes(',') || !d.number(&p.Lat) || !d.takes(']') || !onEarth(p) {
				return dst, false
			}
			dst = append(dst, p)
		}
		if !d.takes(']') {
			return dst, false
		}
	}
	if !d.takes('}') {
		return dst, false
	}
	d.space()
	return dst, d.pos == len(data)
}

func onEarth(p geo.Point) bool { return math.Abs(p.Lng) <= 180 && math.Abs(p.Lat) <= 90 }

// maxPoints is the most that the contract allows in one call.
var maxPoints = shapes[reflect.TypeFor[wire.MatchRequest]()].fields[0].shape.schema.MaxItems

type pointScanner struct {
	data []byte
	pos  int
}

func (d *pointScanner) space() {
	for d.pos < len(d.data) && (d.data[d.pos] == ' ' || d.data[d.pos] == '\n' || d.data[d.pos] == '\t' || d.data[d.pos] == '\r') {
		d.pos++
	}
}

func (d *pointScanner) takes(c byte) bool {
	d.space()
	if d.pos < len(d.data) && d.data[d.pos] == c {
		d.pos++
		return true
	}
	return false
}

func (d *pointScanner) word(w string) bool {
	d.space()
	if end := d.pos + len(w); end <= len(d.data) && string(d.data[d.pos:end]) == w {
		d.pos = end
		return true
	}
	return false
}

// number reads digits with at most one point among them. Up to fifteen digits are a whole number below 2^53 over a power of
// ten below 10^22: one division of two exact doubles, which rounds as strconv does.
func (d *pointScanner) number(f *float64) bool {
	d.space()
	start := d.pos
	if d.pos < len(d.data) && d.data[d.pos] == '-' {
		d.pos++
	}
	mantissa, first := uint64(0), d.pos
	for d.pos < len(d.data) && d.data[d.pos]-'0' <= 9 {
		mantissa = 10*mantissa + uint64(d.data[d.pos]-'0')
		d.pos++
	}
	digits, decimals := d.pos-first, 0
	if digits == 0 || digits > 1 && d.data[first] == '0' {
		return false
	}
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		d.pos++
		for d.pos < len(d.data) && d.data[d.pos]-'0' <= 9 {
			mantissa = 10*mantissa + uint64(d.data[d.pos]-'0')
			d.pos++
			decimals++
		}
		if decimals == 0 {
			return false
		}
	}
	if digits+decimals > 15 {
		text := d.data[start:d.pos]
		v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64) // it keeps nothing
		*f = v
		return err == nil && !math.IsInf(v, 0)
	}
	*f = float64(mantissa) / powersOfTen[decimals]
	if start != first {
		*f = -*f
	}
	return true
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
