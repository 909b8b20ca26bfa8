package importer

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Within the promised distance, counting with forgetting equals counting without.
func TestOrdinalsAgreeWithFullMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		bounded := ordinals{limit: limit}
		full, last := map[string]int{}, map[string]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 12), 0, 200).Draw(t, "keys") {
			key := strconv.Itoa(n)
			if before, seen := last[key]; seen && i-before > limit {
				delete(full, key) // farther apart than promised: either answer is right, so take the bounded one
				full[key] = bounded.next(key) + 1
				last[key] = i
				continue
			}
			if got := bounded.next(key); got != full[key] {
				t.Fatalf("key %s, line %d: got %d, want %d", key, i, got, full[key])
			}
			full[key]++
			last[key] = i
		}
		if len(bounded.young) > limit || len(bounded.old) > limit {
			t.Fatalf("holds %d and %d keys, want at most %d each", len(bounded.young), len(bounded.old), limit)
		}
	})
}

func TestOrdinalsForgetTheFarthest(t *testing.T) {
	t.Parallel()
	o := ordinals{limit: 2}
	for i, want := range []struct {
		key string
		n   int
	}{{"a", 0}, {"a", 1}, {"b", 0}, {"c", 0}, {"a", 2}, {"d", 0}, {"e", 0}, {"f", 0}, {"a", 0}} {
		if got := o.next(want.key); got != want.n {
			t.Errorf("line %d, %s: got %d, want %d", i, want.key, got, want.n)
		}
	}
}
