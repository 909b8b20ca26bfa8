package rule

import (
	"math"

	"satnav/context/who"
)

// target is the price that an offer asks for, rounded down: what is left over is the shopper's.
func (o *Offer) target(price who.Money) int64 {
	switch {
	case o.PercentOff > 0:
		return int64(math.Floor(float64(price.Minor) * (100 - o.PercentOff) / 100))
	case o.MinorOff > 0:
		return price.Minor - o.MinorOff
	case o.named && o.Minor == 0: // something else than a lower price
		return price.Minor
	}
	return o.Minor
}

// floor is the lowest price for what has a cost, rounded up.
func (h *House) floor(cost who.Money) int64 {
	return int64(math.Ceil(float64(cost.Minor) / (1 - h.FloorMargin)))
}

// lower is the price after an offer, never higher than before and never under the floor. What would be under
// it is held back, not lowered less: nobody asked for that price.
func (o *Offer) lower(price, cost who.Money, house *House) (who.Money, Hold) {
	target := o.target(price)
	switch {
	case !price.Known || target >= price.Minor:
		return price, Free
	case target < 0, cost.Known && target < house.floor(cost), !cost.Known && !house.CostUnknown:
		return price, HeldByFloor
	}
	return who.Money{Minor: target, Known: true}, Free
}

// Disclosure is what an answer must say beside a price that depends on what is known of the shopper, in the
// words of a jurisdiction ("EU", "CN", "US-NY", …) and a language; English where there is no translation,
// the plain wording where the jurisdiction has none of its own.
func Disclosure(jurisdiction, language string) string {
	words, ok := disclosures[jurisdiction]
	if !ok {
		words = disclosures[""]
	}
	if text, ok := words[language]; ok {
		return text
	}
	return words["en"]
}

// The sources: Directive 2011/83/EU, art. 6(1)(ea); New York General Business Law § 349-a, whose words are
// the law's own; Personal Information Protection Law of the PRC, art. 24.
var disclosures = map[string]map[string]string{
	"": {
		"en": "This price was set for you from what we know of you.",
		"de": "Dieser Preis wurde anhand dessen, was wir über Sie wissen, für Sie festgelegt.",
		"fr": "Ce prix a été fixé pour vous à partir de ce que nous savons de vous.",
		"pt": "Este preço foi definido para si com base no que sabemos sobre si.",
	},
	"EU": {
		"en": "This price was personalised on the basis of automated decision-making.",
		"de": "Dieser Preis wurde auf der Grundlage einer automatisierten Entscheidungsfindung personalisiert.",
		"fr": "Ce prix a été personnalisé sur la base d'une prise de décision automatisée.",
		"pt": "Este preço foi personalizado com base numa decisão automatizada.",
	},
	"US-NY": {"en": "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"},
	"CN": {
		"en": "This price comes from automated decision-making. You can choose the price that is not based on your characteristics.",
		"zh": "此价格由自动化决策生成，您可以选择不针对您个人特征的价格。",
	},
}
