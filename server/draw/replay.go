// Package draw makes pictures of what happened: geofences, a track and its crossings, so that "why did it fire?" has one
// answer to look at.
//
// A picture is one SVG without scripts, fonts or links of its own: it opens from a mail, on paper and in a dark
// browser. Decided against: map tiles behind it, which would tell somebody else where a shopper walked, and PNG, which
// would need fonts.
package draw

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"satnav/geo"
	"satnav/server/track"
)

// Sizes in pixels, and bounds that keep a picture readable.
const (
	width, mapHeight = 1200.0, 760.0
	margin           = 24.0
	lineHeight       = 24.0
	maxDrawnFences   = 2_000
	maxDrawnCells    = 5_000
	maxListed        = 80   // crossings below the map
	maxCircles       = 300  // of accuracy
	maxSamples       = 500  // fixes around which geofences are looked for
	leastPad         = 60.0 // metres of ground shown around the track
)

// light and dark name the colours, of equal lightness so that none shouts. They are put into plain rules: few viewers beside
// browsers know variables, and those that know no dark show the light ones.
var (
	light = strings.NewReplacer("$paper", "#fbfaf7", "$ink", "#22252a", "$faint", "#6b7077", "$line", "#d9d6cd", "$fence", "#4a6fa5", "$track", "#33373d",
		"$enter", "#1f8a4c", "$exit", "#c4472f", "$dwell", "#2b6cb0", "$approach", "#8a5fb4", "$odd", "#c98a00")
	dark = strings.NewReplacer("$paper", "#16181c", "$ink", "#e8e6e1", "$faint", "#9aa0a8", "$line", "#33373e", "$fence", "#8fb0de", "$track", "#d5d8dc",
		"$enter", "#4cc082", "$exit", "#f0795f", "$dwell", "#6aa9ec", "$approach", "#bb95e3", "$odd", "#e8b13c")
)

const colours = `
.paper{fill:$paper}.frame{fill:none;stroke:$line}.scale{fill:none;stroke:$faint;stroke-width:1.5}
text{fill:$ink}.small{fill:$faint}.name{fill:$fence;stroke:$paper}
.fence{fill:$fence;stroke:$fence}.corridor{stroke:$fence}.middle{stroke:$fence}
.accuracy{fill:$faint;stroke:$faint}.track{stroke:$track}.fix{fill:$track}.odd{fill:$odd}.in{fill:$enter}.out{fill:$faint}
.enter circle,text.enter{fill:$enter}.exit circle,text.exit{fill:$exit}.dwell circle,text.dwell{fill:$dwell}.approach circle,text.approach{fill:$approach}
.enter line{stroke:$enter}.exit line{stroke:$exit}.dwell line{stroke:$dwell}.approach line{stroke:$approach}
.pin circle{stroke:$paper}.pin text{fill:$paper}
`

var style = `<style>
text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.small{font-size:12px}.name{font-size:13px;paint-order:stroke;stroke-width:3px;stroke-linejoin:round}
.fence{fill-opacity:.13;stroke-width:1.5;fill-rule:evenodd}.draft{stroke-dasharray:6 4}
.corridor{fill:none;stroke-opacity:.16;stroke-linecap:round;stroke-linejoin:round}.middle{fill:none;stroke-width:1.5}
.accuracy{fill-opacity:.06;stroke-opacity:.25;stroke-width:1}.track{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-opacity:.75}
.pin circle{stroke-width:2}.pin line{stroke-width:1.5}.pin text{font-size:12px;font-weight:600;text-anchor:middle}
.kind{font-weight:600}.quiet{opacity:.6}` + light.Replace(colours) + `@media(prefers-color-scheme:dark){` + dark.Replace(colours) + `}
</style>`

// view maps positions to pixels: the plane around the middle of the track, true to a few per mille across a city.
type view struct {
	south, west   float64 // degrees; west may be below -180 of the middle
	middle        geo.Point
	pixelsPerLat  float64
	pixelsPerLng  float64
	pixelsPerM    float64
	left, top     float64
	width, height float64
}

// metersPerDegree is along a meridian of the sphere.
const metersPerDegree = geo.EarthRadiusMeters * math.Pi / 180

// around is the view that shows all points with some ground around them.
func around(points []geo.Point) view {
	first := points[0]
	south, north, west, east := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, p := range points {
		lng := math.Remainder(p.Lng-first.Lng, 360) // a track over the antimeridian stays in one piece
		south, north = min(south, p.Lat), max(north, p.Lat)
		west, east = min(west, lng), max(east, lng)
	}
	middle := geo.Point{Lat: (south + north) / 2, Lng: first.Lng}
	metersPerLng := metersPerDegree * max(0.01, math.Cos(middle.Lat*math.Pi/180))
	high, wide := (north-south)*metersPerDegree, (east-west)*metersPerLng
	pad := max(leastPad, 0.12*math.Hypot(high, wide))
	high, wide = high+2*pad, wide+2*pad
	scale := min((width-2*margin)/wide, (mapHeight-2*margin)/high)
	v := view{middle: middle, pixelsPerM: scale, pixelsPerLat: scale * metersPerDegree, pixelsPerLng: scale * metersPerLng, width: width - 2*margin, height: mapHeight - 2*margin}
	v.south = south - pad/metersPerDegree
	v.west = west - pad/metersPerLng
	v.left = margin + (v.width-wide*scale)/2
	v.top = margin + (v.height-high*scale)/2 + high*scale
	return v
}

func (v *view) at(p geo.Point) (x, y float64) {
	lng := math.Remainder(p.Lng-v.middle.Lng, 360)
	return v.left + (lng-v.west)*v.pixelsPerLng, v.top - (p.Lat-v.south)*v.pixelsPerLat
}

// Replay draws a replayed track: the geofences around it, each fix with its accuracy, and each crossing with its
// number; below the map is the list of crossings with their reasons. The same replay gives the same bytes.
func Replay(w io.Writer, fences *geo.Index, fixes []geo.Fix, crossings []track.Crossing) error {
	out := bufio.NewWriter(w)
	fixes = track.InOrder(fixes)
	points := make([]geo.Point, 0, len(fixes))
	for i := range fixes {
		points = append(points, fixes[i].Point)
	}
	if len(points) == 0 {
		points = []geo.Point{{}}
	}
	v := around(points)
	listed := crossings[:min(len(crossings), maxListed)]
	lines := float64(max(1, len(listed)))
	if len(crossings) > len(listed) {
		lines++
	}
	height := mapHeight + 64 + lines*lineHeight
	title := fmt.Sprintf("A track of %d fixes with %d crossings", len(fixes), len(crossings))
	shown := v.open(out, height, title, fences, points, crossings)
	v.track(out, fixes)
	v.labels(out, shown)
	v.pins(out, crossings)
	fmt.Fprint(out, "</g>\n")
	v.scaleBar(out)
	list(out, fixes, listed, len(crossings))
	fmt.Fprint(out, "</svg>\n")
	return out.Flush()
}

// open begins a picture: style, frame, and the geofences within it, which it returns. The group of the map stays open.
func (v *view) open(out io.Writer, height float64, title string, fences *geo.Index, points []geo.Point, crossings []track.Crossing) []*geo.Geofence {
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="%s">`,
		width, height, width, height, escape(title))
	fmt.Fprintf(out, "\n%s\n<rect width=\"100%%\" height=\"100%%\" class=\"paper\"/>\n", style)
	fmt.Fprintf(out, `<clipPath id="map"><rect x="%.0f" y="%.0f" width="%.0f" height="%.0f" rx="8"/></clipPath>`, margin, margin, v.width, v.height)
	fmt.Fprintf(out, "\n<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"8\" class=\"frame\"/>\n<g clip-path=\"url(#map)\">\n", margin, margin, v.width, v.height)
	shown := shownFences(fences, points, crossings, v)
	for _, g := range shown {
		v.fence(out, g)
	}
	return shown
}

// labels writes the names of geofences.
func (v *view) labels(out io.Writer, shown []*geo.Geofence) {
	for _, g := range shown {
		v.label(out, g)
	}
}

// shownFences are those that crossed, and those near the track, largest first so that none hides another.
func shownFences(fences *geo.Index, points []geo.Point, crossings []track.Crossing, v *view) []*geo.Geofence {
	found := map[uint32]bool{}
	for i := range crossings {
		if n, ok := fences.Lookup(crossings[i].Geofence); ok {
			found[n] = true
		}
	}
	reach := min(5_000, math.Hypot(v.width, v.height)/v.pixelsPerM/2)
	var near []geo.Neighbour
	for i := 0; i < len(points) && len(found) < maxDrawnFences; i += max(1, len(points)/maxSamples) {
		near = fences.Near(points[i], reach, near[:0])
		for _, n := range near {
			if found[n.Fence] = true; len(found) >= maxDrawnFences {
				break
			}
		}
	}
	shown := make([]*geo.Geofence, 0, len(found))
	for n := range found {
		shown = append(shown, fences.Fence(n))
	}
	size := func(g *geo.Geofence) float64 {
		b := g.Shape.Bounds()
		return (b.North - b.South) * math.Mod(b.East-b.West+360, 360)
	}
	slices.SortFunc(shown, func(a, b *geo.Geofence) int { return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(a.ID, b.ID)) })
	return shown
}

// fence draws the outline of a geofence; its tooltip says its name.
func (v *view) fence(out io.Writer, g *geo.Geofence) {
	class := "fence"
	if g.Status == geo.Draft {
		class += " draft"
	}
	fmt.Fprintf(out, "<g><title>%s</title>", escape(g.Name))
	switch s := g.Shape.(type) {
	case *geo.Circle:
		x, y := v.at(s.Center())
		fmt.Fprintf(out, `<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>`, class, x, y, s.RadiusMeters()*v.pixelsPerM)
	case *geo.Polygon:
		var d strings.Builder
		for _, part := range s.Parts() {
			for _, ring := range part {
				v.path(&d, ring)
				d.WriteByte('Z')
			}
		}
		fmt.Fprintf(out, `<path class="%s" d="%s"/>`, class, d.String())
	case *geo.CellSet:
		var d strings.Builder
		cells := s.Cells()
		for _, cell := range cells[:min(len(cells), maxDrawnCells)] {
			v.path(&d, cell.Boundary())
			d.WriteByte('Z')
		}
		fmt.Fprintf(out, `<path class="%s" d="%s"/>`, class, d.String())
	case *geo.Corridor:
		var d strings.Builder
		v.path(&d, s.Line())
		fmt.Fprintf(out, `<path class="corridor" d="%s" stroke-width="%.1f"/><path class="middle" d="%s"/>`, d.String(), s.WidthMeters()*v.pixelsPerM, d.String())
	}
	fmt.Fprint(out, "</g>\n")
}

func (v *view) path(d *strings.Builder, line []geo.Point) {
	for i, p := range line {
		x, y := v.at(p)
		command := byte('L')
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(d, "%c%.1f %.1f", command, x, y)
	}
}

// label writes the name at the upper edge of a geofence that is large enough to be told apart.
func (v *view) label(out io.Writer, g *geo.Geofence) {
	b := g.Shape.Bounds()
	x, top := v.at(geo.Point{Lat: b.North, Lng: b.Center().Lng})
	_, bottom := v.at(geo.Point{Lat: b.South, Lng: b.Center().Lng})
	if bottom-top < 18 {
		return
	}
	if street, ok := g.Shape.(*geo.Corridor); ok { // its box may be mostly elsewhere
		line := street.Line()
		x, top = v.at(line[len(line)/2])
		top -= street.WidthMeters() / 2 * v.pixelsPerM
	}
	y := max(top-6, margin+16) // of one that reaches out of the map, at its edge
	if y > bottom {
		return
	}
	fmt.Fprintf(out, `<text class="name" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", min(max(x, margin+60), margin+v.width-60), y, escape(shorten(g.Name)))
}

// track draws the fixes: accuracy, line and points, those that lie on one pixel once. Distrusted ones stand out.
func (v *view) track(out io.Writer, fixes []geo.Fix) {
	for i := 0; i < len(fixes); i += 1 + len(fixes)/maxCircles {
		if r := fixes[i].AccuracyMeters * v.pixelsPerM; r > 3 {
			x, y := v.at(fixes[i].Point)
			fmt.Fprintf(out, `<circle class="accuracy" cx="%.1f" cy="%.1f" r="%.1f"/>`+"\n", x, y, r)
		}
	}
	var d, dots strings.Builder
	lastX, lastY := math.Inf(-1), math.Inf(-1)
	for i := range fixes {
		x, y := v.at(fixes[i].Point)
		if math.Hypot(x-lastX, y-lastY) < 1 && i != len(fixes)-1 {
			continue
		}
		command := "L"
		if d.Len() == 0 {
			command = "M"
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", command, x, y)
		if math.Hypot(x-lastX, y-lastY) >= 5 || fixes[i].Mocked {
			class := "fix"
			if fixes[i].Mocked {
				class = "odd"
			}
			fmt.Fprintf(&dots, `<circle class="%s" cx="%.1f" cy="%.1f" r="2.2"/>`, class, x, y)
		}
		lastX, lastY = x, y
	}
	fmt.Fprintf(out, "<path class=\"track\" d=\"%s\"/>\n%s\n", d.String(), dots.String())
	for i, end := range []string{"start", "end"} {
		if len(fixes) == 0 {
			break
		}
		x, y := v.at(fixes[i*(len(fixes)-1)].Point)
		fmt.Fprintf(out, `<circle class="fix" cx="%.1f" cy="%.1f" r="4.5"/><text class="small" x="%.1f" y="%.1f">%s</text>`+"\n", x, y, x+8, y+14, end)
	}
}

// pins draws a numbered pin beside each crossing, where there is room.
func (v *view) pins(out io.Writer, crossings []track.Crossing) {
	const radius = 11.0
	var taken [][2]float64
	free := func(x, y float64) bool {
		inMap := x > margin+radius && x < margin+v.width-radius && y > margin+radius && y < margin+v.height-radius
		return inMap && !slices.ContainsFunc(taken, func(t [2]float64) bool { return math.Hypot(t[0]-x, t[1]-y) < 2*radius+2 })
	}
	for i := range crossings[:min(len(crossings), maxListed)] {
		c := &crossings[i]
		x, y := v.at(geo.Point{Lat: c.Lat, Lng: c.Lng})
		px, py := x+20, y-20
	search:
		for away := 26.0; away < 200; away += 16 {
			for turn := range 12 {
				angle := -math.Pi/4 + float64(turn)*math.Pi/6
				if px, py = x+away*math.Cos(angle), y+away*math.Sin(angle); free(px, py) {
					break search
				}
			}
		}
		taken = append(taken, [2]float64{px, py})
		fmt.Fprintf(out, `<g class="pin %s"><title>%s</title><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><circle cx="%.1f" cy="%.1f" r="4"/><circle cx="%.1f" cy="%.1f" r="%.0f"/><text x="%.1f" y="%.1f">%d</text></g>`+"\n",
			c.Kind, escape(fmt.Sprintf("%s %s: %s", c.Kind, c.Geofence, c.Why())), x, y, px, py, x, y, px, py, radius, px, py+4.2, i+1)
	}
}

// scaleBar says how long a round number of metres is.
func (v *view) scaleBar(out io.Writer) {
	meters := math.Pow(10, math.Floor(math.Log10(180/v.pixelsPerM)))
	for _, times := range []float64{5, 2} {
		if meters*times*v.pixelsPerM <= 180 {
			meters *= times
			break
		}
	}
	text := fmt.Sprintf("%g m", meters)
	if meters >= 1000 {
		text = fmt.Sprintf("%g km", meters/1000)
	}
	x, y := margin+16, margin+v.height-16
	fmt.Fprintf(out, `<path d="M%.1f %.1fv6h%.1fv-6" class="scale"/><text class="small" x="%.1f" y="%.1f">%s</text>`+"\n",
		x, y-6, meters*v.pixelsPerM, x+6, y-8, text)
}

// list writes the crossings with their reasons below the map.
func list(out io.Writer, fixes []geo.Fix, listed []track.Crossing, all int) {
	y := mapHeight + 16
	title := "no fixes"
	if len(fixes) > 0 {
		first, last := fixes[0].At, fixes[len(fixes)-1].At
		title = fmt.Sprintf("%d fixes from %s to %s UTC", len(fixes), first.UTC().Format("2006-01-02 15:04:05"), last.UTC().Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(out, `<text class="small" x="%.0f" y="%.0f">%s</text>`+"\n", margin, y, title)
	y += lineHeight + 2
	if all == 0 {
		fmt.Fprintf(out, `<text x="%.0f" y="%.0f">Nothing was crossed.</text>`+"\n", margin, y)
	}
	for i := range listed {
		c := &listed[i]
		quiet := ""
		if !c.Told {
			quiet = " quiet"
		}
		fmt.Fprintf(out, `<g class="entry%s"><g class="pin %s"><circle cx="%.0f" cy="%.1f" r="10"/><text x="%.0f" y="%.1f">%d</text></g>`, quiet, c.Kind, margin+11, y-4.5, margin+11, y-0.3, i+1)
		fmt.Fprintf(out, `<text x="%.0f" y="%.1f">%s</text><text class="kind %s" x="%.0f" y="%.1f">%s</text><text x="%.0f" y="%.1f">%s</text><text class="small" x="%.0f" y="%.1f">%s</text></g>`+"\n",
			margin+34, y, c.At.UTC().Format(time.TimeOnly), c.Kind, margin+104, y, c.Kind, margin+188, y, escape(shorten(c.Geofence)), margin+410, y, escape(c.Why()))
		y += lineHeight
	}
	if all > len(listed) {
		fmt.Fprintf(out, `<text class="small" x="%.0f" y="%.1f">and %d more</text>`+"\n", margin+34, y, all-len(listed))
	}
}

// shorten keeps a name to its column.
func shorten(name string) string {
	if runes := []rune(name); len(runes) > 28 {
		return string(runes[:27]) + "…"
	}
	return name
}

// escape makes text safe in XML, which has no place for control characters.
func escape(text string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return html.EscapeString(clean)
}
