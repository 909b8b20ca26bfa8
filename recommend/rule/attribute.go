package rule

import (
	"math"
	"slices"
	"time"

	"satnav/context/when"
	"satnav/context/who"
)

// Type is that of an attribute.
type Type string

const (
	Flag  Type = "true or false"
	Whole Type = "whole number"
	Real  Type = "number"
	Text  Type = "text"
	Texts Type = "list of texts"
)

// OfferPayday is the purpose that allows rules to use a shopper's own payday, which is inferred from purchases.
const OfferPayday who.Purpose = "offer.payday"

// Attribute is one name that a condition may use.
type Attribute struct {
	Name      string
	Type      Type
	Candidate bool        // of a candidate; else of the scene
	Purpose   who.Purpose // under which it is read; empty: it comes with the call, or is no personal data
	Sensitive string      // what it tells about a person beyond shopping, "financial"; empty: nothing
	Optional  bool        // may be unknown
	Values    []string    // all there are; nil: any
	Doc       string
	Unfed     bool // nothing tells it yet: it is never known, or empty

	flag  func(*frame) (bool, bool) // value and whether it is known
	whole func(*frame) (int64, bool)
	real  func(*frame) (float64, bool)
	text  func(*frame) string
	texts func(*frame) []string
}

// Attributes lists all attributes, by object and name as a reader looks for them.
func Attributes() []Attribute { return slices.Clone(attributes) }

// frame is what a compiled condition reads.
type frame struct {
	scene     *Scene
	candidate *Candidate
	texts     [maxDepth]string // elements of the lists that are walked
}

// sure makes the reader of an attribute that is always known.
func sure[T any](get func(*frame) T) func(*frame) (T, bool) {
	return func(f *frame) (T, bool) { return get(f), true }
}

func dayparts() (words []string) {
	for _, d := range when.Dayparts {
		words = append(words, string(d))
	}
	return words
}

func eventKinds() (words []string) {
	for _, k := range who.EventKinds {
		words = append(words, string(k))
	}
	return words
}

// price is an amount in units of the currency.
func price(f *frame, m who.Money) (float64, bool) {
	unit := f.scene.MinorPerUnit
	if unit == 0 {
		unit = 100
	}
	return float64(m.Minor) / float64(unit), m.Known
}

// margin is the share of the price that is left over the cost.
func margin(c *Candidate) (float64, bool) {
	if !c.Price.Known || !c.Cost.Known || c.Price.Minor <= 0 {
		return 0, false
	}
	return float64(c.Price.Minor-c.Cost.Minor) / float64(c.Price.Minor), true
}

// dates holds the months and days of date.
var dates = func() (words [13][32]string) {
	for month := 1; month <= 12; month++ {
		for day := 1; day <= 31; day++ {
			words[month][day] = time.Date(2000, time.Month(month), 1, 0, 0, 0, 0, time.UTC).Format("01-") + string([]byte{byte('0' + day/10), byte('0' + day%10)})
		}
	}
	return words
}()

// date is the month and day as "11-27", without making a string.
func date(m *Moment) string {
	if m.Month < 1 || m.Month > 12 || m.Day < 1 || m.Day > 31 {
		return ""
	}
	return dates[m.Month][m.Day]
}

func weekday(m *Moment) string {
	if m.Weekday < 0 || m.Weekday >= len(Weekdays) {
		return ""
	}
	return Weekdays[m.Weekday]
}

// attributes is the language's vocabulary: the checker, the compiler and the page for product teams read it.
var attributes = []Attribute{
	{Name: "shopper.known", Type: Flag, Purpose: who.Loyalty, Doc: "The shopper has a history and allows its use.",
		flag: sure(func(f *frame) bool { return f.scene.Shopper.Known })},
	{Name: "shopper.tier", Type: Text, Purpose: who.Loyalty, Doc: "Tier of the loyalty card; as the retailer told it, empty without one.",
		text: func(f *frame) string { return f.scene.Shopper.Tier }},
	{Name: "shopper.points", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Points on the loyalty card; as the retailer told it, without what was redeemed since.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.Points.get() }},
	{Name: "shopper.lifecycle", Type: Text, Purpose: who.Loyalty, Values: Lifecycles, Doc: "Stage of the shopper; empty without a history.",
		text: func(f *frame) string { return f.scene.Shopper.Lifecycle }},
	{Name: "shopper.orders", Type: Whole, Purpose: who.Loyalty, Doc: "Baskets bought so far.",
		whole: sure(func(f *frame) int64 { return f.scene.Shopper.Orders })},
	{Name: "shopper.days_since_purchase", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Days since the last purchase.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.DaysSincePurchase.get() }},
	{Name: "shopper.days_since_first", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Days since the first purchase.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.DaysSinceFirst.get() }},
	{Name: "shopper.days_since_visit", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Days since the last visit of a store.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.DaysSinceVisit.get() }},
	{Name: "shopper.days_away", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Days since the shopper was last seen in the app or a store, before now.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.DaysAway.get() }},
	{Name: "shopper.days_between_orders", Type: Real, Purpose: who.Loyalty, Optional: true, Doc: "Days that usually pass between two purchases.",
		real: func(f *frame) (float64, bool) { return f.scene.Shopper.DaysBetweenOrders.get() }},
	{Name: "shopper.spend_90d", Unfed: true, Type: Real, Purpose: who.Loyalty, Optional: true, Doc: "Spent in the last 90 days, in units of the currency.",
		real: func(f *frame) (float64, bool) { return f.scene.Shopper.Spend90Days.get() }},
	{Name: "shopper.share_likelihood", Type: Real, Purpose: who.Loyalty, Optional: true, Doc: "How likely the shopper shares a product, 0 to 1; from shares in this app alone.",
		real: func(f *frame) (float64, bool) { return f.scene.Shopper.ShareLikelihood.get() }},
	{Name: "shopper.payday_distance", Unfed: true, Type: Whole, Purpose: OfferPayday, Sensitive: "financial", Optional: true,
		Doc:   "Days until (positive) or since (negative) the shopper's own payday, inferred from purchases.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.PaydayDistance.get() }},
	{Name: "shopper.weekday_share", Type: Real, Purpose: who.Loyalty, Optional: true, Doc: "Share of the shopper's baskets that were bought on this weekday, 0 to 1.",
		real: func(f *frame) (float64, bool) { return f.scene.Shopper.WeekdayShare.get() }},
	{Name: "shopper.daypart_share", Type: Real, Purpose: who.Loyalty, Optional: true, Doc: "Share of the shopper's baskets that were bought in this part of the day, 0 to 1.",
		real: func(f *frame) (float64, bool) { return f.scene.Shopper.DaypartShare.get() }},
	{Name: "shopper.visits_here", Type: Whole, Purpose: who.Loyalty, Optional: true, Doc: "Visits of the store that is near.",
		whole: func(f *frame) (int64, bool) { return f.scene.Shopper.VisitsHere.get() }},
	{Name: "shopper.segments", Type: Texts, Purpose: who.Loyalty, Doc: "Names of the segments that the shopper belongs to; as the retailer told it.",
		texts: func(f *frame) []string { return f.scene.Shopper.Segments }},
	{Name: "shopper.top_categories", Type: Texts, Purpose: who.Loyalty, Doc: "Categories that the shopper buys most, the first most.",
		texts: func(f *frame) []string { return f.scene.Shopper.TopCategories }},

	{Name: "place.known", Type: Flag, Purpose: who.Location, Doc: "The shopper tells where they are.",
		flag: sure(func(f *frame) bool { return f.scene.Place.Known })},
	{Name: "place.precise", Type: Flag, Purpose: who.Location, Doc: "The position is precise, not coarse.",
		flag: sure(func(f *frame) bool { return f.scene.Place.Precise })},
	{Name: "place.store", Type: Text, Purpose: who.Location, Doc: "Id of the nearest store; empty where none is near.",
		text: func(f *frame) string { return f.scene.Place.Store }},
	{Name: "place.store_tags", Type: Texts, Purpose: who.Location, Doc: "Tags of that store.",
		texts: func(f *frame) []string { return f.scene.Place.StoreTags }},
	{Name: "place.region", Type: Text, Purpose: who.Location, Doc: "Region of that store.",
		text: func(f *frame) string { return f.scene.Place.Region }},
	{Name: "place.distance_m", Type: Real, Purpose: who.Location, Optional: true, Doc: "Metres to that store.",
		real: func(f *frame) (float64, bool) { return f.scene.Place.DistanceMeters.get() }},
	{Name: "place.open", Type: Flag, Purpose: who.Location, Optional: true, Doc: "That store is open now.",
		flag: func(f *frame) (bool, bool) { return f.scene.Place.Open.get() }},
	{Name: "place.opens_in_min", Type: Whole, Purpose: who.Location, Optional: true, Doc: "Minutes until that store opens; unknown while it is open.",
		whole: func(f *frame) (int64, bool) { return f.scene.Place.OpensInMinutes.get() }},
	{Name: "place.closes_in_min", Type: Whole, Purpose: who.Location, Optional: true, Doc: "Minutes until that store closes; unknown while it is closed.",
		whole: func(f *frame) (int64, bool) { return f.scene.Place.ClosesInMinutes.get() }},
	{Name: "place.geofences", Type: Texts, Purpose: who.Location, Doc: "Ids of the geofences that the shopper is in.",
		texts: func(f *frame) []string { return f.scene.Place.Geofences }},
	{Name: "place.geofence_tags", Type: Texts, Purpose: who.Location, Doc: "Tags of these geofences.",
		texts: func(f *frame) []string { return f.scene.Place.GeofenceTags }},
	{Name: "place.dwell_s", Type: Whole, Purpose: who.Location, Optional: true, Doc: "Seconds since the longest of these visits began.",
		whole: func(f *frame) (int64, bool) { return f.scene.Place.DwellSeconds.get() }},
	{Name: "place.trust", Type: Real, Purpose: who.Location, Optional: true, Doc: "How far the position is believed, 0 to 1.",
		real: func(f *frame) (float64, bool) { return f.scene.Place.Trust.get() }},

	{Name: "moment.hour", Type: Whole, Doc: "Hour on the store's clock, 0 to 23.",
		whole: sure(func(f *frame) int64 { return int64(f.scene.Moment.Minute / 60) })},
	{Name: "moment.minute", Type: Whole, Doc: "Minute of the day on the store's clock, 0 to 1439.",
		whole: sure(func(f *frame) int64 { return int64(f.scene.Moment.Minute) })},
	{Name: "moment.daypart", Type: Text, Values: dayparts(), Doc: "Part of the day.",
		text: func(f *frame) string { return f.scene.Moment.Daypart }},
	{Name: "moment.weekday", Type: Text, Values: Weekdays, Doc: "Day of the week.",
		text: func(f *frame) string { return weekday(&f.scene.Moment) }},
	{Name: "moment.weekend", Type: Flag, Doc: "It is Saturday or Sunday.",
		flag: sure(func(f *frame) bool { return f.scene.Moment.Weekday == 0 || f.scene.Moment.Weekday == 6 })},
	{Name: "moment.day", Type: Whole, Doc: "Day of the month, 1 to 31.",
		whole: sure(func(f *frame) int64 { return int64(f.scene.Moment.Day) })},
	{Name: "moment.month", Type: Whole, Doc: "Month, 1 to 12.",
		whole: sure(func(f *frame) int64 { return int64(f.scene.Moment.Month) })},
	{Name: "moment.year", Type: Whole, Doc: "Year.",
		whole: sure(func(f *frame) int64 { return int64(f.scene.Moment.Year) })},
	{Name: "moment.date", Type: Text, Doc: `Month and day, "11-27".`,
		text: func(f *frame) string { return date(&f.scene.Moment) }},
	{Name: "moment.holiday", Type: Text, Doc: "Name of the holiday; empty on other days.",
		text: func(f *frame) string { return f.scene.Moment.Holiday }},
	{Name: "moment.payday_distance", Type: Whole, Optional: true, Doc: "Days until (positive) or since (negative) the nearest usual payday of the region; says nothing about the shopper.",
		whole: func(f *frame) (int64, bool) { return f.scene.Moment.PaydayDistance.get() }},

	{Name: "basket.size", Type: Whole, Doc: "Items in the basket under way.",
		whole: sure(func(f *frame) int64 { return int64(len(f.scene.Basket.Items)) })},
	{Name: "basket.value", Type: Real, Optional: true, Doc: "Their price, in units of the currency.",
		real: func(f *frame) (float64, bool) { return f.scene.Basket.Value.get() }},
	{Name: "basket.items", Type: Texts, Doc: "Their ids.",
		texts: func(f *frame) []string { return f.scene.Basket.Items }},
	{Name: "basket.categories", Type: Texts, Doc: "Their categories.",
		texts: func(f *frame) []string { return f.scene.Basket.Categories }},
	{Name: "doing.screen", Type: Text, Doc: "Screen of the app.",
		text: func(f *frame) string { return f.scene.Doing.Screen }},
	{Name: "doing.query", Type: Text, Doc: "What the shopper searched for.",
		text: func(f *frame) string { return f.scene.Doing.Query }},

	{Name: "crossing.kind", Type: Text, Purpose: who.Location, Values: CrossingKinds, Doc: "What was crossed; empty unless the rule is triggered by a crossing.",
		text: func(f *frame) string { return f.scene.Trigger.Crossing }},
	{Name: "crossing.geofence", Type: Text, Purpose: who.Location, Doc: "Id of the geofence that was crossed.",
		text: func(f *frame) string { return f.scene.Trigger.Geofence }},
	{Name: "crossing.tags", Type: Texts, Purpose: who.Location, Doc: "Tags of that geofence.",
		texts: func(f *frame) []string { return f.scene.Trigger.GeofenceTags }},
	{Name: "crossing.dwell_s", Type: Whole, Purpose: who.Location, Optional: true, Doc: "Seconds that the visit lasted until the crossing.",
		whole: func(f *frame) (int64, bool) { return f.scene.Trigger.DwellSeconds.get() }},
	{Name: "event.kind", Type: Text, Purpose: who.Loyalty, Values: eventKinds(), Doc: "What the shopper did; empty unless the rule is triggered by an event.",
		text: func(f *frame) string { return f.scene.Trigger.Event }},
	{Name: "event.item", Type: Text, Purpose: who.Loyalty, Doc: "Id of the event's item.",
		text: func(f *frame) string { return f.scene.Trigger.Item }},
	{Name: "event.category", Type: Text, Purpose: who.Loyalty, Doc: "Category of the event's item.",
		text: func(f *frame) string { return f.scene.Trigger.Category }},

	{Name: "candidate.kind", Type: Text, Candidate: true, Values: []string{"product", "offer", "store"}, Doc: "What may be suggested.",
		text: func(f *frame) string { return f.candidate.Kind }},
	{Name: "candidate.item", Type: Text, Candidate: true, Doc: "Its id.",
		text: func(f *frame) string { return f.candidate.Item }},
	{Name: "candidate.category", Type: Text, Candidate: true, Doc: `Its category, a path: "dairy/milk".`,
		text: func(f *frame) string { return f.candidate.Category }},
	{Name: "candidate.brand", Type: Text, Candidate: true, Doc: "Its brand.",
		text: func(f *frame) string { return f.candidate.Brand }},
	{Name: "candidate.tags", Type: Texts, Candidate: true, Doc: "Its tags.",
		texts: func(f *frame) []string { return f.candidate.Tags }},
	{Name: "candidate.price", Type: Real, Candidate: true, Optional: true, Doc: "Its price, in units of the currency.",
		real: func(f *frame) (float64, bool) { return price(f, f.candidate.Price) }},
	{Name: "candidate.list_price", Type: Real, Candidate: true, Optional: true, Doc: "Its list price.",
		real: func(f *frame) (float64, bool) { return price(f, f.candidate.ListPrice) }},
	{Name: "candidate.margin", Type: Real, Candidate: true, Optional: true, Doc: "Share of the price that is left over the cost.",
		real: func(f *frame) (float64, bool) { return margin(f.candidate) }},
	{Name: "candidate.stock", Type: Whole, Candidate: true, Optional: true, Doc: "Pieces in stock.",
		whole: func(f *frame) (int64, bool) { return f.candidate.Stock.get() }},
	{Name: "candidate.score", Type: Real, Candidate: true, Purpose: who.Loyalty, Doc: "How likely the shopper takes it now, 0 to 1, before rules.",
		real: func(f *frame) (float64, bool) { return f.candidate.Score, !math.IsNaN(f.candidate.Score) }},
	{Name: "candidate.in_basket", Type: Flag, Candidate: true, Doc: "It is in the basket.",
		flag: sure(func(f *frame) bool { return f.candidate.InBasket })},
	{Name: "candidate.on_list", Type: Flag, Candidate: true, Doc: "It is on the shopper's list.",
		flag: sure(func(f *frame) bool { return f.candidate.OnList })},
	{Name: "candidate.distance_m", Type: Real, Candidate: true, Purpose: who.Location, Optional: true, Doc: "Metres to it, for a store.",
		real: func(f *frame) (float64, bool) { return f.candidate.DistanceMeters.get() }},
	{Name: "candidate.with_basket", Type: Real, Candidate: true, Optional: true, Doc: "Share of baskets like the one under way that hold it as well, 0 to 1.",
		real: func(f *frame) (float64, bool) { return f.candidate.WithBasket.get() }},
	{Name: "candidate.times_bought", Type: Whole, Candidate: true, Purpose: who.Loyalty, Optional: true, Doc: "How often this shopper bought it.",
		whole: func(f *frame) (int64, bool) { return f.candidate.TimesBought.get() }},
	{Name: "candidate.days_since_bought", Type: Whole, Candidate: true, Purpose: who.Loyalty, Optional: true, Doc: "Days since this shopper bought it.",
		whole: func(f *frame) (int64, bool) { return f.candidate.DaysSinceBought.get() }},
	{Name: "candidate.due", Type: Real, Candidate: true, Purpose: who.Loyalty, Optional: true, Doc: "Days since this shopper bought it, by the days that usually pass: 1.0 is due today.",
		real: func(f *frame) (float64, bool) { return f.candidate.Due.get() }},
	{Name: "candidate.days_since_returned", Type: Whole, Candidate: true, Purpose: who.Loyalty, Optional: true, Doc: "Days since this shopper gave it back.",
		whole: func(f *frame) (int64, bool) { return f.candidate.DaysSinceReturned.get() }},
	{Name: "candidate.category_days_since_returned", Type: Whole, Candidate: true, Purpose: who.Loyalty, Optional: true, Doc: "Days since this shopper gave back anything of its category.",
		whole: func(f *frame) (int64, bool) { return f.candidate.CategoryDaysSinceReturned.get() }},
}

// ranges are the least and the greatest value of numbers that cannot be anything else.
var ranges = func() map[string][2]float64 {
	count, share, span := [2]float64{0, math.MaxInt32}, [2]float64{0, 1}, [2]float64{0, math.MaxInt32}
	return map[string][2]float64{
		"shopper.points": count, "shopper.orders": count, "shopper.days_since_purchase": span, "shopper.days_since_first": span,
		"shopper.days_since_visit": span, "shopper.days_away": span, "shopper.days_between_orders": span, "shopper.spend_90d": count,
		"shopper.share_likelihood": share, "shopper.payday_distance": {-31, 31}, "shopper.weekday_share": share, "shopper.daypart_share": share,
		"shopper.visits_here": count, "place.distance_m": span, "place.opens_in_min": span, "place.closes_in_min": span, "place.dwell_s": span,
		"place.trust": share, "moment.hour": {0, 23}, "moment.minute": {0, 1439}, "moment.day": {1, 31}, "moment.month": {1, 12},
		"moment.payday_distance": {-31, 31}, "basket.size": count, "basket.value": count, "crossing.dwell_s": span,
		"candidate.price": count, "candidate.list_price": count, "candidate.margin": {math.Inf(-1), 1}, "candidate.stock": count,
		"candidate.score": share, "candidate.distance_m": span, "candidate.with_basket": share, "candidate.times_bought": count,
		"candidate.days_since_bought": span, "candidate.due": span, "candidate.days_since_returned": span,
		"candidate.category_days_since_returned": span,
	}
}()

// Range is the least and the greatest value that a number can have; infinite where there is none.
func (a *Attribute) Range() (least, most float64) {
	if r, ok := ranges[a.Name]; ok {
		return r[0], r[1]
	}
	return math.Inf(-1), math.Inf(1)
}

func (m Maybe[T]) get() (T, bool) { return m.Value, m.Known }

// byName finds the number of an attribute.
var byName = func() map[string]int {
	numbers := make(map[string]int, len(attributes))
	for i := range attributes {
		numbers[attributes[i].Name] = i
	}
	return numbers
}()

// value is what the attribute is in a frame, and whether it is known.
func (a *Attribute) value(f *frame) (any, bool) {
	if a.Candidate && f.candidate == nil {
		return nil, false
	}
	switch a.Type {
	case Flag:
		return a.flag(f)
	case Whole:
		return a.whole(f)
	case Real:
		return a.real(f)
	case Text:
		return a.text(f), true
	default:
		return a.texts(f), true
	}
}
