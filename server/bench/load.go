package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// class tells calls apart in the figures.
type class int

const (
	plain    class = iota // waits for no disk
	crossing              // returned a trigger, so it waited for a commit
	classes
)

// load is an open loop: calls arrive at a constant rate, whether earlier ones were answered or not, as phones
// do. A latency counts from the instant at which the call was due, not from when somebody was free to send
// it: so a server that stops for a second is charged with all who came in that second (what is known as
// correcting for coordinated omission).
type load struct {
	rate    float64 // calls a second
	lasting time.Duration
	workers int // calls that can be under way at once
	// hopeless is the delay at which the load is given up: nothing that follows could be in time.
	hopeless time.Duration
	// call makes the n-th call on behalf of a worker.
	call func(worker int, n int64) (class, error)
}

// outcome is what a load met with.
type outcome struct {
	Sent      int64
	Errors    int64
	First     error // the first error
	GivenUp   bool  // calls came too late for any hope
	Took      time.Duration
	Processor time.Duration                    // of the server; 0: not known
	latency   [classes]*hdrhistogram.Histogram // in microseconds
}

// newHistogram reaches from a microsecond to a minute, with three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// all are the latencies of all classes.
func (o *outcome) all() *hdrhistogram.Histogram {
	h := newHistogram()
	for _, one := range o.latency {
		h.Merge(one)
	}
	return h
}

// run makes the calls and returns when the last one was answered.
func (l *load) run(ctx context.Context) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	total := int64(l.rate * l.lasting.Seconds())
	due := make(chan int64, total+1) // as long as the load, so that who is late never holds up the clock
	var (
		out     outcome
		mu      sync.Mutex
		group   sync.WaitGroup
		givenUp atomic.Bool
	)
	for i := range out.latency {
		out.latency[i] = newHistogram()
	}
	start := time.Now().Add(10 * time.Millisecond)
	for worker := range l.workers {
		group.Go(func() {
			var own outcome
			for i := range own.latency {
				own.latency[i] = newHistogram()
			}
			for n := range due {
				at := start.Add(l.at(n))
				if givenUp.Load() || ctx.Err() != nil {
					continue
				}
				kind, err := l.call(worker, n)
				late := time.Since(at)
				own.Sent++
				if err != nil {
					if own.Errors++; own.First == nil {
						own.First = fmt.Errorf("call %d: %w", n, err)
					}
					continue
				}
				_ = own.latency[kind].RecordValue(min(max(late.Microseconds(), 1), 60_000_000)) // always within
				if late > l.hopeless {
					givenUp.Store(true)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out.Sent += own.Sent
			out.Errors += own.Errors
			if out.First == nil {
				out.First = own.First
			}
			for i := range out.latency {
				out.latency[i].Merge(own.latency[i])
			}
		})
	}
	l.pace(ctx, start, total, due, &givenUp)
	group.Wait()
	out.Took, out.GivenUp = time.Since(start), givenUp.Load()
	return out
}

// at is when the n-th call is due, from the start.
func (l *load) at(n int64) time.Duration {
	return time.Duration(float64(n) / l.rate * float64(time.Second))
}

// pace sends out the number of each call when it is due. It has a thread of its own that sleeps in the
// kernel: Go's timers are a millisecond coarse.
func (l *load) pace(ctx context.Context, start time.Time, total int64, due chan<- int64, givenUp *atomic.Bool) {
	defer close(due)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for n := range total {
		for wait := time.Until(start.Add(l.at(n))); wait > 0; wait = time.Until(start.Add(l.at(n))) {
			if ctx.Err() != nil || givenUp.Load() {
				return
			}
			sleep(min(wait, 10*time.Millisecond))
		}
		due <- n
	}
}
