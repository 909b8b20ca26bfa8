package store_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/server/store"
	"satnav/server/store/embedded"
)

// frozen is a process that hangs: its commits fail from a moment on, as if the machine were cut off.
type frozen struct {
	store.Documents
	cut atomic.Bool
}

func (f *frozen) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if f.cut.Load() {
		return 0, store.ErrUnavailable
	}
	return f.Documents.Commit(ctx, b)
}

// One of several holds a lease at a time; when it is cut off it stops before another begins, whose fence is greater; one that ends
// gives it back at once.
func TestLeaseHasOneHolder(t *testing.T) {
	t.Parallel()
	documents, err := embedded.Open(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer documents.Close()
	var mu sync.Mutex
	working, last := 0, int64(0)
	began := make(chan int, 100)
	type member struct {
		documents *frozen
		stop      context.CancelFunc
		ended     chan struct{}
	}
	join := func(n int) *member {
		m := &member{documents: &frozen{Documents: documents}, ended: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		m.stop = stop
		go func() {
			defer close(m.ended)
			store.NewLeases(m.documents, slog.New(slog.DiscardHandler)).Hold(ctx, "work", func(ctx context.Context, fence int64) {
				mu.Lock()
				if working++; working > 1 || fence <= last {
					t.Errorf("%d work at once, with fence %d after %d", working, fence, last)
				}
				last = fence
				mu.Unlock()
				began <- n
				<-ctx.Done()
				mu.Lock()
				working--
				mu.Unlock()
			})
		}()
		return m
	}
	members := []*member{join(0), join(1), join(2)}
	first := <-began
	members[first].documents.cut.Store(true)
	second := <-began
	if second == first {
		t.Fatal("who is cut off took it again")
	}
	at := time.Now()
	members[second].stop()
	<-members[second].ended
	members[first].documents.cut.Store(false)
	<-began
	if waited := time.Since(at); waited >= store.LeaseLost {
		t.Errorf("what was given back lay still for %s", waited)
	}
	for _, m := range members {
		m.stop()
		<-m.ended
	}
}
