package who

import "strings"

// Doubt is why an event that an app told may not be true. Such an event is kept and shown to its shopper with the reason, and counts for
// nothing else until somebody looked at it.
type Doubt string

const (
	Farmed    Doubt = "farmed"      // more in a minute than anybody does by hand
	Replayed  Doubt = "replayed"    // the very same again and again, each time under another id
	Redeeming Doubt = "redemptions" // offers used faster than anybody shops
	Travelled Doubt = "travel"      // in two shops, faster than anybody travels
)

// Doubts lists them all.
var Doubts = []Doubt{Farmed, Replayed, Redeeming, Travelled}

const doubted = "doubted: "

// Reason is what an event says that is doubted.
func (d Doubt) Reason() string { return doubted + string(d) }

// Accepted is the Reason of an event that was doubted until its shopper asked, and somebody looked at it.
const Accepted = "accepted"

// Doubt is why the event is doubted; empty: it is not.
func (e *Event) Doubt() Doubt {
	d, is := strings.CutPrefix(e.Reason, doubted)
	if !is {
		return ""
	}
	return Doubt(d)
}

// Counts tells whether the event is part of the shopper's history: it is kept for Loyalty, and not doubted.
func (e *Event) Counts() bool { return e.For() == Loyalty && e.Doubt() == "" }
