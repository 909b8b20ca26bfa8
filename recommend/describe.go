package recommend

import (
	"math"
	"math/bits"

	"satnav/context/who"
)

const secondsADay = 24 * 3600

// row is the bucket of each feature of one candidate.
type row [maxFeatures]uint8

// maxFeatures is more than a kind of candidate has: a power of two, so that a place in a row needs no check.
const maxFeatures = 64

// set puts a feature's value into its bucket.
func (r *row) set(f feature, x float32) { r[f] = uint8(productScales[f].bucket(x)) }

// tastes are what the shopper's purchases say of categories and brands, and what is the same for each
// of their products.
type tastes struct {
	categories, brands []float32 // lines by number
	lines              float32
	plain              row // of a product that the shopper never bought
}

// learn counts the shopper's purchases.
func (t *tastes) learn(w *work) {
	c := w.snapshot.Catalogue
	t.lines = 0
	if c != nil && len(c.categories)+len(c.brands) > 0 {
		t.categories = cleared(t.categories, len(c.categories)+1)
		t.brands = cleared(t.brands, len(c.brands)+1)
		for i := range w.past.History.Items {
			item := w.past.History.Items[i].Item
			if n := float32(w.held[i].times); n > 0 && !w.sensitive(item) {
				t.categories[c.categoryOf(item)] += n
				t.brands[c.brandOf(item)] += n
				t.lines += n
			}
		}
	}
	t.plain = row{}
	t.plain.set(fOrders, float32(w.past.Orders()))
	t.plain.set(fNeighbour, 0)
	if w.here.spot != nil {
		t.plain.set(fStore, 0)
	}
	if len(w.request.Basket) > 0 {
		t.plain.set(fTogether, 0)
	}
	if len(w.searched) > 0 {
		t.plain.set(fQuery, 0)
	}
	tail := w.past.Tail()
	if n := min(tail, 10); n > 0 {
		lines := 0
		for k := range n {
			lines += int(w.past.Basket(k).Lines)
		}
		t.plain.set(fBasketSize, float32(lines)/float32(n))
	}
	if tail > 0 {
		newest := w.past.Basket(0).At
		for k := range tail {
			age := float64(newest-w.past.Basket(k).At) / secondsADay
			slow := halved(age, 90)
			w.decays[k] = [3]float32{slow * slow * slow, slow, halved(age, 365)}
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

// describe works out the features of all products among the candidates.
func (w *work) describe() {
	w.rows = sized(w.rows, len(w.candidates))
	for i := range w.candidates {
		w.touched += uint64(w.snapshot.fact(w.candidates[i].item).fixed[0])
	}
	catalogue := w.snapshot.Catalogue
	for i := range w.candidates {
		c, r := &w.candidates[i], &w.rows[i]
		*r = w.tastes.plain
		if c.own >= 0 {
			w.describeOwn(r, int(c.own), w.snapshot.fact(c.item).gap)
		}
		if n := w.near.of(c.item); n > 0 {
			r.set(fNeighbour, n)
		}
		if n := w.completes.of(c.item); n > 0 {
			r.set(fTogether, n)
		}
		fact := w.snapshot.fact(c.item)
		for k, f := range fixed {
			r[f] = fact.fixed[k]
		}
		if c.own >= 0 && w.crowd.item(c.item).Lines == 0 {
			// The crowd counts a purchase up to a second after it was acknowledged. Until then its silence says nothing: as a
			// share of zero it would say that nobody ever buys this, which no model has seen of what somebody bought.
			r[fPopular], r[fRecent] = 0, 0
		}
		r[fHour], r[fWeekday] = fact.lift(inHours+w.here.hour), fact.lift(inWeekdays+w.here.weekday)
		r[fPayday], r[fSeason] = fact.lift(inDays+w.here.day), fact.lift(inSeasons+w.here.season)
		if w.tastes.lines > 0 {
			if n := catalogue.categoryOf(c.item); n != 0 {
				r.set(fCategory, w.tastes.categories[n]/w.tastes.lines)
			}
			if n := catalogue.brandOf(c.item); n != 0 {
				r.set(fBrand, w.tastes.brands[n]/w.tastes.lines)
			}
		}
		if c.sources&FromList != 0 {
			r.set(fList, 1)
		}
	}
	for _, found := range w.searched {
		if c := w.cell(found.item).candidate; c > 0 {
			w.rows[c-1].set(fQuery, found.worth)
		}
	}
	w.describeHere()
	w.describeActs()
	if w.snapshot.blind {
		for i := range w.rows {
			w.rows[i].blank(productSurroundings)
		}
	}
}

// describeHere tells how much more often products are bought here than elsewhere, of those that are bought here most.
func (w *work) describeHere() {
	if w.here.spot == nil {
		return
	}
	for i, item := range w.here.spot.items {
		if c := w.cell(item).candidate; c > 0 {
			w.rows[c-1][fStore] = w.here.spot.lifts[i]
		}
	}
}

// describeOwn tells what the shopper's own purchases of an item say.
func (w *work) describeOwn(r *row, own int, gap float32) {
	b, h := &w.past.History.Items[own], &w.held[own]
	times, orders := float32(h.times), float32(w.past.Orders())
	r.set(fTimes, times)
	r.set(fShare, times/max(orders, times))
	since := float32(w.past.Tail() + 1) // at least
	if h.recent != 0 {
		since = float32(bits.TrailingZeros64(h.recent) + 1)
	}
	r.set(fSince, since)
	days := float32(w.here.now-h.last) / secondsADay
	r.set(fDays, days)
	behind := float32(1)
	if w.past.Known() > 0 {
		if newest := w.past.Basket(0).At; newest > h.last {
			behind = 1 + float32(newest-h.last)/secondsADay
		}
	}
	r.set(fBehind, behind)
	r.set(fLast3, float32(bits.OnesCount64(h.recent&(1<<3-1))))
	r.set(fLast10, float32(bits.OnesCount64(h.recent&(1<<10-1))))

	var fresh, steady float32
	var sums [3]float32
	for recent := h.recent; recent != 0; recent &= recent - 1 {
		k := bits.TrailingZeros64(recent)
		d := &w.decays[k]
		fresh += fades80[k]
		steady += fades95[k]
		sums[0] += d[0]
		sums[1] += d[1]
		sums[2] += d[2]
	}
	r.set(fFresh, fresh)
	r.set(fSteady, steady)
	if older := w.past.History.Older; older != nil && w.past.Known() > 0 {
		age := (float64(w.past.Basket(0).At) - float64(b.Last)) / secondsADay
		for k, life := range [3]float64{30, 90, 365} {
			if n := older[own][k+1]; n > 0 {
				sums[k] += n * halved(age, life)
			}
		}
	}
	r.set(fDecay30, sums[0])
	r.set(fDecay90, sums[1])
	r.set(fDecay365, sums[2])

	first := orders
	if bits.OnesCount64(h.recent) == h.times {
		first = float32(64 - bits.LeadingZeros64(h.recent))
	}
	r.set(fFirst, first)
	if h.times > 1 {
		r.set(fDueOrders, since*(times-1)/max(first-since, 1))
	}
	if every := every(b, h, gap); every > 0 {
		r.set(fDue, days/every)
	}
}

// every is how many days are expected between purchases of an item: the shopper's own mean, drawn to
// the crowd's as if that were one more gap; 0 when nobody has bought it twice.
func every(b *who.Bought, h *held, gap float32) float32 {
	gaps, days := float32(h.times-1), float32(0)
	if h.last > b.First {
		days = float32(h.last-b.First) / secondsADay
	}
	if gap > 0 {
		gaps, days = gaps+1, days+gap
	}
	if gaps == 0 {
		return 0
	}
	return days / gaps
}

// describeActs tells what else the shopper did with products.
func (w *work) describeActs() {
	for i := range w.past.History.Signals {
		s := &w.past.History.Signals[i]
		c := w.cell(s.Item).candidate
		if c <= 0 || s.Last > w.here.now {
			continue
		}
		r := &w.rows[c-1]
		switch s.Kind {
		case who.SignalView, who.SignalAdd:
			// Of a look and a place in the basket the later one counts, in the smaller bucket.
			days := uint8(productScales[fSeen].bucket(1 + float32(w.here.now-s.Last)/secondsADay))
			if r[fSeen] == 0 || days < r[fSeen] {
				r[fSeen] = days
			}
		case who.SignalLike, who.SignalShare:
			r.set(fLiked, 1)
		}
	}
}

// seen is when the shopper last looked at an item or put it into a basket; 0: never.
func (w *work) seen(item who.Item) (last uint32) {
	for _, kind := range [...]who.SignalKind{who.SignalView, who.SignalAdd} {
		if s, ok := w.past.History.Signal(item, kind); ok && s.Last <= w.here.now {
			last = max(last, s.Last)
		}
	}
	return last
}

// sized is a slice with n elements that hold whatever was there.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}
