package geo

import (
	"iter"
	"time"
)

// Replay takes a recorded track through the same code that serves shoppers, drafts too, and yields every crossing in
// the order in which it would have been told, those that are not told included. Fixes may be in any order. Visits still
// under way at the end are settled up to until; zero means the last fix. The same track always gives the same crossings.
func Replay(fences *Index, fixes []Fix, until time.Time) iter.Seq[Crossing] {
	return func(yield func(Crossing) bool) {
		p := Presence{Shopper: "replay", Rehearsal: true}
		var crossings []Crossing
		for _, f := range inOrder(fixes) {
			p, crossings = Advance(fences, p, f)
			for _, c := range crossings {
				if !yield(c) {
					return
				}
			}
		}
		if until.After(p.Now.Seen) {
			_, crossings = Settle(fences, p, until)
			for _, c := range crossings {
				if !yield(c) {
					return
				}
			}
		}
	}
}
