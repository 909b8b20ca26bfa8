package decision

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
)

func list(items ...who.Item) []who.Item { return items }

func TestShown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	anna, ben := who.Key{Retailer: "r", Shopper: "anna"}, who.Key{Retailer: "r", Shopper: "ben"}
	s := newShown()
	s.note(anna, now, list(1, 2))
	s.note(anna, now.Add(30*time.Second), list(3))
	s.note(ben, now, list(7))
	for _, c := range []struct {
		name string
		key  who.Key
		at   time.Duration
		want []who.Item
	}{
		{"half a minute later, both", anna, 40 * time.Second, []who.Item{1, 2, 3}},
		{"the first is forgotten", anna, 80 * time.Second, []who.Item{3}},
		{"both are", anna, 2 * time.Minute, nil},
		{"a retry of the first gets what it got", anna, 0, nil},
		{"the past does not know the future", anna, -time.Hour, nil},
		{"somebody else", ben, time.Second, []who.Item{7}},
		{"nobody", who.Key{Retailer: "r", Shopper: "carl"}, 0, nil},
	} {
		if got := s.before(c.key, now.Add(c.at)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// However many shoppers come, what is remembered stays bounded, and the newest are among it.
func TestShownIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	s := newShown()
	key := func(i int) who.Key { return who.Key{Retailer: "r", Shopper: fmt.Sprint(i)} }
	const many = 4 * shownShards * shownAtOnce
	for i := range many {
		s.note(key(i), now, list(who.Item(i)))
	}
	kept := 0
	for i := range s.shards {
		kept += len(s.shards[i].newer) + len(s.shards[i].older)
	}
	if kept > 2*shownShards*shownAtOnce {
		t.Errorf("%d shoppers are remembered, want at most %d", kept, 2*shownShards*shownAtOnce)
	}
	for i := many - 1000; i < many; i++ {
		if got := s.before(key(i), now.Add(time.Second)); !slices.Equal(got, []who.Item{who.Item(i)}) {
			t.Fatalf("shopper %d: got %v", i, got)
		}
	}
}
