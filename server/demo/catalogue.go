package demo

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"satnav/server/importer"
)

// product is one item with what shoppers do with it.
type product struct {
	importer.Product
	goods   *goods
	weight  float64   // how much it is bought by chance, all year
	kg      bool      // sold by weight
	from    time.Time // introduced; zero: before history began
	leaves  time.Time // withdrawn; zero: still sold
	reduced int       // per cent off in its weeks of reduction
}

// sold tells whether the item could be bought on a day.
func (p *product) sold(day time.Time) bool {
	return !day.Before(p.from) && (p.leaves.IsZero() || day.Before(p.leaves))
}

// reducedOn tells whether the item costs less in the week of a day: about one week in nine.
func (p *product) reducedOn(day time.Time) bool {
	week := uint64(day.Unix() / (7 * 24 * 3600))
	hash := (week*0x9E3779B97F4A7C15 ^ uint64(len(p.Title))*0xBF58476D1CE4E5B9 ^ uint64(p.Price.Minor)*0x94D049BB133111EB) >> 32
	return p.reduced > 0 && hash%9 == 0
}

// unit is what one piece or kilogram costs on a day, in cents.
func (p *product) unit(day time.Time) int64 {
	if p.reducedOn(day) {
		return ninePrice(float64(p.ListPrice.Minor) * float64(100-p.reduced) / 100)
	}
	return p.ListPrice.Minor
}

// ninePrice rounds to a price that ends in nine, as shops do.
func ninePrice(cents float64) int64 { return max(9, int64(math.Round(cents/10))*10-1) }

// stockShelves makes the catalogue.
func (c *City) stockShelves() {
	r := c.random(drawProducts, 0)
	c.kinds = map[string][]int{}
	for i := range shelves {
		c.addGoods(r, &shelves[i])
	}
	for i := range c.products {
		p := &c.products[i]
		switch { // the oldest variants leave, the newest come
		case p.VariantOf != "" && r.Float64() < 0.03:
			p.leaves = c.until.AddDate(0, 0, -r.IntN(30))
			p.Status = importer.Withdrawn
		case p.VariantOf != "" && r.Float64() < 0.025:
			p.from = c.until.AddDate(0, 0, -5-r.IntN(40))
			c.fresh = append(c.fresh, i)
		}
		switch x := r.Float64(); {
		case p.Status == importer.Withdrawn || x < 0.02:
			p.Stock = 0
		default:
			p.Stock = float64(20 + r.IntN(2000))
		}
		p.StockKnown = true
		yesterday := c.until.Add(-time.Hour)
		p.Price = importer.Money{Minor: p.unit(yesterday), Known: true}
	}
	for _, items := range c.kinds {
		slices.SortStableFunc(items, func(a, b int) int {
			switch x, y := c.products[a].weight, c.products[b].weight; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
	}
	c.popular = map[moment]*chances{}
	for month := time.January; month <= time.December; month++ {
		for _, part := range []string{"morning", "noon", "afternoon", "evening"} {
			c.popular[moment{month, part}] = newChances(len(c.products), func(i int) float64 {
				p := &c.products[i]
				return p.weight * season(p.goods.when, month) * daypart(p.goods.when, part)
			})
		}
	}
}

// addGoods adds what every maker has of one kind of goods.
func (c *City) addGoods(r *rand.Rand, g *goods) {
	variants := strings.Split(g.variants, "|")
	for b, brand := range makers[g.brands] {
		level := 0.85 + 0.1*float64(b) + 0.1*r.Float64()
		first := ""
		for v, variant := range variants {
			if b > 1 && v > 1 && r.Float64() < 0.03 {
				continue // not every maker has everything
			}
			item := fmt.Sprintf("p%04d", len(c.products)+1)
			p := product{goods: g, kg: strings.HasSuffix(variant, "kg") && !strings.ContainsAny(variant, "0123456789")}
			p.Product = importer.Product{
				Item:      item,
				Title:     brand + " " + g.name + ", " + variant,
				Category:  g.category,
				Brand:     brand,
				Currency:  Currency,
				VariantOf: first,
				Sensitive: g.tells,
				Status:    importer.Active,
			}
			if first == "" {
				first = item
			}
			attributes := map[string]any{"kind": g.name, "variant": variant}
			for _, word := range []string{"organic", "gluten-free", "lactose-free", "sugar-free", "sensitive", "light", "wholegrain", "children's"} {
				if strings.Contains(variant, word) {
					attributes[word] = true
				}
			}
			if strings.HasPrefix(g.category, "clothes/") {
				delete(attributes, "variant")
				colour, size, sized := strings.Cut(variant, " ")
				if attributes["colour"] = colour; sized {
					attributes["size"] = size
				}
			}
			encoded, err := json.Marshal(attributes)
			if err != nil {
				panic(err) // a map of strings and booleans
			}
			p.Attributes = encoded
			list := ninePrice(float64(g.cents) * level * sizeFactor(variants[0], variant))
			p.ListPrice = importer.Money{Minor: list, Known: true}
			p.Price = p.ListPrice
			p.Cost = importer.Money{Minor: int64(float64(list) * (0.55 + 0.2*r.Float64())), Known: true}
			if r.Float64() < 0.6 {
				p.reduced = 10 + 5*r.IntN(5)
			}
			// How often it is bought by chance: falls with the rank of the maker and of the variant.
			p.weight = 1 / (1 + float64(b)) / (1 + float64(v)) * spread(r, 0.8)
			if g.every > 0 {
				p.weight *= math.Sqrt(12 / float64(g.every))
			} else {
				p.weight *= 0.5
			}
			if g.tells != "" {
				p.weight *= 0.1
			}
			c.kinds[g.name] = append(c.kinds[g.name], len(c.products))
			c.products = append(c.products, p)
		}
	}
}

// dearer are words of a variant by which it costs more than the usual one.
var dearer = []struct {
	word string
	by   float64
}{
	{"organic", 1.35}, {"6 ×", 5.4}, {"24", 3}, {"box of 4", 3.6}, {"box of 6", 5.2}, {"3 ×", 2.6}, {"2 kg", 1.8}, {"3 kg", 2.5},
	{"5 l", 3.5}, {"3 l", 3.6}, {"1 kg", 1.9}, {"800 g", 1.9}, {"reserve", 1.9}, {"digital", 1.6}, {"ten years", 2.2},
	{"buffalo", 1.7}, {"smoked", 1.3}, {"free-range", 1.25}, {"70", 1.7}, {"40", 1.6},
}

// sizeFactor guesses how many times as much as the usual variant another one costs.
func sizeFactor(usual, variant string) float64 {
	factor := 1.0
	for _, d := range dearer {
		if strings.Contains(variant, d.word) && !strings.Contains(usual, d.word) {
			factor = max(factor, d.by)
		}
	}
	return factor
}

// moment is a month and a part of the day: what is popular depends on both.
type moment struct {
	month time.Month
	part  string
}

// partOf is the part of the day of an hour.
func partOf(hour int) string {
	switch {
	case hour < 11:
		return "morning"
	case hour < 15:
		return "noon"
	case hour < 17:
		return "afternoon"
	}
	return "evening"
}

var seasons = []struct {
	name   string
	months []time.Month
}{
	{"summer", []time.Month{time.June, time.July, time.August, time.September}},
	{"winter", []time.Month{time.November, time.December, time.January, time.February}},
	{"christmas", []time.Month{time.November, time.December}},
	{"easter", []time.Month{time.March, time.April}},
	{"june", []time.Month{time.June}},
	{"school", []time.Month{time.August, time.September}},
}

// season is how much more than usual something is bought in a month.
func season(when string, month time.Month) float64 {
	factor := 1.0
	for _, s := range seasons {
		if when == "" || !strings.Contains(when, s.name) {
			continue
		}
		if slices.Contains(s.months, month) {
			return 4
		}
		factor = 0.35
	}
	return factor
}

// daypart is how much more than usual something is bought in a part of the day.
func daypart(when, part string) float64 {
	if part != "afternoon" && strings.Contains(when, part) {
		return 3
	}
	for _, other := range []string{"morning", "noon", "evening"} {
		if strings.Contains(when, other) {
			return 0.6
		}
	}
	return 1
}

// countStock says for a part of the catalogue how much stands in each store; some shelves are empty.
func (c *City) countStock() []importer.Stock {
	var all []importer.Stock
	for s := range c.shops {
		r := c.random(drawStock, s)
		for i := s % 40; i < len(c.products); i += 40 {
			p := &c.products[i]
			amount := float64(r.IntN(60))
			if p.Stock == 0 || r.Float64() < 0.05 {
				amount = 0
			}
			all = append(all, importer.Stock{Item: p.Item, Store: c.shops[s].ID, Amount: amount})
		}
	}
	return all
}
