package geo

import (
	"cmp"
	"slices"
	"time"
)

// DevicePlan is what a phone needs to sleep: the regions that its system watches for it, and how far and how
// long it may go before it must ask again. Within SafeRadiusMeters of At no boundary is crossed that the
// regions do not see, so a phone that asks when it leaves that radius, or when a region wakes it, misses nothing.
// Both are about true positions: near a boundary the radius is as small as the distance to it, and a phone that knows
// its place less well asks with each fix.
type DevicePlan struct {
	At               Point
	Watch            []Region // those that the shopper is inside of first, then by distance to the boundary
	SafeRadiusMeters float64
	CheckAgain       time.Duration // when to ask again even if nothing moves
}

// What the platforms watch for one app. One region is taken by the safe radius itself.
const (
	RegionsIOS     = 20 - 1
	RegionsAndroid = 100 - 1
)

const (
	// widenShare is how much of what a phone watches may be more circles of geofences near it, in percent; mostWidened how many one geofence has.
	widenShare  = 45
	mostWidened = 6

	// planReachMeters is how far a plan looks. Nobody leaves it before checking again.
	planReachMeters = 50_000
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
	// Look farther each time, until there are more boundaries than the phone can watch.
	var near []Neighbour
	var all []watched
	reach := 100.0
	if limit > 0 {
		reach = 500
	}
	for ; ; reach = min(planReachMeters, 4*reach) {
		near = fences.Near(at, reach+fences.ApproachMeters(), near[:0])
		all = all[:0]
		count := 0
		for _, n := range near {
			if g := fences.Fence(n.Fence); (g.Status == Live || drafts) && !g.Schedule.Ended(now) {
				w := watchedAt(g, n.DistanceMeters)
				all = append(all, w)
				if w.clear <= reach {
					count++
				}
			}
		}
		if count > 2*limit || reach >= planReachMeters {
			break
		}
	}
	plan := DevicePlan{At: at, SafeRadiusMeters: reach}
	checkAgain := maxCheckAgain
	for i := range all {
		w := &all[i]
		if opens, ok := w.fence.Schedule.Next(now); w.inside() && ok && !w.fence.Schedule.Open(now) {
			checkAgain = min(checkAgain, opens.Sub(now)) // whoever waits at the door enters when it opens
		}
		plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, w.leaves)
		if limit == 0 {
			plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, w.clear)
		}
	}
	if limit == 0 {
		all = nil // the order of the rest is of no matter
	}
	slices.SortFunc(all, func(a, b watched) int {
		if a.inside() != b.inside() {
			if a.inside() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.clear, b.clear), cmp.Compare(a.fence.ID, b.fence.ID))
	})
	var clear []int // those of which a circle must not be left
	watch := all[:0:0]
	for i := range all {
		w := &all[i]
		if len(plan.Watch) < limit {
			if r, ok := w.region(at); ok {
				if r.Leave && !r.Exact {
					clear = append(clear, len(watch))
				}
				plan.Watch, watch = append(plan.Watch, r), append(watch, *w)
				continue
			}
		}
		plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, w.clear)
	}
	plan.widen(watch, clear, limit)
	lasts := time.Duration(plan.SafeRadiusMeters / speed * float64(time.Second))
	plan.CheckAgain = max(minCheckAgain, min(checkAgain, lasts)).Round(time.Second)
	return plan
}

// widen watches more circles of the geofences named in clear, instead of those geofences that are farthest off: a phone that strolls along
// a boundary would otherwise leave one circle after the other.
func (plan *DevicePlan) widen(watch []watched, clear []int, limit int) {
	if len(clear) == 0 {
		return
	}
	spare := limit * widenShare / 100
	each := min(mostWidened, spare/len(clear))
	var more []Region
	for _, i := range clear {
		if _, circle := watch[i].fence.Shape.(*Circle); circle {
			continue
		}
		more = append(more, watch[i].more(plan.At, plan.Watch[i], each)...)
	}
	for len(plan.Watch)+len(more) > limit {
		last := len(plan.Watch) - 1
		if last < 0 || watch[last].inside() || slices.Contains(clear, last) {
			more = more[:max(0, limit-len(plan.Watch))]
			break
		}
		plan.SafeRadiusMeters = min(plan.SafeRadiusMeters, watch[last].clear)
		plan.Watch = plan.Watch[:last]
	}
	plan.Watch = append(plan.Watch, more...)
}
