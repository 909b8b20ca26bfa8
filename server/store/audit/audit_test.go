package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// desk is a log over a store of its own.
type desk struct {
	*audit.Log
	documents store.Documents
	folder    string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	documents := embeddedtest.Open(t)
	folder := t.TempDir()
	key, err := audit.Key(folder)
	if err != nil {
		t.Fatal(err)
	}
	return desk{audit.New(documents, key, func() time.Time { return noon }), documents, folder}
}

func (d desk) verify(t *testing.T, retailer string, expect *audit.Head) (audit.Head, error) {
	t.Helper()
	return audit.Verify(t.Context(), d.documents, retailer, []ed25519.PublicKey{d.Key()}, expect)
}

// fill appends entries one by one, so that each has a signature, and some together.
func (d desk) fill(t *testing.T, retailer string, n int) {
	t.Helper()
	for i := range n {
		if err := d.Append(t.Context(), retailer, entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Append(t.Context(), retailer, entry(n), entry(n+1), entry(n+2)); err != nil {
		t.Fatal(err)
	}
}

func entry(i int) audit.Entry {
	return audit.Entry{
		Role: "admin", Name: fmt.Sprint("clerk-", i), Action: audit.Edited, Object: "/v1/geofences/bakery",
		Detail: map[string]string{"method": "PUT", "status": "200"},
	}
}

// all reads the documents of a chain.
func (d desk) all(t *testing.T, retailer string) []store.Document {
	t.Helper()
	page, err := d.documents.Scan(t.Context(), audit.Partition(retailer), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return page.Documents
}

// tamper writes to the store behind the log's back.
func (d desk) tamper(t *testing.T, retailer string, put []store.Document, remove ...string) {
	t.Helper()
	for i := range put {
		put[i].Partition = ""
	}
	if _, err := d.documents.Commit(t.Context(), store.Batch{Partition: audit.Partition(retailer), Put: put, Delete: remove}); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesComeBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill(t, "r", 4)
	var got []audit.Kept
	for more := true; more; {
		after := int64(0)
		if len(got) > 0 {
			after = got[len(got)-1].Number
		}
		page, rest, err := d.Entries(t.Context(), "r", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, more = append(got, page...), rest
	}
	if len(got) != 7 {
		t.Fatalf("got %d entries, want 7", len(got))
	}
	for i, k := range got {
		want := entry(i)
		if k.Number != int64(i+1) || k.Name != want.Name || k.Action != want.Action || k.Object != want.Object || k.Detail["method"] != "PUT" || !k.At.Equal(noon) {
			t.Errorf("entry %d: got %+v, want %+v", i, k, want)
		}
	}
}

// TestUntouchedVerifies holds that a log that nobody touched is good, an empty one too, from any process that has the key.
func TestUntouchedVerifies(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if head, err := d.verify(t, "empty", nil); err != nil || head.Number != 0 {
		t.Errorf("an empty log: %v, %v", head, err)
	}
	d.fill(t, "r", 3)
	head, err := d.verify(t, "r", nil)
	if err != nil || head.Number != 6 {
		t.Fatalf("got %v, %v", head, err)
	}
	read, err := audit.ParseHead(head.String())
	if err != nil || read != head {
		t.Fatalf("head %s reads as %v, %v", head, read, err)
	}
	key, err := audit.Key(d.folder)
	if err != nil {
		t.Fatal(err)
	}
	other := audit.New(d.documents, key, func() time.Time { return noon })
	if err := other.Append(t.Context(), "r", entry(9)); err != nil {
		t.Fatal(err)
	}
	if err := d.Append(t.Context(), "r", entry(10)); err != nil { // the end that it knew is not the end any more
		t.Fatal(err)
	}
	if after, err := d.verify(t, "r", &head); err != nil || after.Number != 8 {
		t.Errorf("got %v, %v", after, err)
	}
}

// TestEveryFlippedBitIsFound changes each byte of each document of a log.
func TestEveryFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill(t, "r", 2)
	flips := 0
	for _, document := range d.all(t, "r") {
		original := slices.Clone(document.Body)
		for i := range original {
			for _, bit := range []byte{1, 0x80} {
				changed := slices.Clone(original)
				changed[i] ^= bit
				if changed.Validate() != nil {
					continue // the store refuses it, and so does every reader
				}
				if _, err := d.documents.Commit(t.Context(), store.Batch{Partition: audit.Partition("r"), Put: []store.Document{{ID: document.ID, Body: changed}}, Lazy: true}); err != nil {
					continue
				}
				flips++
				var broken *audit.Broken
				if _, err := d.verify(t, "r", nil); !errors.As(err, &broken) {
					t.Fatalf("%s: bit %#x of byte %d flipped: got %v", document.ID, bit, i, err)
				}
			}
		}
		d.tamper(t, "r", []store.Document{{ID: document.ID, Body: original}})
	}
	if _, err := d.verify(t, "r", nil); err != nil {
		t.Fatalf("put back: %v", err)
	}
	if flips < 1000 {
		t.Errorf("only %d flips were tried", flips)
	}
}

// TestTamperingIsFound does to a log what somebody who can write to the store could.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, d desk, all []store.Document) // all: the head, then the entries
		number int64                                            // at which it is found
	}{
		{"the first dropped", func(t *testing.T, d desk, all []store.Document) { d.tamper(t, "r", nil, all[1].ID) }, 1},
		{"one dropped", func(t *testing.T, d desk, all []store.Document) { d.tamper(t, "r", nil, all[3].ID) }, 3},
		{"the last dropped", func(t *testing.T, d desk, all []store.Document) { d.tamper(t, "r", nil, all[len(all)-1].ID) }, 7},
		{"the last dropped, and the end forgotten", func(t *testing.T, d desk, all []store.Document) {
			d.tamper(t, "r", nil, all[len(all)-1].ID, all[0].ID)
		}, 6},
		{"all dropped but the end", func(t *testing.T, d desk, all []store.Document) {
			for _, document := range all[1:] {
				d.tamper(t, "r", nil, document.ID)
			}
		}, 1},
		{"two neighbours swapped", func(t *testing.T, d desk, all []store.Document) {
			d.tamper(t, "r", []store.Document{{ID: all[2].ID, Body: all[3].Body}, {ID: all[3].ID, Body: all[2].Body}})
		}, 2},
		{"one doubled", func(t *testing.T, d desk, all []store.Document) {
			d.tamper(t, "r", []store.Document{{ID: all[3].ID, Body: all[2].Body}})
		}, 3},
		{"one added at the end", func(t *testing.T, d desk, all []store.Document) {
			d.tamper(t, "r", []store.Document{{ID: "is/0000000000000008", Body: all[7].Body}})
		}, 8},
		{"forged anew with another key", func(t *testing.T, d desk, all []store.Document) {
			for _, document := range all {
				d.tamper(t, "r", nil, document.ID)
			}
			stranger, err := audit.Key(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := audit.New(d.documents, stranger, func() time.Time { return noon }).Append(t.Context(), "r", entry(1)); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"the chain of another retailer", func(t *testing.T, d desk, all []store.Document) {
			d.fill(t, "other", 1)
			for _, document := range all {
				d.tamper(t, "r", nil, document.ID)
			}
			d.tamper(t, "r", d.all(t, "other"))
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.fill(t, "r", 4)
			c.tamper(t, d, d.all(t, "r"))
			var broken *audit.Broken
			if _, err := d.verify(t, "r", nil); !errors.As(err, &broken) || broken.Number != c.number {
				t.Errorf("got %v, want entry %d", err, c.number)
			}
		})
	}
}

// TestRollbackNeedsTheHead holds that a log that was put back to an earlier end is told by an end that was kept elsewhere.
func TestRollbackNeedsTheHead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill(t, "r", 1)
	before := d.all(t, "r")
	if err := d.Append(t.Context(), "r", entry(5)); err != nil {
		t.Fatal(err)
	}
	kept, err := d.verify(t, "r", nil)
	if err != nil {
		t.Fatal(err)
	}
	d.tamper(t, "r", before, d.all(t, "r")[len(before)].ID)
	if _, err := d.verify(t, "r", nil); err != nil {
		t.Fatalf("the earlier log is a good one: %v", err)
	}
	var broken *audit.Broken
	if _, err := d.verify(t, "r", &kept); !errors.As(err, &broken) {
		t.Errorf("got %v, want it found", err)
	}
}

// TestAppendedAtOnce holds that what many append at once, in two processes, is one good chain with everything in it.
func TestAppendedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	key, err := audit.Key(d.folder)
	if err != nil {
		t.Fatal(err)
	}
	logs := []*audit.Log{d.Log, audit.New(d.documents, key, func() time.Time { return noon })}
	const writers, each = 8, 40
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := logs[w%2].Append(t.Context(), "r", audit.Entry{Role: "admin", Name: fmt.Sprint(w), Action: audit.Edited, Object: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	head, err := d.verify(t, "r", nil)
	if err != nil || head.Number != writers*each {
		t.Fatalf("got %v, %v", head, err)
	}
	next := map[string]int{}
	for after := int64(0); after < head.Number; {
		page, _, err := d.Entries(t.Context(), "r", after, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			if k.Object != fmt.Sprint(next[k.Name]) {
				t.Fatalf("entry %d of writer %s is %s, want %d", k.Number, k.Name, k.Object, next[k.Name])
			}
			next[k.Name]++
			after = k.Number
		}
	}
}

func TestAppendGivesUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Append(ctx, "r", entry(1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	d.Close()
}

func TestHeadsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, give := range []string{"", "1", "1:", "x:00", "0:" + strings.Repeat("0", 64), "1:" + strings.Repeat("0", 63), "1:" + strings.Repeat("0", 65), " 1:" + strings.Repeat("0", 64)} {
		if head, err := audit.ParseHead(give); err == nil {
			t.Errorf("%q reads as %v", give, head)
		}
	}
}

func TestKeyIsKept(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first, err := audit.Key(folder)
	if err != nil {
		t.Fatal(err)
	}
	again, err := audit.Key(folder)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("another key, %v", err)
	}
}
