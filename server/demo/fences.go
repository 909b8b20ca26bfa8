package demo

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"satnav/geo"
	"satnav/server/importer"
)

// Places of the recorded walks. Nothing but what is drawn for the walks stands within quietMeters of them,
// so that a walk's crossings are known for certain.
var (
	commerceSquare = geo.Point{Lat: 38.7075, Lng: -9.1364}
	starGarden     = geo.Point{Lat: 38.7146, Lng: -9.1600}
	riverMarket    = geo.Point{Lat: 38.7068, Lng: -9.1462}
	twoQuays       = geo.Point{Lat: 38.7012, Lng: -9.1760}
	eduardoPark    = geo.Point{Lat: 38.7287, Lng: -9.1527}
	avenueSouth    = geo.Point{Lat: 38.7160, Lng: -9.1420}
	avenueNorth    = geo.Point{Lat: 38.7240, Lng: -9.1486}
	riverMall      = geo.Point{Lat: 38.7690, Lng: -9.0985}
	collegeBakery  = geo.Point{Lat: 38.7560, Lng: -9.1580}
	nightMarket    = geo.Point{Lat: 38.7165, Lng: -9.1362}
	viewpoint      = geo.Point{Lat: 38.7440, Lng: -9.1840}
	library        = geo.Point{Lat: 38.7372, Lng: -9.1550}
	popUp          = geo.Point{Lat: 38.6935, Lng: -9.2180}

	quietPlaces = []geo.Point{
		commerceSquare, starGarden, riverMarket, twoQuays, eduardoPark, avenueSouth, avenueNorth, {Lat: 38.7200, Lng: -9.1453},
		riverMall, collegeBakery, nightMarket, viewpoint, library, popUp,
	}
)

const (
	quietMeters   = 380
	quietDistrict = "restelo" // its store is visited by a walk: nothing else stands there
)

// sketch is a geofence under way to GeoJSON.
type sketch struct {
	id         string
	geometry   any
	properties map[string]any
}

func (s sketch) with(name string, value any) sketch {
	s.properties[name] = value
	return s
}

func newSketch(id, name string, geometry any, tags ...string) sketch {
	return sketch{id, geometry, map[string]any{"name": name, "tags": tags}}
}

// position is a GeoJSON position with seven decimals.
func position(p geo.Point) [2]float64 { p = rounded(p); return [2]float64{p.Lng, p.Lat} }

func circle(id, name string, center geo.Point, radius float64, tags ...string) sketch {
	return newSketch(id, name, map[string]any{"type": "Point", "coordinates": position(center)}, tags...).with("radius_m", radius)
}

// ring is a closed ring of corners, each so many metres east and north of center, turned by an angle.
func ring(center geo.Point, turn float64, corners ...[2]float64) [][2]float64 {
	var out [][2]float64
	for _, c := range append(corners, corners[0]) {
		sin, cos := math.Sincos(turn)
		out = append(out, position(offset(center, c[0]*cos-c[1]*sin, c[0]*sin+c[1]*cos)))
	}
	return out
}

// box is the ring of a rectangle with the given half sides, counter-clockwise; hole turns it around.
func box(center geo.Point, turn, east, north float64) [][2]float64 {
	return ring(center, turn, [2]float64{-east, -north}, [2]float64{east, -north}, [2]float64{east, north}, [2]float64{-east, north})
}

func hole(center geo.Point, turn, east, north float64) [][2]float64 {
	return ring(center, turn, [2]float64{-east, -north}, [2]float64{-east, north}, [2]float64{east, north}, [2]float64{east, -north})
}

func polygon(id, name string, rings [][][2]float64, tags ...string) sketch {
	return newSketch(id, name, map[string]any{"type": "Polygon", "coordinates": rings}, tags...)
}

func parts(id, name string, polygons [][][][2]float64, tags ...string) sketch {
	return newSketch(id, name, map[string]any{"type": "MultiPolygon", "coordinates": polygons}, tags...)
}

func street(id, name string, line []geo.Point, width float64, tags ...string) sketch {
	var positions [][2]float64
	for _, p := range line {
		positions = append(positions, position(p))
	}
	return newSketch(id, name, map[string]any{"type": "LineString", "coordinates": positions}, tags...).with("width_m", width)
}

// cells is the set of H3 cells around a point: k rings of them.
func cells(id, name string, center geo.Point, resolution, k int, tags ...string) sketch {
	var ids []string
	for _, cell := range geo.CellAt(center, resolution).Neighbours(k) {
		ids = append(ids, cell.String())
	}
	return newSketch(id, name, nil, tags...).with("cells", ids)
}

func say(message string) map[string]any { return map[string]any{"message": message} }

// walked are the geofences of the recorded walks.
func walked() []sketch {
	return []sketch{
		polygon("commerce-square", "Praça do Comércio", [][][2]float64{box(commerceSquare, 0.15, 90, 85)}, "square", "sight").
			with("dwell_s", 120).with("payload", say("Sit down for a custard tart?")),
		circle("star-garden", "Jardim da Estrela", starGarden, 110, "park").with("dwell_s", 600),
		polygon("river-market", "Mercado da Ribeira", [][][2]float64{box(riverMarket, 0, 150, 130), hole(riverMarket, 0, 75, 60)}, "market", "courtyard").
			with("payload", say("Fish is landed until noon")),
		parts("two-quays", "Docas de Alcântara", [][][][2]float64{{box(offset(twoQuays, -190, 0), 0.1, 90, 50)}, {box(offset(twoQuays, 190, 0), 0.1, 90, 50)}}, "quay"),
		cells("eduardo-park", "Parque Eduardo VII", eduardoPark, 10, 1, "park").with("dwell_s", 180),
		street("avenue", "Avenida da Liberdade", []geo.Point{avenueSouth, {Lat: 38.7200, Lng: -9.1453}, avenueNorth}, 90, "street").with("priority", 1),
		polygon("river-mall", "Centro Ribeirinho", [][][2]float64{box(riverMall, 0.2, 170, 110)}, "mall").
			with("dwell_s", 300).with("priority", 5).with("payload", say("Parking is free for two hours")),
		polygon("river-mall-west", "Centro Ribeirinho, west wing", [][][2]float64{box(offset(riverMall, -95, -20), 0.2, 75, 88)}, "mall", "fashion"),
		circle("river-mall-food", "Centro Ribeirinho, food court", offset(riverMall, 75, 10), 55, "mall", "food").
			with("dwell_s", 180).with("payload", say("Lunch menu at every counter")).with("cooldown_s", 3600),
		circle("river-mall-cinema", "Centro Ribeirinho, cinema", offset(riverMall, 20, 85), 25, "mall", "cinema").with("floor", 2),
		circle("college-bakery", "Padaria do Campo", collegeBakery, 40, "bakery").with("approach_m", 30).with("triggers", []string{"enter", "exit"}),
		polygon("night-market", "Mercado da Noite", [][][2]float64{box(nightMarket, 0.4, 70, 60)}, "market").
			with("schedule", map[string]any{"zone": ZoneName, "weekly": map[string]any{"fr": []string{"18:00-02:00"}, "sa": []string{"18:00-02:00"}}}),
		circle("viewpoint", "Miradouro", viewpoint, 80, "sight"),
		circle("library", "Biblioteca", library, 100, "library").with("dwell_s", 900).with("daily_cap", 2),
		polygon("pop-up", "Pop-up by the tower", [][][2]float64{box(popUp, 0, 80, 60)}, "campaign").with("status", "draft"),
	}
}

// sketches are all geofences: those of the walks, of the stores, and what a retailer draws in a district.
func (c *City) sketches() []sketch {
	all := walked()
	for i, s := range c.shops {
		fence := circle(s.ID, s.Name, s.Position, 50+5*float64(i%5), "store", strings.ToLower(s.format.name+"store")).
			with("store", s.ID).with("dwell_s", 120).
			with("payload", say("Welcome to "+s.Name)).with("cooldown_s", 1800)
		if i%4 == 1 {
			if opening, err := json.Marshal(s.open); err == nil {
				fence = fence.with("schedule", json.RawMessage(opening))
			}
		}
		all = append(all, fence)
	}
	for i, d := range districts {
		if d.id != quietDistrict {
			all = append(all, drawn(c.random(drawFences, i), i, d)...)
		}
	}
	kept := all[:0]
	names := map[string]bool{}
	for _, s := range walked() {
		names[s.id] = true
	}
	for _, s := range all {
		if names[s.id] || !quiet(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// quiet tells whether a geofence would disturb a walk.
func quiet(s sketch) bool {
	parsed, _, err := geo.ParseFeature(s.feature())
	if err != nil {
		panic(fmt.Sprintf("the demo city's geofence %s: %v", s.id, err))
	}
	for _, place := range quietPlaces {
		if parsed.Shape.Distance(place) < quietMeters {
			return true
		}
	}
	return false
}

// drawn are the geofences that the i-th district gets.
func drawn(r *rand.Rand, i int, d district) []sketch {
	around := func(near, far float64) geo.Point {
		angle, distance := r.Float64()*2*math.Pi, near+r.Float64()*(far-near)
		return offset(d.at, distance*math.Cos(angle), math.Abs(distance*math.Sin(angle))) // north: the river lies south
	}
	id := func(what string) string { return d.id + "-" + what }
	all := []sketch{
		circle(id("tram"), d.name+", tram stop", around(60, 250), 30+r.Float64()*15, "transit", "tram"),
		circle(id("bikes"), d.name+", bicycle station", around(80, 350), 20, "transit", "bicycle"),
		circle(id("pickup"), d.name+", pick-up point", around(40, 300), 25, "pickup").with("dwell_s", 60).with("payload", say("Your order waits at the counter")),
		circle(id("flyer"), d.name+", leaflet area", around(0, 120), 280+r.Float64()*150, "campaign").with("priority", -1).with("daily_cap", 1),
		polygon(id("square"), d.name+", square", [][][2]float64{box(around(80, 300), r.Float64()*3, 30+r.Float64()*30, 25+r.Float64()*30)}, "square").with("dwell_s", 300),
	}
	switch center, turn := around(150, 350), r.Float64()*3; i % 4 {
	case 0:
		all = append(all, polygon(id("block"), d.name+", block with a courtyard", [][][2]float64{box(center, turn, 70, 60), hole(center, turn, 30, 25)}, "block"))
	case 1:
		all = append(all, parts(id("sides"), d.name+", both sides of the street", [][][][2]float64{{box(offset(center, 0, -70), 0, 80, 25)}, {box(offset(center, 0, 70), 0, 80, 25)}}, "street"))
	case 2:
		all = append(all, cells(id("park"), d.name+", park", center, 11, 2, "park").with("dwell_s", 240))
	case 3:
		all = append(all, street(id("promenade"), d.name+", promenade", []geo.Point{center, offset(center, 140, 60), offset(center, 260, 30)}, 30+r.Float64()*20, "street"))
	}
	switch i % 5 {
	case 0:
		all = append(all, circle(id("happy-hour"), d.name+", happy hour", around(50, 250), 70, "campaign", "evening").with("schedule", map[string]any{
			"zone": ZoneName, "weekly": map[string]any{"mo": []string{"17:00-19:00"}, "tu": []string{"17:00-19:00"}, "we": []string{"17:00-19:00"}, "th": []string{"17:00-19:00"}, "fr": []string{"17:00-20:00"}},
		}))
	case 1:
		all = append(all, circle(id("draft"), d.name+", idea for the summer", around(50, 300), 90, "campaign", "summer").with("status", "draft"))
	case 2:
		all = append(all, polygon(id("school"), d.name+", school gate", [][][2]float64{ring(around(100, 300), r.Float64(), [2]float64{-40, -20}, [2]float64{30, -35}, [2]float64{45, 15}, [2]float64{0, 40}, [2]float64{-45, 20})}, "school").
			with("triggers", []string{"exit"}).with("ref", fmt.Sprintf("osm:way/%d", 4_000_000+i)))
	case 3:
		all = append(all, circle(id("terrace"), d.name+", roof terrace", around(50, 300), 35, "bar").with("floor", 3).with("approach_m", 60))
	}
	return all
}

// feature is the sketch as a GeoJSON Feature.
func (s sketch) feature() []byte {
	text, err := json.Marshal(map[string]any{"type": "Feature", "id": s.id, "geometry": s.geometry, "properties": s.properties})
	if err != nil {
		panic(fmt.Sprintf("the demo city's geofence %s: %v", s.id, err))
	}
	return text
}

// Geofences lists the geofences: of every shape, some with hours, some drafts.
func (c *City) Geofences() []importer.Geofence {
	var all []importer.Geofence
	for _, s := range c.sketches() {
		feature := s.feature()
		parsed, mended, err := geo.ParseFeature(feature)
		if err != nil {
			panic(fmt.Sprintf("the demo city's geofence %s: %v", s.id, err)) // a test holds that none is
		}
		all = append(all, importer.Geofence{Geofence: parsed, Feature: feature, Mended: mended})
	}
	return all
}
