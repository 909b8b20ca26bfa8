package importer

import (
	"encoding/json"
	"strings"
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

func decodeProduct(c *cells) Product {
	currency := c.opts.Currency
	if own := c.values[productCurrency]; own != "" {
		currency = strings.ToUpper(own)
		if len(own) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			c.wrong(productCurrency, "an ISO 4217 code such as EUR")
		}
	}
	p := Product{
		Item:       c.id(productItem),
		Title:      c.text(productTitle),
		Category:   c.text(productCategory),
		Brand:      c.text(productBrand),
		Price:      c.cost(productPrice, currency),
		ListPrice:  c.cost(productListPrice, currency),
		Cost:       c.cost(productCost, currency),
		Currency:   currency,
		Attributes: c.object(productAttributes),
		VariantOf:  c.optionalID(productVariantOf),
		Sensitive:  c.text(productSensitive),
		Status:     ProductStatus(strings.ToLower(c.values[productStatus])),
	}
	p.Stock, p.StockKnown = c.amount(productStock)
	if p.Title == "" {
		p.Title = p.Item
	}
	switch strings.ToLower(p.Sensitive) {
	case "no", "false", "0":
		p.Sensitive = ""
	case "yes", "true", "1":
		p.Sensitive = "yes"
	}
	switch p.Status {
	case "":
		p.Status = Active
	case Active, Withdrawn:
	default:
		c.wrong(productStatus, "active or withdrawn")
	}
	return p
}
