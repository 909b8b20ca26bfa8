package store

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"satnav/geo"
)

// RawEntry is an entry as it is stored: nothing of it is made that nobody asks for. It is good until the function that it
// was given to returns.
type RawEntry struct {
	ID      string
	Version int64
	Deleted bool

	retailer string
	kind     EntryKind
	body     bson.Raw
	stored   storedEntry
}

// Entry makes all of it.
func (e *RawEntry) Entry() (Entry, error) { return decodeEntry(e.retailer, e.kind, e.body) }

// Geofence is the geofence of an entry that is one, with the version of the entry.
func (e *RawEntry) Geofence(unpack *geo.Unpacker) (geo.Geofence, error) {
	var fence geo.Geofence
	var err error
	if e.stored.packed != nil {
		fence, err = unpack.Geofence(e.stored.packed)
	} else {
		fence, _, err = geo.ParseFeature(e.stored.text)
	}
	fence.Version = e.Version
	return fence, err
}

// Pages calls f for every entry, deleted ones too, a page at a time, from as many goroutines as there are readers: with each call a
// number below readers that no other call has at that time, and entries in order of id; pages come in any order. It is for
// kinds with a million entries. The first error ends it.
func (e *Entries) Pages(ctx context.Context, retailer string, kind EntryKind, readers int, f func(reader int, page []RawEntry) error) error {
	p := &pages{documents: e.documents, partition: entryPartition(retailer, kind), spans: make([]span, readers)}
	p.spans[0] = span{currentID(""), "is0"}
	reading, ctx := errgroup.WithContext(ctx)
	for reader := range readers {
		var entries []RawEntry
		reading.Go(func() error {
			return p.read(ctx, reader, func(found []Document) error {
				entries = entries[:0]
				for _, d := range found {
					raw := RawEntry{ID: strings.TrimPrefix(d.ID, currentID("")), retailer: retailer, kind: kind, body: d.Body}
					if err := raw.stored.read(d.Body); err != nil {
						return fmt.Errorf("%s %s: %w", kind, raw.ID, err)
					}
					raw.Version, raw.Deleted = raw.stored.version, raw.stored.deleted
					entries = append(entries, raw)
				}
				return f(reader, entries)
			})
		})
	}
	return reading.Wait()
}

// pages lets several readers share one range of ids. The first begins with all of it; who has nothing to do takes the upper half of what
// another has not read yet.
type pages struct {
	documents Documents
	partition string

	mu    sync.Mutex
	spans []span // by reader: what is left to it
}

// span is the ids from one on, up to another, which is not in it. It is empty where both are the same.
type span struct{ from, to string }

func (p *pages) read(ctx context.Context, reader int, f func([]Document) error) error {
	for {
		p.mu.Lock()
		own := p.spans[reader]
		p.mu.Unlock()
		if own.from >= own.to {
			if more, err := p.share(ctx, reader); err != nil || !more {
				return err
			}
			continue
		}
		page, err := p.documents.Scan(ctx, p.partition, own.from, own.to, 0)
		if err != nil {
			return err
		}
		p.mu.Lock()
		left := &p.spans[reader] // meanwhile its end may have been given away
		if left.from = page.Next; left.from == "" || left.from > left.to {
			left.from = left.to
		}
		to := left.to
		p.mu.Unlock()
		found := page.Documents
		for len(found) > 0 && found[len(found)-1].ID >= to {
			found = found[:len(found)-1]
		}
		if err := f(found); err != nil {
			return err
		}
	}
}

// share gives a reader that has nothing left the upper part of what another has, and tells whether there was any.
func (p *pages) share(ctx context.Context, reader int) (more bool, err error) {
	for other := range p.spans {
		p.mu.Lock()
		theirs := p.spans[other]
		p.mu.Unlock()
		if other == reader || theirs.from >= theirs.to {
			continue
		}
		middle, err := p.middle(ctx, theirs)
		if err != nil {
			return false, err
		}
		p.mu.Lock()
		if now := &p.spans[other]; middle != "" && now.to == theirs.to && now.from < middle {
			p.spans[reader] = span{middle, now.to}
			now.to = middle
			more = true
		}
		p.mu.Unlock()
		if more {
			return true, nil
		}
	}
	return false, nil
}

// middle is a place between the ids of a span, as near to the middle of them as their first different letters tell; empty: none
// is known. It costs some seven reads of one document for each letter that all have in common.
func (p *pages) middle(ctx context.Context, s span) (string, error) {
	next := func(from string) (id string, err error) {
		page, err := p.documents.Scan(ctx, p.partition, from, s.to, 1)
		if err != nil || len(page.Documents) == 0 {
			return "", err
		}
		return page.Documents[0].ID, nil
	}
	first, err := next(s.from)
	if first == "" || err != nil {
		return "", err
	}
	first += "\x1f" // before all that goes on from here
	for at := len(currentID("")); at < len(first); at++ {
		// The last letter that any id of the span has here; those beyond ASCII count as the last of it.
		low, high := first[at], byte('~')
		for low < high {
			letter := low + (high-low+1)/2
			id, err := next(first[:at] + string(rune(letter)))
			if err != nil {
				return "", err
			}
			if id != "" {
				low = letter
			} else {
				high = letter - 1
			}
		}
		if low > first[at] {
			return first[:at] + string(rune(first[at]+(low-first[at]+1)/2)), nil
		}
		if first[at] > '~' {
			break
		}
	}
	return "", nil
}
