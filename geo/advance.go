package geo

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Advance takes one fix in and returns what is remembered from then on, with the crossings that the fix
// decided. It is pure: the same presence, fences and fix always give the same answer.
//
// A fix that is already known (same time and position) changes nothing and returns the crossings that it
// made, with the same ids. One that comes late, by no more than LateLimit and within the kept tail, is put in
// order: the outcome is as if it had come in time, except for geofences about which something else was already
// told. An older one (see Presence.Late) changes nothing. The caller has checked that the fix is a position.
func Advance(fences *Index, p Presence, f Fix) (Presence, []Crossing) {
	return AdvanceAll(fences, p, []Fix{f})
}

// AdvanceAll takes the fixes of one call in, in whatever order they are.
func AdvanceAll(fences *Index, p Presence, fixes []Fix) (Presence, []Crossing) {
	p.Changed, p.Odd = false, nil
	var out []Crossing
	var late, ahead []Fix
	for _, f := range inOrder(fixes) {
		switch {
		case p.known(f):
			out = append(out, p.askedWith(f)...)
		case len(p.Tail) == 0 || compareFixes(f, p.Tail[len(p.Tail)-1]) > 0:
			ahead = append(ahead, f)
		case !p.Late(f):
			late = append(late, f)
		}
	}
	if len(late) > 0 {
		var crossings []Crossing
		p, crossings = p.putInOrder(fences, late)
		out = append(out, crossings...)
	}
	switch {
	case len(ahead) > MaxTail:
		p.Whole = ahead[0].At
	case len(ahead) > 0:
		p.Whole = time.Time{}
	}
	for _, f := range ahead {
		var crossings []Crossing
		p, crossings = p.take(fences, f)
		out = append(out, crossings...)
	}
	return p, out
}

// inOrder sorts fixes and drops what is there twice or is no position at all.
func inOrder(fixes []Fix) []Fix {
	sorted := make([]Fix, 0, len(fixes))
	for _, f := range fixes {
		if f.Check() == nil && f.AccuracyMeters >= 0 && !math.IsInf(f.AccuracyMeters, 1) {
			sorted = append(sorted, f.rounded())
		}
	}
	slices.SortStableFunc(sorted, compareFixes)
	return slices.CompactFunc(sorted, func(a, b Fix) bool { return compareFixes(a, b) == 0 })
}

// take advances by a fix that is newer than all others.
func (p Presence) take(fences *Index, f Fix) (Presence, []Crossing) {
	now := p.machine(fences, p.Now)
	p.doubt(now.fix(f))

	// What can no longer be preceded by a late fix moves from the tail into the base.
	oldest := f.At.Add(-LateLimit)
	if n := len(p.Tail); n > 0 && p.Tail[n-1].At.Before(oldest) {
		p.Base, p.Replayable = p.Now, n
	}
	for p.Replayable < len(p.Tail) && (p.Tail[p.Replayable].At.Before(oldest) || p.Replayable == 0 && len(p.Tail) == MaxTail) {
		base := p.machine(fences, p.Base)
		base.fix(p.Tail[p.Replayable])
		p.Base = base.memory
		p.Replayable++
	}
	drop := max(0, len(p.Tail)+1-MaxTail)
	p.Tail = append(append(make([]Fix, 0, len(p.Tail)-drop+1), p.Tail[drop:]...), f)
	p.Replayable -= drop

	p.Now = now.memory
	p.Changed = p.Changed || now.changed
	p.remember(now.out, f.At)
	return p, now.out
}

// doubt notes what was odd about a fix of this call.
func (p *Presence) doubt(odd Distrust) {
	if odd != "" && !slices.Contains(p.Odd, odd) {
		p.Odd = append(p.Odd, odd)
	}
}

// remember keeps the crossings of a call for its retries, and forgets those whose fixes are gone.
func (p *Presence) remember(crossings []Crossing, asked time.Time) {
	for i := range crossings {
		crossings[i].Asked = asked
	}
	var oldest time.Time
	if len(p.Tail) > 0 {
		oldest = p.Tail[0].At
	}
	if !p.Whole.IsZero() && p.Whole.Before(oldest) {
		oldest = p.Whole
	}
	old := func(c Crossing) bool { return c.DecidedAt.Before(oldest) && c.Asked.Before(oldest) }
	if len(crossings) > 0 || slices.ContainsFunc(p.Recent, old) {
		recent := make([]Crossing, 0, len(p.Recent)+len(crossings))
		for _, c := range p.Recent {
			if !old(c) {
				recent = append(recent, c)
			}
		}
		p.Recent = append(recent, crossings...)
	}
}

// askedWith returns the crossings that a known fix brought.
func (p Presence) askedWith(f Fix) []Crossing {
	var out []Crossing
	for _, c := range p.Recent {
		if c.Asked.Equal(f.At) {
			out = append(out, c)
		}
	}
	return out
}

// putInOrder inserts late fixes into the tail and decides again from the base on. Geofence by geofence
// the new outcome counts, unless it would take back something that was told: then all stays as it was.
func (p Presence) putInOrder(fences *Index, late []Fix) (Presence, []Crossing) {
	told := make(map[string][]Crossing) // since the base, by geofence
	for _, c := range p.Recent {
		if c.DecidedAt.After(p.Base.Seen) {
			told[c.Geofence] = append(told[c.Geofence], c)
		}
	}
	atBase := p.Base
	p.Tail = append(slices.Clone(p.Tail), late...)
	slices.SortFunc(p.Tail, compareFixes)
	surplus := max(0, len(p.Tail)-MaxTail)

	again := p.machine(fences, p.Base)
	for i, f := range p.Tail[p.Replayable:] {
		if odd := again.fix(f); slices.ContainsFunc(late, func(l Fix) bool { return compareFixes(l, f) == 0 }) {
			p.doubt(odd)
		}
		if p.Replayable+i < surplus {
			p.Base = again.memory
			again.owned = false
		}
	}
	p.Tail, p.Replayable = p.Tail[surplus:], max(0, p.Replayable-surplus)

	decided := make(map[string][]Crossing)
	for _, c := range again.out {
		decided[c.Geofence] = append(decided[c.Geofence], c)
	}
	before, after := p.machine(fences, p.Now), again
	base := p.machine(fences, p.Base)
	kept := make(map[string]bool)
	ids := make([]string, 0, len(before.memory.Stays)+len(after.memory.Stays))
	for _, s := range before.memory.Stays {
		ids = append(ids, s.Geofence)
	}
	for _, s := range after.memory.Stays {
		ids = append(ids, s.Geofence)
	}
	for id := range told {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		stay, _ := before.memory.stay(id)
		if extends(told[id], decided[id]) && insideAtFirst(told[id], stay.Inside) == atBase.insideOf(id) {
			continue
		}
		kept[id] = true
		stay.Geofence, stay.After = id, p.Tail[len(p.Tail)-1].At
		after.set(stay)
		base.set(stay)
	}
	p.Base, p.Now = base.memory, after.memory

	var out []Crossing
	for _, c := range again.out {
		isKnown := func(k Crossing) bool { return k.ID == c.ID }
		if !kept[c.Geofence] && !slices.ContainsFunc(p.Recent, isKnown) {
			out = append(out, c)
		}
	}
	p.Changed = p.Changed || after.changed || len(out) > 0
	p.remember(out, late[0].At)
	return p, out
}

// extends tells whether everything that was told is also, and in the same order, in the new outcome.
func extends(told, decided []Crossing) bool {
	for _, c := range decided {
		if len(told) > 0 && c.ID == told[0].ID && c.At.Equal(told[0].At) {
			told = told[1:]
		}
	}
	return len(told) == 0
}

// insideAtFirst tells whether the shopper was inside before the first of the crossings.
func insideAtFirst(crossings []Crossing, insideNow bool) bool {
	for _, c := range crossings {
		switch c.Kind {
		case Enter:
			return false
		case Exit:
			return true
		}
	}
	return insideNow
}

func (m Memory) stay(geofence string) (Stay, bool) {
	i, found := m.find(geofence)
	if !found {
		return Stay{}, false
	}
	return m.Stays[i], true
}

func (m Memory) insideOf(geofence string) bool {
	s, _ := m.stay(geofence)
	return s.Inside
}

func (m Memory) find(geofence string) (int, bool) {
	return slices.BinarySearchFunc(m.Stays, geofence, func(s Stay, id string) int { return cmp.Compare(s.Geofence, id) })
}

// What it takes to decide, as probabilities of being beyond the boundary. The values were chosen on noisy tracks of
// their own seeds; the tests print and hold what they cost on others.
const (
	positionProbability = 0.99  // by the position alone
	aloneProbability    = 0.95  // by a fix that no other will second
	standingProbability = 0.996 // in doubt
	doubtProbability    = 0.95  // a standing shopper whose side is less sure is in doubt
	approachProbability = 0.80

	// A moving shopper does not linger at the boundary, so that a wrong guess is soon over while a late one may come when
	// they are through. It takes this much of the position now; or less, if a little ahead makes up for it.
	movingProbability   = 0.75
	enteringProbability = 0.60 // now, and
	aheadProbability    = 0.88 // ahead

	// surelyMoving is the largest probability of standing at which a movement is believed.
	surelyMoving = 0.2
	// credible is the largest probability of being a lie at which a fix is a good witness.
	credible = 0.1
	// credibleAlone is the same for a fix after a silence, which no other will second: most are true.
	credibleAlone = 0.3
	// aloneAfter is the silence before and after a fix that makes it count alone: no second one is coming soon.
	aloneAfter = 90 * time.Second
	// silence ends a visit at the last fix seen.
	silence = 24 * time.Hour
)

// machine takes a memory through fixes and time. It writes to copies only.
type machine struct {
	fences    *Index
	shopper   string
	rehearsal bool
	memory    Memory
	owned     bool // memory.Stays is a copy of our own
	changed   bool
	out       []Crossing
}

func (p Presence) machine(fences *Index, memory Memory) machine {
	return machine{fences: fences, shopper: p.Shopper, rehearsal: p.Rehearsal, memory: memory}
}

// own returns a stay that may be written to.
func (m *machine) own(i int) *Stay {
	if !m.owned {
		m.memory.Stays = append(make([]Stay, 0, len(m.memory.Stays)+2), m.memory.Stays...)
		m.owned = true
	}
	return &m.memory.Stays[i]
}

// write replaces a stay if it is another one.
func (m *machine) write(i int, s Stay) {
	was := m.memory.Stays[i]
	if was == s {
		return
	}
	*m.own(i) = s
	was.Doubt = s.Doubt // caution alone decides nothing: it may be lost
	m.changed = m.changed || was != s
}

// set writes a stay under its geofence.
func (m *machine) set(s Stay) {
	i, found := m.memory.find(s.Geofence)
	if found {
		m.write(i, s)
		return
	}
	m.insert(i, s)
}

func (m *machine) insert(i int, s Stay) {
	stays := make([]Stay, 0, len(m.memory.Stays)+4)
	stays = append(append(append(stays, m.memory.Stays[:i]...), s), m.memory.Stays[i:]...)
	m.memory.Stays, m.owned = stays, true
	s.Doubt = false
	m.changed = m.changed || s != Stay{Geofence: s.Geofence, Version: s.Version, Wants: s.Wants}
}

// fix takes one fix in, which is not older than any before it, and tells what is odd about it.
func (m *machine) fix(f Fix) Distrust {
	m.passTime(f.At)
	decidedByTime := len(m.out)
	gap := f.At.Sub(m.memory.Seen)
	track, e := m.memory.Track.then(f)
	m.memory.Track, m.memory.Seen = track, f.At
	if e.held {
		return e.distrust
	}
	m.memory.Point = f.Point
	w := witness{Fix: f, estimate: e, alone: e.lie < credibleAlone && gap > aloneAfter || e.lie < credible && e.fresh}

	near := m.fences.Near(e.Point, max(m.fences.ApproachMeters(), 2.5*e.spread), make([]Neighbour, 0, 32))
	if len(near) > MaxStays {
		slices.SortFunc(near, func(a, b Neighbour) int {
			return cmp.Or(cmp.Compare(m.fences.Fence(b.Fence).Priority, m.fences.Fence(a.Fence).Priority), cmp.Compare(a.Fence, b.Fence))
		})
		near = near[:MaxStays]
	}
	var seen [MaxStays]bool
	var fresh []Stay
	for _, n := range near {
		g := m.fences.Fence(n.Fence)
		i, found := m.memory.find(g.ID)
		stay := Stay{Geofence: g.ID, Version: g.Version}
		if found {
			stay = m.memory.Stays[i]
			seen[i] = true
		}
		m.decide(&stay, n.Fence, g, n.DistanceMeters, &w)
		if found {
			m.write(i, stay)
		} else if stay.underWay(f.At) || stay.worthKeeping(g, f.At) {
			fresh = append(fresh, stay)
		}
	}
	gone := 0
	for i := range m.memory.Stays {
		if seen[i] {
			if !m.keeps(&m.memory.Stays[i], f.At) {
				gone++
			}
			continue
		}
		stay := m.memory.Stays[i]
		n, found := m.fences.Lookup(stay.Geofence)
		if !found {
			if stay.Inside {
				m.exit(&stay, nil, f.At, f.At, f.Point, Reason{Rule: RuleDeleted})
			}
			stay = Stay{Geofence: stay.Geofence, After: stay.After}
		} else {
			m.decide(&stay, n, m.fences.Fence(n), m.fences.Distance(n, e.Point), &w)
		}
		m.write(i, stay)
		if !m.keeps(&stay, f.At) {
			gone++
		}
	}
	if gone > 0 {
		kept := make([]Stay, 0, len(m.memory.Stays)-gone+len(fresh))
		for _, stay := range m.memory.Stays {
			if m.keeps(&stay, f.At) {
				kept = append(kept, stay)
			}
		}
		m.memory.Stays, m.owned = kept, true
	}
	for _, stay := range fresh {
		if i, _ := m.memory.find(stay.Geofence); len(m.memory.Stays) < MaxStays {
			m.insert(i, stay)
		}
	}
	for i := range m.memory.Stays {
		if s := &m.memory.Stays[i]; !s.Turn.IsZero() || s.Inside && !s.Dwelled && !s.DwellAt.IsZero() {
			m.changed = true // a confirmation under way, or a dwell running
		}
	}
	m.sort(decidedByTime)
	// A dwell may be due at once, when a visit is found out late: it is this fix that decides it, not the next.
	m.passTime(f.At)
	return e.distrust
}

func (m *machine) fenceOf(id string) *Geofence {
	if n, found := m.fences.Lookup(id); found {
		return m.fences.Fence(n)
	}
	return nil
}

// sort puts what one fix decided into order: who leaves goes first, then the geofences of higher priority.
func (m *machine) sort(from int) {
	out := m.out[from:]
	if len(out) < 2 {
		return
	}
	priority := func(c Crossing) int {
		if g := m.fenceOf(c.Geofence); g != nil {
			return g.Priority
		}
		return math.MinInt
	}
	rank := func(c Crossing) int {
		if c.Kind == Exit {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b Crossing) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(priority(b), priority(a)), cmp.Compare(a.Geofence, b.Geofence))
	})
}

// witness is a fix with what the track makes of it.
type witness struct {
	Fix
	estimate
	alone bool // it counts without another one
}

// decide looks at one geofence after a fix; d is the distance of the estimate from its boundary.
func (m *machine) decide(s *Stay, n uint32, g *Geofence, d float64, w *witness) {
	at := w.Fix.At
	if !at.After(s.After) {
		return
	}
	if s.Version != g.Version {
		m.refresh(s, g, at)
	}
	if g.Status != Live && !m.rehearsal {
		if s.Inside {
			m.exit(s, g, at, at, w.Fix.Point, Reason{Rule: RuleDraft})
		}
		s.Turn = time.Time{}
		return
	}
	p := within(d, w.spread)
	rule := RulePosition
	if g.Floor != nil {
		floor := m.memory.Track.Floor
		switch {
		case floor != nil && *floor != *g.Floor:
			p, rule = 0, RuleFloor
		case floor == nil && !s.Inside:
			return // it may be right below
		}
	}
	doubtful := doubtProbability
	if w.expectedSpread == 0 {
		doubtful = aloneProbability
	}
	if w.standing > 0.5 && p > 1-doubtful && p < doubtful {
		s.Doubt = true
	} else if p <= 1-standingProbability || p >= standingProbability {
		s.Doubt = false
	}
	if s.Inside == (p >= 0.5) || !s.Inside && !m.mayEnter(g, w) {
		s.Turn, s.TurnPoint, s.Witnesses, s.Sure = time.Time{}, Point{}, 0, false
		if !s.Inside {
			m.approach(s, g, d, w)
		}
		return
	}

	// The fix speaks against what is thought: a confirmation begins, or goes on.
	if s.Turn.IsZero() {
		s.Turn, s.TurnPoint = at, w.Fix.Point
	}
	s.Witnesses = min(2, s.Witnesses+1)
	if held := w.seconds; held != nil && held.At.After(s.After) && s.Inside == (m.fences.Distance(n, held.Point) > 0) {
		s.Witnesses = 2
		if s.Turn.Equal(at) {
			s.Turn, s.TurnPoint = held.At, held.Point
		}
	}
	certain := m.certain(s, n, p, w)
	s.Sure = certain && (w.alone || w.lie < credible)
	if !certain {
		return
	}
	switch {
	case rule == RuleFloor, w.alone:
	case s.Witnesses >= 2:
		rule = RuleWitness
	case w.lie < credible && m.wasExpected(s, n, w):
	default:
		return
	}
	fix := w.Fix
	reason := Reason{Rule: rule, DistanceMeters: d, AccuracyMeters: w.spread * sigmas68, Probability: p, Fix: &fix, Distrust: w.distrust}
	if s.Inside {
		m.exit(s, g, s.Turn, at, s.TurnPoint, reason)
	} else {
		m.enter(s, g, at, reason)
	}
}

// certain tells whether the shopper is beyond the boundary as surely as a crossing needs: by the position, or
// by a position that is probably beyond it and a movement that leads away from it.
func (m *machine) certain(s *Stay, n uint32, p float64, w *witness) bool {
	if s.Inside {
		p = 1 - p
	}
	need := positionProbability
	switch {
	case s.Doubt:
		need = standingProbability
	case w.alone:
		need = aloneProbability
	}
	if p >= need {
		return true
	}
	if s.Doubt || w.standing > surelyMoving || p < enteringProbability {
		return false
	}
	if p >= movingProbability {
		return true
	}
	for _, point := range w.ahead {
		ahead := within(m.fences.Distance(n, point), w.spread)
		if s.Inside {
			ahead = 1 - ahead
		}
		if ahead >= aheadProbability {
			return true
		}
	}
	return false
}

// wasExpected tells whether the track led there before the fix said so.
func (m *machine) wasExpected(s *Stay, n uint32, w *witness) bool {
	if w.expectedSpread == 0 {
		return false
	}
	p := within(m.fences.Distance(n, w.expected), w.expectedSpread)
	return s.Inside == (p < 0.5)
}

// mayEnter tells whether a visit can begin: the geofence is open, and not smaller than the position is coarse.
func (m *machine) mayEnter(g *Geofence, w *witness) bool {
	accuracy := cmp.Or(w.AccuracyMeters, assumedAccuracyMeters)
	return accuracy <= sizeMeters(g.Shape) && g.Schedule.Open(w.Fix.At)
}

// sizeMeters is half the longer side of the box around a shape: the radius of a circle.
func sizeMeters(s Shape) float64 {
	b := s.Bounds()
	height := (b.North - b.South) * math.Pi / 180 * EarthRadiusMeters
	width := b.East - b.West
	if width < 0 {
		width += 360
	}
	middle := (b.South + b.North) / 2 * math.Pi / 180
	return max(height, width*math.Pi/180*EarthRadiusMeters*math.Cos(middle)) / 2
}

func (m *machine) enter(s *Stay, g *Geofence, at time.Time, reason Reason) {
	*s = Stay{
		Geofence: s.Geofence, Version: g.Version, Inside: true, Wants: g.Wants,
		Begin: s.Turn, Approached: true,
		ToldAt: s.ToldAt, ToldDay: s.ToldDay, Told: s.Told,
		Turn: s.Turn, TurnPoint: s.TurnPoint,
	}
	m.refresh(s, g, at)
	m.tell(s, g, Enter, s.Turn, at, s.TurnPoint, reason)
	s.Turn, s.TurnPoint = time.Time{}, Point{}
}

// exit ends a visit; g is nil when the geofence is gone.
func (m *machine) exit(s *Stay, g *Geofence, at, decided time.Time, point Point, reason Reason) {
	if !s.Dwelled && !s.DwellAt.IsZero() && !s.DwellAt.After(at) {
		m.dwell(s, g, decided, point, reason)
	}
	if s.Dwelled && at.Before(s.DwellAt) && reason.Rule != RuleSilence {
		at = s.DwellAt // a fix that was set aside shows that they left before: what was told stands
	}
	m.tell(s, g, Exit, at, decided, point, reason)
	*s = Stay{
		Geofence: s.Geofence, Version: s.Version, Wants: s.Wants, Begin: s.Begin, After: laterOf(at, decided),
		Approached: true, ToldAt: s.ToldAt, ToldDay: s.ToldDay, Told: s.Told,
	}
	if reason.Fix == nil {
		s.After = at
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *machine) dwell(s *Stay, g *Geofence, decided time.Time, point Point, reason Reason) {
	reason.Rule = RuleDwell
	m.tell(s, g, Dwell, s.DwellAt, decided, point, reason)
	s.Dwelled = true
}

// approachOver is how far away a shopper must be before an approach is told again.
func approachOver(g *Geofence) float64 { return g.ApproachMeters*1.25 + 20 }

// approach tells that a geofence is near, once until the shopper went away again.
func (m *machine) approach(s *Stay, g *Geofence, d float64, w *witness) {
	if g.ApproachMeters <= 0 {
		s.Approached = false
		return
	}
	near := within(d-g.ApproachMeters, w.spread)
	switch {
	case s.Approached:
		s.Approached = within(d-approachOver(g), w.spread) > 1-approachProbability
	case near >= approachProbability && g.Schedule.Open(w.Fix.At) && (w.alone || w.lie < credible && m.wasNear(g, w)):
		s.Approached, s.Wants = true, g.Wants
		fix := w.Fix
		visit := *s
		visit.Begin, visit.Admitted = w.Fix.At, false
		m.tell(&visit, g, Approach, w.Fix.At, w.Fix.At, w.Fix.Point,
			Reason{Rule: RuleNear, DistanceMeters: d, AccuracyMeters: w.spread * sigmas68, Probability: near, Fix: &fix, Distrust: w.distrust})
	}
}

// wasNear tells whether the track led near the geofence before the fix said so.
func (m *machine) wasNear(g *Geofence, w *witness) bool {
	return w.expectedSpread > 0 && within(g.Shape.Distance(w.expected)-g.ApproachMeters, w.expectedSpread) >= 0.5
}

// refresh takes over what an edit of the geofence changed for a visit under way.
func (m *machine) refresh(s *Stay, g *Geofence, at time.Time) {
	s.Version, s.Wants = g.Version, g.Wants
	s.ClosesAt = time.Time{}
	if !s.Dwelled {
		s.DwellAt = time.Time{}
	}
	if !s.Inside {
		return
	}
	if g.Dwell > 0 && !s.Dwelled {
		s.DwellAt = laterOf(s.Begin.Add(g.Dwell), at) // not before the visit was known
	}
	if !g.Schedule.Open(at) {
		s.ClosesAt = at
	} else if closes, ok := g.Schedule.Next(at); ok {
		s.ClosesAt = closes
	}
}

// tell puts a crossing out, and decides whether it is told.
func (m *machine) tell(s *Stay, g *Geofence, kind Kind, at, decided time.Time, point Point, reason Reason) {
	c := Crossing{
		ID: visitID(m.shopper, s.Geofence, s.Begin, kind), Geofence: s.Geofence, Version: s.Version, Kind: kind,
		At: at, DecidedAt: decided, Point: point, Reason: reason,
	}
	m.changed = true
	switch {
	case s.Wants&kind.wanted() == 0:
		c.Withheld = NotWanted
	case kind == Approach:
		c.Withheld = s.admission(g, at)
	default:
		if !s.Admitted {
			s.Admitted, s.Withheld = true, s.admission(g, at)
			if s.Withheld == "" && g != nil {
				day := int(dateOf(at.In(g.Schedule.Zone())))
				if s.ToldDay != day {
					s.ToldDay, s.Told = day, 0
				}
				s.ToldAt = at
				s.Told++
			}
		}
		c.Withheld = s.Withheld
	}
	c.Told = c.Withheld == ""
	m.out = append(m.out, c)
}

// admission says what holds a visit that begins to be told at an instant back, if anything.
func (s *Stay) admission(g *Geofence, at time.Time) Withheld {
	if g == nil || s.ToldAt.IsZero() {
		return ""
	}
	if g.Cooldown > 0 && at.Before(s.ToldAt.Add(g.Cooldown)) {
		return Cooldown
	}
	if g.DailyCap > 0 && s.Told >= g.DailyCap && s.ToldDay == int(dateOf(at.In(g.Schedule.Zone()))) {
		return DailyCap
	}
	return ""
}

// keeps tells whether a stay still matters for what comes. The geofence is looked up only when it decides.
func (m *machine) keeps(s *Stay, at time.Time) bool {
	return s.underWay(at) || (s.Approached || !s.ToldAt.IsZero()) && s.worthKeeping(m.fenceOf(s.Geofence), at)
}

// underWay tells whether something about a stay is not settled, or was only just.
func (s *Stay) underWay(at time.Time) bool {
	return s.Inside || s.Doubt || !s.Turn.IsZero() || !s.After.IsZero() && at.Before(s.After.Add(LateLimit))
}

// worthKeeping tells whether what is over still counts for approach, cool-down or cap; g is nil when the geofence is gone.
func (s *Stay) worthKeeping(g *Geofence, at time.Time) bool {
	if g == nil {
		return false
	}
	return s.Approached && g.ApproachMeters > 0 ||
		g.Cooldown > 0 && at.Before(s.ToldAt.Add(g.Cooldown)) ||
		g.DailyCap > 0 && !s.ToldAt.IsZero() && s.ToldDay == int(dateOf(at.In(g.Schedule.Zone())))
}
