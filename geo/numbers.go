package geo

import (
	"hash/maphash"
	"slices"
)

// fenceTable holds geofences by number. Its copies share pages; a page is copied before its first change.
type fenceTable struct {
	pages [][]*Geofence
	own   []bool // pages that this copy may change
	next  int    // one above the highest number in use
	live  int
	free  []uint32
}

const fencePage = 512

func (t *fenceTable) len() int { return t.next }

// at is nil for a number that was removed.
func (t *fenceTable) at(n uint32) *Geofence { return t.pages[n/fencePage][n%fencePage] }

func (t *fenceTable) clone() fenceTable {
	c := *t
	c.pages, c.free, c.own = slices.Clone(t.pages), slices.Clone(t.free), make([]bool, len(t.pages))
	return c
}

func (t *fenceTable) set(n uint32, g *Geofence) {
	if i := n / fencePage; !t.own[i] {
		t.pages[i], t.own[i] = slices.Clone(t.pages[i]), true
	}
	t.pages[n/fencePage][n%fencePage] = g
}

// add gives the geofence a number.
func (t *fenceTable) add(g *Geofence) uint32 {
	t.live++
	if last := len(t.free) - 1; last >= 0 {
		n := t.free[last]
		t.free = t.free[:last]
		t.set(n, g)
		return n
	}
	return t.extend(g)
}

// extend gives the geofence the next number above all.
func (t *fenceTable) extend(g *Geofence) uint32 {
	n := uint32(t.next)
	if n%fencePage == 0 {
		t.pages, t.own = append(t.pages, make([]*Geofence, fencePage)), append(t.own, true)
	}
	t.next++
	t.set(n, g)
	return n
}

// append gives the geofence the next number, free ones left alone.
func (t *fenceTable) append(g *Geofence) {
	t.live++
	t.extend(g)
}

// skip makes the next number a free one.
func (t *fenceTable) skip() { t.free = append(t.free, t.extend(nil)) }

func (t *fenceTable) remove(n uint32) {
	t.set(n, nil)
	t.free = append(t.free, n)
	t.live--
}

// idTable finds numbers by id: open addressing in shards that copies share and copy before their first change. It holds
// numbers only; the ids are those of the geofences.
type idTable struct {
	shards []idShard
}

type idShard struct {
	slots []uint32 // number + 1; 0: empty
	used  int
	own   bool
}

var idSeed = maphash.MakeSeed()

// reserve makes an empty table fit for n ids.
func (t *idTable) reserve(n int) {
	shards := 16
	for shards*512 < n {
		shards *= 2
	}
	t.shards = make([]idShard, shards)
	if n == 0 {
		return
	}
	size := 8
	for size*5 < n/shards*8 { // room for a shard that gets a fifth more than its share
		size *= 2
	}
	for i := range t.shards {
		t.shards[i] = idShard{slots: make([]uint32, size), own: true}
	}
}

func (t *idTable) clone() idTable {
	c := idTable{shards: slices.Clone(t.shards)}
	for i := range c.shards {
		c.shards[i].own = false
	}
	return c
}

func (t *idTable) shard(id string) (*idShard, uint64) {
	h := maphash.String(idSeed, id)
	return &t.shards[h>>32&uint64(len(t.shards)-1)], h
}

func (t *idTable) lookup(id string, fences *fenceTable) (uint32, bool) {
	s, h := t.shard(id)
	mask := uint64(len(s.slots) - 1)
	if len(s.slots) == 0 {
		return 0, false
	}
	for i := h & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if n := s.slots[i] - 1; fences.at(n).ID == id {
			return n, true
		}
	}
	return 0, false
}

// put enters an id that is not in the table; the geofence is in fences already.
func (t *idTable) put(id string, n uint32, fences *fenceTable) {
	s, h := t.shard(id)
	if s.used++; s.used*4 > len(s.slots)*3 {
		s.rebuild(max(8, 2*len(s.slots)), fences)
	} else if !s.own {
		s.slots, s.own = slices.Clone(s.slots), true
	}
	s.enter(h, n)
}

// remove takes an id out; the geofence is in fences still.
func (t *idTable) remove(id string, fences *fenceTable) {
	n, ok := t.lookup(id, fences)
	if !ok {
		return
	}
	s, _ := t.shard(id)
	s.slots, s.own = slices.Clone(s.slots), true
	s.slots[slices.Index(s.slots, n+1)] = 0
	s.used--
	s.rebuild(len(s.slots), fences)
}

// rebuild enters all numbers anew, into so many slots.
func (s *idShard) rebuild(size int, fences *fenceTable) {
	old := s.slots
	s.slots, s.own = make([]uint32, size), true
	for _, slot := range old {
		if slot != 0 {
			s.enter(maphash.String(idSeed, fences.at(slot-1).ID), slot-1)
		}
	}
}

func (s *idShard) enter(h uint64, n uint32) {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = n + 1
}
