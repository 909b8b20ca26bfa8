package recommend

import (
	"cmp"
	"math"
	"slices"

	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend/offer"
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
	Offers    *offer.Catalogue
	// MinorPerUnit is how many minor units one of the retailer's currency has; 0 stands for 100.
	MinorPerUnit int64

	products, places *scorer
	facts            []fact     // by item number, and one for all others
	popular          []who.Item // those of the crowd, what is likeliest taken by who never bought it first
	spots            []*spot    // by store number
	areas            map[geo.Cell]*spot
	cells            []geo.Cell     // by store number: where they are
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
			s.cells = append(s.cells, make([]geo.Cell, n-len(s.cells))...)
		}
		if s.stores[number] == nil {
			s.listed = append(s.listed, number)
		}
		s.stores[number] = store
		s.cells[number] = geo.CellAt(store.Point, ladder[0])
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
	if model == nil || model.Check() != nil {
		next.Model = builtIn
	}
	if s.products == nil || next.Model != s.Model {
		next.products, next.places = newScorer(Products, next.Model.Product), newScorer(Places, next.Model.Store)
	}
	if s.facts == nil || next.Crowd != s.Crowd || next.products != s.products {
		next.facts = factsOf(next.Crowd, next.products)
		next.popular = slices.Clone(next.Crowd.Popular)
		slices.SortStableFunc(next.popular, func(a, b who.Item) int { return cmp.Compare(next.fact(b).odds, next.fact(a).odds) })
	}
	if s.areas == nil || next.Crowd != s.Crowd {
		next.spots, next.areas = spotsOf(next.Crowd, s.cells)
	}
	next.open = next.uncovered()
	return &next
}

// Stores lists the numbers of the stores that are known.
func (s *Snapshot) Stores() []who.Item { return s.listed }

// Under returns the snapshot under other names, which know its stores already, without its counts. Where products are sold out is
// left out, too: it says nothing of what was bought.
func (s *Snapshot) Under(names *who.Names) *Snapshot {
	var catalogue *Catalogue
	if s.Catalogue != nil {
		rows := make([]Product, 0, s.Catalogue.Len())
		for p := range s.Catalogue.All {
			row := *p
			row.SoldOut = nil
			rows = append(rows, row)
		}
		catalogue = NewCatalogue(names, rows)
	}
	stores := make([]*where.Store, len(s.listed))
	for i, number := range s.listed {
		stores[i] = s.stores[number]
	}
	next := NewSnapshot(names, catalogue, stores, nil, s.Model)
	next.MinorPerUnit, next.blind = s.MinorPerUnit, s.blind
	return next
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

// spotIn is what is bought in a store; nil: nothing is known.
func (s *Snapshot) spotIn(store who.Item) *spot {
	if store == 0 || int(store) >= len(s.spots) {
		return nil
	}
	return s.spots[store]
}

func (s *Snapshot) store(number who.Item) *where.Store {
	if int(number) >= len(s.stores) {
		return nil
	}
	return s.stores[number]
}
