package who

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"satnav/geo"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// somebody has a history and a presence, and decided as told.
func somebody(grants ...Grant) *Shopper {
	var in Grants
	for _, g := range grants {
		in = in.With(g)
	}
	return New(Record{
		Key: Key{"demo", "anna"}, Since: noon, Revision: 7, Grants: in,
		History:  &History{Visits: []Visit{{At: 1}}},
		Presence: geo.Presence{Shopper: "pseudonym"},
		Told:     Told{{Rule: "r", Day: 1, Times: 1}}, Proposed: []Proposal{{}}, Exposed: []Exposure{{Experiment: "x"}},
	})
}

func gave(p Purpose) Grant { return Grant{Purpose: p, Given: true, At: noon, Source: ByShopper} }
func took(p Purpose) Grant { return Grant{Purpose: p, At: noon, Source: ByShopper} }

// TestAccess is the gate as a table: what was granted, and what the device allows, against what may be read.
func TestAccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		grants   []Grant
		device   geo.Precision
		loyalty  bool
		location bool
	}{
		{"nothing granted", nil, geo.Precise, false, false},
		{"both granted, precise", []Grant{gave(Loyalty), gave(Location)}, geo.Precise, true, true},
		{"both granted, coarse", []Grant{gave(Loyalty), gave(Location)}, geo.Coarse, true, true},
		{"both granted, the device gives no location", []Grant{gave(Loyalty), gave(Location)}, geo.NoLocation, true, false},
		{"loyalty alone, precise", []Grant{gave(Loyalty)}, geo.Precise, true, false},
		{"location alone, precise", []Grant{gave(Location)}, geo.Precise, false, true},
		{"location alone, the device gives none", []Grant{gave(Location)}, geo.NoLocation, false, false},
		{"loyalty withdrawn", []Grant{gave(Loyalty), gave(Location), took(Loyalty)}, geo.Precise, false, true},
		{"location withdrawn", []Grant{gave(Loyalty), gave(Location), took(Location)}, geo.Precise, true, false},
		{"withdrawn and given again", []Grant{took(Loyalty), gave(Loyalty)}, geo.Precise, true, false},
		{"only ever withdrawn", []Grant{took(Loyalty), took(Location)}, geo.Precise, false, false},
		{"given by the retailer until decided", Defaults([]Purpose{Loyalty, Location}, noon), geo.Precise, true, true},
		{"a purpose that was never declared", []Grant{gave("resale")}, geo.Precise, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			subject := NewSubject(somebody(c.grants...), Permissions{Location: c.device})
			if _, ok := Access(Loyalty, subject); ok != c.loyalty {
				t.Errorf("loyalty: got %v, want %v", ok, c.loyalty)
			}
			if _, ok := Access(Location, subject); ok != c.location {
				t.Errorf("location: got %v, want %v", ok, c.location)
			}
			if view, ok := Access("resale", subject); ok || view != (View{}) {
				t.Error("a purpose that was never declared gives access")
			}
			if purposes, history := subject.Used(); len(purposes) != 0 || history {
				t.Errorf("asking alone counts as use: %v, history %v", purposes, history)
			}
		})
	}
	for _, nobody := range []*Subject{nil, NewSubject(nil, Permissions{Location: geo.Precise})} {
		if _, ok := Access(Loyalty, nobody); ok {
			t.Error("nobody grants a purpose")
		}
	}
}

// TestDeviceReduces is every permission of a call against every grant: what the device says takes away, and never gives.
func TestDeviceReduces(t *testing.T) {
	t.Parallel()
	devices := []struct {
		name              string
		device            Permissions
		loyalty, location bool // may be read where both are granted
	}{
		{"nothing", Permissions{}, true, false},
		{"coarse", Permissions{Location: geo.Coarse}, true, true},
		{"precise", Permissions{Location: geo.Precise}, true, true},
		{"precise, in the background", Permissions{Location: geo.Precise, Background: true}, true, true},
		{"notifications alone", Permissions{Notifications: true}, true, false},
		{"private, nothing is shared", Permissions{Location: geo.Precise, Private: true}, true, true},
		{"private, the location is shared", Permissions{Location: geo.Precise, Private: true, Closed: []Purpose{Location}}, true, false},
		{"private, all is shared", Permissions{Location: geo.Precise, Private: true, Closed: []Purpose{Loyalty, Location}}, false, false},
		{"closed, what nobody declared", Permissions{Location: geo.Precise, Closed: []Purpose{"resale"}}, true, true},
	}
	for _, d := range devices {
		for _, grants := range [][]Grant{nil, {gave(Loyalty)}, {gave(Location)}, {gave(Loyalty), gave(Location)}, {gave(Loyalty), gave(Location), took(Loyalty), took(Location)}} {
			shopper := somebody(grants...)
			subject := NewSubject(shopper, d.device)
			for _, c := range []struct {
				purpose Purpose
				may     bool
			}{{Loyalty, d.loyalty}, {Location, d.location}} {
				if _, ok := Access(c.purpose, subject); ok != (c.may && shopper.Grants().Holds(c.purpose)) {
					t.Errorf("%s, %d decisions, %s: got %v", d.name, len(grants), c.purpose, ok)
				}
			}
		}
	}
}

// TestViewShowsItsPurposeOnly reads everything through every view.
func TestViewShowsItsPurposeOnly(t *testing.T) {
	t.Parallel()
	shopper := somebody(gave(Loyalty), gave(Location))
	subject := NewSubject(shopper, Permissions{Location: geo.Precise})
	loyalty, _ := Access(Loyalty, subject)
	location, _ := Access(Location, subject)
	if location.History() != nil {
		t.Error("the history is shown for location")
	}
	if p := loyalty.Presence(); p.Shopper != "" || loyalty.Proposals() != nil {
		t.Error("the presence, or what a crossing suggested, is shown for loyalty")
	}
	if location.Exposures() != nil {
		t.Error("experiments are shown for location")
	}
	if purposes, history := subject.Used(); len(purposes) != 0 || history {
		t.Errorf("what was refused counts as used: %v, %v", purposes, history)
	}
	if loyalty.History() != shopper.history || location.Presence().Shopper != "pseudonym" {
		t.Error("a view does not show what it is for")
	}
	var none View
	none.Use()
	if none.History() != nil || none.Presence().Shopper != "" || none.Told() != nil || none.Proposals() != nil || none.Exposures() != nil || none.Card() != nil {
		t.Error("the zero view shows something")
	}
}

// TestUsedIsTheTruth holds the receipt to what was read, in the order of first use.
func TestUsedIsTheTruth(t *testing.T) {
	t.Parallel()
	type used struct {
		purposes []Purpose
		history  bool
	}
	full := somebody(gave(Loyalty), gave(Location))
	empty := Stranger(Key{"demo", "new"}, Defaults([]Purpose{Loyalty, Location}, noon))
	for _, c := range []struct {
		name    string
		shopper *Shopper
		read    func(loyalty, location View)
		want    used
	}{
		{"nothing read", full, func(_, _ View) {}, used{}},
		{"history", full, func(loyalty, _ View) { loyalty.History() }, used{[]Purpose{Loyalty}, true}},
		{"history, twice", full, func(loyalty, _ View) { loyalty.History(); loyalty.History() }, used{[]Purpose{Loyalty}, true}},
		{"an empty history", empty, func(loyalty, _ View) { loyalty.History() }, used{[]Purpose{Loyalty}, false}},
		{"presence, then history", full, func(loyalty, location View) { location.Presence(); loyalty.History() }, used{[]Purpose{Location, Loyalty}, true}},
		{"the position of the call", full, func(_, location View) { location.Use() }, used{[]Purpose{Location}, false}},
		{"loyalty used without its history", full, func(loyalty, _ View) { loyalty.Use() }, used{[]Purpose{Loyalty}, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			subject := NewSubject(c.shopper, Permissions{Location: geo.Coarse})
			loyalty, _ := Access(Loyalty, subject)
			location, _ := Access(Location, subject)
			c.read(loyalty, location)
			purposes, history := subject.Used()
			if !slices.Equal(purposes, c.want.purposes) || history != c.want.history {
				t.Errorf("got %v, history %v, want %v, %v", purposes, history, c.want.purposes, c.want.history)
			}
			for i := range purposes {
				purposes[i] = "forged"
			}
			if again, _ := subject.Used(); !slices.Equal(again, c.want.purposes) {
				t.Errorf("whoever reads the receipt can change it: %v", again)
			}
		})
	}
}

// TestNothingIsReadAround lists all that a shopper, a subject and a view show. Whoever adds a field or
// a method has to come here, and say why it needs no purpose.
func TestNothingIsReadAround(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		give reflect.Type
		want []string
	}{
		{reflect.TypeFor[*Shopper](), []string{"Grants", "Key", "Lets", "Preferences", "Revision", "Since"}},        // about the data, or what names it
		{reflect.TypeFor[*Subject](), []string{"Device", "Shopper", "Used"}},                                        // what the call itself brought
		{reflect.TypeFor[View](), []string{"Card", "Exposures", "History", "Presence", "Proposals", "Told", "Use"}}, // each checks its purpose
	} {
		var methods []string
		for i := range c.give.NumMethod() {
			methods = append(methods, c.give.Method(i).Name)
		}
		if !slices.Equal(methods, c.want) {
			t.Errorf("%v has the methods %v, want %v", c.give, methods, c.want)
		}
		fields := c.give
		if fields.Kind() == reflect.Pointer {
			fields = fields.Elem()
		}
		for i := range fields.NumField() {
			if f := fields.Field(i); f.IsExported() {
				t.Errorf("%v.%s can be read without a purpose", fields, f.Name)
			}
		}
	}
}

func TestStranger(t *testing.T) {
	t.Parallel()
	s := Stranger(Key{"demo", "new"}, Defaults([]Purpose{Loyalty}, noon))
	if s.Revision() != 0 || !s.Since().IsZero() || s.Key().Shopper != "new" || !s.Grants().Holds(Loyalty) || s.Grants().Holds(Location) {
		t.Errorf("got %+v", s)
	}
	view, _ := Access(Loyalty, NewSubject(s, Permissions{}))
	if h := view.History(); h == nil || !h.Empty() {
		t.Errorf("history: got %v, want an empty one", h)
	}
}
