package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// planTown is the town of the research notes (4e): 5 % of the geofences have a radius of 0.8 to 2.5 km, the others 50 to
// 300 m. Its shapes are those of planShapes.
func planTown(t testing.TB, r *rand.Rand, count int, shapes string) *Index {
	t.Helper()
	var fences []Geofence
	for i := range count {
		radius := 50 + 250*r.Float64()
		if r.IntN(20) == 0 {
			radius = 800 + 1700*r.Float64()
		}
		center := noiseMiddle.shift((r.Float64()-0.5)*planSide, (r.Float64()-0.5)*planSide)
		g := Geofence{ID: fmt.Sprint("fence-", i), Version: 1, Wants: WantEnter | WantExit}
		turned := r.Float64() * 2 * math.Pi
		around := func(angle, share float64) Point {
			return center.shift(share*radius*math.Cos(turned+angle), share*radius*math.Sin(turned+angle))
		}
		var err error
		ring := func(corners int, share func(k int) (angle, share float64)) (Shape, error) {
			points := make(Ring, corners+1)
			for k := range corners {
				points[k] = around(share(k))
			}
			points[corners] = points[0]
			polygon, _, err := NewPolygon([][]Ring{{points}})
			return polygon, err
		}
		switch planShapes[shapes][i%4] {
		case "circle":
			g.Shape, err = NewCircle(center, radius)
		case "street":
			g.Shape, _, err = NewCorridor([]Point{around(0, 1), center, around(2, 1)}, radius/4)
		case "house":
			wide := 0.4 + 0.4*r.Float64()
			g.Shape, err = ring(4, func(k int) (float64, float64) { return []float64{wide, math.Pi - wide, math.Pi + wide, -wide}[k], 1 })
		case "corner house":
			g.Shape, err = ring(6, func(k int) (float64, float64) {
				return []float64{0.8, 2.3, 3.9, 4.3, 4.5, 5.7}[k], []float64{1, 1, 1, 0.75, 0.3, 0.8}[k]
			})
		case "park":
			g.Shape, err = ring(16, func(k int) (float64, float64) { return math.Pi * float64(k) / 8, 0.85 + 0.15*r.Float64() })
		case "star":
			g.Shape, err = ring(10, func(k int) (float64, float64) { return math.Pi * float64(k) / 5, 1 - 0.6*float64(k%2) })
		}
		if err != nil {
			t.Fatal(err)
		}
		fences = append(fences, g)
	}
	return NewIndex(fences)
}

var planShapes = map[string][4]string{
	"circles":            {"circle", "circle", "circle", "circle"},
	"circles and places": {"circle", "house", "corner house", "park"},
	"stars and streets":  {"star", "street", "star", "street"},
}

const planSide = 20_000 // metres

// wayThrough is a way of so many metres through the town, a point every step metres: a drive turns at corners, a walk strolls.
func wayThrough(r *rand.Rand, meters, step float64, drive bool) []Point {
	x, y, heading := (r.Float64()-0.5)*planSide/2, (r.Float64()-0.5)*planSide/2, r.Float64()*2*math.Pi
	var path []Point
	for i := 0; float64(i)*step < meters; i++ {
		switch {
		case !drive:
			heading += r.NormFloat64() * 0.05 * math.Sqrt(step)
		case r.Float64() < step/300:
			heading += []float64{-1, 1}[r.IntN(2)] * math.Pi / 2
		}
		if math.Hypot(x, y) > planSide/2.2 {
			heading = math.Atan2(-y, -x)
		}
		x, y = x+step*math.Cos(heading), y+step*math.Sin(heading)
		path = append(path, noiseMiddle.shift(x, y))
	}
	return path
}

// planPhone is a phone that asks only when it leaves its safe radius or when a watched region wakes it.
type planPhone struct {
	fences *Index
	limit  int
	plan   DevicePlan
	within []bool   // is it in the circle of each region
	known  []uint32 // the geofences it was in when it last asked
	asked  int
}

func (p *planPhone) ask(at Point) {
	p.plan = PlanAt(p.fences, at, noiseStart, p.limit)
	p.within = p.inside(at, p.within[:0])
	p.known = p.fences.Match(at, p.known[:0])
	p.asked++
}

// inside tells of each region whether the phone is in it; of those whose leaving is watched, in any of the same geofence.
func (p *planPhone) inside(at Point, within []bool) []bool {
	in := func(r Region) bool { return r.Center.Distance(at) <= r.RadiusMeters }
	for _, r := range p.plan.Watch {
		within = append(within, in(r) || r.Leave && slices.ContainsFunc(p.plan.Watch, func(o Region) bool {
			return o.Leave && o.Geofence == r.Geofence && in(o)
		}))
	}
	return within
}

func (p *planPhone) goTo(at Point) {
	if p.plan.At.Distance(at) > p.plan.SafeRadiusMeters || !slices.Equal(p.inside(at, nil), p.within) {
		p.ask(at)
	}
}

// TestAPlanMissesNothing drives and walks through towns, and holds at every step what the phone knows against the truth. Every
// question counts as a synchronisation, those at a crossing too: of these the town has as many as it has, so what a plan is to be held
// to is what comes beside them.
func TestAPlanMissesNothing(t *testing.T) {
	t.Parallel()
	const seed = 4
	for _, town := range []struct {
		fences    int
		shapes    string
		phone     string
		limit     int
		syncsOfKm float64 // beside those at crossings
	}{
		{200, "circles", "iOS", RegionsIOS, 0.1},
		{200, "circles and places", "iOS", RegionsIOS, 0.8},
		{1000, "circles", "iOS", RegionsIOS, 0.1},
		{1000, "circles and places", "iOS", RegionsIOS, 2.2},
		{1000, "stars and streets", "iOS", RegionsIOS, 5.3},
		{1000, "circles", "Android", RegionsAndroid, 0.1},
		{1000, "circles and places", "Android", RegionsAndroid, 1.9},
	} {
		for _, way := range []struct {
			name             string
			ways             int
			kilometers, step float64
		}{{"drives", 5, 20, 5}, {"walks", 20, 3, 1.5}} {
			t.Run(fmt.Sprintf("%d %s, %s, %s", town.fences, town.shapes, town.phone, way.name), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, uint64(town.fences)))
				fences := planTown(t, r, town.fences, town.shapes)
				crossed, missed, syncs := 0, 0, 0
				for range way.ways {
					path := wayThrough(r, way.kilometers*1000, way.step, way.name == "drives")
					phone := planPhone{fences: fences, limit: town.limit}
					phone.ask(path[0])
					phone.asked = 0
					truth := slices.Clone(phone.known)
					var now []uint32
					for _, at := range path[1:] {
						phone.goTo(at)
						if now = fences.Match(at, now[:0]); !slices.Equal(now, truth) {
							crossed++
							truth = append(truth[:0], now...)
						}
						if !slices.Equal(now, phone.known) {
							missed++
							phone.known = append(phone.known[:0], now...)
						}
					}
					syncs += phone.asked
				}
				kilometers := float64(way.ways) * way.kilometers
				beside := float64(syncs-crossed) / kilometers
				t.Logf("%4d crossings, %d missed; %.2f syncs/km, %.2f beside those at crossings", crossed, missed, float64(syncs)/kilometers, beside)
				if crossed == 0 || missed > 0 {
					t.Errorf("got %d of %d crossings missed, want 0", missed, crossed)
				}
				if beside > town.syncsOfKm {
					t.Errorf("got %.2f syncs/km beside those at crossings, want at most %v", beside, town.syncsOfKm)
				}
				if all := float64(syncs) / kilometers; town.shapes == "circles" && all > 3 {
					t.Errorf("got %.2f syncs/km, want at most 3", all)
				}
			})
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
