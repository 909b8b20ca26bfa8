package demo

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"satnav/geo"
	"satnav/server/importer"
)

// shop lives through one shopper's history. It returns false when yield did.
func (c *City) shop(s *Shopper, yield func(importer.Purchase) bool) bool {
	r := c.random(drawHistory, s.Number)
	due := make([]float64, len(s.Staples)) // days after the start
	taken := make([]int, len(s.Staples))   // the product bought now
	offset := s.from.Sub(c.start).Hours() / 24
	for i, staple := range s.Staples {
		due[i] = offset + r.Float64()*staple.Every*0.7
		taken[i] = staple.product
	}
	loyal := map[string]int{} // the product of each kind that this shopper takes
	for _, staple := range s.Staples {
		loyal[c.products[staple.product].goods.name] = staple.product
	}
	visits, rest := 0, 0.0
	for day := range c.scale.Days {
		date := c.start.AddDate(0, 0, day)
		if date.Before(s.from) || !date.Before(s.to) {
			continue
		}
		// Rest after a visit: likelihood grows until the usual distance is over.
		rest++
		eager := min(1.6, rest/s.Every*1.6)
		if r.Float64() >= 1.35*eager/s.Every*s.weekdays[date.Weekday()]*s.flush(date) {
			continue
		}
		at, store, ok := c.visit(r, s, date)
		if !ok {
			continue
		}
		rest = 0
		visits++
		basket := basket{city: c, shopper: s, at: at, store: store, id: fmt.Sprintf("b%d", visits)}
		basket.fill(r, due, taken, loyal, float64(day))
		for _, line := range basket.lines {
			if !yield(line) {
				return false
			}
		}
	}
	return true
}

// flush is how much more a shopper buys in the days after payday.
func (s *Shopper) flush(date time.Time) float64 {
	since := date.Day() - s.Payday
	if since < 0 {
		since += 30
	}
	switch {
	case since < 4:
		return 1.5
	case since > 24:
		return 0.8
	}
	return 0.97
}

// visit finds an open favourite store and a time of the day.
func (c *City) visit(r *rand.Rand, s *Shopper, date time.Time) (at time.Time, store int, ok bool) {
	for range 6 {
		store = s.stores[min(len(s.stores)-1, int(r.ExpFloat64()*0.85))]
		if r.Float64() < 0.07 {
			store = r.IntN(len(c.shops))
		}
		weekend := date.Weekday() == time.Saturday || date.Weekday() == time.Sunday
		hour := s.hours[0]
		if weekend {
			hour = s.hours[1]
		}
		if r.Float64() < 0.2 {
			hour = 9 + r.Float64()*11
		}
		minutes := int((hour + r.NormFloat64()*0.8) * 60)
		at = time.Date(date.Year(), date.Month(), date.Day(), 0, minutes, r.IntN(60), 0, c.zone)
		if c.shops[store].isOpen(at) && at.Day() == date.Day() {
			return at, store, true
		}
	}
	return at, store, false
}

// basket is what is bought on one visit.
type basket struct {
	city    *City
	shopper *Shopper
	at      time.Time
	store   int
	id      string
	lines   []importer.Purchase
	in      map[int]bool
}

// fill puts into the basket what is due, what is cooked, and what catches the eye.
func (b *basket) fill(r *rand.Rand, due []float64, taken []int, loyal map[string]int, day float64) {
	c, s := b.city, b.shopper
	b.in = map[int]bool{}
	for i, staple := range s.Staples {
		if due[i] > day+0.5 || r.Float64() > 0.86 {
			continue
		}
		item := taken[i]
		switch x := r.Float64(); {
		case x < 0.03: // another maker or flavour from now on
			item = s.choose(c, r, c.products[item].goods.name)
			taken[i] = item
		case x < 0.11: // for once
			item = s.choose(c, r, c.products[item].goods.name)
		}
		if b.add(r, item) {
			due[i] = day + staple.Every*spread(r, 0.13)
		}
	}
	for _, recipe := range s.Recipes {
		if r.Float64() > 0.42/float64(len(s.Recipes)+1) {
			continue
		}
		for _, kind := range recipes[recipe] {
			if r.Float64() < 0.25 || !s.takes(c.products[c.kinds[kind][0]].goods) {
				continue // still in the larder
			}
			item, known := loyal[kind]
			if !known || r.Float64() < 0.12 {
				item = s.choose(c, r, kind)
				loyal[kind] = item
			}
			b.add(r, item)
		}
	}
	n := s.curious * s.flush(b.at) * spread(r, 0.5)
	if len(b.lines) == 0 {
		n++
	}
	for range int(n + r.Float64()) {
		b.add(r, b.notice(r))
	}
}

// notice is something that was on no list: popular at this hour and season, in this store, or new.
func (b *basket) notice(r *rand.Rand) int {
	c := b.city
	for range 8 {
		var item int
		switch x := r.Float64(); {
		case x < 0.22:
			shop := &c.shops[b.store]
			item = shop.local[shop.taste.draw(r)]
		case x < 0.27 && len(c.fresh) > 0:
			item = c.fresh[int(r.ExpFloat64()*4)%len(c.fresh)]
		default:
			item = c.popular[moment{b.at.Month(), partOf(b.at.Hour())}].draw(r)
		}
		p := &c.products[item]
		if !b.shopper.takes(p.goods) && (p.goods.tells == "" || r.Float64() > 0.3) {
			continue
		}
		if p.sold(b.at) && (!p.reducedOn(b.at) || r.Float64() < 0.9) {
			return item
		}
	}
	return c.kinds["bananas"][0]
}

// add puts a product into the basket, unless it is there or no longer sold.
func (b *basket) add(r *rand.Rand, item int) bool {
	p := &b.city.products[item]
	if b.in[item] || !p.sold(b.at) {
		return false
	}
	b.in[item] = true
	quantity := 1.0
	switch {
	case p.kg:
		quantity = math.Round((0.3+r.ExpFloat64()*0.5)*1000) / 1000
	case p.goods.cents < 400 && r.Float64() < 0.2:
		quantity = float64(2 + r.IntN(3))
	}
	line := importer.Purchase{
		Shopper: b.shopper.ID, At: b.at, Basket: b.id, Item: p.Item, Quantity: quantity, Store: b.city.shops[b.store].ID,
		Price: importer.Money{Minor: int64(math.Round(float64(p.unit(b.at)) * quantity)), Known: true},
	}
	b.lines = append(b.lines, line)
	if quantity == 1 && r.Float64() < 0.01 { // a second one, scanned on its own
		line.Ordinal = 1
		b.lines = append(b.lines, line)
	}
	return true
}

// Events tells what the shoppers with the app did in it during the last 30 days, and when they came into
// a store, shopper by shopper, each in order of time.
func (c *City) Events() iter.Seq[importer.Event] {
	return func(yield func(importer.Event) bool) {
		for n := range c.scale.Shoppers {
			s := c.Shopper(n)
			if !s.App {
				continue
			}
			if !c.tap(s, yield) {
				return
			}
		}
	}
}

// tap lives through one shopper's month in the app.
func (c *City) tap(s *Shopper, yield func(importer.Event) bool) bool {
	r := c.random(drawEvents, s.Number)
	since := c.until.AddDate(0, 0, -30)
	number, basket, going := 0, "", true
	tell := func(kind string, item string, at time.Time, store string, place geo.Cell) {
		if !going {
			return
		}
		number++
		e := importer.Event{Shopper: s.ID, ID: fmt.Sprintf("e%d", number), Kind: kind, Item: item, At: at, Quantity: 1, Store: store}
		if place != 0 {
			e.Place = place.String()
		}
		going = yield(e)
	}
	c.shop(s, func(line importer.Purchase) bool {
		if line.At.Before(since) || line.Basket == basket {
			return going
		}
		basket = line.Basket
		home := geo.CellAt(s.Home, 9)
		evening := line.At.Add(-time.Duration(2+r.IntN(10)) * time.Hour)
		for i := range r.IntN(5) {
			item := c.products[c.popular[moment{evening.Month(), partOf(evening.Hour())}].draw(r)]
			if item.Sensitive != "" {
				continue
			}
			at := evening.Add(time.Duration(i*40+r.IntN(30)) * time.Second)
			tell("view", item.Item, at, "", home)
			switch x := r.Float64(); {
			case x < 0.10:
				tell("like", item.Item, at.Add(5*time.Second), "", home)
			case x < 0.16:
				tell("share", item.Item, at.Add(6*time.Second), "", home)
			case x < 0.26:
				tell("dismiss", item.Item, at.Add(4*time.Second), "", home)
			case x < 0.40:
				tell("add", item.Item, at.Add(8*time.Second), "", home)
			}
		}
		tell("visit", "", line.At.Add(-time.Duration(8+r.IntN(15))*time.Minute), line.Store, 0)
		return going
	})
	return going
}
