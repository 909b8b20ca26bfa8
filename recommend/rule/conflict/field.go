package conflict

import (
	"time"

	"satnav/context/when"
	"satnav/context/who"
	"satnav/recommend/rule"
)

// stage is a scene under construction, with a candidate.
type stage struct {
	scene     rule.Scene
	candidate rule.Candidate
}

// value is what a field may be. The zero value is "not known", false, or empty.
type value struct {
	known  bool
	number float64
	text   string
	texts  []string
	goods  *rule.Candidate
}

func (v value) whole() rule.Maybe[int64] {
	return rule.Maybe[int64]{Value: int64(v.number), Known: v.known}
}
func (v value) real() rule.Maybe[float64] {
	return rule.Maybe[float64]{Value: v.number, Known: v.known}
}
func (v value) flag() bool { return v.number != 0 }

// Fields that several attributes are read from.
const (
	minuteField = "minute"
	dateField   = "date"
	goodsField  = "goods"
)

// fieldsOf are the fields that decide an attribute, where it is not the field of its own name.
var fieldsOf = map[string][]string{
	"moment.hour": {minuteField}, "moment.minute": {minuteField}, "moment.daypart": {minuteField},
	"moment.weekday": {dateField}, "moment.weekend": {dateField}, "moment.day": {dateField}, "moment.month": {dateField},
	"moment.year": {dateField}, "moment.date": {dateField},
	"candidate.margin": {"candidate.price", "candidate.margin"}, "basket.size": {"basket.items"},
}

// governed says on which other field it depends whether a field has a value at all.
var governed = func() map[string][]string {
	all := map[string][]string{}
	for _, a := range rule.Attributes() {
		switch object := a.Name[:min(len(a.Name), len("place."))]; {
		case object == "place." && a.Name != "place.known":
			all[a.Name] = append(all[a.Name], "place.known")
		case len(a.Name) > len("shopper.") && a.Name[:len("shopper.")] == "shopper." && a.Name != "shopper.known":
			all[a.Name] = append(all[a.Name], "shopper.known")
		}
	}
	for _, name := range []string{"place.store_tags", "place.region", "place.distance_m", "place.open", "place.opens_in_min", "place.closes_in_min"} {
		all[name] = append(all[name], "place.store")
	}
	for _, name := range []string{"place.opens_in_min", "place.closes_in_min"} {
		all[name] = append(all[name], "place.open")
	}
	return all
}()

// ofGoods are the attributes that the catalogue decides.
var ofGoods = map[string]bool{"candidate.kind": true, "candidate.item": true, "candidate.category": true, "candidate.brand": true, "candidate.tags": true,
	"candidate.price": true, "candidate.list_price": true, "candidate.margin": true, "candidate.stock": true}

// sets puts a value into a stage.
var sets = map[string]func(*stage, value){
	"shopper.known":               func(s *stage, v value) { s.scene.Shopper.Known = v.flag() },
	"shopper.tier":                func(s *stage, v value) { s.scene.Shopper.Tier = v.text },
	"shopper.points":              func(s *stage, v value) { s.scene.Shopper.Points = v.whole() },
	"shopper.lifecycle":           func(s *stage, v value) { s.scene.Shopper.Lifecycle = v.text },
	"shopper.orders":              func(s *stage, v value) { s.scene.Shopper.Orders = int64(v.number) },
	"shopper.days_since_purchase": func(s *stage, v value) { s.scene.Shopper.DaysSincePurchase = v.whole() },
	"shopper.days_since_first":    func(s *stage, v value) { s.scene.Shopper.DaysSinceFirst = v.whole() },
	"shopper.days_since_visit":    func(s *stage, v value) { s.scene.Shopper.DaysSinceVisit = v.whole() },
	"shopper.days_away":           func(s *stage, v value) { s.scene.Shopper.DaysAway = v.whole() },
	"shopper.days_between_orders": func(s *stage, v value) { s.scene.Shopper.DaysBetweenOrders = v.real() },
	"shopper.spend_90d":           func(s *stage, v value) { s.scene.Shopper.Spend90Days = v.real() },
	"shopper.share_likelihood":    func(s *stage, v value) { s.scene.Shopper.ShareLikelihood = v.real() },
	"shopper.payday_distance":     func(s *stage, v value) { s.scene.Shopper.PaydayDistance = v.whole() },
	"shopper.weekday_share":       func(s *stage, v value) { s.scene.Shopper.WeekdayShare = v.real() },
	"shopper.daypart_share":       func(s *stage, v value) { s.scene.Shopper.DaypartShare = v.real() },
	"shopper.visits_here":         func(s *stage, v value) { s.scene.Shopper.VisitsHere = v.whole() },
	"shopper.segments":            func(s *stage, v value) { s.scene.Shopper.Segments = v.texts },
	"shopper.top_categories":      func(s *stage, v value) { s.scene.Shopper.TopCategories = v.texts },

	"place.known":         func(s *stage, v value) { s.scene.Place.Known = v.flag() },
	"place.precise":       func(s *stage, v value) { s.scene.Place.Precise = v.flag() },
	"place.store":         func(s *stage, v value) { s.scene.Place.Store = v.text },
	"place.store_tags":    func(s *stage, v value) { s.scene.Place.StoreTags = v.texts },
	"place.region":        func(s *stage, v value) { s.scene.Place.Region = v.text },
	"place.distance_m":    func(s *stage, v value) { s.scene.Place.DistanceMeters = v.real() },
	"place.open":          func(s *stage, v value) { s.scene.Place.Open = rule.Maybe[bool]{Value: v.flag(), Known: v.known} },
	"place.opens_in_min":  func(s *stage, v value) { s.scene.Place.OpensInMinutes = v.whole() },
	"place.closes_in_min": func(s *stage, v value) { s.scene.Place.ClosesInMinutes = v.whole() },
	"place.geofences":     func(s *stage, v value) { s.scene.Place.Geofences = v.texts },
	"place.geofence_tags": func(s *stage, v value) { s.scene.Place.GeofenceTags = v.texts },
	"place.dwell_s":       func(s *stage, v value) { s.scene.Place.DwellSeconds = v.whole() },
	"place.trust":         func(s *stage, v value) { s.scene.Place.Trust = v.real() },

	minuteField: func(s *stage, v value) {
		s.scene.Moment.Minute = int(v.number)
		s.scene.Moment.Daypart = string(when.DaypartOf(int(v.number) / 60))
	},
	dateField: func(s *stage, v value) {
		at := time.Unix(int64(v.number), 0).UTC()
		m := &s.scene.Moment
		m.Year, m.Month, m.Day, m.Weekday = at.Year(), int(at.Month()), at.Day(), int(at.Weekday())
	},
	"moment.holiday":         func(s *stage, v value) { s.scene.Moment.Holiday = v.text },
	"moment.payday_distance": func(s *stage, v value) { s.scene.Moment.PaydayDistance = v.whole() },

	"basket.value":      func(s *stage, v value) { s.scene.Basket.Value = v.real() },
	"basket.items":      func(s *stage, v value) { s.scene.Basket.Items = v.texts },
	"basket.categories": func(s *stage, v value) { s.scene.Basket.Categories = v.texts },
	"doing.screen":      func(s *stage, v value) { s.scene.Doing.Screen = v.text },
	"doing.query":       func(s *stage, v value) { s.scene.Doing.Query = v.text },

	"crossing.kind":     func(s *stage, v value) { s.scene.Trigger.Crossing = v.text },
	"crossing.geofence": func(s *stage, v value) { s.scene.Trigger.Geofence = v.text },
	"crossing.tags":     func(s *stage, v value) { s.scene.Trigger.GeofenceTags = v.texts },
	"crossing.dwell_s":  func(s *stage, v value) { s.scene.Trigger.DwellSeconds = v.whole() },
	"event.kind":        func(s *stage, v value) { s.scene.Trigger.Event = v.text },
	"event.item":        func(s *stage, v value) { s.scene.Trigger.Item = v.text },
	"event.category":    func(s *stage, v value) { s.scene.Trigger.Category = v.text },

	"candidate.kind":       func(s *stage, v value) { s.candidate.Kind = v.text },
	"candidate.item":       func(s *stage, v value) { s.candidate.Item = v.text },
	"candidate.category":   func(s *stage, v value) { s.candidate.Category = v.text },
	"candidate.brand":      func(s *stage, v value) { s.candidate.Brand = v.text },
	"candidate.tags":       func(s *stage, v value) { s.candidate.Tags = v.texts },
	"candidate.price":      func(s *stage, v value) { s.candidate.Price = money(v) },
	"candidate.list_price": func(s *stage, v value) { s.candidate.ListPrice = money(v) },
	// The margin is made by the cost, of the price that is there.
	"candidate.margin": func(s *stage, v value) {
		s.candidate.Cost = who.Money{Minor: int64(float64(s.candidate.Price.Minor)*(1-v.number) + 0.5), Known: v.known}
	},
	"candidate.stock":       func(s *stage, v value) { s.candidate.Stock = v.whole() },
	"candidate.score":       func(s *stage, v value) { s.candidate.Score = v.number },
	"candidate.in_basket":   func(s *stage, v value) { s.candidate.InBasket = v.flag() },
	"candidate.on_list":     func(s *stage, v value) { s.candidate.OnList = v.flag() },
	"candidate.distance_m":  func(s *stage, v value) { s.candidate.DistanceMeters = v.real() },
	"candidate.with_basket": func(s *stage, v value) { s.candidate.WithBasket = v.real() },
	"candidate.times_bought": func(s *stage, v value) {
		s.candidate.TimesBought = v.whole()
	},
	"candidate.days_since_bought":            func(s *stage, v value) { s.candidate.DaysSinceBought = v.whole() },
	"candidate.due":                          func(s *stage, v value) { s.candidate.Due = v.real() },
	"candidate.days_since_returned":          func(s *stage, v value) { s.candidate.DaysSinceReturned = v.whole() },
	"candidate.category_days_since_returned": func(s *stage, v value) { s.candidate.CategoryDaysSinceReturned = v.whole() },

	goodsField: func(s *stage, v value) {
		c, g := &s.candidate, v.goods
		c.Kind, c.Item, c.Category, c.Brand, c.Tags = g.Kind, g.Item, g.Category, g.Brand, g.Tags
		c.Price, c.ListPrice, c.Cost, c.Stock = g.Price, g.ListPrice, g.Cost, g.Stock
	},
}

// money is a price in minor units.
func money(v value) who.Money { return who.Money{Minor: int64(v.number), Known: v.known} }

// settle takes out of a stage what cannot be together: nothing is known of a shopper without a history, no store is open
// where none is near, and a store that is open does not open in half an hour.
func (s *stage) settle() {
	if !s.scene.Shopper.Known {
		s.scene.Shopper = rule.Shopper{}
	}
	p := &s.scene.Place
	if !p.Known {
		*p = rule.Place{}
	}
	if p.Store == "" {
		p.StoreTags, p.Region, p.DistanceMeters, p.Open = nil, "", rule.Maybe[float64]{}, rule.Maybe[bool]{}
		p.OpensInMinutes, p.ClosesInMinutes = rule.Maybe[int64]{}, rule.Maybe[int64]{}
	}
	if p.Open.Known && p.Open.Value {
		p.OpensInMinutes = rule.Maybe[int64]{}
	}
	if p.Open.Known && !p.Open.Value {
		p.ClosesInMinutes = rule.Maybe[int64]{}
	}
}
