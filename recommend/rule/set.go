package rule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
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
	reads   []bool   // by attribute: a rule reads it
	caps    bool     // a rule caps
	health  []health // by member
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
	personal  bool    // its condition reads what is known of the shopper
}

// health counts what a rule came to.
type health struct{ matched, faulted atomic.Uint64 }

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
	s.health = make([]health, len(s.members))
	s.pool.New = func() any {
		return &Request{set: s, memo: make([]truth, len(s.parts)), answers: make([]answer, len(s.asked)), active: make([]bool, len(s.members)), counts: make([]uint32, len(s.members)),
			reached: make([]reached, len(s.members))}
	}
	return s, nil
}

// add joins one member to the set's parts and index.
func (s *Set) add(n int32, numbers map[string]int32) {
	m := &s.members[n]
	kind := cmp.Or(m.rule.Trigger.Kind, OnAnswer)
	s.byKind[kind] = append(s.byKind[kind], n)
	m.personal = m.formula.personal()
	m.acts = slices.ContainsFunc(m.rule.Then, func(a Action) bool { return a.Kind != Say && a.Kind != Remind }) || m.formula.aboutCandidate()
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
}

// Health tells what each rule came to, by id.
func (s *Set) Health() map[string]Health {
	all := make(map[string]Health, len(s.members))
	for n := range s.members {
		all[s.members[n].rule.ID] = Health{s.health[n].matched.Load(), s.health[n].faulted.Load()}
	}
	return all
}

// Request is one scene before a set's rules. It belongs to one goroutine, until Release.
type Request struct {
	set   *Set
	frame frame
	guard Guard
	memo  []truth // of the set's parts, shifted; see part
	// answers are those of the candidate parts, for the candidate with the number now: others are of an earlier one.
	answers []answer
	now     uint32
	active  []bool // by member: its scene part holds

	reached    []reached // by member: how far its scene parts came
	held       []held
	asks       bool    // an active rule does something with candidates
	everywhere []int32 // active, without a candidate part
	open       []int32 // active, with a candidate part that no index knows
	keyed      int     // active ones that the index finds
	hits       []int32
	found      []int32
	counts     []uint32 // matches by member, put into its health at the end
	matched    []*Rule
	capped     []Capped
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
func (s *Set) Begin(scene *Scene, guard Guard) *Request {
	r := s.pool.Get().(*Request)
	r.frame.scene, r.guard = scene, guard
	kind := cmp.Or(scene.Trigger.Kind, OnAnswer)
	for _, n := range s.byKind[kind] {
		m := &s.members[n]
		switch {
		case kind != OnAnswer && !m.triggered(&scene.Trigger):
			continue
		case !m.calendar.open(&scene.Moment):
			r.reached[n].outcome = codeNotNow
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
		case len(m.candidate) == 0:
			r.everywhere = append(r.everywhere, n)
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
			r.set.fault(n, t-evaluated)
			r.reached[n] = reached{outcome: codeOf(t - evaluated), part: uint16(i)}
			return false
		}
	}
	return true
}

// Asks tells whether Candidate has anything to say in this request.
func (r *Request) Asks() bool { return r.asks }

// fault counts a fault. What is not known is an answer, not a fault.
func (s *Set) fault(n int32, t truth) {
	if t < 0 && t.fault() < unknown {
		s.health[n].faulted.Add(1)
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
		if count > 0 {
			r.set.health[n].matched.Add(uint64(count))
			r.counts[n] = 0
		}
	}
	clear(r.memo)
	clear(r.active)
	clear(r.reached)
	clear(r.matched)
	clear(r.capped)
	r.frame, r.guard = frame{}, nil
	r.held, r.everywhere, r.open, r.hits = r.held[:0], r.everywhere[:0], r.open[:0], r.hits[:0]
	r.matched, r.capped, r.keyed, r.asks = r.matched[:0], r.capped[:0], 0, false
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
	for _, n := range r.everywhere {
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
	hits := append(r.hits[:0], r.everywhere...)
	for _, n := range r.open {
		if r.matches(n) {
			hits = insert(hits, n)
		}
	}
	if r.keyed > 0 {
		r.found = r.set.index.find(r.found[:0], c)
		for _, n := range r.found {
			if r.active[n] && r.matches(n) {
				hits = insert(hits, n)
			}
		}
	}
	r.hits = hits
	if len(hits) == 0 {
		return
	}
	rules, caps := len(r.matched), len(r.capped)
	for _, n := range hits {
		m := &r.set.members[n]
		if len(m.candidate) > 0 {
			r.counts[n]++
		}
		r.matched = append(r.matched, m.rule)
		r.apply(m, c, e)
	}
	e.Matched = r.matched[rules:len(r.matched):len(r.matched)]
	e.Caps = r.capped[caps:len(r.capped):len(r.capped)]
	e.Factor = min(max(e.Factor, 1./MaxFactor), MaxFactor)
}

// insert puts a member into hits, which are in order and come nearly so, unless it is there.
func insert(hits []int32, n int32) []int32 {
	i := len(hits)
	for i > 0 && hits[i-1] > n {
		i--
	}
	if i > 0 && hits[i-1] == n {
		return hits
	}
	hits = append(hits, n)
	copy(hits[i+1:], hits[i:])
	hits[i] = n
	return hits
}

// matches runs a rule's candidate parts.
func (r *Request) matches(n int32) bool {
	for _, part := range r.set.members[n].candidate {
		a := &r.answers[part]
		if a.candidate != r.now {
			*a = answer{r.now, r.set.asked[part](&r.frame)}
		}
		if a.truth != yes {
			r.set.fault(n, a.truth)
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
		case Say:
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
		case !m.calendar.open(&r.frame.scene.Moment):
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
