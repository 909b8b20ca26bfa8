// Package bare is the yardstick that commits are measured with: a synced put into Pebble, with nothing of
// ours around it. It lives below embedded because Pebble does.
package bare

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Store is a database of its own. It is safe for concurrent use.
type Store struct{ db *pebble.DB }

// Open makes a database in a folder. Close it when done.
func Open(folder string) (*Store, error) {
	db, err := pebble.Open(folder, &pebble.Options{MemTableSize: 32 << 20, Logger: quiet{}})
	if err != nil {
		return nil, fmt.Errorf("bare store %s: %w", folder, err)
	}
	return &Store{db}, nil
}

// Put stores a value; it is on disk when Put returns.
func (s *Store) Put(key, value []byte) error { return s.db.Set(key, value, pebble.Sync) }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// quiet drops what Pebble says of itself.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
