package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// planTown is the town of the research notes (4e): 5 % of the geofences have a radius of 0.8 to 2.5 km, the others 50 to
// 300 m; a third of these are polygons.
func planTown(t testing.TB, r *rand.Rand, count int, circlesOnly bool) *Index {
	t.Helper()
	var fences []Geofence
	for i := range count {
		radius := 50 + 250*r.Float64()
		if r.IntN(20) == 0 {
			radius = 800 + 1700*r.Float64()
		}
		center := noiseMiddle.shift((r.Float64()-0.5)*planSide, (r.Float64()-0.5)*planSide)
		g := Geofence{ID: fmt.Sprint("fence-", i), Version: 1, Wants: WantEnter | WantExit}
		if !circlesOnly && radius < 300 && i%3 == 0 {
			var ring []Point
			for k := range 7 {
				angle := 2 * math.Pi * float64(k) / 6
				ring = append(ring, center.shift(radius*(0.7+0.3*float64(k%2))*math.Cos(angle), radius*(0.7+0.3*float64(k%2))*math.Sin(angle)))
			}
			ring[6] = ring[0]
			polygon, _, err := NewPolygon([][]Ring{{Ring(ring)}})
			if err != nil {
				t.Fatal(err)
			}
			g.Shape = polygon
		} else {
			circle, err := NewCircle(center, radius)
			if err != nil {
				t.Fatal(err)
			}
			g.Shape = circle
		}
		fences = append(fences, g)
	}
	return NewIndex(fences)
}

const planSide = 20_000 // metres

// drivePath is a way of so many metres through the town, a point every 5 m.
func drivePath(r *rand.Rand, meters float64) []Point {
	x, y, heading := 0.0, 0.0, r.Float64()*2*math.Pi
	var path []Point
	for i := 0; float64(i)*5 < meters; i++ {
		if r.IntN(60) == 0 {
			heading += []float64{-1, 1}[r.IntN(2)] * math.Pi / 2
		}
		if math.Hypot(x, y) > planSide/2.2 {
			heading = math.Atan2(-y, -x)
		}
		x, y = x+5*math.Cos(heading), y+5*math.Sin(heading)
		path = append(path, noiseMiddle.shift(x, y))
	}
	return path
}

// TestAPlanMissesNothing drives and walks through towns with a phone that asks only when it leaves its safe radius or when a
// watched region wakes it, and counts what it never saw.
func TestAPlanMissesNothing(t *testing.T) {
	t.Parallel()
	const seed, kilometers = 4, 20
	for _, town := range []struct {
		name      string
		fences    int
		limit     int
		circles   bool
		syncsOfKm float64
	}{
		{"200 circles, iOS", 200, RegionsIOS, true, 1},
		{"1,000 circles, iOS", 1000, RegionsIOS, true, 3},
		{"1,000 circles, Android", 1000, RegionsAndroid, true, 3},
		{"1,000 circles and polygons, iOS", 1000, RegionsIOS, false, 6},
	} {
		r := rand.New(rand.NewPCG(seed, 1))
		fences := planTown(t, r, town.fences, town.circles)
		crossed, missed, syncs := 0, 0, 0
		for range 3 {
			path := drivePath(r, kilometers*1000)
			truly, known := map[uint32]bool{}, map[uint32]bool{}
			var numbers []uint32
			plan := PlanAt(fences, path[0], noiseStart, town.limit)
			watching := map[string]bool{} // inside the circle of a region
			ask := func(at Point) {
				plan = PlanAt(fences, at, noiseStart, town.limit)
				clear(watching)
				for _, region := range plan.Watch {
					watching[region.Geofence] = region.Center.Distance(at) <= region.RadiusMeters
				}
				clear(known)
				for _, n := range fences.Match(at, nil) {
					known[n] = true
				}
			}
			ask(path[0])
			for n := range known {
				truly[n] = true
			}
			for _, at := range path[1:] {
				// The phone: its regions and its radius.
				woken := false
				for _, region := range plan.Watch {
					if in := region.Center.Distance(at) <= region.RadiusMeters; in != watching[region.Geofence] {
						watching[region.Geofence] = in
						woken = true
					}
				}
				if woken || plan.At.Distance(at) > plan.SafeRadiusMeters {
					syncs++ // crossings included: they are calls, too
					ask(at)
				}
				// The truth: every crossing must be known at once, or within the least radius of a boundary.
				numbers = fences.Match(at, numbers[:0])
				now := map[uint32]bool{}
				for _, n := range numbers {
					now[n] = true
				}
				for n := range now {
					if !truly[n] {
						crossed++
						truly[n] = true
					}
					if !known[n] && -fences.Distance(n, at) > leastSafeMeters+5 {
						missed++
						known[n] = true
					}
				}
				for n := range truly {
					if !now[n] {
						crossed++
						delete(truly, n)
					}
				}
				for n := range known {
					if !now[n] && fences.Distance(n, at) > leastSafeMeters+5 {
						missed++
						delete(known, n)
					}
				}
			}
		}
		rate := float64(syncs) / (3 * kilometers)
		t.Logf("%-34s %4d crossings, %d missed, %.2f syncs/km", town.name, crossed, missed, rate)
		if crossed == 0 || missed > 0 {
			t.Errorf("%s: got %d of %d crossings missed, want 0", town.name, missed, crossed)
		}
		if rate > town.syncsOfKm {
			t.Errorf("%s: got %.2f syncs/km, want at most %v", town.name, rate, town.syncsOfKm)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	circle := func(id string, east, radius float64) Geofence {
		c, err := NewCircle(noiseMiddle.shift(east, 0), radius)
		if err != nil {
			t.Fatal(err)
		}
		return Geofence{ID: id, Version: 1, Shape: c, Wants: WantEnter}
	}
	opens, err := ParseHours("Mo-Su 09:10-20:00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	waiting := circle("closed", 0, 80)
	waiting.Schedule = opens
	draft := circle("draft", 120, 50)
	draft.Status = Draft
	tests := []struct {
		name   string
		fences []Geofence
		limit  int
		watch  string
		safe   float64
		again  time.Duration
	}{
		{"nothing near", nil, 19, "[]", planReachMeters, time.Hour},
		{"the big one that one is in is kept, though its boundary is far", []Geofence{circle("near", 300, 50), circle("mall", 0, 2000), circle("next", 500, 50)}, 2, "[mall near]", 450, 300 * time.Second},
		{"by boundary, not by middle", []Geofence{circle("small", 400, 50), circle("big", 900, 800)}, 1, "[big]", 350, 233 * time.Second},
		{"drafts are not watched", []Geofence{draft, circle("live", 300, 50)}, 1, "[live]", planReachMeters, time.Hour},
		{"who waits at the door asks when it opens", []Geofence{waiting}, 19, "[closed]", planReachMeters, 10 * time.Minute},
		{"no regions at all: the radius sees everything", []Geofence{circle("near", 300, 50)}, 0, "[]", 250, 167 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plan := PlanAt(NewIndex(test.fences), noiseMiddle, noiseStart, test.limit)
			names := make([]string, len(plan.Watch))
			for i, region := range plan.Watch {
				names[i] = region.Geofence
			}
			if got := fmt.Sprint(names); got != test.watch {
				t.Errorf("got to watch %s, want %s", got, test.watch)
			}
			if math.Abs(plan.SafeRadiusMeters-test.safe) > 1 {
				t.Errorf("got a safe radius of %.1f m, want %v", plan.SafeRadiusMeters, test.safe)
			}
			if plan.CheckAgain.Round(time.Second) != test.again {
				t.Errorf("got to check again after %v, want %v", plan.CheckAgain, test.again)
			}
		})
	}
}
