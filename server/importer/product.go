package importer

import (
	"encoding/json"
	"fmt"
	"strings"

	"satnav/server/money"
	"satnav/server/sensitive"
)

// Product is one row of products.csv.
type Product struct {
	Item     string
	Title    string // the item's id, if the file names none
	Category string // levels by "/", the widest first: "food/dairy/yoghurt"
	Brand    string

	Price     Money  // what it costs now
	ListPrice Money  // before a reduction; unknown: the price
	Cost      Money  // what the retailer pays; never shown
	Currency  string // ISO 4217; empty: the retailer's

	Stock      float64 // pieces, kilograms and the like, all stores together
	StockKnown bool
	Attributes json.RawMessage // an object (colour, size, …); nil: none
	VariantOf  string          // the item of which this is another size, colour, flavour
	// Sensitive names what the item would tell about a shopper ("pregnancy", "health", …); "yes" when the
	// file does not say what. Empty: nothing.
	Sensitive string
	Status    ProductStatus
}

// ProductStatus says whether an item may be suggested.
type ProductStatus string

const (
	Active    ProductStatus = "active"
	Draft     ProductStatus = "draft"     // not yet suggested
	Withdrawn ProductStatus = "withdrawn" // no longer sold; history keeps it
)

var productColumns = []column{
	{"item", true}, {"title", false}, {"category", false}, {"brand", false}, {"price", false}, {"list_price", false}, {"cost", false},
	{"currency", false}, {"stock", false}, {"attributes", false}, {"variant_of", false}, {"sensitive", false}, {"status", false},
}

const (
	productItem = iota
	productTitle
	productCategory
	productBrand
	productPrice
	productListPrice
	productCost
	productCurrency
	productStock
	productAttributes
	productVariantOf
	productSensitive
	productStatus
)

// productDecoder remembers the currency of the rows before. A row may name no other than the retailer's; where
// the retailer has none, amounts have two decimals, so rows may name one currency that has two as well.
type productDecoder struct{ named string }

func (d *productDecoder) currency(c *cells) string {
	own := strings.ToUpper(c.values[productCurrency])
	switch {
	case own == "":
		return c.opts.Currency
	case len(own) != 3 || strings.Trim(own, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		c.wrong(productCurrency, "an ISO 4217 code such as EUR")
	case c.opts.Currency != "" && !strings.EqualFold(own, c.opts.Currency):
		c.wrong(productCurrency, fmt.Sprintf("%s, the retailer's currency, or nothing", c.opts.Currency))
	case c.opts.Currency == "" && money.Exponent(own) != money.Exponent(""):
		c.wrong(productCurrency, "a currency with two decimals as long as the retailer has none: set the retailer's currency first")
	case c.opts.Currency == "" && d.named != "" && own != d.named:
		c.wrong(productCurrency, d.named+", as in the rows before")
	default:
		d.named = strings.Clone(own)
	}
	return own
}

func (d *productDecoder) decode(c *cells) Product {
	currency := d.currency(c)
	p := Product{
		Item:       c.id(productItem),
		Title:      c.text(productTitle),
		Category:   c.text(productCategory),
		Brand:      c.text(productBrand),
		Price:      c.cost(productPrice),
		ListPrice:  c.cost(productListPrice),
		Cost:       c.cost(productCost),
		Currency:   currency,
		Attributes: c.object(productAttributes),
		VariantOf:  c.optionalID(productVariantOf),
		Sensitive:  string(sensitive.Of(c.text(productSensitive))),
		Status:     ProductStatus(strings.ToLower(c.values[productStatus])),
	}
	p.Stock, p.StockKnown = c.amount(productStock)
	if p.Title == "" {
		p.Title = p.Item
	}
	switch p.Status {
	case "":
		p.Status = Active
	case Active, Draft, Withdrawn:
	default:
		c.wrong(productStatus, "active, draft or withdrawn")
	}
	return p
}
