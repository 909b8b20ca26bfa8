package rule

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"satnav/context/who"
)

// House is what a retailer's rules are checked and run against. The zero House knows no catalogue, declares
// the purposes of package who, and lets no price under what a product cost.
type House struct {
	Catalogue Catalogue // nil: names in conditions and actions are not looked up
	Offers    Offers    // that actions may name; nil: none, each says its price
	// Declared tells whether a purpose is declared; nil: those of package who.
	Declared func(who.Purpose) bool
	// Refused are categories that say something about a person which no rule may act on (health,
	// religion, …): neither they nor what is below them may be named.
	Refused []string
	// Tells says which sensitive category a word names, a category of goods or a tag of a place for example; empty, or nil: none.
	Tells func(word string) string
	// Explicit tells whether shoppers agreed explicitly to a purpose: then a rule that uses it may act on what tells something sensitive. nil: to none.
	Explicit func(who.Purpose) bool
	// FloorMargin is the least share of a lowered price that must be left over the cost, 0 to under 1.
	FloorMargin float64
	// CostUnknown lets offers lower the price of what has no cost in the catalogue.
	CostUnknown bool
}

// Catalogue tells what there is. It answers from memory.
type Catalogue interface {
	Item(id string) (Goods, bool)
	Category(path string) bool // a category or a branch above one
	Brand(name string) bool
	Tag(name string) bool
}

// Goods is what a check needs to know of an item.
type Goods struct {
	Price, Cost who.Money
	Sensitive   bool // never suggested
}

func (h *House) declared(p who.Purpose) bool {
	if h.Declared != nil {
		return h.Declared(p)
	}
	_, ok := who.Declared(p)
	return ok
}

// telling are the fields whose words say what goods or places are: in others, such as the name of a brand, they mean something else.
var telling = []string{"category", "categories", "top_categories", "tags", "store_tags", "geofence_tags", "segments"}

// tells finds the part of a text that names a sensitive category: of a path of categories any part of it.
func (h *House) tells(text string) (word, category string) {
	if h.Tells == nil {
		return "", ""
	}
	for _, word := range append(strings.Split(text, "/"), text) {
		if category := h.Tells(word); category != "" {
			return word, category
		}
	}
	return "", ""
}

// explicit tells whether the rule uses a purpose to which shoppers agreed explicitly.
func (i *inspection) explicit() bool {
	return i.house.Explicit != nil && slices.ContainsFunc(i.rule.Uses, i.house.Explicit)
}

// Check tells everything that is wrong with a rule; nothing: it may be live.
func Check(r *Rule, house *House) []Problem {
	_, problems := newMember(r, house)
	return problems
}

// inspection collects what is wrong with one rule.
type inspection struct {
	rule     *Rule
	house    *House
	formula  *formula // nil: the condition is wrong
	problems []Problem
}

func (i *inspection) say(field, text, mend string) {
	i.problems = append(i.problems, Problem{Field: field, Text: text, Mend: mend})
}

// newMember checks and compiles a rule. The member is whole only without problems.
func newMember(r *Rule, house *House) (*member, []Problem) {
	i := &inspection{rule: r, house: house}
	f, problems := compile(r.When)
	i.formula, i.problems = f, problems
	if strings.TrimSpace(r.ID) == "" || len(r.ID) > 128 {
		i.say("id", "a rule has an id of 1 to 128 characters", "")
	}
	if r.Priority < 0 || r.Priority > MaxPriority {
		i.say("priority", fmt.Sprintf("got %d", r.Priority), fmt.Sprintf("0 to %d, the higher goes first", MaxPriority))
	}
	m := &member{rule: r, formula: f}
	i.trigger(&m.rule.Trigger)
	m.calendar = r.Schedule.compile(i.say)
	i.guards(m)
	if f != nil {
		i.purposes()
		i.names()
	}
	if len(r.Then) == 0 {
		i.say("then", "the rule does nothing", "give it at least one action")
	}
	for n := range r.Then {
		i.action(fmt.Sprintf("then[%d].", n), &r.Then[n])
	}
	i.join(m)
	return m, i.problems
}

func (i *inspection) trigger(t *Trigger) {
	if t.Kind != "" && !slices.Contains(TriggerKinds, t.Kind) {
		kinds := make([]string, len(TriggerKinds))
		for n, k := range TriggerKinds {
			kinds[n] = string(k)
		}
		i.say("trigger.kind", fmt.Sprintf("%q is no trigger", t.Kind), didYouMean(string(t.Kind), kinds))
		return
	}
	if t.Crossing != "" && !slices.Contains(CrossingKinds, t.Crossing) {
		i.say("trigger.crossing", fmt.Sprintf("%q is no crossing", t.Crossing), didYouMean(t.Crossing, CrossingKinds))
	}
	if t.Event != "" && !slices.Contains(eventKinds(), t.Event) {
		i.say("trigger.event", fmt.Sprintf("%q is no kind of event", t.Event), didYouMean(t.Event, eventKinds()))
	}
	if t.Kind != OnCrossing && (t.Crossing != "" || t.Geofence != "" || t.GeofenceTag != "") {
		i.say("trigger", "a geofence is named, but the trigger is no crossing", `set the kind to "crossing"`)
	}
	if word, category := i.house.tells(t.GeofenceTag); category != "" && !i.explicit() {
		i.say("trigger.geofence_tag", fmt.Sprintf("%q tells something sensitive about a person (%s)", word, category), "take it out, or use a purpose to which shoppers agree explicitly")
	}
	if t.Kind != OnEvent && t.Event != "" {
		i.say("trigger", "an event is named, but the trigger is no event", `set the kind to "event"`)
	}
	if t.Kind == OnSchedule && len(i.rule.Schedule.Hours) == 0 {
		i.say("trigger", "the rule waits for its schedule, which has no hours", "give the schedule hours: it acts when they begin")
	}
	if i.formula == nil {
		return
	}
	for _, n := range i.formula.uses {
		object, _, _ := strings.Cut(attributes[n].Name, ".")
		if object == "crossing" && t.Kind != OnCrossing || object == "event" && t.Kind != OnEvent {
			p := i.formula.where(attributes[n].Name)
			p.Text, p.Mend = fmt.Sprintf("%s is empty or unknown unless the trigger is a %s", attributes[n].Name, object), fmt.Sprintf("set the trigger's kind to %q", object)
			i.problems = append(i.problems, p)
		}
	}
}

// maxHoldout is the greatest share of shoppers from whom a rule may be held out.
const maxHoldout = 0.5

func (i *inspection) guards(m *member) {
	g := &i.rule.Guards
	for _, limit := range []struct {
		field string
		value int64
	}{
		{"guards.per_shopper_day", int64(g.PerShopperDay)}, {"guards.per_store_day", int64(g.PerStoreDay)},
		{"guards.per_day", int64(g.PerDay)}, {"guards.budget_minor", g.BudgetMinor},
	} {
		if limit.value < 0 {
			i.say(limit.field, fmt.Sprintf("got %d", limit.value), "0 for no limit, or more")
		}
	}
	if !(g.Holdout >= 0 && g.Holdout <= maxHoldout) {
		i.say("guards.holdout", fmt.Sprintf("got %v", g.Holdout), "0 for nobody, up to 0.5 for half of the shoppers")
	}
	if !(g.FaultRate >= 0 && g.FaultRate <= 1) {
		i.say("guards.fault_rate", fmt.Sprintf("got %v", g.FaultRate), "a share of answers: over 0, up to 1 for never")
	}
	if g.Quiet == (Hours{}) {
		return
	}
	if from, until, ok := g.Quiet.parse("guards.quiet", i.say); ok {
		m.quiet = span{from, until % (24 * 60)}
		m.isQuiet = from != until%(24*60)
		if !m.isQuiet {
			i.say("guards.quiet", fmt.Sprintf("%s to %s is empty", g.Quiet.From, g.Quiet.Until), `write "22:00" to "07:00"`)
		}
	}
}

// purposes checks that the rule names the purposes of what it reads, and that they are declared.
func (i *inspection) purposes() {
	named := map[who.Purpose]bool{}
	for n, p := range i.rule.Uses {
		named[p] = true
		if !i.house.declared(p) {
			i.say(fmt.Sprintf("uses[%d]", n), fmt.Sprintf("purpose %q is not declared", p), "declare it, with a notice that shoppers read, before data is used for it")
		}
	}
	if p := i.rule.Trigger.purpose(); p != "" && !named[p] && slices.ContainsFunc(i.rule.Then, func(a Action) bool { return a.Kind == Price }) {
		i.say("trigger", fmt.Sprintf("a price by the trigger %q depends on what is known of the shopper for purpose %q", i.rule.Trigger.Kind, p), fmt.Sprintf("add %q to uses", p))
	}
	missing := map[who.Purpose][]string{}
	for _, n := range i.formula.uses {
		if a := &attributes[n]; a.Purpose != "" && !named[a.Purpose] {
			missing[a.Purpose] = append(missing[a.Purpose], a.Name)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(missing)) {
		text := fmt.Sprintf("%s may be read for purpose %q only", strings.Join(missing[p], ", "), p)
		for _, name := range missing[p] {
			if s := attributes[byName[name]].Sensitive; s != "" {
				text += fmt.Sprintf("; %s tells something %s about a person", name, s)
			}
		}
		mend := fmt.Sprintf("add %q to uses", p)
		if !i.house.declared(p) {
			mend += ", once it is declared, with a notice that shoppers read"
		}
		at := i.formula.where(missing[p][0])
		at.Text, at.Mend = text, mend
		i.problems = append(i.problems, at)
	}
}

// where is the place at which the condition names an attribute first.
func (f *formula) where(attribute string) Problem {
	p := Problem{Field: "when", Line: 1, Column: 1}
	info := f.tree.NativeRep().SourceInfo()
	var found int32 = math.MaxInt32
	for _, t := range f.terms {
		for id, name := range idents(t.expr) {
			if name != attribute && name != presence+attribute {
				continue
			}
			if r, ok := info.GetOffsetRange(id); ok && r.Start < found {
				found = r.Start
			}
		}
	}
	if found != math.MaxInt32 {
		// The place of a dotted name is its dot: the reader looks for where the name begins.
		object, _, _ := strings.Cut(attribute, ".")
		at := info.GetLocationByOffset(found)
		p.Line, p.Column = at.Line(), max(1, at.Column()+1-len(object))
	}
	return p
}

// names looks up what the condition names in the catalogue, and refuses what no rule may act on.
func (i *inspection) names() {
	info := i.formula.tree.NativeRep().SourceInfo()
	catalogue := i.house.Catalogue
	for _, p := range i.formula.pairs {
		name := attributes[p.attribute].Name
		at := info.GetStartLocation(p.at)
		say := func(text, mend string) {
			i.problems = append(i.problems, Problem{Field: "when", Line: at.Line(), Column: at.Column() + 1, Text: text, Mend: mend})
		}
		_, field, _ := strings.Cut(name, ".")
		if word, category := i.house.tells(p.text); category != "" && slices.Contains(telling, field) && !i.explicit() {
			say(fmt.Sprintf("%s: %q tells something sensitive about a person (%s)", name, word, category), "take it out, or use a purpose to which shoppers agree explicitly")
		}
		switch field {
		case "category", "categories", "top_categories":
			path := strings.TrimSuffix(p.text, "/")
			for _, refused := range i.house.Refused {
				if path == refused || strings.HasPrefix(path, refused+"/") || p.prefix && strings.HasPrefix(refused, p.text) && p.text != "" {
					say(fmt.Sprintf("no rule may act on category %q: it tells something sensitive about a person", refused), "take it out")
				}
			}
			if catalogue != nil && path != "" && !catalogue.Category(path) && !p.prefix {
				say(fmt.Sprintf("the catalogue has no category %q", p.text), "write a category of the catalogue, as a path with slashes")
			}
		case "item", "items":
			if catalogue == nil || p.text == "" || p.prefix {
				continue
			}
			if goods, ok := catalogue.Item(p.text); !ok {
				say(fmt.Sprintf("the catalogue has no item %q", p.text), "write the id of a product")
			} else if goods.Sensitive {
				say(fmt.Sprintf("item %q is sensitive: no rule may act on it", p.text), "take it out")
			}
		case "brand":
			if catalogue != nil && p.text != "" && !p.prefix && !catalogue.Brand(p.text) {
				say(fmt.Sprintf("the catalogue has no brand %q", p.text), "write it as the catalogue does")
			}
		case "tags":
			if catalogue != nil && name == "candidate.tags" && !p.prefix && !catalogue.Tag(p.text) {
				say(fmt.Sprintf("no product has the tag %q", p.text), "write it as the catalogue does")
			}
		}
	}
}

func (i *inspection) action(at string, a *Action) {
	needsCandidate := false
	switch a.Kind {
	case Boost:
		needsCandidate = true
		if !(a.Factor > 1 && a.Factor <= MaxFactor) {
			i.say(at+"factor", fmt.Sprintf("got %v", a.Factor), fmt.Sprintf("a boost counts more than 1 and at most %d times; bury takes less than 1", MaxFactor))
		}
	case Bury:
		needsCandidate = true
		if !(a.Factor >= 1./MaxFactor && a.Factor < 1) {
			i.say(at+"factor", fmt.Sprintf("got %v", a.Factor), fmt.Sprintf("to bury takes %v to less than 1", 1./MaxFactor))
		}
	case Pin:
		needsCandidate = true
		if a.Position < 1 || a.Position > MaxPosition {
			i.say(at+"position", fmt.Sprintf("got %d", a.Position), fmt.Sprintf("1 (first) to %d", MaxPosition))
		}
	case Exclude:
		needsCandidate = true
	case Cap:
		if a.Most < 0 || a.Most > 100 {
			i.say(at+"most", fmt.Sprintf("got %d", a.Most), "0 to 100")
		}
	case Include:
		i.include(at, a)
	case Price:
		if i.house.Offers == nil || !a.Offer.Named() { // what the catalogue says was checked when it was saved
			i.offer(at+"offer.", a.Offer)
		}
	case Say, Remind:
		i.texts(at+"text", a)
		if a.Kind == Remind && (a.AfterSeconds <= 0 || a.AfterSeconds > 366*24*3600) {
			i.say(at+"after_s", fmt.Sprintf("got %d", a.AfterSeconds), "a reminder comes later: more than 0, at most a year")
		}
	default:
		kinds := make([]string, len(ActionKinds))
		for n, k := range ActionKinds {
			kinds[n] = string(k)
		}
		i.say(at+"kind", fmt.Sprintf("%q is no action", a.Kind), didYouMean(string(a.Kind), kinds))
	}
	if needsCandidate && i.formula != nil && !i.formula.aboutCandidate() {
		i.say(strings.TrimSuffix(at, "."), fmt.Sprintf("%s would act on everything alike: the condition asks nothing of the candidate", a.Kind), `say which ones, with candidate.category == "…" for example`)
	}
}

func (i *inspection) include(at string, a *Action) {
	if len(a.Items) == 0 || len(a.Items) > 20 {
		i.say(at+"items", fmt.Sprintf("got %d items", len(a.Items)), "1 to 20 ids of products")
	}
	if i.house.Catalogue == nil {
		return
	}
	for n, id := range a.Items {
		if goods, ok := i.house.Catalogue.Item(id); !ok {
			i.say(fmt.Sprintf("%sitems[%d]", at, n), fmt.Sprintf("the catalogue has no item %q", id), "write the id of a product")
		} else if goods.Sensitive {
			i.say(fmt.Sprintf("%sitems[%d]", at, n), fmt.Sprintf("item %q is sensitive: it is never suggested", id), "take it out")
		}
	}
}

// offer checks the price class: it may only lower a price, not under the floor, and leaves a neutral alternative.
func (i *inspection) offer(at string, o *Offer) {
	if o == nil {
		i.say(strings.TrimSuffix(at, "."), "the offer is missing", "give it percent_off, minor_off or minor")
		return
	}
	ways := 0
	for _, set := range []bool{o.PercentOff != 0, o.MinorOff != 0, o.Minor != 0} {
		if set {
			ways++
		}
	}
	switch {
	case o.PercentOff < 0 || o.MinorOff < 0 || math.IsNaN(o.PercentOff):
		i.say(at+"percent_off", "the offer would raise the price", "a rule may only lower it: write what is taken off as a positive number")
		return
	case o.PercentOff > 100:
		i.say(at+"percent_off", fmt.Sprintf("got %v", o.PercentOff), "over 0 to 100")
		return
	case o.Minor < 0:
		i.say(at+"minor", fmt.Sprintf("got %d", o.Minor), "a price is 0 or more, in minor units")
		return
	case ways != 1:
		i.say(strings.TrimSuffix(at, "."), fmt.Sprintf("the offer says %d prices", ways), "set exactly one of percent_off, minor_off and minor")
		return
	}
	if o.ID == "" {
		i.say(at+"id", "the offer has no id", "name it: redemptions are counted by it")
	}
	if o.Neutral == "" && (i.formula != nil && i.formula.personal() || i.rule.Trigger.purpose() != "") {
		i.say(at+"neutral", "the price depends on what is known of the shopper, and no neutral alternative is named", "say what everyone can have: the list price, or an offer for all")
	}
	if i.house.Catalogue == nil || i.formula == nil {
		return
	}
	for _, k := range i.formula.keys {
		if k.kind != byItem {
			continue
		}
		goods, ok := i.house.Catalogue.Item(k.text)
		if !ok || !goods.Price.Known {
			continue
		}
		lowered, hold := o.lower(goods.Price, goods.Cost, i.house)
		switch {
		case hold != Free:
			i.say(strings.TrimSuffix(at, "."), fmt.Sprintf("item %q would cost %d, under the floor of %d", k.text, o.target(goods.Price), i.house.floor(goods.Cost)), "lower the price less")
		case lowered.Minor >= goods.Price.Minor:
			i.say(strings.TrimSuffix(at, "."), fmt.Sprintf("item %q costs %d already: the offer would not lower its price", k.text, goods.Price.Minor), "a rule may only lower a price")
		}
	}
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func (i *inspection) texts(at string, a *Action) {
	if len(a.Text) == 0 {
		i.say(at, "there is no text", "write one for each language of the shop")
	}
	for _, tag := range slices.Sorted(maps.Keys(a.Text)) {
		words := a.Text[tag]
		if _, err := language.Parse(tag); err != nil {
			i.say(at+"."+tag, fmt.Sprintf("%q is not a language", tag), `write "en" or "pt-BR"`)
		}
		if strings.TrimSpace(words) == "" || len(words) > 500 {
			i.say(at+"."+tag, fmt.Sprintf("the text has %d characters", len(words)), "1 to 500")
		}
		for _, m := range placeholder.FindAllStringSubmatch(words, -1) {
			number, ok := byName[m[1]]
			switch {
			case !ok:
				i.say(at+"."+tag, undeclared(m[1]), nearestAttribute(m[1]))
			case attributes[number].Sensitive != "":
				i.say(at+"."+tag, fmt.Sprintf("%s tells something %s about a person", m[1], attributes[number].Sensitive), "no message says it")
			case attributes[number].Purpose != "" && !slices.Contains(i.rule.Uses, attributes[number].Purpose):
				i.say(at+"."+tag, fmt.Sprintf("%s may be read for purpose %q only", m[1], attributes[number].Purpose), fmt.Sprintf("add %q to uses", attributes[number].Purpose))
			case attributes[number].Candidate && i.formula != nil && !i.formula.aboutCandidate():
				i.say(at+"."+tag, fmt.Sprintf("%s has no value: the condition asks nothing of the candidate", m[1]), "ask about a candidate, or take it out")
			}
		}
	}
}
