package recommend

import (
	"cmp"
	"math"
	"slices"
	"time"

	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend/rule"
)

// Ruled is what the live rules did with one suggestion. Rules are shared: nobody may change them.
type Ruled struct {
	Matched []*rule.Rule // that did or would have done something, the first goes first
	Factor  float64      // of the score; 1: nothing
	Pin     int          // the position that a rule gave it; 0: none
	Include bool         // a rule put it among the candidates, and keeps it there
	Offer   *rule.Offer  // nil: none
	OfferBy *rule.Rule
	Was     who.Money // the price without the offer
	// Personal says that the price depends on what is known of the shopper, which has to be told.
	Personal bool
	Held     rule.Hold // why an offer that matched was not made
	Said     *Said     // nil: nothing
}

// Said are words of a rule, filled in.
type Said struct {
	Rule *rule.Rule
	Text map[string]string // by language tag; never empty
	At   time.Time         // when to remind; zero: now
}

// Withheld is a candidate that a rule kept out of the list.
type Withheld struct {
	Item string
	Rule *rule.Rule
	By   rule.ActionKind // rule.Exclude or rule.Cap
}

// maxWithheld bounds what a record tells of kept-out candidates.
const maxWithheld = 20

// Stay is a geofence that holds the shopper.
type Stay struct {
	Geofence string
	Tags     []string
	Since    time.Time
}

// ruled is what one answer needs to ask the rules.
type ruled struct {
	set     *rule.Set
	request *rule.Request // nil: no rules are live
	scene   rule.Scene
	asked   rule.Candidate
	effects []rule.Effect // by candidate; empty: no rule asks about candidates
	effect  rule.Effect   // on an offer
	offered []rule.Offered
	returns []returned // of the shopper, by category
	said    []rule.Said
	says    []Said
	out     []Withheld
	counts  []counted // of caps
	order   []int32   // candidates, in the order in which they come up for the list
	flow    []candidate
	pinned  []candidate
	texts   []string
}

type returned struct{ category, last uint32 }

// counted is how many candidates one cap has let through.
type counted struct {
	action   *rule.Action
	category uint32 // 0 unless the cap counts by category
	n        int
}

// WithRules returns the snapshot with another set of live rules; nil stands for none.
func (s *Snapshot) WithRules(set *rule.Set) *Snapshot {
	next := *s
	next.Rules = set
	return &next
}

// begin runs the scene parts of the live rules.
func (w *work) begin() {
	w.rules.set = w.snapshot.Rules
	w.rules.scene = w.stage(w.snapshot.Rules)
	if w.request.Glance {
		w.rules.request = w.snapshot.Rules.Glance(&w.rules.scene, w.request.Guard)
	} else {
		w.rules.request = w.snapshot.Rules.Begin(&w.rules.scene, w.request.Guard)
	}
}

// end gives the rules' memory back.
func (w *work) end() {
	if w.rules.request == nil {
		return
	}
	w.rules.request.Release()
	clear(w.rules.effects)
	clear(w.rules.said)
	clear(w.rules.says)
	clear(w.rules.out)
	clear(w.rules.counts)
	clear(w.rules.offered)
	w.rules.offered, w.rules.effect = w.rules.offered[:0], rule.Effect{}
	w.rules.request, w.rules.set, w.rules.scene, w.rules.asked = nil, nil, rule.Scene{}, rule.Candidate{}
	w.rules.effects, w.rules.said, w.rules.says, w.rules.out = w.rules.effects[:0], w.rules.said[:0], w.rules.says[:0], w.rules.out[:0]
	w.rules.counts = w.rules.counts[:0]
}

// stage is the scene in the words of the rules, as far as the set reads it. What the grants do not allow is not known.
func (w *work) stage(set *rule.Set) rule.Scene {
	r := w.request
	s := rule.Scene{Trigger: r.Trigger, MinorPerUnit: w.snapshot.MinorPerUnit, Doing: rule.Doing{Screen: r.Screen, Query: r.Query}}
	s.Moment = MomentOf(&r.Scene.Moment)
	w.stagePlace(set, &s.Place, &r.Scene.Place)
	w.stageShopper(set, &s.Shopper)
	w.rules.texts = w.rules.texts[:0]
	for _, item := range r.Basket {
		w.rules.texts = append(w.rules.texts, w.name(item))
	}
	var value int64
	known := len(r.Basket) > 0
	for _, item := range r.Basket {
		p := w.snapshot.Catalogue.Product(item)
		if p == nil {
			known = false
			continue
		}
		if p.Category != "" && !p.Sensitive {
			w.rules.texts = append(w.rules.texts, p.Category)
		}
		known = known && p.Price.Known
		value += p.Price.Minor
	}
	n := len(r.Basket)
	s.Basket.Items, s.Basket.Categories = w.rules.texts[:n:n], w.rules.texts[n:]
	s.Basket.Value = rule.Maybe[float64]{Value: float64(value) / float64(cmp.Or(w.snapshot.MinorPerUnit, 100)), Known: known}
	return s
}

// MomentOf is a moment in the words of the rules.
func MomentOf(m *when.Moment) rule.Moment {
	year, month, day := m.Instant.Date()
	return rule.Moment{
		Minute: m.Instant.Hour()*60 + m.Instant.Minute(), Weekday: int(m.Instant.Weekday()), Year: year, Month: int(month), Day: day, Unix: m.Instant.Unix(),
		Daypart: string(m.Daypart), Holiday: m.Holiday, PaydayDistance: rule.Maybe[int64]{Value: int64(m.Payday), Known: m.Payday != when.NoPayday},
	}
}

func (w *work) stagePlace(set *rule.Set, to *rule.Place, p *where.Place) {
	if !p.Known {
		return
	}
	to.Known, to.Precise, to.Trust = true, p.Precision == geo.Precise, rule.Known(p.Trust)
	if store := p.Store; store != nil {
		to.Store, to.Region, to.DistanceMeters = store.ID, store.Region, rule.Known(p.DistanceMeters)
		to.Open = rule.Known(store.OpenAt(w.here.at))
		if store.Hours != nil && (set.Reads("place.opens_in_min") || set.Reads("place.closes_in_min")) {
			if next, ok := store.Hours.Next(w.here.at); ok {
				left := rule.Known(int64(math.Ceil(next.Sub(w.here.at).Minutes())))
				if to.Open.Value {
					to.ClosesInMinutes = left
				} else {
					to.OpensInMinutes = left
				}
			}
		}
	}
	for i := range w.request.Inside {
		stay := &w.request.Inside[i]
		to.Geofences = append(to.Geofences, stay.Geofence)
		to.GeofenceTags = append(to.GeofenceTags, stay.Tags...)
		if s := int64(w.here.at.Sub(stay.Since).Seconds()); s >= to.DwellSeconds.Value {
			to.DwellSeconds = rule.Known(s)
		}
	}
}

// days is how many whole days an instant lies back.
func (w *work) days(at uint32) rule.Maybe[int64] {
	if at > w.here.now {
		return rule.Maybe[int64]{}
	}
	return rule.Known(int64((w.here.now - at) / secondsADay))
}

// stageShopper tells what the loyalty history says; without its grant w.past is empty.
func (w *work) stageShopper(set *rule.Set, to *rule.Shopper) {
	w.stageCard(set, to)
	past := w.past
	if past.Empty() {
		return
	}
	to.Known, to.Orders = true, int64(past.Orders())
	n := past.Known()
	var seen uint32
	if n > 0 {
		seen = past.Basket(0).At
		to.DaysSincePurchase, to.DaysSinceFirst = w.days(seen), w.days(past.Basket(n-1).At)
	}
	if tail := min(n, who.Tail); tail > 1 {
		to.DaysBetweenOrders = rule.Known(float64(past.Basket(0).At-past.Basket(tail-1).At) / secondsADay / float64(tail-1))
	}
	if visits := past.Visits(); len(visits) > 0 {
		last := visits[len(visits)-1].At
		to.DaysSinceVisit = w.days(last)
		seen = max(seen, last)
	}
	shared, acts := 0, 0
	for i := range past.History.Signals {
		s := &past.History.Signals[i]
		if s.Last > w.here.now {
			continue
		}
		seen = max(seen, s.Last)
		if s.Kind == who.SignalShare {
			shared += int(s.Count)
		}
		acts += int(s.Count)
	}
	if acts > 0 { // as if one of twenty acts before had been to share
		to.ShareLikelihood = rule.Known(float64(shared+1) / float64(acts+20))
	}
	if seen > 0 {
		to.DaysAway = w.days(seen)
	}
	to.Lifecycle = lifecycle(past, to)
	if tail := min(n, who.Tail); tail > 0 && (set.Reads("shopper.weekday_share") || set.Reads("shopper.daypart_share")) {
		weekday, daypart := 0, 0
		now := w.request.Scene.Moment.Instant
		for k := range tail {
			at := time.Unix(int64(past.Basket(k).At), 0).In(now.Location())
			if at.Weekday() == now.Weekday() {
				weekday++
			}
			if when.DaypartOf(at.Hour()) == when.DaypartOf(now.Hour()) {
				daypart++
			}
		}
		to.WeekdayShare, to.DaypartShare = rule.Known(float64(weekday)/float64(tail)), rule.Known(float64(daypart)/float64(tail))
	}
	if w.here.inStore && set.Reads("shopper.visits_here") {
		visits, bought := 0, 0
		for _, v := range past.Visits() {
			if v.Store == w.here.store {
				visits++
			}
		}
		for k := range n {
			if past.Basket(k).Store == w.here.store {
				bought++
			}
		}
		to.VisitsHere = rule.Known(int64(max(visits, bought))) // who buys visits, but not every visit is told
	}
	if set.Reads("shopper.top_categories") {
		to.TopCategories = w.topCategories()
	}
}

// stageCard tells what the loyalty programme says, of moments at which it said so.
func (w *work) stageCard(set *rule.Set, to *rule.Shopper) {
	if !set.Reads("shopper.tier") && !set.Reads("shopper.points") && !set.Reads("shopper.segments") {
		return
	}
	view, ok := who.Access(who.Loyalty, w.request.Scene.Shopper)
	if !ok {
		return
	}
	card := view.Card()
	if card == nil || w.here.at.Before(card.Since) {
		return
	}
	to.Tier, to.Segments = card.Tier, card.Segments
	if points, known := card.Balance(); known {
		to.Points = rule.Known(points)
	}
}

// Bounds of the stages of a shopper. Nobody is given up before twice, or lapsed before four times, the usual pause.
const (
	newDays, newOrders     = 60, 3
	riskDays, lapsedDays   = 30, 90
	riskPauses, lapsePause = 2, 4
)

// lifecycle is the stage of a shopper.
func lifecycle(past Past, s *rule.Shopper) string {
	if past.Known() == 0 {
		return "new" // seen, but never bought
	}
	usual := s.DaysBetweenOrders.Value
	quiet := float64(s.DaysSincePurchase.Value)
	risk, lapsed := max(riskDays, riskPauses*usual), max(lapsedDays, lapsePause*usual)
	switch {
	case quiet > lapsed:
		return "lapsed"
	case quiet > risk:
		return "at_risk"
	case past.Known() > 1 && float64(past.Basket(0).At-past.Basket(1).At)/secondsADay > lapsed:
		return "won_back"
	case s.Orders <= newOrders && s.DaysSinceFirst.Value < newDays:
		return "new"
	}
	return "active"
}

// topCategories are the three that the shopper bought most; sensitive products do not count.
func (w *work) topCategories() []string {
	lines := map[string]int{}
	for i := range w.past.History.Items {
		if p := w.snapshot.Catalogue.Product(w.past.History.Items[i].Item); p != nil && p.Category != "" && !p.Sensitive && w.held[i].times > 0 {
			lines[p.Category] += w.held[i].times
		}
	}
	names := make([]string, 0, len(lines))
	for name := range lines {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(lines[b], lines[a]), cmp.Compare(a, b)) })
	return names[:min(len(names), 3)]
}

// included brings what rules want among the candidates, as far as it is allowed.
func (w *work) included() {
	w.rules.texts = w.rules.request.Includes(w.rules.texts[:len(w.rules.texts)])[:]
	for _, id := range w.rules.texts[w.basketTexts():] {
		if item, ok := w.snapshot.Names.Items.Lookup(id); ok {
			own, _ := w.bought(item)
			w.add(item, own, FromRules)
		}
	}
}

// basketTexts is how many texts the scene itself holds.
func (w *work) basketTexts() int {
	return len(w.rules.scene.Basket.Items) + len(w.rules.scene.Basket.Categories)
}

// judge asks the rules about every candidate. What they exclude gets the log-odds of the impossible.
func (w *work) judge() {
	request := w.rules.request
	if !request.Asks() {
		return
	}
	w.learnReturns()
	w.rules.effects = sized(w.rules.effects, len(w.candidates))
	scores := w.rules.set.Reads("candidate.score")
	for i := range w.candidates {
		c := &w.candidates[i]
		w.present(c, &w.rules.asked)
		if scores {
			w.rules.asked.Score = 1 / (1 + math.Exp(-c.logOdds-w.scorer(c).boosted(&w.rows[i])))
		}
		e := &w.rules.effects[i]
		request.Candidate(&w.rules.asked, e)
		switch {
		case e.Exclude:
			c.logOdds = math.Inf(-1)
			w.keepOut(c, e, rule.Exclude)
		case e.Factor != 1:
			c.logOdds += math.Log(e.Factor) // the odds count so many times
		}
	}
}

// keepOut notes that a rule kept a candidate out of the list.
func (w *work) keepOut(c *candidate, e *rule.Effect, by rule.ActionKind) {
	if len(w.rules.out) == maxWithheld {
		return
	}
	for _, r := range e.Matched {
		if slices.ContainsFunc(r.Then, func(a rule.Action) bool { return a.Kind == by }) {
			w.rules.out = append(w.rules.out, Withheld{w.id(c), r, by})
			return
		}
	}
}

// learnReturns notes when something of each category was given back.
func (w *work) learnReturns() {
	w.rules.returns = w.rules.returns[:0]
	if !w.rules.set.Reads("candidate.category_days_since_returned") {
		return
	}
	for i := range w.past.History.Signals {
		s := &w.past.History.Signals[i]
		category := w.snapshot.Catalogue.categoryOf(s.Item)
		if s.Kind != who.SignalReturn || s.Last > w.here.now || category == 0 || w.sensitive(s.Item) {
			continue
		}
		if n := slices.IndexFunc(w.rules.returns, func(r returned) bool { return r.category == category }); n >= 0 {
			w.rules.returns[n].last = max(w.rules.returns[n].last, s.Last)
		} else {
			w.rules.returns = append(w.rules.returns, returned{category, s.Last})
		}
	}
}

// present describes a candidate to the rules.
func (w *work) present(c *candidate, to *rule.Candidate) {
	set := w.rules.set
	*to = rule.Candidate{Kind: string(kinds[c.kind])}
	if c.kind == aStore {
		store := w.snapshot.store(c.item)
		to.Item = store.ID
		if w.here.known {
			to.DistanceMeters = rule.Known(w.here.point.Distance(store.Point))
		}
		return
	}
	to.Item = w.name(c.item)
	to.OnList = c.sources&FromList != 0
	if p := w.snapshot.Catalogue.Product(c.item); p != nil {
		to.Category, to.Brand, to.Tags = p.Category, p.Brand, p.Tags
		to.Price, to.ListPrice, to.Cost = p.Price, p.ListPrice, p.Cost
		if p.Stock != nil {
			to.Stock = rule.Known(int64(*p.Stock))
		}
	}
	if c.own >= 0 {
		h := &w.held[c.own]
		to.TimesBought, to.DaysSinceBought = rule.Known(int64(h.times)), w.days(h.last)
		if h.times > 1 {
			if every := every(&w.past.History.Items[c.own], h, w.snapshot.fact(c.item).gap); every > 0 {
				to.Due = rule.Known(float64(w.here.now-h.last) / secondsADay / float64(every))
			}
		}
	} else if !w.past.Empty() {
		to.TimesBought = rule.Known(int64(0))
	}
	if len(w.request.Basket) > 0 && set.Reads("candidate.with_basket") {
		to.WithBasket = rule.Known(float64(w.completes.of(c.item)))
	}
	if set.Reads("candidate.days_since_returned") {
		if s, ok := w.past.History.Signal(c.item, who.SignalReturn); ok {
			to.DaysSinceReturned = w.days(s.Last)
		}
	}
	if len(w.rules.returns) > 0 {
		category := w.snapshot.Catalogue.categoryOf(c.item)
		if n := slices.IndexFunc(w.rules.returns, func(r returned) bool { return r.category == category }); n >= 0 {
			to.CategoryDaysSinceReturned = w.days(w.rules.returns[n].last)
		}
	}
}

// effect is what the rules do with a candidate; nil: none of them asks about any.
func (w *work) effect(place int32) *rule.Effect {
	if len(w.rules.effects) == 0 {
		return nil
	}
	return &w.rules.effects[place]
}

// mixRuled is mix where rules have a say. What is pinned stands at its place, or as near behind as there is room; what is included has
// a place in the list; a cap counts those first, then the others from the best down.
func (w *work) mixRuled(limit int, products bool) {
	r := &w.rules
	r.order, r.flow, r.pinned, r.counts = r.order[:0], r.flow[:0], r.pinned[:0], r.counts[:0]
	for _, shown := range [...]bool{false, true} {
		for _, best := range w.best {
			c := &w.candidates[best.place]
			if !math.IsInf(best.logOdds, -1) && w.shown(c) == shown {
				r.order = append(r.order, best.place)
			}
		}
		if len(w.request.Shown) == 0 {
			break
		}
	}
	w.chosen = w.chosen[:0] // all that is admitted: variants and stores are held against it
	pin := func(place int32) int {
		if p := r.effects[place].Pin; p <= limit {
			return p
		}
		return 0
	}
	for _, place := range r.order {
		if pin(place) > 0 && len(r.pinned) < limit && w.admit(place, products, true) {
			r.pinned = append(r.pinned, w.candidates[place])
		}
	}
	slices.SortStableFunc(r.pinned, func(a, b candidate) int { return cmp.Compare(r.effects[a.place].Pin, r.effects[b.place].Pin) })
	room := limit - len(r.pinned)
	musts := 0
	for _, place := range r.order {
		if pin(place) == 0 && r.effects[place].Include && musts < room {
			if w.admit(place, products, true) {
				musts++
			} else {
				r.effects[place].Include = false // a cap spoke first
			}
		}
	}
	for _, place := range r.order {
		switch {
		case len(r.flow) == room:
		case pin(place) > 0:
		case r.effects[place].Include:
			if musts > 0 {
				r.flow, musts = append(r.flow, w.candidates[place]), musts-1
			}
		case len(r.flow)+musts < room && w.admit(place, products, false):
			r.flow = append(r.flow, w.candidates[place])
		}
	}
	w.chosen = w.chosen[:0]
	p, f := 0, 0
	for p < len(r.pinned) || f < len(r.flow) {
		if p < len(r.pinned) && (f == len(r.flow) || r.effects[r.pinned[p].place].Pin <= len(w.chosen)+1) {
			w.chosen = append(w.chosen, r.pinned[p])
			p++
		} else {
			w.chosen = append(w.chosen, r.flow[f])
			f++
		}
	}
}

// free tells whether no rule wants a candidate where it is.
func (r *ruled) free(place int32) bool { return r.effects[place].Pin == 0 && !r.effects[place].Include }

// roomFor tells whether all caps let one more candidate through.
func (w *work) roomFor(c *candidate) bool {
	if len(w.rules.effects) == 0 {
		return true
	}
	for _, capped := range w.rules.effects[c.place].Caps {
		if w.count(capped.Action, c).n >= capped.Action.Most {
			return false
		}
	}
	return true
}

// admit takes a candidate up unless there are enough stores, a variant of it, or as many as a cap lets through.
func (w *work) admit(place int32, products, wanted bool) bool {
	c, e := &w.candidates[place], &w.rules.effects[place]
	if c.kind == aStore && products {
		stores := 0
		for i := range w.chosen {
			if w.chosen[i].kind == aStore {
				stores++
			}
		}
		if stores >= storesAmongProducts {
			return false
		}
	}
	if c.kind == aProduct && !wanted && w.repeats(w.chosen, c) {
		return false
	}
	for _, capped := range e.Caps {
		if w.count(capped.Action, c).n >= capped.Action.Most {
			w.keepOut(c, e, rule.Cap)
			return false
		}
	}
	for _, capped := range e.Caps {
		w.count(capped.Action, c).n++
	}
	w.chosen = append(w.chosen, *c)
	return true
}

// count is the counter of a cap for a candidate.
func (w *work) count(action *rule.Action, c *candidate) *counted {
	var category uint32
	if action.PerCategory && c.kind == aProduct {
		category = w.snapshot.Catalogue.categoryOf(c.item)
	}
	for i := range w.rules.counts {
		if n := &w.rules.counts[i]; n.action == action && n.category == category {
			return n
		}
	}
	w.rules.counts = append(w.rules.counts, counted{action: action, category: category})
	return &w.rules.counts[len(w.rules.counts)-1]
}

// tellRules puts what the rules did into a suggestion, with the reasons that follow from it.
func (w *work) tellRules(s *Suggestion, c *candidate, t *told) {
	e := w.effect(c.place)
	if e == nil || len(e.Matched) == 0 {
		return
	}
	r := &Ruled{Matched: slices.Clone(e.Matched), Factor: e.Factor, Pin: e.Pin, Include: e.Include, Offer: e.Offer, OfferBy: e.OfferBy,
		Was: s.Price, Personal: e.Personal, Held: e.Held}
	if e.Say.Rule != nil {
		w.present(c, &w.rules.asked)
		if said, ok := w.say(e.Say, &w.rules.asked); ok {
			r.Said = &said
		}
	}
	s.Ruled = r
	switch {
	case e.Pin > 0 || e.Include:
		t.tell(Reason{Code: Picked, Contribution: math.Log(rule.MaxFactor)})
	case e.Factor > 1:
		t.tell(Reason{Code: Picked, Contribution: math.Log(e.Factor)})
	}
	if e.Offer != nil && e.OfferBy.Guards.BudgetMinor > 0 && w.request.Guard != nil && !w.request.Guard.Spend(e.OfferBy, s.Price.Minor-e.Price.Minor) {
		r.Offer, r.OfferBy, r.Personal, r.Held = nil, nil, false, rule.HeldByFunds
	}
	if r.Offer != nil {
		s.Price = e.Price
		t.keep(Reason{Code: OnOffer})
	}
}

// keep adds a reason that must be told, in place of the least one where there are enough.
func (t *told) keep(r Reason) {
	if len(t.reasons) == t.first+maxReasons {
		t.reasons[len(t.reasons)-1] = r
		return
	}
	t.reasons = append(t.reasons, r)
}

// say fills the words of a rule in, in each language in which all values are known.
func (w *work) say(said rule.Said, c *rule.Candidate) (Said, bool) {
	s := Said{Rule: said.Rule}
	for _, tag := range said.Action.Languages() {
		if text, ok := said.Action.Fill(tag, &w.rules.scene, c); ok {
			if s.Text == nil {
				s.Text = map[string]string{}
			}
			s.Text[tag] = text
		}
	}
	if said.Action.Kind == rule.Remind {
		s.At = w.here.at.Add(time.Duration(said.Action.AfterSeconds) * time.Second)
	}
	return s, s.Text != nil
}

// recordRules puts what the rules came to into the record of an answer.
func (w *work) recordRules(record *Record, suggestions []Suggestion) {
	r := &w.rules
	record.Rules, record.Stage = r.request.Trace(), r.scene.Shopper.Lifecycle
	if w.request.Why {
		record.Verdicts = r.request.Why(nil)
	}
	for _, said := range r.request.Says(r.said[:0]) {
		if s, ok := w.say(said, nil); ok {
			record.Says = append(record.Says, s)
			record.act(said.Rule)
		}
	}
	record.Withheld = slices.Clone(r.out)
	for i := range suggestions {
		if suggestions[i].Ruled != nil {
			for _, matched := range suggestions[i].Ruled.Matched {
				record.act(matched)
			}
		}
	}
	for i := range r.out {
		record.act(r.out[i].Rule)
	}
}

// act notes that a rule changed what is shown.
func (record *Record) act(r *rule.Rule) {
	if !slices.Contains(record.Acted, r) {
		record.Acted = append(record.Acted, r)
	}
}
