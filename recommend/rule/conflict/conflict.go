// Package conflict finds rules of a set that get in each other's way, or in their own: what can never match, what always does, what
// another rule leaves nothing to do, what wants the contrary, campaigns that overlap, and limits that promise more than the budget.
//
// It exists because a product team cannot see that from reading two hundred rules, and stops reading warnings that are not true. So
// nothing is reported from the look of a condition: each report has a scene, which the engine that answers calls was asked about before
// the report was made. What is said of all scenes (never, always, shadowed) is said only where conditions compare with constants, so
// that one value of each stretch between two constants is all there is to try; what calculates is tried, but nothing is concluded from
// not finding. Decided against: an SMT solver (a dependency for what some masks and a short search do).
package conflict

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/recommend/rule"
)

// Kind is what is odd.
type Kind string

const (
	Never         Kind = "never_matching"
	Always        Kind = "always_matching"
	Shadowed      Kind = "shadowed"
	Budget        Kind = "budget_exceeding"
	Overlap       Kind = "schedule_overlapping"
	Contradictory Kind = "contradictory"
)

// Kinds lists all kinds, the gravest first: reports come in this order.
var Kinds = []Kind{Never, Shadowed, Budget, Always, Overlap, Contradictory}

// Conflict is one report.
type Conflict struct {
	Kind  Kind
	Rules []string // ids; of two the one that goes first
	Text  string   // what is found, in a sentence
	Mend  string   // what would help
	// Scene shows it, with Candidate where a rule asks about one.
	Scene     rule.Scene
	Candidate *rule.Candidate
	Times     int // Budget: how often the scene has to come until the budget refuses
	// Verdicts are what the rules come to in the scene, part by part.
	Verdicts []rule.Verdict
}

// Options of a search.
type Options struct {
	House rule.House // as the rules are checked against
	Now   time.Time  // what was over before is not looked at
	// Goods are all that can be suggested: rules conflict over what there is. Empty: over whatever there might be.
	Goods        []rule.Candidate
	MinorPerUnit int64 // of the currency; 0: 100
	Steps        int   // bounds the work, in conditions that are tried; 0: DefaultSteps
	Most         int   // of reports; 0: DefaultMost
	// Only are the rules that each report has to be about, by id: those that changed. Nil: all.
	Only map[string]bool
}

// Bounds of a search.
const (
	DefaultSteps = 30_000_000 // some seconds
	DefaultMost  = 500
)

// Report is what a search found.
type Report struct {
	Conflicts []Conflict
	// More says that the bounds were met: there may be more.
	More bool
}

// Find looks for conflicts among rules, which must be right ones. Times are UTC's: a schedule runs by the clock of each store.
func Find(ctx context.Context, rules []rule.Rule, options Options) (*Report, error) {
	if options.MinorPerUnit == 0 {
		options.MinorPerUnit = 100
	}
	if options.Steps == 0 {
		options.Steps = DefaultSteps
	}
	if options.Most == 0 {
		options.Most = DefaultMost
	}
	set, err := rule.NewSet("", rules, options.House)
	if err != nil {
		return nil, err
	}
	report := &Report{Conflicts: []Conflict{}}
	goods := options.Goods
	options.Goods = nil
	h, err := newHunt(set, options, report)
	if err != nil {
		return nil, err
	}
	for _, m := range h.members {
		if h.asked(m) {
			h.alone(m, true)
		}
	}
	if len(goods) > 0 { // from here on it matters what there is
		options.Goods, options.Steps = goods, h.space.steps
		over, err := newHunt(set, options, report)
		if err != nil {
			return nil, err
		}
		for n, m := range over.members {
			if m.dead = h.members[n].dead; !m.dead && h.asked(m) {
				over.alone(m, false)
			}
		}
		h = over
	}
	for _, m := range h.members {
		if h.asked(m) {
			h.budget(m)
		}
	}
	for i, first := range h.members {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, second := range h.members[i+1:] {
			if h.asked(first) || h.asked(second) {
				h.pair(first, second)
			}
			if h.space.steps < 0 || len(report.Conflicts) >= options.Most {
				report.More = true
				break
			}
		}
	}
	slices.SortStableFunc(report.Conflicts, func(a, b Conflict) int { return slices.Index(Kinds, a.Kind) - slices.Index(Kinds, b.Kind) })
	return report, h.err
}

// asked tells whether a report about a rule is wanted.
func (h *hunt) asked(m *member) bool { return h.options.Only == nil || h.options.Only[m.rule.ID] }

// newHunt takes the rules of a set apart.
func newHunt(set *rule.Set, options Options, report *Report) (*hunt, error) {
	h := &hunt{options: &options, report: report, byText: map[string]*test{}}
	for _, r := range set.Rules() { // in the order in which they go
		m, err := h.newMember(r)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.ID, err)
		}
		h.members = append(h.members, m)
	}
	h.space = newSpace(h.tests, &options)
	return h, nil
}

// hunt is one search.
type hunt struct {
	options *Options
	space   *space
	members []*member
	tests   []*test
	byText  map[string]*test
	report  *Report
	err     error
}

// member is one rule of the hunt.
type member struct {
	rule  *rule.Rule
	kind  rule.TriggerKind
	goals []goal // all that must hold for it to act: parts of the condition, the trigger, the schedule, no quiet hours
	parts int    // how many of the goals are parts of the condition
	dead  bool   // it never matches
}

// about tells whether it asks about the candidate.
func (m *member) about() bool {
	return slices.ContainsFunc(m.goals, func(g goal) bool { return g.test.about })
}

func moneyOf(minor int64) who.Money { return who.Money{Minor: minor, Known: true} }

// newMember takes a rule apart.
func (h *hunt) newMember(r *rule.Rule) (*member, error) {
	m := &member{rule: r, kind: r.Trigger.Kind}
	if m.kind == "" {
		m.kind = rule.OnAnswer
	}
	clauses, err := rule.Clauses(r.When)
	if err != nil {
		return nil, err
	}
	for i := range clauses {
		c := &clauses[i]
		m.add(h, &test{text: c.Text, reads: c.Reads, compared: c.Compared, exact: c.Exact, about: c.Candidate,
			holds: func(s *stage) bool { return c.Holds(&s.scene, &s.candidate) }})
	}
	m.parts = len(m.goals)
	for _, named := range [...]struct{ attribute, text string }{
		{"crossing.kind", r.Trigger.Crossing}, {"crossing.geofence", r.Trigger.Geofence}, {"event.kind", r.Trigger.Event},
	} {
		if named.text != "" {
			if err := m.addClause(h, fmt.Sprintf("%s == %q", named.attribute, named.text)); err != nil {
				return nil, err
			}
		}
	}
	if tag := r.Trigger.GeofenceTag; tag != "" {
		if err := m.addClause(h, fmt.Sprintf("%q in crossing.tags", tag)); err != nil {
			return nil, err
		}
	}
	m.schedule(h)
	for i := range r.Then { // items that are included are worth to be tried
		for _, item := range r.Then[i].Items {
			h.tests = append(h.tests, &test{compared: []rule.Compared{{Attribute: "candidate.item", Text: item}}})
		}
	}
	return m, nil
}

func (m *member) addClause(h *hunt, text string) error {
	clauses, err := rule.Clauses(text)
	if err != nil {
		return err
	}
	c := &clauses[0]
	m.add(h, &test{text: c.Text, reads: c.Reads, compared: c.Compared, exact: c.Exact, holds: func(s *stage) bool { return c.Holds(&s.scene, nil) }})
	return nil
}

// add gives the member a test, the one that other rules have as well where there is one.
func (m *member) add(h *hunt, t *test) {
	if same, ok := h.byText[t.text]; ok {
		t = same
	} else {
		h.byText[t.text] = t
		h.tests = append(h.tests, t)
	}
	m.goals = append(m.goals, goal{t, true})
}

// schedule makes tests of the schedule: of its days, its hours and its holidays, each of which one field decides.
func (m *member) schedule(h *hunt) {
	whole := m.rule.Schedule
	for _, part := range [...]struct {
		name, reads string
		schedule    rule.Schedule
		is          bool
	}{
		{"days", "moment.date", rule.Schedule{From: whole.From, Until: whole.Until, Weekdays: whole.Weekdays}, whole.From != "" || whole.Until != "" || len(whole.Weekdays) > 0},
		{"hours", "moment.minute", rule.Schedule{Hours: whole.Hours}, len(whole.Hours) > 0},
		{"holidays", "moment.holiday", rule.Schedule{Holidays: whole.Holidays}, whole.Holidays != rule.HolidaysToo},
	} {
		if !part.is {
			continue
		}
		t := &test{text: fmt.Sprintf("schedule, %s: %s", part.name, worded(&part.schedule)), reads: []string{part.reads}, exact: true}
		opens := part.schedule.Opens()
		t.holds = func(s *stage) bool { return opens(&s.scene.Moment) }
		for _, date := range [...]string{whole.From, whole.Until} {
			if at, err := time.Parse(time.DateOnly, date); err == nil {
				t.compared = append(t.compared, rule.Compared{Attribute: dateField, As: rule.WithNumber, Number: float64(at.Unix())})
			}
		}
		m.add(h, t)
	}
	if quiet := m.rule.Guards.Quiet; m.kind != rule.OnAnswer && quiet != (rule.Hours{}) {
		m.add(h, &test{text: fmt.Sprintf("outside of the quiet hours from %s to %s", quiet.From, quiet.Until), reads: []string{"moment.minute"}, exact: true,
			holds: func(s *stage) bool { return !quiet.Holds(s.scene.Moment.Minute) }})
	}
}

// worded is a schedule in words.
func worded(s *rule.Schedule) string {
	var words []string
	if s.From != "" {
		words = append(words, "from "+s.From)
	}
	if s.Until != "" {
		words = append(words, "until "+s.Until)
	}
	words = append(words, s.Weekdays...)
	for _, h := range s.Hours {
		words = append(words, h.From+" to "+h.Until)
	}
	if s.Holidays != "" {
		words = append(words, "holidays: "+string(s.Holidays))
	}
	return strings.Join(words, " ")
}

// begin is the scene in which a search for a rule starts.
func (h *hunt) begin(m *member) *stage {
	at := h.space.begin
	at.scene.Trigger.Kind = m.kind
	switch m.kind {
	case rule.OnCrossing:
		at.scene.Trigger.Crossing, at.scene.Trigger.Geofence = "enter", another
	case rule.OnEvent:
		at.scene.Trigger.Event = string(who.EventKinds[0])
	case rule.OnSchedule:
		at.scene.Trigger.Rule = m.rule.ID
	}
	return &at
}

// alone looks for what is odd about one rule.
func (h *hunt) alone(m *member, always bool) {
	at, result := h.space.solve(m.goals, h.begin(m))
	switch result {
	case none:
		m.dead = true
		h.never(m)
		return
	case found:
		if always {
			h.always(m, &at)
		}
	}
}

// never reports a rule that no scene can match, with one in which all but one part hold.
func (h *hunt) never(m *member) {
	// The fewest parts that exclude each other: one after the other is left out as long as no scene is left.
	core := slices.Clone(m.goals)
	for i := 0; i < len(core) && len(core) > 1; {
		fewer := slices.Delete(slices.Clone(core), i, i+1)
		if _, result := h.space.solve(fewer, h.begin(m)); result == none {
			core = fewer
		} else {
			i++
		}
	}
	// The scene: all that can hold with one of these left out.
	at := *h.begin(m)
	for drop := range core {
		others := slices.DeleteFunc(slices.Clone(m.goals), func(g goal) bool { return g.test == core[drop].test })
		if now, result := h.space.solve(others, h.begin(m)); result == found {
			at = now
			break
		}
	}
	texts := make([]string, len(core))
	for i := range core {
		texts[i] = core[i].test.text
	}
	c := Conflict{Kind: Never, Rules: []string{m.rule.ID}, Mend: "take one of them out"}
	switch onGoods := len(h.options.Goods) > 0 && !slices.ContainsFunc(core, func(g goal) bool { return !h.isGoods(g.test) }); {
	case onGoods:
		c.Text, c.Mend = fmt.Sprintf("nothing in the catalogue is %s", strings.Join(texts, " and ")), "look the values up in the catalogue"
	case len(core) == 1:
		c.Text, c.Mend = fmt.Sprintf("it can never be that %s", texts[0]), "look at the values that there are"
	default:
		c.Text = fmt.Sprintf("it can never be that %s at the same time", strings.Join(texts, " and "))
	}
	h.tell(c, &at, m)
}

// isGoods tells whether a test asks for what the catalogue decides alone.
func (h *hunt) isGoods(t *test) bool {
	return len(t.fields) == 1 && t.fields[0] == h.space.at(goodsField)
}

// always reports a condition that holds wherever what it reads is known.
func (h *hunt) always(m *member, at *stage) {
	if m.parts == 0 || strings.TrimSpace(m.rule.When) == "true" {
		return
	}
	for _, g := range m.goals[:m.parts] {
		known := make([]goal, 0, len(g.test.fields)+1)
		for _, n := range g.test.fields {
			known = append(known, goal{h.known(n), true})
		}
		if _, result := h.space.solve(append(known, goal{g.test, false}), h.begin(m)); result != none {
			return
		}
	}
	h.tell(Conflict{Kind: Always, Rules: []string{m.rule.ID},
		Text: fmt.Sprintf("the condition holds whatever the scene is, as long as what it asks for is known: %s", m.rule.When),
		Mend: "leave it out, or ask with has( ) whether a value is known"}, at, m)
}

// known is the test that a field has a value; of those that always have one it holds.
func (h *hunt) known(n int) *test {
	f := &h.space.fields[n]
	t := &test{fields: []int{n}, exact: true, holds: func(*stage) bool { return true }}
	if f.list {
		return t
	}
	t.mask = make([]uint64, (len(f.choices)+63)/64)
	for i, v := range f.choices {
		unknown := !v.known && (i == len(f.choices)-1) && h.optional(f.name)
		controls := (f.name == "place.known" || f.name == "shopper.known") && v.number == 0 || f.name == "place.store" && v.text == ""
		if !unknown && !controls {
			t.mask[i/64] |= 1 << (i % 64)
		}
	}
	return t
}

func (h *hunt) optional(name string) bool {
	return slices.ContainsFunc(rule.Attributes(), func(a rule.Attribute) bool { return a.Name == name && a.Optional })
}

// budget reports limits that promise more than the budget holds.
func (h *hunt) budget(m *member) {
	guards := &m.rule.Guards
	if guards.BudgetMinor <= 0 || m.dead {
		return
	}
	i := slices.IndexFunc(m.rule.Then, func(a rule.Action) bool { return a.Kind == rule.Price })
	if i < 0 {
		return
	}
	at, least, ok := h.dearest(m, m.rule.Then[i].Offer)
	if !ok || least <= 0 {
		return
	}
	days := 1
	if from, err := time.Parse(time.DateOnly, m.rule.Schedule.From); err == nil {
		if until, err := time.Parse(time.DateOnly, m.rule.Schedule.Until); err == nil {
			days = int(until.Sub(from)/(24*time.Hour)) + 1
		}
	}
	often := guards.PerDay * days
	switch {
	case least > guards.BudgetMinor:
		h.tell(Conflict{Kind: Budget, Rules: []string{m.rule.ID}, Times: 1,
			Text: fmt.Sprintf("one reduction of %d is more than the whole budget of %d: the offer is not made there", least, guards.BudgetMinor),
			Mend: "raise the budget, or take off less"}, &at, m)
	case often > 0 && int64(often) > guards.BudgetMinor/least:
		h.tell(Conflict{Kind: Budget, Rules: []string{m.rule.ID}, Times: int(guards.BudgetMinor/least) + 1,
			Text: fmt.Sprintf("%d times in %d days are allowed, but of reductions of %d the budget of %d holds %d", often, days, least, guards.BudgetMinor, guards.BudgetMinor/least),
			Mend: "raise the budget, or allow fewer times a day"}, &at, m)
	}
}

// dearest is the scene in which an offer takes most off.
func (h *hunt) dearest(m *member, o *rule.Offer) (at stage, off int64, ok bool) {
	try := func(now stage) {
		set, err := h.set(m)
		if err != nil {
			h.err = err
			return
		}
		e := ask(set, &now)
		if e.offer == nil {
			return
		}
		if less := now.candidate.Price.Minor - e.price.Minor; less > off {
			at, off, ok = now, less, true
		}
	}
	if goods := h.space.at(goodsField); goods >= 0 {
		best := slices.Clone(h.space.fields[goods].choices)
		slices.SortStableFunc(best, func(a, b value) int { return int(b.goods.Price.Minor - a.goods.Price.Minor) })
		tries := 0
		for _, v := range best { // from the dearest on: what an offer takes off grows with the price, or does not
			only := &test{fields: []int{goods}, exact: true, mask: make([]uint64, (len(best)+63)/64)}
			for i := range h.space.fields[goods].choices {
				if h.space.fields[goods].choices[i].goods == v.goods {
					only.mask[i/64] |= 1 << (i % 64)
				}
			}
			if now, result := h.space.solve(append(slices.Clone(m.goals), goal{only, true}), h.begin(m)); result == found {
				if try(now); ok {
					return at, off, ok
				}
			}
			if tries++; tries == 50 {
				break
			}
		}
		return at, off, ok
	}
	now, result := h.space.solve(m.goals, h.begin(m))
	if result != found || o.MinorOff == 0 && !h.asks(m, "candidate.price") {
		return at, 0, false // a made-up price proves nothing
	}
	try(now)
	// Where the condition leaves the price open, it may be any of those that rules name.
	if n := h.space.at("candidate.price"); n >= 0 {
		for i, v := range h.space.fields[n].choices {
			only := &test{fields: []int{n}, exact: true, mask: make([]uint64, (len(h.space.fields[n].choices)+63)/64)}
			only.mask[i/64] |= 1 << (i % 64)
			if !v.known {
				continue
			}
			if now, result := h.space.solve(append(slices.Clone(m.goals), goal{only, true}), h.begin(m)); result == found {
				try(now)
			}
		}
	}
	return at, off, ok
}

// asks tells whether a rule's tests read an attribute.
func (h *hunt) asks(m *member, attribute string) bool {
	return slices.ContainsFunc(m.goals, func(g goal) bool { return slices.Contains(g.test.reads, attribute) })
}

// set compiles some members, as the engine has them.
func (h *hunt) set(members ...*member) (*rule.Set, error) {
	rules := make([]rule.Rule, len(members))
	for i, m := range members {
		rules[i] = *m.rule
	}
	return rule.NewSet("", rules, h.options.House)
}

// effect is what rules do in a scene; what is comparable of rule.Effect.
type effect struct {
	matched          []string
	factor           float64
	pin              int
	include, exclude bool
	price            who.Money
	offer            *rule.Offer
	by, says         string
	caps             int
	active           []string // rules whose scene part holds
}

// ask asks the engine.
func ask(set *rule.Set, at *stage) effect {
	request := set.Begin(&at.scene, nil)
	defer request.Release()
	var e rule.Effect
	request.Candidate(&at.candidate, &e)
	out := effect{factor: e.Factor, pin: e.Pin, include: e.Include, exclude: e.Exclude, price: e.Price, offer: e.Offer, caps: len(e.Caps)}
	if e.OfferBy != nil {
		out.by = e.OfferBy.ID
	}
	if e.Say.Rule != nil {
		out.says = e.Say.Rule.ID
	}
	for _, r := range e.Matched {
		out.matched = append(out.matched, r.ID)
	}
	trace := request.Trace()
	for t := range trace.All {
		if t.Outcome == rule.Matched || t.Outcome == rule.NoCandidate {
			out.active = append(out.active, t.Rule.ID)
		}
	}
	return out
}

// matches tells whether a rule holds: for the candidate where it asks about one, for the scene else.
func (e *effect) matches(m *member) bool {
	if m.about() {
		return slices.Contains(e.matched, m.rule.ID)
	}
	return slices.Contains(e.active, m.rule.ID)
}

// tell keeps a report, if the engine says the same.
func (h *hunt) tell(c Conflict, at *stage, members ...*member) {
	set, err := h.set(members...)
	if err != nil {
		h.err = err
		return
	}
	if !h.reproduces(&c, at, set, members) {
		return
	}
	c.Scene = at.scene
	if slices.ContainsFunc(members, (*member).about) || c.Kind == Budget || len(members) == 2 {
		candidate := at.candidate
		c.Candidate = &candidate
	}
	request := set.Begin(&at.scene, nil)
	c.Verdicts = request.Why(&at.candidate)
	request.Release()
	h.report.Conflicts = append(h.report.Conflicts, c)
}

// reproduces asks the engine whether a report is so.
func (h *hunt) reproduces(c *Conflict, at *stage, set *rule.Set, members []*member) bool {
	e := ask(set, at)
	switch c.Kind {
	case Never:
		return !e.matches(members[0])
	case Always:
		return e.matches(members[0])
	case Budget:
		spent, budget := int64(0), members[0].rule.Guards.BudgetMinor
		for range c.Times {
			if again := ask(set, at); again.offer != nil {
				spent += at.candidate.Price.Minor - again.price.Minor
			}
		}
		return spent > budget
	}
	if !e.matches(members[0]) || !e.matches(members[1]) {
		return false
	}
	if c.Kind == Shadowed {
		shadowing := slices.IndexFunc(members, func(m *member) bool { return m.rule.ID != c.Rules[len(c.Rules)-1] })
		without, err := h.set(members[shadowing])
		if err != nil {
			h.err = err
			return false
		}
		return same(ask(without, at), e)
	}
	var own [2]effect
	for i, m := range members {
		only, err := h.set(m)
		if err != nil {
			h.err = err
			return false
		}
		own[i] = ask(only, at)
	}
	return contrary(&own[0], &own[1]) != ""
}

// same tells whether two effects show a shopper the same.
func same(a, b effect) bool {
	if a.exclude && b.exclude {
		return true
	}
	return a.factor == b.factor && a.pin == b.pin && a.include == b.include && a.exclude == b.exclude && a.price == b.price && a.says == b.says && a.caps == b.caps
}

// contrary says what two rules want contrarily of one candidate; nothing: they go together.
func contrary(a, b *effect) string {
	wants := func(e *effect) bool { return e.include || e.pin > 0 || e.factor > 1 || e.offer != nil }
	switch {
	case a.exclude && wants(b), b.exclude && wants(a):
		return "one keeps out what the other wants to be seen"
	case a.offer != nil && b.offer != nil && (a.offer.ID != b.offer.ID || a.price != b.price):
		return fmt.Sprintf("they offer it at %d and at %d", a.price.Minor, b.price.Minor)
	case a.pin > 0 && b.pin > 0 && a.pin != b.pin:
		return fmt.Sprintf("they pin it at %d and at %d", a.pin, b.pin)
	case a.factor > 1 && b.factor < 1, a.factor < 1 && b.factor > 1:
		return fmt.Sprintf("one moves it up, the other down: together %.3g times", math.Max(a.factor*b.factor, 0))
	}
	return ""
}
