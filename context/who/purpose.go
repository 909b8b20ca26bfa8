package who

import "slices"

// Purpose is what a shopper's data may be used for. Data is collected for a declared purpose and read
// through Access, which asks for one.
type Purpose string

const (
	// Loyalty keeps purchases and what is done in the app, and uses them for suggestions.
	Loyalty Purpose = "loyalty"
	// Location uses where the device is for suggestions and for geofence triggers.
	Location Purpose = "location"
)

// Declaration is what is promised about a purpose before any data is collected for it.
type Declaration struct {
	Purpose Purpose
	Title   string // English, a few words
	Notice  string // English, what the shopper reads before deciding
	Version string // of the notice; a grant remembers which one was read
}

var declarations = []Declaration{
	{
		Purpose: Loyalty,
		Title:   "Suggestions from your purchases",
		Notice:  "We keep what you buy, look at and save, and use it to suggest what may help you. You can see it, correct it and delete it at any time.",
		Version: "2026-11",
	},
	{
		Purpose: Location,
		Title:   "Suggestions for where you are",
		Notice:  "We use the place your phone tells us, to suggest what is useful there and to tell you when you reach or leave a place that the shop has marked.",
		Version: "2026-11",
	},
}

// Purposes lists every declared purpose, in the order in which a shopper reads them.
func Purposes() []Declaration { return slices.Clone(declarations) }

// Declared finds the declaration of a purpose.
func Declared(p Purpose) (Declaration, bool) {
	i := slices.IndexFunc(declarations, func(d Declaration) bool { return d.Purpose == p })
	if i < 0 {
		return Declaration{}, false
	}
	return declarations[i], true
}
