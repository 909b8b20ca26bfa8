package retailer

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"satnav/server/store"
)

// Amounts of the catalogue and of events are read with the decimals of the retailer's currency, and events keep them as
// whole cents or yen. So the currency stays while anything has a price.

const pricesID = "events"

// Priced notes, durably and once for all, that events with prices are about to be recorded. The currency stays from
// then on, also where the events are refused afterwards or erased later.
func (r *Retailers) Priced(ctx context.Context, retailer string) error {
	p, err := r.picture(ctx, retailer)
	if err != nil || p.priced.Load() {
		return err
	}
	p.pricing.Lock()
	defer p.pricing.Unlock()
	outcomes, err := r.entries.Apply(ctx, retailer, store.PricesEntry, "satnav", r.now(), []store.Edit{{ID: pricesID, Body: []byte("{}")}})
	if err == nil {
		err = outcomes[0].Err
	}
	if err != nil {
		return fmt.Errorf("retailer %q: note that events have prices: %w", retailer, err)
	}
	p.priced.Store(true)
	return nil
}

// RepricedError says that a change of currency would make prices wrong: 1200 yen are not 1200 euros.
type RepricedError struct {
	Events   bool   // there are events with prices, which nobody can take back
	Products int    // how many are priced
	Old, New string // currencies; empty: none
}

func (e *RepricedError) Error() string {
	if e.Events {
		return fmt.Sprintf("currency: got %s, but there are events with prices in %s, which cannot be taken back: keep %[2]s; sales in another currency need a retailer of their own", cmp.Or(e.New, "none"), named(e.Old))
	}
	return fmt.Sprintf("currency: got %s, but %d products are priced in %s: keep it, or delete them or take away their prices first, then import them anew", cmp.Or(e.New, "none"), e.Products, named(e.Old))
}

func named(currency string) string { return cmp.Or(currency, "no named currency") }

// repriced refuses settings with another currency while products or events have prices. Naming a currency for the first
// time is no change where every price can be read in it.
func (p *picture) repriced(next Settings) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.EqualFold(p.settings.Currency, next.Currency) {
		return nil
	}
	if p.priced.Load() && (p.settings.Currency != "" || next.Exponent() != p.settings.Exponent()) {
		return &RepricedError{Events: true, Old: p.settings.Currency, New: next.Currency}
	}
	n := 0
	for _, product := range p.products {
		if product.Price == "" && product.ListPrice == "" && product.Cost == "" && product.Currency == "" {
			continue
		}
		named := product.Currency == "" || strings.EqualFold(product.Currency, next.Currency)
		if p.settings.Currency != "" || !named || next.Exponent() != p.settings.Exponent() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &RepricedError{Products: n, Old: p.settings.Currency, New: next.Currency}
}
