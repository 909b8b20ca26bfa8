package api

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/text/language"

	"satnav/recommend"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
)

// phrases are the texts of reasons in one language. The engine knows codes and values; what a shopper reads
// is written here, so that a new language is one more row.
type phrases map[recommend.Code]string

// Phrases of their own for a count of one.
const (
	boughtOnce  = recommend.UsuallyBought + "_once"
	visitedOnce = recommend.UsuallyVisited + "_once"
)

// In a phrase, {every}, {last}, {times}, {with}, {store} and {meters} stand for a reason's values.
var phrasesOf = map[language.Tag]phrases{
	language.English: {
		recommend.DueAgain:       "You buy this about every {every} days; last time {last} days ago",
		recommend.UsuallyBought:  "You have bought this {times} times",
		recommend.BoughtTogether: "Often bought together with {with}",
		recommend.PopularHere:    "Popular at {store}",
		recommend.PopularNow:     "Popular at this time",
		recommend.Popular:        "Popular with many shoppers",
		recommend.Nearby:         "{meters} m from you",
		recommend.UsuallyVisited: "You have been here {times} times",
		recommend.OftenNext:      "Many go here after {store}",
		recommend.OnYourList:     "It is on your list",
		recommend.Liked:          "You liked this",
		recommend.Viewed:         "You looked at this lately",
		recommend.InCatalogue:    "From the catalogue",
		boughtOnce:               "You have bought this before",
		visitedOnce:              "You have been here before",
	},
	language.German: {
		recommend.DueAgain:       "Sie kaufen das etwa alle {every} Tage; zuletzt vor {last} Tagen",
		recommend.UsuallyBought:  "Sie haben das {times}-mal gekauft",
		recommend.BoughtTogether: "Oft zusammen mit {with} gekauft",
		recommend.PopularHere:    "Beliebt bei {store}",
		recommend.PopularNow:     "Beliebt um diese Zeit",
		recommend.Popular:        "Bei vielen beliebt",
		recommend.Nearby:         "{meters} m von Ihnen",
		recommend.UsuallyVisited: "Sie waren {times}-mal hier",
		recommend.OftenNext:      "Viele gehen nach {store} hierher",
		recommend.OnYourList:     "Steht auf Ihrer Liste",
		recommend.Liked:          "Das hat Ihnen gefallen",
		recommend.Viewed:         "Das haben Sie sich angesehen",
		recommend.InCatalogue:    "Aus dem Sortiment",
		boughtOnce:               "Sie haben das schon gekauft",
		visitedOnce:              "Sie waren schon hier",
	},
	language.French: {
		recommend.DueAgain:       "Vous l’achetez environ tous les {every} jours ; la dernière fois il y a {last} jours",
		recommend.UsuallyBought:  "Vous l’avez acheté {times} fois",
		recommend.BoughtTogether: "Souvent acheté avec {with}",
		recommend.PopularHere:    "Apprécié chez {store}",
		recommend.PopularNow:     "Apprécié à cette heure",
		recommend.Popular:        "Apprécié par beaucoup",
		recommend.Nearby:         "À {meters} m de vous",
		recommend.UsuallyVisited: "Vous y êtes allé {times} fois",
		recommend.OftenNext:      "Beaucoup y vont après {store}",
		recommend.OnYourList:     "Il est sur votre liste",
		recommend.Liked:          "Vous l’avez aimé",
		recommend.Viewed:         "Vous l’avez regardé récemment",
		recommend.InCatalogue:    "Du catalogue",
		boughtOnce:               "Vous l’avez déjà acheté",
		visitedOnce:              "Vous y êtes déjà allé",
	},
	language.Portuguese: {
		recommend.DueAgain:       "Compra isto cerca de cada {every} dias; a última vez foi há {last} dias",
		recommend.UsuallyBought:  "Já comprou isto {times} vezes",
		recommend.BoughtTogether: "Muitas vezes comprado com {with}",
		recommend.PopularHere:    "Popular em {store}",
		recommend.PopularNow:     "Popular a esta hora",
		recommend.Popular:        "Popular entre muitos clientes",
		recommend.Nearby:         "A {meters} m de si",
		recommend.UsuallyVisited: "Já aqui esteve {times} vezes",
		recommend.OftenNext:      "Muitos vêm aqui depois de {store}",
		recommend.OnYourList:     "Está na sua lista",
		recommend.Liked:          "Gostou disto",
		recommend.Viewed:         "Viu isto há pouco tempo",
		recommend.InCatalogue:    "Do catálogo",
		boughtOnce:               "Já comprou isto",
		visitedOnce:              "Já aqui esteve",
	},
}

// languages lists the languages of phrasesOf; the first one serves whoever speaks none of them.
var languages = []language.Tag{language.English, language.German, language.French, language.Portuguese}

var matcher = language.NewMatcher(languages)

// words write the texts of one answer.
type words struct {
	phrases  phrases
	exponent int // decimals of the retailer's currency
	snapshot *retailer.Snapshot
}

// wordsFor are the words for a wanted language, else for the retailer's first.
func wordsFor(wanted string, snapshot *retailer.Snapshot) words {
	if wanted == "" && len(snapshot.Settings.Languages) > 0 {
		wanted = snapshot.Settings.Languages[0]
	}
	spoken := languages[0]
	if wanted != "" && wanted != "en" {
		if tag, err := language.Parse(wanted); err == nil {
			_, i, _ := matcher.Match(tag)
			spoken = languages[i]
		}
	}
	return words{phrases: phrasesOf[spoken], exponent: snapshot.Settings.Exponent(), snapshot: snapshot}
}

// reason tells a reason: its code, its values under their own names, and the text.
func (w words) reason(r recommend.Reason) wire.Reason {
	values := map[string]any{}
	text := w.phrases[r.Code]
	if once, ok := w.phrases[r.Code+"_once"]; ok && r.Values.Times == 1 {
		text = once
	}
	put := func(name, slot string, value any, shown string) {
		values[name] = value
		text = strings.Replace(text, slot, shown, 1)
	}
	v := r.Values
	switch r.Code {
	case recommend.DueAgain:
		put("every_days", "{every}", tenth(v.EveryDays), whole(v.EveryDays))
		put("last_days", "{last}", tenth(v.LastDays), whole(v.LastDays))
	case recommend.UsuallyBought, recommend.UsuallyVisited:
		put("times", "{times}", v.Times, fmt.Sprint(v.Times))
		if v.LastDays > 0 {
			values["last_days"] = tenth(v.LastDays)
		}
	case recommend.BoughtTogether:
		put("with", "{with}", v.With, w.title(v.With))
	case recommend.PopularHere, recommend.OftenNext:
		put("store", "{store}", v.Store, w.store(v.Store))
	case recommend.Nearby:
		put("meters", "{meters}", math.Round(v.Meters), whole(v.Meters))
		if v.Store != "" {
			values["store"] = v.Store
		}
	}
	return wire.Reason{Code: string(r.Code), Text: text, Values: values}
}

// tenth rounds to one decimal: more would pretend to know.
func tenth(days float64) float64 { return math.Round(days*10) / 10 }

// whole is a number as people say it; what is less than one is one.
func whole(number float64) string { return fmt.Sprint(int(math.Max(1, math.Round(number)))) }

// title is what people call an item.
func (w words) title(id string) string {
	if number, ok := w.snapshot.Names.Items.Lookup(id); ok {
		if p := w.snapshot.Suggest.Catalogue.Product(number); p != nil {
			return p.Title
		}
	}
	return id
}

// store is what people call a store.
func (w words) store(id string) string {
	if s, ok := w.snapshot.Scene.Stores.ByID(id); ok {
		return s.Name
	}
	return id
}
