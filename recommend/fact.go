package recommend

import "satnav/context/who"

// fact is what the crowd says of one item, worked out once for each view of the crowd instead of once for
// each answer: the buckets of features that are the same for all shoppers, side by side in memory.
type fact struct {
	share    float32 // of all lines
	fixed    [len(fixed)]uint8
	hours    [24]uint8
	weekdays [7]uint8
}

// fixed are the features whose buckets a fact holds for every moment and place.
var fixed = [...]feature{fPopular, fRecent, fTrend, fRebuy, fAgain}

// Pseudo-counts that keep a rate near its mean until there is more to go by.
const (
	liftPrior  = 8.0 // expected lines
	rebuyPrior = 20.0
)

// lift is how much more often something was seen than expected, drawn to 1 where little was expected.
func lift(seen, expected float32) float32 { return (seen + liftPrior) / (expected + liftPrior) }

// factsOf works out the facts of all items. The last one stands for items that nobody has bought.
func factsOf(c *Crowd) []fact {
	facts := make([]fact, len(c.Items)+1)
	for i := range c.Items {
		c.fact(&c.Items[i], &facts[i])
	}
	c.fact(&noItem, &facts[len(c.Items)])
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
	to.share = lines / float32(c.Lines)
	set(0, lines/float32(c.Baskets))
	if c.Recent > 0 {
		set(1, stats.Recent/float32(c.Recent))
		if to.share > 0 {
			set(2, lift(stats.Recent, to.share*float32(c.Recent)))
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
		to.hours[h] = uint8(productScales[fHour].bucket(lift(n, to.share*c.Rhythm.Hour[h])))
	}
	for d, n := range stats.Rhythm.Weekday {
		to.weekdays[d] = uint8(productScales[fWeekday].bucket(lift(n, to.share*c.Rhythm.Weekday[d])))
	}
}

// fact is what the crowd says of an item.
func (s *Snapshot) fact(item who.Item) *fact {
	return &s.facts[min(int(item), len(s.facts)-1)]
}

// oddsOf tells what the facts of each item add to the log-odds of a shopper who never bought it.
func (s *scorer) oddsOf(facts []fact) []float32 {
	odds := make([]float32, len(facts))
	var r row
	for i := range facts {
		for k, f := range fixed {
			r[f] = facts[i].fixed[k]
		}
		odds[i] = float32(s.sum(&s.item, &r))
	}
	return odds
}
