package demo

import (
	"satnav/context/who"
	"satnav/recommend/offer"
)

// Offers are some of each sort: on goods, for regulars, and with codes. None is shown until a rule names it.
func (c *City) Offers() []offer.Offer {
	return []offer.Offer{
		{ID: "bread-ten", Name: "Bread on Fridays", Owner: "demo", Purpose: "Bring people to the bakery before the weekend.",
			Title:      map[string]string{"en": "10 % off all bread", "pt": "10 % em todo o pão"},
			Categories: []string{"food/bakery/bread"}, PercentOff: 10, Stock: 5000, PerShopper: 4, Group: "percent"},
		{ID: "regulars-azulejo", Name: "Thanks to regulars", Owner: "demo", Purpose: "Thank those who come often.",
			Title: map[string]string{"en": "5 % off Azulejo, for regulars", "pt": "5 % em Azulejo, para clientes habituais"},
			Uses:  []who.Purpose{who.Loyalty}, When: "shopper.orders >= 10", Brands: []string{"Azulejo"}, PercentOff: 5,
			Neutral: "The price on the shelf.", BudgetMinor: 500_000, Group: "percent"},
		{ID: "free-coffee", Name: "Coffee from the letter box", Owner: "demo", Purpose: "See who reads what we print.",
			Title: map[string]string{"en": "A free coffee with your code", "pt": "Um café grátis com o seu código"}, Codes: true, PerShopper: 1},
	}
}
