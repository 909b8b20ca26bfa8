package rule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"satnav/context/who"
)

// Set is a version of a retailer's live rules, compiled. It is immutable but for its counters, and safe for
// concurrent use: publishing builds the next one aside and swaps it whole.
type Set struct {
	Version string
	house   House
	members []member // the first goes first
	byKind  map[TriggerKind][]int32
	parts   []condition // scene parts, each once however many rules have it
	asked   []condition // candidate parts, likewise
	index   index
	reads   []bool  // by attribute: a rule reads it
	caps    bool    // a rule caps
	naming  []int32 // members that name an offer of the catalogue
	lean    lean
	health  []health // by member
	begun   atomic.Uint32
	someOff atomic.Bool // a rule is switched off
	pool    sync.Pool
}

// member is one rule of a set.
type member struct {
	rule     *Rule
	formula  *formula
	calendar calendar
	quiet    span
	isQuiet  bool

	scene     []int32 // numbers of its scene parts
	candidate []int32 // numbers of its candidate parts
	keyed     bool    // the index finds it
	acts      bool    // it does more with a candidate than to speak beside it
	personal  bool    // its condition reads what is known of the shopper, or its trigger is something that the shopper did

	named       bool  // it names an offer of the catalogue
	gives       bool  // that is all it does, and the offer is no lower price: nothing is done to candidates
	from, until int64 // Unix seconds between which that offer holds; 0: no such end
}

// lean is what a candidate needs of the members, side by side: of thousands of rules the members themselves do not fit where a
// processor is quick.
type lean struct {
	rules  []*Rule
	parts  []int32   // numbers of candidate parts, of one member after the other
	from   []int32   // where those of each member begin; one more at the end
	factor []float64 // by which a member that does nothing else counts a score; 0: it does something else
}

func newLean(members []member) (l lean) {
	for n := range members {
		m := &members[n]
		l.rules, l.from = append(l.rules, m.rule), append(l.from, int32(len(l.parts)))
		l.parts = append(l.parts, m.candidate...)
		factor := 1.
		for i := range m.rule.Then {
			if k := m.rule.Then[i].Kind; k != Boost && k != Bury {
				factor = 0
			}
			factor *= m.rule.Then[i].Factor
		}
		l.factor = append(l.factor, factor)
	}
	l.from = append(l.from, int32(len(l.parts)))
	return l
}

// health counts what a rule came to.
type health struct {
	matched, faulted atomic.Uint64
	failing          atomic.Uint32 // requests of the stretch under way in which it failed
	off              atomic.Bool
}

// A stretch is so many requests; in the next one a rule that failed now and then begins anew.
const stretch = 1 << 10

// DefaultFaultRate is the share of the requests of a stretch in which a rule may fail until it is switched off.
const DefaultFaultRate = 0.1

// failed counts a request in which a rule failed, and switches the rule off once there are too many. It comes back with the next
// set: somebody publishes it anew.
func (s *Set) failed(n int32) {
	rate := s.members[n].rule.Guards.FaultRate
	if rate == 0 {
		rate = DefaultFaultRate
	}
	if float64(s.health[n].failing.Add(1)) > rate*stretch && rate < 1 {
		s.health[n].off.Store(true)
		s.someOff.Store(true)
	}
}

// NewSet compiles rules. One that is wrong keeps the whole set from being made: the error joins an *Invalid
// for each. The rules are copied shallowly and must not be changed afterwards.
func NewSet(version string, rules []Rule, house House) (*Set, error) {
	s := &Set{Version: version, house: house, byKind: map[TriggerKind][]int32{}, reads: make([]bool, len(attributes))}
	var wrong []error
	seen := map[string]bool{}
	for _, r := range rules {
		m, problems := newMember(&r, &s.house)
		if seen[r.ID] {
			problems = append(problems, Problem{Field: "id", Text: "two rules have it", Mend: "each rule has an id of its own"})
		}
		seen[r.ID] = true
		if len(problems) > 0 {
			wrong = append(wrong, &Invalid{Rule: r.ID, Problems: problems})
			continue
		}
		s.members = append(s.members, *m)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	slices.SortStableFunc(s.members, func(a, b member) int {
		return cmp.Or(cmp.Compare(b.rule.Priority, a.rule.Priority), cmp.Compare(a.rule.ID, b.rule.ID))
	})
	numbers := map[string]int32{}
	for n := range s.members {
		s.add(int32(n), numbers)
	}
	s.lean = newLean(s.members)
	s.health = make([]health, len(s.members))
	words := (len(s.members) + 63) / 64
	s.pool.New = func() any {
		return &Request{set: s, memo: make([]truth, len(s.parts)), answers: make([]answer, len(s.asked)), active: make([]bool, len(s.members)), counts: make([]uint32, len(s.members)),
			reached: make([]reached, len(s.members)), everywhere: make([]uint64, words), hits: make([]uint64, words)}
	}
	return s, nil
}

// add joins one member to the set's parts and index.
func (s *Set) add(n int32, numbers map[string]int32) {
	m := &s.members[n]
	kind := cmp.Or(m.rule.Trigger.Kind, OnAnswer)
	s.byKind[kind] = append(s.byKind[kind], n)
	m.personal = m.formula.personal() || m.rule.Trigger.purpose() != ""
	if m.named {
		s.naming = append(s.naming, n)
	}
	m.acts = slices.ContainsFunc(m.rule.Then, func(a Action) bool { return a.Kind != Say && a.Kind != Remind && !a.gives() }) || m.formula.aboutCandidate()
	m.gives = !slices.ContainsFunc(m.rule.Then, func(a Action) bool { return !a.gives() })
	s.caps = s.caps || slices.ContainsFunc(m.rule.Then, func(a Action) bool { return a.Kind == Cap })
	for _, number := range m.formula.uses {
		s.reads[number] = true
	}
	for a := range m.rule.Then {
		for _, words := range m.rule.Then[a].Text {
			for _, found := range placeholder.FindAllStringSubmatch(words, -1) {
				if number, ok := byName[found[1]]; ok {
					s.reads[number] = true
				}
			}
		}
	}
	for _, t := range m.formula.terms {
		if t.candidate {
			part, ok := numbers[t.text]
			if !ok {
				part = int32(len(s.asked))
				numbers[t.text] = part
				s.asked = append(s.asked, t.condition)
			}
			m.candidate = append(m.candidate, part)
			continue
		}
		part, ok := numbers[t.text]
		if !ok {
			part = int32(len(s.parts))
			numbers[t.text] = part
			s.parts = append(s.parts, t.condition)
		}
		m.scene = append(m.scene, part)
	}
	if m.formula.keys == nil {
		return
	}
	m.keyed = true
	once := map[key]bool{}
	for _, k := range m.formula.keys {
		if !once[k] {
			once[k] = true
			s.index.add(k, n)
		}
	}
}

// Reads tells whether any rule reads an attribute, in its condition or in its words. Whoever makes a scene need not
// work out the others.
func (s *Set) Reads(attribute string) bool {
	number, ok := byName[attribute]
	return ok && s != nil && s.reads[number]
}

// Caps tells whether any rule caps.
func (s *Set) Caps() bool { return s.caps }

// Waits tells whether any rule waits for a kind of trigger.
func (s *Set) Waits(kind TriggerKind) bool { return s != nil && len(s.byKind[kind]) > 0 }

// Rules lists the rules, the first goes first. They are shared: nobody may change them.
func (s *Set) Rules() []*Rule {
	rules := make([]*Rule, len(s.members))
	for n := range s.members {
		rules[n] = s.members[n].rule
	}
	return rules
}

// Health is what a rule came to since its set was made.
type Health struct {
	Matched uint64 // scenes without, or candidates with a candidate part, for which it held
	Faulted uint64 // evaluations that failed, such as a division by zero; a value that is not known is no fault
	Off     bool   // it failed in too many requests, and is not asked any more
}

// Health tells what each rule came to, by id.
func (s *Set) Health() map[string]Health {
	if s == nil {
		return nil
	}
	all := make(map[string]Health, len(s.members))
	for n := range s.members {
		all[s.members[n].rule.ID] = Health{s.health[n].matched.Load(), s.health[n].faulted.Load(), s.health[n].off.Load()}
	}
	return all
}

// Request is one scene before a set's rules. It belongs to one goroutine, until Release.
type Request struct {
	set   *Set
	frame frame
	guard Guard
	// glances: nothing is counted in the health of the set.
	glances bool
	memo    []truth // of the set's parts, shifted; see part
	// answers are those of the candidate parts, for the candidate with the number now: others are of an earlier one.
	answers []answer
	now     uint32
	active  []bool // by member: its scene part holds

	reached    []reached // by member: how far its scene parts came
	held       []held
	asks       bool     // an active rule does something with candidates
	everywhere []uint64 // a bit for each member that is active, without a candidate part
	open       []int32  // active, with a candidate part that no index knows
	keyed      int      // active ones that the index finds
	hits       []uint64 // a bit for each member that matches the candidate
	found      []int32
	counts     []uint32 // matches by member, put into its health at the end
	matched    []*Rule
	capped     []Capped
	faulted    []int32 // members that failed
}

type held struct {
	member int32
	hold   Hold
}

// answer is what a candidate part came to for one candidate.
type answer struct {
	candidate uint32 // its number in the life of the request's memory
	truth     truth
}

// memo values: 0 is not evaluated yet, the others are a truth plus evaluated.
const evaluated truth = 1 << 30

// Begin runs the scene parts of all rules that the scene's trigger concerns. guard may be nil: nothing is
// held back then, but by quiet hours. The caller releases the request.
func (s *Set) Begin(scene *Scene, guard Guard) *Request { return s.begin(scene, guard, false) }

// Glance is Begin for a scene that is only thought of: it counts for no rule's health, and switches none off.
func (s *Set) Glance(scene *Scene, guard Guard) *Request { return s.begin(scene, guard, true) }

func (s *Set) begin(scene *Scene, guard Guard, glances bool) *Request {
	r := s.pool.Get().(*Request)
	r.frame.scene, r.guard, r.glances = scene, guard, glances
	if !glances && s.begun.Add(1)%stretch == 0 {
		for n := range s.health {
			s.health[n].failing.Store(0)
		}
	}
	someOff := s.someOff.Load()
	kind := cmp.Or(scene.Trigger.Kind, OnAnswer)
	for _, n := range s.byKind[kind] {
		m := &s.members[n]
		switch {
		case kind != OnAnswer && !m.triggered(&scene.Trigger):
			continue
		case !m.calendar.open(&scene.Moment) || !m.valid(&scene.Moment):
			r.reached[n].outcome = codeNotNow
			continue
		case someOff && s.health[n].off.Load():
			r.held = append(r.held, held{n, SwitchedOff})
			r.reached[n].outcome = codeHeld
			continue
		case !r.holds(n, m):
			continue
		}
		if hold := r.hold(m, kind); hold != Free {
			r.held = append(r.held, held{n, hold})
			r.reached[n].outcome = codeHeld
			continue
		}
		r.active[n] = true
		r.reached[n].outcome = codeActive
		r.asks = r.asks || m.acts
		switch {
		case len(m.candidate) == 0 && m.gives:
			r.counts[n]++
		case len(m.candidate) == 0:
			r.everywhere[n/64] |= 1 << (n % 64)
			r.counts[n]++
		case m.keyed:
			r.keyed++
		default:
			r.open = append(r.open, n)
		}
	}
	return r
}

// triggered tells whether a happening is the one that the rule waits for.
func (m *member) triggered(h *Happening) bool {
	t := &m.rule.Trigger
	return (t.Crossing == "" || t.Crossing == h.Crossing) && (t.Geofence == "" || t.Geofence == h.Geofence) &&
		(t.GeofenceTag == "" || slices.Contains(h.GeofenceTags, t.GeofenceTag)) && (t.Event == "" || t.Event == h.Event) &&
		(t.Kind != OnSchedule || h.Rule == m.rule.ID)
}

// holds runs a rule's scene parts until one does not hold.
func (r *Request) holds(n int32, m *member) bool {
	for i, number := range m.scene {
		t := r.memo[number]
		if t == 0 {
			t = r.set.parts[number](&r.frame) + evaluated
			r.memo[number] = t
		}
		if t != yes+evaluated {
			r.fault(n, t-evaluated)
			r.reached[n] = reached{outcome: codeOf(t - evaluated), part: uint16(i)}
			return false
		}
	}
	return true
}

// Asks tells whether Candidate has anything to say in this request.
func (r *Request) Asks() bool { return r.asks }

// fault counts a fault. What is not known is an answer, not a fault.
func (r *Request) fault(n int32, t truth) {
	if t >= 0 || t.fault() >= unknown || r.glances {
		return
	}
	r.set.health[n].faulted.Add(1)
	if !slices.Contains(r.faulted, n) {
		r.faulted = append(r.faulted, n)
	}
}

func (r *Request) hold(m *member, kind TriggerKind) Hold {
	if m.isQuiet && kind != OnAnswer && m.quiet.quiet(r.frame.scene.Moment.Minute) {
		return HeldByQuiet
	}
	if r.guard != nil {
		return r.guard.Hold(m.rule, r.frame.scene)
	}
	return Free
}

// Release gives the request's memory back. What Candidate put into effects is not valid any more.
func (r *Request) Release() {
	for n, count := range r.counts {
		if count == 0 {
			continue
		}
		r.counts[n] = 0
		if !r.glances {
			r.set.health[n].matched.Add(uint64(count))
		}
	}
	for _, n := range r.faulted {
		r.set.failed(n)
	}
	clear(r.memo)
	clear(r.active)
	clear(r.reached)
	clear(r.matched)
	clear(r.capped)
	r.frame, r.guard = frame{}, nil
	clear(r.everywhere)
	r.held, r.open = r.held[:0], r.open[:0]
	r.matched, r.capped, r.faulted, r.keyed, r.asks = r.matched[:0], r.capped[:0], r.faulted[:0], 0, false
	r.set.pool.Put(r)
}

// Includes appends the items that rules want among the candidates, the first rule's first.
func (r *Request) Includes(items []string) []string {
	for n, on := range r.active {
		if !on {
			continue
		}
		for a := range r.set.members[n].rule.Then {
			items = append(items, r.set.members[n].rule.Then[a].Items...)
		}
	}
	return items
}

// Said is a message or a reminder of a rule, to be filled in and shown.
type Said struct {
	Rule   *Rule
	Action *Action // Say or Remind
}

// Says appends the messages and reminders of rules that ask about no candidate, the first rule's first.
func (r *Request) Says(said []Said) []Said {
	for n := range each(r.everywhere) {
		rule := r.set.members[n].rule
		for a := range rule.Then {
			if k := rule.Then[a].Kind; k == Say || k == Remind {
				said = append(said, Said{rule, &rule.Then[a]})
			}
		}
	}
	return said
}

// Effect is what the rules do with one candidate.
type Effect struct {
	Factor  float64 // of the score; 1: nothing
	Pin     int     // position from 1; 0: none
	Include bool    // it stays, whatever its score
	Exclude bool
	Price   who.Money // after the offer; as the candidate's without one
	Offer   *Offer    // nil: none
	OfferBy *Rule     // whose offer it is
	// Personal says that the price depends on what is known of the shopper, which has to be told.
	Personal bool
	Held     Hold     // why an offer that matched was not made
	Say      Said     // nil Rule: nothing is said
	Caps     []Capped // that the candidate counts for; valid until Release
	Matched  []*Rule  // that did or would have done something, the first goes first; valid until Release
}

// Capped is a cap that a candidate counts for. Whoever makes the list counts the candidates of each Action
// (and of each category, where PerCategory says so) and shows at most Most.
type Capped struct {
	Rule   *Rule
	Action *Action
}

// Candidate says what the rules do with a candidate. Each rule for which it holds acts in order; of contrary
// wishes (pins, offers, messages, to include and to exclude) the first one counts, factors multiply.
func (r *Request) Candidate(c *Candidate, e *Effect) {
	*e = Effect{Factor: 1, Price: c.Price}
	r.frame.candidate = c
	if r.now++; r.now == 0 {
		clear(r.answers)
		r.now = 1
	}
	hits := r.hits
	copy(hits, r.everywhere)
	for _, n := range r.open {
		if r.matches(n) {
			hits[n/64] |= 1 << (n % 64)
		}
	}
	if r.keyed > 0 {
		r.found = r.set.index.find(r.found[:0], c)
		for _, n := range r.found {
			if r.active[n] && hits[n/64]&(1<<(n%64)) == 0 && r.matches(n) {
				hits[n/64] |= 1 << (n % 64)
			}
		}
	}
	l := &r.set.lean
	rules, caps := len(r.matched), len(r.capped)
	for w, word := range hits {
		for ; word != 0; word &= word - 1 {
			n := w*64 + bits.TrailingZeros64(word)
			if l.from[n] < l.from[n+1] {
				r.counts[n]++
			}
			r.matched = append(r.matched, l.rules[n])
			if factor := l.factor[n]; factor > 0 {
				e.Factor *= factor
			} else {
				r.apply(&r.set.members[n], c, e)
			}
		}
	}
	if len(r.matched) == rules {
		return
	}
	e.Matched = r.matched[rules:len(r.matched):len(r.matched)]
	e.Caps = r.capped[caps:len(r.capped):len(r.capped)]
	e.Factor = min(max(e.Factor, 1./MaxFactor), MaxFactor)
}

// each calls yield with the numbers of the bits that are set, in order.
func each(set []uint64) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for w, word := range set {
			for ; word != 0; word &= word - 1 {
				if !yield(w*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// matches runs a rule's candidate parts.
func (r *Request) matches(n int32) bool {
	l := &r.set.lean
	for _, part := range l.parts[l.from[n]:l.from[n+1]] {
		a := &r.answers[part]
		if a.candidate != r.now {
			*a = answer{r.now, r.set.asked[part](&r.frame)}
		}
		if a.truth != yes {
			r.fault(n, a.truth)
			return false
		}
	}
	return true
}

func (r *Request) apply(m *member, c *Candidate, e *Effect) {
	for i := range m.rule.Then {
		a := &m.rule.Then[i]
		switch a.Kind {
		case Boost, Bury:
			e.Factor *= a.Factor
		case Pin:
			if e.Pin == 0 {
				e.Pin = a.Position
			}
		case Include:
			if !e.Exclude && slices.Contains(a.Items, c.Item) {
				e.Include = true
			}
		case Exclude:
			e.Exclude = e.Exclude || !e.Include
		case Cap:
			r.capped = append(r.capped, Capped{m.rule, a})
		case Price:
			if e.Offer != nil {
				continue
			}
			price, hold := a.Offer.lower(c.Price, c.Cost, &r.set.house)
			switch {
			case hold != Free:
				e.Held = hold
			case price.Minor < c.Price.Minor:
				e.Price, e.Offer, e.OfferBy, e.Personal = price, a.Offer, m.rule, m.personal
			}
		case Say, Remind:
			if e.Say.Rule == nil && len(m.candidate) > 0 {
				e.Say = Said{m.rule, a}
			}
		}
	}
}

// Outcome is what a rule came to in a request.
type Outcome string

const (
	Matched     Outcome = "matched"
	NotAsked    Outcome = "trigger"   // something else happened
	NotNow      Outcome = "schedule"  // its schedule is closed
	NotTrue     Outcome = "condition" // a part is false
	NotKnown    Outcome = "unknown"   // a part asks for what is not known
	Faulted     Outcome = "fault"     // a part failed
	HeldBack    Outcome = "held"      // see Hold
	NoCandidate Outcome = "candidate" // its scene part holds; ask with a candidate
)

// Verdict says what a rule came to, and why.
type Verdict struct {
	Rule    *Rule
	Outcome Outcome
	Hold    Hold
	Parts   []Part
}

// Part is one of the parts of a condition that must all hold.
type Part struct {
	Text   string
	Holds  bool
	Fault  string         // why it is neither true nor false; empty otherwise
	Values map[string]any // of the attributes that it reads; those not known are left out
	Reads  []string       // the names of these attributes
}

// Why tells of every rule what it came to, for the scene alone (nil) or for a candidate, with the values that
// each part of its condition saw. It runs the same closures again and counts nothing.
func (r *Request) Why(c *Candidate) []Verdict {
	r.frame.candidate = c
	kind := cmp.Or(r.frame.scene.Trigger.Kind, OnAnswer)
	verdicts := make([]Verdict, len(r.set.members))
	for n := range r.set.members {
		m := &r.set.members[n]
		v := &verdicts[n]
		v.Rule = m.rule
		switch {
		case cmp.Or(m.rule.Trigger.Kind, OnAnswer) != kind || kind != OnAnswer && !m.triggered(&r.frame.scene.Trigger):
			v.Outcome = NotAsked
			continue
		case !m.calendar.open(&r.frame.scene.Moment) || !m.valid(&r.frame.scene.Moment):
			v.Outcome = NotNow
			continue
		}
		v.Outcome, v.Parts = m.why(&r.frame)
		if i := slices.IndexFunc(r.held, func(h held) bool { return h.member == int32(n) }); i >= 0 {
			v.Outcome, v.Hold = HeldBack, r.held[i].hold
		}
	}
	return verdicts
}

// why runs all parts of a member's condition, also those after one that decided.
func (m *member) why(f *frame) (Outcome, []Part) {
	outcome := Matched
	var parts []Part
	for _, t := range m.formula.terms {
		p := Part{Text: t.text, Values: map[string]any{}}
		if t.candidate && f.candidate == nil {
			if outcome == Matched {
				outcome = NoCandidate
			}
			continue
		}
		result := t.condition(f)
		p.Holds, p.Fault = result == yes, result.fault().String()
		for _, n := range t.uses {
			p.Reads = append(p.Reads, attributes[n].Name)
			if value, known := attributes[n].value(f); known {
				p.Values[attributes[n].Name] = value
			}
		}
		parts = append(parts, p)
		switch fault := result.fault(); {
		case result == no:
			outcome = NotTrue
		case outcome == NotTrue || result == yes:
		case fault < unknown:
			outcome = Faulted
		case outcome != Faulted:
			outcome = NotKnown
		}
	}
	return outcome, parts
}

// Fill puts values into the text of a message: {shopper.tier} becomes what that attribute is. The language is
// a tag of the action's; where there is none, false. A text whose value is not known is not said.
func (a *Action) Fill(tag string, scene *Scene, c *Candidate) (string, bool) {
	words, ok := a.Text[tag]
	if !ok {
		return "", false
	}
	f := frame{scene: scene, candidate: c}
	text := placeholder.ReplaceAllStringFunc(words, func(name string) string {
		number, found := byName[name[1:len(name)-1]]
		if !found {
			ok = false
			return ""
		}
		value, known := attributes[number].value(&f)
		ok = ok && known
		return fmt.Sprint(value)
	})
	return text, ok
}

// Languages lists those of a text, in order.
func (a *Action) Languages() []string { return slices.Sorted(maps.Keys(a.Text)) }
