package geo

import (
	"errors"
	"testing"
)

// TestFaultCodes holds each kind of a wrong geometry to a code of its own, and to a place and a way to mend it.
func TestFaultCodes(t *testing.T) {
	t.Parallel()
	polygon := func(coordinates string) string {
		return `{"type":"Feature","geometry":{"type":"Polygon","coordinates":` + coordinates + `},"properties":{}}`
	}
	parts := func(coordinates string) string {
		return `{"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":` + coordinates + `},"properties":{}}`
	}
	const square = `[[0,0],[9,0],[9,9],[0,9],[0,0]]`
	for _, tc := range []struct {
		name, give string
		want       FaultCode
		at         string
	}{
		{"crosses itself", polygon(`[[[0,0],[1,1],[1,0],[0,1],[0,0]]]`), FaultCrosses, "/geometry/coordinates/0/0"},
		{"a spike", polygon(`[[[0,0],[3,0],[3,2],[5,2],[4,2],[4,3],[0,3],[0,0]]]`), FaultSpike, "/geometry/coordinates/0/3"},
		{"a spike at a corner", polygon(`[[[0,0],[1,0],[1,1],[1,2],[1,1],[0,1],[0,0]]]`), FaultSpike, "/geometry/coordinates/0/3"},
		{"a radius beyond the globe", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":3e7}}`, FaultOutOfRange, "/properties/radius_m"},
		{"touches itself", polygon(`[[[0,0],[4,0],[2,2],[4,4],[0,4],[2,2],[0,0]]]`), FaultTouches, "/geometry/coordinates/0/1"},
		{"not closed", polygon(`[[[0,0],[1,0],[1,1],[0,1]]]`), FaultUnclosed, "/geometry/coordinates/0/3"},
		{"too few points", polygon(`[[[0,0],[1,0],[0,0]]]`), FaultTooFew, "/geometry/coordinates/0"},
		{"no ring", polygon(`[]`), FaultTooFew, "/geometry/coordinates"},
		{"no area", polygon(`[[[0,0],[1,1],[2,2],[0,0]]]`), FaultNoArea, "/geometry/coordinates/0"},
		{"beyond the pole", polygon(`[[[0,0],[1,0],[1,91],[0,0]]]`), FaultOutOfRange, "/geometry/coordinates/0/2"},
		{"a number that is none", polygon(`[[[0,0],[1,0],[1,null],[0,0]]]`), FaultWrongType, "/geometry/coordinates/0/2/1"},
		{"an arc of more than half a turn", polygon(`[[[-170,0],[170,0],[170,1],[-170,1],[-170,0]]]`), FaultLongArc, "/geometry/coordinates/0/0"},
		{"a hole outside", polygon(`[` + square + `,[[20,20],[21,20],[21,21],[20,20]]]`), FaultHoleOutside, "/geometry/coordinates/1"},
		{"a hole twice", polygon(`[` + square + `,[[1,1],[2,1],[2,2],[1,1]],[[1,1],[2,1],[2,2],[1,1]]]`), FaultDuplicate, "/geometry/coordinates/2"},
		{"a hole in a hole", polygon(`[` + square + `,[[1,1],[8,1],[8,8],[1,8],[1,1]],[[2,2],[3,2],[3,3],[2,2]]]`), FaultHolesNested, "/geometry/coordinates/2"},
		{"a hole across the edge", polygon(`[` + square + `,[[1,1],[20,1],[20,2],[1,2],[1,1]]]`), FaultRingsCross, "/geometry/coordinates/1/0"},
		{"polygons side by side", parts(`[[` + square + `],[[[9,0],[12,0],[12,9],[9,9],[9,0]]]]`), FaultRingsShare, "/geometry/coordinates/1/0/3"},
		{"a polygon in another", parts(`[[` + square + `],[[[1,1],[2,1],[2,2],[1,1]]]]`), FaultPartsNested, "/geometry/coordinates/1"},
		{"a hole that cuts", polygon(`[` + square + `,[[4,0],[5,4],[4,9],[3,4],[4,0]]]`), FaultCutInTwo, "/geometry/coordinates/1"},
		{"a circle of no size", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":0}}`, FaultOutOfRange, "/properties/radius_m"},
		{"a point without size", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{}}`, FaultMissing, "/properties/radius_m"},
		{"a line of one point", `{"type":"Feature","geometry":{"type":"LineString","coordinates":[[0,0],[0,0]]},"properties":{"width_m":5}}`, FaultTooFew, "/geometry/coordinates"},
		{"a line without width", `{"type":"Feature","geometry":{"type":"LineString","coordinates":[[0,0],[1,0]]},"properties":{}}`, FaultMissing, "/properties/width_m"},
		{"no cell", `{"type":"Feature","geometry":null,"properties":{"cells":["8a195da49d47ff"]}}`, FaultBadCell, "/properties/cells/0"},
		{"points alone", `{"type":"Feature","geometry":{"type":"MultiPoint","coordinates":[[0,0]]},"properties":{}}`, FaultWrongType, "/geometry/type"},
		{"no geometry", `{"type":"Feature","geometry":null,"properties":{}}`, FaultMissing, "/geometry"},
		{"a dwell in words", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"dwell_s":"5 min"}}`, FaultWrongType, "/properties/dwell_s"},
		{"half a floor", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"floor":0.5}}`, FaultWrongType, "/properties/floor"},
		{"a floor above all", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"floor":5000}}`, FaultOutOfRange, "/properties/floor"},
		{"a tag that is a number", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"tags":["a",1]}}`, FaultWrongType, "/properties/tags/1"},
		{"an unknown status", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"status":"on"}}`, "", "/properties/status"},
		{"hours as one text", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"schedule":{"weekly":{"mo":"08:00-20:00"}}}}`, FaultWrongType, "/properties/schedule/weekly/mo"},
		{"a day twice", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"schedule":{"weekly":{"mo":[],"mo":[]}}}}`, FaultTwice, "/properties/schedule/weekly/mo"},
		{"a schedule with more", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"schedule":{"days":[]}}}`, FaultUnknown, "/properties/schedule/days"},
		{"a radius twice", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":5,"radius_m":6}}`, FaultTwice, "/properties/radius_m"},
		{"a name twice", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"name":null,"radius_m":6,"name":"x"}}`, FaultTwice, "/properties/name"},
		{"an id twice", `{"type":"Feature","id":"a","id":"a","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":6}}`, FaultTwice, "/id"},
		{"coordinates twice", `{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0],"coordinates":[1,1]},"properties":{"radius_m":6}}`, FaultTwice, "/geometry/coordinates"},
		{"another projection", `{"type":"Feature","crs":{"properties":{"name":"EPSG:3857"}},"geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":6}}`, FaultProjection, "/crs"},
		{"no JSON", `{"type":`, FaultMalformed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ParseFeature([]byte(tc.give))
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a fault", err)
			}
			if fault.Code != tc.want || fault.At != tc.at || fault.What == "" {
				t.Errorf("got %s at %q (%v), want %s at %q", fault.Code, fault.At, fault, tc.want, tc.at)
			}
		})
	}
}
