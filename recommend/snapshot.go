package recommend

import (
	"math"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/recommend/rule"
)

// Snapshot is everything that an answer is made of beside the scene itself. It is immutable: whoever
// learns or edits something builds the next one aside and swaps it whole.
type Snapshot struct {
	Names     *who.Names
	Catalogue *Catalogue // nil: no products are known, only what was bought
	Crowd     *Crowd     // nil: nobody has bought anything
	Model     *Model     // nil: BuiltIn
	Rules     *rule.Set  // nil: none are live
	// MinorPerUnit is how many minor units one of the retailer's currency has; 0 stands for 100.
	MinorPerUnit int64

	products, places *scorer
	facts            []fact         // by item number, and one for all others
	odds             []float32      // what the facts add to the log-odds of who never bought the item
	stores           []*where.Store // by number in Names.Stores; nil: not known
	points           []flat         // where they are
	listed           []who.Item     // the numbers of the stores that are known
	// open: an item without a product row may be suggested, because the catalogue covers less than half
	// of what is bought. A shop that imported its purchases alone still gets suggestions.
	open  bool
	blind bool // see WithoutContext
}

// NewSnapshot joins the parts. A model that does not fit this release is passed over.
func NewSnapshot(names *who.Names, catalogue *Catalogue, stores []*where.Store, crowd *Crowd, model *Model) *Snapshot {
	s := &Snapshot{Names: names, Catalogue: catalogue}
	for _, store := range stores {
		number := names.Stores.Number(store.ID)
		if n := int(number) + 1; n > len(s.stores) {
			s.stores = append(s.stores, make([]*where.Store, n-len(s.stores))...)
			s.points = append(s.points, make([]flat, n-len(s.points))...)
		}
		if s.stores[number] == nil {
			s.listed = append(s.listed, number)
		}
		s.stores[number] = store
		s.points[number] = flat{store.Point.Lat, store.Point.Lng, math.Cos(store.Point.Lat * math.Pi / 180)}
	}
	return s.With(crowd, model)
}

// With returns the snapshot with another crowd and model; nil stands for none.
func (s *Snapshot) With(crowd *Crowd, model *Model) *Snapshot {
	next := *s
	next.Crowd, next.Model = crowd, model
	if crowd == nil {
		next.Crowd = &noCrowd
	}
	if s.facts == nil || next.Crowd != s.Crowd {
		next.facts = factsOf(next.Crowd)
	}
	if model == nil || model.Check() != nil {
		next.Model = builtIn
	}
	if s.products == nil || next.Model != s.Model {
		next.products, next.places = newScorer(Products, next.Model.Product), newScorer(Places, next.Model.Store)
	}
	if s.odds == nil || next.Crowd != s.Crowd || next.products != s.products {
		next.odds = next.products.oddsOf(next.facts)
	}
	next.open = next.uncovered()
	return &next
}

func (s *Snapshot) uncovered() bool {
	bought, covered := 0, 0
	for item := range s.Crowd.Items {
		if s.Crowd.Items[item].Buyers > 0 {
			bought++
			if s.Catalogue.Product(who.Item(item)) != nil {
				covered++
			}
		}
	}
	return s.Catalogue.Len() == 0 || 2*covered < bought
}

// WithCatalogue returns the snapshot with another catalogue.
func (s *Snapshot) WithCatalogue(c *Catalogue) *Snapshot {
	next := *s
	next.Catalogue = c
	next.open = next.uncovered()
	return &next
}

var builtIn = BuiltIn()

func (s *Snapshot) store(number who.Item) *where.Store {
	if int(number) >= len(s.stores) {
		return nil
	}
	return s.stores[number]
}
