package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"satnav/server/store"
)

// silent is a store that does not answer while it hangs.
type silent struct {
	store.Documents
	hangs atomic.Bool
	asked atomic.Int64
}

func (s *silent) Revision(ctx context.Context, partition string) (store.Revision, error) {
	s.asked.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.Documents.Revision(ctx, partition)
}

// TestBrake lets a store hang: its callers are told in time, most of them at once, and it is used again when it is back.
func TestBrake(t *testing.T) {
	t.Parallel()
	below := &silent{Documents: openDocuments(t)}
	brake := store.NewBrake(below)
	ask := func() (error, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		_, err := brake.Revision(ctx, "p")
		return err, ctx.Err()
	}
	for range 10 {
		if err, _ := ask(); err != nil {
			t.Fatal(err)
		}
	}
	below.hangs.Store(true)
	for n := range 5 {
		if err, over := ask(); !errors.Is(err, store.ErrUnavailable) || over != nil {
			t.Errorf("try %d: got %v (call: %v), want %v while the call has time left", n, err, over, store.ErrUnavailable)
		}
	}
	before := below.asked.Load()
	for range 1000 {
		if err, _ := ask(); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("got %v, want %v", err, store.ErrUnavailable)
		}
	}
	if tried := below.asked.Load() - before; tried > 100 {
		t.Errorf("a store that hangs was asked %d times in 1000 calls", tried)
	}
	if _, err := brake.Scan(t.Context(), "p", "", "", 0); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
	below.hangs.Store(false)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if err, _ := ask(); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the store is back and is not used")
		}
	}
	if err, _ := ask(); err != nil {
		t.Errorf("after it came back: %v", err)
	}
	gone, leave := context.WithTimeout(t.Context(), time.Minute)
	leave()
	for range 10 {
		_, _ = brake.Revision(gone, "p") // callers who went away say nothing of the store
	}
	if err, _ := ask(); err != nil {
		t.Errorf("after callers went away: %v", err)
	}
}
