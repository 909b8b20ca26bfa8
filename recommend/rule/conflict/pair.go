package conflict

import (
	"fmt"
	"slices"

	"satnav/recommend/rule"
)

// pair looks for what is odd about two rules, the first of which goes first.
func (h *hunt) pair(first, second *member) {
	if first.dead || second.dead || first.kind != second.kind || first.kind == rule.OnSchedule {
		return
	}
	clash := clashing(first.rule, second.rule)
	over, under := shadows(first, second, true), shadows(second, first, false)
	if !clash && !over && !under {
		return
	}
	begin := h.begin(first)
	both := slices.Concat(first.goals, second.goals, h.included(begin, first.rule, second.rule))
	at, result := h.space.solve(both, begin)
	if result != found {
		return
	}
	h.price(&at)
	switch {
	case over && h.within(second, first):
		h.tell(Conflict{Kind: Shadowed, Rules: []string{first.rule.ID, second.rule.ID},
			Text: fmt.Sprintf("wherever %q holds, %q holds as well and leaves it nothing to do", second.rule.ID, first.rule.ID),
			Mend: "give it the higher priority, narrow the other one, or delete it"}, &at, first, second)
	case under && h.within(first, second):
		h.tell(Conflict{Kind: Shadowed, Rules: []string{second.rule.ID, first.rule.ID},
			Text: fmt.Sprintf("wherever %q holds, %q holds as well and leaves it nothing to do", first.rule.ID, second.rule.ID),
			Mend: "narrow the other one, or delete it"}, &at, first, second)
	case clash:
		h.clash(first, second, &at)
	}
}

// clash reports two rules that want contrary things of one candidate.
func (h *hunt) clash(first, second *member, at *stage) {
	var own [2]effect
	for i, m := range [...]*member{first, second} {
		set, err := h.set(m)
		if err != nil {
			h.err = err
			return
		}
		own[i] = ask(set, at)
	}
	what := contrary(&own[0], &own[1])
	if what == "" {
		return
	}
	decides := fmt.Sprintf("%q goes first by its priority", first.rule.ID)
	if first.rule.Priority == second.rule.Priority {
		decides = "their priorities are equal, so that their ids decide"
	}
	c := Conflict{Kind: Contradictory, Rules: []string{first.rule.ID, second.rule.ID}, Text: what + "; " + decides,
		Mend: "say in one condition what the other one leaves out, or give them priorities"}
	if timed(&first.rule.Schedule) && timed(&second.rule.Schedule) {
		c.Kind, c.Mend = Overlap, "end the one before the other begins"
		c.Text = fmt.Sprintf("their schedules overlap (%s; %s), and %s", worded(&first.rule.Schedule), worded(&second.rule.Schedule), c.Text)
	}
	h.tell(c, at, first, second)
}

// timed tells whether a schedule is not always open.
func timed(s *rule.Schedule) bool {
	return s.From != "" || s.Until != "" || len(s.Weekdays) > 0 || len(s.Hours) > 0 || s.Holidays != ""
}

// price makes the candidate one whose price can be lowered, where the rules leave its price and cost open.
func (h *hunt) price(at *stage) {
	if h.space.at(goodsField) < 0 && h.space.at("candidate.margin") < 0 && at.candidate.Price.Known {
		at.candidate.Cost = moneyOf(min(1, at.candidate.Price.Minor))
	}
}

// within tells whether a rule holds in no scene in which another one does not.
func (h *hunt) within(inner, outer *member) bool {
	for _, g := range outer.goals {
		if slices.ContainsFunc(inner.goals, func(own goal) bool { return own.test == g.test }) {
			continue
		}
		if _, result := h.space.solve(append(slices.Clone(inner.goals), goal{g.test, false}), h.begin(inner)); result != none {
			return false
		}
	}
	return true
}

// included asks for an item that one of the rules puts among the candidates, where one does.
func (h *hunt) included(begin *stage, rules ...*rule.Rule) []goal {
	var items []string
	for _, r := range rules {
		for i := range r.Then {
			items = append(items, r.Then[i].Items...)
		}
	}
	n := h.space.at("candidate.item")
	if len(items) == 0 {
		return nil
	}
	t := &test{text: "it is included", about: true, exact: true, holds: func(s *stage) bool { return slices.Contains(items, s.candidate.Item) }}
	if goods := h.space.at(goodsField); goods >= 0 {
		n = goods
	}
	if n < 0 { // nobody asks for the item: it may be any
		begin.candidate.Item = items[0]
		return nil
	}
	t.fields = []int{n}
	return []goal{{t, true}}
}

// clashing tells whether two rules may want contrary things of one candidate.
func clashing(a, b *rule.Rule) bool {
	return slices.ContainsFunc(a.Then, func(x rule.Action) bool {
		return slices.ContainsFunc(b.Then, func(y rule.Action) bool { return opposed(&x, &y) || opposed(&y, &x) })
	})
}

func opposed(x, y *rule.Action) bool {
	switch x.Kind {
	case rule.Exclude:
		return y.Kind == rule.Include || y.Kind == rule.Pin || y.Kind == rule.Boost || y.Kind == rule.Price
	case rule.Bury:
		return y.Kind == rule.Boost
	case rule.Pin:
		return y.Kind == rule.Pin && x.Position != y.Position
	case rule.Price:
		return y.Kind == rule.Price && *x.Offer != *y.Offer
	}
	return false
}

// shadows tells whether a rule leaves another one nothing to do wherever both hold. first says that it goes first.
func shadows(over, under *member, first bool) bool {
	if over.rule.Guards != (rule.Guardrails{}) {
		return false // it is held back now and then
	}
	return !slices.ContainsFunc(under.rule.Then, func(y rule.Action) bool {
		if y.Kind == rule.Say && !(over.about() && under.about()) {
			return true // what is said of no candidate is said beside the others
		}
		return !slices.ContainsFunc(over.rule.Then, func(x rule.Action) bool { return covers(&x, &y, first) })
	})
}

// covers tells whether one action leaves another one without effect. first says that it goes first.
func covers(x, y *rule.Action, first bool) bool {
	switch x.Kind {
	case rule.Exclude:
		switch y.Kind {
		case rule.Boost, rule.Bury, rule.Pin, rule.Price, rule.Exclude, rule.Cap:
			return true
		case rule.Include:
			return first
		}
	case rule.Pin:
		return first && y.Kind == rule.Pin
	case rule.Say:
		return first && y.Kind == rule.Say
	case rule.Price: // one that is held back by the floor leaves room for one that takes less off
		return first && y.Kind == rule.Price && y.Offer.Minor == 0 && x.Offer.Minor == 0 && x.Offer.PercentOff <= y.Offer.PercentOff && x.Offer.MinorOff <= y.Offer.MinorOff
	}
	return false
}
