package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Brake is a store on the path of calls. Where the one below does not answer, a verb ends before its call does, so that the call can
// still say so; and after a few of those in a row all verbs end at once, but for one now and then that tries whether the
// store is back. So calls do not pile up before a store that hangs. It is safe for concurrent use.
//
// It bounds what calls do: reading and writing one partition. Listings, erasures and the like go through as they are, and so does what
// is done under a context without a deadline.
type Brake struct {
	Documents
	failed atomic.Int32 // in a row
	next   atomic.Int64 // when it is tried again, in nanoseconds of the clock below
	began  time.Time
}

var _ Documents = (*Brake)(nil)

// NewBrake puts a brake on a store.
func NewBrake(documents Documents) *Brake { return &Brake{Documents: documents, began: time.Now()} }

const (
	brakeAfter = 5                      // failures in a row
	brakeTries = 250 * time.Millisecond // between two tries of a store that is away
	brakeLeast = 20 * time.Millisecond  // of a verb; a call with less time left is the one that is late
)

// allow tells whether a verb may be tried.
func (b *Brake) allow() bool {
	if b.failed.Load() < brakeAfter {
		return true
	}
	now := int64(time.Since(b.began))
	next := b.next.Load()
	return now >= next && b.next.CompareAndSwap(next, now+int64(brakeTries))
}

// noted counts what became of a verb. Only silence counts: a conflict is an answer.
func (b *Brake) noted(silent bool) {
	if !silent {
		if b.failed.Load() > 0 {
			b.failed.Store(0)
		}
		return
	}
	if b.failed.Add(1) == brakeAfter {
		b.next.Store(int64(time.Since(b.began) + brakeTries))
	}
}

// braked does one verb in half of the time that its call has left.
func braked[T any](ctx context.Context, b *Brake, verb func(context.Context) (T, error)) (T, error) {
	deadline, bound := ctx.Deadline()
	if !bound {
		return verb(ctx)
	}
	var nothing T
	if !b.allow() {
		return nothing, fmt.Errorf("it did not answer %d times in a row: %w", brakeAfter, ErrUnavailable)
	}
	left := time.Until(deadline)
	within, cancel := context.WithTimeout(ctx, max(left/2, min(left, brakeLeast)))
	defer cancel()
	done, err := verb(within)
	silent := err != nil && within.Err() != nil && ctx.Err() == nil
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return done, err // the caller went away: that says nothing
	}
	b.noted(silent || errors.Is(err, ErrUnavailable) || err != nil && ctx.Err() != nil && left > brakeLeast)
	if silent {
		return done, fmt.Errorf("no answer within %s: %w", (left / 2).Round(time.Millisecond), ErrUnavailable)
	}
	return done, err
}

// Get implements Documents.
func (b *Brake) Get(ctx context.Context, partition, id string) (Document, error) {
	return braked(ctx, b, func(ctx context.Context) (Document, error) { return b.Documents.Get(ctx, partition, id) })
}

// Scan implements Documents.
func (b *Brake) Scan(ctx context.Context, partition, from, to string, limit int) (Page, error) {
	return braked(ctx, b, func(ctx context.Context) (Page, error) { return b.Documents.Scan(ctx, partition, from, to, limit) })
}

// Revision implements Documents.
func (b *Brake) Revision(ctx context.Context, partition string) (Revision, error) {
	return braked(ctx, b, func(ctx context.Context) (Revision, error) { return b.Documents.Revision(ctx, partition) })
}

// Commit implements Documents.
func (b *Brake) Commit(ctx context.Context, batch Batch) (Revision, error) {
	return braked(ctx, b, func(ctx context.Context) (Revision, error) { return b.Documents.Commit(ctx, batch) })
}
