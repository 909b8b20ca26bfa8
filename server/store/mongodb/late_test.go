package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
	"satnav/server/store/mongodb/mongotest"
)

func body(n int) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "n", Value: int64(n)}})
	if err != nil {
		panic(err)
	}
	return raw
}

// stored commits a batch as a process does that dies right after the commit: nothing of it is applied.
func stored(t *testing.T, s *Store, b store.Batch) *head {
	t.Helper()
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	current, err := s.settledHead(t.Context(), b.Partition)
	if err != nil {
		t.Fatal(err)
	}
	pending, kinds := batchOf(b)
	next := &head{Key: headKey(b.Partition), Partition: b.Partition, Name: b.Partition, Commit: bson.NewObjectID(), At: time.Now().UTC(), Revision: 1, Pending: pending, Waiting: &kinds}
	var from store.Revision
	if current != nil {
		from = current.Revision
		next.Revision = from + 1
	}
	ok, err := s.swap(t.Context(), next, from, current != nil, false)
	if !ok || err != nil {
		t.Fatalf("stored %v, %v", ok, err)
	}
	return next
}

// TestWhoeverReadsAppliesFirst holds that a batch whose maker died is seen by every verb, whole, by each as the first to look.
func TestWhoeverReadsAppliesFirst(t *testing.T) {
	t.Parallel()
	s := open(t, mongotest.URL(t))
	defer s.Close()
	due := store.Mark{Kind: "due", Key: "k", At: time.Unix(7, 0).UTC()}
	for _, c := range []struct {
		name string
		look func(ctx context.Context, partition string) error
	}{
		{"get", func(ctx context.Context, p string) error {
			if d, err := s.Get(ctx, p, "new"); err != nil || d.Body.Lookup("n").AsInt64() != 2 {
				return fmt.Errorf("new is %v, %v", d.Body, err)
			}
			if _, err := s.Get(ctx, p, "old"); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("old is there: %v", err)
			}
			return nil
		}},
		{"scan", func(ctx context.Context, p string) error {
			page, err := s.Scan(ctx, p, "", "", 0)
			if err != nil || len(page.Documents) != 1 || page.Documents[0].ID != "new" {
				return fmt.Errorf("scan finds %v, %v", page.Documents, err)
			}
			return nil
		}},
		{"scan of a part", func(ctx context.Context, p string) error {
			page, err := s.Scan(ctx, p, "m", "", 0)
			if err != nil || len(page.Documents) != 1 || page.Documents[0].ID != "new" {
				return fmt.Errorf("scan finds %v, %v", page.Documents, err)
			}
			return nil
		}},
		{"marked", func(ctx context.Context, p string) error {
			found, _, err := s.Marked(ctx, "due", "k", store.Position{}, time.Time{}, 0)
			if err != nil {
				return err
			}
			for _, m := range found {
				if m.Partition == p && m.ID == "new" && m.At.Equal(due.At) {
					return nil
				}
			}
			return fmt.Errorf("marked finds %v", found)
		}},
		{"revision and commit", func(ctx context.Context, p string) error {
			revision, err := s.Revision(ctx, p)
			if err != nil {
				return err
			}
			if _, err = s.Commit(ctx, store.Batch{Partition: p, Expect: &revision, Put: []store.Document{{ID: "later", Body: body(3)}}}); err != nil {
				return err
			}
			page, err := s.Scan(ctx, p, "", "", 0)
			if err != nil || len(page.Documents) != 2 {
				return fmt.Errorf("scan finds %v, %v", page.Documents, err)
			}
			return nil
		}},
		{"erase", func(ctx context.Context, p string) error {
			if left, err := s.Erase(ctx, p); left || err != nil {
				return fmt.Errorf("left %v, %v", left, err)
			}
			page, err := s.Scan(ctx, p, "", "", 0)
			if err != nil || page.Revision != 0 || len(page.Documents) != 0 {
				return fmt.Errorf("scan finds %v, %v", page, err)
			}
			return nil
		}},
		{"sweep", func(ctx context.Context, p string) error {
			if err := s.sweep(ctx, time.Now().Add(2*time.Minute)); err != nil {
				return err
			}
			left, err := s.waiting(ctx, bson.D{{Key: fieldPartition, Value: p}, {Key: fieldWaiting, Value: bson.D{{Key: "$exists", Value: true}}}})
			if err != nil || len(left) > 0 {
				return fmt.Errorf("left pending: %v, %v", left, err)
			}
			return nil
		}},
	} {
		p := "of " + c.name
		if _, err := s.Commit(t.Context(), store.Batch{Partition: p, Put: []store.Document{{ID: "old", Body: body(1), Marks: []store.Mark{due}}}}); err != nil {
			t.Fatal(err)
		}
		stored(t, s, store.Batch{Partition: p, Put: []store.Document{{ID: "new", Body: body(2), Marks: []store.Mark{due}}}, Delete: []string{"old"}})
		if err := c.look(t.Context(), p); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestLateAppliersChangeNothing applies batches again after others followed, as a process does that was asleep meanwhile.
func TestLateAppliersChangeNothing(t *testing.T) {
	t.Parallel()
	s := open(t, mongotest.URL(t))
	defer s.Close()
	at := func(seconds int64) []store.Mark {
		return []store.Mark{{Kind: "due", At: time.Unix(seconds, 0).UTC()}}
	}
	var late []*head
	for _, b := range []store.Batch{
		{Put: []store.Document{{ID: "a", Body: body(1), Marks: at(1)}, {ID: "b", Body: body(1), Marks: at(1)}}},
		{Put: []store.Document{{ID: "a", Body: body(2), Marks: at(2)}, {ID: "c", Body: body(2)}}},
		{Delete: []string{"b", "c"}},
		{Put: []store.Document{{ID: "b", Body: body(3), Marks: at(1)}, {ID: "a", Body: body(3)}}},
		{Put: []store.Document{{ID: "a", Body: body(4), Marks: at(2)}}, Delete: []string{"b"}},
	} {
		b.Partition = "p"
		late = append(late, stored(t, s, b))
	}
	look := func() string {
		page, err := s.Scan(t.Context(), "p", "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := s.Marked(t.Context(), "due", "", store.Position{}, time.Time{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(page.Documents, page.Revision, found)
	}
	want := look()
	for _, h := range late {
		if err := s.apply(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != want {
			t.Fatalf("after revision %d was applied again:\n%s, want\n%s", h.Revision, got, want)
		}
	}
	if left, err := s.Erase(t.Context(), "p"); left || err != nil {
		t.Fatalf("left %v, %v", left, err)
	}
	gone := look()
	for _, h := range late {
		if err := s.apply(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != gone {
			t.Fatalf("after revision %d came back from an erasure:\n%s, want\n%s", h.Revision, got, gone)
		}
	}
	if err := s.sweep(t.Context(), time.Now().Add(2*tombstoneAge)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.collection.CountDocuments(t.Context(), bson.D{}); n != 0 || err != nil {
		t.Errorf("a swept database holds %d documents, %v", n, err)
	}
}

// TestAwayIsUnavailable holds that a server that is not there is told in the port's words, without the password.
func TestAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "mongodb://anna:secret@127.0.0.1:1/x?serverSelectionTimeoutMS=50", Options{})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
	if text := fmt.Sprint(err); len(text) == 0 || strings.Contains(text, "secret") {
		t.Errorf("the error tells the password: %s", text)
	}
}
