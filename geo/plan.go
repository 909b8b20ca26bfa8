package geo

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// DevicePlan is what a phone needs to sleep: the regions that its system watches for it, and how far and how
// long it may go before it must ask again. Within SafeRadiusMeters of At no boundary is crossed that the
// regions do not see, so a phone that asks when it leaves that radius, or when a region wakes it, misses nothing.
type DevicePlan struct {
	At               Point
	Watch            []Region // those that the shopper is inside of first, then by distance to the boundary
	SafeRadiusMeters float64
	CheckAgain       time.Duration // when to ask again even if nothing moves
}

// Region is a geofence as the circle that phones can watch.
type Region struct {
	Geofence       string
	Center         Point
	RadiusMeters   float64
	Inside         bool    // the shopper is inside: leaving is watched; else entering
	DistanceMeters float64 // to the boundary of the geofence; negative inside
	// Exact is true when the circle is the geofence itself; otherwise it encloses it, and who enters it asks again.
	Exact bool
}

// What the platforms watch for one app. One region is taken by the safe radius itself.
const (
	RegionsIOS     = 20 - 1
	RegionsAndroid = 100 - 1
)

const (
	// planReachMeters is how far a plan looks. Nobody leaves it before checking again.
	planReachMeters = 50_000
	// leastSafeMeters is the least radius that is worth watching: phones know no better where they are.
	leastSafeMeters = 15
	minCheckAgain   = 30 * time.Second
	maxCheckAgain   = time.Hour
)

// Plan makes the plan of a shopper, from where the track puts them and what is under way.
func Plan(fences *Index, p Presence, now time.Time, limit int) DevicePlan {
	at := p.Now.Point
	speed := walkingSpeed
	if track := p.Now.Track; !track.At.IsZero() {
		at, _ = track.estimate()
		speed += (drivingSpeed - walkingSpeed) * track.Ways[driving].Weight
	}
	plan := planAt(fences, at, now, limit, p.Rehearsal, speed)
	for i := range p.Now.Stays {
		if !p.Now.Stays[i].Turn.IsZero() {
			plan.CheckAgain = minCheckAgain // a second fix settles what the first began
		}
	}
	return plan
}

// Typical speeds in m/s, for the time that a safe radius lasts.
const (
	walkingSpeed = 1.5
	drivingSpeed = 20.0
)

// PlanAt makes the plan of somebody of whom only the position is known.
func PlanAt(fences *Index, at Point, now time.Time, limit int) DevicePlan {
	return planAt(fences, at, now, limit, false, walkingSpeed)
}

func planAt(fences *Index, at Point, now time.Time, limit int, drafts bool, speed float64) DevicePlan {
	limit = max(0, limit)
	// Look twice as far each time, until there are more geofences than the phone can watch.
	var near []Neighbour
	reach := 500.0
	for ; ; reach = min(planReachMeters, 4*reach) {
		near = slices.DeleteFunc(fences.Near(at, reach, near[:0]), func(n Neighbour) bool {
			g := fences.Fence(n.Fence)
			return g.Status != Live && !drafts || g.Schedule.Ended(now)
		})
		if len(near) > 2*limit || reach >= planReachMeters {
			break
		}
	}
	plan := DevicePlan{At: at, SafeRadiusMeters: reach}
	checkAgain := maxCheckAgain
	regions := make([]Region, 0, len(near))
	for _, n := range near {
		g := fences.Fence(n.Fence)
		r := Region{Geofence: g.ID, DistanceMeters: n.DistanceMeters, Inside: n.DistanceMeters <= 0}
		if opens, ok := g.Schedule.Next(now); r.Inside && ok && !g.Schedule.Open(now) {
			checkAgain = min(checkAgain, opens.Sub(now)) // whoever waits at the door enters when it opens
		}
		if circle, ok := g.Shape.(*Circle); ok {
			r.Center, r.RadiusMeters, r.Exact = circle.Center(), circle.RadiusMeters(), true
		} else {
			r.Center, r.RadiusMeters = enclosing(g.Shape)
		}
		if g.ApproachMeters > 0 && n.DistanceMeters > 0 {
			r.RadiusMeters, r.Exact = r.RadiusMeters+g.ApproachMeters, false
		}
		if !r.Exact && r.Center.Distance(at) <= r.RadiusMeters {
			// The circle is entered already, or tells nothing about leaving: only the radius can.
			boundary := math.Abs(n.DistanceMeters)
			if off := math.Abs(n.DistanceMeters - g.ApproachMeters); n.DistanceMeters > 0 {
				boundary = min(boundary, off)
			}
			plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, boundary)
			continue
		}
		regions = append(regions, r)
	}
	edge := func(r Region) float64 { return math.Abs(r.Center.Distance(at) - r.RadiusMeters) }
	slices.SortFunc(regions, func(a, b Region) int {
		if a.Inside != b.Inside {
			if a.Inside {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(edge(a), edge(b)), cmp.Compare(a.Geofence, b.Geofence))
	})
	for _, r := range regions[min(limit, len(regions)):] {
		plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, edge(r))
	}
	plan.Watch = regions[:min(limit, len(regions))]
	plan.SafeRadiusMeters = max(plan.SafeRadiusMeters, leastSafeMeters)
	lasts := time.Duration(plan.SafeRadiusMeters / speed * float64(time.Second))
	plan.CheckAgain = max(minCheckAgain, min(checkAgain, lasts)).Round(time.Second)
	return plan
}

// enclosing is a circle around a shape: around the middle of its box, through the corners.
func enclosing(s Shape) (Point, float64) {
	b := s.Bounds()
	center := b.Center()
	radius := 0.0
	for _, lat := range [2]float64{b.South, b.North} {
		for _, lng := range [2]float64{b.West, b.East} {
			radius = max(radius, center.Distance(Point{lat, lng}))
		}
	}
	// The edges of a box at the equator side bulge less than its corners; a box across the equator is widest there.
	if b.South < 0 && b.North > 0 {
		radius = max(radius, center.Distance(Point{0, b.West}), center.Distance(Point{0, b.East}))
	}
	return center, radius
}
