package embedded

import (
	"fmt"
	"testing"

	"satnav/server/store"
	"satnav/server/store/storetest"
)

func open(t testing.TB, folder string) store.Documents {
	t.Helper()
	s, err := Open(folder, Options{CacheBytes: 8 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsThePort(t *testing.T) { storetest.Run(t, open) }

// Partitions of one lane share a floor: erasing a young one must not lower what an old one left.
func TestErasuresShareAFloor(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	defer s.Close()
	old, young := "old", ""
	for i := 0; young == ""; i++ {
		if name := fmt.Sprint("young", i); laneOf(name) == laneOf(old) {
			young = name
		}
	}
	last := store.Revision(0)
	for _, partition := range []string{young, old, old, old, old} {
		revision, err := s.Commit(t.Context(), store.Batch{Partition: partition})
		if err != nil {
			t.Fatal(err)
		}
		last = max(last, revision)
	}
	for _, partition := range []string{old, young} {
		if left, err := s.Erase(t.Context(), partition); left || err != nil {
			t.Fatalf("erase %q: left %v, %v", partition, left, err)
		}
	}
	revision, err := s.Commit(t.Context(), store.Batch{Partition: old})
	if err != nil {
		t.Fatal(err)
	}
	if revision <= last {
		t.Errorf("partition %q is at revision %d again, was at %d", old, revision, last)
	}
}
