// Package demo makes up a city: Lisbon's streets and an invented grocer, Azulejo, with stores, geofences,
// a catalogue, shoppers with months of purchases, and recorded walks.
//
// It exists so that whoever starts Satnav for the first time sees it at work within a minute, and so that
// every end-to-end test and benchmark runs on the same, lifelike data instead of on made-for-the-test
// triples. The streets are real, the shops, goods and people are not.
//
// Shoppers behave so that there is something to learn and something to be wrong about: each has goods
// bought at a rhythm of their own, recipes whose ingredients go together, favourite stores, weekdays, hours
// and a payday; and a third or so of what they buy is none of that, but what is popular in that store, at
// that hour, in that season. Some are new, some stopped coming.
//
// Everything is a function of seed, scale and the date on which history ends: two calls with the same
// three give the same city, row by row, so that a seeding that was killed is resumed by starting it anew.
// Decided against: shipping the data as files (40 MB that nobody could scale or bring up to date).
package demo

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"satnav/geo"
	"satnav/server/importer"
)

// What the demo's retailer is called, and where it is at home.
const (
	Retailer = "demo"
	Currency = "EUR"
	ZoneName = "Europe/Lisbon"
)

// Scale is how large a city is. The zero value is the demo's: 5,200 shoppers with 180 days of history,
// about 400,000 purchase lines.
type Scale struct {
	Shoppers int // 0: 5,200
	Days     int // of history; 0: 180
}

// City is one made-up city. It is immutable and safe for concurrent use; streams may be read many times.
type City struct {
	seed  uint64
	scale Scale
	zone  *time.Location
	start time.Time // midnight in Lisbon of the first day of history
	until time.Time // midnight in Lisbon at which history ends

	shops    []shop
	products []product
	kinds    map[string][]int // products of each kind of goods, the most bought first
	fresh    []int            // products introduced during the last weeks
	popular  map[moment]*chances
	stock    []importer.Stock
}

// New makes the city whose history ends with the day before until (in Lisbon), so that purchases look
// recent and no two days' demos differ but for the date.
func New(seed uint64, scale Scale, until time.Time) *City {
	if scale.Shoppers == 0 {
		scale.Shoppers = 5_200
	}
	if scale.Days == 0 {
		scale.Days = 180
	}
	zone, err := geo.LoadZone(ZoneName)
	if err != nil {
		panic("this machine and this binary have no time zone database: " + err.Error()) // server embeds time/tzdata
	}
	y, m, d := until.In(zone).Date()
	c := &City{seed: seed, scale: scale, zone: zone, until: time.Date(y, m, d, 0, 0, 0, 0, zone)}
	c.start = c.until.AddDate(0, 0, -scale.Days)
	c.stockShelves()
	c.openShops()
	c.stock = c.countStock()
	return c
}

// Zone is the city's time zone.
func (c *City) Zone() *time.Location { return c.zone }

// Until is the midnight at which history ends.
func (c *City) Until() time.Time { return c.until }

// Each thing that is drawn has random numbers of its own, so that one more of one thing changes no other.
const (
	drawProducts uint64 = iota + 1
	drawShops
	drawStock
	drawFences
	drawWalks
	drawShopper
	drawHistory
	drawEvents
	drawsPerKind = 16
)

// random is the source of everything about the n-th thing of a kind.
func (c *City) random(draw uint64, n int) *rand.Rand {
	return rand.New(rand.NewPCG(c.seed, uint64(n)*drawsPerKind+draw))
}

// Stores lists the stores, the same in every city.
func (c *City) Stores() []importer.Store {
	stores := make([]importer.Store, len(c.shops))
	for i, s := range c.shops {
		stores[i] = s.Store
	}
	return stores
}

// Products lists the catalogue.
func (c *City) Products() []importer.Product {
	products := make([]importer.Product, len(c.products))
	for i, p := range c.products {
		products[i] = p.Product
	}
	return products
}

// Stock lists what stands in which store, for the items of which that is known.
func (c *City) Stock() []importer.Stock { return c.stock }

// Purchases tells what all shoppers bought, shopper by shopper, each in order of time.
func (c *City) Purchases() iter.Seq[importer.Purchase] {
	return func(yield func(importer.Purchase) bool) {
		for i := range c.scale.Shoppers {
			if !c.shop(c.Shopper(i), yield) {
				return
			}
		}
	}
}

// chances draws from a list with the likelihood of each entry.
type chances struct {
	sums []float64 // cumulative
}

func newChances(n int, weight func(i int) float64) *chances {
	c := &chances{sums: make([]float64, n)}
	sum := 0.0
	for i := range n {
		sum += weight(i)
		c.sums[i] = sum
	}
	return c
}

// draw picks an entry.
func (c *chances) draw(r *rand.Rand) int {
	x := r.Float64() * c.sums[len(c.sums)-1]
	low, high := 0, len(c.sums)-1
	for low < high {
		if mid := (low + high) / 2; c.sums[mid] <= x {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// spread is a random factor around 1: about two of three are between 1/(1+s) and 1+s.
func spread(r *rand.Rand, s float64) float64 { return math.Exp(r.NormFloat64() * math.Log1p(s)) }
