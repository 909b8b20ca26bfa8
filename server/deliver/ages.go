package deliver

import (
	"sync"
	"time"
)

// ages knows of each lane since when its oldest letter waits. It is safe for concurrent use.
type ages struct {
	mu sync.Mutex
	at map[*lane]time.Time
}

// note returns the age of the oldest of all.
func (a *ages) note(l *lane, at, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at[l] = at
	oldest := now
	for _, since := range a.at {
		if since.Before(oldest) {
			oldest = since
		}
	}
	return now.Sub(oldest)
}

func (a *ages) forget(l *lane) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.at, l)
}
