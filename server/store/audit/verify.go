package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"

	"satnav/server/store"
)

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Broken is what Verify found wrong with a chain, and where.
type Broken struct {
	Retailer string
	Number   int64 // of the first entry that is not as it was
	Problem  string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("audit log of %q: entry %d: %s", b.Retailer, b.Number, b.Problem)
}

// Verify reads a retailer's whole chain and returns its end. It returns a *Broken when an entry was changed, dropped, moved or
// added by somebody who does not have a key. keys are all that have ever signed. expect, if not nil, is the end that was
// told once: the chain must lead through it.
//
// A chain may grow while it is read.
func Verify(ctx context.Context, documents store.Documents, retailer string, keys []ed25519.PublicKey, expect *Head) (Head, error) {
	v := verifier{retailer: retailer, keys: keys, expect: expect, seen: -1}
	for {
		if err := v.walk(ctx, documents); err != nil {
			return v.last, err
		}
		// The note of the end is written with the entries, so it is never behind one that was read before it.
		head, exists, err := v.readHead(ctx, documents)
		if err != nil {
			return v.last, err
		}
		if v.seen == v.last.Number && head.Number > v.last.Number || head.Number <= v.last.Number {
			return v.last, v.end(head, exists)
		}
		v.seen = v.last.Number // more was appended: read on
	}
}

// walk reads all that follows the last entry.
func (v *verifier) walk(ctx context.Context, documents store.Documents) error {
	for from := entryID(v.last.Number + 1); from != ""; {
		page, err := documents.Scan(ctx, Partition(v.retailer), from, entriesTo, 0)
		if err != nil {
			return err
		}
		for _, d := range page.Documents {
			if err := v.next(d); err != nil {
				return err
			}
		}
		from = page.Next
	}
	return nil
}

// verifier walks along a chain.
type verifier struct {
	retailer string
	keys     []ed25519.PublicKey
	expect   *Head
	last     Head
	seen     int64 // where the walk before this one ended; -1: there was none
	sealed   bool  // the last entry carries a good signature
	met      bool  // expect was passed
}

func (v *verifier) broken(number int64, format string, args ...any) error {
	return &Broken{v.retailer, number, fmt.Sprintf(format, args...)}
}

func (v *verifier) readHead(ctx context.Context, documents store.Documents) (head Head, exists bool, err error) {
	d, err := documents.Get(ctx, Partition(v.retailer), headID)
	if errors.Is(err, store.ErrNotFound) {
		return Head{}, false, nil
	}
	if err != nil {
		return Head{}, false, err
	}
	head, signature, err := decodeHead(d.Body)
	if err != nil {
		return Head{}, false, v.broken(0, "the note of where the log ends is damaged")
	}
	if !v.good(head, signature) {
		return Head{}, false, v.broken(head.Number, "the note of where the log ends is not signed by a known key")
	}
	return head, true, nil
}

func (v *verifier) good(h Head, signature []byte) bool {
	return slices.ContainsFunc(v.keys, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, signed(v.retailer, h), signature) })
}

func (v *verifier) next(d store.Document) error {
	number := v.last.Number + 1
	if d.ID != entryID(number) {
		return v.broken(number, "it is missing: %s follows", d.ID)
	}
	s, err := decode(d.Body)
	switch {
	case err != nil:
		return v.broken(number, "it was changed")
	case s.entry.Number != number:
		return v.broken(number, "entry %d stands in its place", s.entry.Number)
	case !bytes.Equal(s.entry.Before, v.last.Hash[:]):
		return v.broken(number, "it does not follow the entry before: one of the two was changed")
	}
	v.last, v.sealed = Head{number, s.hash}, false
	if s.signature != nil {
		if !v.good(v.last, s.signature) {
			return v.broken(number, "it is not signed by a known key")
		}
		v.sealed = true
	}
	if v.expect != nil && v.expect.Number == number {
		if v.expect.Hash != s.hash {
			return v.broken(number, "it is not the entry that the log had once")
		}
		v.met = true
	}
	return nil
}

// end compares where the walk ended with where the log says that it ends.
func (v *verifier) end(head Head, exists bool) error {
	switch {
	case !exists && v.last.Number == 0 && v.expect == nil:
		return nil // nothing was ever logged
	case !exists:
		return v.broken(v.last.Number, "the note of where the log ends is missing")
	case v.last.Number < head.Number:
		return v.broken(v.last.Number+1, "it is missing, with all up to %d", head.Number)
	case v.last.Hash != head.Hash:
		return v.broken(v.last.Number, "it is not the entry with which the log ended")
	case !v.sealed:
		return v.broken(v.last.Number, "the log ends with an entry that is not signed")
	case v.expect != nil && !v.met:
		return v.broken(v.last.Number, "the log had %d entries once", v.expect.Number)
	}
	return nil
}
