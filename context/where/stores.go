package where

import (
	"cmp"
	"math"
	"slices"

	"satnav/geo"
)

// Stores is an immutable picture of a retailer's stores, built aside and swapped whole. It answers
// "which store is nearest?" in well under a microsecond for thousands of stores. It is safe for
// concurrent use; nil holds no stores.
//
// Stores stand in a k-d tree over points of the unit sphere in three dimensions, where neither poles nor
// the antimeridian are special and the straight distance orders as the way over the ground does.
// Decided against: a tree of latitude/longitude boxes, which needs both special cases.
type Stores struct {
	all  []*Store // by id
	byID map[string]*Store
	tree []node // a balanced tree in order: the root of tree[i:j] stands in the middle
	// hidden is such a tree of the hidden stores, which are in no other.
	hidden []node
}

type node struct {
	vector [3]float64
	store  *Store
}

// Near is a store and how far away it is.
type Near struct {
	Store  *Store
	Meters float64
}

// NewStores makes a picture of the stores. Of two with the same id the later one holds, and one whose
// point does not pass geo.Point.Check is found by id only. The slice is not kept, the stores are.
func NewStores(stores []*Store) *Stores {
	s := &Stores{byID: make(map[string]*Store, len(stores))}
	for _, store := range stores {
		s.byID[store.ID] = store
	}
	s.all = make([]*Store, 0, len(s.byID))
	for _, store := range s.byID {
		s.all = append(s.all, store)
	}
	slices.SortFunc(s.all, func(a, b *Store) int { return cmp.Compare(a.ID, b.ID) })
	s.tree = make([]node, 0, len(s.all))
	for _, store := range s.all {
		switch {
		case store.Point.Check() != nil:
		case store.Hidden:
			s.hidden = append(s.hidden, node{unit(store.Point), store})
		default:
			s.tree = append(s.tree, node{unit(store.Point), store})
		}
	}
	plant(s.tree, 0)
	plant(s.hidden, 0)
	return s
}

// plant sorts the nodes into a tree whose levels split by x, y, z in turn.
func plant(nodes []node, axis int) {
	if len(nodes) < 2 {
		return
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.vector[axis], b.vector[axis]) })
	middle := len(nodes) / 2
	plant(nodes[:middle], (axis+1)%3)
	plant(nodes[middle+1:], (axis+1)%3)
}

// unit is the point as a vector of length 1.
func unit(p geo.Point) [3]float64 {
	const degree = math.Pi / 180
	sinLat, cosLat := math.Sincos(p.Lat * degree)
	sinLng, cosLng := math.Sincos(p.Lng * degree)
	return [3]float64{cosLat * cosLng, cosLat * sinLng, sinLat}
}

// ByID finds a store.
func (s *Stores) ByID(id string) (*Store, bool) {
	if s == nil {
		return nil, false
	}
	store, ok := s.byID[id]
	return store, ok
}

// All lists the stores by id. The slice is shared: nobody may change it.
func (s *Stores) All() []*Store {
	if s == nil {
		return nil
	}
	return s.all
}

// Len is how many stores there are.
func (s *Stores) Len() int { return len(s.All()) }

// hiddenMeters is how near to a hidden store somebody may be there. So much at most does a vague fix reach farther.
const hiddenMeters = 100

// Hides tells whether who is at p, known to so many metres, may be at a hidden store.
func (s *Stores) Hides(p geo.Point, accuracyMeters float64) bool {
	if s == nil || len(s.hidden) == 0 || p.Check() != nil {
		return false
	}
	best := nearest{squared: math.Inf(1)}
	best.search(s.hidden, unit(p), 0)
	return p.Distance(best.store.Point) <= hiddenMeters+min(max(accuracyMeters, 0), hiddenMeters)
}

// HidesCell tells whether a cell tells of somebody that they may be at a hidden store: those of about 200 m and finer do.
func (s *Stores) HidesCell(c geo.Cell) bool {
	if s == nil || len(s.hidden) == 0 || !c.Valid() || c.Resolution() < coarsestTelling {
		return false
	}
	return s.Hides(c.Center(), hiddenMeters)
}

// coarsestTelling is the H3 resolution from which on a cell tells of one shop: its edge is about 200 m.
const coarsestTelling = 9

// Nearest returns the store that is nearest to p and its distance in metres; of several at the very same
// place the one with the lowest id. It returns nil where there are no stores or p is no point.
func (s *Stores) Nearest(p geo.Point) (*Store, float64) {
	if s == nil || len(s.tree) == 0 || p.Check() != nil {
		return nil, 0
	}
	best := nearest{squared: math.Inf(1)}
	best.search(s.tree, unit(p), 0)
	return best.store, p.Distance(best.store.Point)
}

type nearest struct {
	store   *Store
	squared float64 // of the straight distance
}

func (n *nearest) search(tree []node, from [3]float64, axis int) {
	if len(tree) == 0 {
		return
	}
	middle := len(tree) / 2
	root := &tree[middle]
	d := squared(root.vector, from)
	if d < n.squared || d == n.squared && root.store.ID < n.store.ID {
		n.store, n.squared = root.store, d
	}
	gap := from[axis] - root.vector[axis]
	near, far := tree[:middle], tree[middle+1:]
	if gap > 0 {
		near, far = far, near
	}
	n.search(near, from, (axis+1)%3)
	if gap*gap <= n.squared {
		n.search(far, from, (axis+1)%3)
	}
}

func squared(a, b [3]float64) float64 {
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return x*x + y*y + z*z
}

// Within appends to dst the stores that are at most so many metres from p, nearest first, and those
// equally far by id.
func (s *Stores) Within(p geo.Point, meters float64, dst []Near) []Near {
	if s == nil || p.Check() != nil || math.IsNaN(meters) || meters < 0 {
		return dst
	}
	// The chord of that distance, a little longer than it is, so that rounding loses nobody: the true
	// distance decides.
	chord := 2.0
	if angle := meters / (2 * geo.EarthRadiusMeters); angle < math.Pi/2 {
		chord = 2 * math.Sin(angle)
	}
	chord = chord*(1+1e-9) + 1e-9
	start := len(dst)
	dst = within(s.tree, unit(p), chord, 0, dst)
	kept := dst[:start]
	for _, near := range dst[start:] {
		if near.Meters = p.Distance(near.Store.Point); near.Meters <= meters {
			kept = append(kept, near)
		}
	}
	slices.SortFunc(kept[start:], func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.Meters, b.Meters), cmp.Compare(a.Store.ID, b.Store.ID))
	})
	return kept
}

func within(tree []node, from [3]float64, chord float64, axis int, dst []Near) []Near {
	if len(tree) == 0 {
		return dst
	}
	middle := len(tree) / 2
	root := &tree[middle]
	if squared(root.vector, from) <= chord*chord {
		dst = append(dst, Near{Store: root.store})
	}
	gap := from[axis] - root.vector[axis]
	if gap <= chord {
		dst = within(tree[:middle], from, chord, (axis+1)%3, dst)
	}
	if gap >= -chord {
		dst = within(tree[middle+1:], from, chord, (axis+1)%3, dst)
	}
	return dst
}
