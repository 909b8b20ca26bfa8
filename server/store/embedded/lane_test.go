package embedded

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"satnav/server/store"
)

// TestLanesKnowTheStore holds that a lane remembers no revision that the store does not have, whatever was committed, refused or
// erased, also after it forgot some.
func TestLanesKnowTheStore(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir()).(*Store)
	t.Cleanup(func() { _ = s.Close() })
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			partition := fmt.Sprintf("r/%d", rapid.IntRange(0, 5).Draw(t, "partition"))
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				if _, err := s.Erase(t.Context(), partition); err != nil {
					t.Fatal(err)
				}
			case 1: // refused
				wrong := store.Revision(1 << 40)
				if _, err := s.Commit(t.Context(), store.Batch{Partition: partition, Expect: &wrong}); err == nil {
					t.Fatal("a commit on a revision that was never reached went through")
				}
			case 2: // full
				l := &s.lanes[laneOf(partition)]
				l.turn <- struct{}{}
				for n := range revisionsKept {
					(&write{partition: fmt.Sprint("x", n), lane: l, after: 1}).note(nil)
				}
				clear(l.revisions)
				<-l.turn
			default:
				batch := store.Batch{
					Partition: partition, Lazy: rapid.Bool().Draw(t, "lazy"),
					Put: []store.Document{{ID: "a", Body: []byte{5, 0, 0, 0, 0}}},
				}
				if _, err := s.Commit(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			for i := range s.lanes {
				l := &s.lanes[i]
				l.turn <- struct{}{}
				for name, revision := range l.revisions {
					if stored, err := s.revision(name); err != nil || stored != revision {
						t.Fatalf("%s: remembered %d, stored %d, %v", name, revision, stored, err)
					}
				}
				<-l.turn
			}
		}
	})
}
