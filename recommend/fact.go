package recommend

import "satnav/context/who"

// fact is what the crowd says of one item, worked out once for each view of the crowd instead of once for
// each answer: the buckets of features that are the same for all shoppers, side by side in memory.
type fact struct {
	gap   float32 // mean days until it is bought again; 0: nobody did
	odds  float32 // what the fixed features add to the log-odds of who never bought the item
	fixed [len(fixed)]uint8
	// The lifts of all hours, then weekdays, days of the month and seasons: buckets of at most 16, two in a byte.
	lifts [(inSeasons + Seasons + 1) / 2]uint8
	_     [13]uint8 // to what a processor reads at once
}

// Where the lifts of a fact begin.
const (
	inHours    = 0
	inWeekdays = inHours + 24
	inDays     = inWeekdays + 7
	inSeasons  = inDays + 31
)

func (f *fact) lift(i int) uint8 { return f.lifts[i>>1] >> (4 * (i & 1)) & 15 }

func (f *fact) setLift(i, bucket int) { f.lifts[i>>1] |= uint8(bucket) << (4 * (i & 1)) }

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
	tell := func(first int, f feature, seen, all []float32) {
		for i, n := range seen {
			to.setLift(first+i, productScales[f].bucket(lift(n, share*all[i])))
		}
	}
	tell(inHours, fHour, stats.Rhythm.Hour[:], c.Rhythm.Hour[:])
	tell(inWeekdays, fWeekday, stats.Rhythm.Weekday[:], c.Rhythm.Weekday[:])
	tell(inDays, fPayday, stats.Rhythm.Day[:], c.Rhythm.Day[:])
	tell(inSeasons, fSeason, stats.Rhythm.Season[:], c.Rhythm.Season[:])
}

// fact is what the crowd says of an item.
func (s *Snapshot) fact(item who.Item) *fact {
	return &s.facts[min(int(item), len(s.facts)-1)]
}
