package importer

import "time"

// Purchase is one line of a basket. It is identified by Shopper, BasketOrDay, Item and Ordinal: a line with
// the same four is the same line.
type Purchase struct {
	Shopper  string
	At       time.Time
	DateOnly bool   // the file gave a date; At is noon of it in the store's zone
	Basket   string // empty: one a shopper and Day
	Day      string // such as 2026-11-22, in the store's zone; of a line without a basket alone
	Item     string
	Quantity float64 // pieces, or kilograms and the like; 1 if the file does not say
	Price    Money   // of the whole line
	Store    string  // empty: not known
	Source   string  // who told it, a partner; empty: the retailer
	// Ordinal counts the lines of the same item in the same basket, from 0. Refused lines count too.
	Ordinal int
}

// BasketOrDay is what tells the lines of one basket from those of another.
func (p *Purchase) BasketOrDay() string {
	if p.Basket == "" {
		return "day-" + p.Day
	}
	return p.Basket
}

var purchaseColumns = []column{{"shopper", true}, {"at", true}, {"basket", false}, {"item", true}, {"quantity", false}, {"price", false}, {"store", false}, {"source", false}}

const (
	purchaseShopper = iota
	purchaseAt
	purchaseBasket
	purchaseItem
	purchaseQuantity
	purchasePrice
	purchaseStore
	purchaseSource
)

// purchaseDecoder remembers the lines before, which the ordinal of a line needs.
type purchaseDecoder struct{ seen ordinals }

// decode counts a refused line too, where it can be told what it is a line of: when it is mended and the file
// imported again, the equal lines behind it keep their ordinals.
func (d *purchaseDecoder) decode(c *cells) Purchase {
	p := Purchase{Shopper: c.id(purchaseShopper), Basket: c.optionalID(purchaseBasket), Item: c.id(purchaseItem)}
	named := c.reason == "" && p.Basket != ""
	p.Store = c.optionalID(purchaseStore)
	zone := func() *time.Location { return c.zone(p.Store) }
	p.At, p.DateOnly = c.instant(purchaseAt, zone)
	if p.Basket == "" && c.reason == "" {
		p.Day = p.At.In(zone()).Format(time.DateOnly)
		named = true
	}
	if named {
		p.Ordinal = d.seen.next(p.Shopper, p.BasketOrDay(), p.Item)
	}
	p.Quantity = c.quantity(purchaseQuantity)
	p.Price = c.money(purchasePrice)
	p.Source = c.source(purchaseSource)
	return p
}
