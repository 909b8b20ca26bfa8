package embedded

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
	"satnav/server/store/storetest"
)

// fillPartition writes documents whose bodies and ids nobody else has; they do not compress.
func fillPartition(t testing.TB, s *Store, partition, canary string, n int) {
	t.Helper()
	for i := range n {
		body, err := bson.Marshal(bson.D{{Key: "text", Value: fmt.Sprintf("%s-%d", canary, i)}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Commit(t.Context(), store.Batch{Partition: partition, Put: []store.Document{{
			ID: fmt.Sprintf("id-%s-%d", canary, i), Body: body,
			Marks: []store.Mark{{Kind: "retention", Key: canary, At: time.UnixMilli(int64(i))}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func erase(t testing.TB, s *Store, partition string) {
	t.Helper()
	for left := true; left; {
		var err error
		if left, err = s.Erase(t.Context(), partition); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScrubLeavesNoByte plants texts in bodies, ids and marks, over flushes, compactions, reused logs and restarts, and finds none
// of them in any file of the open folder after erasing and scrubbing; before, they are there.
func TestScrubLeavesNoByte(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint("all=", all), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			open := func() *Store {
				s, err := Open(folder, Options{MemTableBytes: 256 << 10})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open()
			const canary, kept = "canary-q7x9", "other-k2m4"
			for round := range 4 {
				fillPartition(t, s, "r/erased", fmt.Sprint(canary, round), 150)
				fillPartition(t, s, "r/stays", kept, 150)
				if err := s.db.Flush(); err != nil {
					t.Fatal(err)
				}
				if round == 1 {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = open()
				}
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			erase(t, s, "r/erased")
			if len(storetest.Holding(t, folder, canary)) == 0 {
				t.Fatal("erasing alone left nothing: the test shows nothing")
			}
			partitions := []string{"r/erased"}
			if all {
				partitions = nil
			}
			if err := s.Scrub(t.Context(), partitions); err != nil {
				t.Fatal(err)
			}
			if files := storetest.Holding(t, folder, canary, "r/erased"); len(files) > 0 {
				t.Errorf("left in %s", strings.Join(files, ", "))
			}
			page, err := s.Scan(t.Context(), "r/stays", "", "", 0)
			if err != nil || len(page.Documents) != 150 {
				t.Errorf("of what stays there are %d documents, %v", len(page.Documents), err)
			}
		})
	}
}

// TestScrubBesideWriters holds that commits go on while the store is scrubbed, and that all that was acknowledged is there after a
// restart.
func TestScrubBesideWriters(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s, err := Open(folder, Options{MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 300
	body, err := bson.Marshal(bson.D{{Key: "text", Value: strings.Repeat("x", 400)}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := s.Commit(t.Context(), store.Batch{Partition: fmt.Sprint("w", w), Put: []store.Document{{ID: fmt.Sprint(i), Body: body}}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		canary := fmt.Sprintf("canary-%d-z8", i)
		fillPartition(t, s, "r/erased", canary, 20)
		erase(t, s, "r/erased")
		if err := s.Scrub(t.Context(), []string{"r/erased"}); err != nil {
			t.Fatal(err)
		}
		if files := storetest.Holding(t, folder, canary); len(files) > 0 {
			t.Errorf("left in %s", strings.Join(files, ", "))
		}
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(folder, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for w := range writers {
		page, err := s.Scan(t.Context(), fmt.Sprint("w", w), "", "", 0)
		if err != nil || len(page.Documents) != each {
			t.Errorf("writer %d: %d documents are there, %v, want %d", w, len(page.Documents), err, each)
		}
	}
}
