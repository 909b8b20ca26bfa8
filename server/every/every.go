// Package every repeats work in the background.
package every

import (
	"context"
	"time"
)

// Do calls work after each interval, until the context ends. What is late is not made up for: work that takes longer than the
// interval is called again at once, and once.
func Do(ctx context.Context, interval time.Duration, work func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			work()
		}
	}
}
