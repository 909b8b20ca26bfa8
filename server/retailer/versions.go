package retailer

import (
	"context"

	"satnav/server/store"
)

// Versions lists every version of an entry, the newest first, of a deleted one too, or store.ErrNotFound.
func (r *Retailers) Versions(ctx context.Context, retailer string, kind store.EntryKind, id string) ([]store.Entry, error) {
	return r.entries.Versions(ctx, retailer, kind, id)
}
