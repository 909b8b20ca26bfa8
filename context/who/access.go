package who

import (
	"slices"

	"satnav/geo"
)

// Permissions are what the device allows in this call. They can only reduce what a grant allows.
type Permissions struct {
	Location      geo.Precision
	Background    bool      // the app may see the location while it is closed
	Notifications bool      // the app may speak unasked
	Private       bool      // nothing is shared with others, or worked out over many: Sec-GPC, or tracking refused
	Closed        []Purpose // that may not be used in this call whatever is granted: with Private, those whose data others receive
}

// Subject is one shopper in one call: what the device allows now, and what was read so far. It
// belongs to one goroutine.
type Subject struct {
	device  Permissions
	shopper *Shopper
	read    []Purpose
	history bool
}

// NewSubject opens a shopper for one call.
func NewSubject(s *Shopper, device Permissions) *Subject {
	return &Subject{device: device, shopper: s}
}

// Access is the gate: it returns a view of the shopper for one purpose, or false when the shopper did
// not grant it, wants it not to be used, or the device does not allow it in this call. Whoever gets false serves them as a stranger.
func Access(p Purpose, s *Subject) (View, bool) {
	if s == nil || s.shopper == nil {
		return View{}, false
	}
	if _, declared := Declared(p); !declared || !s.shopper.grants.Holds(p) {
		return View{}, false
	}
	if p == Location && s.device.Location == geo.NoLocation {
		return View{}, false
	}
	if slices.Contains(s.device.Closed, p) {
		return View{}, false
	}
	if wishes := s.shopper.Preferences(); !wishes.Paused.IsZero() || p == Loyalty && wishes.Neutral {
		return View{}, false
	}
	return View{purpose: p, subject: s}, true
}

// Counted is the history that counts for others may be made of: that of a shopper who grants Loyalty. A pause and the wish for neutral
// answers are about the shopper's own answers, and change nothing of it.
func Counted(s *Shopper) *History {
	if s == nil || !s.grants.Holds(Loyalty) {
		return nil
	}
	return s.history
}

// View is what may be read of a shopper for one purpose. Each read is remembered in its Subject.
type View struct {
	purpose Purpose
	subject *Subject
}

// History is the shopper's loyalty history; nil unless the purpose is Loyalty.
func (v View) History() *History {
	if v.subject == nil || v.purpose != Loyalty {
		return nil
	}
	v.subject.note(Loyalty)
	v.subject.history = v.subject.history || !v.subject.shopper.history.Empty()
	return v.subject.shopper.history
}

// Presence is what the crossing machine remembers; empty unless the purpose is Location.
func (v View) Presence() geo.Presence {
	if v.subject == nil || v.purpose != Location {
		return geo.Presence{}
	}
	v.subject.note(Location)
	return v.subject.shopper.presence
}

// Proposals are what the newest crossings suggested, the newest last; none unless the purpose is Location.
func (v View) Proposals() []Proposal {
	if v.subject == nil || v.purpose != Location {
		return nil
	}
	if len(v.subject.shopper.proposed) > 0 {
		v.subject.note(Location)
	}
	return v.subject.shopper.proposed
}

// Told is how often rules acted for the shopper. It is kept under either purpose: under neither, nobody may count.
func (v View) Told() Told {
	if v.subject == nil {
		return nil
	}
	if len(v.subject.shopper.told) > 0 {
		v.subject.note(v.purpose)
	}
	return v.subject.shopper.told
}

// Use notes that the purpose was used for data that came with the call itself, a position for example.
func (v View) Use() {
	if v.subject != nil {
		v.subject.note(v.purpose)
	}
}

func (s *Subject) note(p Purpose) {
	if !slices.Contains(s.read, p) {
		s.read = append(s.read, p)
	}
}

// Device is what the device allows in this call.
func (s *Subject) Device() Permissions { return s.device }

// Shopper is the shopper behind the subject; what is known of them needs Access.
func (s *Subject) Shopper() *Shopper { return s.shopper }

// Used lists the purposes that data was really read for, in the order of first use, and tells whether
// any history was read.
func (s *Subject) Used() (purposes []Purpose, history bool) { return slices.Clone(s.read), s.history }
