package who

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"satnav/geo"
)

// Bounds of an event.
const (
	MaxName       = 128       // characters of an id, item, basket or store
	MaxProperties = 8 << 10   // bytes of Properties
	MaxQuantity   = 1_000_000 // pieces or weight of one line, either sign
	MaxMinor      = int64(1e15)
)

// firstEvent is the earliest time of an event. Loyalty history has no age limit, but phones whose clock
// was never set say 1970.
var firstEvent = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// MaxAhead is how far an event may lie in the future: clocks are wrong, and dates have zones.
const MaxAhead = 24 * time.Hour

// Fault is what is wrong with one field: its name as in the contract, what was found and what would be right.
type Fault struct {
	Field   string
	Problem string
}

func (f Fault) String() string { return f.Field + ": " + f.Problem }

// Check lists all that is wrong with an event that came at the instant now; nil: nothing. An item that no
// catalogue knows is not wrong, but one that the kind needs may not be missing.
func (e *Event) Check(now time.Time) []Fault {
	var faults []Fault
	fault := func(field, format string, args ...any) {
		faults = append(faults, Fault{field, fmt.Sprintf(format, args...)})
	}
	name := func(field, value string, needed bool) {
		if problem := NameProblem(value, needed); problem != "" {
			fault(field, "%s", problem)
		}
	}
	name("id", e.ID, true)
	if !slices.Contains(EventKinds, e.Kind) {
		fault("kind", "got %q, want one of %s", clip(string(e.Kind)), kindList)
	}
	if e.At.Before(firstEvent) || e.At.After(now.Add(MaxAhead)) {
		fault("at", "got %s, want a time from 1980 to a day from now (%s)", e.At.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	name("item", e.Item, e.Kind == Viewed || e.Kind == Added || e.Kind == Removed || e.Kind == Purchased || e.Kind == Liked || e.Kind == Dismissed)
	name("basket", e.Basket, false)
	name("code", e.Code, false)
	if e.Code != "" && e.Kind != Redeemed {
		fault("code", "it belongs to %q, not to %q", Redeemed, clip(string(e.Kind)))
	}
	name("store", e.Store, e.Kind == Visited && e.Place == "")
	if math.IsNaN(e.Quantity) || math.Abs(e.Quantity) > MaxQuantity {
		fault("quantity", "got %v, want %d to %d", e.Quantity, -MaxQuantity, MaxQuantity)
	}
	if e.Price.Minor > MaxMinor || e.Price.Minor < -MaxMinor {
		fault("price", "got %d minor units, want %d to %d", e.Price.Minor, -MaxMinor, MaxMinor)
	}
	if e.Place != "" {
		if _, err := geo.ParseCell(e.Place); err != nil {
			fault("place", "%s", err)
		}
	}
	switch {
	case len(e.Properties) > MaxProperties:
		fault("properties", "got %d bytes, want at most %d", len(e.Properties), MaxProperties)
	case len(e.Properties) > 0 && !json.Valid(e.Properties):
		fault("properties", "it is not JSON")
	case !utf8.Valid(e.Properties):
		fault("properties", "it is not valid UTF-8")
	}
	if e.Ordinal < 0 || e.Ordinal > math.MaxInt32 {
		fault("ordinal", "got %d, want 0 or more", e.Ordinal)
	}
	return faults
}

var kindList = func() string {
	words := make([]string, len(EventKinds))
	for i, k := range EventKinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}()

// NameProblem says what is wrong with an id that came from outside, or nothing: at most MaxName
// characters of valid UTF-8, none of them a control character.
func NameProblem(name string, needed bool) string {
	switch {
	case name == "" && needed:
		return fmt.Sprintf("it is missing, want 1 to %d characters", MaxName)
	case !utf8.ValidString(name):
		return "it is not valid UTF-8"
	case utf8.RuneCountInString(name) > MaxName:
		return fmt.Sprintf("got %d characters, want at most %d", utf8.RuneCountInString(name), MaxName)
	}
	if i := strings.IndexFunc(name, unicode.IsControl); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		return fmt.Sprintf("it holds the control character %U", r)
	}
	return ""
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
