package store_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
)

// oneWord holds the last word of one lease in memory. Its clock is that of the test.
type oneWord struct {
	store.Documents
	mu       sync.Mutex
	body     bson.Raw
	revision store.Revision
	begun    time.Time                       // the last commit that was stored
	hang     func(ctx context.Context) error // before each commit; nil: nothing
	slow     func()                          // before each read; nil: nothing
}

func (o *oneWord) Scan(context.Context, string, string, string, int) (store.Page, error) {
	if o.slow != nil {
		o.slow()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	page := store.Page{Revision: o.revision}
	if o.body != nil {
		page.Documents = []store.Document{{Body: o.body}}
	}
	return page, nil
}

func (o *oneWord) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	begun := time.Now()
	if o.hang != nil {
		if err := o.hang(ctx); err != nil {
			return 0, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if *b.Expect != o.revision {
		return 0, store.ErrConflict
	}
	o.revision++
	o.body, o.begun = b.Put[0].Body, begun
	return o.revision, nil
}

// A store that hangs, rather than fails, does not let a holder go on until another may begin: it stops a second and a half before.
func TestLeaseEndsInTimeWhenTheStoreHangs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		hang func(ctx context.Context) error
	}{
		{"until the context ends", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		{"longer than the context", func(context.Context) error { time.Sleep(time.Minute); return store.ErrUnavailable }},
		{"and says a conflict at last", func(context.Context) error { time.Sleep(4 * time.Second); return store.ErrConflict }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, lasts := 0, 3
				documents := &oneWord{}
				documents.hang = func(ctx context.Context) error {
					if words++; words <= lasts {
						return nil
					}
					if words == lasts+1 {
						documents.slow = func() { time.Sleep(30 * time.Second) }
					}
					return tc.hang(ctx)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan time.Time, 100)
				done := make(chan struct{})
				go func() {
					defer close(done)
					store.NewLeases(documents, slog.New(slog.DiscardHandler)).Hold(ctx, "work", func(ctx context.Context, _ int64) {
						<-ctx.Done()
						ended <- time.Now()
					})
				}()
				at := <-ended
				if worked := at.Sub(documents.begun); worked > store.LeaseLost-1500*time.Millisecond {
					t.Errorf("it worked for %s after its last word, and another may begin after %s", worked, store.LeaseLost)
				}
				stop()
				<-done
			})
		})
	}
}

// How long a read takes says nothing of how old the word is that it brings: only silence between two reads counts.
func TestLeaseIsNotTakenAfterASlowRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, reads := time.Now(), 0
		documents := &oneWord{}
		beat := func(n int64) {
			body, err := bson.Marshal(bson.D{{Key: "holder", Value: "another"}, {Key: "fence", Value: int64(1)}, {Key: "beat", Value: n}})
			if err != nil {
				t.Error(err)
			}
			documents.mu.Lock()
			defer documents.mu.Unlock()
			documents.body, documents.revision = body, documents.revision+1
		}
		beat(0)
		go func() { // the holder, who lives for 32 s
			for n := range int64(8) {
				time.Sleep(4 * time.Second)
				beat(n + 1)
			}
		}()
		documents.slow = func() {
			if reads++; reads == 1 {
				time.Sleep(10 * time.Second)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		store.NewLeases(documents, slog.New(slog.DiscardHandler)).Hold(ctx, "work", func(context.Context, int64) {
			if at := time.Since(began); at < 32*time.Second+store.LeaseLost {
				t.Errorf("it was taken after %s from a holder who spoke until 32 s", at)
			}
			stop()
		})
	})
}
