package conflict

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"satnav/recommend/rule"
)

// another stands for every text that no rule names.
const another = "another"

// field is something about a scene that can be chosen by itself.
type field struct {
	name    string
	set     func(*stage, value)
	list    bool    // a list of texts: its choices are made for each question
	choices []value // one of each kind between which conditions differ
}

// test is something that holds in a scene or does not: a part of a condition, of a schedule or of a trigger.
type test struct {
	text     string
	holds    func(*stage) bool
	reads    []string // attributes
	compared []rule.Compared
	fields   []int // numbers, in order
	exact    bool  // the choices of its fields are all there is to try
	about    bool  // the candidate
	mask     []uint64
}

// goal is a test that has to hold, or not to.
type goal struct {
	test *test
	want bool
}

// space is what the scenes of a set of rules are made of.
type space struct {
	options *Options
	fields  []field
	number  map[string]int // of fields
	read    map[string]bool
	steps   int // that are left
	begin   stage
}

// newSpace makes the fields that tests read; each test learns which ones are its own.
func newSpace(tests []*test, options *Options) *space {
	s := &space{options: options, number: map[string]int{}, read: map[string]bool{}, steps: options.Steps}
	s.begin.scene = rule.Scene{Shopper: rule.Shopper{Known: true}, Place: rule.Place{Known: true, Store: another}, MinorPerUnit: options.MinorPerUnit}
	s.begin.candidate = rule.Candidate{Kind: "product", Item: another, Category: another}
	s.begin.candidate.Price = moneyOf(10 * options.MinorPerUnit)
	s.begin.candidate.Cost = moneyOf(1)
	compared := map[string][]rule.Compared{}
	for _, t := range tests {
		for _, name := range t.reads {
			s.read[name] = true
		}
		for _, c := range t.compared {
			compared[c.Attribute] = append(compared[c.Attribute], c)
		}
	}
	attributes := map[string]*rule.Attribute{}
	all := rule.Attributes()
	for i := range all {
		attributes[all[i].Name] = &all[i]
	}
	for _, t := range tests {
		for _, name := range t.reads {
			for _, of := range s.fieldsOf(name) {
				n, ok := s.number[of]
				if !ok {
					n = len(s.fields)
					s.number[of] = n
					s.fields = append(s.fields, s.newField(of, attributes[of], compared))
				}
				if !slices.Contains(t.fields, n) {
					t.fields = append(t.fields, n)
				}
			}
		}
		slices.Sort(t.fields)
		for _, c := range t.compared {
			if a := attributes[c.Attribute]; c.As == rule.WithSize && a.Type != rule.Texts || c.As == rule.WithText && a.Type == rule.Texts && c.Text == another {
				t.exact = false
			}
		}
	}
	set := func(name string, v value) { sets[name](&s.begin, v) }
	set(dateField, value{number: float64(options.Now.Unix())})
	set(minuteField, value{number: 12 * 60})
	return s
}

// fieldsOf are the fields of an attribute, and those that decide whether it has a value, where a rule asks for them.
func (s *space) fieldsOf(attribute string) []string {
	own := fieldsOf[attribute]
	switch {
	case ofGoods[attribute] && len(s.options.Goods) > 0:
		own = []string{goodsField}
	case own == nil:
		own = []string{attribute}
	}
	for _, above := range governed[attribute] {
		if s.read[above] {
			own = append(slices.Clone(own), above)
		}
	}
	return own
}

// seldom are values that are tried where a calculation does not tell what to try.
var seldom = []float64{0, 1, 2, 3, 5, 7, 10, 14, 30, 60, 90, 100, 180, 365, 1000}

// newField finds the choices of a field: one for each stretch between two constants, and the constants.
func (s *space) newField(name string, a *rule.Attribute, compared map[string][]rule.Compared) field {
	f := field{name: name, set: sets[name]}
	switch {
	case name == goodsField:
		for i := range s.options.Goods {
			f.choices = append(f.choices, value{goods: &s.options.Goods[i]})
		}
	case name == dateField:
		f.choices = s.dates(compared)
	case name == minuteField:
		for minute := range 24 * 60 {
			f.choices = append(f.choices, value{number: float64((minute + 12*60) % (24 * 60))}) // noon first: it is what people think of
		}
	case a.Type == rule.Texts:
		f.list = true
	case a.Type == rule.Text:
		f.choices = textChoices(a, compared[name])
	case a.Type == rule.Flag:
		f.choices = []value{{known: true, number: 1}, {known: true}}
	default:
		f.choices = s.numberChoices(a, compared[name])
	}
	if a != nil && a.Optional {
		f.choices = append(f.choices, value{})
	}
	return f
}

// dates are the days of two years from today, and of the years that are named.
func (s *space) dates(compared map[string][]rule.Compared) []value {
	first := s.options.Now.UTC().Truncate(24 * time.Hour)
	last := first.AddDate(2, 0, 0)
	for _, c := range compared["moment.year"] {
		if at := time.Date(int(c.Number)+1, 1, 1, 0, 0, 0, 0, time.UTC); at.After(last) && c.Number < 2100 {
			last = at
		}
	}
	for _, c := range compared[dateField] {
		if at := time.Unix(int64(c.Number), 0).UTC().AddDate(0, 0, 2); at.After(last) && at.Year() < 2100 {
			last = at
		}
	}
	var all []value
	for at := first; at.Before(last); at = at.AddDate(0, 0, 1) {
		all = append(all, value{number: float64(at.Unix())})
	}
	return all
}

func textChoices(a *rule.Attribute, compared []rule.Compared) (all []value) {
	add := func(text string) {
		if !slices.ContainsFunc(all, func(v value) bool { return v.text == text }) {
			all = append(all, value{known: true, text: text})
		}
	}
	if a.Values != nil {
		for _, text := range a.Values {
			add(text)
		}
	} else {
		for _, c := range compared {
			if c.Text != "" {
				add(c.Text)
			}
			if c.As == rule.WithPart {
				add(c.Text + another)
			}
		}
		add(another)
	}
	switch a.Name {
	case "crossing.kind", "crossing.geofence", "event.kind", "candidate.kind", "candidate.item":
	default:
		add("")
	}
	return all
}

func (s *space) numberChoices(a *rule.Attribute, compared []rule.Compared) (all []value) {
	least, most := a.Range()
	// Prices are whole in minor units, which is how they are chosen.
	scale, whole := 1., a.Type == rule.Whole
	if name := a.Name; name == "candidate.price" || name == "candidate.list_price" {
		scale, whole = float64(s.options.MinorPerUnit), true
		least = 1 / scale // nothing is sold for nothing
	}
	var points []float64
	for _, c := range compared {
		points = append(points, c.Number*scale)
		if c.As == rule.Loosely {
			for _, n := range seldom {
				points = append(points, n*scale)
			}
		}
	}
	if len(points) == 0 {
		points = []float64{scale}
	}
	if a.Name == "candidate.price" {
		points = append(points, 10*scale) // of which margins can be made to a thousandth
	}
	slices.Sort(points)
	points = slices.Compact(points)
	var tried []float64
	for i, p := range points {
		if whole {
			tried = append(tried, math.Floor(p)-1, math.Floor(p), math.Ceil(p), math.Ceil(p)+1)
			continue
		}
		if i == 0 {
			tried = append(tried, p-1, (p+max(least, p-2))/2)
		} else {
			tried = append(tried, (points[i-1]+p)/2)
		}
		tried = append(tried, p)
		if i == len(points)-1 {
			tried = append(tried, (p+min(most, p+2))/2, p+1)
		}
	}
	for _, edge := range [...]float64{least, most} {
		if !math.IsInf(edge, 0) && math.Abs(edge) < math.MaxInt32 {
			tried = append(tried, edge*scale)
		}
	}
	slices.Sort(tried)
	for _, n := range slices.Compact(tried) {
		if n >= least*scale && n <= most*scale {
			all = append(all, value{known: true, number: n})
		}
	}
	if scale > 1 { // of a price that is one cent nothing can be taken off: those come last
		slices.SortStableFunc(all, func(a, b value) int { return cmp.Compare(min(b.number, scale), min(a.number, scale)) })
	}
	return all
}

// maxNamed bounds of how many texts all subsets are tried.
const maxNamed = 6

// lists are the choices of a list of texts for some goals: every set of what they name, with something else and without, and of
// the sizes that they ask for. complete says that these are all there is to try.
func lists(attribute string, goals []goal) (all []value, complete bool) {
	var named []string
	var sizes []int
	for _, g := range goals {
		for _, c := range g.test.compared {
			if c.Attribute != attribute && (attribute != "basket.items" || c.Attribute != "basket.size") {
				continue
			}
			switch c.As {
			case rule.WithText:
				named = append(named, c.Text)
			case rule.WithPart:
				named = append(named, c.Text, c.Text+another)
			default:
				sizes = append(sizes, int(math.Floor(c.Number)), int(math.Floor(c.Number))+1, int(math.Ceil(c.Number))-1)
			}
		}
	}
	slices.Sort(named)
	named = append(slices.Compact(named), another)
	slices.Sort(sizes)
	sizes = slices.DeleteFunc(slices.Compact(sizes), func(n int) bool { return n < 0 || n > maxSize })
	complete = len(named) <= maxNamed
	if !complete {
		// Too many sets: none, each one, each pair, and all together.
		all = append(all, value{}, value{texts: named})
		for i := range named {
			all = append(all, value{texts: named[i : i+1]})
			for j := range i {
				all = append(all, value{texts: []string{named[j], named[i]}})
			}
		}
	} else {
		for set := range 1 << len(named) {
			var texts []string
			for i, text := range named {
				if set&(1<<i) != 0 {
					texts = append(texts, text)
				}
			}
			all = append(all, value{texts: texts})
		}
	}
	slices.SortStableFunc(all, func(a, b value) int { return cmp.Compare(len(a.texts), len(b.texts)) })
	for _, size := range sizes {
		for _, v := range slices.Clone(all) {
			if missing := size - len(v.texts); missing > 0 {
				texts := slices.Clone(v.texts)
				for i := range missing {
					texts = append(texts, another+"-"+string(rune('a'+i%26)))
				}
				all = append(all, value{texts: texts})
			}
		}
	}
	return all, complete
}

// maxSize bounds lists that are made as long as a condition asks for.
const maxSize = 64

// try tells whether a test holds in a stage, once what cannot be together is out of it.
func (s *space) try(t *test, at *stage) bool {
	s.steps--
	now := *at
	now.settle()
	return t.holds(&now)
}

// masked is the set of choices of its only field for which a test holds.
func (s *space) masked(t *test) []uint64 {
	if t.mask == nil {
		f := &s.fields[t.fields[0]]
		t.mask = make([]uint64, (len(f.choices)+63)/64)
		at := s.begin
		for i := range f.choices {
			f.set(&at, f.choices[i])
			if s.try(t, &at) {
				t.mask[i/64] |= 1 << (i % 64)
			}
		}
	}
	return t.mask
}

// finding is what became of a search.
type finding uint8

const (
	undecided finding = iota
	found
	none // there is no such scene
)

// maxTries bounds one search.
const maxTries = 20_000

// solve looks for a scene in which all goals are met.
func (s *space) solve(goals []goal, begin *stage) (stage, finding) {
	at := *begin
	var fields []int
	for _, g := range goals {
		if len(g.test.fields) == 0 && g.test.holds(&at) != g.want {
			return at, none
		}
		fields = append(fields, g.test.fields...)
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	lost := undecided // what it means that nothing is left
	if !slices.ContainsFunc(goals, func(g goal) bool { return !g.test.exact }) {
		lost = none
	}
	var joint []goal
	together := map[int]bool{} // fields that are asked about with others
	for _, g := range goals {
		if len(g.test.fields) > 1 {
			joint = append(joint, g)
			for _, n := range g.test.fields {
				together[n] = true
			}
		}
	}
	left := map[int][]value{}
	var order []int
	for _, n := range fields {
		choices, complete := s.narrow(n, goals, together[n])
		if !complete {
			lost = undecided
		}
		if len(choices) == 0 {
			return at, lost
		}
		s.fields[n].set(&at, choices[0])
		if together[n] {
			left[n], order = choices, append(order, n)
		}
	}
	// From the fewest choices to the most, but for the margin, which is made of a price that is there.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(left[a]), len(left[b])), cmp.Compare(a, b))
	})
	if margin, price := slices.Index(order, s.at("candidate.margin")), slices.Index(order, s.at("candidate.price")); margin >= 0 && price > margin {
		order[margin], order[price] = order[price], order[margin]
	}
	due := make([][]goal, len(order)) // goals whose last field is chosen at this depth
	for _, g := range joint {
		last := 0
		for depth, n := range order {
			if slices.Contains(g.test.fields, n) {
				last = depth
			}
		}
		due[last] = append(due[last], g)
	}
	tries := 0
	var choose func(depth int) bool
	choose = func(depth int) bool {
		if depth == len(order) {
			return true
		}
		for _, v := range left[order[depth]] {
			if tries++; tries > maxTries || s.steps < 0 {
				lost = undecided
				return false
			}
			s.fields[order[depth]].set(&at, v)
			if !slices.ContainsFunc(due[depth], func(g goal) bool { return s.try(g.test, &at) != g.want }) && choose(depth+1) {
				return true
			}
		}
		return false
	}
	if !choose(0) {
		return at, lost
	}
	at.settle()
	return at, found
}

// at is the number of a field, -1 where nothing asks about it.
func (s *space) at(name string) int {
	if n, ok := s.number[name]; ok {
		return n
	}
	return -1
}

// narrow is what is left of a field's choices once the goals about it alone are met: all, or the first.
func (s *space) narrow(n int, goals []goal, every bool) (left []value, complete bool) {
	f := &s.fields[n]
	if f.list {
		choices, complete := lists(f.name, goals)
		at := s.begin
		for _, v := range choices {
			f.set(&at, v)
			if !slices.ContainsFunc(goals, func(g goal) bool { return alone(g, n) && s.try(g.test, &at) != g.want }) {
				left = append(left, v)
			}
		}
		return left, complete
	}
	for word := range (len(f.choices) + 63) / 64 {
		mask := ^uint64(0)
		for _, g := range goals {
			if alone(g, n) {
				if holds := s.masked(g.test)[word]; g.want {
					mask &= holds
				} else {
					mask &^= holds
				}
			}
		}
		for ; mask != 0; mask &= mask - 1 {
			if place := word*64 + bits.TrailingZeros64(mask); place < len(f.choices) {
				left = append(left, f.choices[place])
				if !every {
					return left, true
				}
			}
		}
	}
	return left, true
}

func alone(g goal, n int) bool { return len(g.test.fields) == 1 && g.test.fields[0] == n }
