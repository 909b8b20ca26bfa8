package visit

import (
	"slices"
	"strconv"

	"satnav/context/who"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/server/redemption"
	"satnav/server/retailer"
	"satnav/server/store"
)

// guard answers for one call what counts over calls. It belongs to one goroutine. What it reserves is given back by settle,
// but for what the rules that acted used up.
type guard struct {
	quotas   *store.Quotas
	retailer string
	offers   *offer.Catalogue
	items    *who.Vocabulary
	subject  *who.Subject
	told     who.Told
	quiet    bool   // no rule may speak to the shopper, who said so
	silent   bool   // nor unasked: the device lets the app notify of nothing
	may      bool   // what the shopper is told may be counted
	day      uint32 // on the clock of the store
	// interruptions is how many a shopper may have a day; 0: no limit.
	interruptions int
	sides         *sides // what experiments hold back; nil: nothing
	glances       bool   // it is asked what would be: nothing is reserved or spent
	reserved      []reservation
	counted       bool // told is another one than the shopper has
}

type reservation struct {
	rule  *rule.Rule
	quota store.Quota
	n     int64
	spent bool // it stays spent unless the answer is not given
}

var _ rule.Guard = (*guard)(nil)

// newGuard is the guard of a call. The counts are read for whichever purpose is granted.
func (v *Visits) newGuard(snapshot *retailer.Snapshot, s *who.Subject) *guard {
	g := &guard{quotas: v.quotas, retailer: snapshot.Retailer, offers: snapshot.Offers, items: snapshot.Names.Items, subject: s, quiet: s.Shopper().Preferences().Quiet}
	for _, p := range [...]who.Purpose{who.Loyalty, who.Location} {
		if view, ok := who.Access(p, s); ok {
			g.told, g.may = view.Told(), true
			break
		}
	}
	return g
}

// Hold says why a rule must not act now.
func (g *guard) Hold(r *rule.Rule, s *rule.Scene) rule.Hold {
	interrupts := s.Trigger.Kind != "" && s.Trigger.Kind != rule.OnAnswer
	if g.silent && interrupts || g.quiet && (interrupts || speaks(r)) {
		return rule.HeldByWish
	}
	limits := &r.Guards
	g.day = dayOf(s)
	if hold := g.sides.hold(r.ID); hold != rule.Free {
		return hold
	}
	if hold := g.used(r); hold != rule.Free {
		return hold
	}
	if limits.PerShopperDay > 0 && (!g.may || g.told.Times(r.ID, g.day) >= limits.PerShopperDay) {
		return rule.HeldByCount
	}
	if interrupts && g.interruptions > 0 && (!g.may || g.told.Times("", g.day) >= g.interruptions) {
		return rule.HeldByBudget
	}
	if limits.BudgetMinor > 0 && !g.quotas.Left(store.Quota{Retailer: g.retailer, Of: r.ID, What: "budget"}, limits.BudgetMinor) {
		return rule.HeldByFunds
	}
	day := strconv.FormatUint(uint64(g.day), 10)
	if limits.PerDay > 0 && !g.reserve(r, store.Quota{Retailer: g.retailer, Of: r.ID, What: "day", Key: day}, int64(limits.PerDay)) {
		return rule.HeldByCount
	}
	if limits.PerStoreDay > 0 && s.Place.Store != "" &&
		!g.reserve(r, store.Quota{Retailer: g.retailer, Of: r.ID, What: "store", Key: day + "/" + s.Place.Store}, int64(limits.PerStoreDay)) {
		return rule.HeldByCount
	}
	return rule.Free
}

// used tells whether an offer of the catalogue that a rule makes is used up, by everybody or by the shopper, as far as memory knows.
func (g *guard) used(r *rule.Rule) rule.Hold {
	for i := range r.Then {
		made := r.Then[i].Offer
		if r.Then[i].Kind != rule.Price || !made.Named() {
			continue
		}
		o := g.offers.Of(made.ID)
		switch {
		case o == nil:
		case o.Stock > 0 && !g.quotas.Left(redemption.StockOf(g.retailer, o.ID), o.Stock), o.BudgetMinor > 0 && !g.quotas.Left(redemption.BudgetOf(g.retailer, o.ID), o.BudgetMinor):
			return rule.HeldByFunds
		case o.PerShopper > 0:
			view, ok := who.Access(who.Loyalty, g.subject)
			if !ok { // nobody may count
				return rule.HeldByCount
			}
			number, known := g.items.Lookup(o.ID)
			if redeemed, ever := view.History().Signal(number, who.SignalRedeem); known && ever && int(redeemed.Count) >= o.PerShopper {
				return rule.HeldByCount
			}
		}
	}
	return rule.Free
}

// speaks tells whether a rule says something to the shopper, or offers something, rather than change the order of what is shown.
func speaks(r *rule.Rule) bool {
	return slices.ContainsFunc(r.Then, func(a rule.Action) bool { return a.Kind == rule.Say || a.Kind == rule.Remind || a.Kind == rule.Price })
}

// glance is a guard that tells what would be on other sides, and takes nothing.
func (g *guard) glance(other *sides) *guard {
	return &guard{quotas: g.quotas, retailer: g.retailer, offers: g.offers, items: g.items, subject: g.subject, told: g.told, may: g.may, interruptions: g.interruptions, quiet: g.quiet, silent: g.silent, sides: other, glances: true}
}

func (g *guard) reserve(r *rule.Rule, quota store.Quota, limit int64) bool {
	if g.glances {
		return g.quotas.Left(quota, limit)
	}
	if !g.quotas.Take(quota, limit, 1) {
		return false
	}
	g.reserved = append(g.reserved, reservation{rule: r, quota: quota, n: 1})
	return true
}

// Spend takes a reduction off a rule's budget.
func (g *guard) Spend(r *rule.Rule, minor int64) bool {
	quota := store.Quota{Retailer: g.retailer, Of: r.ID, What: "budget"}
	if g.glances {
		return g.quotas.Left(quota, r.Guards.BudgetMinor)
	}
	if !g.quotas.Take(quota, r.Guards.BudgetMinor, minor) {
		return false
	}
	g.reserved = append(g.reserved, reservation{r, quota, minor, true})
	return true
}

// settle gives back what the rules that did not act had reserved, and counts those that did. It may be asked for several times:
// for what crossings suggest, then for the answer.
func (g *guard) settle(acted []*rule.Rule, interrupted bool) {
	kept := g.reserved[:0]
	for _, r := range g.reserved {
		if r.spent || slices.Contains(acted, r.rule) {
			r.spent = true
			kept = append(kept, r)
		} else {
			g.quotas.Return(r.quota, r.n)
		}
	}
	g.reserved = kept
	var counted []string
	for _, r := range acted {
		if r.Guards.PerShopperDay > 0 {
			counted = append(counted, r.ID)
		}
	}
	if interrupted && g.interruptions > 0 {
		counted = append(counted, "")
	}
	if len(counted) > 0 && g.may {
		g.told, g.counted = g.told.With(g.day, counted...), true
	}
}

// undo gives back all: the answer is not given.
func (g *guard) undo() {
	for _, r := range g.reserved {
		g.quotas.Return(r.quota, r.n)
	}
	g.reserved = nil
}
