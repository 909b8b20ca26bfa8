package store_test

import (
	"bytes"
	"strings"
	"testing"

	"satnav/server/store"
)

// A shopper who is erased while an archive is made, so that their pages can no longer be sealed, is told as closed when it is read:
// that what it holds is less than what was counted before is then no damage.
func TestErasedWhileTheArchiveIsMade(t *testing.T) {
	t.Parallel()
	from, to := folder(t), folder(t)
	anna, ben := "demo/"+strings.Repeat("a", 26), "demo/"+strings.Repeat("b", 26)
	for _, partition := range []string{anna, ben, "demo/~product"} {
		if partition != "demo/~product" && !store.IsSealed(partition) {
			t.Fatalf("%s is no shopper's: the test proves nothing", partition)
		}
		commit(t, from, store.Batch{Partition: partition, Put: []store.Document{{ID: "x", Body: numbered(1)}}})
	}
	var archive bytes.Buffer
	err := store.WriteArchive(t.Context(), from, &archive, func(partition string, page []byte) ([]byte, bool, error) {
		if partition == anna {
			return nil, true, nil
		}
		return page, false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := store.ReadArchive(t.Context(), &archive, to, func(_ string, page []byte) ([]byte, bool, error) { return page, false, nil })
	if err != nil || closed != 1 {
		t.Errorf("got %d closed, %v; want 1", closed, err)
	}
	whole, err := store.Summary(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.Summary(t.Context(), to); err != nil || got.Partitions != whole.Partitions-1 {
		t.Errorf("got %d partitions, %v; want %d", got.Partitions, err, whole.Partitions-1)
	}
}
