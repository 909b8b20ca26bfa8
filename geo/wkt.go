package geo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseWKT reads a POLYGON or MULTIPOLYGON of Well-Known Text (OGC 06-103r4), longitude first. A leading SRID=4326; is
// understood; heights and measures (Z, M) are ignored. A fault's pointer counts as in GeoJSON: /ring/point, or /part/ring/point.
func ParseWKT(text string) (*Polygon, []Mending, error) {
	p := &wktReader{rest: text, whole: text}
	if srid, rest, found := strings.Cut(text, ";"); found && strings.HasPrefix(strings.ToUpper(strings.TrimSpace(srid)), "SRID=") {
		if code := strings.TrimSpace(srid)[5:]; code != "4326" {
			return nil, nil, &Fault{Code: FaultProjection, What: fmt.Sprintf("got SRID %s, want 4326", code), Mend: "transform it to WGS 84 longitude and latitude"}
		}
		p.rest = rest
	}
	kind := strings.ToUpper(p.word())
	for _, suffix := range []string{"ZM", "Z", "M"} {
		if base, found := strings.CutSuffix(kind, suffix); found && strings.HasSuffix(base, "POLYGON") {
			kind = base
			break
		}
	}
	if kind != "POLYGON" && kind != "MULTIPOLYGON" {
		return nil, nil, &Fault{Code: FaultWrongType, What: fmt.Sprintf("got %q, want POLYGON or MULTIPOLYGON", shorten(kind)), Mend: "write circles as CSV, corridors as GeoJSON"}
	}
	switch before := p.rest; strings.ToUpper(p.word()) {
	case "Z", "M", "ZM":
	case "EMPTY":
		return nil, nil, &Fault{Code: FaultNoArea, What: kind + " EMPTY has no area", Mend: "remove it"}
	default:
		p.rest = before
	}
	var parts [][]Ring
	if kind == "POLYGON" {
		parts = [][]Ring{wktList(p, (*wktReader).ring)}
	} else {
		parts = wktList(p, func(p *wktReader) []Ring { return wktList(p, (*wktReader).ring) })
	}
	if p.space(); p.fault == nil && p.rest != "" {
		p.refuse("nothing more")
	}
	if p.fault != nil {
		return nil, nil, p.fault
	}
	g, mended, err := NewPolygon(parts)
	if kind == "POLYGON" {
		for i := range mended {
			mended[i].At = strings.TrimPrefix(mended[i].At, "/0")
		}
		if fault := new(Fault); errors.As(err, &fault) {
			fault.At = strings.TrimPrefix(fault.At, "/0")
		}
	}
	return g, mended, err
}

// wktReader goes through Well-Known Text. After a fault it yields nothing more.
type wktReader struct {
	whole, rest string
	fault       *Fault
}

func (p *wktReader) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *wktReader) refuse(want string) {
	if p.fault == nil {
		p.fault = &Fault{Code: FaultMalformed, What: fmt.Sprintf("character %d: got %q, want %s", len(p.whole)-len(p.rest)+1, shorten(p.rest), want)}
	}
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

// word reads letters.
func (p *wktReader) word() string {
	p.space()
	end := 0
	for end < len(p.rest) && (p.rest[end]|0x20 >= 'a' && p.rest[end]|0x20 <= 'z') {
		end++
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

func (p *wktReader) skip(c byte) bool {
	if p.space(); p.fault == nil && p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

func wktList[T any](p *wktReader, read func(*wktReader) T) []T {
	if !p.skip('(') {
		p.refuse("an opening parenthesis")
		return nil
	}
	var all []T
	for {
		all = append(all, read(p))
		if p.skip(',') {
			continue
		}
		if !p.skip(')') {
			p.refuse("a comma or a closing parenthesis")
		}
		return all
	}
}

func (p *wktReader) ring() Ring { return wktList(p, (*wktReader).position) }

func (p *wktReader) position() Point {
	var numbers [4]float64
	n := 0
	for p.space(); p.fault == nil && p.rest != "" && p.rest[0] != ',' && p.rest[0] != ')'; p.space() {
		end := strings.IndexAny(p.rest, " \t\r\n,()")
		if end < 0 {
			end = len(p.rest)
		}
		f, err := strconv.ParseFloat(p.rest[:end], 64)
		if err != nil || n == len(numbers) {
			p.refuse("two numbers, longitude and latitude")
			return Point{}
		}
		numbers[n] = f
		n++
		p.rest = p.rest[end:]
	}
	if n < 2 {
		p.refuse("two numbers, longitude and latitude")
	}
	return Point{Lng: numbers[0], Lat: numbers[1]}
}

// AppendWKT writes the polygon as ParseWKT reads it.
func (g *Polygon) AppendWKT(dst []byte) []byte {
	rings := func(rings []Ring) {
		dst = append(dst, '(')
		for i, ring := range rings {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, '(')
			for j, p := range ring {
				if j > 0 {
					dst = append(dst, ", "...)
				}
				dst = appendFloat(append(appendFloat(dst, p.Lng), ' '), p.Lat)
			}
			dst = append(dst, ')')
		}
		dst = append(dst, ')')
	}
	parts := g.Parts()
	if len(parts) == 1 {
		dst = append(dst, "POLYGON "...)
		rings(parts[0])
		return dst
	}
	dst = append(dst, "MULTIPOLYGON ("...)
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		rings(part)
	}
	return append(dst, ')')
}
