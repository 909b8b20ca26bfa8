package insight

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"satnav/context/when"
	"satnav/context/who"
	"satnav/geo"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Parts of keys.
const (
	PartCell         = "cell"
	PartHour         = "hour"
	PartFrom         = "from"
	PartTo           = "to"
	PartCategory     = "category"
	PartItem         = "item"
	PartWithItem     = "with_item"
	PartWithCategory = "with_category"
	PartStore        = "store"
	PartDaypart      = "daypart"
	PartCohort       = "cohort"
)

// The measures. A key that names a store begins with StoreName where geofences may stand as well.
const (
	Visits   = "visits"   // shoppers by cell and hour of the day; the count is of days
	Flows    = "flows"    // from one store or geofence to the next on one day; the count is of days
	Funnel   = "funnel"   // by category: viewed, put into the basket, bought, each the same product
	Affinity = "affinity" // products in one basket; the count is of baskets
	Demand   = "demand"   // by store, part of the day and category; the count is of pieces
	Cohorts  = "cohorts"  // shoppers who bought, by the month of their first purchase; the count is of baskets

	StoreName    = "store:"
	GeofenceName = "geofence:"
)

// Measures lists them all.
var Measures = []*Measure{
	{Name: Visits, Parts: []string{PartCell, PartHour}, Groups: 16, Most: 7, levels: []func(Key) Key{
		func(k Key) Key { return k },
		func(k Key) Key { return Key{parent(k[0], 7), k[1]} },
		func(k Key) Key { return Key{parent(k[0], 7)} },
		func(k Key) Key { return Key{parent(k[0], 5)} },
		nothing,
	}},
	{Name: Flows, Parts: []string{PartFrom, PartTo}, Groups: 16, Most: 7, levels: []func(Key) Key{
		func(k Key) Key { return k },
		func(k Key) Key { return Key{k[0]} },
		nothing,
	}},
	{Name: Funnel, Parts: []string{PartCategory}, Steps: []string{"viewed", "added", "purchased"}, Groups: 16, Most: 1, levels: []func(Key) Key{
		func(k Key) Key { return k },
		nothing,
	}},
	{Name: Affinity, Parts: []string{PartItem, PartWithItem, PartCategory, PartWithCategory}, Groups: 48, Most: 7, levels: []func(Key) Key{
		func(k Key) Key { return k },
		func(k Key) Key { return Key{"", "", min(k[2], k[3]), max(k[2], k[3])} },
		nothing,
	}},
	{Name: Demand, Parts: []string{PartStore, PartDaypart, PartCategory}, Groups: 24, Most: 20, levels: []func(Key) Key{
		func(k Key) Key { return k },
		func(k Key) Key { return Key{k[0], k[1]} },
		func(k Key) Key { return Key{k[0]} },
		nothing,
	}},
	{Name: Cohorts, Parts: []string{PartCohort}, Groups: 1, Most: 7, levels: []func(Key) Key{
		func(k Key) Key { return k },
		func(k Key) Key { return Key{k[0][:4]} },
		nothing,
	}},
}

func nothing(Key) Key { return Key{} }

// MeasureOf finds a measure by its name; nil: there is none.
func MeasureOf(name string) *Measure {
	if i := slices.IndexFunc(Measures, func(m *Measure) bool { return m.Name == name }); i >= 0 {
		return Measures[i]
	}
	return nil
}

func parent(cell string, resolution int) string {
	c, err := geo.ParseCell(cell)
	if err != nil || c.Resolution() <= resolution {
		return cell
	}
	return c.Parent(resolution).String()
}

// counter works out what one shopper adds to each group. It belongs to one goroutine.
type counter struct {
	snapshot *retailer.Snapshot
	finest   int // resolution of cells
}

func newCounter(snapshot *retailer.Snapshot) *counter {
	finest := who.Caps.Analytics
	for _, p := range [...]who.Purpose{who.Analytics, who.Location} {
		if d, ok := snapshot.Purposes.Of(p); ok && d.Resolution.Analytics > 0 {
			finest = min(finest, d.Resolution.Analytics)
		}
	}
	return &counter{snapshot, finest}
}

// parts are what a shopper adds to the groups of a measure.
func (c *counter) parts(m *Measure, acts *store.Acts) map[Key]part {
	switch m.Name {
	case Visits:
		return c.visits(acts)
	case Flows:
		return c.flows(acts)
	case Funnel:
		return c.funnel(acts)
	case Affinity:
		return c.affinity(acts)
	case Demand:
		return c.demand(acts)
	case Cohorts:
		return c.cohorts(acts)
	}
	panic(fmt.Sprintf("insight: measure %q counts nothing", m.Name))
}

// product is what the catalogue says of an item, if it may be told of: nothing sensitive, and nothing of which nobody said whether it is.
func (c *counter) product(item string) (category string, ok bool) {
	number, known := c.snapshot.Names.Items.Lookup(item)
	if !known {
		return "", false
	}
	p := c.snapshot.Suggest.Catalogue.Product(number)
	if p == nil || p.Sensitive {
		return "", false
	}
	return p.Category, true
}

// local is an instant on the clock of the retailer. Events have one of their own.
func (c *counter) local(at time.Time) time.Time {
	if c.snapshot.Scene.Zone == nil {
		return at.UTC()
	}
	return at.In(c.snapshot.Scene.Zone)
}

// days are the days on which a shopper added to a group, each once.
type days map[Key]map[string]bool

func (d days) add(key Key, at time.Time) {
	if d[key] == nil {
		d[key] = map[string]bool{}
	}
	d[key][at.Format(time.DateOnly)] = true
}

func (d days) parts() map[Key]part {
	parts := make(map[Key]part, len(d))
	for key, on := range d {
		parts[key] = part{count: len(on)}
	}
	return parts
}

func (c *counter) visits(acts *store.Acts) map[Key]part {
	seen := days{}
	at := func(cell geo.Cell, when time.Time) {
		if cell.Resolution() > c.finest {
			cell = cell.Parent(c.finest)
		}
		if cell.Resolution() == c.finest { // a coarser one tells of no cell
			seen.add(Key{cell.String(), fmt.Sprintf("%02d", when.Hour())}, when)
		}
	}
	for _, p := range acts.Places {
		at(p.Cell, c.local(p.At))
	}
	for i := range acts.Events {
		e := &acts.Events[i]
		if cell, err := geo.ParseCell(e.Place); err == nil {
			at(cell, e.At)
		} else if s, ok := c.snapshot.Scene.Stores.ByID(e.Store); ok && (e.Kind == who.Visited || e.Kind == who.Purchased) {
			at(geo.CellAt(s.Point, c.finest), e.At)
		}
	}
	return seen.parts()
}

// stop is where a shopper was, on the way from one place to the next.
type stop struct {
	at   time.Time
	name string
}

func (c *counter) flows(acts *store.Acts) map[Key]part {
	var stops []stop
	for i := range acts.Events {
		if e := &acts.Events[i]; e.Store != "" && (e.Kind == who.Visited || e.Kind == who.Purchased) {
			stops = append(stops, stop{e.At, StoreName + e.Store})
		}
	}
	for i := range acts.Crossings {
		x := &acts.Crossings[i]
		n, live := c.snapshot.Fences.Lookup(x.Geofence)
		if x.Kind != string(geo.Enter) || !live {
			continue
		}
		name := GeofenceName + x.Geofence
		if linked := c.snapshot.Fences.Fence(n).Store; linked != "" {
			name = StoreName + linked
		}
		stops = append(stops, stop{c.local(x.At), name})
	}
	slices.SortStableFunc(stops, func(a, b stop) int { return a.at.Compare(b.at) })
	seen := days{}
	for i := 1; i < len(stops); i++ {
		from, to := stops[i-1], stops[i]
		if from.name != to.name && from.at.Format(time.DateOnly) == to.at.Format(time.DateOnly) {
			seen.add(Key{from.name, to.name}, from.at)
		}
	}
	return seen.parts()
}

func (c *counter) funnel(acts *store.Acts) map[Key]part {
	steps := map[string]int{} // by item
	for i := range acts.Events {
		e := &acts.Events[i]
		step := steps[e.Item]
		switch {
		case e.Item == "":
		case e.Kind == who.Viewed:
			steps[e.Item] = max(step, 1)
		case e.Kind == who.Added && step >= 1:
			steps[e.Item] = max(step, 2)
		case e.Kind == who.Purchased && e.Quantity >= 0 && step >= 2:
			steps[e.Item] = 3
		}
	}
	parts := map[Key]part{}
	for item, step := range steps {
		if category, ok := c.product(item); ok && category != "" {
			parts[Key{category}] = part{count: 1, step: max(step, parts[Key{category}].step)}
		}
	}
	return parts
}

// maxTogether bounds the products of one basket of which pairs are made, the first by their ids: of a basket of a hundred there would be 4,950.
const maxTogether = 24

func (c *counter) affinity(acts *store.Acts) map[Key]part {
	baskets := map[string][]string{}
	for i := range acts.Events {
		e := &acts.Events[i]
		if e.Kind != who.Purchased || e.Quantity < 0 {
			continue
		}
		if _, ok := c.product(e.Item); ok {
			basket := strconv.FormatUint(who.BasketKey(e.Basket, e.At), 36)
			baskets[basket] = append(baskets[basket], e.Item)
		}
	}
	parts := map[Key]part{}
	for _, items := range baskets {
		slices.Sort(items)
		items = slices.Compact(items)
		items = items[:min(len(items), maxTogether)]
		for i, a := range items {
			for _, b := range items[i+1:] {
				of, _ := c.product(a)
				with, _ := c.product(b)
				key := Key{a, b, of, with}
				parts[key] = part{count: parts[key].count + 1}
			}
		}
	}
	return parts
}

// maxPieces bounds what one line of a basket adds.
const maxPieces = 10

func (c *counter) demand(acts *store.Acts) map[Key]part {
	parts := map[Key]part{}
	for i := range acts.Events {
		e := &acts.Events[i]
		if e.Kind != who.Purchased || e.Store == "" || e.Quantity < 0 {
			continue
		}
		if category, ok := c.product(e.Item); ok {
			key := Key{e.Store, string(when.DaypartOf(e.At.Hour())), category}
			pieces := min(max(int(e.Quantity+0.5), 1), maxPieces)
			parts[key] = part{count: parts[key].count + pieces}
		}
	}
	return parts
}

func (c *counter) cohorts(acts *store.Acts) map[Key]part {
	baskets := map[uint64]bool{}
	for i := range acts.Events {
		if e := &acts.Events[i]; e.Kind == who.Purchased && e.Quantity >= 0 {
			baskets[who.BasketKey(e.Basket, e.At)] = true
		}
	}
	if len(baskets) == 0 {
		return nil
	}
	return map[Key]part{{acts.First.UTC().Format("2006-01")}: {count: len(baskets)}}
}
