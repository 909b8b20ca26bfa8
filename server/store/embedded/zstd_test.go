package embedded

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestZstdStandsIn holds that a store whose tables are compressed with zstd is written and read through the module that
// go.mod puts in the place of the C library: with what compresses well, and with what does not at all.
func TestZstdStandsIn(t *testing.T) {
	disk := vfs.NewMem()
	open := func() *pebble.DB {
		o := &pebble.Options{FS: disk, Logger: logger{&Store{log: slog.New(slog.DiscardHandler)}}}
		o.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.ZstdCompression }
		db, err := pebble.Open("", o)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	random, want := rand.NewChaCha8([32]byte{7}), map[string][]byte{}
	db := open()
	for i := range 400 {
		value := bytes.Repeat([]byte{byte(i)}, 1+i*97)
		if i%2 == 0 {
			_, _ = random.Read(value) // never fails
		}
		key := fmt.Sprintf("%03d", i)
		want[key] = value
		if err := db.Set([]byte(key), value, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context(), []byte("0"), []byte("9"), false); err != nil {
		t.Fatal(err)
	}
	if got := db.Metrics().Table.CompressedCountZstd; got == 0 {
		t.Error("no table is compressed with zstd")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	defer db.Close()
	for key, value := range want {
		got, done, err := db.Get([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, value) {
			t.Errorf("value of %s: %d bytes, not as written", key, len(got))
		}
		if err := done.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
