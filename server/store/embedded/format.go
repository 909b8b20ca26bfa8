package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// format is the version of keys and values that this program writes (key.go, value.go), kept as a document {format: 1} in
// each folder. A change that old programs would misread counts it up, and migrates older folders here.
const format = 1

// ErrFormat says that a folder was not written by this program, or by a newer one.
var ErrFormat = errors.New("unknown format")

// checkFormat refuses a folder of another format, and signs one that is still empty.
func (s *Store) checkFormat() error {
	value, closer, err := s.db.Get(formatKey)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return s.signFormat()
	case err != nil:
		return fmt.Errorf("data folder %s: read format: %v: %w", s.folder, err, classify(err))
	}
	defer closer.Close()
	found, ok := bson.Raw(value).Lookup("format").AsInt64OK()
	if !ok {
		return fmt.Errorf("data folder %s: its format cannot be read: %w", s.folder, ErrFormat)
	}
	if found != format {
		return fmt.Errorf("data folder %s has format %d, this program knows format %d: use the program that wrote it: %w",
			s.folder, found, format, ErrFormat)
	}
	return nil
}

func (s *Store) signFormat() error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("data folder %s: read: %v: %w", s.folder, err, classify(err))
	}
	foreign := it.First()
	if err := it.Close(); err != nil {
		return fmt.Errorf("data folder %s: read: %v: %w", s.folder, err, classify(err))
	}
	if foreign {
		return fmt.Errorf("data folder %s holds data but no format: it is not a Satnav store: %w", s.folder, ErrFormat)
	}
	document, err := bson.Marshal(bson.D{{Key: "format", Value: format}})
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	err = errors.Join(batch.Set(formatKey, document, nil), s.db.ApplyNoSyncWait(batch, pebble.Sync), batch.SyncWait())
	if err != nil {
		return fmt.Errorf("data folder %s: write format: %v: %w", s.folder, err, classify(err))
	}
	// The log of a folder just made is still of an older kind, in which damage is not told from an end. Begin another one.
	if _, err := s.db.AsyncFlush(); err != nil {
		return fmt.Errorf("data folder %s: begin a new log: %v: %w", s.folder, err, classify(err))
	}
	return nil
}
