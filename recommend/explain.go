package recommend

import (
	"math"
	"math/bits"
	"time"

	"satnav/context/who"
)

// maxReasons is how many causes a suggestion tells.
const maxReasons = 3

// leastPeople is how many must have bought an item before a reason speaks of the crowd: what few did would
// tell about them, and "popular" would not be true.
const leastPeople = 20

// explain makes suggestions of the chosen: their reasons are the groups of features that added most to
// the score and that are true in words. Everything returned is the caller's.
func (w *work) explain(chosen []candidate) []Suggestion {
	if len(chosen) == 0 {
		return nil
	}
	suggestions := make([]Suggestion, len(chosen))
	reasons := make([]Reason, 0, maxReasons*len(chosen))
	contributions := make([]Contribution, 0, groups*len(chosen))
	ids := w.ids(chosen)
	until := w.validUntil()
	for i := range chosen {
		c := &chosen[i]
		var parts [groups]float64
		w.scorer(c).contributions(w.row(c), &parts)
		from := len(contributions)
		sum := 0.0
		for g, value := range parts {
			if value != 0 {
				contributions = append(contributions, Contribution{Feature: groupNames[g], Value: value})
				sum += value
			}
		}
		s := &suggestions[i]
		s.ID = ids[i*idLength : (i+1)*idLength]
		s.Kind, s.Item = kinds[c.kind], w.id(c)
		s.Score = 1 / (1 + math.Exp(-sum))
		s.ValidUntil = until
		s.Contributions = contributions[from:len(contributions):len(contributions)]
		first := len(reasons)
		if c.kind == aStore {
			s.Title = w.snapshot.store(c.item).Name
			reasons = w.storeReasons(reasons, c, &parts)
		} else {
			s.Title = s.Item
			if p := w.snapshot.Catalogue.Product(c.item); p != nil {
				s.Title, s.Price = p.Title, p.Price
			}
			reasons = w.productReasons(reasons, c, &parts)
		}
		s.Reasons = reasons[first:len(reasons):len(reasons)]
	}
	return suggestions
}

// validFor is how long a list stays true: what is due or popular now changes with the part of the day.
const validFor = time.Hour

func (w *work) validUntil() time.Time { return w.here.at.Add(validFor) }

// told is a set of at most maxReasons reasons under way, the largest first.
type told struct {
	reasons []Reason
	first   int
}

// tell adds a reason where it belongs by its contribution. Equal ones stay in the order in which they are told.
func (t *told) tell(r Reason) {
	t.reasons = append(t.reasons, r)
	i := len(t.reasons) - 1
	for ; i > t.first && t.reasons[i-1].Contribution < r.Contribution; i-- {
		t.reasons[i] = t.reasons[i-1]
	}
	t.reasons[i] = r
	if len(t.reasons) > t.first+maxReasons {
		t.reasons = t.reasons[:t.first+maxReasons]
	}
}

// productReasons appends the reasons for a product.
func (w *work) productReasons(reasons []Reason, c *candidate, parts *[groups]float64) []Reason {
	x := w.row(c)
	t := told{reasons: reasons, first: len(reasons)}
	if c.sources&FromList != 0 {
		t.tell(Reason{Code: OnYourList, Contribution: parts[gList]})
	}
	if c.own >= 0 {
		w.tellOwn(&t, c, parts)
	}
	if parts[gTogether] > 0 && x[fTogether] > 0 {
		if with, ok := w.partnerInBasket(c.item); ok {
			t.tell(Reason{Code: BoughtTogether, Contribution: parts[gTogether], Values: Values{With: w.name(with)}})
		}
	}
	many := w.crowd.item(c.item).Buyers >= leastPeople
	if parts[gNeighbour] > 0 && x[fNeighbour] > 0 && c.own < 0 && many {
		t.tell(Reason{Code: BoughtTogether, Contribution: parts[gNeighbour], Values: Values{With: w.name(w.cell(c.item).with)}})
	}
	if parts[gActs] > 0 {
		code := Viewed
		if x[fLiked] > 0 {
			code = Liked
		}
		r := Reason{Code: code, Contribution: parts[gActs]}
		if x[fSeen] > 0 {
			r.Values.LastDays = float64(x[fSeen] - 1)
		}
		t.tell(r)
	}
	if parts[gHere] > 0 && x[fStore] > 1 && many {
		t.tell(Reason{Code: PopularHere, Contribution: parts[gHere], Values: Values{Store: w.snapshot.Names.Stores.Name(w.here.store)}})
	}
	if parts[gNow] > 0 && max(x[fHour], x[fWeekday]) > 1 && many {
		t.tell(Reason{Code: PopularNow, Contribution: parts[gNow]})
	}
	if parts[gPopular] > 0 && x[fPopular] > 0 && c.own < 0 && many {
		t.tell(Reason{Code: Popular, Contribution: parts[gPopular]})
	}
	if len(t.reasons) == t.first {
		t.tell(w.plainReason(c, x, parts))
	}
	return t.reasons
}

// tellOwn tells what the shopper's own purchases of an item did for it.
func (w *work) tellOwn(t *told, c *candidate, parts *[groups]float64) {
	b, h, x := &w.past.History.Items[c.own], &w.held[c.own], w.row(c)
	days := float64(w.here.now-h.last) / secondsADay
	// How often and how long ago are two sides of one thing: where a rhythm can be told and its time
	// has come, it is what a shopper understands.
	if h.times > 1 && x[fDue] >= 0.7 {
		every := float64(w.every(b, h, w.crowd.item(c.item)))
		if sum := parts[gDue] + parts[gUsual]; sum > 0 && every > 0 {
			t.tell(Reason{Code: DueAgain, Contribution: sum, Values: Values{EveryDays: every, LastDays: days, Times: h.times}})
			return
		}
	}
	if sum := parts[gUsual] + parts[gDue]; sum > 0 {
		t.tell(Reason{Code: UsuallyBought, Contribution: sum, Values: Values{Times: h.times, LastDays: days}})
	}
}

// plainReason is told where nothing speaks for a product more than for any other: what it is.
func (w *work) plainReason(c *candidate, x []float32, parts *[groups]float64) Reason {
	switch {
	case c.own >= 0:
		return Reason{Code: UsuallyBought, Contribution: parts[gUsual] + parts[gDue], Values: Values{
			Times: w.held[c.own].times, LastDays: float64(w.here.now-w.held[c.own].last) / secondsADay}}
	case x[fPopular] > 0 && w.crowd.item(c.item).Buyers >= leastPeople:
		return Reason{Code: Popular, Contribution: parts[gPopular]}
	default:
		return Reason{Code: InCatalogue, Contribution: parts[gBase]}
	}
}

// partnerInBasket is the item of the basket under way that speaks most for another.
func (w *work) partnerInBasket(item who.Item) (best who.Item, ok bool) {
	var most float32
	for _, other := range w.request.Basket {
		if n := w.bond(other, item); n > most && !w.sensitive(other) {
			best, most, ok = other, n, true
		}
	}
	return best, ok
}

// bond is how often baskets with one item hold another.
func (w *work) bond(from, to who.Item) float32 {
	stats := w.crowd.item(from)
	for _, n := range stats.Neighbours {
		if n.Item == to {
			return float32(n.Count) / (float32(stats.Lines) + evidence)
		}
	}
	return 0
}

// name is an item's id; the catalogue knows it without a lock.
func (w *work) name(item who.Item) string {
	if p := w.snapshot.Catalogue.Product(item); p != nil {
		return p.ID
	}
	return w.snapshot.Names.Items.Name(item)
}

// storeReasons appends the reasons for a store.
func (w *work) storeReasons(reasons []Reason, c *candidate, parts *[groups]float64) []Reason {
	x := w.row(c)
	t := told{reasons: reasons, first: len(reasons)}
	meters := 0.0
	if w.here.known {
		meters = w.here.point.Distance(w.snapshot.store(c.item).Point)
	}
	id := w.id(c)
	if s := w.stay(c.item); s.times > 0 {
		t.tell(Reason{Code: UsuallyVisited, Contribution: parts[gUsual] + parts[gDue] + parts[gNow], Values: Values{
			Times: int(s.times), LastDays: float64(w.here.now-s.last) / secondsADay, Store: id}})
	}
	if w.here.known && (parts[gNear] > 0 || c.sources&FromNear != 0) {
		t.tell(Reason{Code: Nearby, Contribution: parts[gNear], Values: Values{Store: id, Meters: meters}})
	}
	many := w.crowd.store(c.item).Visits >= leastPeople
	if parts[gNext] > 0 && (x[sNext] > 0 || x[sCrowdNext] > 0 && many) {
		t.tell(Reason{Code: OftenNext, Contribution: parts[gNext], Values: Values{Store: w.snapshot.Names.Stores.Name(w.places.from)}})
	}
	switch {
	case many && (len(t.reasons) == t.first || parts[gPopular] > 0 && x[sCrowd] > 0):
		t.tell(Reason{Code: Popular, Contribution: parts[gPopular], Values: Values{Store: id}})
	case len(t.reasons) == t.first:
		t.tell(Reason{Code: InCatalogue, Contribution: parts[gBase], Values: Values{Store: id}})
	}
	return t.reasons
}

// idLength is the length of a suggestion's id: two 64-bit hashes in hexadecimal.
const idLength = 32

// ids makes the ids of all suggestions in one string, to be cut.
func (w *work) ids(chosen []candidate) string {
	const hex = "0123456789abcdef"
	seed := uint64(offset64)
	if s := w.request.Scene.Shopper; s != nil {
		key := s.Shopper().Key()
		seed = hash(hash(seed, key.Retailer), key.Shopper)
	}
	seed = mixBits(seed ^ uint64(w.here.at.UnixNano()))
	buffer := make([]byte, 0, idLength*len(chosen))
	for i := range chosen {
		second := hash(hash(seed, string(kinds[chosen[i].kind])), w.id(&chosen[i]))
		for _, half := range [2]uint64{seed, second} {
			for range 16 {
				half = bits.RotateLeft64(half, 4)
				buffer = append(buffer, hex[half&15])
			}
		}
	}
	return string(buffer)
}

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv), with a length mark between parts.
const offset64, prime64 = 14695981039346656037, 1099511628211

func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime64
	}
	return (h ^ uint64(len(s))) * prime64
}

// mixBits is the finalizer of SplitMix64: every bit of the input reaches every bit of the output.
func mixBits(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
