package recommend

import (
	"time"

	"satnav/context/who"
	"satnav/recommend/offer"
)

// Kind is what is suggested.
type Kind string

const (
	KindProduct  Kind = "product"
	KindOffer    Kind = "offer"
	KindStore    Kind = "store"
	KindReminder Kind = "reminder"
)

// Suggestion is one entry of the answer.
type Suggestion struct {
	ID         string // derived from shopper, item and moment: a retry finds the same
	Kind       Kind
	Item       string   // id of the product or store
	Number     who.Item // of the item in the vocabulary of items, or of stores
	Title      string
	Score      float64 // 0 to 1, calibrated: how likely the shopper takes it now
	Price      who.Money
	Reasons    []Reason // 1 to 3, the largest contribution first
	ValidUntil time.Time
	// Propensity is how likely it was that this stood here: 1, unless the place was left to chance.
	Propensity float64
	// Contributions are what each group of features added to the score's log-odds; they sum to it.
	Contributions Contributions
	// OneSided names the group of features that made more than four fifths of what speaks for the
	// suggestion; empty: there is none. It is told to the product team, since a list that hangs on one
	// attribute is easily wrong in the same way for everybody.
	OneSided string
	Ruled    *Ruled      // nil: no rule did anything with it
	Offered  *offer.Live // of KindOffer; nil elsewhere
}

// Contributions are the parts of a score's log-odds, by group of features.
type Contributions [groups]float64

// All calls yield with the name of each group that made a part, and the part, until it returns false.
func (c *Contributions) All(yield func(feature string, value float64) bool) {
	for g, value := range c {
		if value != 0 && !yield(groupNames[g], value) {
			return
		}
	}
}

// oneSided is the share from which one group of features decides alone.
const oneSided = 0.8

// decisive is the name of the group that made more than that share of what speaks for a suggestion.
func (c *Contributions) decisive() string {
	most, all := gBase, 0.0
	for g := gBase + 1; g < groups; g++ {
		all += max(c[g], 0)
		if most == gBase || c[g] > c[most] {
			most = g
		}
	}
	if c[most] <= oneSided*all {
		return ""
	}
	return groupNames[most]
}

// Code is a reason in a word that never changes; the encoder makes text of it.
type Code string

const (
	DueAgain       Code = "due_again"       // values: every_days, last_days
	UsuallyBought  Code = "usually_bought"  // values: times, last_days
	BoughtTogether Code = "bought_together" // values: with
	PopularHere    Code = "popular_here"    // values: store
	Suits          Code = "suits"           // it goes with what the shopper buys, or has in the basket; no one pair is told
	PopularNow     Code = "popular_now"     // values: when: at which of ThisHour and the others it sells above its average
	Popular        Code = "popular"
	Nearby         Code = "nearby"          // values: store, meters
	UsuallyVisited Code = "usually_visited" // values: times, last_days
	UsuallyNext    Code = "usually_next"    // values: store, times: where the shopper went after that one
	OftenNext      Code = "often_next"      // values: store: where many go after that one
	OnYourList     Code = "on_your_list"
	Searched       Code = "searched" // it is called like what the shopper searches for
	Liked          Code = "liked"
	Viewed         Code = "viewed" // looked at or put into a basket lately
	InCatalogue    Code = "in_catalogue"
	Picked         Code = "picked"   // a rule of the shop wants it here
	OnOffer        Code = "on_offer" // a rule of the shop lowered its price
)

// Reason is one true cause of a suggestion.
type Reason struct {
	Code         Code
	Contribution float64 // of the features behind it, in log-odds
	Values       Values
}

// Values are what a reason's text needs. Zero fields do not apply.
type Values struct {
	EveryDays float64
	LastDays  float64
	Times     int
	With      string // item id
	Store     string // store id
	Meters    float64
	When      string // of PopularNow
}

// When a product sells more than it does on average: values of PopularNow.
const (
	ThisHour        = "hour"
	ThisWeekday     = "weekday"
	ThisTimeOfMonth = "time_of_month" // near this day of the month: wages come once a month
	ThisSeason      = "season"
)
