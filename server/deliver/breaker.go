package deliver

import (
	"sync"
	"time"
)

// breaker rests an endpoint that fails again and again, so that it is not kept from getting up: after a rest one
// message tries whether it stands. It is safe for concurrent use.
type breaker struct {
	first time.Duration // rest

	mu      sync.Mutex
	failed  int // in a row
	rests   int // in a row
	until   time.Time
	probing bool
}

const (
	breakAfter  = 5 // failures in a row
	longestRest = time.Minute
)

// allow tells whether a message may be tried now; if so, tell what became of it with done.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rests == 0 {
		return true
	}
	if b.probing || now.Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

// done notes what became of a try and tells whether that opened or closed the breaker.
func (b *breaker) done(ok bool, now time.Time) (turned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := b.probing
	b.probing = false
	if ok {
		turned = b.rests > 0
		b.failed, b.rests = 0, 0
		return turned
	}
	b.failed++
	if b.failed < breakAfter || b.rests > 0 && !probe { // a try that was under way when it opened
		return false
	}
	b.until = now.Add(jittered(doubled(b.first, b.rests, longestRest)))
	b.rests++
	return b.rests == 1
}

// leave takes back an allow whose try came to nothing, for a reason that is ours.
func (b *breaker) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// open tells whether the endpoint is given rests.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rests > 0
}

// rest is how long nothing may be tried from now; 0: something may.
func (b *breaker) rest(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.rests == 0:
		return 0
	case b.probing:
		return 10 * time.Millisecond
	}
	return max(0, b.until.Sub(now))
}
