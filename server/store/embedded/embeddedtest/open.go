// Package embeddedtest lends stores to the tests of what stands on them.
package embeddedtest

import (
	"testing"

	"satnav/server/store/embedded"
)

// Open opens an empty store in a folder of its own, which is closed when the test ends.
func Open(t testing.TB) *embedded.Store {
	t.Helper()
	documents, err := embedded.Open(t.TempDir(), embedded.Options{})
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
