package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scrubKey is written where something must be, for the database to begin a new manifest.
var scrubKey = []byte{spaceStore, 's', 'c', 'r', 'u', 'b'}

// Bounds of a scrub.
const (
	manifestTries = 10_000 // flushes until a new manifest begins: about as many as there are tables
	goneWithin    = 30 * time.Second
	goneLook      = 20 * time.Millisecond
	zeroBytes     = 1 << 20
)

// Scrub removes from the disk what was erased of partitions, or deleted from them, before it was called; nil stands for all
// partitions. Erasing alone leaves it in older tables, in logs that are done with, in the unused end of a reused log, and, as
// far as names go, in manifests. Scrub
//
//   - compacts the span of each partition, and all marks, so that no table holds what was erased;
//   - begins new logs and overwrites all older ones with zeros, those too that the database keeps to use them again;
//   - begins new manifests until no older one is left;
//   - waits until the files that are no longer needed are gone.
//
// It costs as much as rewriting the tables that hold the partitions, and all marks: call it once for many erasures, never on
// the path of a request. The store goes on serving. Copies made by Checkpoint are not touched. A read that began before the
// erasure and still goes on may keep what it reads; such reads end within a call's deadline.
func (s *Store) Scrub(ctx context.Context, partitions []string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	return s.guard("scrub", func() error {
		if err := s.scrub(ctx, partitions); err != nil {
			return fmt.Errorf("data folder %s: scrub: %w", s.folder, err)
		}
		return nil
	})
}

func (s *Store) scrub(ctx context.Context, partitions []string) error {
	for _, span := range spans(partitions) {
		if err := s.db.Compact(ctx, span[0], span[1], false); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
	}
	for range 2 { // what the first makes the log in use is a clean one, but it may have been made of one that was not
		if err := s.cleanLogs(); err != nil {
			return err
		}
	}
	for range 2 { // the database keeps one manifest beside the one in use
		if err := s.newManifest(ctx); err != nil {
			return err
		}
	}
	return s.untilGone(ctx)
}

// spans are the ranges of keys that hold anything of partitions.
func spans(partitions []string) [][2][]byte {
	marks := [2][]byte{{spaceMarks}, {spaceMarks + 1}}
	if partitions == nil {
		return [][2][]byte{{{spaceDocuments}, {spaceDocuments + 1}}, marks}
	}
	all := make([][2][]byte, 0, len(partitions)+1)
	for _, partition := range partitions {
		head := appendHeadKey(nil, partition)
		all = append(all, [2][]byte{head, appendNextPrefix(nil, head)})
	}
	slices.SortFunc(all, func(a, b [2][]byte) int { return bytes.Compare(a[0], b[0]) })
	return append(all, marks)
}

// cleanLogs begins a new log and overwrites all that came before it.
func (s *Store) cleanLogs() error {
	last := s.disk.newestLog()
	if err := s.touch(); err != nil { // also makes the flush one of something
		return err
	}
	if err := s.db.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	// All that stood in logs up to last is in tables now, and the manifest says so.
	names, err := s.fs.List(s.folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if number, ok := logNumber(name); ok && number <= last {
			if err := s.disk.overwrite(s.fs.PathJoin(s.folder, name)); err != nil {
				return fmt.Errorf("overwrite %s: %w", name, err)
			}
		}
	}
	return nil
}

// touch writes the scrub key through the one goroutine that may write.
func (s *Store) touch() error {
	w := s.newWrite("", nil)
	if err := w.batch.Set(scrubKey, nil, nil); err != nil {
		return err
	}
	select {
	case s.queue <- w:
	case <-s.failed:
		return s.broken()
	}
	select {
	case <-w.done:
		return w.err
	case <-s.failed:
		return s.broken()
	}
}

// newManifest makes small changes until the database begins a new manifest: it does once as much was changed as there is.
func (s *Store) newManifest(ctx context.Context) error {
	before := s.disk.manifests.Load()
	for range manifestTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.touch(); err != nil {
			return err
		}
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		if s.disk.manifests.Load() != before {
			return nil
		}
	}
	return fmt.Errorf("no new manifest after %d flushes", manifestTries)
}

// untilGone waits until the tables that are not part of the tree any more, and all manifests but two, are deleted.
func (s *Store) untilGone(ctx context.Context) error {
	old, err := s.leftover(nil)
	for deadline := time.Now().Add(goneWithin); len(old) > 0 && err == nil; old, err = s.leftover(old) {
		if time.Now().After(deadline) {
			return fmt.Errorf("files that are not needed any more are still there, somebody reads them: %s", strings.Join(old, ", "))
		}
		select {
		case <-time.After(goneLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// leftover lists the files among some, nil for all, that are there and not needed.
func (s *Store) leftover(among []string) (old []string, err error) {
	names, err := s.fs.List(s.folder)
	if err != nil {
		return nil, err
	}
	live, err := s.liveTables() // after the names: a table that was just made is part of the tree by now, or will be
	if err != nil {
		return nil, err
	}
	var manifests []string
	for _, name := range names {
		number, isTable := strings.CutSuffix(name, ".sst")
		if isTable && !live[number] && (among == nil || slices.Contains(among, name)) {
			old = append(old, name)
		}
		if strings.HasPrefix(name, "MANIFEST-") {
			manifests = append(manifests, name)
		}
	}
	if len(manifests) > 2 {
		old = append(old, manifests...)
	}
	return old, nil
}

// liveTables are the numbers of the tables in the tree, as their names have them.
func (s *Store) liveTables() (map[string]bool, error) {
	levels, err := s.db.SSTables()
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, level := range levels {
		for _, table := range level {
			live[table.BackingSSTNum.String()] = true
		}
	}
	return live, nil
}

// logNumber reads the number of a log from its name.
func logNumber(name string) (uint64, bool) {
	digits, isLog := strings.CutSuffix(name, ".log")
	if !isLog {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil
}

// overwrite fills a log that the database is done with with zeros. It may be taken for a new log at any moment, but not
// while this goes on; one that was taken or deleted already is let be.
func (d *disk) overwrite(name string) (err error) {
	d.reuse.Lock()
	defer d.reuse.Unlock()
	file, err := d.logs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, min(zeroBytes, info.Size()))
	for at := int64(0); at < info.Size(); at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), info.Size()-at)], at); err != nil {
			return err
		}
	}
	return file.Sync()
}
