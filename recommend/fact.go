package recommend

import "satnav/context/who"

// fact is what the crowd says of one item, worked out once for each view of the crowd instead of once for
// each answer: the buckets of features that are the same for all shoppers, side by side in memory.
type fact struct {
	gap      float32 // mean days until it is bought again; 0: nobody did
	odds     float32 // what the fixed features add to the log-odds of who never bought the item
	fixed    [len(fixed)]uint8
	hours    nibbles24
	weekdays nibbles8
	_        [3]uint8 // to half of what a processor reads at once
}

// nibbles24 and nibbles8 are buckets of features that have at most 16 of them, two in a byte.
type (
	nibbles24 [12]uint8
	nibbles8  [4]uint8
)

func (n *nibbles24) at(i int) uint8 { return n[i>>1] >> (4 * (i & 1)) & 15 }
func (n *nibbles8) at(i int) uint8  { return n[i>>1] >> (4 * (i & 1)) & 15 }

func (n *nibbles24) set(i, bucket int) { n[i>>1] |= uint8(bucket) << (4 * (i & 1)) }
func (n *nibbles8) set(i, bucket int)  { n[i>>1] |= uint8(bucket) << (4 * (i & 1)) }

// fixed are the features whose buckets a fact holds for every moment and place.
var fixed = [...]feature{fPopular, fRecent, fTrend, fRebuy, fAgain}

// Pseudo-counts that keep a rate near its mean until there is more to go by.
const (
	liftPrior  = 8.0 // expected lines
	rebuyPrior = 20.0
)

// lift is how much more often something was seen than expected, drawn to 1 where little was expected.
func lift(seen, expected float32) float32 { return (seen + liftPrior) / (expected + liftPrior) }

// factsOf works out the facts of all items for a scorer. The last one stands for items that nobody has bought.
func factsOf(c *Crowd, s *scorer) []fact {
	facts := make([]fact, len(c.Items)+1)
	var r row
	for i := range facts {
		stats, to := &noItem, &facts[i]
		if i < len(c.Items) {
			stats = &c.Items[i]
		}
		c.fact(stats, to)
		for k, f := range fixed {
			r[f] = to.fixed[k]
		}
		to.odds = float32(s.sum(&s.item, &r))
	}
	return facts
}

func (c *Crowd) fact(stats *ItemStats, to *fact) {
	set := func(k int, x float32) { to.fixed[k] = uint8(productScales[fixed[k]].bucket(x)) }
	if c.Lines == 0 {
		set(0, 0)
		set(1, 0)
		return
	}
	lines := float32(stats.Lines)
	share := lines / float32(c.Lines)
	if stats.Gaps > 0 {
		to.gap = float32(stats.GapHours) / 24 / float32(stats.Gaps)
	}
	set(0, lines/float32(c.Baskets))
	if c.Recent > 0 {
		set(1, stats.Recent/float32(c.Recent))
		if share > 0 {
			set(2, lift(stats.Recent, share*float32(c.Recent)))
		}
	}
	if stats.Buyers == 0 {
		return
	}
	set(3, (float32(stats.Rebuyers)+rebuyPrior*c.Rebuy)/(float32(stats.Buyers)+rebuyPrior))
	set(4, (float32(stats.Again)+rebuyPrior*c.Again)/(float32(stats.Chances)+rebuyPrior))
	if stats.Rhythm == nil {
		return
	}
	for h, n := range stats.Rhythm.Hour {
		to.hours.set(h, productScales[fHour].bucket(lift(n, share*c.Rhythm.Hour[h])))
	}
	for d, n := range stats.Rhythm.Weekday {
		to.weekdays.set(d, productScales[fWeekday].bucket(lift(n, share*c.Rhythm.Weekday[d])))
	}
}

// liftsOf tells, for each store and in the order of its Popular, in which bucket lies how much more often a product is bought there
// than elsewhere.
func liftsOf(c *Crowd) [][]uint8 {
	lifts := make([][]uint8, len(c.Stores))
	for i := range c.Stores {
		store := &c.Stores[i]
		lifts[i] = make([]uint8, len(store.Popular))
		for k, t := range store.Popular {
			share := float32(c.item(t.Item).Lines) / float32(c.Lines)
			lifts[i][k] = uint8(productScales[fStore].bucket(lift(float32(t.Count), share*float32(store.Lines))))
		}
	}
	return lifts
}

// fact is what the crowd says of an item.
func (s *Snapshot) fact(item who.Item) *fact {
	return &s.facts[min(int(item), len(s.facts)-1)]
}
