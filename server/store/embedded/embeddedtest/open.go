// Package embeddedtest lends stores to the tests of what stands on them.
package embeddedtest

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"satnav/server/store/embedded"
)

// Open opens an empty store in a folder of its own, which is closed when the test ends.
func Open(t testing.TB) *embedded.Store {
	t.Helper()
	return open(t, t.TempDir(), embedded.Options{})
}

// InMemory opens an empty store that never touches the disk, for tests that commit more often than a disk likes.
func InMemory(t testing.TB) *embedded.Store {
	t.Helper()
	return open(t, "store", embedded.Options{FS: vfs.NewMem()})
}

func open(t testing.TB, folder string, options embedded.Options) *embedded.Store {
	t.Helper()
	documents, err := embedded.Open(folder, options)
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
