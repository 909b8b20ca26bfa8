package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/server/store"
	"satnav/server/store/storetest"
)

// ledger is what a store has promised: the last state of each partition that it acknowledged or let a reader see. Its check
// holds a store that was opened again to that.
//
// The state of a partition is one number n that counts its commits. Each commit rewrites the whole partition to what
// contents(n) says, such that a part of a commit, a commit out of order, or a mark without its document is seen.
type ledger struct {
	mu       sync.Mutex
	promised map[string]promise
}

type promise struct {
	n        int
	revision store.Revision
}

func newLedger() *ledger { return &ledger{promised: map[string]promise{}} }

func (l *ledger) promise(partition string, n int, revision store.Revision) {
	if n == 0 {
		return // a reader found nothing: no promise
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.promised[partition]
	l.promised[partition] = promise{max(p.n, n), max(p.revision, revision)}
}

// copy returns what is promised by now.
func (l *ledger) copy() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newLedger()
	for partition, p := range l.promised {
		c.promised[partition] = p
	}
	return c
}

// total returns the sum of all promised counts.
func (l *ledger) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.promised {
		n += p.n
	}
	return n
}

const logLength = 4

func logID(n int) string { return fmt.Sprintf("log/%08d", n) }

// contents returns all documents of a partition in state n, in order.
func contents(partition string, n int) (documents []store.Document) {
	add := func(id string, n int, kind string) {
		documents = append(documents, store.Document{
			Partition: partition, ID: id, Body: storetest.Body(n), Marks: []store.Mark{{Kind: kind, At: time.Unix(int64(n), 0).UTC()}},
		})
	}
	if n == 0 {
		return nil
	}
	add("a", n, "state")
	add("b", n, "state")
	if n%3 == 0 {
		add("extra", n, "state")
	}
	for i := max(1, n-logLength+1); i <= n; i++ {
		add(logID(i), i, "log")
	}
	return documents
}

// step commits the next state of a partition, against the revision of the state that it read.
func step(ctx context.Context, d store.Documents, partition string, lazy bool) (promise, error) {
	read, err := see(ctx, d, partition)
	if err != nil {
		return promise{}, err
	}
	n := read.n + 1
	b := store.Batch{Partition: partition, Expect: &read.revision, Lazy: lazy, Delete: []string{logID(n - logLength)}}
	if n%3 != 0 {
		b.Delete = append(b.Delete, "extra")
	}
	for _, doc := range contents(partition, n) {
		if !strings.HasPrefix(doc.ID, "log/") || doc.ID == logID(n) {
			b.Put = append(b.Put, doc)
		}
	}
	revision, err := d.Commit(ctx, b)
	return promise{n, revision}, err
}

// see reads the state of a partition.
func see(ctx context.Context, d store.Documents, partition string) (promise, error) {
	page, err := d.Scan(ctx, partition, "", "", 0)
	if err != nil {
		return promise{}, err
	}
	return promise{stateOf(page.Documents), page.Revision}, nil
}

func stateOf(documents []store.Document) int {
	if len(documents) == 0 {
		return 0
	}
	n, _ := documents[0].Body.Lookup("n").AsInt64OK()
	return int(n)
}

// check returns all that is wrong with a store.
func (l *ledger) check(ctx context.Context, d store.Documents) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong []error
	found, _, err := d.Partitions(ctx, "", "", 0)
	if err != nil {
		return err
	}
	for partition := range l.promised {
		if !slices.Contains(found, partition) {
			wrong = append(wrong, fmt.Errorf("partition %s is lost", partition))
		}
	}
	var marks []string
	for _, partition := range found {
		page, err := d.Scan(ctx, partition, "", "", 0)
		if err != nil {
			return err
		}
		n, want := stateOf(page.Documents), l.promised[partition]
		if n < want.n {
			wrong = append(wrong, fmt.Errorf("partition %s is in state %d, %d was promised", partition, n, want.n))
		}
		if page.Revision < want.revision {
			wrong = append(wrong, fmt.Errorf("partition %s is at revision %d, %d was promised", partition, page.Revision, want.revision))
		}
		if got, want := fmt.Sprintf("%+v", page.Documents), fmt.Sprintf("%+v", contents(partition, n)); got != want {
			wrong = append(wrong, fmt.Errorf("partition %s is half in state %d:\n%s, want\n%s", partition, n, got, want))
		}
		for _, doc := range contents(partition, n) {
			marks = append(marks, fmt.Sprint(doc.Marks[0].Kind, doc.Marks[0].At.Unix(), doc.Partition, doc.ID))
		}
	}
	var listed []string
	for _, kind := range []string{"state", "log"} {
		var after store.Position
		for more := true; more; {
			var found []store.Marked
			if found, more, err = d.Marked(ctx, kind, "", after, time.Time{}, 100); err != nil {
				return errors.Join(append(wrong, err)...)
			}
			for _, m := range found {
				listed = append(listed, fmt.Sprint(kind, m.At.Unix(), m.Partition, m.ID))
				after = m.Position()
			}
		}
	}
	slices.Sort(marks)
	slices.Sort(listed)
	if !slices.Equal(marks, listed) {
		wrong = append(wrong, fmt.Errorf("marks do not agree with documents: listed %q, want %q", listed, marks))
	}
	return errors.Join(wrong...)
}

// work has writers and readers at a store until the context ends or the store breaks down, and tells what it promised.
// Partitions d… get durable commits, each from two writers; partitions l… lazy ones between durable ones, of which only those
// are a promise.
func work(ctx context.Context, d store.Documents, told func(partition string, p promise)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 6 {
		partition := fmt.Sprint("d", i/2)
		wg.Go(func() {
			for {
				p, err := step(ctx, d, partition, false)
				switch {
				case err == nil:
					told(partition, p)
				case !errors.Is(err, store.ErrConflict):
					return
				}
			}
		})
	}
	for i := range 2 {
		partition := fmt.Sprint("l", i)
		wg.Go(func() {
			for n := 0; ; n++ {
				lazy := n%4 != 0
				p, err := step(ctx, d, partition, lazy)
				if err != nil {
					return
				}
				if !lazy {
					told(partition, p)
				}
			}
		})
	}
	for i := range 2 {
		wg.Go(func() {
			for n := i; ; n++ {
				partition := fmt.Sprint("d", n%3)
				p, err := see(ctx, d, partition)
				if err != nil {
					return
				}
				told(partition, p)
			}
		})
	}
}

func TestLedgerFindsWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		do   func(d store.Documents, l *ledger) error
		want string
	}{
		{"nothing is wrong", func(store.Documents, *ledger) error { return nil }, ""},
		{"a lost commit", func(_ store.Documents, l *ledger) error { l.promise("p", 6, 6); return nil }, "6 was promised"},
		{"a lost partition", func(_ store.Documents, l *ledger) error { l.promise("q", 1, 1); return nil }, "partition q is lost"},
		{"half a commit", func(d store.Documents, _ *ledger) error {
			_, err := d.Commit(ctx, store.Batch{Partition: "p", Put: contents("p", 6)[:1]})
			return err
		}, "half in state 6"},
		{"a lost mark", func(d store.Documents, _ *ledger) error {
			s := d.(*Store)
			return s.db.Delete(appendMarkKey(nil, "state", "", 5000, "p", "a"), nil)
		}, "marks do not agree"},
		{"a mark too many", func(d store.Documents, _ *ledger) error {
			s := d.(*Store)
			return s.db.Set(appendMarkKey(nil, "state", "", 4000, "p", "a"), nil, nil)
		}, "marks do not agree"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, l := open(t, t.TempDir()), newLedger()
			defer d.Close()
			for range 5 {
				p, err := step(ctx, d, "p", false)
				if err != nil {
					t.Fatal(err)
				}
				l.promise("p", p.n, p.revision)
			}
			if err := c.do(d, l); err != nil {
				t.Fatal(err)
			}
			err := l.check(ctx, d)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("check says %v, want %q", err, c.want)
			}
		})
	}
}
