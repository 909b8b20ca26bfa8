// Package embedded is the store of one machine: [store.Documents] over Pebble, all data in one folder, owned by one process.
//
// A crossing must be on disk before its answer leaves, so what counts is how many synced commits a disk bears: Pebble
// shares one fsync among all writers that wait (5 to 16 times the commits of bbolt, Badger or SQLite with 64 writers).
//
// # How a commit goes
//
// A writer takes the turn of its partition's lane, reads the revision and the documents that it replaces, builds one
// Pebble batch and queues it. One goroutine applies the queue to log and memory, in order, and passes the turn on; the
// next writer of the partition need not wait for the disk. A second goroutine waits for each batch to be synced and then
// tells its writer. So no turn is held across an fsync, all writers share fsyncs, and a caller whose deadline passes is
// never stuck inside the database.
//
// A batch is visible as soon as it is applied, a moment before it is durable. A later commit may build on it: the log is
// one sequence, so whatever builds on it can only become durable after it. A reader may not: each lane remembers the
// partitions with a commit that is not yet synced, and a read of such a partition waits for it before it answers.
//
// When the log cannot be written or synced, nobody knows what of it is on disk. Then the store trusts nothing any more:
// every verb returns ErrUnavailable until the folder is opened again, which recovers what is really there. To keep a full
// disk from ending like this, commits are refused with ErrFull while less than a reserve of space is free.
//
// What was decided against: bytes of several partitions in one key space without a prefix filter (a read of an unknown
// shopper would touch every level); sequence numbers per partition kept in memory (a million idle shoppers); reopening by
// itself after a failed sync (what was refused could come back as acknowledged).
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"satnav/server/store"
)

var _ store.Documents = (*Store)(nil)

// Options are the sizes of a store. The zero value of each field means its default.
type Options struct {
	CacheBytes    int64 // of blocks read from disk, shared by all reads; 128 MiB
	MemTableBytes int   // of one table of fresh writes in memory, of which up to four exist; 32 MiB
	ReserveBytes  int64 // commits are refused while less is free on the disk; 256 MiB; negative: never refused

	Log *slog.Logger // for what the database says of itself, at debug, warn and error; nil: nowhere
	FS  vfs.FS       // where the folder lies; nil: on disk
}

const (
	defaultCacheBytes    = 128 << 20
	defaultMemTableBytes = 32 << 20
	defaultReserveBytes  = 256 << 20

	// lanes is how many partitions can be written at the same instant without waiting for each other. It is part of
	// the folder's format, as each lane keeps a floor of revisions on disk.
	lanes = 1024

	// queueLength bounds the commits between their writers and the log. Pebble takes at most 511 at once.
	queueLength = 512

	// keepInterval is how often the free space is looked at and lazy commits are synced.
	keepInterval = 250 * time.Millisecond

	// abandonAfter bounds the wait for a database that broke down to close.
	abandonAfter = 2 * time.Second
)

// Store is an open data folder. It is safe for concurrent use. Close it, or the next process must replay its log.
type Store struct {
	db     *pebble.DB
	cache  *pebble.Cache
	owner  *owner
	fs     vfs.FS
	disk   *disk // what Pebble sees of fs
	folder string
	log    *slog.Logger

	gate   sync.RWMutex // held for reading inside the database, for writing to close it
	closed bool

	failure atomic.Pointer[error] // why nothing here is trusted any more
	failed  chan struct{}         // closed once failure is set: nobody has to wait for anything then
	serving atomic.Bool           // Open has succeeded

	lanes   [lanes]lane
	queue   chan *write // to the goroutine that applies
	landing chan *write // from there to the goroutine that waits for the disk
	landed  chan struct{}

	stop    chan struct{} // closed when the store is to close
	kept    chan struct{} // closed when the goroutine that keeps house has ended
	reserve uint64
	free    atomic.Uint64 // bytes left on the disk when last looked at
	full    atomic.Bool
	lazy    atomic.Bool // lazy commits may wait for a sync

	counts counts
}

// Open opens the data folder, and makes it first when it does not exist. It returns ErrBusy when another process, or this
// one, has it open.
func Open(folder string, o Options) (*Store, error) {
	s := &Store{
		fs:      o.FS,
		folder:  folder,
		log:     o.Log,
		queue:   make(chan *write, queueLength),
		landing: make(chan *write, queueLength),
		landed:  make(chan struct{}),
		failed:  make(chan struct{}),
		stop:    make(chan struct{}),
		kept:    make(chan struct{}),
	}
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.ReserveBytes == 0:
		s.reserve = defaultReserveBytes
	case o.ReserveBytes > 0:
		s.reserve = uint64(o.ReserveBytes)
	}
	for i := range s.lanes {
		s.lanes[i].turn = make(chan struct{}, 1)
	}

	owner, err := own(s.fs, folder)
	if err != nil {
		return nil, err
	}
	s.owner = owner
	if err := s.guard("open", func() error { return s.open(o) }); err != nil {
		return nil, errors.Join(err, owner.release())
	}
	s.serving.Store(true)
	s.look()
	go s.applyAll()
	go s.landAll()
	go s.keep()
	return s, nil
}

// open opens the Pebble database.
func (s *Store) open(o Options) error {
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = defaultMemTableBytes
	}
	var err error
	s.cache, s.disk = pebble.NewCache(o.CacheBytes), newDisk(s.fs, s)
	options := &pebble.Options{
		Cache:                       s.cache,
		Comparer:                    comparer,
		FS:                          s.disk,
		Lock:                        s.owner.lock,
		FormatMajorVersion:          pebble.FormatValueSeparation, // named, so that a newer Pebble does not migrate folders unasked
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000, // sooner or later a stall costs deadlines, a deep level 0 only some time
		LBaseMaxBytes:               64 << 20,
		MaxManifestFileSize:         1, // begin a new one as soon as half of one is history, see Scrub
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      logger{s},
		EventListener:               s.listener(),
	}
	options.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		// Pebble takes keys with one prefix for versions of one thing, of which all but the newest are stored apart. Ours are
		// the documents of one partition, which are read together.
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, nil, nil
	}
	for i := range options.Levels {
		options.Levels[i].BlockSize = 8 << 10 // a shopper or two: what one cold read has to unpack
		options.Levels[i].IndexBlockSize = 256 << 10
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	s.db, err = pebble.Open(s.folder, options)
	if err != nil {
		s.cache.Unref()
		return cmp.Or(s.broken(), fmt.Errorf("data folder %s: open: %v: %w", s.folder, err, classify(err)))
	}
	if err := cmp.Or(s.checkFormat(), s.broken()); err != nil {
		err = errors.Join(err, s.db.Close())
		s.cache.Unref()
		return err
	}
	return nil
}

// enter is the door of every verb: it keeps the database open until leave is called.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return fmt.Errorf("data folder %s: %w", s.folder, store.ErrClosed)
	}
	if err := s.broken(); err != nil {
		s.gate.RUnlock()
		return err
	}
	return nil
}

func (s *Store) leave() { s.gate.RUnlock() }

// Close implements [store.Documents]. It returns the failure of a store that broke down, whose lazy commits may be lost.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return nil
	}
	s.closed = true
	s.gate.Unlock()

	close(s.stop)
	<-s.kept
	close(s.queue)
	if s.broken() != nil {
		return s.abandon()
	}
	<-s.landed
	if s.broken() != nil {
		return s.abandon()
	}
	err := s.db.Close()
	s.cache.Unref()
	if err != nil {
		err = fmt.Errorf("data folder %s: close: %v: %w", s.folder, err, classify(err))
	}
	return errors.Join(err, s.owner.release())
}

// abandon closes a database that broke down, as far as it can be closed: parts of it may wait for each other for ever.
func (s *Store) abandon() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		<-s.landed
		_ = s.db.Close()
		s.cache.Unref()
	}()
	select {
	case <-done:
	case <-time.After(abandonAfter):
	}
	_ = s.owner.release()
	return s.broken()
}

// broken returns why the store is not to be trusted any more, or nil.
func (s *Store) broken() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends all trust in the store; the first cause stays.
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("data folder %s: what is on disk is not known any more, restart to recover it: %v: %w", s.folder, cause, classify(cause))
	if s.failure.CompareAndSwap(nil, &err) {
		close(s.failed)
		s.log.Error("store broke down", "folder", s.folder, "error", cause)
	}
	return s.broken()
}

// readError puts a failed read into the port's words.
func (s *Store) readError(partition string, err error) error {
	return fmt.Errorf("data folder %s: read partition %q: %v: %w", s.folder, partition, err, classify(err))
}

// classify returns the port's errors for a cause that comes from the disk.
func classify(cause error) error {
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		return diskFull{}
	}
	return store.ErrUnavailable
}

// diskFull is a store that is unavailable because its disk is full.
type diskFull struct{}

func (diskFull) Error() string   { return store.ErrUnavailable.Error() + ": " + store.ErrFull.Error() }
func (diskFull) Unwrap() []error { return []error{store.ErrUnavailable, store.ErrFull} }

// keep looks after the free space and the lazy commits until the store closes.
func (s *Store) keep() {
	defer close(s.kept)
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.look()
		if s.lazy.Swap(false) && s.broken() == nil {
			sync := s.newWrite("", nil)
			if err := sync.batch.LogData(nil, nil); err != nil {
				s.fail(err)
				return
			}
			select {
			case s.queue <- sync:
			case <-s.failed:
			case <-s.stop:
				return
			}
		}
	}
}

// look notes how much of the disk is free. A file system that does not tell is never full.
func (s *Store) look() {
	usage, err := s.fs.GetDiskUsage(s.folder)
	if err != nil {
		return
	}
	s.free.Store(usage.AvailBytes)
	full := usage.AvailBytes < s.reserve
	if full != s.full.Swap(full) {
		s.log.Warn("disk space", "folder", s.folder, "full", full, "free_bytes", usage.AvailBytes, "reserve_bytes", s.reserve)
	}
}

// Checkpoint writes a copy of everything committed so far into a folder that must not exist yet; the copy is a data folder
// of its own. Files are linked where the file system can, so it is quick and small at first. The store goes on serving.
func (s *Store) Checkpoint(ctx context.Context, folder string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer s.leave()
		done <- s.guard("checkpoint", func() error {
			if err := s.db.Checkpoint(folder, pebble.WithFlushedWAL()); err != nil {
				return fmt.Errorf("data folder %s: checkpoint into %s: %v: %w", s.folder, folder, err, classify(err))
			}
			return nil
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guard runs f on a goroutine of its own and waits for it. Where Pebble meets a disk with which it cannot go on, it ends the
// goroutine, by a panic or through logger.Fatalf: the store has broken down then.
func (s *Store) guard(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if p := recover(); !returned {
				done <- s.fail(fmt.Errorf("%s: %w", what, cause(p)))
			}
		}()
		err := f()
		returned = true
		done <- err
	}()
	return <-done
}

// cause returns the error that a panic carried, or one that names it; nil is the end of a goroutine, whose cause is known.
func cause(panicked any) error {
	switch p := panicked.(type) {
	case nil:
		return errors.New("the database gave up")
	case error:
		return p
	default:
		return fmt.Errorf("panic: %v", p)
	}
}
