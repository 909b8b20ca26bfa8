package store

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/geo"
)

// appendPresence appends what the crossing machine remembers of a shopper as a document.
func appendPresence(b []byte, p *geo.Presence) []byte {
	start, b := bsoncore.AppendDocumentStart(b)
	b = appendText(b, "shopper", p.Shopper)
	b = appendTrue(b, "rehearsal", p.Rehearsal)
	b = appendMemory(b, "now", &p.Now)
	b = appendMemory(b, "base", &p.Base)
	if len(p.Tail) > 0 {
		b = array(b, "tail", len(p.Tail), func(b []byte, i int) []byte { return appendFix(b, &p.Tail[i]) })
	}
	b = appendInt(b, "replayable", int64(p.Replayable))
	b = appendTime(b, "whole", p.Whole)
	if len(p.Recent) > 0 {
		b = array(b, "recent", len(p.Recent), func(b []byte, i int) []byte { return appendCrossing(b, &p.Recent[i]) })
	}
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b
}

func readPresence(body []byte) (p geo.Presence, err error) {
	w := walk(body)
	for w.next() {
		switch string(w.key) {
		case "shopper":
			p.Shopper = w.string()
		case "rehearsal":
			p.Rehearsal = w.bool()
		case "now":
			p.Now = readMemory(&w)
		case "base":
			p.Base = readMemory(&w)
		case "tail":
			p.Tail = make([]geo.Fix, 0, w.count())
			list := w.inside()
			for list.next() {
				p.Tail = append(p.Tail, readFix(&list))
			}
			w.join(list)
		case "replayable":
			p.Replayable = int(w.int())
		case "whole":
			p.Whole = w.time()
		case "recent":
			p.Recent = make([]geo.Crossing, 0, w.count())
			list := w.inside()
			for list.next() {
				p.Recent = append(p.Recent, readCrossing(&list))
			}
			w.join(list)
		}
	}
	return p, w.err
}

// field appends a document under a name.
func field(b []byte, name string, write func(b []byte) []byte) []byte {
	start, b := bsoncore.AppendDocumentElementStart(b, name)
	b = write(b)
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b
}

func appendFloats(b []byte, name string, values []float64) []byte {
	start, b := bsoncore.AppendArrayElementStart(b, name)
	for i, value := range values {
		b = bsoncore.AppendDoubleElement(b, index(i), value)
	}
	b, _ = bsoncore.AppendArrayEnd(b, start)
	return b
}

func (w *walker) floats(into []float64) {
	list := w.inside()
	for i := 0; list.next() && i < len(into); i++ {
		into[i] = list.float()
	}
	w.join(list)
}

func appendPoint(b []byte, name string, p geo.Point) []byte {
	if p == (geo.Point{}) {
		return b
	}
	return field(b, name, func(b []byte) []byte {
		b = bsoncore.AppendDoubleElement(b, "lat", p.Lat)
		return bsoncore.AppendDoubleElement(b, "lng", p.Lng)
	})
}

func readPoint(w *walker) (p geo.Point) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "lat":
			p.Lat = inner.float()
		case "lng":
			p.Lng = inner.float()
		}
	}
	w.join(inner)
	return p
}

func appendFloor(b []byte, name string, floor *int) []byte {
	if floor == nil {
		return b
	}
	return bsoncore.AppendInt64Element(b, name, int64(*floor))
}

func (w *walker) floor() *int {
	floor := int(w.int())
	return &floor
}

func appendFix(b []byte, f *geo.Fix) []byte {
	b = appendTime(b, "at", f.At)
	b = bsoncore.AppendDoubleElement(b, "lat", f.Lat)
	b = bsoncore.AppendDoubleElement(b, "lng", f.Lng)
	b = appendFloat(b, "accuracy_m", f.AccuracyMeters)
	b = appendFloor(b, "floor", f.Floor)
	b = appendTrue(b, "mocked", f.Mocked)
	return appendTrue(b, "coarse", f.Coarse)
}

func readFix(w *walker) (f geo.Fix) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "at":
			f.At = inner.time()
		case "lat":
			f.Lat = inner.float()
		case "lng":
			f.Lng = inner.float()
		case "accuracy_m":
			f.AccuracyMeters = inner.float()
		case "floor":
			f.Floor = inner.floor()
		case "mocked":
			f.Mocked = inner.bool()
		case "coarse":
			f.Coarse = inner.bool()
		}
	}
	w.join(inner)
	return f
}

func appendMemory(b []byte, name string, m *geo.Memory) []byte {
	return field(b, name, func(b []byte) []byte {
		b = field(b, "track", func(b []byte) []byte { return appendTrack(b, &m.Track) })
		if len(m.Stays) > 0 {
			b = array(b, "stays", len(m.Stays), func(b []byte, i int) []byte { return appendStay(b, &m.Stays[i]) })
		}
		b = appendTime(b, "seen", m.Seen)
		return appendPoint(b, "point", m.Point)
	})
}

func readMemory(w *walker) (m geo.Memory) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "track":
			m.Track = readTrack(&inner)
		case "stays":
			m.Stays = make([]geo.Stay, 0, inner.count())
			list := inner.inside()
			for list.next() {
				m.Stays = append(m.Stays, readStay(&list))
			}
			inner.join(list)
		case "seen":
			m.Seen = inner.time()
		case "point":
			m.Point = readPoint(&inner)
		}
	}
	w.join(inner)
	return m
}

func appendTrack(b []byte, t *geo.Track) []byte {
	b = appendPoint(b, "origin", t.Origin)
	b = appendTime(b, "at", t.At)
	if t.Sigma != 0 {
		b = bsoncore.AppendDoubleElement(b, "sigma", t.Sigma)
	}
	if t.Ways != [3]geo.Way{} {
		b = array(b, "ways", len(t.Ways), func(b []byte, i int) []byte {
			way := &t.Ways[i]
			b = bsoncore.AppendDoubleElement(b, "weight", way.Weight)
			b = appendFloats(b, "east", way.East[:])
			b = appendFloats(b, "north", way.North[:])
			return appendFloats(b, "cov", way.Cov[:])
		})
	}
	if t.Held != nil {
		b = field(b, "held", func(b []byte) []byte { return appendFix(b, t.Held) })
	}
	b = appendInt(b, "held_times", int64(t.HeldTimes))
	b = appendFloor(b, "floor", t.Floor)
	return appendFloor(b, "floor_next", t.FloorNext)
}

func readTrack(w *walker) (t geo.Track) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "origin":
			t.Origin = readPoint(&inner)
		case "at":
			t.At = inner.time()
		case "sigma":
			t.Sigma = inner.float()
		case "ways":
			list := inner.inside()
			for i := 0; list.next() && i < len(t.Ways); i++ {
				readWay(&list, &t.Ways[i])
			}
			inner.join(list)
		case "held":
			held := readFix(&inner)
			t.Held = &held
		case "held_times":
			t.HeldTimes = int(inner.int())
		case "floor":
			t.Floor = inner.floor()
		case "floor_next":
			t.FloorNext = inner.floor()
		}
	}
	w.join(inner)
	return t
}

func readWay(w *walker, way *geo.Way) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "weight":
			way.Weight = inner.float()
		case "east":
			inner.floats(way.East[:])
		case "north":
			inner.floats(way.North[:])
		case "cov":
			inner.floats(way.Cov[:])
		}
	}
	w.join(inner)
}

func appendStay(b []byte, s *geo.Stay) []byte {
	b = bsoncore.AppendStringElement(b, "geofence", s.Geofence)
	b = appendInt(b, "version", s.Version)
	b = appendTrue(b, "inside", s.Inside)
	b = appendInt(b, "wants", int64(s.Wants))
	b = appendTime(b, "begin", s.Begin)
	b = appendTime(b, "turn", s.Turn)
	b = appendPoint(b, "turn_point", s.TurnPoint)
	b = appendInt(b, "witnesses", int64(s.Witnesses))
	b = appendTrue(b, "sure", s.Sure)
	b = appendTrue(b, "doubt", s.Doubt)
	b = appendTime(b, "after", s.After)
	b = appendTrue(b, "dwelled", s.Dwelled)
	b = appendTime(b, "dwell_at", s.DwellAt)
	b = appendTime(b, "closes_at", s.ClosesAt)
	b = appendTrue(b, "approached", s.Approached)
	b = appendTrue(b, "admitted", s.Admitted)
	b = appendText(b, "withheld", string(s.Withheld))
	b = appendTime(b, "told_at", s.ToldAt)
	b = appendInt(b, "told_day", int64(s.ToldDay))
	return appendInt(b, "told", int64(s.Told))
}

func readStay(w *walker) (s geo.Stay) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "geofence":
			s.Geofence = inner.string()
		case "version":
			s.Version = inner.int()
		case "inside":
			s.Inside = inner.bool()
		case "wants":
			s.Wants = geo.Wants(inner.int())
		case "begin":
			s.Begin = inner.time()
		case "turn":
			s.Turn = inner.time()
		case "turn_point":
			s.TurnPoint = readPoint(&inner)
		case "witnesses":
			s.Witnesses = int(inner.int())
		case "sure":
			s.Sure = inner.bool()
		case "doubt":
			s.Doubt = inner.bool()
		case "after":
			s.After = inner.time()
		case "dwelled":
			s.Dwelled = inner.bool()
		case "dwell_at":
			s.DwellAt = inner.time()
		case "closes_at":
			s.ClosesAt = inner.time()
		case "approached":
			s.Approached = inner.bool()
		case "admitted":
			s.Admitted = inner.bool()
		case "withheld":
			s.Withheld = geo.Withheld(inner.string())
		case "told_at":
			s.ToldAt = inner.time()
		case "told_day":
			s.ToldDay = int(inner.int())
		case "told":
			s.Told = int(inner.int())
		}
	}
	w.join(inner)
	return s
}

func appendCrossing(b []byte, c *geo.Crossing) []byte {
	b = bsoncore.AppendStringElement(b, "id", c.ID)
	b = bsoncore.AppendStringElement(b, "geofence", c.Geofence)
	b = appendInt(b, "version", c.Version)
	b = bsoncore.AppendStringElement(b, "kind", string(c.Kind))
	b = appendTime(b, "at", c.At)
	b = appendTime(b, "decided_at", c.DecidedAt)
	b = appendPoint(b, "point", c.Point)
	b = field(b, "reason", func(b []byte) []byte {
		r := &c.Reason
		b = appendText(b, "rule", string(r.Rule))
		b = appendFloat(b, "distance_m", r.DistanceMeters)
		b = appendFloat(b, "accuracy_m", r.AccuracyMeters)
		b = appendFloat(b, "probability", r.Probability)
		if r.Fix != nil {
			b = field(b, "fix", func(b []byte) []byte { return appendFix(b, r.Fix) })
		}
		return appendText(b, "distrust", string(r.Distrust))
	})
	b = appendTrue(b, "told", c.Told)
	b = appendText(b, "withheld", string(c.Withheld))
	return appendTime(b, "asked", c.Asked)
}

func readCrossing(w *walker) (c geo.Crossing) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "id":
			c.ID = inner.string()
		case "geofence":
			c.Geofence = inner.string()
		case "version":
			c.Version = inner.int()
		case "kind":
			c.Kind = geo.Kind(inner.string())
		case "at":
			c.At = inner.time()
		case "decided_at":
			c.DecidedAt = inner.time()
		case "point":
			c.Point = readPoint(&inner)
		case "reason":
			c.Reason = readReason(&inner)
		case "told":
			c.Told = inner.bool()
		case "withheld":
			c.Withheld = geo.Withheld(inner.string())
		case "asked":
			c.Asked = inner.time()
		}
	}
	w.join(inner)
	return c
}

func readReason(w *walker) (r geo.Reason) {
	inner := w.inside()
	for inner.next() {
		switch string(inner.key) {
		case "rule":
			r.Rule = geo.Rule(inner.string())
		case "distance_m":
			r.DistanceMeters = inner.float()
		case "accuracy_m":
			r.AccuracyMeters = inner.float()
		case "probability":
			r.Probability = inner.float()
		case "fix":
			fix := readFix(&inner)
			r.Fix = &fix
		case "distrust":
			r.Distrust = geo.Distrust(inner.string())
		}
	}
	w.join(inner)
	return r
}
