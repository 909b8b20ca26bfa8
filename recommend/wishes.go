package recommend

import "satnav/context/who"

// wishes are what the shopper said about what is shown, in the numbers of the catalogue. They beat whatever was learnt.
type wishes struct {
	said *who.Preferences // nil: nothing about what is shown
	less []like           // of which less is shown
}

// like is what products that are like another one have in common with it.
type like struct {
	family          who.Item
	category, brand uint32
}

// lessOdds is by how much the log-odds of a product sink that is like one of which the shopper wants less: behind whatever else there is. It is
// put down, not taken out: where one kind of thing is all that a shop has, taking it out would leave an empty list.
const lessOdds = 100

// heed makes the wishes ready, and bars what the shopper does not want to see.
func (w *work) heed() {
	if w.request.Scene.Shopper == nil {
		return
	}
	said := w.request.Scene.Shopper.Shopper().Preferences()
	if len(said.Muted) > 0 {
		w.wishes.said = said
	}
	for _, id := range said.NotForMe {
		if item, ok := w.snapshot.Names.Items.Lookup(id); ok {
			w.cell(item).candidate = barred
		}
	}
	for _, id := range said.Less {
		if item, ok := w.snapshot.Names.Items.Lookup(id); ok {
			w.wishes.less = append(w.wishes.less, w.snapshot.Catalogue.likeOf(item))
		}
	}
}

// mutes tells whether the shopper muted the category of an item.
func (w *work) mutes(item who.Item) bool {
	if w.wishes.said == nil {
		return false
	}
	p := w.snapshot.Catalogue.Product(item)
	return p != nil && w.wishes.said.MutesCategory(p.Category)
}

// lessen puts down what is like something of which the shopper wants less. What they put on their list themselves stays.
func (w *work) lessen() {
	if len(w.wishes.less) == 0 {
		return
	}
	for i := range w.candidates {
		c := &w.candidates[i]
		if c.kind != aProduct || c.sources&FromList != 0 {
			continue
		}
		one := w.snapshot.Catalogue.likeOf(c.item)
		for _, unwanted := range w.wishes.less {
			if one.family == unwanted.family || one.category != 0 && one.category == unwanted.category && one.brand == unwanted.brand {
				c.logOdds -= lessOdds
				break
			}
		}
	}
}

// likeOf is what makes other products like this one: of one family, or of the same category and brand.
func (c *Catalogue) likeOf(item who.Item) like {
	if c == nil || int(item) >= len(c.category) {
		return like{family: item}
	}
	return like{c.family[item], c.category[item], c.brand[item]}
}
