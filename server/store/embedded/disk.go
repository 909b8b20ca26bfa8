package embedded

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// disk stands between Pebble and the file system. The first failure of a log breaks the store, and from then on the disk
// stays as it is, as after a power cut: logs only seem to be written, and all other changes wait until the store is closed
// and then fail. No commit is acknowledged any more, because landAll asks after each sync whether the store is broken.
//
// Pebble is not told of the failure because it answers some with a crash of the process (when it cannot begin a new log it
// panics with a mutex in the wrong state), and others with trying again at once, for ever.
type disk struct {
	vfs.FS        // frozen once the store is broken
	logs   vfs.FS // never frozen
	store  *Store

	reuse     sync.Mutex    // held while a log that is done with becomes a new one, or is overwritten, see Scrub
	newest    atomic.Uint64 // number of the log that was begun last
	manifests atomic.Int64  // how many were begun
}

func newDisk(fs vfs.FS, s *Store) *disk {
	return &disk{FS: errorfs.Wrap(fs, frozen{s}), logs: fs, store: s}
}

func (d *disk) newestLog() uint64 { return d.newest.Load() }

// note remembers what files were begun.
func (d *disk) note(name string) {
	if d.PathDir(name) != d.store.folder {
		return
	}
	base := d.PathBase(name)
	if number, ok := logNumber(base); ok && number > d.newest.Load() { // one goroutine begins logs
		d.newest.Store(number)
	}
	if strings.HasPrefix(base, "MANIFEST-") {
		d.manifests.Add(1)
	}
}

// frozen holds back all changes of a broken store.
type frozen struct{ store *Store }

func (frozen) String() string { return "frozen when broken" }

// MaybeError is asked before each operation.
func (f frozen) MaybeError(op errorfs.Op) error {
	if f.store.failure.Load() == nil || op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
		return nil
	}
	if f.store.serving.Load() { // there is someone who will close it
		<-f.store.stop
	}
	return f.store.broken()
}

// isLog tells the logs of the folder from other files and from the logs of copies (Checkpoint).
func (d *disk) isLog(name string) bool {
	return strings.HasSuffix(name, ".log") && d.PathDir(name) == d.store.folder
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	d.note(name)
	if !d.isLog(name) {
		return d.FS.Create(name, category)
	}
	return d.begin(func() (vfs.File, error) { return d.logs.Create(name, category) })
}

func (d *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !d.isLog(to) {
		return d.FS.ReuseForWrite(from, to, category)
	}
	d.reuse.Lock()
	defer d.reuse.Unlock()
	d.note(to)
	return d.begin(func() (vfs.File, error) { return d.logs.ReuseForWrite(from, to, category) })
}

// begin begins a log, or something that looks like one when the store is broken.
func (d *disk) begin(create func() (vfs.File, error)) (vfs.File, error) {
	if d.store.failure.Load() == nil {
		f, err := create()
		if err == nil {
			return logFile{f, d.store}, nil
		}
		d.store.fail(err)
	}
	return logFile{vfs.NewMemFile(nil), d.store}, nil
}

// OpenDir opens a folder, to sync the names in it. A new log is not there before its name is.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.logs.OpenDir(name)
	if err != nil || name != d.store.folder {
		return f, err
	}
	return logFile{f, d.store}, nil
}

// Unwrap lets Pebble see whether it works on a real disk.
func (d *disk) Unwrap() vfs.FS { return d.logs }

// logFile is a log, or the folder of the logs.
type logFile struct {
	vfs.File
	store *Store
}

// try does something with the file as long as the store is not broken, and breaks it when that fails.
func (f logFile) try(do func() error) {
	if f.store.failure.Load() != nil {
		return
	}
	if err := do(); err != nil {
		f.store.fail(err)
	}
}

func (f logFile) Write(p []byte) (int, error) {
	f.try(func() error { _, err := f.File.Write(p); return err })
	return len(p), nil
}

func (f logFile) Sync() error     { f.try(f.File.Sync); return nil }
func (f logFile) SyncData() error { f.try(f.File.SyncData); return nil }

func (f logFile) SyncTo(length int64) (full bool, err error) {
	f.try(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, nil
}

func (f logFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.store.fail(err)
	}
	return nil
}
