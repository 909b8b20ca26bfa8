package recommend

import (
	"math"

	"satnav/context/who"
)

// bonds sum up what speaks for each of many items. An answer adds some thousand times and then asks for
// the few greatest sums, so that adding has no branch that depends on the item, and choosing looks at
// each sum twice.
type bonds struct {
	sums    []float32  // by item number
	touched []who.Item // those whose sum is not zero, and room for more
	n       int        // of touched
	best    []ranked   // memory of strongest
}

// reset forgets what was added, and makes room for items up to a number.
func (b *bonds) reset(items int) {
	for _, item := range b.touched[:b.n] {
		b.sums[item] = 0
	}
	b.n = 0
	if items > len(b.sums) {
		b.sums = append(b.sums, make([]float32, items-len(b.sums))...)
	}
}

// add adds what an item's neighbours share with it, each basket with both counting weight, which is positive.
func (b *bonds) add(neighbours []Tally, weight float32) {
	if n := b.n + len(neighbours); n > len(b.touched) {
		b.touched = append(b.touched, make([]who.Item, n+n/2-len(b.touched))...)
	}
	n, touched := b.n, b.touched
	for _, t := range neighbours {
		sum := &b.sums[t.Item]
		touched[n] = t.Item
		n += int((math.Float32bits(*sum) - 1) >> 31) // one more if it was zero: a positive number has no sign bit
		*sum += weight * float32(t.Count)
	}
	b.n = n
}

// of is the sum of an item.
func (b *bonds) of(item who.Item) float32 {
	if int(item) >= len(b.sums) {
		return 0
	}
	return b.sums[item]
}

// ranked is an item with what it is worth.
type ranked struct {
	item  who.Item
	worth float32
}

func (r ranked) before(o ranked) bool {
	return r.worth > o.worth || r.worth == o.worth && r.item < o.item
}

// binShift leaves of a float's bits its exponent and the first two of its fraction: four bins a doubling.
const binShift = 21

// strongest are the n items with the greatest sums, in no order, leaving out those that stand in without;
// of equals those with the smaller number. The result is valid until the next call.
func (b *bonds) strongest(n int, without func(who.Item) bool) []ranked {
	best := b.best[:0]
	touched := b.touched[:b.n]
	var bins [1 << (31 - binShift)]uint16
	for _, item := range touched {
		bins[math.Float32bits(b.sums[item])>>binShift&(1<<(31-binShift)-1)]++
	}
	// From the top as many bins as hold enough, even if some of those must be left out.
	enough, bin := 0, len(bins)
	for bin > 0 && enough < n+n/2 {
		bin--
		enough += int(bins[bin])
	}
	for {
		best = sized(best, len(touched))
		least, high := uint32(bin)<<binShift, 0
		for _, item := range touched { // each is written, and kept if it is high: no branch to guess
			sum := b.sums[item]
			best[high] = ranked{item, sum}
			high += int(1 - (math.Float32bits(sum)-least)>>31)
		}
		kept := best[:0]
		for _, r := range best[:high] {
			if !without(r.item) {
				kept = append(kept, r)
			}
		}
		best = kept
		if len(best) >= n || bin == 0 {
			break
		}
		bin = max(bin-8, 0)
	}
	b.best = best
	return selectBest(best, n)
}

// selectBest brings the n best to the front and returns them, in no order (Hoare's quickselect).
func selectBest(items []ranked, n int) []ranked {
	if len(items) <= n {
		return items
	}
	low, high := 0, len(items)
	for high-low > 1 {
		pivot := items[int(uint(low+high)>>1)]
		i, j := low, high-1
		for i <= j {
			for items[i].before(pivot) {
				i++
			}
			for pivot.before(items[j]) {
				j--
			}
			if i <= j {
				items[i], items[j] = items[j], items[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			high = j + 1
		case n >= i:
			low = i
		default:
			return items[:n]
		}
	}
	return items[:n]
}
