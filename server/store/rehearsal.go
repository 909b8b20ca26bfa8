package store

import (
	"context"
	"errors"
)

// Rehearsed is what would become of an Edit, and what there is now.
type Rehearsed struct {
	Outcome
	Before Entry // the zero Entry when there is none
}

// Rehearse says what Apply would do, and writes nothing. An id that is edited twice is compared with its earlier edit.
func (e *Entries) Rehearse(ctx context.Context, retailer string, kind EntryKind, edits []Edit) ([]Rehearsed, error) {
	all := make([]Rehearsed, len(edits))
	edited := make(map[string]Entry, len(edits))
	for i, edit := range edits {
		before, again := edited[edit.ID]
		if !again {
			var err error
			if before, err = e.current(ctx, retailer, kind, edit.ID); err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
		}
		all[i] = Rehearsed{decide(before, edit), before}
		if all[i].Err == nil {
			edited[edit.ID] = all[i].Entry
		}
	}
	return all, nil
}
