package retailer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/server/money"
	"satnav/server/sensitive"
)

// Product is an article as its retailer describes it: what the API takes and gives, and what is kept.
type Product struct {
	Item       string          `json:"item"`
	Title      string          `json:"title"`
	Category   string          `json:"category,omitempty"`
	Brand      string          `json:"brand,omitempty"`
	Price      string          `json:"price,omitempty"`
	ListPrice  string          `json:"list_price,omitempty"`
	Cost       string          `json:"cost,omitempty"`
	Currency   string          `json:"currency,omitempty"`   // the retailer's, if anything is said
	Stock      *float64        `json:"stock,omitempty"`      // pieces, or kilograms and the like; nil: not known
	Attributes json.RawMessage `json:"attributes,omitempty"` // an object: colour, size, …
	VariantOf  string          `json:"variant_of,omitempty"`
	Sensitive  string          `json:"sensitive,omitempty"` // the sensitive category it belongs to; empty: none
	Status     string          `json:"status,omitempty"`    // one of ProductStatuses; empty: active
}

// ProductStatuses are the states of an article; only an active one is suggested.
var ProductStatuses = []string{"active", "draft", "withdrawn"}

// Build checks the product and makes the value that requests are answered from.
func (p Product) Build(names *who.Names, settings Settings) (recommend.Product, error) {
	faults := checkID("/item", p.Item)
	if p.Title == "" {
		p.Title = p.Item
	}
	amount := func(pointer, text string) who.Money {
		m, err := money.Parse(text, settings.Exponent())
		if err == nil && m.Minor < 0 {
			err = fmt.Errorf("got %s, want no less than 0", text)
		}
		if err != nil {
			faults = append(faults, Fault{pointer, err.Error()})
		}
		return m
	}
	built := recommend.Product{
		ID: p.Item, Title: p.Title, Category: p.Category, Brand: p.Brand,
		Price: amount("/price", p.Price), ListPrice: amount("/list_price", p.ListPrice), Cost: amount("/cost", p.Cost),
		Stock: pieces(p.Stock), VariantOf: p.VariantOf, Sensitive: sensitive.Of(p.Sensitive) != sensitive.NoCategory, Withdrawn: p.Status != "" && p.Status != "active",
	}
	if p.Currency != "" && settings.Currency != "" && !strings.EqualFold(p.Currency, settings.Currency) {
		faults = append(faults, Fault{"/currency", fmt.Sprintf("got %q, want the retailer's currency %q", p.Currency, settings.Currency)})
	}
	if p.Currency != "" && settings.Currency == "" && money.Exponent(p.Currency) != settings.Exponent() {
		faults = append(faults, Fault{"/currency", fmt.Sprintf("got %q, want a currency with two decimals as long as the retailer has none: set the retailer's currency first", p.Currency)})
	}
	if p.Status != "" && !slices.Contains(ProductStatuses, p.Status) {
		faults = append(faults, Fault{"/status", fmt.Sprintf("got %q, want one of %s", p.Status, strings.Join(ProductStatuses, ", "))})
	}
	if len(p.Attributes) > 0 {
		var attributes map[string]any
		if err := json.Unmarshal(p.Attributes, &attributes); err != nil {
			faults = append(faults, Fault{"/attributes", "want a JSON object such as {\"colour\": \"blue\"}"})
		}
		built.Attributes = make(map[string]string, len(attributes))
		for name, value := range attributes {
			built.Attributes[name] = fmt.Sprint(value)
		}
		built.Tags = tags(attributes["tags"])
	}
	if len(faults) == 0 {
		built.Item = names.Items.Number(p.Item)
	}
	return built, invalid(faults)
}

// tags are the attribute of that name: a list of texts, or one text with commas.
func tags(value any) (all []string) {
	switch value := value.(type) {
	case string:
		for tag := range strings.SplitSeq(value, ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				all = append(all, tag)
			}
		}
	case []any:
		for _, tag := range value {
			if text, ok := tag.(string); ok && text != "" {
				all = append(all, text)
			}
		}
	}
	return all
}

// pieces is a stock in whole pieces: half a kilogram is still something to sell.
func pieces(stock *float64) *int {
	if stock == nil {
		return nil
	}
	whole := int(min(math.Ceil(*stock), math.MaxInt32))
	return &whole
}
