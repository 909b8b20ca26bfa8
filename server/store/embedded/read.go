package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"satnav/server/store"
)

// number returns the number that stands at a key, 0 when there is none.
func (s *Store) number(key []byte) (uint64, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, fmt.Errorf("%q holds %d bytes, want a number of 8", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// revision reads the head of a partition.
func (s *Store) revision(partition string) (store.Revision, error) {
	n, err := s.number(appendHeadKey(make([]byte, 0, len(partition)+2), partition))
	if err != nil {
		return 0, s.readError(partition, err)
	}
	return store.Revision(n), nil
}

// Revision implements [store.Documents].
func (s *Store) Revision(ctx context.Context, partition string) (store.Revision, error) {
	if err := store.CheckName("partition", partition); err != nil {
		return 0, err
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	revision, err := s.revision(partition)
	s.leave()
	if err == nil {
		err = s.settled(ctx, partition)
	}
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// Get implements [store.Documents].
func (s *Store) Get(ctx context.Context, partition, id string) (store.Document, error) {
	if err := errors.Join(store.CheckName("partition", partition), store.CheckName("id", id)); err != nil {
		return store.Document{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Document{}, err
	}
	d, found, err := get(s.db, partition, id)
	s.leave()
	if err != nil {
		return store.Document{}, s.readError(partition, err)
	}
	if err := s.settled(ctx, partition); err != nil {
		return store.Document{}, err
	}
	if !found {
		return store.Document{}, fmt.Errorf("partition %q: document %q: %w", partition, id, store.ErrNotFound)
	}
	return d, nil
}

// get reads one document as a database or a snapshot of it holds it.
func get(from pebble.Reader, partition, id string) (d store.Document, found bool, err error) {
	key := make([]byte, 0, len(partition)+len(id)+2)
	value, closer, err := from.Get(appendDocumentKey(key, partition, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	marks, body, err := parseDocument(value)
	names := partition + id // a copy: callers may reuse the memory of what they gave
	d = store.Document{Partition: names[:len(partition)], ID: names[len(partition):], Body: bytes.Clone(body), Marks: marks}
	return d, true, errors.Join(err, closer.Close())
}

// scratch is where a scan gathers what it finds before it knows how much that is.
type scratch struct {
	from, to  []byte // keys
	ids, data []byte // ids behind the name of their partition
	ends      []end
}

// end is where one document ends in the ids and the data.
type end struct{ id, data int }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// scratchBytes bounds what a scratch may hold when it is kept for the next scan.
const scratchBytes = 64 << 10

// Scan implements [store.Documents].
func (s *Store) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	if err := store.CheckName("partition", partition); err != nil {
		return store.Page{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Page{}, err
	}
	f := scratches.Get().(*scratch)
	page, err := s.scan(ctx, f, partition, from, to, store.PageLimit(limit))
	if cap(f.data) <= scratchBytes {
		scratches.Put(f)
	}
	s.leave()
	if err != nil {
		return store.Page{}, s.readError(partition, err)
	}
	if err := s.settled(ctx, partition); err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// scan reads head and documents with one iterator, that is at one instant, and copies them into two pieces of memory: one of
// names, one of bodies.
func (s *Store) scan(ctx context.Context, f *scratch, partition, from, to string, limit int) (page store.Page, err error) {
	f.from = appendDocumentKey(f.from[:0], partition, from)
	prefix := f.from[:len(partition)+2]
	f.to = append(f.to[:0], prefix...)
	if to == "" {
		f.to[len(f.to)-1]++
	} else {
		f.to = append(f.to, to...)
	}
	f.ids, f.data, f.ends = append(f.ids[:0], partition...), f.data[:0], f.ends[:0]

	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: f.to, UseL6Filters: true})
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.SeekPrefixGE(prefix) || len(it.Key()) != len(prefix) {
		return page, it.Error()
	}
	head, err := it.ValueAndErr()
	if err != nil {
		return page, err
	}
	if len(head) != 8 {
		return page, fmt.Errorf("head holds %d bytes, want a number of 8", len(head))
	}
	page.Revision = store.Revision(binary.BigEndian.Uint64(head))

	ok := false
	if from == "" {
		ok = it.Next()
	} else {
		ok = it.SeekPrefixGE(f.from)
	}
	for ; ok; ok = it.Next() {
		id := it.Key()[len(prefix):]
		if len(f.ends) == limit || len(f.data) >= store.MaxBatchBytes {
			page.Next = string(id)
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return page, err
		}
		f.ids = append(f.ids, id...)
		f.data = append(f.data, value...)
		f.ends = append(f.ends, end{len(f.ids), len(f.data)})
	}
	if err := it.Error(); err != nil || len(f.ends) == 0 {
		return page, err
	}

	ids, data := string(f.ids), bytes.Clone(f.data)
	page.Documents = make([]store.Document, len(f.ends))
	start := end{id: len(partition)}
	for i, end := range f.ends {
		d := &page.Documents[i]
		d.Partition, d.ID = ids[:len(partition)], ids[start.id:end.id]
		marks, body, err := parseDocument(data[start.data:end.data:end.data])
		if err != nil {
			return page, err
		}
		d.Marks, d.Body = marks, body
		start = end
	}
	return page, nil
}

// Marked implements [store.Documents].
func (s *Store) Marked(ctx context.Context, kind, key string, after store.Position, to time.Time, limit int) (found []store.Marked, more bool, err error) {
	if err := store.CheckMark(kind, key); err != nil {
		return nil, false, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, false, err
	}
	found, more, err = s.marked(ctx, kind, key, after, to, store.PageLimit(limit))
	s.leave()
	if err != nil {
		return nil, false, fmt.Errorf("data folder %s: read marks %q %q: %v: %w", s.folder, kind, key, err, classify(err))
	}
	for i := range found {
		if i > 0 && found[i].Partition == found[i-1].Partition {
			continue
		}
		if err := s.settled(ctx, found[i].Partition); err != nil {
			return nil, false, err
		}
	}
	return found, more, nil
}

// marked reads marks and their documents from one snapshot, so that both agree.
func (s *Store) marked(ctx context.Context, kind, key string, position store.Position, to time.Time, limit int) (found []store.Marked, more bool, err error) {
	prefix := appendMarkPrefix(nil, kind, key)
	first := appendPositionKey(nil, kind, key, position)
	last := appendNextPrefix(nil, prefix)
	if !to.IsZero() {
		last = appendMillis(bytes.Clone(prefix), millisFrom(to))
	}
	if bytes.Compare(first, last) >= 0 {
		return nil, false, nil
	}
	snapshot := s.db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	it, err := snapshot.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: first, UpperBound: last, UseL6Filters: true})
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	bytesRead := 0
	for ok := it.SeekPrefixGE(first); ok; ok = it.Next() {
		if len(found) == limit || bytesRead >= store.MaxBatchBytes {
			return found, true, nil
		}
		millis, partition, id, ok := parseMarkKey(it.Key()[len(prefix):])
		if !ok {
			return nil, false, errValue
		}
		d, ok, err := get(snapshot, string(partition), string(id))
		if err != nil {
			return nil, false, err
		}
		if !ok {
			return nil, false, fmt.Errorf("partition %q: document %q has a mark but does not exist", partition, id)
		}
		found = append(found, store.Marked{At: time.UnixMilli(millis).UTC(), Document: d})
		bytesRead += len(d.Body)
	}
	return found, false, it.Error()
}

// Partitions implements [store.Documents].
func (s *Store) Partitions(ctx context.Context, from, to string, limit int) (names []string, next string, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, "", err
	}
	names, next, err = s.partitions(ctx, from, to, store.PageLimit(limit))
	s.leave()
	if err != nil {
		return nil, "", fmt.Errorf("data folder %s: list partitions: %v: %w", s.folder, err, classify(err))
	}
	for _, name := range names {
		if err := s.settled(ctx, name); err != nil {
			return nil, "", err
		}
	}
	return names, next, nil
}

func (s *Store) partitions(ctx context.Context, from, to string, limit int) (names []string, next string, err error) {
	first, last := append([]byte{spaceDocuments}, from...), []byte{spaceDocuments + 1}
	if to != "" {
		last = append([]byte{spaceDocuments}, to...)
	}
	if bytes.Compare(first, last) >= 0 {
		return nil, "", nil
	}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: first, UpperBound: last})
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.NextPrefix() {
		partition, _, ok := parseDocumentKey(it.Key())
		if !ok {
			return nil, "", errValue
		}
		if len(names) == limit {
			return names, string(partition), nil
		}
		names = append(names, string(partition))
	}
	return names, "", it.Error()
}
