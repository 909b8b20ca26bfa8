package recommend

import "math"

// A feature is one number that is known of a candidate. All features are counts, times or rates that
// follow from stored counts; none is negative. Unknown is not zero: it has a value of its own.
type feature = int

const unknown float32 = -1

// Features of a product.
const (
	fTimes     feature = iota // baskets of the shopper that held it
	fShare                    // of the shopper's baskets
	fSince                    // orders since it was bought, 1: in the newest basket
	fDays                     // days since it was bought
	fBehind                   // days between its last purchase and the shopper's newest basket, plus 1
	fDue                      // fDays by the days expected between purchases
	fDueOrders                // the same in orders
	fLast3                    // how many of the newest 3 baskets held it
	fLast10                   // … of the newest 10
	fFresh                    // purchases, each counting 0.8^(orders since)
	fSteady                   // … 0.95^(orders since)
	fDecay30                  // purchases, halved every 30 days before the newest basket
	fDecay90
	fDecay365
	fFirst      // orders since it was first bought, by the share of days since
	fNeighbour  // how often it is bought with what the shopper buys
	fTogether   // how often it is bought with what is in the basket now
	fPopular    // share of all baskets
	fRecent     // share of recent lines, halved every 30 days
	fTrend      // fRecent by its share of all lines
	fRebuy      // share of its buyers who bought it again
	fAgain      // share of baskets with it that were followed by another
	fStore      // lift in this store; zero: not among what is bought most here
	fHour       // lift near this hour
	fWeekday    // lift on this weekday
	fPayday     // lift near this day of the month
	fSeason     // lift near this time of the year
	fCategory   // share of the shopper's lines in its category
	fBrand      // share of the shopper's lines of its brand
	fSeen       // days since it was looked at or put into a basket, plus 1
	fLiked      // 1 when liked or shared
	fList       // 1 when it is on the list
	fQuery      // share of the words searched for that it has
	fOrders     // the shopper's baskets
	fBasketSize // mean lines of the shopper's newest baskets

	productFeatures
)

// Features of a store.
const (
	sTimes     feature = iota // visits of the shopper
	sShare                    // of the shopper's visits, halved every 45 visits
	sSince                    // visits since the last one to it, 1: the newest
	sDays                     // days since the last one
	sHour                     // share of the shopper's visits near this hour that went there
	sNext                     // share of the shopper's moves from where they were last
	sCrowd                    // share of all visits
	sCrowdNext                // share of the crowd's moves from where the shopper was last
	sCrowdHour                // lift near this hour
	sDistance                 // kilometres from the shopper, plus 0.1
	sHop                      // kilometres from the store visited last, plus 0.1
	sOpen                     // 1: open, 0: closed
	sVisits                   // the shopper's visits

	storeFeatures
)

// Groups of features: what a shopper can understand as one cause.
const (
	gBase = iota
	gUsual
	gDue
	gNeighbour
	gTogether
	gPopular
	gRebuy
	gHere
	gNow
	gTaste
	gActs
	gList
	gQuery
	gNear
	gNext

	groups
)

var groupNames = [groups]string{
	"base", "bought_often", "bought_when", "bought_with", "basket", "popularity", "rebuy",
	"store", "time", "taste", "acts", "list", "query", "distance", "transition",
}

// scale says how a feature's values fall into buckets: bucket 0 is unknown, 1 is zero, and from 2 on
// there are two buckets for each doubling, from low upwards. Such buckets need no tuning to a retailer,
// and finding one costs a shift.
type scale struct {
	name  string
	group int
	low   float32 // a power of two
	steps int     // half doublings
}

// halfStep is how many lower bits of a float32 tell apart what falls into one half doubling.
const halfStep = 22

func (s scale) buckets() int { return s.steps + 2 }

// bucket of a value. A float's upper bits are its exponent and the first bit of its fraction, so they
// count half doublings.
func (s scale) bucket(x float32) int {
	if x <= 0 {
		if x < 0 {
			return 0
		}
		return 1
	}
	step := int(math.Float32bits(x)>>halfStep) - int(math.Float32bits(s.low)>>halfStep)
	return 2 + min(max(step, 0), s.steps-1)
}

// middle is a value in the middle of a bucket.
func (s scale) middle(bucket int) float64 {
	if bucket < 2 {
		return float64(bucket - 1)
	}
	n := bucket - 2
	return float64(s.low) * math.Exp2(float64(n/2)) * [2]float64{1.2, 1.7}[n%2]
}

var productScales = [productFeatures]scale{
	fTimes:      {"times", gUsual, 1, 16},
	fShare:      {"share", gUsual, 1. / 256, 17},
	fSince:      {"orders_since", gDue, 1, 14},
	fDays:       {"days_since", gDue, 0.25, 26},
	fBehind:     {"days_behind", gDue, 1, 22},
	fDue:        {"due", gDue, 1. / 32, 22},
	fDueOrders:  {"due_orders", gDue, 1. / 32, 22},
	fLast3:      {"in_last_3", gUsual, 1, 4},
	fLast10:     {"in_last_10", gUsual, 1, 8},
	fFresh:      {"fresh", gUsual, 1. / 64, 18},
	fSteady:     {"steady", gUsual, 1. / 16, 18},
	fDecay30:    {"decay_30", gUsual, 1. / 256, 26},
	fDecay90:    {"decay_90", gUsual, 1. / 256, 26},
	fDecay365:   {"decay_365", gUsual, 1. / 256, 26},
	fFirst:      {"orders_since_first", gDue, 1, 16},
	fNeighbour:  {"bought_with", gNeighbour, 1. / (1 << 16), 32},
	fTogether:   {"with_basket", gTogether, 1. / (1 << 14), 28},
	fPopular:    {"popular", gPopular, 1. / (1 << 17), 34},
	fRecent:     {"popular_recently", gPopular, 1. / (1 << 19), 34},
	fTrend:      {"trend", gPopular, 1. / 16, 16},
	fRebuy:      {"rebuy", gRebuy, 1. / 64, 12},
	fAgain:      {"again", gRebuy, 1. / 128, 14},
	fStore:      {"store_lift", gHere, 1. / 8, 14},
	fHour:       {"hour_lift", gNow, 1. / 8, 12},
	fWeekday:    {"weekday_lift", gNow, 1. / 8, 12},
	fPayday:     {"month_day_lift", gNow, 1. / 8, 12},
	fSeason:     {"season_lift", gNow, 1. / 8, 12},
	fCategory:   {"category", gTaste, 1. / 256, 16},
	fBrand:      {"brand", gTaste, 1. / 256, 16},
	fSeen:       {"days_since_seen", gActs, 1, 12},
	fLiked:      {"liked", gActs, 1, 1},
	fList:       {"on_list", gList, 1, 1},
	fQuery:      {"query", gQuery, 1. / 8, 7},
	fOrders:     {"orders", gBase, 1, 16},
	fBasketSize: {"basket_size", gBase, 1, 12},
}

var storeScales = [storeFeatures]scale{
	sTimes:     {"visits_here", gUsual, 1, 18},
	sShare:     {"visit_share", gUsual, 1. / 1024, 20},
	sSince:     {"visits_since", gDue, 1, 18},
	sDays:      {"days_since_visit", gDue, 1. / 32, 28},
	sHour:      {"visit_hour", gNow, 1. / 512, 18},
	sNext:      {"own_next", gNext, 1. / 512, 18},
	sCrowd:     {"store_popular", gPopular, 1. / (1 << 16), 30},
	sCrowdNext: {"crowd_next", gNext, 1. / 4096, 24},
	sCrowdHour: {"store_hour", gNow, 1. / 8, 12},
	sDistance:  {"distance", gNear, 1. / 16, 30},
	sHop:       {"hop", gNear, 1. / 16, 30},
	sOpen:      {"open", gBase, 1, 1},
	sVisits:    {"visits", gBase, 1, 18},
}

// Crossed features: two features whose worth depends on each other, such as how often and how long ago.
type cross struct{ a, b feature }

var productCrosses = []cross{
	{fTimes, fSince}, {fOrders, fSince}, {fOrders, fTimes}, {fTimes, fDue}, {fSince, fLast10},
	{fPopular, fTimes}, {fPopular, fOrders}, {fNeighbour, fTimes}, {fNeighbour, fPopular},
	{fAgain, fTimes}, {fAgain, fSince}, {fRebuy, fTimes}, {fNeighbour, fOrders}, {fBasketSize, fTimes},
	{fTogether, fTimes},
}

var storeCrosses = []cross{{sTimes, sSince}, {sShare, sHour}, {sNext, sShare}, {sShare, sVisits}, {sCrowdNext, sTimes}}
