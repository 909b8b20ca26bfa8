package recommend

import "satnav/context/who"

// Product is one article of a retailer's catalogue. It is immutable.
type Product struct {
	Item       who.Item
	ID         string
	Title      string
	Category   string // path with slashes, "dairy/milk"
	Brand      string
	Price      who.Money
	ListPrice  who.Money
	Cost       who.Money  // what the retailer paid; never shown to a shopper
	Stock      *int       // pieces over all stores; nil: not known, taken as available
	SoldOut    []who.Item // numbers of the stores that counted it and have none, few; it is not suggested there
	Attributes map[string]string
	Tags       []string
	VariantOf  string
	Sensitive  bool // a sensitive category: never inferred from, never shown as a reason
	Withdrawn  bool // status "withdrawn" or "draft": never suggested
}
