// Package rule lets a product team shape what is suggested with a few rules: a condition in CEL over what is
// known of the shopper, the place, the moment and a candidate, and what to do where it holds.
//
// It exists so that a rule is data that is checked before it is stored, costs a few nanoseconds where it
// holds not, and can be explained afterwards. A condition is type-checked once and compiled to closures; its
// scene part runs once for an answer, its candidate part only for candidates that an index by item, category,
// brand and tag cannot rule out. A Set is an immutable snapshot of compiled rules: publishing swaps it whole.
//
// Everything is pure: no clock, no I/O; now is in the scene. What counts over answers (frequency, budgets,
// holdouts) is asked of the caller's Guard. Decided against: an interpreter on the path (20 times the cost),
// and a second language for whatever the closures cannot do (what is refused at save needs no second path).
package rule

//go:generate go test -run ^TestAttributesPage$ . -update

import "satnav/context/who"

// Rule is one rule as a product team writes it.
//
// Its JSON is what the API takes and gives, and what is kept.
type Rule struct {
	ID       string        `json:"id"`
	Name     string        `json:"name,omitempty"`
	Owner    string        `json:"owner,omitempty"`   // who answers for it
	Purpose  string        `json:"purpose,omitempty"` // why it is there, in a sentence
	Uses     []who.Purpose `json:"uses,omitempty"`    // what shoppers' data it may read: the purposes that its attributes need
	Trigger  Trigger       `json:"trigger,omitzero"`
	When     string        `json:"when,omitempty"` // condition in CEL; empty: always
	Then     []Action      `json:"then"`
	Schedule Schedule      `json:"schedule,omitzero"`
	Guards   Guardrails    `json:"guards,omitzero"`
	// Priority is 0 to 1000, the higher goes first. Where two rules want contrary things the first one
	// decides; equals go by id.
	Priority int `json:"priority,omitempty"`
}

// MaxPriority is the highest.
const MaxPriority = 1000

// TriggerKind is what makes a rule be asked.
type TriggerKind string

const (
	OnAnswer   TriggerKind = "answer"   // every answer
	OnCrossing TriggerKind = "crossing" // of a geofence
	OnEvent    TriggerKind = "event"    // something that the shopper did
	OnSchedule TriggerKind = "schedule" // its schedule opens
)

// TriggerKinds lists all kinds.
var TriggerKinds = []TriggerKind{OnAnswer, OnCrossing, OnEvent, OnSchedule}

// CrossingKinds lists what a geofence may tell.
var CrossingKinds = []string{"enter", "dwell", "exit", "approach"}

// Trigger says when a rule is asked. The zero Trigger is every answer.
type Trigger struct {
	Kind        TriggerKind `json:"kind,omitempty"`         // empty: OnAnswer
	Crossing    string      `json:"crossing,omitempty"`     // one of CrossingKinds; empty: any
	Geofence    string      `json:"geofence,omitempty"`     // id; empty: any
	GeofenceTag string      `json:"geofence_tag,omitempty"` // empty: any
	Event       string      `json:"event,omitempty"`        // one of who.EventKinds; empty: any
}

// purpose is the one under which it is known that the trigger happened to a shopper; empty: the shopper asked.
func (t *Trigger) purpose() who.Purpose {
	switch t.Kind {
	case OnCrossing:
		return who.Location
	case OnEvent, OnSchedule:
		return who.Loyalty
	}
	return ""
}

// ActionKind is what a rule does.
type ActionKind string

const (
	Boost   ActionKind = "boost"   // the candidate's score counts Factor times, more than 1
	Bury    ActionKind = "bury"    // the candidate's score counts Factor times, less than 1
	Pin     ActionKind = "pin"     // the candidate stands at Position
	Include ActionKind = "include" // Items are among the candidates, and stay
	Exclude ActionKind = "exclude" // the candidate is not shown
	Cap     ActionKind = "cap"     // at most Most of the candidates are shown
	Price   ActionKind = "offer"   // the candidate is offered at a lower price
	Say     ActionKind = "message" // Text is shown, with the candidate where the condition asks about one
	Remind  ActionKind = "reminder"
)

// ActionKinds lists all kinds.
var ActionKinds = []ActionKind{Boost, Bury, Pin, Include, Exclude, Cap, Price, Say, Remind}

// Action is one thing that a rule does. Only the fields of its kind are set.
type Action struct {
	Kind        ActionKind        `json:"kind"`
	Factor      float64           `json:"factor,omitempty"`       // Boost: over 1 to MaxFactor; Bury: 1/MaxFactor to under 1
	Position    int               `json:"position,omitempty"`     // Pin: from 1 to MaxPosition
	Items       []string          `json:"items,omitempty"`        // Include: ids
	Most        int               `json:"most,omitempty"`         // Cap: 0 to 100
	PerCategory bool              `json:"per_category,omitempty"` // Cap: counted for each category by itself
	Offer       *Offer            `json:"offer,omitempty"`        // Price
	Text        map[string]string `json:"text,omitempty"`         // Say, Remind: by language tag; {shopper.tier} stands for an attribute
	// AfterSeconds is how long from now to remind, at most a year.
	AfterSeconds int64 `json:"after_s,omitempty"`
}

// Bounds of actions.
const (
	MaxFactor   = 100
	MaxPosition = 20
)

// Offer is a change of price: one of PercentOff, MinorOff and Minor is set, and it can only lower a price. An action that gives
// an ID alone names an offer of the catalogue, see Offers.
type Offer struct {
	ID         string  `json:"id"`
	PercentOff float64 `json:"percent_off,omitempty"` // over 0, at most 100
	MinorOff   int64   `json:"minor_off,omitempty"`   // minor units of the currency off the price
	Minor      int64   `json:"minor,omitempty"`       // the price, in minor units
	// Neutral tells the shopper what they can have without what is known of them: the list price, or an
	// offer for all. It is asked for where the condition reads personal data.
	Neutral string `json:"neutral,omitempty"`

	named bool // it is of the catalogue, and filled in
}

// Guardrails hold a rule back. Quiet is decided here; the counts are the Guard's. 0 stands for no limit.
type Guardrails struct {
	PerShopperDay int   `json:"per_shopper_day,omitempty"` // times a shopper and day
	PerStoreDay   int   `json:"per_store_day,omitempty"`
	PerDay        int   `json:"per_day,omitempty"`
	BudgetMinor   int64 `json:"budget_minor,omitempty"` // of the price reductions that are shown, in all
	// Holdout is the share of shoppers, up to 0.5, for whom the rule never acts, so that what it does can be told.
	Holdout float64 `json:"holdout,omitempty"`
	// FaultRate is in what share of answers the condition may fail (a division by zero) until the rule is switched off;
	// 0 stands for DefaultFaultRate, 1 for never.
	FaultRate float64 `json:"fault_rate,omitempty"`
	// Quiet are hours by the store's clock in which nobody is interrupted: they hold back what was not
	// asked for (a crossing, an event, a schedule), never an answer. They may go past midnight.
	Quiet Hours `json:"quiet,omitzero"`
}

// Hold is why a rule that would match was held back.
type Hold string

const (
	Free         Hold = ""
	HeldByQuiet  Hold = "quiet_hours"
	HeldByFloor  Hold = "floor_margin"
	HeldByCount  Hold = "frequency"
	HeldByFunds  Hold = "budget"
	HeldByBudget Hold = "interruptions" // the shopper was interrupted often enough today
	HeldOut      Hold = "holdout"
	HeldByWish   Hold = "objection"    // the shopper wants no rule to speak to them
	HeldByArm    Hold = "experiment"   // the shopper is on an arm without it
	SwitchedOff  Hold = "switched_off" // it failed too often
)

// Guard knows what counts over answers. It is asked at most once for a rule in an answer, after the rule's
// scene part held, and must answer from memory.
type Guard interface {
	// Hold says why the rule must not act in this scene, Free if it may.
	Hold(r *Rule, s *Scene) Hold
	// Spend takes a reduction off the rule's budget, or returns false: the offer is not made then. It is asked for the
	// candidates that are shown, of rules with a budget.
	Spend(r *Rule, minor int64) bool
}
