package learn

import (
	"math"
	"slices"

	"satnav/context/who"
	"satnav/recommend"
)

// halfLife of an item's recent popularity, in weeks; older than horizon, it counts nothing.
const (
	halfLife = 30.0 / 7
	horizon  = 52
)

// View is the crowd as the engine reads it. Only what changed since the last view is worked out again;
// the result equals a view of the same counts made at once.
func (c *Crowd) View() *recommend.Crowd {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view != nil && c.view.Version == c.version {
		return c.view
	}
	v := &recommend.Crowd{
		Version: c.version, Zone: c.zone, Shoppers: c.shoppers,
		Baskets: c.baskets, Lines: c.lines,
		Rebuy: ratio(c.rebuyers, c.buyers), Again: ratio(c.again, c.chances),
		Rhythm: *rhythm(&c.hours, &c.weekdays),
		Visits: c.visits, VisitHours: near(&c.came),
	}
	for w := range c.weeks {
		v.Newest = max(v.Newest, w)
	}
	if c.view != nil {
		v.Items, v.Stores = slices.Clone(c.view.Items), slices.Clone(c.view.Stores)
	}
	v.Items = append(v.Items, make([]recommend.ItemStats, len(c.items)-len(v.Items))...)
	v.Stores = append(v.Stores, make([]recommend.StoreStats, len(c.stores)-len(v.Stores))...)
	for number := range c.dirtyItems {
		v.Items[number] = c.items[number].view()
	}
	for number := range c.dirtyStores {
		v.Stores[number] = c.stores[number].view()
	}
	for i := range v.Items {
		v.Items[i].Recent = c.items[i].recent(v.Newest)
		v.Recent += float64(v.Items[i].Recent)
	}
	v.Popular = most(len(v.Items), popular, func(i int) float32 { return v.Items[i].Recent })
	v.Visited = most(len(v.Stores), visited, func(i int) float32 { return float32(v.Stores[i].Visits) })
	clear(c.dirtyItems)
	clear(c.dirtyStores)
	c.view = v
	return v
}

func ratio(a, b uint64) float32 {
	if b == 0 {
		return 0
	}
	return float32(float64(a) / float64(b))
}

func (it *item) view() recommend.ItemStats {
	return recommend.ItemStats{
		Buyers: it.buyers, Rebuyers: it.rebuyers, Lines: it.lines, Gaps: it.gaps, GapHours: it.gapHours,
		Again: it.again, Chances: it.chances,
		Rhythm:     rhythm(&it.hours, &it.weekdays),
		Stores:     byNumber(it.stores),
		Neighbours: byCount(it.together, neighbours),
	}
}

func (s *store) view() recommend.StoreStats {
	v := recommend.StoreStats{Lines: s.lines, Visits: s.visits, Next: byCount(s.next, passages)}
	if s.visits > 0 {
		hours := near(&s.hours)
		v.Hour = &hours
	}
	for _, t := range byCount(s.items, popularIn) {
		v.Popular = append(v.Popular, t.Item)
	}
	return v
}

// recent is the item's decayed popularity as of a week.
func (it *item) recent(now uint32) float32 {
	// Summed by age, not in the map's order: the same counts always make the same sum.
	var byAge [horizon]uint32
	for w, n := range it.weeks {
		if age := now - w; age < horizon {
			byAge[age] = n
		}
	}
	sum := 0.0
	for age, n := range byAge {
		if n != 0 {
			sum += float64(n) * decays[age]
		}
	}
	return float32(sum)
}

var decays = func() (d [horizon]float64) {
	for age := range d {
		d[age] = math.Exp2(-float64(age) / halfLife)
	}
	return d
}()

// kernel is what a line counts for an hour that lies that far from its own.
var kernel = [3]float32{1, 0.7, 0.3}

// near smooths counts around the clock.
func near(hours *[24]uint32) (smooth [24]float32) {
	for h, n := range hours {
		for away := -2; away <= 2; away++ {
			smooth[(h+away+24)%24] += kernel[max(away, -away)] * float32(n)
		}
	}
	return smooth
}

func rhythm(hours *[24]uint32, weekdays *[7]uint32) *recommend.Rhythm {
	r := &recommend.Rhythm{Hour: near(hours)}
	for d, n := range weekdays {
		r.Weekday[d] = float32(n)
	}
	return r
}

func byNumber(counts map[who.Item]uint32) []recommend.Tally {
	all := make([]recommend.Tally, 0, len(counts))
	for number, n := range counts {
		all = append(all, recommend.Tally{Item: number, Count: n})
	}
	slices.SortFunc(all, func(a, b recommend.Tally) int { return int(a.Item) - int(b.Item) })
	return all
}

// byCount keeps the n greatest counts, the greatest first; of equals the smaller number.
func byCount(counts map[who.Item]uint32, n int) []recommend.Tally {
	all := make([]recommend.Tally, 0, len(counts))
	for number, count := range counts {
		all = append(all, recommend.Tally{Item: number, Count: count})
	}
	slices.SortFunc(all, func(a, b recommend.Tally) int {
		if a.Count != b.Count {
			return int(b.Count) - int(a.Count)
		}
		return int(a.Item) - int(b.Item)
	})
	return slices.Clone(all[:min(n, len(all))])
}

// most lists the n numbers with the greatest positive worth, the greatest first; of equals the smaller.
func most(size, n int, worth func(i int) float32) []who.Item {
	var all []who.Item
	for i := range size {
		if worth(i) > 0 {
			all = append(all, who.Item(i))
		}
	}
	slices.SortFunc(all, func(a, b who.Item) int {
		x, y := worth(int(a)), worth(int(b))
		switch {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return int(a) - int(b)
	})
	return slices.Clone(all[:min(n, len(all))])
}
