package embedded

import (
	"testing"

	"satnav/server/store"
	"satnav/server/store/storetest"
)

func open(t testing.TB, folder string) store.Documents {
	t.Helper()
	s, err := Open(folder, Options{CacheBytes: 8 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsThePort(t *testing.T) { storetest.Run(t, open) }
