package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"satnav/geo"
)

// Phase says where in the life of a customer a shopper stands at the end of history.
type Phase string

const (
	Regular  Phase = "regular" // all along
	Newcomer Phase = "new"     // came during the last weeks
	Lapsed   Phase = "lapsed"  // has not come for weeks
)

// Shopper is one inhabitant, as only their maker knows them: what a recommender should find out.
type Shopper struct {
	Number  int
	ID      string
	Phase   Phase
	Home    geo.Point
	Stores  []string // favourites, the most visited first
	Every   float64  // mean days between two visits
	Payday  int      // day of the month
	App     bool     // uses the app, so that there are events
	Staples []Staple
	Recipes []int // that they cook, as numbers of recipes

	stores   []int
	weekdays [7]float64 // likelihood of each, 1 on average
	hours    [2]float64 // preferred hour on working days, and at the weekend
	thrift   float64    // 0 to 1: takes the cheap maker
	curious  float64    // items beyond the list, on an average visit
	from, to time.Time  // comes from, until
	likes    map[string]bool
}

// Staple is something that a shopper uses up and buys again.
type Staple struct {
	Item    string  // at first; some shoppers change to another maker's on the way
	Every   float64 // days
	product int
}

// ID is the id of the n-th shopper, from 0.
func (c *City) ID(n int) string { return fmt.Sprintf("u%06d", n+1) }

// Len is the number of shoppers.
func (c *City) Len() int { return c.scale.Shoppers }

var peopleByDistrict = newChances(len(districts), func(i int) float64 { return districts[i].people })

// Shopper makes the n-th shopper, from 0.
func (c *City) Shopper(n int) *Shopper {
	r := c.random(drawShopper, n)
	s := &Shopper{Number: n, ID: c.ID(n), Phase: Regular, from: c.start, to: c.until, likes: map[string]bool{}}

	home := districts[peopleByDistrict.draw(r)]
	s.Home = rounded(offset(home.at, r.NormFloat64()*350, math.Abs(r.NormFloat64())*350))
	s.stores = c.favourites(r, s.Home)
	for _, i := range s.stores {
		s.Stores = append(s.Stores, c.shops[i].ID)
	}

	switch x := r.Float64(); {
	case x < 0.08:
		s.Phase = Newcomer
		s.from = c.until.AddDate(0, 0, -7-r.IntN(max(1, min(50, c.scale.Days-7))))
	case x < 0.20:
		s.Phase = Lapsed
		s.to = c.until.AddDate(0, 0, -45-r.IntN(max(1, c.scale.Days/2)))
	}
	household := 1 + min(4, int(r.ExpFloat64()*1.3))
	// Visits: from twice a week to once a month; large households more often.
	s.Every = min(45, max(3.5, 19*spread(r, 0.6)/math.Pow(float64(household), 0.3)))
	s.Payday = []int{1, 1, 21, 23, 25, 25, 27, 28}[r.IntN(8)]
	s.App = r.Float64() < 0.35
	s.thrift = r.Float64()
	s.curious = 1.15 * spread(r, 0.4)
	for d := range s.weekdays {
		s.weekdays[d] = 0.35 + r.Float64()*0.5
	}
	s.weekdays[r.IntN(7)] += 2.2 // the usual day
	if r.Float64() < 0.6 {
		s.weekdays[time.Saturday] += 1.2
	}
	s.hours = [2]float64{[]float64{8, 12.8, 18.5, 18.5, 19.5}[r.IntN(5)], 9 + r.Float64()*9}

	baby, cat, dog := r.Float64() < 0.07, r.Float64() < 0.18, r.Float64() < 0.15
	s.likes["baby"], s.likes["pet/cat"], s.likes["pet/dog"] = baby, cat, dog
	s.likes["meat"], s.likes["alcohol"] = r.Float64() < 0.88, r.Float64() < 0.7
	s.chooseStaples(c, r, household)
	for i := range recipes {
		if r.Float64() < 0.22 && (i != len(recipes)-1 || baby) && (s.likes["alcohol"] || recipes[i][0] != "gin") {
			s.Recipes = append(s.Recipes, i)
		}
	}
	return s
}

// favourites are two or three stores, by nearness and size.
func (c *City) favourites(r *rand.Rand, home geo.Point) []int {
	pull := newChances(len(c.shops), func(i int) float64 {
		km := home.Distance(c.shops[i].Position) / 1000
		return c.shops[i].format.size / (0.05 + km*km*km)
	})
	var stores []int
	for len(stores) < 2+r.IntN(2) {
		i := pull.draw(r)
		known := false
		for _, s := range stores {
			known = known || s == i
		}
		if !known {
			stores = append(stores, i)
		}
	}
	return stores
}

// takes tells whether goods have a place in this household.
func (s *Shopper) takes(g *goods) bool {
	switch {
	case len(g.category) > 5 && g.category[:5] == "baby/":
		return s.likes["baby"]
	case g.category == "pet/cat" || g.category == "pet/dog":
		return s.likes[g.category]
	case len(g.category) > 9 && g.category[:9] == "food/meat":
		return s.likes["meat"]
	case g.category == "drinks/beer" || g.category == "drinks/wine" || g.category == "drinks/spirits":
		return s.likes["alcohol"]
	}
	return g.tells == ""
}

// staplesByGoods: what is used up quickly is a staple of more people.
var staplesByGoods = newChances(len(shelves), func(i int) float64 {
	if shelves[i].every == 0 {
		return 0
	}
	return 1 / math.Sqrt(float64(shelves[i].every))
})

// chooseStaples fills the list of what is bought again and again, each at a rhythm of its own.
func (s *Shopper) chooseStaples(c *City, r *rand.Rand, household int) {
	chosen := map[int]bool{}
	want := 8 + household + r.IntN(8)
	for try := 0; len(s.Staples) < want && try < 200; try++ {
		g := staplesByGoods.draw(r)
		if chosen[g] || !s.takes(&shelves[g]) && !(shelves[g].tells == "health" && r.Float64() < 0.1) {
			continue
		}
		chosen[g] = true
		p := s.choose(c, r, shelves[g].name)
		every := 2.7 * float64(shelves[g].every) * spread(r, 0.35) * math.Pow(2/float64(household), 0.4)
		s.Staples = append(s.Staples, Staple{Item: c.products[p].Item, Every: min(90, max(5, every)), product: p})
	}
	if s.likes["baby"] {
		for _, kind := range []string{"nappies", "baby wipes"} {
			p := s.choose(c, r, kind)
			s.Staples = append(s.Staples, Staple{Item: c.products[p].Item, Every: 7 + r.Float64()*5, product: p})
		}
	}
}

// choose picks a product of a kind: one of the most bought, a cheap one if the shopper is thrifty.
func (s *Shopper) choose(c *City, r *rand.Rand, kind string) int {
	items := c.kinds[kind]
	best, bestScore := items[0], math.Inf(-1)
	for range 3 { // the best of a few at hand, drawn by popularity
		i := items[min(len(items)-1, int(r.ExpFloat64()*float64(len(items))/6))]
		score := -s.thrift*float64(c.products[i].ListPrice.Minor)/float64(c.products[items[0]].ListPrice.Minor) + r.Float64()*0.7
		if c.products[i].from.IsZero() && score > bestScore {
			best, bestScore = i, score
		}
	}
	return best
}
