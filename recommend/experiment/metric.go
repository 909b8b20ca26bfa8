package experiment

// Metric is what is measured of each shopper, from the exposure on.
type Metric string

const (
	Conversion Metric = "conversion" // visits with a purchase, of all visits
	Orders     Metric = "orders"     // days with a purchase, a shopper
	Revenue    Metric = "revenue"    // of purchases, a shopper
	Margin     Metric = "margin"     // revenue less cost, a shopper
	Redemption Metric = "redemption" // offers redeemed, a shopper
	Dismissal  Metric = "dismissal"  // suggestions dismissed, a shopper
	OptOut     Metric = "opt_out"    // shoppers who withdrew the permission that it rests on
	Latency    Metric = "latency"    // milliseconds an answer takes
)

// Metrics lists all metrics.
var Metrics = []Metric{Conversion, Orders, Revenue, Margin, Redemption, Dismissal, OptOut, Latency}

// meaning is what the words of a verdict need to know of a metric.
type meaning struct {
	words string  // what a number of it is, after the number
	times float64 // by which the number is shown
	less  bool    // less of it is better
}

var about = map[Metric]meaning{
	Conversion: {"of 100 visits end with a purchase", 100, false},
	Orders:     {"orders by each shopper", 1, false},
	Revenue:    {"spent by each shopper", 1, false},
	Margin:     {"earned on each shopper", 1, false},
	Redemption: {"offers redeemed by 100 shoppers", 100, false},
	Dismissal:  {"suggestions dismissed by 100 shoppers", 100, true},
	OptOut:     {"of 100 shoppers withdraw their permission", 100, true},
	Latency:    {"ms for an answer", 1, true},
}

// Less tells whether less of a metric is better.
func (m Metric) Less() bool { return about[m].less }
