package draw

import (
	"bufio"
	"fmt"
	"io"

	"satnav/geo"
)

// Point is a position that was matched.
type Point struct {
	geo.Point
	Inside bool // of any geofence
}

// maxDrawnPoints bounds the points of a picture: of more, evenly many are drawn.
const maxDrawnPoints = 20_000

// Match draws points and the geofences around them, filled where a point is inside of one. The same points give the
// same bytes.
func Match(w io.Writer, fences *geo.Index, matched []Point) error {
	out := bufio.NewWriter(w)
	points := make([]geo.Point, len(matched), len(matched)+1)
	inside := 0
	for i, p := range matched {
		points[i] = p.Point
		if p.Inside {
			inside++
		}
	}
	if len(points) == 0 {
		points = append(points, geo.Point{})
	}
	v := around(points)
	shown := v.open(out, mapHeight+48, fmt.Sprintf("%d points, %d of them in geofences", len(matched), inside), fences, points, nil)
	for i := 0; i < len(matched); i += 1 + len(matched)/maxDrawnPoints {
		class := "fix out"
		if matched[i].Inside {
			class = "fix in"
		}
		x, y := v.at(matched[i].Point)
		fmt.Fprintf(out, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.2"/>`+"\n", class, x, y)
	}
	v.labels(out, shown)
	fmt.Fprint(out, "</g>\n")
	v.scaleBar(out)
	y := mapHeight + 16
	fmt.Fprintf(out, `<circle class="fix in" cx="%.0f" cy="%.1f" r="4"/><text x="%.0f" y="%.0f">%d in a geofence</text>`+"\n", margin+6, y-4.5, margin+18, y, inside)
	fmt.Fprintf(out, `<circle class="fix out" cx="%.0f" cy="%.1f" r="4"/><text x="%.0f" y="%.0f">%d in none</text>`+"\n", margin+206, y-4.5, margin+218, y, len(matched)-inside)
	fmt.Fprint(out, "</svg>\n")
	return out.Flush()
}
