package learn

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// halfLife of an item's recent popularity, in weeks; older than horizon, it counts nothing.
const (
	halfLife = 30.0 / 7
	horizon  = 52
)

// View is the crowd as the engine reads it. Only what changed since the last view is worked out again;
// the result equals a view of the same counts made at once. Counting goes on meanwhile: it waits for a
// few items at a time, and what it counts may be in this view or the next.
func (c *Crowd) View() *recommend.Crowd {
	c.viewing.Lock()
	defer c.viewing.Unlock()
	v := &recommend.Crowd{Zone: c.zone}
	c.mu.Lock()
	if c.view != nil && c.view.Version == c.version {
		c.mu.Unlock()
		return c.view
	}
	v.Version, v.Shoppers, v.Baskets, v.Lines = c.version, c.shoppers, c.baskets, c.lines
	v.Rebuy, v.Again = ratio(c.rebuyers, c.buyers), ratio(c.again, c.chances)
	v.Rhythm, v.Visits, v.VisitHours = *rhythm(&c.hours, &c.weekdays, &c.days, nil), c.visits, around24(&c.came)
	for w := range c.weeks {
		v.Newest = max(v.Newest, w)
	}
	items, stores := slices.Sorted(maps.Keys(c.dirtyItems)), slices.Sorted(maps.Keys(c.dirtyStores))
	clear(c.dirtyItems)
	clear(c.dirtyStores)
	v.Items, v.Stores = make([]recommend.ItemStats, len(c.items)), make([]recommend.StoreStats, len(c.stores))
	c.mu.Unlock()
	if c.view != nil {
		copy(v.Items, c.view.Items)
		copy(v.Stores, c.view.Stores)
	}
	c.inTurns(items, func(number who.Item) { v.Items[number] = c.items[number].view() })
	c.inTurns(stores, func(number who.Item) { v.Stores[number] = c.stores[number].view() })
	for i := range v.Items {
		v.Items[i].Recent = recent(v.Items[i].Weeks, v.Newest)
		v.Recent += float64(v.Items[i].Recent)
		if r := v.Items[i].Rhythm; r != nil {
			for s, n := range r.Season {
				v.Rhythm.Season[s] += n
			}
		}
	}
	v.Popular = most(len(v.Items), popular, func(i int) float32 { return v.Items[i].Recent })
	v.Visited = most(len(v.Stores), visited, func(i int) float32 { return float32(v.Stores[i].Visits) })
	c.view = v
	return v
}

// turn is how many items are worked out before counting gets its turn: about a millisecond's worth.
const turn = 32

// inTurns does something for each number with the counts held still, a few at a time.
func (c *Crowd) inTurns(numbers []who.Item, do func(number who.Item)) {
	for some := range slices.Chunk(numbers, turn) {
		c.mu.Lock()
		for _, number := range some {
			do(number)
		}
		c.mu.Unlock()
	}
}

func ratio(a, b uint64) float32 {
	if b == 0 {
		return 0
	}
	return float32(float64(a) / float64(b))
}

func (it *item) view() recommend.ItemStats {
	weeks := byNumber(it.weeks)
	v := recommend.ItemStats{
		Buyers: it.buyers, Rebuyers: it.rebuyers, Lines: it.lines, Gaps: it.gaps, GapHours: it.gapHours,
		Again: it.again, Chances: it.chances,
		Rhythm:     rhythm(&it.hours, &it.weekdays, &it.days, weeks),
		Weeks:      weeks,
		Neighbours: byCount(it.together, neighbours),
	}
	shared(v.Neighbours, it.repeats, func(i int) { v.Shared |= 1 << i })
	return v
}

func (s *store) view() recommend.StoreStats {
	v := recommend.StoreStats{Lines: s.lines, Visits: s.visits, People: s.people, Next: byCount(s.next, passages)}
	shared(v.Next, s.returns, func(i int) { v.SharedNext |= 1 << i })
	if len(s.items) > 0 {
		v.Popular = byCount(s.items, popularIn)
		shared(v.Popular, s.repeats, func(i int) { v.SharedPopular[i/64] |= 1 << (i % 64) })
	}
	if s.visits > 0 {
		hours := around24(&s.hours)
		v.Hour = &hours
	}
	return v
}

// recent is an item's decayed popularity as of a week.
func recent(weeks []recommend.Tally, now uint32) float32 {
	sum := 0.0
	for _, w := range slices.Backward(weeks) {
		age := now - min(uint32(w.Item), now)
		if age >= horizon {
			break
		}
		sum += float64(w.Count) * decays[age]
	}
	return float32(sum)
}

var decays = func() (d [horizon]float64) {
	for age := range d {
		d[age] = math.Exp2(-float64(age) / halfLife)
	}
	return d
}()

// kernel is what a line counts for an hour, or a day of the month, that lies that far from its own; seasonKernel the same for seasons.
var kernel, seasonKernel = []float32{1, 0.7, 0.3}, []float32{1, 0.5}

// around24 smooths counts around the clock.
func around24(hours *[24]uint32) (smooth [24]float32) {
	around(hours[:], kernel, smooth[:])
	return smooth
}

// around smooths counts in a circle.
func around(counts []uint32, kernel, smooth []float32) {
	for i, n := range counts {
		for away, weight := range kernel {
			smooth[(i+away)%len(smooth)] += weight * float32(n)
			if away > 0 {
				smooth[(i-away+len(smooth))%len(smooth)] += weight * float32(n)
			}
		}
	}
}

func rhythm(hours *[24]uint32, weekdays *[7]uint32, days *[31]uint32, weeks []recommend.Tally) *recommend.Rhythm {
	r := &recommend.Rhythm{}
	around(hours[:], kernel, r.Hour[:])
	around(weekdays[:], kernel[:1], r.Weekday[:])
	around(days[:], kernel, r.Day[:])
	var seasons [recommend.Seasons]uint32
	for _, w := range weeks {
		seasons[seasonOf[min(int(w.Item), len(seasonOf)-1)]] += w.Count
	}
	around(seasons[:], seasonKernel, r.Season[:])
	return r
}

// seasonOf is the season of the middle of each week since 1970, as far as histories reach.
var seasonOf = func() (of [1 + math.MaxUint32/week]uint8) {
	for w := range of {
		of[w] = uint8(recommend.SeasonOf(time.Unix(int64(w)*week+week/2, 0).UTC()))
	}
	return of
}()

func byNumber[K ~uint32](counts map[K]uint32) []recommend.Tally {
	all := make([]recommend.Tally, 0, len(counts))
	for number, n := range counts {
		all = append(all, recommend.Tally{Item: who.Item(number), Count: n})
	}
	slices.SortFunc(all, func(a, b recommend.Tally) int { return cmp.Compare(a.Item, b.Item) })
	return all
}

// byCount keeps the n greatest counts, the greatest first; of equals the smaller number.
func byCount(counts map[who.Item]uint32, n int) []recommend.Tally {
	best := make([]recommend.Tally, 0, min(n, len(counts)))
	before := func(a, b recommend.Tally) bool { return a.Count > b.Count || a.Count == b.Count && a.Item < b.Item }
	for number, count := range counts {
		t := recommend.Tally{Item: number, Count: count}
		switch {
		case len(best) < n:
			best = append(best, t)
		case before(t, best[n-1]):
			best[n-1] = t
		default:
			continue
		}
		for i := len(best) - 1; i > 0 && before(best[i], best[i-1]); i-- {
			best[i], best[i-1] = best[i-1], best[i]
		}
	}
	return best
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
