package recommend

import (
	"slices"

	"satnav/context/who"
)

// allowed tells whether an item may be shown at all: neither withdrawn, nor out of stock, all over or in the
// store that the shopper is in or near, nor of a sensitive category. What this shopper has dismissed or has in the basket is barred beforehand.
func (w *work) allowed(item who.Item) bool {
	m := w.snapshot.Catalogue.markOf(item)
	if m&soldOut != 0 && w.here.inStore && slices.Contains(w.snapshot.Catalogue.Product(item).SoldOut, w.here.store) {
		return false
	}
	return m&isOffered != 0 || m == 0 && w.snapshot.open
}

// sensitive items are no reason for anything.
func (w *work) sensitive(item who.Item) bool {
	return w.snapshot.Catalogue.markOf(item)&isSensitive != 0
}

// bar takes out what is in the basket, what was dismissed and not bought since, and what was given back.
func (w *work) bar() {
	for _, item := range w.request.Basket {
		w.cell(item).candidate = barred
	}
	for _, s := range w.past.History.Signals {
		if s.Kind != who.SignalDismiss && s.Kind != who.SignalReturn || s.Last > w.here.now {
			continue
		}
		i, ok := w.past.History.Find(s.Item)
		if !ok || w.past.History.Items[i].Last <= s.Last || w.past.History.Items[i].Last > w.here.now {
			w.cell(s.Item).candidate = barred
		}
	}
}

// justBought is how long a purchase keeps its item off the list, for a shopper of whom no rhythm is known.
const justBought = 12 * 3600 // seconds

// restingSeconds is how long after a purchase an item is not suggested: half a day, but never more than
// a quarter of the usual time between this shopper's baskets, who may well shop twice a day.
func (w *work) restingSeconds() uint32 {
	n := w.past.Known()
	if n < 2 {
		return justBought
	}
	span := w.past.Basket(0).At - w.past.Basket(n-1).At
	return min(justBought, span/uint32(n-1)/4)
}
