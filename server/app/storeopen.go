package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"satnav/config"
	"satnav/server/heap"
	"satnav/server/store"
	"satnav/server/store/embedded"
	"satnav/server/store/mongodb"
)

// OpenStore opens the documents that a configuration names, the embedded ones or a database, and nothing above them.
func OpenStore(ctx context.Context, c config.Config, log *slog.Logger) (store.Documents, error) {
	if c.Store != config.Embedded {
		return mongodb.Open(ctx, c.Store, mongodb.Options{Log: log})
	}
	return embedded.Open(filepath.Join(c.Data, storeFolder), embedded.Options{Log: log, CacheBytes: blocks(c)})
}

// blocks is the memory for blocks of the embedded store. A block that is not there is read and unpacked again, 100 µs
// where one that is costs 5, so by default it grows with the machine.
func blocks(c config.Config) int64 {
	if c.Cache.Blocks > 0 {
		return int64(c.Cache.Blocks)
	}
	const part, least = 1. / 8, 64 << 20
	return heap.Share(part, least)
}

// storeFolder holds the embedded store, within the data folder.
const storeFolder = "store"

// openStore opens the documents and shows their state to operators.
func (a *App) openStore(ctx context.Context, o Options) error {
	if a.Config.Store != config.Embedded {
		s, err := mongodb.Open(ctx, a.Config.Store, mongodb.Options{Log: o.Log})
		if err != nil {
			return err
		}
		a.Documents = s
		a.watchDatabase(s)
	} else {
		o.Store.Log, o.Store.CacheBytes = o.Log, blocks(a.Config)
		s, err := embedded.Open(filepath.Join(a.Config.Data, storeFolder), o.Store)
		if err != nil {
			return err
		}
		a.Documents, a.checkpoint = s, s.Checkpoint
		a.watch(s)
	}
	if o.Between != nil {
		a.Documents = o.Between(a.Documents)
	}
	if err := store.Whole(ctx, a.Documents); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
