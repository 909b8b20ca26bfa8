package retailer

import "fmt"

// Stock is how much of an item one store has.
type Stock struct {
	Item  string  `json:"item"`
	Store string  `json:"store"` // empty: not in a store, a warehouse for example
	Stock float64 `json:"stock"` // pieces, or kilograms and the like
}

// id is the entry's. The length of the store's id keeps two pairs apart that would read the same.
func (s Stock) id() string { return fmt.Sprintf("%d:%s:%s", len(s.Store), s.Store, s.Item) }

// Check says everything that is wrong with the stock.
func (s Stock) Check() error {
	faults := checkID("/item", s.Item)
	if s.Store != "" {
		faults = append(faults, checkID("/store", s.Store)...)
	}
	if !(s.Stock >= 0) {
		faults = append(faults, Fault{"/stock", fmt.Sprintf("got %v, want no less than 0", s.Stock)})
	}
	return invalid(faults)
}
