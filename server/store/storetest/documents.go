// Package storetest is the contract of the documents port as tests: one suite, which every engine passes. Each promise of
// [store.Documents] is a subtest named after it; a random walk beside a twin in memory looks for what nobody thought of.
//
// What was decided against: mocks of the port. Tests above it run on a real engine in a temporary folder.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
)

// Open opens the store that lies at a place, a path below a temporary folder that nothing else uses. Opened again after
// Close, the same place holds the same data. It fails the test when it cannot.
type Open func(t testing.TB, place string) store.Documents

// Run holds an engine to every promise of the port.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Documents)
	}{
		{"what was put is got", putIsGot},
		{"what does not exist is not found", notFound},
		{"put replaces and delete removes", replaceAndRemove},
		{"each commit moves the revision", revisionMoves},
		{"a commit expects a revision", expect},
		{"a refused batch leaves no trace", refusedLeavesNoTrace},
		{"a batch is seen whole or not at all", seenWhole},
		{"concurrent increments are exact", increments},
		{"of many first commits one wins", oneFirst},
		{"commits that expect nothing all land", unconditional},
		{"a scan is in order of id", scanOrder},
		{"a scan keeps to its range", scanRange},
		{"a scan goes on where it ended", scanPages},
		{"a scan of large documents ends early", scanLarge},
		{"partitions do not mix", isolation},
		{"partitions are listed", partitions},
		{"marks are listed in order of time", marksOrder},
		{"marks keep to their range", marksRange},
		{"a listing of marks goes on where it ended", marksPages},
		{"marks follow their document", marksFollow},
		{"kinds and keys of marks do not mix", marksIsolation},
		{"an erased partition is gone", erase},
		{"a large partition is erased in steps", eraseSteps},
		{"revisions never come again", revisionsNeverAgain},
		{"names are checked", names},
		{"documents are checked", documents},
		{"batches are bounded", bounds},
		{"the largest of everything fits", largest},
		{"lazy commits are seen at once", lazy},
		{"memory is not shared", memory},
		{"what is given may be used again at once", usedAgain},
		{"a code is redeemed once by two processes", codesOnce},
		{"two processes hand out no more than a quota", quotasExact},
		{"an ended context ends every verb", cancelled},
		{"a closed store refuses every verb", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, t.TempDir()+"/store")
			t.Cleanup(func() { d.Close() })
			c.test(t, d)
		})
	}
	t.Run("all is there when opened again", func(t *testing.T) {
		t.Parallel()
		reopen(t, open)
	})
	t.Run("random walk beside a twin", func(t *testing.T) {
		t.Parallel()
		walk(t, open)
	})
}

// Body returns a small document that holds n.
func Body(n int) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "n", Value: int64(n)}})
	if err != nil {
		panic(err)
	}
	return raw
}

// number returns what Body was made of.
func number(t testing.TB, d store.Document) int {
	t.Helper()
	n, ok := d.Body.Lookup("n").AsInt64OK()
	if !ok {
		t.Fatalf("document %q of %q holds %v, want a number n", d.ID, d.Partition, d.Body)
	}
	return int(n)
}

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }

func mark(kind, key string, seconds int) store.Mark {
	return store.Mark{Kind: kind, Key: key, At: at(seconds)}
}

func put(t testing.TB, d store.Documents, partition string, documents ...store.Document) store.Revision {
	t.Helper()
	revision, err := d.Commit(t.Context(), store.Batch{Partition: partition, Put: documents})
	if err != nil {
		t.Fatalf("commit to %q: %v", partition, err)
	}
	return revision
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// scan returns all documents of a range, page by page.
func scan(t testing.TB, d store.Documents, partition, from, to string, limit int) (documents []store.Document, revision store.Revision) {
	t.Helper()
	for {
		page, err := d.Scan(t.Context(), partition, from, to, limit)
		if err != nil {
			t.Fatalf("scan %q: %v", partition, err)
		}
		documents, revision = append(documents, page.Documents...), page.Revision
		if page.Next == "" {
			return documents, revision
		}
		if page.Next <= from {
			t.Fatalf("scan %q from %q continues at %q: no progress", partition, from, page.Next)
		}
		from = page.Next
	}
}

// marked returns all documents of a listing, page by page.
func marked(t testing.TB, d store.Documents, kind, key string, after store.Position, to time.Time, limit int) (all []store.Marked) {
	t.Helper()
	for {
		found, more, err := d.Marked(t.Context(), kind, key, after, to, limit)
		if err != nil {
			t.Fatalf("marked %q %q: %v", kind, key, err)
		}
		all = append(all, found...)
		if !more {
			return all
		}
		if len(found) == 0 {
			t.Fatalf("marked %q %q: an empty answer says that more follow", kind, key)
		}
		after = found[len(found)-1].Position()
	}
}

func idsOf(documents []store.Document) string {
	ids := make([]string, len(documents))
	for i, d := range documents {
		ids[i] = d.ID
	}
	return strings.Join(ids, " ")
}

// places returns "partition:id" of each, in order.
func places(found []store.Marked) string {
	ids := make([]string, len(found))
	for i, m := range found {
		ids[i] = m.Partition + ":" + m.ID
	}
	return strings.Join(ids, " ")
}

func putIsGot(t *testing.T, d store.Documents) {
	rich, err := bson.Marshal(bson.D{
		{Key: "", Value: "an empty name"}, {Key: "текст", Value: "größe 😀 \x00 NUL"}, {Key: "list", Value: bson.A{1, "two", bson.D{}}},
		{Key: "when", Value: at(5)}, {Key: "bytes", Value: []byte{0, 255}}, {Key: "nothing", Value: nil}, {Key: "pi", Value: math.Pi},
	})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := bson.Marshal(bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []store.Document{
		{ID: "plain", Body: Body(1)},
		{ID: "rich", Body: rich},
		{ID: "empty", Body: empty},
		{ID: "größe/😀 \x01\x7f", Body: Body(2)},
		{ID: "marked", Body: Body(3), Marks: []store.Mark{mark("a", "", -1), mark("a", "b", 7), mark("b", "a", 1<<35)}},
	} {
		revision := put(t, d, "p", want)
		got, err := d.Get(t.Context(), "p", want.ID)
		if err != nil {
			t.Fatal(err)
		}
		want.Partition = "p"
		wantSame(t, got, want)
		documents, scanned := scan(t, d, "p", want.ID, want.ID+"\x01", 0)
		if len(documents) != 1 || scanned != revision {
			t.Fatalf("scan found %d documents at revision %d, want 1 at %d", len(documents), scanned, revision)
		}
		wantSame(t, documents[0], want)
	}
}

func wantSame(t testing.TB, got, want store.Document) {
	t.Helper()
	if !bytes.Equal(got.Body, want.Body) {
		t.Fatalf("document %q of %q has body\n%.1000x, want\n%.1000x", got.ID, got.Partition, []byte(got.Body), []byte(want.Body))
	}
	got.Body, want.Body = nil, nil
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("got document\n%s, want\n%s", g, w)
	}
}

func notFound(t *testing.T, d store.Documents) {
	_, err := d.Get(t.Context(), "p", "a")
	wantError(t, err, store.ErrNotFound)
	if documents, revision := scan(t, d, "p", "", "", 0); len(documents) != 0 || revision != 0 {
		t.Fatalf("scan of nothing: %d documents, revision %d", len(documents), revision)
	}
	if revision, err := d.Revision(t.Context(), "p"); revision != 0 || err != nil {
		t.Fatalf("revision of nothing: %d, %v", revision, err)
	}
	put(t, d, "p", store.Document{ID: "b", Body: Body(1)})
	_, err = d.Get(t.Context(), "p", "a")
	wantError(t, err, store.ErrNotFound)
	for _, named := range []string{`"p"`, `"a"`} {
		if !strings.Contains(err.Error(), named) {
			t.Errorf("error %q does not name %s", err, named)
		}
	}
}

func replaceAndRemove(t *testing.T, d store.Documents) {
	put(t, d, "p", store.Document{ID: "a", Body: Body(1)}, store.Document{ID: "b", Body: Body(2)}, store.Document{ID: "c", Body: Body(3)})
	_, err := d.Commit(t.Context(), store.Batch{
		Partition: "p",
		Put:       []store.Document{{ID: "a", Body: Body(10)}, {Partition: "p", ID: "d", Body: Body(4)}},
		Delete:    []string{"b", "never there"},
	})
	if err != nil {
		t.Fatal(err)
	}
	documents, _ := scan(t, d, "p", "", "", 0)
	if got := idsOf(documents); got != "a c d" {
		t.Fatalf("left are %q, want a c d", got)
	}
	if n := number(t, documents[0]); n != 10 {
		t.Errorf("a holds %d, want 10", n)
	}
	_, err = d.Get(t.Context(), "p", "b")
	wantError(t, err, store.ErrNotFound)
}

func revisionMoves(t *testing.T, d store.Documents) {
	last := store.Revision(0)
	for i, b := range []store.Batch{
		{Put: []store.Document{{ID: "a", Body: Body(1)}}},
		{Put: []store.Document{{ID: "a", Body: Body(1)}}},
		{Delete: []string{"a"}},
		{Delete: []string{"a"}},
		{},
		{Lazy: true, Put: []store.Document{{ID: "a", Body: Body(1)}}},
		{Put: []store.Document{{ID: "b", Body: Body(1)}}},
	} {
		b.Partition = "p"
		revision, err := d.Commit(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if revision <= last {
			t.Fatalf("commit %d: revision %d after %d", i, revision, last)
		}
		last = revision
		if now, err := d.Revision(t.Context(), "p"); now != last || err != nil {
			t.Fatalf("commit %d: revision is %d, %v, want %d", i, now, err, last)
		}
		if _, now := scan(t, d, "p", "", "", 0); now != last {
			t.Fatalf("commit %d: scan tells revision %d, want %d", i, now, last)
		}
	}
	if other, err := d.Revision(t.Context(), "q"); other != 0 || err != nil {
		t.Fatalf("another partition moved to %d, %v", other, err)
	}
}

func expect(t *testing.T, d store.Documents) {
	first := put(t, d, "p", store.Document{ID: "a", Body: Body(1)})
	second := put(t, d, "p", store.Document{ID: "a", Body: Body(2)})
	for _, c := range []struct {
		name      string
		partition string
		give      store.Revision
		want      error
	}{
		{"an older one", "p", first, store.ErrConflict},
		{"a later one", "p", second + 1, store.ErrConflict},
		{"none, of one that is there", "p", 0, store.ErrConflict},
		{"a negative one", "p", -1, store.ErrConflict},
		{"one of another that is not there", "q", first, store.ErrConflict},
		{"the present one", "p", second, nil},
		{"none, of one that is not there", "r", 0, nil},
	} {
		before, err := d.Revision(t.Context(), c.partition)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Commit(t.Context(), store.Batch{Partition: c.partition, Expect: &c.give, Put: []store.Document{{ID: "b", Body: Body(3)}}})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
		after, err := d.Revision(t.Context(), c.partition)
		if err != nil {
			t.Fatal(err)
		}
		if moved := after != before; moved != (c.want == nil) {
			t.Errorf("%s: revision went from %d to %d", c.name, before, after)
		}
	}
}

func refusedLeavesNoTrace(t *testing.T, d store.Documents) {
	before := put(t, d, "p", store.Document{ID: "a", Body: Body(1), Marks: []store.Mark{mark("m", "", 1)}})
	good := store.Document{ID: "a", Body: Body(2), Marks: []store.Mark{{Kind: "n", At: at(1)}}}
	wrong := before + 1
	for _, c := range []struct {
		name string
		give store.Batch
		want error
	}{
		{"conflict", store.Batch{Expect: &wrong, Put: []store.Document{good, {ID: "b", Body: Body(3)}}}, store.ErrConflict},
		{"conflict on delete", store.Batch{Expect: &wrong, Delete: []string{"a"}}, store.ErrConflict},
		{"a bad one behind a good one", store.Batch{Put: []store.Document{good, {ID: "", Body: Body(3)}}}, store.ErrInvalid},
		{"a bad delete behind a good put", store.Batch{Put: []store.Document{good}, Delete: []string{"\x00"}}, store.ErrInvalid},
		{"marks known at no revision", store.Batch{Put: []store.Document{{ID: "b", Body: Body(3), Known: true}}}, store.ErrInvalid},
		{"too large", store.Batch{Put: []store.Document{good}, Delete: make([]string, store.MaxBatchDocuments)}, store.ErrTooLarge},
	} {
		c.give.Partition = "p"
		if _, err := d.Commit(t.Context(), c.give); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
		documents, revision := scan(t, d, "p", "", "", 0)
		if idsOf(documents) != "a" || number(t, documents[0]) != 1 || revision != before {
			t.Fatalf("%s left a trace: %v at revision %d", c.name, documents, revision)
		}
		if got := places(marked(t, d, "m", "", store.Position{}, time.Time{}, 0)); got != "p:a" {
			t.Fatalf("%s left a trace in the marks: %q", c.name, got)
		}
		if got := places(marked(t, d, "n", "", store.Position{}, time.Time{}, 0)); got != "" {
			t.Fatalf("%s set a mark: %q", c.name, got)
		}
	}
}

// seenWhole has writers that give all documents of a partition, and their marks, the same number, and readers that must never
// see two different ones.
func seenWhole(t *testing.T, d store.Documents) {
	const writers, readers, commits, documents = 3, 3, 40, 5
	var writing, reading sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for i := range commits {
				n := w*commits + i
				var b []store.Document
				for j := range documents {
					b = append(b, store.Document{ID: string(rune('a' + j)), Body: Body(n), Marks: []store.Mark{{Kind: "n", At: at(n)}}})
				}
				if _, err := d.Commit(t.Context(), store.Batch{Partition: "p", Put: b}); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	for r := range readers {
		reading.Go(func() {
			last := store.Revision(0)
			for !done.Load() {
				if r == 0 {
					found, _, err := d.Marked(t.Context(), "n", "", store.Position{}, time.Time{}, 0)
					if err != nil {
						t.Errorf("marked: %v", err)
						return
					}
					if len(found) != 0 && len(found) != documents {
						t.Errorf("marked: %d documents of one batch, want %d", len(found), documents)
					}
					for _, m := range found {
						if n := number(t, m.Document); !m.At.Equal(found[0].At) || !m.At.Equal(at(n)) {
							t.Errorf("mark at %v on a document that holds %d, first is at %v", m.At, n, found[0].At)
						}
					}
					continue
				}
				page, err := d.Scan(t.Context(), "p", "", "", 0)
				if err != nil {
					t.Errorf("scan: %v", err)
					return
				}
				if page.Revision < last {
					t.Errorf("revision went back from %d to %d", last, page.Revision)
				}
				last = page.Revision
				if len(page.Documents) != 0 && len(page.Documents) != documents {
					t.Errorf("scan: %d documents of one batch, want %d", len(page.Documents), documents)
				}
				for _, doc := range page.Documents {
					if number(t, doc) != number(t, page.Documents[0]) {
						t.Errorf("scan: half of a batch: %v", page.Documents)
					}
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
}

func increments(t *testing.T, d store.Documents) {
	const writers, times = 8, 25
	var wg sync.WaitGroup
	told := make([][]store.Revision, writers)
	for w := range writers {
		wg.Go(func() {
			for range times {
				for {
					page, err := d.Scan(t.Context(), "counter", "", "", 0)
					if err != nil {
						t.Errorf("scan: %v", err)
						return
					}
					n := 0
					if len(page.Documents) > 0 {
						n = number(t, page.Documents[0])
					}
					revision, err := d.Commit(t.Context(), store.Batch{
						Partition: "counter", Expect: &page.Revision, Put: []store.Document{{ID: "n", Body: Body(n + 1)}},
					})
					if err == nil {
						told[w] = append(told[w], revision)
						break
					}
					if !errors.Is(err, store.ErrConflict) {
						t.Errorf("commit: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	got, err := d.Get(t.Context(), "counter", "n")
	if err != nil {
		t.Fatal(err)
	}
	if n := number(t, got); n != writers*times {
		t.Fatalf("counted to %d, want %d", n, writers*times)
	}
	seen := map[store.Revision]bool{}
	for _, revisions := range told {
		for _, r := range revisions {
			if seen[r] {
				t.Fatalf("revision %d was told to two writers", r)
			}
			seen[r] = true
		}
	}
}

func oneFirst(t *testing.T, d store.Documents) {
	var wg sync.WaitGroup
	var won, conflicts atomic.Int64
	for i := range 16 {
		wg.Go(func() {
			none := store.Revision(0)
			_, err := d.Commit(t.Context(), store.Batch{Partition: "code", Expect: &none, Put: []store.Document{{ID: "held by", Body: Body(i)}}})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, store.ErrConflict):
				conflicts.Add(1)
			default:
				t.Errorf("commit: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || conflicts.Load() != 15 {
		t.Fatalf("%d won and %d conflicts, want 1 and 15", won.Load(), conflicts.Load())
	}
}

func unconditional(t *testing.T, d store.Documents) {
	const writers, commits = 6, 15
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range commits {
				b := store.Batch{Partition: "p", Put: []store.Document{{ID: fmt.Sprintf("%d-%03d", w, i), Body: Body(i)}}, Lazy: i%3 == 1}
				if _, err := d.Commit(t.Context(), b); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if documents, _ := scan(t, d, "p", "", "", 7); len(documents) != writers*commits {
		t.Fatalf("%d documents are there, want %d", len(documents), writers*commits)
	}
}

func scanOrder(t *testing.T, d store.Documents) {
	inOrder := []string{"\x01", " ", "A", "Z", "a", "a\x01", "a/", "a/b", "aa", "ab", "b", "z", "é", "ﬀ", "😀"} // by bytes, not by any language
	for i := range inOrder {
		put(t, d, "p", store.Document{ID: inOrder[(i*7)%len(inOrder)], Body: Body(i)})
	}
	for _, limit := range []int{0, 1, 4, len(inOrder), 100_000} {
		documents, _ := scan(t, d, "p", "", "", limit)
		if got, want := idsOf(documents), strings.Join(inOrder, " "); got != want {
			t.Fatalf("limit %d: got order %q, want %q", limit, got, want)
		}
	}
}

func scanRange(t *testing.T, d store.Documents) {
	for _, id := range []string{"a", "aa", "ab", "b", "ba", "c"} {
		put(t, d, "p", store.Document{ID: id, Body: Body(0)})
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"all", "", "", "a aa ab b ba c"},
		{"from is inside", "aa", "", "aa ab b ba c"},
		{"to is outside", "", "b", "a aa ab"},
		{"between", "aa", "ba", "aa ab b"},
		{"bounds that are not there", "a0", "bz", "aa ab b ba"},
		{"all that begin with a", "a", "b", "a aa ab"},
		{"nothing between equal bounds", "b", "b", ""},
		{"nothing between bounds the wrong way round", "c", "a", ""},
		{"nothing after the last", "d", "", ""},
		{"nothing before the first", "", "A", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			documents, revision := scan(t, d, "p", c.from, c.to, 2)
			if got := idsOf(documents); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if revision == 0 {
				t.Error("no revision came with it")
			}
		})
	}
}

func scanPages(t *testing.T, d store.Documents) {
	var b []store.Document
	for i := range 10 {
		b = append(b, store.Document{ID: fmt.Sprintf("%02d", i), Body: Body(i)})
	}
	revision := put(t, d, "p", b...)
	for limit := 1; limit <= 11; limit++ {
		from, pages, seen := "", 0, 0
		for {
			page, err := d.Scan(t.Context(), "p", from, "", limit)
			if err != nil {
				t.Fatal(err)
			}
			if page.Revision != revision {
				t.Fatalf("page %d is of revision %d, want %d", pages, page.Revision, revision)
			}
			pages++
			seen += len(page.Documents)
			if page.Next == "" {
				break
			}
			if len(page.Documents) != limit {
				t.Fatalf("limit %d: a page of %d that is not the last", limit, len(page.Documents))
			}
			from = page.Next
		}
		if want := (10 + limit - 1) / limit; pages != want || seen != 10 {
			t.Errorf("limit %d: %d documents on %d pages, want 10 on %d", limit, seen, pages, want)
		}
	}
	// A page may begin at a document that is gone by then, and ends at what was added meanwhile.
	page, err := d.Scan(t.Context(), "p", "", "", 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Commit(t.Context(), store.Batch{Partition: "p", Delete: []string{page.Next}}); err != nil {
		t.Fatal(err)
	}
	rest, moved := scan(t, d, "p", page.Next, "", 0)
	if got := idsOf(rest); got != "04 05 06 07 08 09" || moved == page.Revision {
		t.Errorf("got %q at revision %d, want 04 to 09 at another than %d", got, moved, page.Revision)
	}
}

func scanLarge(t *testing.T, d store.Documents) {
	large, err := bson.Marshal(bson.D{{Key: "x", Value: make([]byte, store.MaxBatchBytes*3/8)}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		put(t, d, "p", store.Document{ID: fmt.Sprint(i), Body: large, Marks: []store.Mark{{Kind: "m", At: at(i)}}})
	}
	page, err := d.Scan(t.Context(), "p", "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if idsOf(page.Documents) != "0 1 2" || page.Next != "3" {
		t.Errorf("one answer holds %q and goes on at %q, want 0 1 2 and 3", idsOf(page.Documents), page.Next)
	}
	if documents, _ := scan(t, d, "p", "", "", 0); idsOf(documents) != "0 1 2 3 4 5 6 7" {
		t.Errorf("all pages hold %q", idsOf(documents))
	}
	found, more, err := d.Marked(t.Context(), "m", "", store.Position{}, time.Time{}, 0)
	if err != nil || len(found) != 3 || !more {
		t.Errorf("one listing holds %q, more %v, %v, want three and more", places(found), more, err)
	}
	if got := places(marked(t, d, "m", "", store.Position{}, time.Time{}, 0)); got != "p:0 p:1 p:2 p:3 p:4 p:5 p:6 p:7" {
		t.Errorf("all listings hold %q", got)
	}
}

// traps are names of which careless keys take one for the beginning of another.
var traps = []string{"a", "a/", "a/b", "a/b/c", "ab", "a\x01", "A", "aé", "b"}

func isolation(t *testing.T, d store.Documents) {
	revisions := map[string]store.Revision{}
	for i, partition := range traps {
		for j, id := range traps {
			revisions[partition] = put(t, d, partition, store.Document{ID: id, Body: Body(100*i + j)})
		}
	}
	for i, partition := range traps {
		documents, revision := scan(t, d, partition, "", "", 0)
		if len(documents) != len(traps) || revision != revisions[partition] {
			t.Fatalf("partition %q has %q at %d, want all at %d", partition, idsOf(documents), revision, revisions[partition])
		}
		for _, doc := range documents {
			if doc.Partition != partition || number(t, doc)/100 != i {
				t.Fatalf("partition %q has %q of %q", partition, doc.ID, doc.Partition)
			}
		}
	}
	if _, err := d.Commit(t.Context(), store.Batch{Partition: "a", Delete: traps}); err != nil {
		t.Fatal(err)
	}
	for _, partition := range traps[1:] {
		if documents, revision := scan(t, d, partition, "", "", 0); len(documents) != len(traps) || revision != revisions[partition] {
			t.Fatalf("emptying a changed %q: %q at %d", partition, idsOf(documents), revision)
		}
	}
}

func partitions(t *testing.T, d store.Documents) {
	for _, partition := range traps {
		for i := range 3 {
			put(t, d, partition, store.Document{ID: fmt.Sprint(i), Body: Body(i), Marks: []store.Mark{{Kind: "m", At: at(i)}}})
		}
	}
	put(t, d, "empty")
	if _, err := d.Erase(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	list := func(from, to string, limit int) string {
		var all []string
		for {
			names, next, err := d.Partitions(t.Context(), from, to, limit)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, names...)
			if next == "" {
				return strings.Join(all, " ")
			}
			if len(names) != limit {
				t.Fatalf("limit %d: %d names and more to come", limit, len(names))
			}
			if next <= from {
				t.Fatalf("a list from %q continues at %q: no progress", from, next)
			}
			from = next
		}
	}
	for _, limit := range []int{1, 3, 1000} {
		if got, want := list("", "", limit), "A a a\x01 a/ a/b a/b/c ab aé empty"; got != want {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
	if got, want := list("a/", "a0", 2), "a/ a/b a/b/c"; got != want {
		t.Errorf("those that begin with a/: got %q, want %q", got, want)
	}
	if got := list("b", "a", 2); got != "" {
		t.Errorf("bounds the wrong way round: got %q", got)
	}
}

func marksOrder(t *testing.T, d store.Documents) {
	for _, m := range []struct {
		partition, id string
		at            time.Time
	}{
		{"b", "x", at(10)}, {"a", "y", at(10)}, {"a", "x", at(10)}, {"ab", "a", at(10)}, {"c", "late", at(1 << 33)},
		{"z", "first", at(-1 << 33)}, {"z", "before 1970", at(-1)}, {"z", "1970", at(0)}, {"c", "9.999", at(10).Add(-time.Millisecond)},
	} {
		put(t, d, m.partition, store.Document{ID: m.id, Body: Body(1), Marks: []store.Mark{{Kind: "due", Key: "k", At: m.at}}})
	}
	want := "z:first z:before 1970 z:1970 c:9.999 a:x a:y ab:a b:x c:late"
	for _, limit := range []int{0, 1, 2, 5} {
		if got := places(marked(t, d, "due", "k", store.Position{}, time.Time{}, limit)); got != want {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
}

func marksRange(t *testing.T, d store.Documents) {
	for i := range 6 {
		put(t, d, "p", store.Document{ID: fmt.Sprint(i), Body: Body(i), Marks: []store.Mark{{Kind: "m", At: at(i).Add(900 * time.Microsecond)}}})
	}
	got := marked(t, d, "m", "", store.Position{}, time.Time{}, 0)
	if len(got) != 6 || !got[2].At.Equal(at(2)) || !got[2].Marks[0].At.Equal(at(2)) || got[2].At.Location() != time.UTC {
		t.Fatalf("marks were read back as %v, want whole milliseconds in UTC", got)
	}
	for _, c := range []struct {
		name  string
		after store.Position
		to    time.Time
		want  string
	}{
		{"from a time, inclusive", store.Position{At: at(3)}, time.Time{}, "p:3 p:4 p:5"},
		{"from just after a time", store.Position{At: at(3).Add(time.Nanosecond)}, time.Time{}, "p:4 p:5"},
		{"from just before a time", store.Position{At: at(3).Add(-time.Nanosecond)}, time.Time{}, "p:3 p:4 p:5"},
		{"to a time, exclusive", store.Position{}, at(2), "p:0 p:1"},
		{"to just after a time", store.Position{}, at(2).Add(time.Nanosecond), "p:0 p:1 p:2"},
		{"both", store.Position{At: at(1)}, at(3), "p:1 p:2"},
		{"after a document", store.Position{At: at(3), Partition: "p", ID: "3"}, time.Time{}, "p:4 p:5"},
		{"after an id that is not there", store.Position{At: at(3), Partition: "p", ID: "2"}, time.Time{}, "p:3 p:4 p:5"},
		{"after a partition that is not there", store.Position{At: at(3), Partition: "q", ID: "0"}, time.Time{}, "p:4 p:5"},
		{"after a place between milliseconds", store.Position{At: at(3).Add(1), Partition: "p", ID: "3"}, time.Time{}, "p:4 p:5"},
		{"equal bounds", store.Position{At: at(3)}, at(3), ""},
		{"bounds the wrong way round", store.Position{At: at(4)}, at(1), ""},
		{"another time zone", store.Position{At: at(4).In(time.FixedZone("", 3600))}, time.Time{}, "p:4 p:5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := places(marked(t, d, "m", "", c.after, c.to, 2)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func marksPages(t *testing.T, d store.Documents) {
	for i := range 10 {
		put(t, d, traps[i%4], store.Document{ID: fmt.Sprint(i), Body: Body(i), Marks: []store.Mark{{Kind: "feed", At: at(i / 5)}}})
	}
	all := places(marked(t, d, "feed", "", store.Position{}, time.Time{}, 0))
	for limit := 1; limit < 12; limit++ {
		found, more, err := d.Marked(t.Context(), "feed", "", store.Position{}, time.Time{}, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != min(limit, 10) || more != (limit < 10) {
			t.Errorf("limit %d: %d found, more %v", limit, len(found), more)
		}
		if got := places(marked(t, d, "feed", "", store.Position{}, time.Time{}, limit)); got != all {
			t.Errorf("limit %d: got %q, want %q", limit, got, all)
		}
	}
	// A follower goes on from its last one, though that is gone, and meets what came after.
	found, _, err := d.Marked(t.Context(), "feed", "", store.Position{}, time.Time{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	last := found[9]
	if _, err := d.Commit(t.Context(), store.Batch{Partition: last.Partition, Delete: []string{last.ID}}); err != nil {
		t.Fatal(err)
	}
	put(t, d, "a", store.Document{ID: "new", Body: Body(0), Marks: []store.Mark{{Kind: "feed", At: last.At.Add(time.Millisecond)}}})
	if got := places(marked(t, d, "feed", "", last.Position(), time.Time{}, 0)); got != "a:new" {
		t.Errorf("after the last: got %q, want a:new", got)
	}
}

func marksFollow(t *testing.T, d store.Documents) {
	t.Run("looked up", func(t *testing.T) { marksMove(t, d, false) })
	t.Run("known", func(t *testing.T) { marksMove(t, d, true) })
}

// marksMove moves marks step by step. known: each batch says which ones its documents had.
func marksMove(t *testing.T, d store.Documents, known bool) {
	had := map[string][]store.Mark{}
	list := func() string {
		var all []string
		for _, key := range []string{"1", "2", "3"} {
			for _, m := range marked(t, d, "in", key, store.Position{}, time.Time{}, 0) {
				all = append(all, fmt.Sprintf("%s@%d=%d", key, m.At.Unix(), number(t, m.Document)))
			}
		}
		return strings.Join(all, " ")
	}
	in := func(key string, seconds int) store.Mark { return store.Mark{Kind: "in", Key: key, At: at(seconds)} }
	for i, c := range []struct {
		name string
		give store.Batch
		want string
	}{
		{"set", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{in("2", 20), in("1", 10)}}}}, "1@10=1 2@20=1"},
		{"the same again with another body", store.Batch{Put: []store.Document{{ID: "a", Body: Body(2), Marks: []store.Mark{in("1", 10), in("2", 20)}}}}, "1@10=2 2@20=2"},
		{"one stays, one moves", store.Batch{Put: []store.Document{{ID: "a", Body: Body(3), Marks: []store.Mark{in("1", 10), in("2", 5)}}}}, "1@10=3 2@5=3"},
		{"one goes, one comes", store.Batch{Put: []store.Document{{ID: "a", Body: Body(4), Marks: []store.Mark{in("3", 5), in("1", 10)}}}}, "1@10=4 3@5=4"},
		{"another document", store.Batch{Put: []store.Document{{ID: "b", Body: Body(9), Marks: []store.Mark{in("1", 11)}}}}, "1@10=4 1@11=9 3@5=4"},
		{"none left", store.Batch{Put: []store.Document{{ID: "a", Body: Body(5)}}}, "1@11=9"},
		{"lazily", store.Batch{Lazy: true, Put: []store.Document{{ID: "a", Body: Body(6), Marks: []store.Mark{in("1", 12)}}}}, "1@11=9 1@12=6"},
		{"deleted", store.Batch{Delete: []string{"b", "a"}}, ""},
		{"back again", store.Batch{Put: []store.Document{{ID: "a", Body: Body(7), Marks: []store.Mark{in("1", 10)}}}}, "1@10=7"},
	} {
		c.give.Partition = "p"
		for i := range c.give.Put {
			put := &c.give.Put[i]
			if known {
				put.Known, put.Had = true, had[put.ID]
			}
			had[put.ID] = put.Marks
		}
		for _, id := range c.give.Delete {
			delete(had, id)
		}
		if known {
			revision, err := d.Revision(t.Context(), "p")
			if err != nil {
				t.Fatal(err)
			}
			c.give.Expect = &revision
		}
		if _, err := d.Commit(t.Context(), c.give); err != nil {
			t.Fatal(err)
		}
		if got := list(); got != c.want {
			t.Fatalf("step %d, %s: got %q, want %q", i, c.name, got, c.want)
		}
	}
	if _, err := d.Commit(t.Context(), store.Batch{Partition: "p", Delete: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "" {
		t.Errorf("left after all: %q", got)
	}
}

func marksIsolation(t *testing.T, d store.Documents) {
	names := append([]string{""}, traps...)
	for i, kind := range traps {
		for j, key := range names {
			put(t, d, "p", store.Document{ID: fmt.Sprintf("%d-%d", i, j), Body: Body(0), Marks: []store.Mark{{Kind: kind, Key: key, At: at(1)}}})
		}
	}
	for i, kind := range traps {
		for j, key := range names {
			if got, want := places(marked(t, d, kind, key, store.Position{}, time.Time{}, 0)), fmt.Sprintf("p:%d-%d", i, j); got != want {
				t.Errorf("kind %q, key %q: got %q, want %q", kind, key, got, want)
			}
		}
	}
	if got := marked(t, d, "a", "not there", store.Position{}, time.Time{}, 0); len(got) != 0 {
		t.Errorf("a key that nobody has: got %q", places(got))
	}
}

func erase(t *testing.T, d store.Documents) {
	for _, partition := range traps {
		for i := range 3 {
			put(t, d, partition, store.Document{ID: fmt.Sprint(i), Body: Body(i), Marks: []store.Mark{{Kind: "m", Key: partition, At: at(i)}}})
		}
	}
	before := put(t, d, "a")
	for range 2 { // the second time there is nothing to do
		if left, err := d.Erase(t.Context(), "a"); left || err != nil {
			t.Fatalf("erase: left %v, %v", left, err)
		}
		if documents, revision := scan(t, d, "a", "", "", 0); len(documents) != 0 || revision != 0 {
			t.Fatalf("after the erasure: %q at %d", idsOf(documents), revision)
		}
	}
	if got := marked(t, d, "m", "a", store.Position{}, time.Time{}, 0); len(got) != 0 {
		t.Errorf("marks were left: %q", places(got))
	}
	_, err := d.Get(t.Context(), "a", "1")
	wantError(t, err, store.ErrNotFound)
	for _, partition := range traps[1:] {
		if documents, revision := scan(t, d, partition, "", "", 0); len(documents) != 3 || revision == 0 {
			t.Errorf("erasing a changed %q: %q at %d", partition, idsOf(documents), revision)
		}
		if got := marked(t, d, "m", partition, store.Position{}, time.Time{}, 0); len(got) != 3 {
			t.Errorf("erasing a changed the marks of %q: %q", partition, places(got))
		}
	}
	_, err = d.Commit(t.Context(), store.Batch{Partition: "a", Expect: &before, Put: []store.Document{{ID: "1", Body: Body(1)}}})
	wantError(t, err, store.ErrConflict)
}

func eraseSteps(t *testing.T, d store.Documents) {
	const documents = 2*store.MaxBatchDocuments + 1
	for from := 0; from < documents; from += store.MaxBatchDocuments {
		var b []store.Document
		for i := from; i < min(from+store.MaxBatchDocuments, documents); i++ {
			b = append(b, store.Document{ID: fmt.Sprintf("%06d", i), Body: Body(i), Marks: []store.Mark{{Kind: "m", At: at(i)}}})
		}
		put(t, d, "p", b...)
	}
	revision, steps := store.Revision(0), 0
	for left := true; left; steps++ {
		var err error
		if left, err = d.Erase(t.Context(), "p"); err != nil {
			t.Fatal(err)
		}
		rest, now := scan(t, d, "p", "", "", 0)
		if want := max(0, documents-(steps+1)*store.MaxBatchDocuments); len(rest) != want || left != (want > 0) {
			t.Fatalf("after step %d %d documents are left (%v), want %d", steps+1, len(rest), left, want)
		}
		if left && now <= revision {
			t.Fatalf("step %d did not move the revision: %d after %d", steps+1, now, revision)
		}
		revision = now
	}
	if steps != 3 || revision != 0 {
		t.Errorf("%d steps to revision %d, want 3 to 0", steps, revision)
	}
	if got := marked(t, d, "m", "", store.Position{}, time.Time{}, 0); len(got) != 0 {
		t.Errorf("%d marks were left", len(got))
	}
}

func revisionsNeverAgain(t *testing.T, d store.Documents) {
	highest := map[string]store.Revision{}
	for i := range 5 {
		for _, partition := range traps {
			for range 5 - i { // fewer each time: counting anew would tell the same ones again
				revision := put(t, d, partition, store.Document{ID: "a", Body: Body(i)})
				if revision <= highest[partition] {
					t.Fatalf("round %d: partition %q is at %d, was at %d before its erasure", i, partition, revision, highest[partition])
				}
				highest[partition] = revision
			}
			if _, err := d.Erase(t.Context(), partition); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func names(t *testing.T, d store.Documents) {
	for _, c := range []struct{ name, give, want string }{
		{"empty", "", "is empty"},
		{"too long", strings.Repeat("x", store.MaxName+1), "513 bytes"},
		{"NUL", "a\x00b", "NUL"},
		{"not UTF-8", "a\xff", "UTF-8"},
		{"half a character", "a\xe2\x82", "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			verbs := map[string]error{}
			_, verbs["get of partition"] = d.Get(ctx, c.give, "a")
			_, verbs["get of id"] = d.Get(ctx, "p", c.give)
			_, verbs["scan"] = d.Scan(ctx, c.give, "", "", 0)
			_, verbs["revision"] = d.Revision(ctx, c.give)
			_, verbs["commit to partition"] = d.Commit(ctx, store.Batch{Partition: c.give})
			_, verbs["put"] = d.Commit(ctx, store.Batch{Partition: "p", Put: []store.Document{{ID: c.give, Body: Body(1)}}})
			_, verbs["delete"] = d.Commit(ctx, store.Batch{Partition: "p", Delete: []string{c.give}})
			_, verbs["kind of mark"] = d.Commit(ctx, store.Batch{Partition: "p", Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: c.give}}}}})
			_, verbs["erase"] = d.Erase(ctx, c.give)
			_, _, verbs["marked"] = d.Marked(ctx, c.give, "", store.Position{}, time.Time{}, 0)
			if c.give != "" {
				_, verbs["key of mark"] = d.Commit(ctx, store.Batch{Partition: "p", Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: "m", Key: c.give}}}}})
				_, _, verbs["marked with key"] = d.Marked(ctx, "m", c.give, store.Position{}, time.Time{}, 0)
			}
			for verb, err := range verbs {
				if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got error %v, want %q", verb, err, c.want)
				}
			}
		})
	}
	if revision, err := d.Revision(t.Context(), "p"); revision != 0 || err != nil {
		t.Errorf("something was written: revision %d, %v", revision, err)
	}
}

func documents(t *testing.T, d store.Documents) {
	many := make([]store.Mark, store.MaxMarks+1)
	for i := range many {
		many[i] = store.Mark{Kind: fmt.Sprint("m", i), At: at(1)}
	}
	for _, c := range []struct {
		name string
		give store.Batch
		want string
	}{
		{"no body", store.Batch{Put: []store.Document{{ID: "a"}}}, "not BSON"},
		{"half a body", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1)[:9]}}}, "not BSON"},
		{"a body and more", store.Batch{Put: []store.Document{{ID: "a", Body: append(Body(1), 0)}}}, "17 bytes, says 16"},
		{"a body with a tail", store.Batch{Put: []store.Document{{ID: "a", Body: append(Body(1), "tail\x00"...)}}}, "body of document"},
		{"a document of another partition", store.Batch{Put: []store.Document{{Partition: "q", ID: "a", Body: Body(1)}}}, "belongs to"},
		{"an id put twice", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1)}, {ID: "a", Body: Body(1)}}}, "twice"},
		{"an id put and deleted", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1)}}, Delete: []string{"a"}}, "twice"},
		{"an id twice among many", store.Batch{Delete: strings.Split("a b c d e f g h i j k l m n o p q r s t u a", " ")}, "twice"},
		{"too many marks", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1), Marks: many}}}, "17 marks"},
		{"a mark twice", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{mark("m", "k", 1), mark("m", "k", 2)}}}}, "twice"},
		{"a mark before year 1", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: "m", At: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}}}}}, "year 0"},
		{"a mark after year 9999", store.Batch{Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: "m", At: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}}}}}, "year 10000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.give.Partition = "p"
			_, err := d.Commit(t.Context(), c.give)
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"a"`) {
				t.Errorf("got error %v, want %q and the id", err, c.want)
			}
		})
	}
}

func bounds(t *testing.T, d store.Documents) {
	half, err := bson.Marshal(bson.D{{Key: "x", Value: make([]byte, store.MaxBatchBytes/2)}})
	if err != nil {
		t.Fatal(err)
	}
	var many []store.Document
	for i := range store.MaxBatchDocuments + 1 {
		many = append(many, store.Document{ID: fmt.Sprint(i), Body: Body(i)})
	}
	for _, c := range []struct {
		name string
		give store.Batch
		want []string
	}{
		{"documents", store.Batch{Put: many}, []string{"1001 documents", "1000"}},
		{"documents and deletes", store.Batch{Put: many[:600], Delete: strings.Split(strings.Repeat("x ", 401), " ")[:401]}, []string{"1001 documents"}},
		{"bytes", store.Batch{Put: []store.Document{{ID: "a", Body: half}, {ID: "b", Body: half}}}, []string{"4194304", "2 documents"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.give.Partition = "p"
			_, err := d.Commit(t.Context(), c.give)
			wantError(t, err, store.ErrTooLarge)
			for _, figure := range c.want {
				if !strings.Contains(err.Error(), figure) {
					t.Errorf("error %q does not tell %q", err, figure)
				}
			}
		})
	}
	put(t, d, "p", many[:store.MaxBatchDocuments]...)
	if documents, _ := scan(t, d, "p", "", "", 0); len(documents) != store.MaxBatchDocuments {
		t.Errorf("%d documents are there, want %d", len(documents), store.MaxBatchDocuments)
	}
}

func largest(t *testing.T, d store.Documents) {
	name := func(letter string) string { return strings.Repeat(letter, store.MaxName) }
	marks := make([]store.Mark, store.MaxMarks)
	for i := range marks {
		marks[i] = store.Mark{Kind: name(string(rune('a' + i))), Key: name("k"), At: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	}
	room := store.MaxBatchBytes - store.MaxName - 2*store.MaxName*store.MaxMarks - len("\x00\x00\x00\x00\x05x\x00\x00\x00\x00\x00\x00\x00")
	body, err := bson.Marshal(bson.D{{Key: "x", Value: make([]byte, room)}})
	if err != nil {
		t.Fatal(err)
	}
	want := store.Document{Partition: name("p"), ID: name("i"), Body: body, Marks: marks}
	put(t, d, want.Partition, want)
	got, err := d.Get(t.Context(), want.Partition, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, got, want)
	found := marked(t, d, marks[15].Kind, marks[15].Key, store.Position{At: marks[15].At}, time.Time{}, 0)
	if len(found) != 1 {
		t.Fatalf("%d found by the last mark, want 1", len(found))
	}
	wantSame(t, found[0].Document, want)
}

func lazy(t *testing.T, d store.Documents) {
	for i := range 5 {
		revision, err := d.Commit(t.Context(), store.Batch{Partition: "p", Lazy: true, Put: []store.Document{{ID: "a", Body: Body(i)}}})
		if err != nil {
			t.Fatal(err)
		}
		documents, now := scan(t, d, "p", "", "", 0)
		if len(documents) != 1 || number(t, documents[0]) != i || now != revision {
			t.Fatalf("after lazy commit %d: %v at %d, want revision %d", i, documents, now, revision)
		}
		if _, err := d.Commit(t.Context(), store.Batch{Partition: "p", Lazy: true, Expect: new(store.Revision)}); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("a lazy commit over another one: %v, want a conflict", err)
		}
	}
}

func memory(t *testing.T, d store.Documents) {
	given := store.Batch{Partition: "p", Put: []store.Document{{ID: "a", Body: Body(1), Marks: []store.Mark{mark("m", "b", 2), mark("m", "a", 1)}}, {ID: "b", Body: Body(2)}}}
	if _, err := d.Commit(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	if given.Put[0].Marks[0].Key != "b" {
		t.Error("a commit reorders the marks that it was given")
	}
	clear(given.Put[0].Body)
	given.Put[0].Marks[0].Key = "changed"
	want := store.Document{Partition: "p", ID: "a", Body: Body(1), Marks: []store.Mark{mark("m", "a", 1), mark("m", "b", 2)}}
	for range 2 {
		got, err := d.Get(t.Context(), "p", "a")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, want)
		page, err := d.Scan(t.Context(), "p", "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, page.Documents[0], want)
		found := marked(t, d, "m", "a", store.Position{}, time.Time{}, 0)
		wantSame(t, found[0].Document, want)
		for _, doc := range []store.Document{got, page.Documents[0], found[0].Document} {
			clear(append(doc.Body, "more than there is room for"...))
			clear(doc.Body)
			doc.Marks[0].Key = "changed"
		}
		wantSame(t, page.Documents[1], store.Document{Partition: "p", ID: "b", Body: Body(2)})
	}
	// Strings over memory that is used again, as some servers give them to their handlers.
	name := []byte("partition")
	partition := unsafe.String(&name[0], len(name))
	put(t, d, partition, store.Document{ID: partition, Body: Body(3), Marks: []store.Mark{{Kind: partition, At: at(3)}}})
	got, err := d.Get(t.Context(), partition, partition)
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.Scan(t.Context(), partition, "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(name, "overwrite")
	want = store.Document{Partition: "partition", ID: "partition", Body: Body(3), Marks: []store.Mark{mark("partition", "", 3)}}
	wantSame(t, got, want)
	wantSame(t, page.Documents[0], want)
	wantSame(t, marked(t, d, "partition", "", store.Position{}, time.Time{}, 0)[0].Document, want)
}

// usedAgain overwrites what was committed as soon as the commit returns, as callers do that keep bodies and names in pools: with
// others that are whole, so that nobody notices by their form. One thing at a time, for two faults may hide each other.
func usedAgain(t *testing.T, d store.Documents) {
	for _, c := range []struct {
		name  string
		spoil func(b *store.Batch, partition, id, gone []byte)
	}{
		{"bodies", func(b *store.Batch, _, _, _ []byte) { copy(b.Put[0].Body, Body(9)); copy(b.Put[1].Body, Body(9)) }},
		{"documents", func(b *store.Batch, _, _, _ []byte) {
			b.Put[0], b.Put[1].Marks[0].Key, b.Delete[0] = b.Put[1], "no", "new"
		}},
		{"ids", func(_ *store.Batch, _, id, _ []byte) { copy(id, "no") }},
		{"removed", func(_ *store.Batch, _, _, gone []byte) { copy(gone, "new") }},
		{"partition", func(_ *store.Batch, partition, _, _ []byte) { copy(partition, "no") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			partition, id, gone := []byte(c.name), []byte("id"), []byte("old")
			text := func(b []byte) string { return unsafe.String(&b[0], len(b)) }
			put(t, d, c.name, store.Document{ID: "id", Body: Body(1)}, store.Document{ID: "old", Body: Body(1)})
			b := store.Batch{Partition: text(partition), Delete: []string{text(gone)}, Put: []store.Document{
				{ID: text(id), Body: Body(2), Marks: []store.Mark{{Kind: text(id), Key: text(id), At: at(2)}}},
				{ID: "new", Body: Body(3), Marks: []store.Mark{mark("m", c.name, 3)}},
			}}
			if _, err := d.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			c.spoil(&b, partition, id, gone)
			want := []store.Document{
				{Partition: c.name, ID: "id", Body: Body(2), Marks: []store.Mark{mark("id", "id", 2)}},
				{Partition: c.name, ID: "new", Body: Body(3), Marks: []store.Mark{mark("m", c.name, 3)}},
			}
			got, _ := scan(t, d, c.name, "", "", 0)
			if len(got) != len(want) {
				t.Fatalf("found %v, want %v", got, want)
			}
			for i := range want {
				wantSame(t, got[i], want[i])
			}
			if found := marked(t, d, "m", c.name, store.Position{}, time.Time{}, 0); len(found) != 1 || found[0].ID != "new" {
				t.Errorf("marked are %v, want new", found)
			}
		})
	}
}

// everyVerb calls each verb of the port once and returns the errors by name.
func everyVerb(ctx context.Context, d store.Documents) map[string]error {
	errs := map[string]error{}
	_, errs["get"] = d.Get(ctx, "p", "a")
	_, errs["scan"] = d.Scan(ctx, "p", "", "", 0)
	_, errs["revision"] = d.Revision(ctx, "p")
	_, errs["commit"] = d.Commit(ctx, store.Batch{Partition: "p", Put: []store.Document{{ID: "a", Body: Body(2)}}})
	_, errs["lazy commit"] = d.Commit(ctx, store.Batch{Partition: "p", Lazy: true, Put: []store.Document{{ID: "a", Body: Body(2)}}})
	_, errs["erase"] = d.Erase(ctx, "p")
	_, _, errs["marked"] = d.Marked(ctx, "m", "", store.Position{}, time.Time{}, 0)
	_, _, errs["partitions"] = d.Partitions(ctx, "", "", 0)
	return errs
}

func cancelled(t *testing.T, d store.Documents) {
	revision := put(t, d, "p", store.Document{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: "m", At: at(1)}}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for verb, err := range everyVerb(ctx, d) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want %v", verb, err, context.Canceled)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for verb, err := range everyVerb(late, d) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got error %v, want %v", verb, err, context.DeadlineExceeded)
		}
	}
	if documents, now := scan(t, d, "p", "", "", 0); len(documents) != 1 || number(t, documents[0]) != 1 || now != revision {
		t.Errorf("something was done: %v at %d", documents, now)
	}
}

func closed(t *testing.T, d store.Documents) {
	put(t, d, "p", store.Document{ID: "a", Body: Body(1)})
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	for verb, err := range everyVerb(t.Context(), d) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: got error %v, want %v", verb, err, store.ErrClosed)
		}
	}
}

func reopen(t *testing.T, open Open) {
	place := t.TempDir() + "/store"
	d := open(t, place)
	first := put(t, d, "p", store.Document{ID: "a", Body: Body(1), Marks: []store.Mark{{Kind: "m", Key: "k", At: at(1)}}}, store.Document{ID: "gone", Body: Body(1)})
	erased := put(t, d, "erased", store.Document{ID: "a", Body: Body(1)})
	if _, err := d.Erase(t.Context(), "erased"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var err error
		if i > 0 {
			d = open(t, place)
		}
		documents, revision := scan(t, d, "p", "", "", 0)
		if i > 0 && (idsOf(documents) != "a" || number(t, documents[0]) != i || revision != first) {
			t.Fatalf("opened again: %v at %d, want a with %d at %d", documents, revision, i, first)
		}
		if got := places(marked(t, d, "m", "k", store.Position{}, time.Time{}, 0)); got != "p:a" {
			t.Fatalf("opened again: marks are %q, want p:a", got)
		}
		if first, err = d.Commit(t.Context(), store.Batch{ // lazy: an orderly Close keeps it
			Partition: "p", Lazy: true, Expect: &revision, Delete: []string{"gone"},
			Put: []store.Document{{ID: "a", Body: Body(i + 1), Marks: []store.Mark{{Kind: "m", Key: "k", At: at(i)}}}},
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d = open(t, place)
	defer d.Close()
	if revision := put(t, d, "erased", store.Document{ID: "a", Body: Body(1)}); revision <= erased {
		t.Errorf("a partition that was erased before is at %d again, was at %d", revision, erased)
	}
}
