package demo

import (
	"strings"
	"testing"
	"time"

	"satnav/geo"
)

// perFence sorts crossings by geofence, each in order: "star-garden: enter dwell".
func perFence(crossings []string) map[string]string {
	lines := map[string]string{}
	for _, c := range crossings {
		kind, fence, _ := strings.Cut(c, " ")
		lines[fence] = strings.TrimSpace(lines[fence] + " " + kind)
	}
	return lines
}

// Where the phone really was, the geofences that hold it are those that the walk expects, in order; a
// geofence that is a draft, closed, or on a named floor is expected of no walk.
func TestWalksReallyEnter(t *testing.T) {
	t.Parallel()
	city := New(1, Scale{Shoppers: 200}, until)
	fences := city.Geofences()
	walks := city.Walks()
	if len(walks) < 12 {
		t.Fatalf("got %d walks, want at least 12", len(walks))
	}
	for _, walk := range walks {
		t.Run(walk.Name, func(t *testing.T) {
			var got []string
			for _, f := range fences {
				if f.Status == geo.Draft || f.Floor != nil {
					continue
				}
				inside := false
				for _, at := range walk.truth {
					if f.Schedule != nil && !f.Schedule.Open(at.At) {
						continue
					}
					if now := f.Shape.Contains(at.Point); now != inside {
						got = append(got, map[bool]string{true: "enter ", false: "exit "}[now]+f.ID)
						inside = now
					}
				}
			}
			var want []string
			for _, e := range walk.Expect {
				if !strings.HasPrefix(e, "dwell ") {
					want = append(want, e)
				}
			}
			if walk.Name == "approximate-only" {
				got = nil // it is inside, and nobody may know
			}
			if g, w := perFence(got), perFence(want); len(g) != len(w) {
				t.Errorf("got %v, want %v", g, w)
			} else {
				for fence := range w {
					if g[fence] != w[fence] {
						t.Errorf("%s: got %s, want %s", fence, g[fence], w[fence])
					}
				}
			}
		})
	}
}

// The crossing machine sees through the noise: it tells what the walks expect, and nothing else.
func TestWalksAreToldAsExpected(t *testing.T) {
	t.Parallel()
	for seed, date := range map[uint64]string{1: "2026-11-22", 2: "2026-03-30", 3: "2026-10-26", 4: "2026-12-26", 5: "2027-01-02", 6: "2027-07-07"} {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		city := New(seed, Scale{Shoppers: 100, Days: 60}, day)
		var fences []geo.Geofence
		for _, f := range city.Geofences() {
			fences = append(fences, f.Geofence)
		}
		index := geo.NewIndex(fences)
		for _, walk := range city.Walks() {
			presence := geo.Presence{Shopper: walk.Shopper}
			var got []string
			tell := func(crossings []geo.Crossing) {
				for _, c := range crossings {
					if c.Kind != "approach" {
						got = append(got, string(c.Kind)+" "+c.Geofence)
					}
				}
			}
			for _, fix := range walk.Fixes {
				var crossings []geo.Crossing
				presence, crossings = geo.Advance(index, presence, fix)
				tell(crossings)
			}
			g, w := perFence(got), perFence(walk.Expect)
			for fence := range w {
				if g[fence] != w[fence] {
					t.Errorf("seed %d, %s, %s: got %q, want %q", seed, walk.Name, fence, g[fence], w[fence])
				}
				delete(g, fence)
			}
			if len(g) > 0 {
				t.Errorf("seed %d, %s: got %v beyond what is expected", seed, walk.Name, g)
			}
		}
	}
}
