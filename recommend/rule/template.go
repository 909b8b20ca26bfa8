package rule

import (
	"slices"

	"satnav/context/who"
)

// Template is a rule to start from: whoever takes one changes the numbers and the words.
type Template struct {
	Title string
	Rule  Rule
}

// Templates lists what is shipped. Each passes the check of a retailer who declares its purposes.
func Templates() []Template { return slices.Clone(templates) }

func say(en, de string) Action { return Action{Kind: Say, Text: map[string]string{"en": en, "de": de}} }

func percent(id string, off float64) Action {
	return Action{Kind: Price, Offer: &Offer{ID: id, PercentOff: off, Neutral: "The list price is there for everyone."}}
}

var night = Hours{"21:00", "08:00"}

var templates = []Template{
	{"Payday", Rule{ID: "payday", Name: "Payday treat", Purpose: "Offer something good when money has come in.",
		When: `moment.payday_distance <= 0 && moment.payday_distance >= -2 && candidate.price > 10`,
		Then: []Action{{Kind: Boost, Factor: 1.5}}}},
	{"Share likelihood", Rule{ID: "sharer", Name: "Price for sharers", Purpose: "Thank shoppers who tell their friends.",
		Uses: []who.Purpose{who.Loyalty},
		When: `shopper.share_likelihood > 0.5 && candidate.kind == "product"`,
		Then: []Action{percent("sharer", 5)}, Guards: Guardrails{PerShopperDay: 1}}},
	{"Lapsed", Rule{ID: "lapsed", Name: "We miss you", Purpose: "Win back shoppers who stayed away much longer than usual.",
		Uses: []who.Purpose{who.Loyalty},
		When: `shopper.days_since_purchase > 60 && shopper.days_since_purchase > 3.0 * shopper.days_between_orders`,
		Then: []Action{say("Good to see you again.", "Schön, dass Sie wieder da sind.")}, Guards: Guardrails{PerShopperDay: 1}}},
	{"Replenishment", Rule{ID: "replenish", Name: "Running low", Purpose: "Show what is about to run out.",
		Uses: []who.Purpose{who.Loyalty},
		When: `candidate.due >= 0.9 && candidate.due < 2.0 && candidate.times_bought >= 3`,
		Then: []Action{{Kind: Boost, Factor: 2}}}},
	{"Nearby now", Rule{ID: "nearby", Name: "Nearby now", Purpose: "Say hello when a regular comes close to an open store.",
		Uses: []who.Purpose{who.Loyalty, who.Location}, Trigger: Trigger{Kind: OnCrossing, Crossing: "approach"},
		When: `place.open && shopper.visits_here >= 3`,
		Then: []Action{say("You are nearly there.", "Sie sind gleich da.")}, Guards: Guardrails{PerShopperDay: 1, Quiet: night}}},
	{"Opening soon", Rule{ID: "opening", Name: "Opening soon", Purpose: "Tell early shoppers when the doors open.",
		Uses: []who.Purpose{who.Location},
		When: `place.opens_in_min <= 30 && place.distance_m < 500`,
		Then: []Action{say("We open in {place.opens_in_min} minutes.", "Wir öffnen in {place.opens_in_min} Minuten.")}}},
	{"New shopper", Rule{ID: "new", Name: "First steps", Purpose: "Show newcomers what most people like.",
		Uses: []who.Purpose{who.Loyalty},
		When: `shopper.lifecycle == "new" && candidate.score > 0.05`,
		Then: []Action{{Kind: Boost, Factor: 1.2}}}},
	{"Friday buyer", Rule{ID: "friday", Name: "Friday buyer", Purpose: "Put the usual on top for those who shop on Fridays.",
		Uses: []who.Purpose{who.Loyalty}, Schedule: Schedule{Weekdays: []string{"friday"}},
		When: `shopper.weekday_share > 0.4 && candidate.times_bought >= 2`,
		Then: []Action{{Kind: Boost, Factor: 1.5}}}},
	{"Complete the basket", Rule{ID: "complete", Name: "Complete the basket", Purpose: "Remind of what usually goes with the basket.",
		When: `basket.size >= 2 && candidate.with_basket > 0.2 && !candidate.in_basket`,
		Then: []Action{{Kind: Pin, Position: 2}, {Kind: Cap, Most: 1}}}},
	{"Welcome back", Rule{ID: "welcome", Name: "Welcome back", Purpose: "Greet shoppers after a few weeks away.",
		Uses: []who.Purpose{who.Loyalty},
		When: `shopper.days_away >= 21 && shopper.orders > 0`,
		Then: []Action{say("Welcome back.", "Willkommen zurück.")}, Guards: Guardrails{PerShopperDay: 1}}},
	{"Returned category rests", Rule{ID: "returned", Name: "Let it rest", Purpose: "Do not push what was just given back.",
		Uses: []who.Purpose{who.Loyalty}, Priority: MaxPriority,
		When: `candidate.category_days_since_returned < 30`,
		Then: []Action{{Kind: Exclude}}}},
}
