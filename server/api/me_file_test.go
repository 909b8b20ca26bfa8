package api

import (
	"strings"
	"testing"

	"satnav/recommend/rule"
	"satnav/server/store"
)

// TestRuleText holds what a shopper is told of a rule that did not act: in words, never in the language of conditions.
func TestRuleText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		give store.RuleTrace
		want string
	}{
		{"not true", store.RuleTrace{Outcome: rule.NotTrue, Part: `shopper.tier == "gold"`}, "It is for other occasions: it asks for tier of the loyalty card"},
		{"two things", store.RuleTrace{Outcome: rule.NotTrue, Part: `shopper.orders > 3 || moment.weekend`}, "It is for other occasions: it asks for baskets bought so far, it is Saturday or Sunday"},
		{"not known", store.RuleTrace{Outcome: rule.NotKnown, Part: `shopper.points > 5`}, "It asks for something that is not known: points on the loyalty card"},
		{"no candidate", store.RuleTrace{Outcome: rule.NoCandidate, Part: `candidate.brand == "b"`}, "Nothing that could be suggested was what it is for: it asks for its brand"},
		{"held", store.RuleTrace{Outcome: rule.HeldBack, Hold: rule.HeldByQuiet}, "It was held back: quiet hours"},
		{"an attribute that is no more", store.RuleTrace{Outcome: rule.NotTrue, Part: `shopper.mood == "good"`}, "It is for other occasions: it asks for something else"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ruleText(test.give); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, a := range rule.Attributes() {
		if words := askedFor("has(" + a.Name + ") || " + a.Name + " == " + a.Name); strings.ContainsAny(words, `=&|"`) {
			t.Errorf("%s is told as %q", a.Name, words)
		}
	}
}
