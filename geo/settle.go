package geo

import (
	"cmp"
	"slices"
	"time"
)

// Settle decides what time decides without a fix, up to now: a dwell that is due, a geofence that closed, ended,
// was edited, went back to draft or was deleted, a fix that nobody opposed, and a day of silence. The next fix
// would decide the same, with the same ids.
func Settle(fences *Index, p Presence, now time.Time) (Presence, []Crossing) {
	now = now.UTC().Truncate(time.Millisecond)
	m := p.machine(fences, p.Now)
	m.passTime(now)
	for i := 0; i < len(m.memory.Stays); i++ {
		s := m.memory.Stays[i]
		m.reconsider(&s, now)
		m.write(i, s)
	}
	p.Now, p.Changed = m.memory, m.changed
	p.remember(m.out, time.Time{})
	return p, m.out
}

// reconsider looks at a visit whose geofence may have changed under the shopper's feet.
func (m *machine) reconsider(s *Stay, now time.Time) {
	if !s.Inside || now.Before(m.memory.Seen) {
		return
	}
	n, found := m.fences.Lookup(s.Geofence)
	if !found {
		m.exit(s, nil, now, now, m.memory.Point, Reason{Rule: RuleDeleted})
		return
	}
	g := m.fences.Fence(n)
	if g.Status != Live && !m.rehearsal {
		m.exit(s, g, now, now, m.memory.Point, Reason{Rule: RuleDraft})
		return
	}
	if s.Version == g.Version {
		return
	}
	m.refresh(s, g, now)
	if reason := m.reason(s, RuleEdited); reason.Probability <= 1-aloneProbability {
		m.exit(s, g, now, now, m.memory.Point, reason)
		return
	}
	m.settle(s, now)
}

// Due is when the presence must be settled at the latest, if no fix comes before.
func (p Presence) Due() (time.Time, bool) {
	var first time.Time
	for i := range p.Now.Stays {
		if at, _ := p.Now.next(&p.Now.Stays[i]); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, !first.IsZero()
}

// next is the first thing that time will decide about a stay; zero: nothing.
func (m *Memory) next(s *Stay) (at time.Time, rule Rule) {
	first := func(t time.Time, r Rule) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, rule = t, r
		}
	}
	if !s.Turn.IsZero() && s.Sure {
		first(m.Seen.Add(aloneAfter), RuleUnopposed)
	}
	if s.Inside {
		if !s.Dwelled && s.Turn.IsZero() {
			first(s.DwellAt, RuleDwell)
		}
		first(s.ClosesAt, RuleClosed)
		first(m.Seen.Add(silence), RuleSilence)
	}
	return at, rule
}

// passTime settles every stay up to now.
func (m *machine) passTime(now time.Time) {
	from := len(m.out)
	for i := 0; i < len(m.memory.Stays); i++ {
		if at, _ := m.memory.next(&m.memory.Stays[i]); at.IsZero() || at.After(now) {
			continue
		}
		s := m.memory.Stays[i]
		m.settle(&s, now)
		m.write(i, s)
	}
	m.sortByTime(from)
}

// settle takes a stay through everything that is due up to now, in order of time. Each crossing is decided at
// its due time, whoever finds it and however late.
func (m *machine) settle(s *Stay, now time.Time) {
	for {
		at, rule := m.memory.next(s)
		if at.IsZero() || at.After(now) {
			return
		}
		g := m.fenceOf(s.Geofence)
		if g == nil { // reconsidered with the next fix, or by Settle
			return
		}
		reason := m.reason(s, rule)
		switch rule {
		case RuleDwell:
			m.dwell(s, g, at, m.memory.Point, reason)
		case RuleClosed:
			if g.Schedule.Ended(at) {
				reason.Rule = RuleEnded
			}
			m.exit(s, g, at, at, m.memory.Point, reason)
		case RuleSilence:
			m.exit(s, g, m.memory.Seen, at, m.memory.Point, reason)
		case RuleUnopposed:
			switch {
			case s.Inside:
				m.exit(s, g, s.Turn, at, s.TurnPoint, reason)
			case g.Status != Live && !m.rehearsal || !g.Schedule.Open(at):
				s.Turn, s.Sure, s.Witnesses = time.Time{}, false, 0
			default:
				m.enter(s, g, at, reason)
			}
		}
	}
}

// reason says where the track thinks that the shopper is, for a crossing that time decides.
func (m *machine) reason(s *Stay, rule Rule) Reason {
	r := Reason{Rule: rule}
	if n, found := m.fences.Lookup(s.Geofence); found && !m.memory.Track.At.IsZero() {
		p, sigma := m.memory.Track.estimate()
		r.DistanceMeters = m.fences.Distance(n, p)
		r.AccuracyMeters = sigma * sigmas68
		r.Probability = within(r.DistanceMeters, sigma)
	}
	return r
}

// sortByTime puts what time decided about several geofences into order.
func (m *machine) sortByTime(from int) {
	slices.SortStableFunc(m.out[from:], func(a, b Crossing) int {
		return cmp.Or(a.DecidedAt.Compare(b.DecidedAt), a.At.Compare(b.At), cmp.Compare(a.Geofence, b.Geofence))
	})
}
