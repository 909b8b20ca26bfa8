package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The GeoJSON form of a geofence is a Feature of RFC 7946: a Polygon, a MultiPolygon, a Point with properties.radius_m (circle), a
// LineString with properties.width_m (corridor), or any geometry with properties.cells. Properties of ours are checked
// strictly, with a JSON pointer to what is wrong; all others are kept as they came, and never refused.

// reservedIDs are words of the API's paths.
var reservedIDs = map[string]bool{"nearby": true, "match": true}

// CheckID says why id cannot name a geofence, or nil. Ids are 1 to 128 characters of UTF-8, none of them a control
// character.
func CheckID(id string) error {
	switch n := utf8.RuneCountInString(id); {
	case !utf8.ValidString(id):
		return &Fault{Code: FaultBadID, At: "/id", What: "id is not UTF-8", Mend: "give 1 to 128 characters"}
	case n == 0 || n > 128:
		return &Fault{Code: FaultBadID, At: "/id", What: fmt.Sprintf("id has %d characters, want 1 to 128", n), Mend: "shorten it, or leave it out to have one made"}
	case strings.ContainsFunc(id, unicode.IsControl):
		return &Fault{Code: FaultBadID, At: "/id", What: fmt.Sprintf("id %.40q holds a control character", id), Mend: "leave it out of the id"}
	case reservedIDs[id]:
		return &Fault{Code: FaultBadID, At: "/id", What: fmt.Sprintf("id %q is a word of the API", id), Mend: "choose another"}
	}
	return nil
}

// member is one name and value of a JSON object, in the order and the spelling that they came in.
type member struct {
	name  string
	value json.RawMessage
}

// members reads an object without losing order, spelling or repeated names.
func members(raw []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	open, err := d.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var all []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("want nothing after the object")
	}
	return all, nil
}

// checkCRS refuses the member crs of GeoJSON before RFC 7946 where it names something else than longitude and latitude of
// WGS 84. What names nothing is passed over, as the RFC asks.
func checkCRS(raw json.RawMessage) *Fault {
	var crs struct {
		Properties struct {
			Name json.RawMessage `json:"name"`
			Code json.RawMessage `json:"code"`
		} `json:"properties"`
	}
	if json.Unmarshal(raw, &crs) != nil {
		return nil //nolint:nilerr // it names nothing
	}
	name, ok := stringOf(crs.Properties.Name)
	if !ok && len(crs.Properties.Code) > 0 {
		name = ":" + strings.Trim(string(crs.Properties.Code), `"`)
	}
	upper := strings.ToUpper(name)
	for _, known := range []string{"CRS84", "CRS84H", ":4326", ":4979"} {
		if name == "" || strings.HasSuffix(upper, known) {
			return nil
		}
	}
	return &Fault{Code: FaultProjection, At: "/crs", What: fmt.Sprintf("got the coordinate system %.80q, want WGS 84 (CRS84 or EPSG:4326)", strings.TrimPrefix(name, ":")), Mend: "transform it to longitude and latitude"}
}

// ParseFeature reads one geofence. What is wrong is a *Fault with a pointer into raw, or was mended and is reported. A
// Feature without an id gives a geofence without one, for the caller to make, and one that is refused has its id; the name is the id unless
// properties.name says otherwise. The geofence does not share memory with raw. Members of the Feature that RFC 7946
// does not name, and bbox, are ignored, but for a crs other than WGS 84, which is refused, as are members of ours that stand twice.
func ParseFeature(raw []byte) (Geofence, []Mending, error) {
	var g Geofence
	if !json.Valid(raw) {
		return g, nil, syntaxFault(raw)
	}
	top, err := members(raw)
	if err != nil {
		return g, nil, &Fault{Code: FaultWrongType, What: "got " + kindOf(raw) + ", want a GeoJSON Feature", Mend: `give an object with "type": "Feature"`}
	}
	feature := make(map[string]json.RawMessage, len(top))
	for _, m := range top {
		if _, there := feature[m.name]; there && slices.Contains([]string{"type", "id", "geometry", "properties"}, m.name) {
			return g, nil, twice("/" + m.name)
		}
		feature[m.name] = m.value
	}
	if id, err := parseID(feature["id"]); err == nil {
		g.ID = id // so that a report can name what else is wrong
	}
	if kind, ok := stringOf(feature["type"]); !ok || kind != "Feature" {
		mend := "wrap the geometry in a Feature"
		if kind == "FeatureCollection" {
			mend = "import the collection, or give one Feature of it"
		}
		return g, nil, &Fault{Code: FaultWrongType, At: "/type", What: "got " + shown(feature["type"]) + `, want "Feature"`, Mend: mend}
	}
	if fault := checkCRS(feature["crs"]); fault != nil {
		return g, nil, fault
	}
	if g.ID, err = parseID(feature["id"]); err != nil {
		return g, nil, err
	}
	g.Name, g.Wants = g.ID, g.defaultWants()
	var own map[string]json.RawMessage
	var noted []Mending
	if properties := feature["properties"]; !null(properties) {
		all, err := members(properties)
		if err != nil {
			return g, nil, &Fault{Code: FaultWrongType, At: "/properties", What: "got " + kindOf(properties) + ", want an object or null"}
		}
		geometry := geometryType(feature["geometry"])
		if own, err = g.takeProperties(all, geometry); err != nil {
			return g, nil, err
		}
		noted = g.remarks("/properties", all, geometry)
	}
	mended, err := g.takeShape(feature["geometry"], own)
	return g, append(noted, mended...), err
}

// namedBefore tells whether one of the members has the name.
func namedBefore(all []member, name string) bool {
	return slices.ContainsFunc(all, func(m member) bool { return m.name == name })
}

// escapePointer makes a name a step of a JSON pointer.
func escapePointer(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// remarks tells of properties that are right and yet hardly meant: names that miss one of ours, sizes of another geometry
// than this one, and triggers that can never be told. Nothing is changed.
func (g *Geofence) remarks(at string, all []member, geometry string) (noted []Mending) {
	for _, m := range all {
		here := at + "/" + escapePointer(m.name)
		switch meant := slip(m.name); {
		case meant != "":
			noted = append(noted, Mending{At: here, What: fmt.Sprintf("%q was kept as a property of yours; did you mean %q?", m.name, meant)})
		case geometry != "" && (m.name == "radius_m" && geometry != "Point" || m.name == "width_m" && geometry != "LineString"):
			noted = append(noted, Mending{At: here, What: fmt.Sprintf("%q says nothing of a %s; it was kept as a property of yours", m.name, geometry)})
		case m.name == "triggers" && g.Wants&WantDwell != 0 && g.Dwell == 0:
			noted = append(noted, Mending{At: here, What: "a dwell is never told without dwell_s"})
		case m.name == "triggers" && g.Wants&WantApproach != 0 && g.ApproachMeters == 0:
			noted = append(noted, Mending{At: here, What: "an approach is never told without approach_m"})
		}
	}
	return noted
}

// twice refuses a member that stands more than once: one of the two is not what somebody meant.
func twice(at string) *Fault {
	return &Fault{Code: FaultTwice, At: at, What: fmt.Sprintf("%q stands twice", at[strings.LastIndexByte(at, '/')+1:]), Mend: "keep one of the two"}
}

// ownProperties are the names that takeProperties reads.
var ownProperties = []string{"name", "dwell_s", "tags", "payload", "store", "schedule", "status", "floor", "priority", "approach_m", "cooldown_s", "daily_cap", "triggers",
	"cells", "radius_m", "width_m"}

// slip is the property of ours that a name of at least five letters misses by one letter, or by its case; empty: none.
func slip(name string) string {
	lower := strings.ToLower(name)
	for _, own := range ownProperties {
		if name == own || len(own) < 5 {
			continue
		}
		short, long := lower, own
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(long)-len(short) > 1 {
			continue
		}
		same := 0
		for same < len(short) && short[same] == long[same] {
			same++
		}
		if rest := short[same:]; rest == "" || rest == long[same+1:] || len(short) == len(long) && rest[1:] == long[same+1:] {
			if !slices.Contains(ownProperties, name) {
				return own
			}
		}
	}
	return ""
}

func syntaxFault(raw []byte) *Fault {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(raw, new(any)); errors.As(err, &syntax) {
		return &Fault{Code: FaultMalformed, What: fmt.Sprintf("malformed JSON at byte %d: %v", syntax.Offset, err), Mend: "check commas, quotes and brackets there"}
	}
	return &Fault{Code: FaultMalformed, What: "malformed JSON"}
}

// parseID takes a string or a whole number; none is the empty id.
func parseID(raw json.RawMessage) (string, error) {
	if null(raw) {
		return "", nil
	}
	id, ok := stringOf(raw)
	if !ok {
		id = string(raw)
		if strings.Trim(strings.TrimPrefix(id, "-"), "0123456789") != "" {
			return "", &Fault{Code: FaultWrongType, At: "/id", What: "got " + shown(raw) + ", want a string or a whole number"}
		}
	}
	return id, CheckID(id)
}

// takeProperties reads what is ours and keeps the rest. It returns those that say what the shape is.
func (g *Geofence) takeProperties(all []member, geometry string) (map[string]json.RawMessage, error) {
	shape := map[string]json.RawMessage{}
	given := map[string]json.RawMessage{}
	var foreign []byte
	for i, m := range all {
		if slices.Contains(ownProperties, m.name) && namedBefore(all[:i], m.name) {
			return nil, twice("/properties/" + m.name)
		}
		switch m.name {
		case "cells":
			if !null(m.value) {
				shape[m.name] = m.value
			}
			continue
		case "radius_m", "width_m":
			if geometry == map[string]string{"radius_m": "Point", "width_m": "LineString"}[m.name] {
				shape[m.name] = m.value
				continue
			}
		case "name", "dwell_s", "tags", "payload", "store", "schedule", "status", "floor", "priority", "approach_m", "cooldown_s", "daily_cap", "triggers":
			if !null(m.value) {
				given[m.name] = m.value
			}
			continue
		}
		foreign = append(foreign, ',')
		foreign = append(appendString(foreign, m.name), ':')
		foreign = append(foreign, m.value...)
	}
	if foreign != nil {
		foreign[0] = '{'
		g.Foreign = append(foreign, '}')
	}
	p := &properties{given: given}
	p.text("name", &g.Name)
	p.seconds("dwell_s", &g.Dwell)
	p.texts("tags", &g.Tags)
	p.text("store", &g.Store)
	p.meters("approach_m", &g.ApproachMeters)
	p.seconds("cooldown_s", &g.Cooldown)
	p.whole("daily_cap", 0, math.MaxInt32, &g.DailyCap)
	p.whole("priority", math.MinInt32, math.MaxInt32, &g.Priority)
	if raw, ok := given["payload"]; ok {
		g.Payload = bytes.Clone(raw)
	}
	if _, ok := given["floor"]; ok {
		floor := 0
		p.whole("floor", -1000, 1000, &floor)
		g.Floor = &floor
	}
	status := "live"
	p.text("status", &status)
	switch status {
	case "live":
		g.Status = Live
	case "draft":
		g.Status = Draft
	default:
		p.refuse("", "status", "", fmt.Sprintf("got %q, want \"live\" or \"draft\"", status))
	}
	g.Wants = g.defaultWants()
	if _, ok := given["triggers"]; ok {
		var names []string
		p.texts("triggers", &names)
		g.Wants = 0
		for i, name := range names {
			want, known := wantNames[name]
			if !known {
				p.refuse("", "triggers", fmt.Sprintf("/%d", i), fmt.Sprintf("got %q, want enter, dwell, exit or approach", name))
			}
			g.Wants |= want
		}
	}
	if raw, ok := given["schedule"]; ok {
		schedule, err := ParseSchedule(raw)
		if fault := new(Fault); errors.As(err, &fault) && p.fault == nil {
			p.fault = fault.under("/properties/schedule")
		}
		g.Schedule = schedule
	}
	return shape, p.err()
}

// defaultWants is what a geofence tells that does not say: each crossing that it can have.
func (g *Geofence) defaultWants() Wants {
	wants := WantEnter | WantExit
	if g.Dwell > 0 {
		wants |= WantDwell
	}
	if g.ApproachMeters > 0 {
		wants |= WantApproach
	}
	return wants
}

var wantNames = map[string]Wants{"enter": WantEnter, "dwell": WantDwell, "exit": WantExit, "approach": WantApproach}

// properties reads values of our own properties and remembers the first fault.
type properties struct {
	given map[string]json.RawMessage
	fault *Fault
}

func (p *properties) err() error {
	if p.fault == nil {
		return nil
	}
	return p.fault
}

// refuse notes the first fault; code is empty for a value that cannot be.
func (p *properties) refuse(code FaultCode, name, below, what string) {
	if p.fault == nil {
		p.fault = &Fault{Code: code, At: "/properties/" + name + below, What: what}
	}
}

// wrong notes a value of another type.
func (p *properties) wrong(name, below string, got json.RawMessage, want string) {
	p.refuse(FaultWrongType, name, below, "got "+shown(got)+", want "+want)
}

func (p *properties) text(name string, to *string) {
	raw, ok := p.given[name]
	if !ok {
		return
	}
	s, ok := stringOf(raw)
	if !ok {
		p.wrong(name, "", raw, "a string")
		return
	}
	*to = s
}

func (p *properties) texts(name string, to *[]string) {
	raw, ok := p.given[name]
	if !ok {
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		p.wrong(name, "", raw, "a list of strings")
		return
	}
	all := make([]string, len(list))
	for i, item := range list {
		if all[i], ok = stringOf(item); !ok {
			p.wrong(name, fmt.Sprintf("/%d", i), item, "a string")
			return
		}
	}
	*to = all
}

func (p *properties) number(name string) (float64, bool) {
	raw, ok := p.given[name]
	if !ok {
		return 0, false
	}
	f, ok := numberOf(raw)
	if !ok {
		p.wrong(name, "", raw, "a number")
	}
	return f, ok
}

func (p *properties) meters(name string, to *float64) {
	if f, ok := p.number(name); ok {
		if f < 0 || f > MaxRadiusMeters {
			p.refuse(FaultOutOfRange, name, "", fmt.Sprintf("got %v, want metres, 0 to %.0f", f, MaxRadiusMeters))
			return
		}
		*to = f
	}
}

// maxSeconds is one year.
const maxSeconds = 366 * 24 * 3600

func (p *properties) seconds(name string, to *time.Duration) {
	if f, ok := p.number(name); ok {
		if f < 0 || f > maxSeconds {
			p.refuse(FaultOutOfRange, name, "", fmt.Sprintf("got %v, want seconds, 0 to %d", f, maxSeconds))
			return
		}
		*to = time.Duration(math.Round(f * float64(time.Second)))
	}
}

func (p *properties) whole(name string, low, high int, to *int) {
	if f, ok := p.number(name); ok {
		if f != math.Trunc(f) {
			p.refuse(FaultWrongType, name, "", fmt.Sprintf("got %v, want a whole number", f))
			return
		}
		if f < float64(low) || f > float64(high) {
			p.refuse(FaultOutOfRange, name, "", fmt.Sprintf("got %v, want a whole number, %d to %d", f, low, high))
			return
		}
		*to = int(f)
	}
}

func geometryType(raw json.RawMessage) string {
	var geometry struct {
		Type json.RawMessage `json:"type"`
	}
	if json.Unmarshal(raw, &geometry) != nil {
		return ""
	}
	kind, _ := stringOf(geometry.Type)
	return kind
}

// takeShape builds the shape from the geometry and the properties that belong to it.
func (g *Geofence) takeShape(raw json.RawMessage, own map[string]json.RawMessage) ([]Mending, error) {
	if cells, ok := own["cells"]; ok {
		set, mended, err := parseCells(cells)
		if err != nil {
			return nil, err
		}
		g.Shape = set
		if !null(raw) {
			mended = append(mended, Mending{At: "/geometry", What: "the geometry was left out: properties.cells say where the geofence is"})
		}
		return mended, nil
	}
	if null(raw) {
		return nil, &Fault{Code: FaultMissing, At: "/geometry", What: "no geometry", Mend: "give a Polygon, a MultiPolygon, a Point with properties.radius_m, a LineString with properties.width_m, or properties.cells"}
	}
	fields, err := members(raw)
	if err != nil {
		return nil, &Fault{Code: FaultWrongType, At: "/geometry", What: "got " + shown(raw) + ", want an object"}
	}
	var kind, coordinates json.RawMessage
	for _, m := range fields {
		if m.name == "type" && kind != nil || m.name == "coordinates" && coordinates != nil {
			return nil, twice("/geometry/" + m.name)
		}
		switch m.name {
		case "type":
			kind = m.value
		case "coordinates":
			coordinates = m.value
		}
	}
	name, _ := stringOf(kind)
	c := coordinateReader{raw: coordinates, at: "/geometry/coordinates"}
	if c.raw == nil {
		c.raw = []byte("null")
	}
	switch name {
	case "Polygon":
		rings := list(&c, (*coordinateReader).ring)
		if c.fault != nil {
			return nil, c.fault
		}
		poly, mended, err := NewPolygon([][]Ring{rings})
		// The pointers of NewPolygon begin with the part, which a Polygon has not.
		for i := range mended {
			mended[i].At = strings.TrimPrefix(mended[i].At, "/0")
		}
		if fault := new(Fault); errors.As(err, &fault) {
			fault.At = strings.TrimPrefix(fault.At, "/0")
		}
		return g.hold(poly, mended, err)
	case "MultiPolygon":
		parts := list(&c, func(c *coordinateReader) []Ring { return list(c, (*coordinateReader).ring) })
		if c.fault != nil {
			return nil, c.fault
		}
		poly, mended, err := NewPolygon(parts)
		return g.hold(poly, mended, err)
	case "LineString":
		line := list(&c, (*coordinateReader).position)
		width, err := sizeOf(own, "width_m", "a LineString", "a corridor")
		if err = firstErr(c.fault, err); err != nil {
			return nil, err
		}
		corridor, mended, err := NewCorridor(line, width)
		return g.hold(corridor, mended, err)
	case "Point":
		center := c.position()
		radius, err := sizeOf(own, "radius_m", "a Point", "a circle")
		if err = firstErr(c.fault, err); err != nil {
			return nil, err
		}
		circle, err := NewCircle(center, radius)
		return g.hold(circle, nil, err)
	}
	return nil, &Fault{Code: FaultWrongType, At: "/geometry/type", What: "got " + shown(kind) + ", want Polygon, MultiPolygon, Point (with properties.radius_m) or LineString (with properties.width_m)"}
}

// hold keeps a shape that was built from the coordinates, or says what is wrong with them.
func (g *Geofence) hold(shape Shape, mended []Mending, err error) ([]Mending, error) {
	mended = mendingsUnder("/geometry/coordinates", mended)
	if fault := new(Fault); errors.As(err, &fault) {
		return mended, fault.under("/geometry/coordinates")
	}
	g.Shape = shape
	return mended, nil
}

func firstErr(fault *Fault, err error) error {
	if fault != nil {
		return fault
	}
	return err
}

// sizeOf reads the one number that makes an area of a point or a line.
func sizeOf(own map[string]json.RawMessage, name, geometry, shape string) (float64, error) {
	raw, ok := own[name]
	if !ok || null(raw) {
		return 0, &Fault{Code: FaultMissing, At: "/properties/" + name, What: fmt.Sprintf("%s is no area without properties.%s", geometry, name), Mend: "give it in metres to make " + shape}
	}
	f, ok := numberOf(raw)
	if !ok {
		return 0, &Fault{Code: FaultWrongType, At: "/properties/" + name, What: "got " + shown(raw) + ", want a number of metres"}
	}
	most := MaxRadiusMeters
	if name == "width_m" {
		most *= 2
	}
	if !(f > 0 && f <= most) {
		return 0, &Fault{Code: FaultOutOfRange, At: "/properties/" + name, What: fmt.Sprintf("got %v, want metres, above 0 and at most %.0f", f, most)}
	}
	return f, nil
}

func parseCells(raw json.RawMessage) (*CellSet, []Mending, error) {
	const at = "/properties/cells"
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, nil, &Fault{Code: FaultWrongType, At: at, What: "got " + shown(raw) + ", want a list of H3 cells as strings"}
	}
	cells := make([]Cell, len(list))
	for i, item := range list {
		s, ok := stringOf(item)
		if !ok {
			return nil, nil, &Fault{Code: FaultWrongType, At: fmt.Sprintf("%s/%d", at, i), What: "got " + shown(item) + `, want an H3 cell as a string, such as "8a195da49d47fff"`}
		}
		cell, err := ParseCell(s)
		if err != nil {
			return nil, nil, &Fault{Code: FaultBadCell, At: fmt.Sprintf("%s/%d", at, i), What: err.Error()}
		}
		cells[i] = cell
	}
	set, mended, err := NewCellSet(cells)
	if fault := new(Fault); errors.As(err, &fault) {
		return nil, nil, fault.under(at)
	}
	return set, mendingsUnder(at, mended), nil
}

// coordinateReader walks nested arrays of numbers in valid JSON and knows where it is. After a fault it yields nothing more.
type coordinateReader struct {
	raw   []byte
	at    string
	fault *Fault
}

func (c *coordinateReader) space() {
	for len(c.raw) > 0 && (c.raw[0] == ' ' || c.raw[0] == '\n' || c.raw[0] == '\t' || c.raw[0] == '\r') {
		c.raw = c.raw[1:]
	}
}

// next goes to the next item of an array whose opening bracket was read, and tells whether there is one.
func (c *coordinateReader) next() bool {
	c.space()
	if c.fault != nil || len(c.raw) == 0 {
		return false
	}
	switch c.raw[0] {
	case ']':
		c.raw = c.raw[1:]
		return false
	case ',':
		c.raw = c.raw[1:]
		c.space()
	}
	return true
}

// open reads an opening bracket.
func (c *coordinateReader) open(want string) bool {
	c.space()
	if c.fault != nil {
		return false
	}
	if len(c.raw) == 0 || c.raw[0] != '[' {
		c.fault = &Fault{Code: FaultWrongType, At: c.at, What: "got " + shown(c.item()) + ", want " + want}
		return false
	}
	c.raw = c.raw[1:]
	return true
}

// item is the value that starts here, for messages.
func (c *coordinateReader) item() json.RawMessage {
	var item json.RawMessage
	if json.NewDecoder(bytes.NewReader(c.raw)).Decode(&item) != nil {
		return nil
	}
	return item
}

func list[T any](c *coordinateReader, read func(*coordinateReader) T) []T {
	if !c.open("an array") {
		return nil
	}
	var all []T
	here := c.at
	for i := 0; c.next(); i++ {
		c.at = here + "/" + strconv.Itoa(i)
		all = append(all, read(c))
	}
	if c.fault == nil {
		c.at = here
	}
	return all
}

func (c *coordinateReader) ring() Ring { return list(c, (*coordinateReader).position) }

// position reads [longitude, latitude]; an altitude and what follows are ignored, as RFC 7946 allows.
func (c *coordinateReader) position() Point {
	if !c.open("a position [longitude, latitude]") {
		return Point{}
	}
	var p Point
	n := 0
	for ; c.next(); n++ {
		end := 0
		for end < len(c.raw) && !strings.ContainsRune(" ,]\n\t\r", rune(c.raw[end])) {
			end++
		}
		f, err := strconv.ParseFloat(string(c.raw[:end]), 64)
		if err != nil || c.raw[0] != '-' && (c.raw[0] < '0' || c.raw[0] > '9') {
			c.fault = &Fault{Code: FaultWrongType, At: c.at + "/" + strconv.Itoa(n), What: "got " + shown(c.item()) + ", want a number"}
			return Point{}
		}
		c.raw = c.raw[end:]
		switch n {
		case 0:
			p.Lng = f
		case 1:
			p.Lat = f
		}
	}
	if n < 2 && c.fault == nil {
		c.fault = &Fault{Code: FaultTooFew, At: c.at, What: fmt.Sprintf("position has %d numbers, want [longitude, latitude]", n)}
	}
	return p
}

func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func stringOf(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

func numberOf(raw json.RawMessage) (float64, bool) {
	var f float64
	if null(raw) || json.Unmarshal(raw, &f) != nil {
		return 0, false
	}
	return f, true
}

// kindOf names the kind of a JSON value.
func kindOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// shown is a value for a message: itself when short, else its kind.
func shown(raw json.RawMessage) string {
	if len(raw) > 0 && len(raw) <= 40 && raw[0] != '{' && raw[0] != '[' {
		return string(raw)
	}
	return kindOf(raw)
}

// AppendFeature writes the geofence as a GeoJSON Feature that ParseFeature reads back as the same one, foreign properties
// included. Coordinates have the decimals that they came with. Version and what the store knows are not in it.
func (g *Geofence) AppendFeature(dst []byte) []byte {
	dst = append(dst, `{"type":"Feature"`...)
	if g.ID != "" {
		dst = appendString(append(dst, `,"id":`...), g.ID)
	}
	dst = append(dst, `,"geometry":`...)
	dst = appendGeometry(dst, g.Shape)
	dst = append(dst, `,"properties":{`...)
	start := len(dst)
	name := func(s string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, s), ':')
	}
	number := func(s string, f float64) {
		if f != 0 {
			name(s)
			dst = appendFloat(dst, f)
		}
	}
	text := func(s, value string) {
		name(s)
		dst = appendString(dst, value)
	}
	texts := func(s string, values []string) {
		name(s)
		dst = append(dst, '[')
		for i, v := range values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v)
		}
		dst = append(dst, ']')
	}
	if g.Name != g.ID {
		text("name", g.Name)
	}
	switch s := g.Shape.(type) {
	case *Circle:
		number("radius_m", s.radiusMeters)
	case *Corridor:
		number("width_m", s.widthMeters)
	case *CellSet:
		cells := make([]string, len(s.cells))
		for i, c := range s.cells {
			cells[i] = c.String()
		}
		texts("cells", cells)
	}
	number("dwell_s", g.Dwell.Seconds())
	if len(g.Tags) > 0 {
		texts("tags", g.Tags)
	}
	if g.Payload != nil {
		name("payload")
		dst = append(dst, g.Payload...)
	}
	if g.Store != "" {
		text("store", g.Store)
	}
	if g.Schedule != nil {
		if schedule, err := g.Schedule.MarshalJSON(); err == nil {
			name("schedule")
			dst = append(dst, schedule...)
		}
	}
	if g.Status == Draft {
		text("status", "draft")
	}
	if g.Floor != nil {
		name("floor")
		dst = strconv.AppendInt(dst, int64(*g.Floor), 10)
	}
	number("priority", float64(g.Priority))
	number("approach_m", g.ApproachMeters)
	number("cooldown_s", g.Cooldown.Seconds())
	number("daily_cap", float64(g.DailyCap))
	if g.Wants != g.defaultWants() {
		var wants []string
		for _, w := range []string{"enter", "dwell", "exit", "approach"} {
			if g.Wants&wantNames[w] != 0 {
				wants = append(wants, w)
			}
		}
		texts("triggers", wants)
	}
	if len(g.Foreign) > 2 {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, g.Foreign[1:len(g.Foreign)-1]...)
	}
	return append(dst, "}}"...)
}

func appendGeometry(dst []byte, shape Shape) []byte {
	switch s := shape.(type) {
	case *Circle:
		dst = appendPosition(append(dst, `{"type":"Point","coordinates":`...), s.center)
	case *Corridor:
		dst = appendPositions(append(dst, `{"type":"LineString","coordinates":`...), s.line)
	case *Polygon:
		parts := s.Parts()
		if len(parts) == 1 {
			dst = appendRings(append(dst, `{"type":"Polygon","coordinates":`...), parts[0])
			break
		}
		dst = append(dst, `{"type":"MultiPolygon","coordinates":[`...)
		for i, rings := range parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendRings(dst, rings)
		}
		dst = append(dst, ']')
	default: // cells say where they are
		return append(dst, "null"...)
	}
	return append(dst, '}')
}

func appendRings(dst []byte, rings []Ring) []byte {
	dst = append(dst, '[')
	for i, r := range rings {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendPositions(dst, r)
	}
	return append(dst, ']')
}

func appendPositions(dst []byte, points []Point) []byte {
	dst = append(dst, '[')
	for i, p := range points {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendPosition(dst, p)
	}
	return append(dst, ']')
}

func appendPosition(dst []byte, p Point) []byte {
	dst = append(appendFloat(append(dst, '['), p.Lng), ',')
	return append(appendFloat(dst, p.Lat), ']')
}

// appendFloat writes the shortest decimal that means f.
func appendFloat(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'f', -1, 64) }

func appendString(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string has no way to fail
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}
