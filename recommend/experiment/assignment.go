package experiment

import "math/bits"

// Of is the arm that a shopper is on; nil: the shopper is not in the experiment. The same shopper is always on the same
// one, on every machine, and nothing is stored for it. Whoever is in, and on which arm, are drawn apart from each other,
// and from all other experiments.
func (e *Experiment) Of(retailer, shopper string) *Arm {
	space := e.Namespace
	if space == "" {
		space = "\x00" + e.ID
	}
	if at := draw(space, "part", retailer, shopper); at < e.From || at >= e.end() {
		return nil
	}
	total := 0
	for i := range e.Arms {
		total += e.Arms[i].weight()
	}
	at := draw(e.ID, "arm", retailer, shopper) * float64(total)
	for i := range e.Arms {
		if at -= float64(e.Arms[i].weight()); at < 0 {
			return &e.Arms[i]
		}
	}
	return &e.Arms[len(e.Arms)-1]
}

func (a *Arm) weight() int {
	if a.Weight == 0 {
		return 1
	}
	return a.Weight
}

// Share tells which part of what is drawn for a shopper lies below a share: whether a rule is held out from a shopper,
// for example. what keeps one draw apart from others.
func Share(what, retailer, shopper string, share float64) bool {
	return share > 0 && draw(what, "share", retailer, shopper) < share
}

// draw is a number from 0 to below 1 that is always the same for the same texts and as good as chance for others:
// FNV-1a over the texts, each with its length, mixed as in SplitMix64 (Steele, Lea, Flood 2014).
func draw(texts ...string) float64 {
	h := uint64(14695981039346656037)
	for _, text := range texts {
		for n := len(text); ; n >>= 8 {
			h = (h ^ uint64(n&0xff)) * 1099511628211
			if n < 0x100 {
				break
			}
		}
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return float64(bits.RotateLeft64(h, 17)>>11) / (1 << 53)
}
