package recommend

import "math"

// Exploration: what is never shown is never learnt of. Once in a while the last place of a list goes to a product that stands behind
// it, drawn with a probability that is written down, so that what comes of it can be weighed (inverse propensities, Horvitz and
// Thompson 1952). One place bounds what it can cost; half of the draw is even over all that could be drawn, so that no weight
// ever exceeds 2×explorePool divided by how often it is done.

const (
	explorePool = 16 // products that may be drawn, the best behind the list
	exploreFrom = 3  // the shortest list of which a place is left to chance
)

// chance is what was left to it in one answer.
type chance struct {
	at         int     // place in the list; -1: none
	propensity float64 // of what stands there
	pool       [explorePool]int32
	shares     [explorePool]float64
}

// explore leaves the last place of a full list to chance, where that is wanted. What the shopper put on the list or searches for, or
// what a rule put there, stays. Only what the shopper never bought is drawn: the rest is known well.
func (w *work) explore(limit int, products bool) {
	w.chance.at = -1
	often := min(w.request.Explore, 1)
	last := len(w.chosen) - 1
	if !(often > 0) || !products || len(w.chosen) < limit || limit < exploreFrom || !w.free(&w.chosen[last]) {
		return
	}
	n := w.drawable(last)
	if n == 0 {
		return
	}
	dice := mixBits(answerSeed(w.key(), w.here.at) ^ w.request.Dice ^ 0x6578706c6f7265) // "explore"
	w.chance.at, w.chance.propensity = last, 1-often
	if fraction(dice) >= often {
		return
	}
	drawn, at := n-1, fraction(mixBits(dice+1))
	for i, share := range w.chance.shares[:n] {
		if at < share {
			drawn = i
			break
		}
		at -= share
	}
	w.chosen[last], w.chance.propensity = w.candidates[w.chance.pool[drawn]], often*w.chance.shares[drawn]
}

// fraction makes a number from 0 up to 1 of random bits.
func fraction(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }

// free tells whether nobody asked for a product.
func (w *work) free(c *candidate) bool {
	return c.kind == aProduct && c.sources&(FromList|FromRules|FromQuery) == 0 && (len(w.rules.effects) == 0 || w.rules.free(c.place))
}

// drawable gathers the best that could stand at the last place instead, with their shares of the draw, and returns how many.
func (w *work) drawable(last int) (n int) {
	var sum float64
	for i := range w.best {
		best := &w.best[i]
		c := &w.candidates[best.place]
		if n == explorePool {
			break
		}
		if math.IsInf(best.logOdds, -1) || c.own >= 0 || !w.free(c) || w.shown(c) || w.repeats(w.chosen[:last], c) || w.stands(best.place) || !w.roomFor(c) {
			continue
		}
		w.chance.pool[n], w.chance.shares[n] = best.place, math.Exp(best.logOdds)
		sum += w.chance.shares[n]
		n++
	}
	for i := range w.chance.shares[:n] {
		w.chance.shares[i] = (w.chance.shares[i]/sum + 1/float64(n)) / 2
	}
	return n
}

// stands tells whether a candidate is in the list.
func (w *work) stands(place int32) bool {
	for i := range w.chosen {
		if w.chosen[i].place == place {
			return true
		}
	}
	return false
}
