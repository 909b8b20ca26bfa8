package recommend

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/context/who"
)

// maxReasons is how many causes a suggestion tells.
const maxReasons = 3

// explain makes suggestions of the chosen: their reasons are the groups of features that added most to
// the score and that are true in words. Everything returned is the caller's.
func (w *work) explain(chosen []candidate) []Suggestion {
	all := len(chosen) + len(w.rules.offered)
	if all == 0 {
		return nil
	}
	suggestions := make([]Suggestion, all)
	w.reasons = w.reasons[:0]
	ids := w.idsOf(chosen)
	until := w.validUntil()
	for i := range chosen {
		c := &chosen[i]
		s := &suggestions[i]
		parts := (*[groups]float64)(&s.Contributions)
		w.scorer(c).contributions(&w.rows[c.place], parts)
		sum := 0.0
		for _, value := range parts {
			sum += value
		}
		s.ID = ids[i*idLength : (i+1)*idLength]
		s.Kind, s.Item, s.Number = kinds[c.kind], w.id(c), c.item
		s.Score = 1 / (1 + math.Exp(-sum))
		s.OneSided = s.Contributions.decisive()
		s.ValidUntil = until
		first := len(w.reasons)
		if c.kind == aStore {
			s.Title = w.snapshot.store(c.item).Name
			w.reasons = w.storeReasons(w.reasons, c, parts)
		} else {
			s.Title = s.Item
			if p := w.snapshot.Catalogue.Product(c.item); p != nil {
				s.Title, s.Price = p.Title, p.Price
			}
			w.reasons = w.productReasons(w.reasons, c, parts)
		}
		if len(w.rules.effects) > 0 {
			t := told{reasons: w.reasons, first: first}
			w.tellRules(s, c, &t)
			w.reasons = t.reasons
		}
		w.told[i] = len(w.reasons) - first
		s.Propensity = 1
	}
	w.explainOffers(suggestions, ids[len(chosen)*idLength:])
	if len(chosen) > 0 && w.chance.at >= 0 {
		suggestions[w.chance.at].Propensity = w.chance.propensity
	}
	reasons := append(make([]Reason, 0, len(w.reasons)), w.reasons...)
	for i := range suggestions {
		n := w.told[i]
		suggestions[i].Reasons, reasons = reasons[:n:n], reasons[n:]
	}
	w.placeOffers(suggestions)
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

// leastShare is how much of the first reason's contribution another one must have to be told: what is next to nothing is no
// reason.
const leastShare = 0.05

// worthy returns the reasons without those that hardly added anything. The first stays, whatever it added.
func (t *told) worthy() []Reason {
	n := t.first + 1
	for n < len(t.reasons) && t.reasons[n].Contribution >= leastShare*t.reasons[t.first].Contribution {
		n++
	}
	return t.reasons[:n]
}

// productReasons appends the reasons for a product.
func (w *work) productReasons(reasons []Reason, c *candidate, parts *[groups]float64) []Reason {
	r := &w.rows[c.place]
	t := told{reasons: reasons, first: len(reasons)}
	if c.sources&FromList != 0 {
		t.tell(Reason{Code: OnYourList, Contribution: parts[gList]})
	}
	if parts[gQuery] > 0 && r[fQuery] > zero {
		t.tell(Reason{Code: Searched, Contribution: parts[gQuery]})
	}
	if c.own >= 0 {
		w.tellOwn(&t, c, parts)
	}
	many := w.crowd.item(c.item).Buyers >= LeastPeople
	suits := 0.0 // of what goes with it, where no pair alone has enough people behind it
	if parts[gTogether] > 0 && r[fTogether] > zero {
		if with, ok := w.partnerInBasket(c.item); ok {
			t.tell(Reason{Code: BoughtTogether, Contribution: parts[gTogether], Values: Values{With: w.name(with)}})
		} else {
			suits += parts[gTogether]
		}
	}
	if parts[gNeighbour] > 0 && r[fNeighbour] > zero && c.own < 0 {
		if with, ok := w.partner(c.item); ok {
			t.tell(Reason{Code: BoughtTogether, Contribution: parts[gNeighbour], Values: Values{With: w.name(with)}})
		} else {
			suits += parts[gNeighbour]
		}
	}
	if suits > 0 && many {
		t.tell(Reason{Code: Suits, Contribution: suits})
	}
	if seen, liked := w.seen(c.item), r[fLiked] > zero; parts[gActs] > 0 && (seen != 0 || liked) { // not to have looked at it may count, too
		reason := Reason{Code: Viewed, Contribution: parts[gActs]}
		if liked {
			reason.Code = Liked
		}
		if seen != 0 {
			reason.Values.LastDays = float64(w.here.now-seen) / secondsADay
		}
		t.tell(reason)
	}
	if parts[gHere] > 0 && r[fStore] >= evenStore && w.sellsWell(c.item) {
		t.tell(Reason{Code: PopularHere, Contribution: parts[gHere], Values: Values{Store: w.snapshot.Names.Stores.Name(w.here.store)}})
	}
	if parts[gNow] > 0 && many && max(r[fHour], r[fWeekday], r[fPayday], r[fSeason]) >= evenHour {
		if when := w.sellsNow(c.item); when != "" {
			t.tell(Reason{Code: PopularNow, Contribution: parts[gNow], Values: Values{When: when}})
		}
	}
	if parts[gPopular] > 0 && r[fPopular] > zero && c.own < 0 && many {
		t.tell(Reason{Code: Popular, Contribution: parts[gPopular]})
	}
	if len(t.reasons) == t.first {
		t.tell(w.plainReason(c, r, parts))
	}
	return t.worthy()
}

// tellOwn tells what the shopper's own purchases of an item did for it.
func (w *work) tellOwn(t *told, c *candidate, parts *[groups]float64) {
	b, h := &w.past.History.Items[c.own], &w.held[c.own]
	days := float64(w.here.now-h.last) / secondsADay
	// How often and how long ago are two sides of one thing: where a rhythm can be told and its time
	// has come, it is what a shopper understands.
	if every := rhythm(b, h, w.snapshot.fact(c.item).gap); every > 0 && days >= dueFrom*every && days <= dueUntil*every {
		if sum := parts[gDue] + parts[gUsual]; sum > 0 {
			t.tell(Reason{Code: DueAgain, Contribution: sum, Values: Values{EveryDays: every, LastDays: days, Times: h.times}})
			return
		}
	}
	if sum := parts[gUsual] + parts[gDue]; sum > 0 {
		t.tell(Reason{Code: UsuallyBought, Contribution: sum, Values: Values{Times: h.times, LastDays: days}})
	}
}

// From and until when, in gaps, an item is told to be due: who has let four go by has left the rhythm.
const dueFrom, dueUntil = 0.7, 4

// rhythm is how many days lie between a shopper's own purchases of an item, on average; 0 where they have no rhythm: fewer than
// three purchases, unless the one gap is what others take, too (the crowd's gap), within a third.
func rhythm(b *who.Bought, h *held, gap float32) float64 {
	if h.times < 2 {
		return 0
	}
	own := every(b, h, 0)
	if h.times == 2 && (gap == 0 || max(own, gap) > min(own, gap)*4/3) {
		return 0
	}
	return float64(own)
}

// plainReason is told where nothing speaks for a product more than for any other: what it is.
func (w *work) plainReason(c *candidate, r *row, parts *[groups]float64) Reason {
	switch {
	case c.own >= 0:
		return Reason{Code: UsuallyBought, Contribution: parts[gUsual] + parts[gDue], Values: Values{
			Times: w.held[c.own].times, LastDays: float64(w.here.now-w.held[c.own].last) / secondsADay}}
	case r[fPopular] > zero && w.crowd.item(c.item).Buyers >= LeastPeople:
		return Reason{Code: Popular, Contribution: parts[gPopular]}
	default:
		return Reason{Code: InCatalogue, Contribution: parts[gBase]}
	}
}

// zero is the bucket of a feature that is known to be nothing; even that of a lift that says nothing.
const zero = 1

var evenStore, evenHour = uint8(productScales[fStore].bucket(1)), uint8(productScales[fHour].bucket(1))

// sellsWell tells whether an item is among what is bought most in the store where the shopper is, not only around it, and by many.
func (w *work) sellsWell(item who.Item) bool {
	s := w.crowd.store(w.here.store)
	i := slices.IndexFunc(s.Popular, func(t Tally) bool { return t.Item == item })
	return i >= 0 && s.SharedPopular[i/64]>>(i%64)&1 != 0
}

// What is told to sell now: a fourth more than expected at least, of so many lines that chance alone hardly makes them (two standard
// deviations of a Poisson count).
const (
	sellsLift   = 1.25
	sellsBeyond = 2.0
)

// sellsNow tells at which of the hour, the weekday, the time of the month and the season an item sells most above its average; empty: at
// none. Behind it stand as many lines as LeastPeople shoppers make of it on average, and in all as many shoppers.
func (w *work) sellsNow(item who.Item) (when string) {
	stats, all := w.crowd.item(item), &w.crowd.Rhythm
	if stats.Rhythm == nil || stats.Buyers < LeastPeople {
		return ""
	}
	lines := float32(stats.Lines)
	share, most := lines/float32(w.crowd.Lines), float32(sellsLift)
	enough := LeastPeople * max(1, lines/float32(stats.Buyers))
	weigh := func(name string, seen, everything float32) {
		expected := share * everything
		if l := lift(seen, expected); seen >= enough && l >= most && float64(seen-expected) >= sellsBeyond*math.Sqrt(float64(expected)) {
			when, most = name, l
		}
	}
	weigh(ThisHour, stats.Rhythm.Hour[w.here.hour], all.Hour[w.here.hour])
	weigh(ThisWeekday, stats.Rhythm.Weekday[w.here.weekday], all.Weekday[w.here.weekday])
	weigh(ThisTimeOfMonth, stats.Rhythm.Day[w.here.day], all.Day[w.here.day])
	weigh(ThisSeason, stats.Rhythm.Season[w.here.season], all.Season[w.here.season])
	return when
}

// partner is what the shopper buys that speaks most for another item, of what many bought together: first among what that one is
// bought with most, which is one short list; else by what stands in the lists of the shopper's own items.
func (w *work) partner(item who.Item) (best who.Item, ok bool) {
	var most float32
	stats := w.crowd.item(item)
	for i, n := range stats.Neighbours {
		c := w.cell(n.Item).candidate
		if stats.Shared>>i&1 == 0 || c <= 0 || w.candidates[c-1].own < 0 {
			continue
		}
		if part := w.held[w.candidates[c-1].own].speaks * float32(n.Count); part > most {
			best, most, ok = n.Item, part, true
		}
	}
	if ok {
		return best, ok
	}
	for _, s := range w.seeds {
		stats := w.crowd.item(s.item)
		for i, n := range stats.Neighbours {
			if part := s.weight * float32(n.Count); n.Item == item && part > most && stats.Shared>>i&1 != 0 {
				best, most, ok = s.item, part, true
			}
		}
	}
	return best, ok
}

// partnerInBasket is the item of the basket under way that speaks most for another, of what many bought together.
func (w *work) partnerInBasket(item who.Item) (best who.Item, ok bool) {
	var most float32
	for _, other := range w.request.Basket {
		if n := w.bond(other, item); n > most && !w.sensitive(other) {
			best, most, ok = other, n, true
		}
	}
	return best, ok
}

// bond is how often baskets with one item hold another; 0 where too few people bought both to tell of it.
func (w *work) bond(from, to who.Item) float32 {
	stats := w.crowd.item(from)
	for i, n := range stats.Neighbours {
		if n.Item == to && stats.Shared>>i&1 != 0 {
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
	r := &w.rows[c.place]
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
	if s := w.stay(c.item); parts[gNext] > 0 && c.item != w.places.from {
		reason := Reason{Contribution: parts[gNext], Values: Values{Store: w.snapshot.Names.Stores.Name(w.places.from)}}
		switch {
		case s.moves >= leastMoves:
			reason.Code, reason.Values.Times = UsuallyNext, int(s.moves)
			t.tell(reason)
		case s.manyNext:
			reason.Code = OftenNext
			t.tell(reason)
		}
	}
	many := w.crowd.store(c.item).People >= LeastPeople
	switch {
	case many && (len(t.reasons) == t.first || parts[gPopular] > 0 && r[sCrowd] > zero):
		t.tell(Reason{Code: Popular, Contribution: parts[gPopular], Values: Values{Store: id}})
	case len(t.reasons) == t.first:
		t.tell(Reason{Code: InCatalogue, Contribution: parts[gBase], Values: Values{Store: id}})
	}
	return t.worthy()
}

// leastMoves is how often a shopper must have gone somewhere next before they are told that they usually do.
const leastMoves = 2

// idLength is the length of a suggestion's id: two 64-bit hashes in hexadecimal. The first is the answer's.
const (
	answerIDLength = 16
	idLength       = 32
)

// idsOf makes the ids of all suggestions in one string, to be cut.
func (w *work) idsOf(chosen []candidate) string {
	seed := answerSeed(w.key(), w.here.at)
	for i := range chosen {
		if p := w.snapshot.Catalogue.Product(chosen[i].item); p != nil && chosen[i].kind == aProduct {
			w.touched += uint64(len(p.ID)) + uint64(p.Price.Minor)
		}
		w.touched += uint64(w.crowd.item(chosen[i].item).Buyers)
	}
	for i := range chosen {
		at := w.ids[i*idLength:]
		hexadecimal(at[:16], seed)
		hexadecimal(at[16:32], hash(seed^uint64(chosen[i].kind), w.id(&chosen[i])))
	}
	for i := range w.rules.offered {
		at := w.ids[(len(chosen)+i)*idLength:]
		hexadecimal(at[:16], seed)
		hexadecimal(at[16:32], hash(seed^uint64(anOffer), w.rules.offered[i].Offer.ID))
	}
	return string(w.ids[:idLength*(len(chosen)+len(w.rules.offered))])
}

func (w *work) key() who.Key {
	if s := w.request.Scene.Shopper; s != nil {
		return s.Shopper().Key()
	}
	return who.Key{}
}

// answerSeed is the first half of the ids of what a shopper is answered at an instant.
func answerSeed(key who.Key, at time.Time) uint64 {
	seed := uint64(0x9e3779b97f4a7c15) // the golden ratio's first bits
	if key != (who.Key{}) {
		seed = hash(hash(seed, key.Retailer), key.Shopper)
	}
	return mixBits(seed ^ uint64(at.UnixNano()))
}

// AnswerID names an answer: whoever asks again with the same time gets the same. The ids of its suggestions begin with it.
func AnswerID(key who.Key, at time.Time) string {
	var id [answerIDLength]byte
	hexadecimal(id[:], answerSeed(key, at))
	return string(id[:])
}

// AnswerOf is the id of the answer that a suggestion was part of; false: it is no id of a suggestion.
func AnswerOf(suggestion string) (id string, ok bool) {
	if len(suggestion) != idLength || strings.Trim(suggestion, "0123456789abcdef") != "" {
		return "", false
	}
	return suggestion[:answerIDLength], true
}

// SuggestionID is the id that a thing has in an answer.
func SuggestionID(answer string, kind Kind, item string) string {
	seed, err := strconv.ParseUint(answer, 16, 64)
	if err != nil {
		return ""
	}
	var id [idLength]byte
	copy(id[:], answer)
	hexadecimal(id[answerIDLength:], hash(seed^uint64(slices.Index(kinds[:], kind)), item))
	return string(id[:])
}

// hexadecimal writes a number with sixteen digits, eight at a time: each half is spread to a digit a
// byte, and those above nine are moved to the letters.
func hexadecimal(to []byte, x uint64) {
	for half := range 2 {
		v := x >> (32 - 32*half) & 0xffff_ffff
		v = (v | v<<16) & 0x0000_ffff_0000_ffff
		v = (v | v<<8) & 0x00ff_00ff_00ff_00ff
		v = (v | v<<4) & 0x0f0f_0f0f_0f0f_0f0f
		letters := (v + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
		binary.BigEndian.PutUint64(to[8*half:], v+0x3030_3030_3030_3030+letters*('a'-'0'-10))
	}
}

// hash mixes a text into a hash, eight bytes at a time.
func hash(h uint64, s string) uint64 {
	n := uint64(len(s))
	for ; len(s) >= 8; s = s[8:] {
		h = mixBits(h ^ (uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56))
	}
	last := n << 56
	for i := range len(s) {
		last ^= uint64(s[i]) << (8 * i)
	}
	return mixBits(h ^ last)
}

// mixBits is the finalizer of SplitMix64: every bit of the input reaches every bit of the output.
func mixBits(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
