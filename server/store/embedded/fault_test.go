package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
	"satnav/server/store/embedded/disktest"
	"satnav/server/store/storetest"
)

// openOn opens a store on a file system in memory; it writes tables and changes logs all the time.
func openOn(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open("data", Options{FS: fs, CacheBytes: 1 << 20, MemTableBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// working works on a store until stopped; ended is closed when it is, or when the store has given up.
func working(t testing.TB, s *Store, l *ledger) (stop func(), ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx, s, func(partition string, p promise) { l.promise(partition, p.n, p.revision) })
	}()
	return func() { cancel(); <-done }, done
}

// untilTotal waits until a ledger holds n promises.
func untilTotal(t testing.TB, l *ledger, n int) {
	t.Helper()
	for l.total() < n {
		if t.Context().Err() != nil {
			t.Fatal("stopped")
		}
		time.Sleep(time.Millisecond)
	}
}

// cutPower works on a file system made by wrap, cuts the power at random several times, and checks each time what a store
// opened afterwards holds.
func cutPower(t *testing.T, cuts int, wrap func(*vfs.MemFS) vfs.FS) error {
	rng := rand.New(rand.NewPCG(3, 4))
	disk, l := vfs.NewCrashableMem(), newLedger()
	for cut := range cuts {
		s := openOn(t, wrap(disk))
		stop, _ := working(t, s, l)
		untilTotal(t, l, l.total()+20+rng.IntN(200))
		promised := l.copy()
		disk = disktest.PowerCut(disk, rng)
		stop()
		s.Close() // what it writes now is on the old disk
		d, err := Open("data", Options{FS: disk})
		if err != nil {
			return fmt.Errorf("after power cut %d: %w", cut+1, err)
		}
		if err := promised.check(t.Context(), d); err != nil {
			d.Close()
			return fmt.Errorf("after power cut %d: %w", cut+1, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		l = promised
	}
	return nil
}

func TestPowerCutLosesNothing(t *testing.T) {
	t.Parallel()
	if err := cutPower(t, 30, disktest.Honest); err != nil {
		t.Fatal(err)
	}
}

// The test above must be able to fail: a disk that lies about its syncs is found.
func TestPowerCutOnLyingDiskIsFound(t *testing.T) {
	t.Parallel()
	err := cutPower(t, 100, disktest.Lying)
	if err == nil {
		t.Fatal("the power was cut 100 times over a log that was never synced, and nothing was found missing")
	}
	t.Log(err)
}

// faults are injected into a file system while they are set.
type faults struct {
	match atomic.Pointer[func(errorfs.Op) error]
}

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	if match := f.match.Load(); match != nil {
		return (*match)(op)
	}
	return nil
}

// fail makes operations of some kinds on files whose names contain a part fail from now on.
func (f *faults) fail(part string, err error, kinds ...errorfs.OpKind) {
	match := func(op errorfs.Op) error {
		if strings.Contains(op.Path, part) && slices.Contains(kinds, op.Kind) {
			return err
		}
		return nil
	}
	f.match.Store(&match)
}

func (f *faults) heal() { f.match.Store(nil) }

// on injects the faults into a file system.
func (f *faults) on(fs vfs.FS) vfs.FS { return faultyFS{errorfs.Wrap(fs, f), f} }

// faultyFS injects faults into reused files too: errorfs alone hands them out bare, and Pebble reuses its logs.
type faultyFS struct {
	vfs.FS
	faults *faults
}

func (f faultyFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.faults.MaybeError(errorfs.Op{Kind: errorfs.OpReuseForWrite, Path: from}); err != nil {
		return nil, err
	}
	if err := f.Rename(from, to); err != nil {
		return nil, err
	}
	return f.OpenReadWrite(to, category)
}

func TestBrokenDiskIsNotTrusted(t *testing.T) {
	t.Parallel()
	syncs := []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}
	for _, c := range []struct {
		name  string
		part  string
		kinds []errorfs.OpKind
		give  error
		full  bool
	}{
		{"the log cannot be written, the disk is full", ".log", []errorfs.OpKind{errorfs.OpFileWrite}, syscall.ENOSPC, true},
		{"the log cannot be written, the quota is used up", ".log", []errorfs.OpKind{errorfs.OpFileWrite}, syscall.EDQUOT, true},
		{"the log cannot be written, the disk is bad", ".log", []errorfs.OpKind{errorfs.OpFileWrite}, syscall.EIO, false},
		{"the log cannot be synced, the disk is bad", ".log", syncs, syscall.EIO, false},
		{"the log cannot be synced, the disk is full", ".log", syncs, syscall.ENOSPC, true},
		{"no new log can be made, the disk is full", ".log", []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite}, syscall.ENOSPC, true},
		{"the manifest cannot be written, the disk is bad", "MANIFEST", []errorfs.OpKind{errorfs.OpFileWrite}, syscall.EIO, false},
		{"the manifest cannot be synced, the disk is full", "MANIFEST", syncs, syscall.ENOSPC, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var broken faults
			disk, l := vfs.NewCrashableMem(), newLedger()
			s := openOn(t, broken.on(disk))
			_, ended := working(t, s, l)
			untilTotal(t, l, 100)
			broken.fail(c.part, c.give, c.kinds...)
			<-ended // by itself: nobody is stuck
			broken.heal()

			errs := map[string]error{"close": s.Close()}
			for verb, err := range map[string]func() error{
				"get":         func() error { _, err := s.Get(t.Context(), "d0", "a"); return err },
				"scan":        func() error { _, err := s.Scan(t.Context(), "d0", "", "", 0); return err },
				"commit":      func() error { _, err := s.Commit(t.Context(), store.Batch{Partition: "d0"}); return err },
				"lazy commit": func() error { _, err := s.Commit(t.Context(), store.Batch{Partition: "d0", Lazy: true}); return err },
			} {
				s.closed = false // ask what they said before Close
				errs[verb] = err()
				s.closed = true
			}
			for verb, err := range errs {
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) != c.full {
					t.Errorf("%s: got error %v, want %v, full %v", verb, err, store.ErrUnavailable, c.full)
				}
				if !strings.Contains(err.Error(), "data folder data") {
					t.Errorf("%s: error %q does not name the folder", verb, err)
				}
			}
			if stats := s.Stats(); stats.Broken == nil {
				t.Error("the state of the store does not say that it is broken")
			}
			d := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
			defer d.Close()
			if err := l.check(t.Context(), d); err != nil {
				t.Errorf("opened again: %v", err)
			}
		})
	}
}

func TestFailedFlushIsTriedAgain(t *testing.T) {
	t.Parallel()
	var broken faults
	disk, l := vfs.NewCrashableMem(), newLedger()
	s := openOn(t, broken.on(disk))
	stop, _ := working(t, s, l)
	broken.fail(".sst", syscall.ENOSPC, errorfs.OpFileWrite, errorfs.OpCreate)
	for s.Stats().BackgroundErrors == 0 {
		time.Sleep(time.Millisecond)
	}
	broken.heal()
	untilTotal(t, l, l.total()+500)
	stop()
	if err := s.Close(); err != nil { // commits that were given up go their way until then
		t.Fatal(err)
	}
	d := openOn(t, disk)
	defer d.Close()
	if err := l.check(t.Context(), d); err != nil {
		t.Error(err)
	}
}

func TestOpenOnBrokenDisk(t *testing.T) {
	t.Parallel()
	for _, part := range []string{".log", "MANIFEST", "owner", "LOCK", "data"} {
		t.Run(part, func(t *testing.T) {
			var broken faults
			broken.fail(part, syscall.ENOSPC, errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpLock, errorfs.OpFileSync, errorfs.OpFileSyncData)
			disk := vfs.NewCrashableMem()
			_, err := Open("data", Options{FS: broken.on(disk)})
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrFull) {
				t.Errorf("got error %v, want %v and %v", err, store.ErrUnavailable, store.ErrFull)
			}
			s := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReserveKeepsDiskFromFilling(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	usage := func(free uint64) { disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 30}) }
	usage(1 << 30)
	s := openOn(t, disk)
	defer s.Close()
	if _, err := step(t.Context(), s, "p", false); err != nil {
		t.Fatal(err)
	}
	usage(100 << 20)
	_, err := step(t.Context(), s, "p", false)
	for err == nil { // until it is noticed
		time.Sleep(time.Millisecond)
		_, err = step(t.Context(), s, "p", false)
	}
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got error %v, want %v alone", err, store.ErrFull)
	}
	for _, figure := range []string{"100 MiB", "256 MiB", "data"} {
		if !strings.Contains(err.Error(), figure) {
			t.Errorf("error %q does not tell %q", err, figure)
		}
	}
	if stats := s.Stats(); !stats.Full || stats.FreeBytes != 100<<20 {
		t.Errorf("the state of the store says %+v", stats)
	}
	if _, err := s.Get(t.Context(), "p", "a"); err != nil {
		t.Errorf("a read on a full disk: %v", err)
	}
	if _, err := s.Erase(t.Context(), "p"); err != nil {
		t.Errorf("an erasure on a full disk: %v", err)
	}
	usage(1 << 30)
	for err != nil {
		time.Sleep(time.Millisecond)
		if _, err = step(t.Context(), s, "p", false); err != nil && !errors.Is(err, store.ErrFull) {
			t.Fatal(err)
		}
	}
}

// heldFS holds back the syncs of logs while its gate is shut.
type heldFS struct {
	vfs.FS
	gate *sync.RWMutex
	err  *atomic.Pointer[error] // what a sync ends with
}

func (h heldFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return heldFile{f, h}, nil
}

type heldFile struct {
	vfs.File
	fs heldFS
}

func (h heldFile) held(sync func() error) error {
	h.fs.gate.RLock()
	defer h.fs.gate.RUnlock()
	if err := h.fs.err.Load(); err != nil {
		return *err
	}
	return sync()
}

func (h heldFile) Sync() error     { return h.held(h.File.Sync) }
func (h heldFile) SyncData() error { return h.held(h.File.SyncData) }
func (h heldFile) SyncTo(n int64) (full bool, err error) {
	return true, h.held(h.File.SyncData)
}

// shortly is a context that ends soon: for what must not return while a disk hangs.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestReadersWaitForTheDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  error // of the sync that is held back
	}{{"that comes back", nil}, {"that fails", syscall.EIO}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			held := heldFS{vfs.NewCrashableMem(), new(sync.RWMutex), new(atomic.Pointer[error])}
			s := openOn(t, held)
			defer s.Close()
			for _, partition := range []string{"p", "q"} {
				if _, err := step(t.Context(), s, partition, false); err != nil {
					t.Fatal(err)
				}
			}
			commit := func(ctx context.Context, n int) error {
				_, err := s.Commit(ctx, store.Batch{Partition: "p", Put: []store.Document{{
					ID: "a", Body: storetest.Body(n), Marks: []store.Mark{{Kind: "m", At: time.Unix(int64(n), 0)}},
				}}})
				return err
			}

			held.gate.Lock()
			release := sync.OnceFunc(held.gate.Unlock)
			defer release()
			for i := range 2 { // the second one's turn comes though the first still waits for the disk
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- commit(ctx, 10+i) }()
				for {
					revision, err := s.revision("p")
					if err != nil {
						t.Fatal(err)
					}
					if int(revision) == 2+i { // applied
						break
					}
					time.Sleep(time.Millisecond)
				}
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not known yet") {
					t.Errorf("commit %d: got error %v, want that it is not known yet", i+1, err)
				}
			}
			readers := map[string]func(context.Context) error{
				"get":      func(ctx context.Context) error { _, err := s.Get(ctx, "p", "a"); return err },
				"scan":     func(ctx context.Context) error { _, err := s.Scan(ctx, "p", "", "", 0); return err },
				"revision": func(ctx context.Context) error { _, err := s.Revision(ctx, "p"); return err },
				"marked": func(ctx context.Context) error {
					_, _, err := s.Marked(ctx, "m", "", store.Position{}, time.Time{}, 0)
					return err
				},
				"partitions": func(ctx context.Context) error { _, _, err := s.Partitions(ctx, "", "", 0); return err },
			}
			for verb, read := range readers {
				if err := read(shortly(t)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s told of a commit that could be lost: %v", verb, err)
				}
			}
			if _, err := s.Get(t.Context(), "q", "a"); err != nil {
				t.Errorf("a read of another partition: %v", err)
			}
			l := &s.lanes[laneOf("p")]
			l.mu.Lock()
			last := l.unsynced["p"]
			l.mu.Unlock()
			waiting := make(chan error, len(readers))
			for _, read := range readers {
				go func() { waiting <- read(t.Context()) }()
			}
			if c.end != nil {
				held.err.Store(&c.end)
			}
			release()
			for range readers {
				if err := <-waiting; (err == nil) != (c.end == nil) || c.end != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("a reader that waited: got error %v, the disk said %v", err, c.end)
				}
			}
			if <-last.done; (last.err == nil) != (c.end == nil) {
				t.Errorf("the commit: ended with %v, the disk said %v", last.err, c.end)
			}
			if c.end == nil {
				d, err := s.Get(t.Context(), "p", "a")
				if err != nil || stateOf([]store.Document{d}) != 11 {
					t.Errorf("in the end: %v, %v, want 11", d, err)
				}
			}
		})
	}
}

func TestLazyCommitsReachTheDisk(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	s := openOn(t, disk)
	defer s.Close()
	if _, err := step(t.Context(), s, "p", true); err != nil {
		t.Fatal(err)
	}
	for n := 0; n == 0; time.Sleep(10 * time.Millisecond) { // on its own, with no other commit behind it
		d := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
		p, err := see(t.Context(), d, "p")
		if err != nil {
			t.Fatal(err)
		}
		n = p.n
		d.Close()
	}
}

func TestTornLog(t *testing.T) {
	t.Parallel()
	const steps = 200 // a few of the blocks of which a log consists
	disk := vfs.NewCrashableMem()
	s, err := Open("data", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		if _, err := step(t.Context(), s, "p", false); err != nil {
			t.Fatal(err)
		}
	}
	damaged := func(damage func(log []byte) []byte) (n int, err error) {
		t.Helper()
		clone := disk.CrashClone(vfs.CrashCloneCfg{})
		names, err := clone.List("data")
		if err != nil {
			t.Fatal(err)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
		name := clone.PathJoin("data", slices.Max(names))
		f, err := clone.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		log, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if f, err = clone.Create(name, vfs.WriteCategoryUnspecified); err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(damage(log))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		d, err := Open("data", Options{FS: clone})
		if err != nil {
			return 0, err
		}
		defer d.Close()
		if err := newLedger().check(t.Context(), d); err != nil {
			t.Errorf("not whole: %v", err)
		}
		p, err := see(t.Context(), d, "p")
		if err != nil {
			t.Fatal(err)
		}
		return p.n, nil
	}
	s.Close()
	size := 0
	if n, err := damaged(func(log []byte) []byte { size = len(log); return log }); n != steps || err != nil {
		t.Fatalf("an undamaged log holds %d steps, %v", n, err)
	}
	last := steps
	for cut := 0; cut < size; cut += 1 + cut/8 {
		n, err := damaged(func(log []byte) []byte { return log[:len(log)-cut] })
		if err != nil {
			t.Fatalf("%d bytes cut off: %v", cut, err)
		}
		if n > last {
			t.Fatalf("%d bytes cut off: %d steps, with fewer cut off %d", cut, n, last)
		}
		last = n
	}
	if last > steps/2 {
		t.Errorf("the first half of a log holds %d of %d steps", last, steps)
	}
	refused := 0
	for at := size - 1; at > 0; at -= 1 + size/32 {
		n, err := damaged(func(log []byte) []byte { log[at] ^= 0x10; return log })
		if err != nil { // a record in the middle is damaged: no guess is made
			refused++
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("byte %d damaged: %v", at, err)
			}
		} else if n == steps && at < size-1024 {
			t.Errorf("byte %d damaged and nobody saw it", at)
		}
	}
	if refused == 0 {
		t.Error("a log that is damaged in the middle is opened as if it had ended there")
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root+"/live").(*Store)
	defer s.Close()
	l := newLedger()
	stop, _ := working(t, s, l)
	defer stop()
	for i := range 3 {
		untilTotal(t, l, l.total()+30)
		promised, folder := l.copy(), fmt.Sprint(root, "/copy", i)
		if err := s.Checkpoint(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		copied := open(t, folder)
		if err := promised.check(t.Context(), copied); err != nil {
			t.Errorf("copy %d: %v", i, err)
		}
		if _, err := step(t.Context(), copied, "d0", false); err != nil {
			t.Errorf("a copy is not a store of its own: %v", err)
		}
		copied.Close()
	}
	if err := s.Checkpoint(t.Context(), root+"/copy0"); err == nil || !strings.Contains(err.Error(), root+"/copy0") {
		t.Errorf("over a folder that exists: got error %v, want one that names it", err)
	}
	stop()
	if err := l.check(t.Context(), s); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint(t.Context(), root+"/late"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		key  []byte
		give any
		want string
	}{
		{"a newer one", formatKey, bson.D{{Key: "format", Value: format + 1}}, "has format 2, this program knows format 1"},
		{"one that cannot be read", formatKey, bson.D{{Key: "format", Value: "one"}}, "cannot be read"},
		{"none", []byte("x"), bson.D{}, "not a Satnav store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewMem()
			db, err := pebble.Open("data", &pebble.Options{FS: disk, Comparer: comparer, Logger: logger{&Store{log: slog.New(slog.DiscardHandler)}}})
			if err != nil {
				t.Fatal(err)
			}
			value, err := bson.Marshal(c.give)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Set(c.key, value, pebble.Sync), db.Close()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // and the folder is left as it was
				_, err = Open("data", Options{FS: disk})
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want %q", err, c.want)
				}
			}
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir()).(*Store)
	defer s.Close()
	for i := range 3 {
		if _, err := step(t.Context(), s, "p", i == 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Commit(t.Context(), store.Batch{Partition: "p", Expect: new(store.Revision)}); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	got := s.Stats()
	if got.Commits != 2 || got.LazyCommits != 1 || got.Conflicts != 1 || got.Broken != nil || got.Full {
		t.Errorf("counted %+v, want 2 commits, 1 lazy, 1 conflict", got)
	}
	if got.FreeBytes == 0 || got.DiskBytes == 0 || got.MemTableBytes == 0 {
		t.Errorf("measured %+v, want free space, disk and memory in use", got)
	}
	s.Close()
	if got := s.Stats(); got.Commits != 2 || got.DiskBytes != 0 {
		t.Errorf("once closed: %+v", got)
	}
}
