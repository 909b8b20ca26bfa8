package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"satnav/config"
	"satnav/server/store"
	"satnav/server/store/embedded"
	"satnav/server/store/mongodb"
)

// OpenStore opens the documents that a configuration names, the embedded ones or a database, and nothing above them.
func OpenStore(ctx context.Context, c config.Config, log *slog.Logger) (store.Documents, error) {
	if c.Store != config.Embedded {
		return mongodb.Open(ctx, c.Store, mongodb.Options{Log: log})
	}
	return embedded.Open(filepath.Join(c.Data, storeFolder), embedded.Options{Log: log, CacheBytes: int64(c.Cache.Blocks)})
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
		o.Store.Log, o.Store.CacheBytes = o.Log, int64(a.Config.Cache.Blocks)
		s, err := embedded.Open(filepath.Join(a.Config.Data, storeFolder), o.Store)
		if err != nil {
			return err
		}
		a.Documents, a.checkpoint = s, s.Checkpoint
		a.watch(s)
	}
	if err := store.Whole(ctx, a.Documents); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
