package app

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"satnav/config"
	"satnav/geo"
	"satnav/server/observe"
	"satnav/server/retailer"
	"satnav/server/store"
)

// TestKeptFences starts again with the kept index of geofences in every state that it can be in: the answers are always those
// of the store.
func TestKeptFences(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Data = t.TempDir()
	file := filepath.Join(c.Data, "cache", "shop.fences")
	logs := new(bytes.Buffer)
	open := func() *App {
		t.Helper()
		logs.Reset()
		a, err := Open(t.Context(), Options{Config: c, Log: observe.NewLogger(io.MultiWriter(logs, io.Discard), "info", "text")})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	circle := func(lat float64) geo.Geofence {
		shape, err := geo.NewCircle(geo.Point{Lat: lat, Lng: 11}, 100)
		if err != nil {
			t.Fatal(err)
		}
		return geo.Geofence{Shape: shape}
	}
	save := func(a *App, changes ...retailer.Change[geo.Geofence]) {
		t.Helper()
		saved, err := a.Retailers.SaveGeofences(t.Context(), "shop", retailer.Editor{Role: "admin"}, changes)
		for _, s := range saved {
			if s.Err != nil {
				t.Fatal(s.Err)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	holds := func(step string, a *App, want ...string) {
		t.Helper()
		snapshot, err := a.Retailers.Of(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for lat := range 5 {
			for _, n := range snapshot.Fences.Match(geo.Point{Lat: float64(lat), Lng: 11}, nil) {
				fence := snapshot.Fences.Fence(n)
				got = append(got, fmt.Sprintf("%s v%d at %d", fence.ID, fence.Version, lat))
			}
		}
		for _, id := range []string{"a", "b", "c", "d"} {
			if n, known := snapshot.Drafts.Lookup(id); known {
				got = append(got, fmt.Sprintf("%s v%d is a draft", id, snapshot.Drafts.Fence(n).Version))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: got %q, want %q", step, got, want)
		}
	}
	stop := func(a *App) {
		t.Helper()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	draft := circle(4)
	draft.Status = geo.Draft

	a := open()
	save(a, retailer.Change[geo.Geofence]{ID: "a", Value: circle(0)}, retailer.Change[geo.Geofence]{ID: "b", Value: circle(1)},
		retailer.Change[geo.Geofence]{ID: "c", Value: circle(2)}, retailer.Change[geo.Geofence]{ID: "d", Value: draft})
	stop(a)
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a = open()
	holds("kept", a, "a v1 at 0", "b v1 at 1", "c v1 at 2", "d v1 is a draft")
	save(a, retailer.Change[geo.Geofence]{ID: "a", Value: circle(3)}, retailer.Change[geo.Geofence]{ID: "b", Delete: true},
		retailer.Change[geo.Geofence]{ID: "d", Value: circle(4)})
	want := []string{"c v1 at 2", "a v2 at 3", "d v2 at 4"}
	holds("edited", a, want...)
	stop(a)
	last, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []struct {
		name    string
		file    []byte
		noticed bool
	}{
		{"up to date", last, false},
		{"behind", first, false},
		{"missing", nil, false},
		{"empty", []byte{}, true},
		{"cut short", last[:len(last)/2], true},
		{"damaged", append(bytes.Clone(last[:len(last)-20]), make([]byte, 20)...), true},
		{"of another retailer", bytes.ReplaceAll(last, []byte("shop"), []byte("shoe")), true},
	} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if state.file != nil {
			if err := os.WriteFile(file, state.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a = open()
		holds(state.name, a, want...)
		if noticed := bytes.Contains(logs.Bytes(), []byte("passed over")); noticed != state.noticed {
			t.Errorf("%s: noticed is %v, want %v: %s", state.name, noticed, state.noticed, logs)
		}
		stop(a)
	}

	// The store of another folder, whose geofences have other versions.
	c.Data = t.TempDir()
	a = open()
	save(a, retailer.Change[geo.Geofence]{ID: "a", Value: circle(1)})
	stop(a)
	file = filepath.Join(c.Data, "cache", "shop.fences")
	if err := os.WriteFile(file, last, 0o600); err != nil {
		t.Fatal(err)
	}
	a = open()
	holds("of another store", a, "a v1 at 1")
	// A tombstone counts on from its version.
	save(a, retailer.Change[geo.Geofence]{ID: "a", Delete: true})
	save(a, retailer.Change[geo.Geofence]{ID: "a", Value: circle(0)})
	holds("deleted and made again", a, "a v3 at 0")
	stop(a)
	a = open()
	holds("and kept", a, "a v3 at 0")
	stop(a)
}

// TestFencesKeptAsText starts with geofences as older versions kept them, and with one that nobody can read: the others serve.
func TestFencesKeptAsText(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Data = t.TempDir()
	logs := new(bytes.Buffer)
	a, err := Open(t.Context(), Options{Config: c, Log: observe.NewLogger(logs, "info", "text")})
	if err != nil {
		t.Fatal(err)
	}
	text := func(id, more string) store.Edit {
		return store.Edit{ID: id, Body: fmt.Appendf(nil, `{"type":"Feature","id":%q,"geometry":{"type":"Point","coordinates":[11,48]},"properties":{"radius_m":50%s}}`, id, more)}
	}
	edits := []store.Edit{text("old", ""), text("draft", `,"status":"draft"`), {ID: "broken", Body: []byte(`{"type":"Feature"}`)}, text("gone", "")}
	entries := store.NewEntries(a.Documents)
	if _, err := entries.Apply(t.Context(), "shop", store.GeofenceEntry, "admin", noon, edits); err != nil {
		t.Fatal(err)
	}
	if _, err := entries.Apply(t.Context(), "shop", store.GeofenceEntry, "admin", noon, []store.Edit{{ID: "gone", Delete: true}}); err != nil {
		t.Fatal(err)
	}
	snapshot, err := a.Retailers.Of(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot.Fences.Match(geo.Point{Lat: 48, Lng: 11}, nil); len(got) != 1 || snapshot.Fences.Fence(got[0]).ID != "old" || snapshot.Fences.Fence(got[0]).Version != 1 {
		t.Errorf("got the geofences %v, want the old one", got)
	}
	if _, known := snapshot.Drafts.Lookup("draft"); !known || snapshot.Drafts.Len() != 1 {
		t.Errorf("got %d drafts, want the one", snapshot.Drafts.Len())
	}
	if !bytes.Contains(logs.Bytes(), []byte("geofence=broken")) {
		t.Errorf("nobody is told of the broken one: %s", logs)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
