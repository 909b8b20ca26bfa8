package recommend

import (
	"maps"
	"slices"
	"strings"

	"satnav/context/who"
)

// Catalogue is a retailer's products by item number, so that a look-up on the path is one array read.
// It is immutable; With makes the next one and costs one copy of the arrays (21 bytes a product), so
// an edit among 30,000 products is done in well under a millisecond.
type Catalogue struct {
	names      *who.Names
	rows       []*Product // by item number; nil: no product row
	size       int
	categories map[string]uint32 // numbers from 1, never reused
	brands     map[string]uint32
	category   []uint32 // by item number; 0: none
	brand      []uint32
	family     []who.Item // by item number: what variants of one product have in common
	marks      []mark     // by item number
	words      *words     // never nil where there are products
	filler     []who.Item // the first products by id, for shops nobody has bought anything in
}

// mark is what the path asks of a product, so that it need not look at the product itself.
type mark uint8

const (
	isProduct   mark = 1 << iota
	isOffered        // neither withdrawn, nor sensitive, nor out of stock
	isSensitive      // no reason for anything
	soldOut          // in some stores: its row says in which
)

func markOf(p *Product) mark {
	m := isProduct
	if !p.Withdrawn && !p.Sensitive && (p.Stock == nil || *p.Stock > 0) {
		m |= isOffered
	}
	if p.Sensitive {
		m |= isSensitive
	}
	if len(p.SoldOut) > 0 {
		m |= soldOut
	}
	return m
}

// maxFiller is how many products stand ready for a shop without a single purchase.
const maxFiller = 128

// NewCatalogue makes a catalogue. Of two products with the same id the later one counts.
func NewCatalogue(names *who.Names, products []Product) *Catalogue {
	return (&Catalogue{names: names}).With(products, nil)
}

// With returns the catalogue after some products were put (added or replaced) and some removed by id.
// A product's Item is set here from its id.
func (c *Catalogue) With(put []Product, remove []string) *Catalogue {
	next := &Catalogue{
		names: c.names, size: c.size,
		rows: slices.Clone(c.rows), category: slices.Clone(c.category), brand: slices.Clone(c.brand),
		categories: maps.Clone(c.categories), brands: maps.Clone(c.brands),
		family: slices.Clone(c.family), marks: slices.Clone(c.marks),
	}
	if next.categories == nil {
		next.categories, next.brands = map[string]uint32{}, map[string]uint32{}
	}
	for _, id := range remove {
		if item, ok := next.names.Items.Lookup(id); ok && int(item) < len(next.rows) && next.rows[item] != nil {
			next.rows[item], next.category[item], next.brand[item] = nil, 0, 0
			next.family[item], next.marks[item] = item, 0
			next.size--
		}
	}
	for i := range put {
		p := put[i]
		p.Item = next.names.Items.Number(p.ID)
		if n := int(p.Item) + 1; n > len(next.rows) {
			next.rows = append(next.rows, make([]*Product, n-len(next.rows))...)
			next.category = append(next.category, make([]uint32, n-len(next.category))...)
			next.brand = append(next.brand, make([]uint32, n-len(next.brand))...)
			next.marks = append(next.marks, make([]mark, n-len(next.marks))...)
			for len(next.family) < n {
				next.family = append(next.family, who.Item(len(next.family)))
			}
		}
		if next.rows[p.Item] == nil {
			next.size++
		}
		next.rows[p.Item] = &p
		next.category[p.Item] = number(next.categories, p.Category)
		next.brand[p.Item] = number(next.brands, p.Brand)
		next.marks[p.Item], next.family[p.Item] = markOf(&p), p.Item
		if p.VariantOf != "" {
			next.family[p.Item] = next.names.Items.Number(p.VariantOf)
		}
	}
	next.words = &words{catalogue: next}
	next.filler = next.fill()
	return next
}

// number gives a name its number, 0 for the empty name.
func number(numbers map[string]uint32, name string) uint32 {
	if name == "" {
		return 0
	}
	n, ok := numbers[name]
	if !ok {
		n = uint32(len(numbers)) + 1
		numbers[name] = n
	}
	return n
}

// fill keeps the maxFiller first products by id that may be suggested. It walks all rows once and
// sorts only what can still be among the first.
func (c *Catalogue) fill() []who.Item {
	var first []who.Item
	byID := func(a, b who.Item) int {
		if c.rows[a].ID < c.rows[b].ID {
			return -1
		}
		return 1
	}
	for item, p := range c.rows {
		if p == nil || p.Withdrawn || p.Sensitive {
			continue
		}
		first = append(first, who.Item(item))
		if len(first) == 4*maxFiller {
			slices.SortFunc(first, byID)
			first = first[:maxFiller]
		}
	}
	slices.SortFunc(first, byID)
	return slices.Clip(first[:min(len(first), maxFiller)])
}

// Product returns the row of an item, or nil when the catalogue has none.
func (c *Catalogue) Product(item who.Item) *Product {
	if c == nil || int(item) >= len(c.rows) {
		return nil
	}
	return c.rows[item]
}

// Len is the number of products.
func (c *Catalogue) Len() int {
	if c == nil {
		return 0
	}
	return c.size
}

// All calls yield for each product, by item number, until it returns false.
func (c *Catalogue) All(yield func(*Product) bool) {
	if c == nil {
		return
	}
	for _, p := range c.rows {
		if p != nil && !yield(p) {
			return
		}
	}
}

func (c *Catalogue) categoryOf(item who.Item) uint32 {
	if c == nil || int(item) >= len(c.category) {
		return 0
	}
	return c.category[item]
}

func (c *Catalogue) brandOf(item who.Item) uint32 {
	if c == nil || int(item) >= len(c.brand) {
		return 0
	}
	return c.brand[item]
}

func (c *Catalogue) markOf(item who.Item) mark {
	if c == nil || int(item) >= len(c.marks) {
		return 0
	}
	return c.marks[item]
}

// familyOf is the same for all variants of one product.
func (c *Catalogue) familyOf(item who.Item) who.Item {
	if c == nil || int(item) >= len(c.family) {
		return item
	}
	return c.family[item]
}

// HasCategory tells whether a product stands in a category, or below it.
func (c *Catalogue) HasCategory(path string) bool {
	if c == nil {
		return false
	}
	if _, ok := c.categories[path]; ok {
		return true
	}
	for name := range c.categories {
		if strings.HasPrefix(name, path+"/") {
			return true
		}
	}
	return false
}

// Tops lists the categories that stand below none, in order. It looks at all of them: it is not for the path.
func (c *Catalogue) Tops() []string {
	if c == nil {
		return nil
	}
	tops := map[string]bool{}
	for name := range c.categories {
		top, _, _ := strings.Cut(name, "/")
		tops[top] = true
	}
	return slices.Sorted(maps.Keys(tops))
}

// HasBrand tells whether a product is of a brand.
func (c *Catalogue) HasBrand(name string) bool {
	if c == nil {
		return false
	}
	_, ok := c.brands[name]
	return ok
}

// HasTag tells whether a product has a tag. It looks at all of them: it is for edits, not for the path.
func (c *Catalogue) HasTag(tag string) bool {
	for p := range c.All {
		if slices.Contains(p.Tags, tag) {
			return true
		}
	}
	return false
}
