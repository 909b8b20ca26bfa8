package store_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"satnav/server/store"
	"satnav/server/store/embedded"
)

var (
	installation = []byte("the secret of an installation")
	asked        = sha256.Sum256([]byte("a geofence"))
	otherwise    = sha256.Sum256([]byte("another one"))
	named        = store.CallName{Retailer: "r", Caller: "admin\na", Key: "8e03978e"}
	created      = store.Answer{Status: 201, Header: map[string]string{"ETag": `"1"`}, Body: []byte(`{"id":"told-once"}`)}
)

func openDocuments(t *testing.T) *embedded.Store {
	t.Helper()
	documents, err := embedded.Open(t.TempDir(), embedded.Options{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := documents.Close(); err != nil {
			t.Error(err)
		}
	})
	return documents
}

// TestCallIsCarriedOutOnce follows one key through the processes and days that may meet it.
func TestCallIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	const within = 5 * time.Second
	begin := func(t *testing.T, c *store.Calls, name store.CallName, print [sha256.Size]byte, at time.Time) (*store.Call, *store.Answer, error) {
		t.Helper()
		return c.Begin(t.Context(), name, print, at, within)
	}
	t.Run("it is told its first answer, to whoever asks", func(t *testing.T) {
		documents := openDocuments(t)
		one, two := store.NewCalls(documents, installation, false), store.NewCalls(documents, installation, false)
		call, _, err := begin(t, one, named, asked, noon)
		if err != nil {
			t.Fatal(err)
		}
		if err := call.Answered(t.Context(), created); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*store.Calls{one, two, store.NewCalls(documents, installation, true)} {
			_, answer, err := begin(t, c, named, asked, noon.Add(23*time.Hour))
			if err != nil || answer == nil || answer.Status != 201 || answer.Header["ETag"] != `"1"` || !bytes.Equal(answer.Body, created.Body) {
				t.Errorf("got %+v, %v, want the first answer", answer, err)
			}
			if _, _, err := begin(t, c, named, otherwise, noon); !errors.Is(err, store.ErrOtherCall) {
				t.Errorf("another call: got %v, want %v", err, store.ErrOtherCall)
			}
		}
		for _, other := range []store.CallName{{"q", named.Caller, named.Key}, {named.Retailer, "admin\nb", named.Key}, {named.Retailer, named.Caller, "8e03978f"}} {
			if call, _, err := begin(t, two, other, asked, noon); err != nil || call == nil {
				t.Errorf("%+v: got %v, want a call of its own", other, err)
			}
		}
	})
	t.Run("while it is under way it is not begun again", func(t *testing.T) {
		documents := openDocuments(t)
		var mu sync.Mutex
		began, underWay := 0, 0
		var all sync.WaitGroup
		for range 8 {
			c := store.NewCalls(documents, installation, false)
			all.Go(func() {
				call, _, err := begin(t, c, named, asked, noon)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case call != nil:
					began++
				case errors.Is(err, store.ErrUnderWay):
					underWay++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if began != 1 || underWay != 7 {
			t.Errorf("%d began and %d were told to wait, want 1 and 7", began, underWay)
		}
		if _, _, err := begin(t, store.NewCalls(documents, installation, false), named, otherwise, noon); !errors.Is(err, store.ErrOtherCall) {
			t.Errorf("another call: got %v, want %v", err, store.ErrOtherCall)
		}
	})
	t.Run("after its process died another carries it out, and the first can answer no more", func(t *testing.T) {
		documents := openDocuments(t)
		first, _, err := begin(t, store.NewCalls(documents, installation, false), named, asked, noon)
		if err != nil {
			t.Fatal(err)
		}
		other := store.NewCalls(documents, installation, false)
		if _, _, err := begin(t, other, named, asked, noon.Add(within)); !errors.Is(err, store.ErrUnderWay) {
			t.Errorf("at its deadline: got %v, want %v", err, store.ErrUnderWay)
		}
		second, _, err := begin(t, other, named, asked, noon.Add(within+time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if first.ID != second.ID {
			t.Errorf("the call is %q, then %q", first.ID, second.ID)
		}
		if err := first.Answered(t.Context(), created); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a late answer: got %v, want %v", err, store.ErrConflict)
		}
		// A process that alone has the store knows that nobody else is at it.
		if _, _, err := begin(t, store.NewCalls(documents, installation, true), named, asked, noon); err != nil {
			t.Error(err)
		}
	})
	t.Run("what broke off is tried again at once", func(t *testing.T) {
		calls := store.NewCalls(openDocuments(t), installation, false)
		call, _, err := begin(t, calls, named, asked, noon)
		if err != nil {
			t.Fatal(err)
		}
		if err := call.Broken(t.Context()); err != nil {
			t.Fatal(err)
		}
		if call, _, err = begin(t, calls, named, asked, noon); err != nil || call == nil {
			t.Errorf("got %v, want the call", err)
		}
	})
	t.Run("it is forgotten after a day, and with its caller", func(t *testing.T) {
		documents := openDocuments(t)
		calls := store.NewCalls(documents, installation, true)
		left := func() int {
			names, _, err := documents.Partitions(t.Context(), "", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			return len(names)
		}
		for _, key := range []string{"a", "b"} {
			for _, who := range []string{"one", "two"} {
				call, _, err := begin(t, calls, store.CallName{Retailer: "r", Caller: who, Key: key}, asked, noon)
				if err != nil {
					t.Fatal(err)
				}
				if err := call.Answered(t.Context(), created); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := calls.Forget(t.Context(), "r", "one"); err != nil || left() != 2 {
			t.Errorf("of four calls of two callers %d are left, %v, want 2", left(), err)
		}
		if err := calls.Sweep(t.Context(), noon.Add(store.CallsKept)); err != nil || left() != 2 {
			t.Errorf("after a day %d are left, %v, want 2", left(), err)
		}
		if err := calls.Sweep(t.Context(), noon.Add(store.CallsKept+time.Millisecond)); err != nil || left() != 0 {
			t.Errorf("after more than a day %d are left, %v, want none", left(), err)
		}
	})
	t.Run("a call that erases its caller is answered all the same", func(t *testing.T) {
		calls := store.NewCalls(openDocuments(t), installation, true)
		call, _, err := begin(t, calls, named, asked, noon)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(calls.Forget(t.Context(), named.Retailer, named.Caller), call.Answered(t.Context(), created)); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := begin(t, calls, named, asked, noon); err != nil || answer == nil {
			t.Errorf("got %v, %v, want the answer", answer, err)
		}
	})
}

// TestEditOfCallIsMadeOnce lets a process die between an edit and its answer: carried out again, the call finds what it did, though
// others edited the same since.
func TestEditOfCallIsMadeOnce(t *testing.T) {
	t.Parallel()
	documents := openDocuments(t)
	entries := store.NewEntries(documents)
	edit := func(call string, e store.Edit) store.Outcome {
		t.Helper()
		e.Call = call
		outcomes, err := entries.Apply(t.Context(), "r", store.ProductEntry, "admin a", noon, []store.Edit{e})
		if err != nil {
			t.Fatal(err)
		}
		return outcomes[0]
	}
	begin := func() *store.Call {
		t.Helper()
		call, _, err := store.NewCalls(documents, installation, true).Begin(t.Context(), named, asked, noon, time.Second)
		if err != nil || call == nil {
			t.Fatal(call, err)
		}
		return call
	}
	first := edit(begin().ID, store.Edit{ID: "made-first", Body: []byte(`1`), Expect: version(0)})
	edit("", store.Edit{ID: "made-first", Body: []byte(`2`)})
	again := edit(begin().ID, store.Edit{ID: "made-again", Body: []byte(`1`), Expect: version(0)})
	if !first.Created || !again.Created || again.Entry.ID != "made-first" || again.Entry.Version != 1 || string(again.Entry.Body) != `1` || !again.Entry.At.Equal(noon) {
		t.Errorf("got %+v, then %+v", first, again)
	}
	if now, err := entries.Get(t.Context(), "r", store.ProductEntry, "made-first"); err != nil || string(now.Body) != `2` {
		t.Errorf("the edit in between: got %s, %v, want 2", now.Body, err)
	}
	if _, err := entries.Get(t.Context(), "r", store.ProductEntry, "made-again"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the second try made one, too: %v", err)
	}
	if err := store.NewCalls(documents, installation, true).Sweep(t.Context(), noon.Add(2*store.CallsKept)); err != nil {
		t.Fatal(err)
	}
	if later := edit("x", store.Edit{ID: "made-first", Body: []byte(`3`)}); later.Entry.Version != 3 {
		t.Errorf("after the sweep: got version %d, want 3", later.Entry.Version)
	}
}

// TestAnswersAreSealed reads what a store holds of an answer: neither it nor the key.
func TestAnswersAreSealed(t *testing.T) {
	t.Parallel()
	documents := openDocuments(t)
	call, _, err := store.NewCalls(documents, installation, true).Begin(t.Context(), named, asked, noon, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Answered(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	if err := store.WriteArchive(t.Context(), documents, &all, func(_ string, page []byte) ([]byte, bool, error) { return page, false, nil }); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"told-once", named.Key, named.Caller} {
		if bytes.Contains(all.Bytes(), []byte(secret)) {
			t.Errorf("the store holds %q", secret)
		}
	}
	if !bytes.Contains(all.Bytes(), []byte("sealed")) {
		t.Error("the store holds no answer: the test proves nothing")
	}
}
