package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
	"satnav/server/store/embedded"
)

func folder(t *testing.T) store.Documents {
	t.Helper()
	d, err := embedded.Open(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func commit(t *testing.T, d store.Documents, b store.Batch) {
	t.Helper()
	if _, err := d.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "n", Value: n}})
	if err != nil {
		panic(err)
	}
	return raw
}

func unheard(store.Contents) {}

func TestCopy(t *testing.T) {
	t.Parallel()
	from, to := folder(t), folder(t)
	large, err := bson.Marshal(bson.D{{Key: "x", Value: make([]byte, store.MaxBatchBytes/3)}})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, from, store.Batch{Partition: "empty"})
	for i := range 5 {
		commit(t, from, store.Batch{Partition: "large", Put: []store.Document{{ID: fmt.Sprint(i), Body: large}}})
	}
	for i := range 300 {
		commit(t, from, store.Batch{Partition: fmt.Sprintf("p%03d", i), Lazy: true, Put: []store.Document{
			{ID: "a", Body: numbered(i), Marks: []store.Mark{{Kind: "k", Key: "x", At: time.UnixMilli(int64(i))}}}, {ID: "b", Body: numbered(-i)}}})
	}
	copied, err := store.Copy(t.Context(), from, to, unheard)
	if err != nil {
		t.Fatal(err)
	}
	if copied.Partitions != 302 || copied.Documents != 605 || copied.Marks != 300 {
		t.Errorf("copied %+v", copied)
	}
	found, _, err := to.Marked(t.Context(), "k", "x", store.Position{At: time.UnixMilli(299)}, time.Time{}, 0)
	if err != nil || len(found) != 1 || found[0].Partition != "p299" {
		t.Errorf("marked after the copy: %v, %v", found, err)
	}
	// What differs in anything has another hash.
	commit(t, to, store.Batch{Partition: "p000", Put: []store.Document{{ID: "b", Body: numbered(7)}}})
	if now, err := store.Summary(t.Context(), to); err != nil || now.SHA256 == copied.SHA256 {
		t.Errorf("a changed store sums up to the same: %+v, %v", now, err)
	}
	if _, err := store.Copy(t.Context(), from, to, unheard); err == nil || !strings.Contains(err.Error(), "holds something") {
		t.Errorf("copying over something: %v", err)
	}
}

func TestCopyThatBreaksOff(t *testing.T) {
	t.Parallel()
	from, to := folder(t), folder(t)
	for i := range 50 {
		commit(t, from, store.Batch{Partition: fmt.Sprint("p", i), Put: []store.Document{{ID: "a", Body: numbered(i)}}})
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := store.Copy(ctx, from, to, func(so store.Contents) {
		if so.Partitions == 20 {
			stop()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's end", err)
	}
	if err := store.Whole(t.Context(), to); err == nil {
		t.Error("half a copy counts as whole")
	}
	if _, err := store.Copy(t.Context(), to, folder(t), unheard); err == nil {
		t.Error("half a copy was copied")
	}
	if _, err := store.Copy(t.Context(), from, to, unheard); err != nil {
		t.Fatalf("going on: %v", err)
	}
	if err := store.Whole(t.Context(), to); err != nil {
		t.Error(err)
	}
}

func TestCopyOfWhatChanges(t *testing.T) {
	t.Parallel()
	from := folder(t)
	commit(t, from, store.Batch{Partition: "a", Put: []store.Document{{ID: "a", Body: numbered(1)}}})
	commit(t, from, store.Batch{Partition: "b", Put: []store.Document{{ID: "a", Body: numbered(1)}}})
	_, err := store.Copy(t.Context(), from, folder(t), func(so store.Contents) {
		if so.Partitions == 2 {
			commit(t, from, store.Batch{Partition: "a", Put: []store.Document{{ID: "a", Body: numbered(2)}}})
		}
	})
	if err == nil || !strings.Contains(err.Error(), "written to while it was copied") {
		t.Errorf("got %v", err)
	}
}

func TestCopyOfWhatIsServed(t *testing.T) {
	t.Parallel()
	served, other := folder(t), folder(t)
	ctx, stop := context.WithCancel(t.Context())
	run, err := store.Serve(ctx, served)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { run(); close(ended) }()
	if _, err := store.Copy(t.Context(), served, other, unheard); !errors.Is(err, store.ErrBusy) {
		t.Errorf("from what is served: %v, want %v", err, store.ErrBusy)
	}
	if _, err := store.Copy(t.Context(), other, served, unheard); !errors.Is(err, store.ErrBusy) {
		t.Errorf("into what is served: %v, want %v", err, store.ErrBusy)
	}
	if names, err := store.Serving(t.Context(), served, time.Now().Add(time.Minute)); err != nil || len(names) != 0 {
		t.Errorf("a minute after the last word: %v, %v", names, err)
	}
	stop()
	<-ended
	if _, err := store.Copy(t.Context(), served, other, unheard); err != nil {
		t.Error(err)
	}
}
