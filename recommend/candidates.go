package recommend

import (
	"math"
	"math/bits"
	"slices"

	"satnav/context/who"
)

// Source is a set of the places that a candidate came from.
type Source uint16

const (
	FromHistory  Source = 1 << iota // bought before: due again, usually bought
	FromBasket                      // bought together with what is in the basket
	FromCrowd                       // bought together with what the shopper buys
	FromPopular                     // popular
	FromStore                       // popular in this store, or around here
	FromList                        // on the shopper's list
	FromActs                        // looked at, liked, put into a basket
	FromFiller                      // only in the catalogue
	FromVisits                      // a store visited before
	FromNear                        // a store near the shopper
	FromPassages                    // a store where many go from here
	FromRules                       // a rule wants it
	FromQuery                       // it is called like what is searched for
)

var sourceNames = []string{"history", "basket", "crowd", "popular", "store", "list", "acts", "catalogue", "visits", "near", "passages", "rules", "query"}

// Names lists the sources of the set.
func (s Source) Names() []string {
	var names []string
	for i, name := range sourceNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// How many candidates a source may bring: enough that its last one is hardly ever chosen.
const (
	maxNear     = 60
	maxTogether = 30
	maxPopular  = 50
	maxHere     = 25
	maxFound    = 60
	maxSeeds    = 32 // items of the past that neighbours are looked up for
)

// seed is an item whose neighbours are looked up, and what each basket with both says for a neighbour.
type seed struct {
	item   who.Item
	own    int32 // place in History.Items
	weight float32
}

// products gathers products from all sources and works out their features.
func (w *work) products() {
	w.heed()
	w.bar()
	w.recall()
	w.listed() // first: a wish of their own counts also for what was bought just now
	w.find()
	w.own()
	w.plant()
	w.together()
	w.neighbours()
	w.acts()
	w.popular()
	if w.snapshot.Rules != nil {
		w.begin()
		w.included()
	}
	w.filler()
	w.tastes.learn(w)
	w.describe()
}

// add makes a candidate of an item unless it must not be shown; a known one gets one more source.
func (w *work) add(item who.Item, own int, source Source) bool {
	c := w.cell(item)
	if c.candidate > 0 {
		w.candidates[c.candidate-1].sources |= source
		return false
	}
	if c.candidate == barred || !w.allowed(item) || source != FromList && w.mutes(item) {
		return false
	}
	w.candidates = append(w.candidates, candidate{item: item, kind: aProduct, sources: source, own: int32(own), place: int32(len(w.candidates))})
	c.candidate = int32(len(w.candidates))
	return true
}

// recall works out what the past knows of each item.
func (w *work) recall() {
	items := w.past.History.Items
	for i := range items {
		w.touched += uint64(w.cell(items[i].Item).stamp)
	}
	w.held = slices.Grow(w.held, len(items))[:len(items)]
	for i := range items {
		b := &items[i]
		recent, times := w.past.Held(b)
		w.held[i] = held{recent: recent, times: times}
		if times > 0 {
			w.held[i].last = w.past.Last(b, recent)
		}
	}
}

// own brings all that the shopper bought before.
func (w *work) own() {
	rest := w.restingSeconds()
	for i, b := range w.past.History.Items {
		h := &w.held[i]
		switch {
		case h.times == 0:
		case w.here.now-h.last < rest:
			w.cell(b.Item).candidate = barred
		default:
			w.add(b.Item, i, FromHistory)
		}
	}
}

// plant chooses the items that stand for the shopper: those of the newest baskets.
func (w *work) plant() {
	var byRank [who.Tail]int
	for i := range w.held {
		if r := w.held[i].recent; r != 0 {
			byRank[bits.TrailingZeros64(r)]++
		}
	}
	cut, sum := 0, 0
	for cut < who.Tail && (sum == 0 || sum+byRank[cut] <= maxSeeds) {
		sum += byRank[cut]
		cut++
	}
	var total float32
	for i, b := range w.past.History.Items {
		r := w.held[i].recent
		if r == 0 || bits.TrailingZeros64(r) >= cut || w.sensitive(b.Item) || len(w.seeds) >= maxSeeds {
			continue
		}
		s := seed{item: b.Item, own: int32(i), weight: fade(r, &fades90)}
		total += s.weight
		w.seeds = append(w.seeds, s)
	}
	for i := range w.seeds {
		s := &w.seeds[i]
		s.weight /= total * (float32(w.crowd.item(s.item).Lines) + evidence)
		w.held[s.own].speaks = s.weight
	}
}

// evidence is how many baskets with an item must be seen before its neighbours are half believed.
const evidence = 8

// neighbours brings what is bought with what the shopper buys.
func (w *work) neighbours() {
	for _, s := range w.seeds {
		if n := w.crowd.item(s.item).Neighbours; len(n) > 0 {
			w.touched += uint64(n[0].Count) + uint64(n[len(n)/2].Count)
		}
	}
	for _, s := range w.seeds {
		w.near.add(w.crowd.item(s.item).Neighbours, s.weight)
	}
	for _, r := range w.near.strongest(maxNear, w.taken) {
		w.add(r.item, -1, FromCrowd)
	}
}

// together brings what completes the basket under way.
func (w *work) together() {
	for _, item := range w.request.Basket {
		if !w.sensitive(item) {
			stats := w.crowd.item(item)
			w.completes.add(stats.Neighbours, 1/((float32(stats.Lines)+evidence)*float32(len(w.request.Basket))))
		}
	}
	for _, r := range w.completes.strongest(maxTogether, w.taken) {
		w.add(r.item, -1, FromBasket)
	}
}

// taken tells whether an item is a candidate already, or must not become one. All that the shopper
// bought before is, once own has run.
func (w *work) taken(item who.Item) bool { return w.cell(item).candidate != 0 }

// find brings what is called like what the shopper searches for: of what fits equally well what is bought most.
func (w *work) find() {
	if w.request.Query == "" || w.snapshot.Catalogue == nil {
		return
	}
	w.snapshot.Catalogue.words.match(w.request.Query, func(item who.Item, share float32) {
		if w.allowed(item) {
			w.found = append(w.found, ranked{item, w.crowd.item(item).Recent})
			w.searched = append(w.searched, ranked{item, share})
		}
	})
	for _, r := range selectBest(w.found, maxFound) {
		own, _ := w.bought(r.item)
		w.add(r.item, own, FromQuery)
	}
}

// bought tells where an item stands in the past; -1 when it was not bought by now.
func (w *work) bought(item who.Item) (int, bool) {
	i, ok := w.past.History.Find(item)
	if !ok || w.held[i].times == 0 {
		return -1, false
	}
	return i, true
}

// listed brings what is on the shopper's list.
func (w *work) listed() {
	for _, item := range w.request.List {
		own, _ := w.bought(item)
		w.add(item, own, FromList)
	}
}

// acts brings what the shopper looked at, liked or put into a basket.
func (w *work) acts() {
	for _, s := range w.past.History.Signals {
		switch s.Kind {
		case who.SignalView, who.SignalAdd, who.SignalLike, who.SignalShare:
			if s.Last <= w.here.now {
				w.add(s.Item, -1, FromActs)
			}
		}
	}
}

// popular brings what many buy here and what many buy.
func (w *work) popular() {
	added := 0
	if w.here.spot != nil {
		for _, item := range w.here.spot.items {
			if added == maxHere {
				break
			}
			if w.add(item, -1, FromStore) {
				added++
			}
		}
	}
	for i, item := range w.snapshot.popular {
		if i >= maxPopular && len(w.candidates) >= 2*w.request.Limit {
			break
		}
		w.add(item, -1, FromPopular)
	}
}

// filler brings products that nobody has bought yet where nothing better is known.
func (w *work) filler() {
	if w.snapshot.Catalogue == nil {
		return
	}
	for _, item := range w.snapshot.Catalogue.filler {
		if len(w.candidates) >= w.request.Limit {
			return
		}
		w.add(item, -1, FromFiller)
	}
}

// fades are what a purchase k orders ago counts.
var fades90, fades80, fades95 = fadesOf(0.9), fadesOf(0.8), fadesOf(0.95)

func fadesOf(rate float64) (f [who.Tail]float32) {
	for k := range f {
		f[k] = float32(math.Pow(rate, float64(k)))
	}
	return f
}

// fade sums what the purchases in a set of baskets count.
func fade(recent uint64, fades *[who.Tail]float32) float32 {
	var sum float32
	for ; recent != 0; recent &= recent - 1 {
		sum += fades[bits.TrailingZeros64(recent)]
	}
	return sum
}
