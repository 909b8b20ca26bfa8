package who

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// EventKind is what a shopper did.
type EventKind string

const (
	Viewed    EventKind = "view"
	Added     EventKind = "add"    // to the basket
	Removed   EventKind = "remove" // from the basket
	Purchased EventKind = "purchase"
	Visited   EventKind = "visit" // a store
	Redeemed  EventKind = "redeem"
	Shared    EventKind = "share"
	Liked     EventKind = "like"
	Dismissed EventKind = "dismiss" // "not for me"
)

// EventKinds lists all kinds.
var EventKinds = []EventKind{Viewed, Added, Removed, Purchased, Visited, Redeemed, Shared, Liked, Dismissed}

// Event is one entry of a shopper's diary. It is stored as it came, its time in whole milliseconds;
// History is what it adds up to. What comes from outside is asked Check first.
type Event struct {
	ID         string // the client's, 1 to 128 characters; one shopper has it once
	Kind       EventKind
	At         time.Time
	Item       string // id of a product, offer or other thing; empty where the kind has none
	Basket     string // empty: one basket a shopper and day
	Quantity   float64
	Price      Money  // total of the line
	Code       string // single-use, of an offer that was redeemed
	Store      string
	Place      string          // H3 cell, as it came
	Properties json.RawMessage // nil: none
	Ordinal    int             // how many lines of this basket named the item before, 0 for the first
	Source     string          // who told it: "app", "backend", "import", or a partner, see PartnerSource
	Purpose    Purpose         // that it is kept for; empty: Loyalty
	Reason     string          // why it is kept apart, "late" for example; empty: nothing special
}

// For is the purpose that the event is kept for.
func (e *Event) For() Purpose {
	if e.Purpose == "" {
		return Loyalty
	}
	return e.Purpose
}

// partner is how the name of a source begins that is neither the shopper's own app nor the retailer.
const partner = "partner:"

// PartnerSource tells whether a source is a partner of the retailer: data that the shopper gave to somebody else.
func PartnerSource(source string) bool { return strings.HasPrefix(source, partner) }

// partnerName is what a partner may be called.
var partnerName = regexp.MustCompile(`^partner:[a-z0-9][a-z0-9._-]{0,55}$`)

// PartnerWanted is what is asked of the name of a partner.
const PartnerWanted = `"partner:" and 1 to 56 small letters, digits, dots, dashes or underscores`

// ValidPartner tells whether a name can be that of a partner.
func ValidPartner(source string) bool { return partnerName.MatchString(source) }

// Money is an amount in minor units of the retailer's currency (cents). Known tells 0 from unknown.
type Money struct {
	Minor int64
	Known bool
}
