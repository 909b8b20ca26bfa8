package recommend

import (
	"cmp"
	"math"
	"slices"

	"satnav/context/who"
	"satnav/geo"
)

// Places are told apart as finely as what was bought there bears: a store's shares are drawn to those of the area around it, that
// area's to those of a larger one, and the largest's to all (hierarchical smoothing, MacKay and Peto 1995). So a store that
// opened yesterday, or a street without a store, knows what the quarter buys.

// ladder are the resolutions of the areas, the finest first: about 2.4 km across, and 17.
var ladder = [...]int{7, 5}

// areaPrior is how many lines what surrounds a place counts for.
const areaPrior = 50.0

// inArea is how many items are kept of a place.
const inArea = 128

// spot is what is bought in one place: a store or an area.
type spot struct {
	items []who.Item // those bought most, the first most
	lifts []uint8    // the bucket of how much more often each is bought here than elsewhere
}

// area counts what is bought within a cell, or in a store, and what surrounds it.
type area struct {
	lines  float32
	counts map[who.Item]float32
	around *area // nil: everywhere
}

// share is what an item's share of the lines is taken for.
func (a *area) share(item who.Item, everywhere float32) float32 {
	if a == nil {
		return everywhere
	}
	return (a.counts[item] + areaPrior*a.around.share(item, everywhere)) / (a.lines + areaPrior)
}

// spotsOf works out the spots of all stores with their areas. Stores that are not in a known place stand for themselves.
func spotsOf(c *Crowd, cells []geo.Cell) (stores []*spot, areas map[geo.Cell]*spot) {
	of := map[geo.Cell]*area{}
	find := func(store int) *area { // the finest area around a store
		if store >= len(cells) || cells[store] == 0 {
			return nil
		}
		var finest, below *area
		for _, resolution := range ladder {
			cell := cells[store].Parent(resolution)
			a := of[cell]
			if a == nil {
				a = &area{counts: map[who.Item]float32{}}
				of[cell] = a
			}
			if below == nil {
				finest = a
			} else {
				below.around = a
			}
			below = a
		}
		return finest
	}
	stores = make([]*spot, max(len(c.Stores), len(cells)))
	for i := range c.Stores {
		for a := find(i); a != nil; a = a.around {
			a.lines += float32(c.Stores[i].Lines)
			for _, t := range c.Stores[i].Popular {
				a.counts[t.Item] += float32(t.Count)
			}
		}
	}
	areas = make(map[geo.Cell]*spot, len(of))
	for cell, a := range of {
		if a.lines > 0 {
			areas[cell] = a.spot(c)
		}
	}
	for i := range stores {
		a := &area{around: find(i), counts: map[who.Item]float32{}}
		if i < len(c.Stores) {
			a.lines = float32(c.Stores[i].Lines)
			for _, t := range c.Stores[i].Popular {
				a.counts[t.Item] = float32(t.Count)
			}
		}
		switch {
		case a.lines > 0:
			stores[i] = a.spot(c)
		case i < len(cells):
			stores[i] = spotAt(areas, cells[i])
		}
	}
	return stores, areas
}

// spotAt is what is bought around a cell; nil: nothing is known.
func spotAt(areas map[geo.Cell]*spot, cell geo.Cell) *spot {
	if cell == 0 {
		return nil
	}
	for _, resolution := range ladder {
		if resolution > cell.Resolution() {
			continue
		}
		if s := areas[cell.Parent(resolution)]; s != nil {
			return s
		}
	}
	return nil
}

// spot lists what is bought most in an area and around it.
func (a *area) spot(c *Crowd) *spot {
	type one struct {
		item  who.Item
		share float32
	}
	seen := map[who.Item]bool{}
	var all []one
	for from := a; from != nil; from = from.around {
		for item := range from.counts {
			if !seen[item] {
				seen[item] = true
				all = append(all, one{item, a.share(item, c.shareOf(item))})
			}
		}
	}
	slices.SortFunc(all, func(x, y one) int { return cmp.Or(cmp.Compare(y.share, x.share), cmp.Compare(x.item, y.item)) })
	all = all[:min(len(all), inArea)]
	s := &spot{items: make([]who.Item, len(all)), lifts: make([]uint8, len(all))}
	for i, o := range all {
		lines := a.lines + areaPrior
		s.items[i] = o.item
		s.lifts[i] = uint8(productScales[fStore].bucket(lift(o.share*lines, c.shareOf(o.item)*lines)))
	}
	return s
}

// shareOf is an item's share of all lines.
func (c *Crowd) shareOf(item who.Item) float32 {
	return float32(float64(c.item(item).Lines) / math.Max(float64(c.Lines), 1))
}
