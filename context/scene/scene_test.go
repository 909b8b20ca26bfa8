package scene

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
)

var (
	at    = time.Date(2026, 12, 24, 23, 30, 0, 0, time.UTC)
	opera = geo.Point{Lat: 48.8719, Lng: 2.3316}
	cell  = geo.CellAt(opera, 9)
	paris = mustZone("Europe/Paris")
	tokyo = mustZone("Asia/Tokyo")
	shop  = &where.Store{ID: "opera", Point: opera, Zone: paris, Region: "FR"}
	demo  = &Retailer{
		Stores: where.NewStores([]*where.Store{shop}), Zone: tokyo,
		Calendars: map[string]when.Calendar{
			"":   {Holidays: map[string]string{"2026-12-25": "of the retailer"}},
			"FR": {Holidays: map[string]string{"2026-12-25": "Noël"}},
		},
		Defaults: who.Defaults([]who.Purpose{who.Loyalty, who.Location}, at),
	}
)

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// people is a store that knows whom it is told.
type people map[who.Key]*who.Shopper

func (p people) Shopper(_ context.Context, key who.Key) (*who.Shopper, error) {
	if s, ok := p[key]; ok {
		return s, nil
	}
	return nil, who.ErrUnknown
}

type broken struct{ err error }

func (b broken) Shopper(context.Context, who.Key) (*who.Shopper, error) { return nil, b.err }

var anna = who.Key{Retailer: "demo", Shopper: "anna"}

func known(purposes ...who.Purpose) people {
	return people{anna: who.New(who.Record{Key: anna, Revision: 3, Grants: who.Defaults(purposes, at)})}
}

// TestPositionNeedsGrantAndDevice opens the same call under each grant and permission.
func TestPositionNeedsGrantAndDevice(t *testing.T) {
	t.Parallel()
	fix := geo.Fix{At: at, Point: opera, AccuracyMeters: 10}
	earlier := geo.Fix{At: at.Add(-time.Minute), Point: geo.Point{Lat: 48.87, Lng: 2.33}, AccuracyMeters: 10}
	coarse, _ := where.Permit(fix, geo.Coarse)
	coarseEarlier, _ := where.Permit(earlier, geo.Coarse)
	asFix := where.FromCell(cell, at)
	for _, c := range []struct {
		name   string
		people people
		device geo.Precision
		fix    *geo.Fix
		cell   geo.Cell
		trail  []geo.Fix
		place  string
		fixes  []geo.Fix
		zone   *time.Location
	}{
		{"precise", known(who.Location), geo.Precise, &fix, 0, []geo.Fix{earlier}, "fix", []geo.Fix{earlier, fix}, paris},
		{"coarse", known(who.Location), geo.Coarse, &fix, 0, []geo.Fix{earlier}, "cell-6", []geo.Fix{coarseEarlier, coarse}, paris},
		{"the device gives none", known(who.Location), geo.NoLocation, &fix, 0, []geo.Fix{earlier}, "none", nil, tokyo},
		{"the shopper gave none", known(who.Loyalty), geo.Precise, &fix, cell, []geo.Fix{earlier}, "none", nil, tokyo},
		{"a cell", known(who.Location), geo.Precise, nil, cell, nil, "cell-9", []geo.Fix{asFix}, paris},
		{"a trail alone", known(who.Location), geo.Precise, nil, 0, []geo.Fix{earlier}, "none", []geo.Fix{earlier}, tokyo},
		{"nothing", known(who.Location), geo.Precise, nil, 0, nil, "none", nil, tokyo},
		{"a stranger, by default", people{}, geo.Precise, &fix, 0, nil, "fix", []geo.Fix{fix}, paris},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Open(t.Context(), c.people, demo, Call{
				Key: anna, Device: who.Permissions{Location: c.device}, At: at, Fix: c.fix, Cell: c.cell, Trail: c.trail,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Place.Used() != c.place || !slices.Equal(got.Fixes, c.fixes) {
				t.Errorf("got place %q and %v, want %q and %v", got.Place.Used(), got.Fixes, c.place, c.fixes)
			}
			if got.Moment.Instant.Location() != c.zone || !got.Moment.Instant.Equal(at) {
				t.Errorf("moment: got %s, want %s in %s", got.Moment.Instant, at, c.zone)
			}
			var want []who.Purpose
			if c.place != "none" || len(c.fixes) > 0 {
				want = []who.Purpose{who.Location}
			}
			if purposes, history := got.Shopper.Used(); !slices.Equal(purposes, want) || history {
				t.Errorf("used: got %v, history %v, want %v", purposes, history, want)
			}
		})
	}
}

func TestMomentFollowsTheStore(t *testing.T) {
	t.Parallel()
	call := Call{Key: anna, Device: who.Permissions{Location: geo.Precise}, At: at, Cell: cell}
	here, err := Open(t.Context(), known(who.Location), demo, call)
	if err != nil {
		t.Fatal(err)
	}
	if here.Moment.Holiday != "Noël" || here.Moment.Daypart != when.Night || here.Place.Store != shop {
		t.Errorf("at the store: got %+v", here.Moment)
	}
	call.Cell = 0
	away, err := Open(t.Context(), known(who.Location), demo, call)
	if err != nil {
		t.Fatal(err)
	}
	if away.Moment.Holiday != "of the retailer" || away.Moment.Daypart != when.Morning {
		t.Errorf("nowhere: got %+v", away.Moment)
	}
	if got := demo.Calendar(&where.Store{Region: "DE"}); got.Holiday(at.In(paris)) != "of the retailer" {
		t.Error("a region without a calendar does not have the retailer's")
	}
	bare, err := Open(t.Context(), known(who.Location), &Retailer{}, Call{Key: anna, At: at, Cell: cell, Device: call.Device})
	if err != nil || bare.Moment.Instant.Location() != time.UTC || bare.Place.Store != nil || bare.Place.Used() != "cell-9" {
		t.Errorf("a retailer without anything: got %+v, %v", bare, err)
	}
}

func TestStrangerHasTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := Open(t.Context(), people{}, demo, Call{Key: anna, At: at})
	if err != nil {
		t.Fatal(err)
	}
	shopper := got.Shopper.Shopper()
	if shopper.Key() != anna || shopper.Revision() != 0 || !shopper.Grants().Holds(who.Loyalty) {
		t.Errorf("got %+v", shopper)
	}
	if view, ok := who.Access(who.Loyalty, got.Shopper); !ok || !view.History().Empty() {
		t.Error("a stranger has a history")
	}
}

func TestErrorsOfTheStoreComeThrough(t *testing.T) {
	t.Parallel()
	down := errors.New("no disk")
	if _, err := Open(t.Context(), broken{down}, demo, Call{Key: anna}); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
}

// BenchmarkOpen pays for a call with a fix near one of few stores, of a shopper who is in memory.
func BenchmarkOpen(b *testing.B) {
	fix := geo.Fix{At: at, Point: opera, AccuracyMeters: 10}
	somebody := known(who.Loyalty, who.Location)
	call := Call{Key: anna, Device: who.Permissions{Location: geo.Precise}, At: at, Fix: &fix}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(b.Context(), somebody, demo, call); err != nil {
			b.Fatal(err)
		}
	}
}
