package who

import (
	"slices"
	"time"
)

// Source says who made a decision about a purpose.
type Source string

const (
	ByShopper         Source = "shopper"
	ByRetailerDefault Source = "retailer_default" // holds until the shopper decides otherwise
	ByImport          Source = "import"           // the retailer brought the data along, with a Basis
	ByRestriction     Source = "restriction"      // withdrawn by the shopper's wish that it be kept and not used, until it is lifted
	ByHold            Source = "legal_hold"       // withdrawn by it: what must be kept is not used
)

// Withdraws tells whether the decision takes a permission back, with which goes what rests on it. Under a restriction or a legal hold a purpose is
// only not used: all of it is kept.
func (g *Grant) Withdraws() bool { return !g.Given && g.Source != ByRestriction && g.Source != ByHold }

// Restricts tells whether the shopper wants what is known to be kept and not used, until they say otherwise.
func (g Grants) Restricts() bool {
	return slices.ContainsFunc(g, func(grant Grant) bool { return !grant.Given && grant.Source == ByRestriction })
}

// Grant is one decision about one purpose: given, or withdrawn. It is a record, never edited: a later
// decision is another grant.
type Grant struct {
	Purpose  Purpose
	Given    bool
	At       time.Time
	Source   Source
	Notice   string // version of the notice that was shown
	Language string // of the notice; empty: not known
	Hash     string // of its words, see Notice.Hash; empty: not known
	Basis    string // legal basis that an import named; empty for all others
}

// Grants is the decision in force for each purpose that was ever decided: at most one a purpose,
// sorted by purpose. It is immutable.
type Grants []Grant

// Holds tells whether the purpose is granted. What was never decided is not granted.
func (g Grants) Holds(p Purpose) bool {
	i := slices.IndexFunc(g, func(grant Grant) bool { return grant.Purpose == p })
	return i >= 0 && g[i].Given
}

// Decided tells whether the purpose was ever granted or withdrawn.
func (g Grants) Decided(p Purpose) bool {
	return slices.ContainsFunc(g, func(grant Grant) bool { return grant.Purpose == p })
}

// With returns the grants after one more decision, which replaces the one in force.
func (g Grants) With(decision Grant) Grants {
	next := make(Grants, 0, len(g)+1)
	for _, grant := range g {
		if grant.Purpose != decision.Purpose {
			next = append(next, grant)
		}
	}
	next = append(next, decision)
	slices.SortFunc(next, func(a, b Grant) int {
		if a.Purpose < b.Purpose {
			return -1
		}
		return 1
	})
	return next
}

// Defaults are the grants of a shopper who has decided nothing yet.
func Defaults(purposes []Purpose, at time.Time) Grants {
	return NewRegistry(nil).Defaults(purposes, at)
}

// Defaults are the grants of a shopper who has decided nothing yet, with the notices of the registry.
func (r Registry) Defaults(purposes []Purpose, at time.Time, languages ...string) Grants {
	var g Grants
	for _, p := range purposes {
		if d, ok := r.Of(p); ok {
			grant := d.Decide(true, languages...)
			grant.At, grant.Source = at, ByRetailerDefault
			g = g.With(grant)
		}
	}
	return g
}
