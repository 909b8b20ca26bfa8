package visit

import (
	"slices"
	"time"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/experiment"
	"satnav/recommend/rule"
	"satnav/server/retailer"
)

// sides are the experiments that a shopper is in, and on which arm of each. They belong to one call.
type sides struct {
	in      []side
	exposed []who.Exposure // as it was before the call
	fresh   []who.Exposure // what the call adds
	full    bool           // no more can be noted
}

// side is the arm that a shopper is on in one experiment.
type side struct {
	*retailer.Running
	arm     int
	exposed bool // it made, or could have made, a difference by now
}

func (s *side) side() *retailer.Side { return &s.Sides[s.arm] }

// sidesOf finds the sides of a shopper. A shopper without the grant that results rest on is in no experiment; one of the global
// holdout in no other.
func sidesOf(snapshot *retailer.Snapshot, subject *who.Subject) sides {
	var s sides
	if len(snapshot.Experiments) == 0 || subject.Device().Private {
		return s
	}
	view, ok := who.Access(who.Loyalty, subject)
	if !ok {
		return s
	}
	key := subject.Shopper().Key()
	s.exposed = view.Exposures()
	s.full = len(s.exposed) >= who.MaxExposures && !slices.ContainsFunc(s.exposed, func(e who.Exposure) bool { return snapshot.Running(e.Experiment) == nil })
	for _, running := range snapshot.Experiments {
		arm := running.Of(key.Retailer, key.Shopper)
		if arm == nil {
			continue
		}
		in := side{Running: running, arm: slices.IndexFunc(running.Sides, func(side retailer.Side) bool { return side.Arm == arm })}
		known, exposed := who.Exposed(s.exposed, running.ID)
		in.exposed = exposed && !known.At.Before(running.Since)
		s.in = append(s.in, in)
		if running.ID == experiment.Holdout && arm.ID == experiment.HeldOut {
			break
		}
	}
	return s
}

// hold tells whether a rule may not act on these sides, and why.
func (s *sides) hold(id string) rule.Hold {
	if s == nil {
		return rule.Free
	}
	for i := range s.in {
		if !s.in[i].side().Masks(id) {
			continue
		}
		if s.in[i].side().Arm.ID == experiment.HeldOut {
			return rule.HeldOut
		}
		return rule.HeldByArm
	}
	return rule.Free
}

// suggest is the snapshot that the sides are served from.
func (s *sides) suggest(snapshot *retailer.Snapshot) *recommend.Snapshot {
	suggest := snapshot.Suggest
	for i := range s.in {
		if other := s.in[i].side().Suggest; other != nil {
			suggest = other
			break
		}
	}
	for i := range s.in {
		if pinned := s.in[i].side().Rules; pinned != nil {
			return suggest.WithRules(pinned)
		}
	}
	return suggest
}

// set puts the parameters of the sides into a request.
func (s *sides) set(r *recommend.Request) {
	for i := range s.in {
		p := &s.in[i].side().Arm.Parameters
		if p.Limit > 0 {
			r.Limit = min(r.Limit, p.Limit)
		}
		if p.Explore != nil && !*p.Explore {
			r.Explore, r.Varied, r.Shown = 0, false, nil
		}
	}
}

// interruptions is how often a day the shopper may be spoken to unasked.
func (s *sides) interruptions(most int) int {
	for i := range s.in {
		if n := s.in[i].side().Arm.Parameters.InterruptionsDay; n > 0 {
			return n
		}
	}
	return most
}

// expose notes the experiments that made, or could have made, a difference in an answer: those in which somebody on another arm,
// in this scene, would have been shown something else. It asks the engine for the answer of each arm, whichever the shopper is on,
// so that both arms of an experiment count the same scenes; but only until a shopper counts, and where the arms differ in rules
// alone only when one of these rules was about to act.
func (s *sides) expose(snapshot *retailer.Snapshot, request *recommend.Request, made *recommend.Record, guard *guard, at time.Time) {
	at = at.UTC().Truncate(time.Millisecond) // as it is stored
	for i := range s.in {
		in := &s.in[i]
		if in.exposed || s.full && !s.replaces(in.ID) {
			continue
		}
		if in.OfRules && !touched(in.Running, made) {
			continue
		}
		if s.differs(snapshot, request, guard, i) {
			in.exposed = true
			s.fresh = append(s.fresh, who.Exposure{Experiment: in.ID, Arm: in.side().Arm.ID, At: at})
		}
	}
}

// replaces tells whether the shopper counts for an earlier run of the same experiment.
func (s *sides) replaces(id string) bool {
	_, known := who.Exposed(s.exposed, id)
	return known
}

// touched tells whether a rule that the arms differ in acted, or would have.
func touched(running *retailer.Running, made *recommend.Record) bool {
	for traced := range made.Rules.All {
		may := traced.Outcome == rule.Matched || traced.Outcome == rule.HeldBack && (traced.Hold == rule.HeldOut || traced.Hold == rule.HeldByArm)
		if may && slices.ContainsFunc(running.Sides, func(side retailer.Side) bool { return side.Masks(traced.Rule.ID) }) {
			return true
		}
	}
	return false
}

// differs tells whether the arms of one experiment answer a request differently, all others being as they are.
func (s *sides) differs(snapshot *retailer.Snapshot, request *recommend.Request, g *guard, at int) bool {
	var lists [2][]recommend.Suggestion
	var records [2]recommend.Record
	for arm := range s.in[at].Sides {
		other := sides{in: slices.Clone(s.in[:at+1])}
		other.in[at].arm = arm
		if !(other.in[at].ID == experiment.Holdout && other.in[at].side().Arm.ID == experiment.HeldOut) {
			other.in = append(other.in, s.in[at+1:]...)
		}
		asked := *request
		asked.Glance = true
		other.set(&asked)
		if g != nil {
			asked.Guard = g.glance(&other)
		}
		n := min(arm, 1)
		lists[n], records[n] = recommend.Recommend(other.suggest(snapshot), &asked)
		if arm > 0 && differ(&lists, &records) {
			return true
		}
	}
	return false
}

// all are the exposures after the call: the earlier ones without those that the fresh ones replace, and without the oldest of
// experiments that are over where there is no room.
func (s *sides) all(snapshot *retailer.Snapshot) []who.Exposure {
	next := slices.DeleteFunc(slices.Clone(s.exposed), func(e who.Exposure) bool {
		_, again := who.Exposed(s.fresh, e.Experiment)
		return again
	})
	for len(next)+len(s.fresh) > who.MaxExposures {
		over := slices.IndexFunc(next, func(e who.Exposure) bool { return snapshot.Running(e.Experiment) == nil })
		if over < 0 {
			return append(next, s.fresh[:max(0, who.MaxExposures-len(next))]...)
		}
		next = slices.Delete(next, over, over+1)
	}
	return append(next, s.fresh...)
}

// arms are the experiments that could matter by now, and the arm of each.
func (s *sides) arms() (arms []Arm) {
	for i := range s.in {
		if s.in[i].exposed {
			arms = append(arms, Arm{s.in[i].ID, s.in[i].side().Arm.ID})
		}
	}
	return arms
}
