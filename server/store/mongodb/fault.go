package mongodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"satnav/server/store"
)

// codeDiskFull is OutOfDiskSpace among the server's error codes.
const codeDiskFull = 14031

// fault puts an error of the driver into the port's words. A driver's error never leaves the store.
func (s *Store) fault(ctx context.Context, what string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	var full mongo.ServerError
	if errors.As(err, &full) && full.HasErrorCode(codeDiskFull) {
		return fmt.Errorf("%s: %s: %v: %w", s.where, what, err, store.ErrFull)
	}
	return fmt.Errorf("%s: %s: %v: %w", s.where, what, err, store.ErrUnavailable)
}

// passing reports whether the same command may succeed when it is tried again: the primary stepped down, or the connection
// broke. The driver has tried once more already; an election takes longer than that.
// Where no primary was found the driver has waited for one as long as it may.
func passing(err error) bool {
	var none topology.ServerSelectionError
	if errors.As(err, &none) {
		return false
	}
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return true
	}
	var answered mongo.LabeledError
	return errors.As(err, &answered) && (answered.HasErrorLabel("RetryableWriteError") || answered.HasErrorLabel("RetryableError"))
}

const (
	firstPause   = 2 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// pause waits before the next try, longer each time and never as long as anybody else, and returns the error of a context
// that ends first.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return ctx.Err()
	}
	longest := min(firstPause<<min(try-1, 10), longestPause)
	timer := time.NewTimer(longest/2 + rand.N(longest/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// again does something until it succeeds, fails for good, or the context ends: within the deadline of the call.
func (s *Store) again(ctx context.Context, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		s.counts.retries.Add(1)
		if pause(ctx, try+1) != nil {
			return err
		}
	}
}
