package insight

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"satnav/server/store"
)

// Bounds of what is told.
const (
	// Least is how many distinct shoppers a group has at the least.
	Least = 20
	// Grain is what the numbers that are told are multiples of, so that one shopper more or less is seldom seen.
	Grain = 5
	// maxGroups bounds a table, those with the most shoppers first.
	maxGroups = 5_000
)

// Measure is one thing that is counted.
type Measure struct {
	Name  string
	Parts []string // what the parts of a group's key are, in order
	Steps []string // how far shoppers got, in order; none: they are not told apart by it
	// Groups bounds in how many groups of a window one shopper counts, and Most how much they add to each.
	Groups, Most int
	// levels make a group's key coarser. The first is the key itself; the last names nothing.
	levels []func(Key) Key
}

// Key names a group: a value for each part of its measure; empty ones are not told apart.
type Key [maxParts]string

const maxParts = 4

// part is what one shopper adds to one group.
type part struct{ count, step int }

// add is a part as it is kept until all are there.
type add struct {
	group, shopper uint32
	count          uint16
	step           uint8
}

// tally gathers the parts of all shoppers for one measure in one window. Parts of one shopper are added together.
type tally struct {
	measure  *Measure
	numbers  map[Key]uint32
	keys     []Key
	adds     []add
	shoppers uint32
}

func newTally(m *Measure) *tally { return &tally{measure: m, numbers: map[Key]uint32{}} }

// take adds what one shopper did. Of more groups than the measure allows some are drawn, the same ones each time.
func (t *tally) take(pseudonym string, parts map[Key]part) {
	if len(parts) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(parts), func(a, b Key) int { return slices.Compare(a[:], b[:]) })
	if len(keys) > t.measure.Groups {
		lot := func(k Key) uint64 {
			h := fnv.New64a()
			h.Write([]byte(pseudonym + "\x00" + strings.Join(k[:], "\x00")))
			return h.Sum64()
		}
		slices.SortStableFunc(keys, func(a, b Key) int { return cmp.Compare(lot(a), lot(b)) })
		keys = keys[:t.measure.Groups]
	}
	t.shoppers++
	for _, key := range keys {
		p := parts[key]
		number, known := t.numbers[key]
		if !known {
			number = uint32(len(t.keys))
			t.numbers[key], t.keys = number, append(t.keys, key)
		}
		t.adds = append(t.adds, add{number, t.shoppers, uint16(min(p.count, t.measure.Most)), uint8(p.step)})
	}
}

// sum is what the shoppers of one group add up to.
type sum struct {
	shoppers, count int64
	steps           [3]int64 // who got at least so far
	kept            bool

	last    uint32 // the shopper that was added last, with what they added so far
	added   int
	reached int
}

func (s *sum) add(a add, most int) {
	if s.last != a.shopper {
		s.last, s.added, s.reached = a.shopper, 0, 0
		s.shoppers++
	}
	more := min(int(a.count), most-s.added)
	s.added, s.count = s.added+more, s.count+int64(more)
	for ; s.reached < int(a.step); s.reached++ {
		s.steps[s.reached]++
	}
}

// teller decides which groups are told, and how.
type teller interface {
	// keeps tells whether a group of so many shoppers may be told.
	keeps(shoppers int64) (bool, error)
	// tell writes what may be told of a group.
	tell(m *Measure, s *sum, group *store.InsightGroup) error
}

// groups are the groups that may be told. What stands in a group that is told counts in no other one: what is too little is rolled up into the group
// above it, together with all else there that was too little, and what is too little even at the top is not told at all. So no group is
// a part of another one, there are no totals, and nothing can be taken from anything.
func (t *tally) groups(tell teller) ([]store.InsightGroup, error) {
	var told []store.InsightGroup
	open := t.adds
	for level, coarser := range t.measure.levels {
		of := make([]Key, len(t.keys))
		for i, key := range t.keys {
			of[i] = coarser(key)
		}
		sums := map[Key]*sum{}
		for _, a := range open {
			s := sums[of[a.group]]
			if s == nil {
				s = new(sum)
				sums[of[a.group]] = s
			}
			s.add(a, t.measure.Most)
		}
		for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b Key) int { return slices.Compare(a[:], b[:]) }) {
			s := sums[key]
			var err error
			if s.kept, err = tell.keeps(s.shoppers); err != nil {
				return nil, err
			}
			if !s.kept {
				continue
			}
			group := store.InsightGroup{Keys: slices.Clone(key[:len(t.measure.Parts)]), Rest: level > 0}
			if err := tell.tell(t.measure, s, &group); err != nil {
				return nil, err
			}
			told = append(told, group)
		}
		var left []add
		for _, a := range open {
			if !sums[of[a.group]].kept {
				left = append(left, a)
			}
		}
		open = left
	}
	slices.SortStableFunc(told, func(a, b store.InsightGroup) int { return cmp.Compare(b.Shoppers, a.Shoppers) })
	told = told[:min(len(told), maxGroups)]
	slices.SortStableFunc(told, func(a, b store.InsightGroup) int { return slices.Compare(a.Keys, b.Keys) })
	return told, nil
}

// plain tells groups of at least Least shoppers, in numbers that are multiples of Grain.
type plain struct{}

func (plain) keeps(shoppers int64) (bool, error) { return shoppers >= Least, nil }

func (plain) tell(m *Measure, s *sum, group *store.InsightGroup) error {
	group.Shoppers, group.Count = grains(s.shoppers), grains(s.count)
	before := s.shoppers
	for i := range m.Steps { // each step is of some of those before: who got no further must be many, too
		if now := s.steps[i]; i > 0 && (now < Least || before-now < Least) {
			break
		}
		before = s.steps[i]
		group.Steps = append(group.Steps, grains(s.steps[i]))
	}
	return nil
}

// grains is a number as the nearest multiple of Grain.
func grains(n int64) int64 { return (n + Grain/2) / Grain * Grain }
