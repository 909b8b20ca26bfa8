package every_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"satnav/server/every"
)

// TestDo holds that work is done after each interval and not before the first, that what is late comes once, and that nothing
// is done any more once the context has ended.
func TestDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		began := time.Now()
		go every.Do(ctx, time.Second, func() {
			at = append(at, time.Since(began))
			if len(at) == 2 {
				time.Sleep(3500 * time.Millisecond)
			}
		})
		time.Sleep(7200 * time.Millisecond)
		cancel()
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []time.Duration{time.Second, 2 * time.Second, 5500 * time.Millisecond, 6 * time.Second, 7 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("done at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("done at %v, want %v", at, want)
			}
		}
	})
}
