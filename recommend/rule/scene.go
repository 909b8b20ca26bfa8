package rule

import "satnav/context/who"

// Maybe is a value that may be unknown. Unknown is not zero: a condition that depends on an unknown value
// is neither true nor false, and its rule does not match.
type Maybe[T any] struct {
	Value T
	Known bool
}

// Known makes a value that is known.
func Known[T any](value T) Maybe[T] { return Maybe[T]{Value: value, Known: true} }

// Scene is what the scene part of a condition may ask: who, where, when, what is in the basket, and what
// happened. Whoever fills it leaves unknown what the shopper's grants do not allow to be read; rules never
// see more than that. It must not change between Begin and Release.
type Scene struct {
	Trigger Happening
	Shopper Shopper
	Place   Place
	Moment  Moment
	Basket  Basket
	Doing   Doing
	// MinorPerUnit is how many minor units one unit of the currency has: 100 for euro and cent, which 0
	// stands for as well, and 1 for yen.
	MinorPerUnit int64
}

// Happening is what is answered: a call, a crossing, an event, or a time that has come.
type Happening struct {
	Kind         TriggerKind // empty: OnAnswer
	Crossing     string      // "enter", "dwell", "exit", "approach"; empty unless Kind is OnCrossing
	Geofence     string      // id
	GeofenceTags []string
	DwellSeconds Maybe[int64] // of the visit that the crossing belongs to
	Event        string       // kind of the event; empty unless Kind is OnEvent
	Item         string       // of the event
	Category     string       // of the event's item
	Rule         string       // id of the rule whose time has come; empty unless Kind is OnSchedule
}

// Shopper is what the loyalty history says, as of the scene's moment.
type Shopper struct {
	Known             bool // has a history
	Tier              string
	Points            Maybe[int64]
	Lifecycle         string // one of Lifecycles; empty: not known
	Orders            int64
	DaysSincePurchase Maybe[int64]
	DaysSinceFirst    Maybe[int64]
	DaysSinceVisit    Maybe[int64]   // of any store
	DaysAway          Maybe[int64]   // since the shopper was last seen at all
	DaysBetweenOrders Maybe[float64] // usual
	Spend90Days       Maybe[float64] // in units of the retailer's currency
	ShareLikelihood   Maybe[float64] // 0 to 1
	PaydayDistance    Maybe[int64]   // days, from the shopper's own purchases
	WeekdayShare      Maybe[float64] // of the shopper's baskets, on this weekday
	DaypartShare      Maybe[float64] // of the shopper's baskets, in this part of the day
	VisitsHere        Maybe[int64]
	Segments          []string
	TopCategories     []string
}

// Lifecycles are the stages of a shopper, in order.
var Lifecycles = []string{"new", "active", "at_risk", "lapsed", "won_back"}

// Place is where the shopper is, as far as was permitted.
type Place struct {
	Known           bool
	Precise         bool
	Store           string // id of the nearest
	StoreTags       []string
	Region          string // of the store
	DistanceMeters  Maybe[float64]
	Open            Maybe[bool]
	OpensInMinutes  Maybe[int64] // unknown while the store is open
	ClosesInMinutes Maybe[int64] // unknown while the store is closed
	Geofences       []string     // ids of those that hold the shopper
	GeofenceTags    []string
	DwellSeconds    Maybe[int64] // in the longest of these visits
	Trust           Maybe[float64]
}

// Moment is now, by the clock on the wall of the store, else of the retailer.
type Moment struct {
	Minute         int // of the day, 0 to 1439
	Weekday        int // 0: Sunday
	Year           int
	Month          int   // 1 to 12
	Day            int   // 1 to 31
	Unix           int64 // the instant, in seconds since 1970; 0: not told
	Daypart        string
	Holiday        string // name; empty: none
	PaydayDistance Maybe[int64]
}

// Weekdays by number, Sunday first as in package time.
var Weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Basket is what the shopper is buying.
type Basket struct {
	Items      []string
	Categories []string
	Value      Maybe[float64] // in units of the retailer's currency
}

// Doing is what the app says the shopper is doing.
type Doing struct {
	Screen string
	Query  string
}

// Candidate is one thing that may be suggested.
type Candidate struct {
	Kind      string // "product", "offer" or "store"
	Item      string // id
	Category  string // path with slashes, "dairy/milk"
	Brand     string
	Tags      []string
	Price     who.Money
	ListPrice who.Money
	Cost      who.Money
	Stock     Maybe[int64]
	Score     float64 // 0 to 1, before rules
	InBasket  bool
	OnList    bool

	DistanceMeters            Maybe[float64] // of a store
	WithBasket                Maybe[float64] // share of baskets like this one that hold it, too
	TimesBought               Maybe[int64]
	DaysSinceBought           Maybe[int64]
	Due                       Maybe[float64] // days since bought, by the days that usually pass between purchases
	DaysSinceReturned         Maybe[int64]
	CategoryDaysSinceReturned Maybe[int64]
}
