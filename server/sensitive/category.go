// Package sensitive knows what would tell about a person what the law protects most: health, pregnancy, religion and the like.
//
// It exists so that there is one list, read alike by imports, the catalogue and geofences. Nothing of it is inferred, used to
// choose whom to address, or shown as a reason. Decided against: guessing from titles (it would have to be right in every language; a
// retailer says it, and a test on the catalogue is theirs).
package sensitive

import (
	"slices"
	"strings"
)

// Category is what something would tell.
type Category string

// The categories that the law names (GDPR 9 and 10, PIPL 28, the FTC's list of sensitive places).
const (
	Health     Category = "health"
	Pregnancy  Category = "pregnancy"
	Religion   Category = "religion"
	Politics   Category = "politics"
	Sexuality  Category = "sexuality"
	Minors     Category = "minors"
	Finances   Category = "finances"
	Ethnicity  Category = "ethnicity"
	Union      Category = "union"
	Crime      Category = "crime"
	Addiction  Category = "addiction"
	Unnamed    Category = "yes" // sensitive, and nobody said how
	NoCategory Category = ""
)

// Categories lists them all but the unnamed.
var Categories = []Category{Health, Pregnancy, Religion, Politics, Sexuality, Minors, Finances, Ethnicity, Union, Crime, Addiction}

// others are words for a category that people use of products and places, and that mean nothing else: a court may be one for
// tennis, so it is not among them.
var others = map[string]Category{
	"medicine": Health, "medical": Health, "clinic": Health, "hospital": Health, "hiv": Health, "abortion": Health,
	"maternity": Pregnancy, "fertility": Pregnancy,
	"church": Religion, "mosque": Religion, "synagogue": Religion, "worship": Religion,
	"political": Politics, "sexual": Sexuality, "lgbt": Sexuality, "lgbtq": Sexuality,
	"kindergarten": Minors, "debt": Finances, "pawnshop": Finances,
	"trade union": Union, "prison": Crime, "rehab": Addiction,
}

// Of reads what a retailer says of a product: a category, any other word for one, "yes" or "no". A word that nobody knows is kept
// as it is: who names something means it. "no", "false" and "0" are none.
func Of(text string) Category {
	word := strings.ToLower(strings.TrimSpace(text))
	switch word {
	case "", "no", "false", "0":
		return NoCategory
	case "yes", "true", "1":
		return Unnamed
	}
	if category, known := Known(word); known {
		return category
	}
	return Category(strings.TrimSpace(text))
}

// Known finds the category that a word names, a tag of a geofence for example.
func Known(word string) (Category, bool) {
	word = strings.ToLower(strings.TrimSpace(word))
	if slices.Contains(Categories, Category(word)) {
		return Category(word), true
	}
	category, known := others[word]
	return category, known
}
