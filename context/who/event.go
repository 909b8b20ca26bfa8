package who

import (
	"encoding/json"
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
	Price      Money // total of the line
	Store      string
	Place      string          // H3 cell, as it came
	Properties json.RawMessage // nil: none
	Ordinal    int             // how many lines of this basket named the item before, 0 for the first
	Source     string          // "app", "backend", "import"
	Reason     string          // why it is kept apart, "late" for example; empty: nothing special
}

// Money is an amount in minor units of the retailer's currency (cents). Known tells 0 from unknown.
type Money struct {
	Minor int64
	Known bool
}
