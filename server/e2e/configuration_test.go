package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/demo"
	"satnav/server/identity"
)

// plaza is a geofence around the demo's square, under an id of the test's own.
func plaza(properties string) string {
	return `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.1364,38.7075]},"properties":{"radius_m":80` + properties + `}}`
}

// thing is a kind of what managers edit, with two bodies that differ.
type thing struct {
	name, path, one, two string
	id                   string // the member that holds the id
}

var things = []thing{
	{"geofence", "/v1/geofences", plaza(``), plaza(`,"name":"two"`), "id"},
	{"store", "/v1/stores", `{"name":"one","lat":38.7,"lng":-9.1,"zone":"Europe/Lisbon","hours":"Mo-Sa 08:00-20:00"}`, `{"name":"two","lat":38.7,"lng":-9.1,"zone":"Europe/Lisbon"}`, "store"},
	{"product", "/v1/products", `{"title":"one","price":"1.99","attributes":{"colour":"red"}}`, `{"title":"two"}`, "item"},
	{"offer", "/v1/offers", `{"title":{"en":"one"},"percent_off":10}`, `{"title":{"en":"two"},"stock":5}`, "id"},
}

// TestLifeOfAThing holds creation, conditions, replacement and deletion, the same for all that is edited.
func TestLifeOfAThing(t *testing.T) {
	t.Parallel()
	for _, kind := range things {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			admin, path := city.role(t, identity.Admin, "life"), kind.path+"/a%20b%2Fc~%C3%BC" // "a b/c~ü"
			call := func(method, body string, headers ...string) reply {
				t.Helper()
				var sent any
				if body != "" {
					sent = body
				}
				return city.call(t, admin, method, path, sent, headers...)
			}
			call("GET", "").problem(404)
			call("DELETE", "").problem(404)
			call("PUT", kind.one, "If-Match", `"1"`).problem(412) // there is none
			call("PUT", kind.one, "If-Match", "*").problem(412)   // nor any
			first := call("PUT", kind.one, "If-None-Match", "*").wants(201)
			if got := first.header.Get("Location"); got != path {
				t.Errorf("Location: got %s, want %s", got, path)
			}
			if got := read[map[string]any](first); got[kind.id] != "a b/c~ü" || got["version"] != 1.0 {
				t.Errorf("got %v", got)
			}
			call("PUT", kind.two, "If-None-Match", "*").problem(412)
			tag := first.header.Get("ETag")
			if got := call("GET", "").wants(200); got.header.Get("ETag") != tag {
				t.Errorf("ETag: got %s, want %s", got.header.Get("ETag"), tag)
			}
			if got := call("GET", "", "If-None-Match", tag).wants(304); len(got.body) > 0 {
				t.Errorf("304 has a body: %s", got.body)
			}
			if got := call("PUT", kind.one).wants(200); got.header.Get("ETag") != tag {
				t.Errorf("the same once more: got version %s, want %s", got.header.Get("ETag"), tag)
			}
			call("PUT", kind.two, "If-Match", "W/"+tag).problem(412) // a weak tag is equal to nothing here
			call("PUT", kind.one, "If-Match", `"77", `+tag).wants(200)
			call("PUT", kind.two, "If-Match", `"77", "78"`).problem(412)
			second := call("PUT", kind.two, "If-Match", tag).wants(200)
			if second.header.Get("ETag") == tag {
				t.Error("another body has the same version")
			}
			call("PUT", kind.one, "If-Match", tag).problem(412)
			call("PUT", kind.one, "If-Match", "nonsense").problem(412) // never an ETag of ours: it matches nothing
			call("DELETE", "", "If-Match", tag).problem(412)
			call("GET", "", "If-None-Match", tag).wants(200)
			call("DELETE", "", "If-Match", second.header.Get("ETag")).wants(204)
			call("GET", "").problem(404)
			again := call("PUT", kind.one).wants(201)
			if again.header.Get("ETag") == tag || again.header.Get("ETag") == second.header.Get("ETag") {
				t.Errorf("a thing that was deleted comes back with the version %s of an earlier life", again.header.Get("ETag"))
			}
		})
	}
}

// TestCreate holds what POST makes: an id when there is none, and a conflict when it exists.
func TestCreate(t *testing.T) {
	t.Parallel()
	for _, kind := range things {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			admin := city.role(t, identity.Admin, "create")
			made := read[map[string]any](city.call(t, admin, "POST", kind.path, kind.one).wants(201))
			id, _ := made[kind.id].(string)
			if len(id) < 10 {
				t.Errorf("got the id %q, want one that was made", id)
			}
			named := kind.one[:1] + fmt.Sprintf("%q:%q,", kind.id, id) + kind.one[1:]
			city.call(t, admin, "POST", kind.path, named).problem(409)
			p := city.call(t, admin, "PUT", kind.path+"/other", named).problem(400)
			if p.Errors[0].Pointer != "/"+kind.id {
				t.Errorf("an id that is not the path's: got %+v", p)
			}
		})
	}
}

// TestListing holds that pages of any size list everything once.
func TestListing(t *testing.T) {
	t.Parallel()
	for _, kind := range things {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			admin := city.role(t, identity.Admin, "listing")
			var want []string
			for i := range 11 {
				id := fmt.Sprintf("id-%02d", i)
				city.call(t, admin, "PUT", kind.path+"/"+id, kind.one).wants(201)
				if i%4 == 1 {
					city.call(t, admin, "DELETE", kind.path+"/"+id, nil).wants(204)
				} else {
					want = append(want, id)
				}
			}
			for _, size := range []int{1, 3, 8, 100} {
				var got []string
				for cursor, more := "", true; more; {
					page := read[map[string]json.RawMessage](city.call(t, admin, "GET", fmt.Sprintf("%s?limit=%d%s", kind.path, size, cursor), nil).wants(200))
					var list []map[string]any
					for _, name := range []string{"features", "stores", "products", "offers"} {
						if page[name] != nil {
							if err := json.Unmarshal(page[name], &list); err != nil {
								t.Fatal(err)
							}
						}
					}
					for _, entry := range list {
						got = append(got, fmt.Sprint(entry[kind.id]))
					}
					var next string
					if more = page["next"] != nil; more {
						if err := json.Unmarshal(page["next"], &next); err != nil {
							t.Fatal(err)
						}
						cursor = "&cursor=" + next
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("pages of %d: got %v, want %v", size, got, want)
				}
			}
		})
	}
}

// TestOneEditorWins holds that of many edits based on one version exactly one is made.
func TestOneEditorWins(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "editors")
	tag := city.call(t, admin, "PUT", "/v1/stores/s", things[1].one).wants(201).header.Get("ETag")
	var all sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		all.Go(func() {
			body := fmt.Sprintf(`{"name":"editor %d","lat":38.7,"lng":-9.1,"zone":"Europe/Lisbon"}`, i)
			statuses[i] = city.call(t, admin, "PUT", "/v1/stores/s", body, "If-Match", tag).status
		})
	}
	all.Wait()
	slices.Sort(statuses)
	if want := []int{200, 412, 412, 412, 412, 412, 412, 412}; !slices.Equal(statuses, want) {
		t.Errorf("got %v, want %v", statuses, want)
	}
}

// TestGeofenceAsItCame holds what a geofence keeps of its Feature.
func TestGeofenceAsItCame(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "features")
	for _, tc := range []struct {
		name, give, id string
		want           string // a member of the properties and its value
		mended         bool
	}{
		{"integer id 0", `{"type":"Feature","id":0,"geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":50}}`, "0", `"radius_m":50`, false},
		{"a name by default", `{"type":"Feature","id":"own","geometry":{"type":"Point","coordinates":[0,0]},"properties":{"radius_m":50}}`, "own", `"name":"own"`, false},
		{"foreign properties", `{"type":"Feature","id":"osm","geometry":{"type":"Point","coordinates":[0,1]},"properties":{"radius_m":50,"opening_hours":"nonsense","x":{"y":[1,null]}}}`, "osm", `"x":{"y":[1,null]}`, false},
		{"a point twice", `{"type":"Feature","id":"ring","geometry":{"type":"Polygon","coordinates":[[[0,0],[0.01,0],[0.01,0],[0.01,0.01],[0,0.01],[0,0]]]},"properties":{"tags":["t"]}}`, "ring", `"tags":["t"]`, true},
		{"the wrong way round", `{"type":"Feature","id":"wind","geometry":{"type":"Polygon","coordinates":[[[0,0],[0,0.01],[0.01,0.01],[0.01,0],[0,0]]]},"properties":{"name":"n"}}`, "wind", `"name":"n"`, true},
		{"cells", `{"type":"Feature","id":"cells","geometry":null,"properties":{"cells":["8a195da49d47fff"]}}`, "cells", `"cells":["8a195da49d47fff"]`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			made := city.call(t, admin, "POST", "/v1/geofences", tc.give).wants(201)
			got := read[wire.StoredGeofence](made)
			if got.ID != tc.id || (len(got.Mended) > 0) != tc.mended {
				t.Errorf("got id %q, mended %+v", got.ID, got.Mended)
			}
			kept := read[struct{ Properties json.RawMessage }](city.call(t, admin, "GET", "/v1/geofences/"+tc.id, nil).wants(200))
			var members map[string]json.RawMessage
			if err := json.Unmarshal(kept.Properties, &members); err != nil {
				t.Fatal(err)
			}
			var want map[string]json.RawMessage
			if err := json.Unmarshal([]byte("{"+tc.want+"}"), &want); err != nil {
				t.Fatal(err)
			}
			for name, value := range want {
				if string(members[name]) != string(value) {
					t.Errorf("properties.%s: got %s, want %s", name, members[name], value)
				}
			}
		})
	}
}

// match asks which geofences hold a point.
func match(t testing.TB, token string, points ...[2]float64) [][]string {
	t.Helper()
	return read[wire.MatchResponse](city.call(t, token, "POST", "/v1/geofences/match", map[string]any{"points": points}).wants(200)).Matches
}

// TestEditIsLive holds that the very next call knows an edit: created, moved, draft, live again, deleted.
func TestEditIsLive(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "editor")
	in, out := [2]float64{-9.1364, 38.7075}, [2]float64{-9.2, 38.7}
	put := func(body string) {
		t.Helper()
		if s := city.call(t, admin, "PUT", "/v1/geofences/plaza", body).status; s != 200 && s != 201 {
			t.Fatalf("got %d", s)
		}
	}
	expect := func(when string, inside, outside []string) {
		t.Helper()
		if got := match(t, admin, in, out); !slices.Equal(got[0], inside) || !slices.Equal(got[1], outside) {
			t.Errorf("%s: got %v, want %v and %v", when, got, inside, outside)
		}
	}
	expect("before", nil, nil)
	put(plaza(``))
	expect("created", []string{"plaza"}, nil)
	put(`{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.2,38.7]},"properties":{"radius_m":80}}`)
	expect("moved", nil, []string{"plaza"})
	put(plaza(`,"status":"draft"`))
	expect("a draft", nil, nil)
	put(plaza(`,"status":"live"`))
	expect("live again", []string{"plaza"}, nil)
	city.call(t, admin, "DELETE", "/v1/geofences/plaza", nil).wants(204)
	expect("deleted", nil, nil)
}

// TestMatch holds the endpoint to a loop over all live geofences of the demo city.
func TestMatch(t *testing.T) {
	t.Parallel()
	fences, token := city.Geofences(), city.role(t, identity.Backend, demo.Retailer)
	var points [][2]float64
	for i, f := range fences {
		box := f.Shape.Bounds()
		for k := range 4 {
			share := float64(k) / 3
			points = append(points, [2]float64{box.West + share*(box.East-box.West), box.South + float64((i+k)%4)/3*(box.North-box.South)})
		}
	}
	got := match(t, token, points...)
	if len(got) != len(points) {
		t.Fatalf("got %d answers, want %d", len(got), len(points))
	}
	held := 0
	for i, p := range points {
		var want []string
		for _, f := range fences {
			if f.Status != geo.Draft && f.Shape.Contains(geo.Point{Lng: p[0], Lat: p[1]}) {
				want = append(want, f.ID)
			}
		}
		slices.Sort(want)
		slices.Sort(got[i])
		if !slices.Equal(got[i], want) {
			t.Errorf("%v: got %v, want %v", p, got[i], want)
		}
		held += len(want)
	}
	if held < len(fences) {
		t.Errorf("only %d hits: the points test nothing", held)
	}
}

// TestZoneIsLookedUp holds that a store without a zone has that of its position.
func TestZoneIsLookedUp(t *testing.T) {
	t.Parallel()
	got := read[wire.StoredStore](city.call(t, city.role(t, identity.Admin, "zones"), "PUT", "/v1/stores/tokyo", `{"lat":35.68,"lng":139.69}`).wants(201))
	if got.Zone != "Asia/Tokyo" || got.Name != "tokyo" {
		t.Errorf("got %+v, want Asia/Tokyo", got)
	}
}

// TestRetailerSettings holds that settings are replaced as a whole, under conditions, and are in force at once.
func TestRetailerSettings(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "settings")
	first := city.call(t, admin, "GET", "/v1/retailer", nil).wants(200)
	if got := read[wire.StoredRetailer](first); got.Retailer != "settings" || got.Zone != "UTC" || got.Currency != "" || !slices.Equal(got.DefaultGrants, []string{"loyalty", "location"}) {
		t.Errorf("defaults: got %+v", got)
	}
	body := `{"name":"S","zone":"Asia/Tokyo","currency":"JPY","languages":["de"],"jurisdiction":"EU"}`
	second := city.call(t, admin, "PUT", "/v1/retailer", body, "If-Match", first.header.Get("ETag")).wants(200)
	if got := read[wire.StoredRetailer](second); len(got.DefaultGrants) > 0 || got.Jurisdiction != "EU" {
		t.Errorf("the EU starts without default grants: got %+v", got)
	}
	city.call(t, admin, "PUT", "/v1/retailer", body, "If-Match", first.header.Get("ETag")).problem(412)
	city.call(t, admin, "GET", "/v1/retailer", nil, "If-None-Match", second.header.Get("ETag")).wants(304)
	got := city.ask(t, city.as(t, identity.Claims{Role: identity.Shopper, Subject: "european", Retailer: "settings"}), wire.ContextRequest{At: moment(), Where: here()})
	if len(got.Used.Purposes) > 0 || got.Used.Location != "none" {
		t.Errorf("no grant by default, but used: %+v", got.Used)
	}
	if _, offset := got.Moment.LocalTime.Zone(); offset != 9*3600 {
		t.Errorf("local time: got %s, want Tokyo's", got.Moment.LocalTime)
	}
	for _, tc := range []struct{ name, give, pointer string }{
		{"zone", `{"zone":"Mars/Olympus"}`, "/zone"},
		{"currency", `{"currency":"XXY"}`, "/currency"},
		{"language", `{"languages":["en","klingon-very-long"]}`, "/languages/1"},
		{"purpose", `{"default_grants":["resale"]}`, "/default_grants/0"},
		{"somebody else's", `{"retailer":"demo"}`, "/retailer"},
	} {
		p := read[wire.Problem](city.call(t, admin, "PUT", "/v1/retailer", tc.give))
		if len(p.Errors) == 0 || p.Errors[0].Pointer != tc.pointer {
			t.Errorf("%s: got %+v, want %s", tc.name, p, tc.pointer)
		}
	}
}

// TestScheduleFindsItsZone holds that opening hours without a zone are read in that of the place.
func TestScheduleFindsItsZone(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "zones")
	for _, tc := range []struct{ name, schedule string }{
		{"as text", `"Mo-Su 08:00-20:00"`},
		{"as an object", `{"weekly":{"mo":["08:00-20:00"]}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := `{"type":"Feature","geometry":{"type":"Point","coordinates":[139.7,35.68]},"properties":{"radius_m":80,"schedule":` + tc.schedule + `}}`
			r := city.call(t, admin, "POST", "/v1/geofences", body).wants(201)
			if text := string(read[wire.StoredGeofence](r).Properties); !strings.Contains(text, `"Asia/Tokyo"`) {
				t.Errorf("got properties %s, want the zone of Tokyo", text)
			}
		})
	}
}
