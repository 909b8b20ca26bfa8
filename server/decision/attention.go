package decision

import (
	"hash/maphash"
	"sync"
	"time"

	"satnav/context/who"
)

// attention is how long somebody remembers what a screen showed.
const attention = 75 * time.Second

// Bounds of what is remembered: of one shopper, and of all.
const (
	shownAnswers = 4 // the newest answers
	shownShards  = 64
	shownAtOnce  = 512 // shoppers in half of a shard
)

// shown remembers, in memory alone, which products the calls of the last minute were answered with, so that
// the next call of the same shopper shows others. What is forgotten (a restart, another replica, very many
// shoppers at once) is shown once more, nothing else. It is safe for concurrent use.
type shown struct {
	seed   maphash.Seed
	shards [shownShards]shownShard
}

// shownShard keeps two generations: when the newer one is full it becomes the older one, and that is dropped.
type shownShard struct {
	mu           sync.Mutex
	newer, older map[who.Key]*glances
}

// glances are a shopper's newest answers, in a ring.
type glances struct {
	answers [shownAnswers]glance
	next    int
}

type glance struct {
	at    time.Time
	items []who.Item
}

func newShown() *shown { return &shown{seed: maphash.MakeSeed()} }

// number is that of the shard of a shopper.
func (s *shown) number(key who.Key) int { return int(maphash.Comparable(s.seed, key) % shownShards) }

func (s *shown) shard(key who.Key) *shownShard { return &s.shards[s.number(key)] }

// before lists the products that a shopper was shown within the attention window before now. Whoever asks
// again with the same time, because the first answer was lost, gets it.
func (s *shown) before(key who.Key, now time.Time) (items []who.Item) {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	g := shard.newer[key]
	if g == nil {
		g = shard.older[key]
	}
	if g == nil {
		return nil
	}
	for i := range g.answers {
		if ago := now.Sub(g.answers[i].at); ago > 0 && ago < attention {
			items = append(items, g.answers[i].items...)
		}
	}
	return items
}

// note remembers what an answer showed. It keeps nothing of items.
func (s *shown) note(key who.Key, now time.Time, items []who.Item) {
	if len(items) == 0 {
		return
	}
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	g := shard.newer[key]
	if g == nil {
		if g = shard.older[key]; g == nil {
			g = &glances{}
		}
		if shard.newer == nil || len(shard.newer) >= shownAtOnce {
			shard.newer, shard.older = make(map[who.Key]*glances), shard.newer
		}
		shard.newer[key] = g
	}
	for i := range g.answers {
		if g.answers[i].at.Equal(now) { // told once more
			g.answers[i].items = append(g.answers[i].items[:0], items...)
			return
		}
	}
	next := &g.answers[g.next]
	next.at, next.items = now, append(next.items[:0], items...)
	g.next = (g.next + 1) % shownAnswers
}

// forget drops what is remembered of a shopper.
func (s *shown) forget(key who.Key) {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.newer, key)
	delete(shard.older, key)
}
