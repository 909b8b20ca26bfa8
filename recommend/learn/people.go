package learn

import (
	"math/bits"

	"satnav/context/who"
	"satnav/recommend"
)

// How many people stand behind a count: what the crowd says in words needs enough of them (recommend.LeastPeople), and one
// shopper may have made all of a count. People are not counted for each pair, which would cost as much memory again as the
// pairs do, but what goes beyond the first time of each shopper: most pairs are bought together once by whoever buys them.
// The people of a pair are its baskets less those. Like all counts these are a sum over shoppers of a function of their history.

// both is in which baskets of an old and of a new history something was.
type both struct{ old, new uint64 }

func (b both) and(o both) both { return both{b.old & o.old, b.new & o.new} }

// repeats is by how much the baskets beyond the first change.
func (b both) repeats() uint32 {
	beyond := func(baskets uint64) int { return max(bits.OnesCount64(baskets)-1, 0) }
	return uint32(beyond(b.new) - beyond(b.old))
}

// countRepeats counts anew, for what the baskets hold in which two histories differ, how often it was there beyond the first time.
func (c *Crowd) countRepeats(gone, came uint64) {
	for baskets := gone; baskets != 0; baskets &= baskets - 1 {
		k := bits.TrailingZeros64(baskets)
		// What several of them held is counted with the newest of them.
		c.countRepeatsOf(&c.old, &c.new, k, func(b both) bool { return bits.TrailingZeros64(b.old&gone) == k })
	}
	for baskets := came; baskets != 0; baskets &= baskets - 1 {
		k := bits.TrailingZeros64(baskets)
		c.countRepeatsOf(&c.new, &c.old, k, func(b both) bool { return b.old&gone == 0 && bits.TrailingZeros64(b.new&came) == k })
	}
}

// countRepeatsOf counts for the pairs of one basket, and for its items in its store, where they are due here.
func (c *Crowd) countRepeatsOf(t, other *trips, k int, due func(both) bool) {
	items := t.items[k]
	store := t.past.Basket(k).Store
	paired := t.paired>>k&1 != 0
	if len(items) == 0 || store == 0 && !paired {
		return
	}
	sides := func(here, there uint64) both {
		if t == &c.old {
			return both{here, there}
		}
		return both{there, here}
	}
	var held [maxPairs]both
	in := sides(t.in(store), other.in(store))
	pairs := both{c.old.paired, c.new.paired}
	for i, number := range items {
		b := sides(t.held[k][i], other.holds(number))
		if store != 0 {
			if s := b.and(in); due(s) {
				if n := s.repeats(); n != 0 {
					add(&c.store(store).repeats, number, n)
				}
			}
		}
		if paired {
			held[i] = b.and(pairs)
		}
	}
	if !paired {
		return
	}
	for i, x := range items {
		for j := i + 1; j < len(items); j++ {
			b := held[i].and(held[j])
			n := b.repeats()
			if n == 0 || !due(b) {
				continue
			}
			y := items[j]
			add(&c.item(x).repeats, y, n)
			add(&c.item(y).repeats, x, n)
		}
	}
}

// holds is in which baskets an item is.
func (t *trips) holds(number who.Item) uint64 {
	if t.past.Tail() == 0 {
		return 0
	}
	i, ok := t.past.History.Find(number)
	if !ok {
		return 0
	}
	recent, _ := t.past.Held(&t.past.History.Items[i])
	return recent
}

// in is which baskets were bought in a store; 0: nobody asks.
func (t *trips) in(store who.Item) (baskets uint64) {
	if store == 0 {
		return 0
	}
	for k := range t.past.Tail() {
		if t.past.Basket(k).Store == store {
			baskets |= 1 << k
		}
	}
	return baskets
}

// reach tells whether a store is in an old and in a new history, moves how often somebody went from one to another.
type (
	reach struct{ old, new bool }
	move  struct{ from, to who.Item }
	moves struct{ old, new uint32 }
)

// countPeople counts anew who was in the stores, and how often who went from one to the next did so beyond the first time, where two
// histories differ: in baskets that are gone or came, and in visits but the first ones, which are the same.
func (c *Crowd) countPeople(gone, came uint64, same int) {
	clear(c.reached)
	clear(c.moved)
	for baskets := gone; baskets != 0; baskets &= baskets - 1 {
		c.reached[c.old.past.Basket(bits.TrailingZeros64(baskets)).Store] = reach{}
	}
	for baskets := came; baskets != 0; baskets &= baskets - 1 {
		c.reached[c.new.past.Basket(bits.TrailingZeros64(baskets)).Store] = reach{}
	}
	a, b := c.old.past.Visits(), c.new.past.Visits()
	for _, visits := range [2][]who.Visit{a, b} {
		for i := same; i < len(visits); i++ {
			c.reached[visits[i].Store] = reach{}
			if i > 0 {
				c.moved[move{visits[i-1].Store, visits[i].Store}] = moves{}
			}
		}
	}
	delete(c.reached, 0)
	if len(c.reached) == 0 {
		return
	}
	for side, t := range [2]*trips{&c.old, &c.new} {
		saw := func(store who.Item) {
			if r, ok := c.reached[store]; ok {
				if side == 0 {
					r.old = true
				} else {
					r.new = true
				}
				c.reached[store] = r
			}
		}
		for k := range t.past.Tail() {
			saw(t.past.Basket(k).Store)
		}
		visits := t.past.Visits()
		for i, v := range visits {
			saw(v.Store)
			if i == 0 || len(c.moved) == 0 {
				continue
			}
			to := move{visits[i-1].Store, v.Store}
			if n, ok := c.moved[to]; ok {
				if side == 0 {
					n.old++
				} else {
					n.new++
				}
				c.moved[to] = n
			}
		}
	}
	for store, r := range c.reached {
		switch {
		case r.new && !r.old:
			c.store(store).people++
		case r.old && !r.new:
			c.store(store).people--
		}
	}
	for m, n := range c.moved {
		if d := max(n.new, 1) - max(n.old, 1); d != 0 {
			add(&c.store(m.from).returns, m.to, d)
		}
	}
}

// shared tells of a list of counts, by place, which of them at least LeastPeople shoppers made: counts less those beyond the first of each.
func shared(list []recommend.Tally, repeats map[who.Item]uint32, tell func(place int)) {
	for i, t := range list {
		if t.Count-repeats[t.Item] >= recommend.LeastPeople {
			tell(i)
		}
	}
}
