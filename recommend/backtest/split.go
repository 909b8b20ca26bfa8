package backtest

import (
	"math"
	"math/bits"
	"slices"

	"satnav/context/who"
	"satnav/recommend"
)

const secondsADay = 24 * 3600

// Since finds the instant, in Unix seconds, at which a backtest splits the time: the beginning (UTC) of the day on which the
// newest tenth of all baskets began.
func Since(histories []*who.History) uint32 {
	var all []uint32
	for _, h := range histories {
		if h == nil {
			continue
		}
		for _, b := range h.Baskets {
			all = append(all, b.At)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	at := all[len(all)*9/10]
	return at - at%secondsADay
}

// Split parts what happened before an instant from what was bought next: past[i] is the history before, and shoppers[i] the
// same for the methods, with the first basket since as the target. Whoever bought nothing before, and whoever bought so
// much since that the first basket is not known any more, is not asked about.
func Split(histories []*who.History, since uint32) (past []*who.History, shoppers []Shopper) {
	for _, h := range histories {
		if h == nil {
			continue
		}
		after := 0
		for after < len(h.Baskets) && h.Baskets[len(h.Baskets)-1-after].At >= since {
			after++
		}
		before := Before(h, after, since)
		s := Shopper{Now: float64(since) / secondsADay}
		tail := min(len(before.Baskets), who.Tail-min(after, who.Tail))
		contents := make([][]who.Item, tail)
		for i := range before.Items {
			for recent := before.Items[i].Recent; recent != 0; recent &= recent - 1 {
				if k := bits.TrailingZeros64(recent); k < tail {
					contents[tail-1-k] = append(contents[tail-1-k], before.Items[i].Item)
				}
			}
		}
		s.Baskets = contents
		for _, b := range before.Baskets[len(before.Baskets)-tail:] {
			s.Days = append(s.Days, float64(b.At)/secondsADay)
		}
		if after > 0 && after <= who.Tail && len(before.Baskets) > 0 {
			s.Now = float64(h.Baskets[len(h.Baskets)-after].At) / secondsADay
			for i := range h.Items {
				if h.Items[i].Recent&(1<<(after-1)) != 0 {
					s.Target = append(s.Target, h.Items[i].Item)
				}
			}
		}
		past, shoppers = append(past, before), append(shoppers, s)
	}
	return past, shoppers
}

// Before is a history without its newest baskets and without what else happened at or after an instant. What an act
// other than a purchase counted before it was repeated is not known: it is left out.
func Before(h *who.History, baskets int, since uint32) *who.History {
	p := recommend.PastBefore(h, baskets)
	out := &who.History{Orders: uint32(max(p.Orders(), 0)), Baskets: slices.Clone(h.Baskets[:p.Known()])}
	for i := range h.Items {
		b := h.Items[i]
		recent, times := p.Held(&b)
		if times <= 0 {
			continue
		}
		was := b.Last
		b.Recent, b.Count, b.Last = recent, uint32(times), p.Last(&h.Items[i], recent)
		out.Items = append(out.Items, b)
		if h.Older != nil {
			older := h.Older[i]
			if b.Last != was { // decays are told as of the last purchase
				for k := range older {
					grown := float64(older[k]) * math.Exp2(float64(was-b.Last)/who.HalfLives[k].Seconds())
					older[k] = float32(min(grown, float64(times)))
				}
			}
			out.Older = append(out.Older, older)
		}
	}
	for _, v := range h.Visits {
		if v.At < since {
			out.Visits = append(out.Visits, v)
		}
	}
	for _, s := range h.Signals {
		if s.Last < since {
			out.Signals = append(out.Signals, s)
		}
	}
	return out
}
