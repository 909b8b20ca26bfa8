package recommend

import (
	"time"

	"satnav/context/who"
)

// Crowd is what all shoppers of a retailer did together, as counts: a view that learn.Crowd builds and
// nobody changes afterwards. Slices are shared between one view and the next where nothing changed.
//
// It holds counts, not rates: each part is a pure function of its own counts, and rates, lifts and
// shrinkage are worked out when they are read. So a view that was built piece by piece equals one that
// was built at once.
type Crowd struct {
	Version  uint64
	Zone     *time.Location // the rhythms are told in; nil: UTC
	Shoppers int            // who bought or visited anything
	Baskets  uint64         // in the tails of all histories
	Lines    uint64
	// Newest is the week, counted from 1970, of the newest basket: decays are told as of its end, since
	// the crowd has no clock of its own.
	Newest  uint32
	Recent  float64     // sum of Items.Recent
	Rebuy   float32     // share of all buyers of an item who bought it again
	Again   float32     // share of all baskets with an item that were followed by another with it
	Rhythm  Rhythm      // of all lines
	Items   []ItemStats // by item number; may be shorter than the vocabulary
	Popular []who.Item  // by Recent, at most 256
	Stores  []StoreStats
	// Visits and VisitHours count all visits to all stores; a basket bought in a store is a visit too.
	Visits     uint64
	VisitHours [24]float32
	Visited    []who.Item // stores by visits, at most 64
}

// ItemStats is what the crowd did with one item.
type ItemStats struct {
	Buyers   uint32 // shoppers who bought it, ever
	Rebuyers uint32 // of them, those who bought it in two baskets or more
	Lines    uint32 // baskets with it, in the tails
	Gaps     uint32 // how often a shopper bought it again
	GapHours uint64 // time between those purchases, summed
	Again    uint32 // baskets with it whose next basket of the same shopper held it too
	Chances  uint32 // baskets with it that have a next basket
	Recent   float32
	Weeks    []Tally // lines by week since 1970, ascending
	Rhythm   *Rhythm // nil: never bought
	// Neighbours are the items bought with it most often, most often first.
	Neighbours []Tally
	Shared     uint64 // bit i: at least LeastPeople shoppers bought it together with Neighbours[i]
}

// LeastPeople is how many must stand behind what a reason says of the crowd: what few did would tell about them, and "popular" or
// "often" would not be true.
const LeastPeople = 20

// Tally is how often something with this number was counted.
type Tally struct {
	Item  who.Item
	Count uint32
}

// Rhythm is how many lines fall near an hour of the day (±2 hours, weighted), on a day of the week (0 is Sunday), near a day of
// the month (±2 days, weighted: wages come once a month) and near a season, all in Crowd.Zone.
type Rhythm struct {
	Hour    [24]float32
	Weekday [7]float32
	Day     [31]float32
	Season  [Seasons]float32
}

// Seasons are stretches of four weeks, the last a day or two longer.
const Seasons = 13

// SeasonOf is the season of an instant, 0 to 12.
func SeasonOf(at time.Time) int { return min((at.YearDay()-1)/28, Seasons-1) }

// StoreStats is what the crowd did in one store.
type StoreStats struct {
	Lines   uint64
	Visits  uint32
	People  uint32       // shoppers who visited it, or bought in it
	Hour    *[24]float32 // visits near an hour of the day; nil: none
	Next    []Tally      // the stores visited next, most often first, at most 64
	Popular []Tally      // lines of what is bought most often here, most often first, at most 128
	// Of which of those at least LeastPeople shoppers went there next, and bought it here: bits by place.
	SharedNext    uint64
	SharedPopular [2]uint64
}

func (c *Crowd) item(item who.Item) *ItemStats {
	if c == nil || int(item) >= len(c.Items) {
		return &noItem
	}
	return &c.Items[item]
}

func (c *Crowd) store(store who.Item) *StoreStats {
	if c == nil || int(store) >= len(c.Stores) {
		return &noStore
	}
	return &c.Stores[store]
}

var (
	noItem  ItemStats
	noStore StoreStats
	noCrowd Crowd
)
