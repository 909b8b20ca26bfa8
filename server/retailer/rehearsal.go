package retailer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"satnav/server/store"
)

// rehearse fills in what would become of edits that are right.
func rehearse(ctx context.Context, r *Retailers, retailer string, kind store.EntryKind, edits []store.Edit, saved []Saved, indexes []int) ([]Saved, error) {
	rehearsed, err := r.entries.Rehearse(ctx, retailer, kind, edits)
	if err != nil {
		return nil, fmt.Errorf("rehearse %s entries: %w", kind, err)
	}
	for n, would := range rehearsed {
		s := &saved[indexes[n]]
		s.Version, s.At, s.Body = would.Entry.Version, would.Entry.At, would.Entry.Body
		s.Unchanged, s.Created, s.Err = would.Unchanged, would.Created, would.Err
		if s.Err == nil && !s.Unchanged && !s.Created && !edits[n].Delete {
			s.Changed = differing(would.Before.Body, s.Body)
		}
	}
	return saved, nil
}

// differing names the members in which two JSON objects differ, in order; those of "properties" count as their own.
func differing(before, after []byte) []string {
	was, is := members(before), members(after)
	var names []string
	for name := range is {
		if !bytes.Equal(was[name], is[name]) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, kept := is[name]; !kept {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func members(text []byte) map[string]json.RawMessage {
	var all, properties map[string]json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return nil // a tombstone, or what an older version kept: everything is new
	}
	if json.Unmarshal(all["properties"], &properties) == nil {
		delete(all, "properties")
		maps.Copy(all, properties)
	}
	return all
}
