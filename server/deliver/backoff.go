package deliver

import (
	"math/rand/v2"
	"time"
)

// doubled is a first wait, doubled so many times, at most longest.
func doubled(first time.Duration, times int, longest time.Duration) time.Duration {
	for range times {
		if first >= longest/2 {
			return longest
		}
		first *= 2
	}
	return min(first, longest)
}

// jittered is between half of a wait and one and a half, so that what failed together does not come back together.
func jittered(wait time.Duration) time.Duration {
	return wait/2 + rand.N(wait+1)
}
