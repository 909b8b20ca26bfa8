package recommend

import (
	"math"
	"math/bits"

	"satnav/context/who"
)

const secondsADay = 24 * 3600

// tastes are what the shopper's purchases say of categories and brands, and what is the same for each
// of their products.
type tastes struct {
	categories, brands []float32 // lines by number
	lines              float32
	orders             float32
	size               float32 // mean lines of the newest baskets
}

// learn counts the shopper's purchases.
func (t *tastes) learn(w *work) {
	c := w.snapshot.Catalogue
	t.lines = 0
	if c != nil {
		t.categories = cleared(t.categories, len(c.categories)+1)
		t.brands = cleared(t.brands, len(c.brands)+1)
		for i, b := range w.past.History.Items {
			if n := float32(w.held[i].times); n > 0 && !w.sensitive(b.Item) {
				t.categories[c.categoryOf(b.Item)] += n
				t.brands[c.brandOf(b.Item)] += n
				t.lines += n
			}
		}
	}
	t.orders = float32(w.past.Orders())
	t.size = unknown
	tail := w.past.Tail()
	if n := min(tail, 10); n > 0 {
		lines := 0
		for k := range n {
			lines += int(w.past.Basket(k).Lines)
		}
		t.size = float32(lines) / float32(n)
	}
	if tail > 0 {
		newest := w.past.Basket(0).At
		for k := range tail {
			age := float64(newest-w.past.Basket(k).At) / secondsADay
			w.decays[k] = [3]float32{halved(age, 30), halved(age, 90), halved(age, 365)}
		}
	}
}

func cleared(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// halved is 2^(-days/halfLife).
func halved(days, halfLife float64) float32 { return float32(math.Exp2(-days / halfLife)) }

// describe works out the features of a product.
func (w *work) describe(c *candidate) {
	c.values = len(w.values)
	for range productFeatures {
		w.values = append(w.values, unknown)
	}
	x := w.values[c.values:]
	stats := w.crowd.item(c.item)
	if c.own >= 0 {
		w.describeOwn(x, c.own, stats)
	}
	note := w.cell(c.item)
	x[fNeighbour] = note.near
	if len(w.request.Basket) > 0 {
		x[fTogether] = note.together
	}
	w.describeCrowd(x, stats)
	if w.tastes.lines > 0 {
		if n := w.snapshot.Catalogue.categoryOf(c.item); n != 0 {
			x[fCategory] = w.tastes.categories[n] / w.tastes.lines
		}
		if n := w.snapshot.Catalogue.brandOf(c.item); n != 0 {
			x[fBrand] = w.tastes.brands[n] / w.tastes.lines
		}
	}
	if len(w.past.History.Signals) > 0 {
		w.describeActs(x, c.item)
	}
	if c.sources&FromList != 0 {
		x[fList] = 1
	}
	x[fOrders], x[fBasketSize] = w.tastes.orders, w.tastes.size
}

// describeOwn tells what the shopper's own purchases of an item say.
func (w *work) describeOwn(x []float32, own int, stats *ItemStats) {
	b, h := &w.past.History.Items[own], &w.held[own]
	times, orders := float32(h.times), float32(w.past.Orders())
	x[fTimes] = times
	x[fShare] = times / max(orders, times)
	since := float32(w.past.Tail() + 1) // at least
	if h.recent != 0 {
		since = float32(bits.TrailingZeros64(h.recent) + 1)
	}
	x[fSince] = since
	days := float32(w.here.now-h.last) / secondsADay
	x[fDays] = days
	x[fBehind] = 1
	if w.past.Known() > 0 {
		if newest := w.past.Basket(0).At; newest > h.last {
			x[fBehind] = 1 + float32(newest-h.last)/secondsADay
		}
	}
	x[fLast3] = float32(bits.OnesCount64(h.recent & (1<<3 - 1)))
	x[fLast10] = float32(bits.OnesCount64(h.recent & (1<<10 - 1)))
	x[fFresh] = fade(h.recent, &fades80)
	x[fSteady] = fade(h.recent, &fades95)

	var sums [3]float32
	for r := h.recent; r != 0; r &= r - 1 {
		d := &w.decays[bits.TrailingZeros64(r)]
		sums[0] += d[0]
		sums[1] += d[1]
		sums[2] += d[2]
	}
	if older := w.past.History.Older; older != nil && w.past.Known() > 0 {
		age := (float64(w.past.Basket(0).At) - float64(b.Last)) / secondsADay
		for k, life := range [3]float64{30, 90, 365} {
			if n := older[own][k+1]; n > 0 {
				sums[k] += n * halved(age, life)
			}
		}
	}
	x[fDecay30], x[fDecay90], x[fDecay365] = sums[0], sums[1], sums[2]

	first := orders
	if bits.OnesCount64(h.recent) == h.times {
		first = float32(64 - bits.LeadingZeros64(h.recent))
	}
	x[fFirst] = first
	if h.times > 1 {
		x[fDueOrders] = since * (times - 1) / max(first-since, 1)
	}
	if every := w.every(b, h, stats); every > 0 {
		x[fDue] = days / every
	}
}

// every is how many days are expected between purchases of an item: the shopper's own mean, drawn to
// the crowd's as if that were one more gap; 0 when nobody has bought it twice.
func (w *work) every(b *who.Bought, h *held, stats *ItemStats) float32 {
	gaps, days := float32(h.times-1), float32(0)
	if h.last > b.First {
		days = float32(h.last-b.First) / secondsADay
	}
	if stats.Gaps > 0 {
		gaps, days = gaps+1, days+float32(stats.GapHours)/24/float32(stats.Gaps)
	}
	if gaps == 0 {
		return 0
	}
	return days / gaps
}

// Pseudo-counts that keep a rate near its mean until there is more to go by.
const (
	liftPrior  = 8.0 // expected lines
	rebuyPrior = 20.0
)

// describeCrowd tells what all shoppers' purchases of an item say.
func (w *work) describeCrowd(x []float32, stats *ItemStats) {
	all := w.crowd
	if all.Lines == 0 {
		x[fPopular], x[fRecent] = 0, 0
		return
	}
	lines := float32(stats.Lines)
	share := lines / float32(all.Lines)
	x[fPopular] = lines / float32(all.Baskets)
	if all.Recent > 0 {
		x[fRecent] = stats.Recent / float32(all.Recent)
		if share > 0 {
			x[fTrend] = lift(stats.Recent, share*float32(all.Recent))
		}
	}
	if stats.Buyers == 0 {
		return
	}
	x[fRebuy] = (float32(stats.Rebuyers) + rebuyPrior*all.Rebuy) / (float32(stats.Buyers) + rebuyPrior)
	x[fAgain] = (float32(stats.Again) + rebuyPrior*all.Again) / (float32(stats.Chances) + rebuyPrior)
	if stats.Rhythm != nil {
		x[fHour] = lift(stats.Rhythm.Hour[w.here.hour], share*all.Rhythm.Hour[w.here.hour])
		x[fWeekday] = lift(stats.Rhythm.Weekday[w.here.weekday], share*all.Rhythm.Weekday[w.here.weekday])
	}
	if store := w.here.store; store != 0 {
		if n := w.crowd.store(store).Lines; n > 0 {
			x[fStore] = lift(float32(count(stats.Stores, store)), share*float32(n))
		}
	}
}

// lift is how much more often something was seen than expected, drawn to 1 where little was expected.
func lift(seen, expected float32) float32 { return (seen + liftPrior) / (expected + liftPrior) }

// describeActs tells what else the shopper did with an item.
func (w *work) describeActs(x []float32, item who.Item) {
	h := w.past.History
	var seen, liked uint32
	for _, kind := range [...]who.SignalKind{who.SignalView, who.SignalAdd} {
		if s, ok := h.Signal(item, kind); ok && s.Last <= w.here.now {
			seen = max(seen, s.Last)
		}
	}
	if seen != 0 {
		x[fSeen] = 1 + float32(w.here.now-seen)/secondsADay
	}
	for _, kind := range [...]who.SignalKind{who.SignalLike, who.SignalShare} {
		if s, ok := h.Signal(item, kind); ok && s.Last <= w.here.now {
			liked = max(liked, s.Last)
		}
	}
	if liked != 0 {
		x[fLiked] = 1
	}
}
