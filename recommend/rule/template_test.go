package rule

import (
	"testing"

	"satnav/context/who"
)

// TestTemplates holds each template to the check, and shows it matching in a scene made for it.
func TestTemplates(t *testing.T) {
	t.Parallel()
	milk := Candidate{Kind: "product", Item: "milk", Price: who.Money{Minor: 1500, Known: true}, Cost: who.Money{Minor: 500, Known: true}, Score: 0.3}
	bought := milk
	bought.Due, bought.TimesBought = Known(1.1), Known(int64(4))
	paired := milk
	paired.WithBasket = Known(0.4)
	returned := milk
	returned.CategoryDaysSinceReturned = Known(int64(3))
	near := Place{Known: true, Open: Known(true), DistanceMeters: Known(80.0)}
	soon := Place{Known: true, Open: Known(false), DistanceMeters: Known(80.0), OpensInMinutes: Known(int64(20))}
	fits := map[string]struct {
		scene     Scene
		candidate *Candidate
	}{
		"payday":    {Scene{Moment: Moment{PaydayDistance: Known(int64(-1))}}, &milk},
		"sharer":    {Scene{Shopper: Shopper{ShareLikelihood: Known(0.8)}}, &milk},
		"lapsed":    {Scene{Shopper: Shopper{DaysSincePurchase: Known(int64(90)), DaysBetweenOrders: Known(7.0)}}, nil},
		"replenish": {Scene{}, &bought},
		"nearby":    {Scene{Trigger: Happening{Kind: OnCrossing, Crossing: "approach"}, Place: near, Shopper: Shopper{VisitsHere: Known(int64(5))}, Moment: Moment{Minute: 600}}, nil},
		"opening":   {Scene{Place: soon}, nil},
		"new":       {Scene{Shopper: Shopper{Lifecycle: "new"}}, &milk},
		"friday":    {Scene{Shopper: Shopper{WeekdayShare: Known(0.6)}, Moment: Moment{Weekday: 5}}, &bought},
		"complete":  {Scene{Basket: Basket{Items: []string{"a", "b"}}}, &paired},
		"welcome":   {Scene{Shopper: Shopper{DaysAway: Known(int64(30)), Orders: 3}}, nil},
		"returned":  {Scene{}, &returned},
	}
	for _, template := range Templates() {
		t.Run(template.Title, func(t *testing.T) {
			t.Parallel()
			rule := template.Rule
			s, err := NewSet("v1", []Rule{rule}, House{})
			if err != nil {
				t.Fatal(err)
			}
			fit, ok := fits[rule.ID]
			if !ok {
				t.Fatal("no scene shows it")
			}
			outcome := func(scene *Scene, c *Candidate) Outcome {
				r := s.Begin(scene, nil)
				defer r.Release()
				return r.Why(c)[0].Outcome
			}
			if got := outcome(&fit.scene, fit.candidate); got != Matched {
				t.Errorf("in the scene made for it it came to %q", got)
			}
			nobody := Scene{Trigger: fit.scene.Trigger, Moment: Moment{Weekday: 5, Minute: 600}}
			if got := outcome(&nobody, &Candidate{Kind: "product"}); got == Matched {
				t.Error("it matches a stranger of whom nothing is known")
			}
		})
	}
	for i, template := range Templates() {
		if template.Rule.Name == "" || template.Rule.Purpose == "" {
			t.Errorf("template %d lacks a name or a purpose", i)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	a := say("We open in {place.opens_in_min} minutes.", "Bald.")
	if got, ok := a.Fill("en", &Scene{Place: Place{OpensInMinutes: Known(int64(20))}}, nil); !ok || got != "We open in 20 minutes." {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := a.Fill("en", &Scene{}, nil); ok {
		t.Errorf("a text with a value that is not known is said: %q", got)
	}
	if _, ok := a.Fill("fr", &Scene{}, nil); ok {
		t.Error("there is no French text")
	}
}
