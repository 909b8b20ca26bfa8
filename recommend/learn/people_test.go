package learn

import (
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
)

// peopleIn counts the people behind each pair, each item of a store, each store and each passage by looking at every shopper: the slow twin.
func peopleIn(shoppers map[int]*who.History) map[string]uint32 {
	people := map[string]uint32{}
	for _, h := range shoppers {
		did := map[string]bool{}
		past := recommend.PastBefore(h, 0)
		baskets := make([][]who.Item, past.Tail())
		for i := range past.History.Items {
			b := &past.History.Items[i]
			for recent, _ := past.Held(b); recent != 0; recent &= recent - 1 {
				k := bits.TrailingZeros64(recent)
				baskets[k] = append(baskets[k], b.Item)
			}
		}
		for k, items := range baskets {
			store := past.Basket(k).Store
			for _, x := range items {
				if store != 0 {
					did[fmt.Sprint("store ", store)] = true
					did[fmt.Sprint("item ", x, " in ", store)] = true
				}
				for _, y := range items {
					if x != y && len(items) <= maxPairs {
						did[fmt.Sprint("pair ", x, " ", y)] = true
					}
				}
			}
		}
		visits := past.Visits()
		for i, v := range visits {
			did[fmt.Sprint("store ", v.Store)] = true
			if i > 0 {
				did[fmt.Sprint("passage ", visits[i-1].Store, " ", v.Store)] = true
			}
		}
		for what := range did {
			people[what]++
		}
	}
	return people
}

// peopleOf reads the same from a crowd's counts.
func peopleOf(c *Crowd) map[string]uint32 {
	people := map[string]uint32{}
	for x, it := range c.items {
		for y, n := range it.together {
			people[fmt.Sprint("pair ", x, " ", y)] = n - it.repeats[y]
		}
	}
	for store, s := range c.stores {
		for x, n := range s.items {
			people[fmt.Sprint("item ", x, " in ", store)] = n - s.repeats[x]
		}
		for to, n := range s.next {
			people[fmt.Sprint("passage ", store, " ", to)] = n - s.returns[to]
		}
		if s.people > 0 {
			people[fmt.Sprint("store ", store)] = s.people
		}
	}
	return people
}

// However shoppers came, changed and were forgotten: the people behind each count are those of the ones who are left.
func TestCrowdCountsPeople(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		names := who.NewNames()
		c := NewCrowd(nil)
		shoppers := map[int]*who.History{}
		changes := rapid.IntRange(1, 120).Draw(t, "changes")
		people := rapid.IntRange(1, 6).Draw(t, "people")
		for range changes {
			id := random.IntN(people)
			old := shoppers[id]
			if random.IntN(12) == 0 {
				c.Replace(old, nil)
				delete(shoppers, id)
				continue
			}
			shoppers[id] = grow(random, names, old)
			c.Replace(old, shoppers[id])
		}
		if got, want := peopleOf(c), peopleIn(shoppers); !maps.Equal(got, want) {
			for what := range want {
				if got[what] != want[what] {
					t.Errorf("%s: %d people, want %d", what, got[what], want[what])
				}
			}
			t.Fatalf("got %d counts, want %d", len(got), len(want))
		}
	})
}

// A view marks what at least LeastPeople did, and not what one did as often.
func TestViewMarksWhatManyDid(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	c := NewCrowd(nil)
	buy := func(day int, store string, items ...string) (events []who.Event) {
		for _, item := range items {
			events = append(events, who.Event{Kind: who.Purchased, Item: item, At: start.AddDate(0, 0, day), Store: store, Quantity: 1})
		}
		return events
	}
	walk := func(day int, stores ...string) (events []who.Event) {
		for i, store := range stores {
			events = append(events, who.Event{Kind: who.Visited, Store: store, At: start.AddDate(0, 0, day).Add(time.Duration(i+1) * time.Hour)})
		}
		return events
	}
	var often []who.Event
	for day := range 30 {
		often = append(append(often, buy(day, "far", "milk", "gin")...), walk(day, "far", "bar")...)
	}
	c.Replace(nil, (*who.History)(nil).With(names, often...))
	for i := range recommend.LeastPeople {
		c.Replace(nil, (*who.History)(nil).With(names, append(buy(i, "near", "milk", "bread"), walk(i, "near", "cafe")...)...))
	}
	v := c.View()
	number, store := names.Items.Number, names.Stores.Number
	marked := func(list []recommend.Tally, bits ...uint64) map[who.Item]bool {
		m := map[who.Item]bool{}
		for i, t := range list {
			m[t.Item] = bits[i/64]>>(i%64)&1 != 0
		}
		return m
	}
	milk, near, far := v.Items[number("milk")], v.Stores[store("near")], v.Stores[store("far")]
	for _, c := range []struct {
		name      string
		got, want map[who.Item]bool
	}{
		{"bought with milk", marked(milk.Neighbours, milk.Shared), map[who.Item]bool{number("gin"): false, number("bread"): true}},
		{"bought where many do", marked(near.Popular, near.SharedPopular[:]...), map[who.Item]bool{number("milk"): true, number("bread"): true}},
		{"bought where one does", marked(far.Popular, far.SharedPopular[:]...), map[who.Item]bool{number("milk"): false, number("gin"): false}},
		{"from where many go", marked(near.Next, near.SharedNext), map[who.Item]bool{store("cafe"): true}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	if n := marked(far.Next, far.SharedNext); n[store("bar")] {
		t.Error("from where one goes: marked as what many do")
	}
	if near.People != recommend.LeastPeople || far.People != 1 || far.Visits != 60 {
		t.Errorf("%d people near, %d far with %d visits, want %d and 1 with 60", near.People, far.People, far.Visits, recommend.LeastPeople)
	}
}
