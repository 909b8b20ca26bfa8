package learn

import (
	"cmp"
	"math"
	"slices"

	"satnav/context/who"
	"satnav/recommend"
)

// Numbers of items and stores hold in one process only: they tell in which order it met them. Equal counts are put in order by
// number, and chance is thrown by number, so that two processes would learn two models of the same purchases. Learning therefore
// works on copies in which ids are numbered in their own order, and whose order follows from what they hold.

// numbering says which numbers items and stores get.
type numbering struct {
	names         *who.Names
	items, stores []who.Item // by the number before
}

// numbered returns the snapshot and the histories under names that depend on nothing but what they hold. The snapshot's counts
// are left out. Histories of whom nothing is known are, too.
func numbered(s *recommend.Snapshot, histories []*who.History) (*recommend.Snapshot, []*who.History) {
	to := numbering{
		names: who.NewNames(), items: make([]who.Item, s.Names.Items.Len()), stores: make([]who.Item, s.Names.Stores.Len()),
	}
	items, stores := make([]bool, len(to.items)), make([]bool, len(to.stores))
	for _, h := range histories {
		if h == nil {
			continue
		}
		for i := range h.Items {
			items[h.Items[i].Item] = true
		}
		for i := range h.Signals {
			items[h.Signals[i].Item] = true
		}
		for i := range h.Baskets {
			stores[h.Baskets[i].Store] = true
		}
		for i := range h.Visits {
			stores[h.Visits[i].Store] = true
		}
	}
	for p := range s.Catalogue.All {
		items[p.Item] = true
	}
	for _, number := range s.Stores() {
		stores[number] = true
	}
	number(s.Names.Items, to.names.Items, items, to.items)
	number(s.Names.Stores, to.names.Stores, stores, to.stores)
	out := make([]*who.History, 0, len(histories))
	digests := make(map[*who.History]uint64, len(histories))
	for _, h := range histories {
		if !h.Empty() {
			h = to.history(h)
			digests[h] = digest(h)
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b *who.History) int { return cmp.Compare(digests[a], digests[b]) })
	return s.Under(to.names), out
}

// number gives the ids that are used new numbers, in order of id, and notes them by the number before.
func number(from, to *who.Vocabulary, used []bool, numbers []who.Item) {
	type id struct {
		name   string
		number who.Item
	}
	var ids []id
	for n, is := range used {
		if is {
			ids = append(ids, id{from.Name(who.Item(n)), who.Item(n)})
		}
	}
	slices.SortFunc(ids, func(a, b id) int { return cmp.Compare(a.name, b.name) })
	for _, id := range ids {
		numbers[id.number] = to.Number(id.name)
	}
}

// history is a copy under the new numbers.
func (to *numbering) history(h *who.History) *who.History {
	next := &who.History{
		Orders: h.Orders, Baskets: slices.Clone(h.Baskets), Visits: slices.Clone(h.Visits), Signals: slices.Clone(h.Signals),
		Items: make([]who.Bought, len(h.Items)),
	}
	for i := range next.Baskets {
		next.Baskets[i].Store = to.stores[next.Baskets[i].Store]
	}
	for i := range next.Visits {
		next.Visits[i].Store = to.stores[next.Visits[i].Store]
	}
	for i := range next.Signals {
		next.Signals[i].Item = to.items[next.Signals[i].Item]
	}
	slices.SortFunc(next.Signals, func(a, b who.Signal) int { return cmp.Or(cmp.Compare(a.Item, b.Item), cmp.Compare(a.Kind, b.Kind)) })
	order := make([]uint64, len(h.Items)) // the new number, and the place before
	for i := range h.Items {
		order[i] = uint64(to.items[h.Items[i].Item])<<32 | uint64(i)
	}
	slices.Sort(order)
	if h.Older != nil {
		next.Older = make([][4]float32, len(h.Items))
	}
	for i, o := range order {
		before := uint32(o)
		next.Items[i] = h.Items[before]
		next.Items[i].Item = who.Item(o >> 32)
		if h.Older != nil {
			next.Older[i] = h.Older[before]
		}
	}
	return next
}

// digest is a number that equal histories share. It is what a shopper's dice are thrown with.
func digest(h *who.History) uint64 {
	d := scatter(uint64(h.Orders) + 1)
	mix := func(x uint64) { d = scatter(d ^ x) }
	for i := range h.Baskets {
		b := &h.Baskets[i]
		mix(b.Key)
		mix(uint64(b.At)<<32 | uint64(b.Store))
	}
	for i := range h.Items {
		b := &h.Items[i]
		mix(uint64(b.Item)<<32 | uint64(b.Count))
		mix(b.Recent)
		mix(uint64(b.First)<<32 | uint64(b.Last))
	}
	for i := range h.Older {
		for _, x := range h.Older[i] {
			mix(uint64(math.Float32bits(x)))
		}
	}
	for _, v := range h.Visits {
		mix(uint64(v.At)<<32 | uint64(v.Store))
	}
	for _, s := range h.Signals {
		mix(uint64(s.Item)<<32 | uint64(s.Last))
		mix(uint64(s.Kind)<<16 | uint64(s.Count))
	}
	return d
}
