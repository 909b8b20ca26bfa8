package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/server/store"
)

// Environment of a test binary that is to be a writer process, and the fault planted in it.
const (
	writerFolder = "SATNAV_TEST_WRITER"
	writerFault  = "SATNAV_TEST_FAULT"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(writerFolder); folder != "" {
		if err := writer(folder, os.Getenv(writerFault) != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// writer works on a folder until it is killed and prints each promise as soon as it is made. The fault is a store that does
// not wait for the disk.
func writer(folder string, fault bool) error {
	s, err := Open(folder, Options{MemTableBytes: 256 << 10}) // small, so that logs change and tables are written all the time
	if err != nil {
		return err
	}
	var d store.Documents = s
	if fault {
		d = hasty{s}
	}
	var mu sync.Mutex
	fmt.Println("ready")
	work(context.Background(), d, func(partition string, p promise) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(partition, p.n, p.revision)
	})
	return errors.New("the store gave up")
}

// hasty is a store with a fault: it acknowledges before the disk does.
type hasty struct{ *Store }

func (h hasty) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	b.Lazy = true
	return h.Store.Commit(ctx, b)
}

// killWriter runs a writer process, kills it some while after it is ready (or after it was begun, when early), and notes what
// it promised.
func killWriter(t *testing.T, folder string, l *ledger, after time.Duration, early, fault bool) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), writerFolder+"="+folder)
	if fault {
		c.Env = append(c.Env, writerFault+"=1")
	}
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { time.AfterFunc(after, func() { c.Process.Kill() }) }
	if early {
		kill()
	}
	read := bufio.NewReader(out)
	for {
		line, err := read.ReadString('\n')
		if err != nil { // what is left is half a line
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				t.Fatal(err)
			}
			break
		}
		if line == "ready\n" {
			if !early {
				kill()
			}
			continue
		}
		var partition string
		var p promise
		if _, err := fmt.Sscan(line, &partition, &p.n, &p.revision); err != nil {
			t.Fatalf("writer printed %q: %v", line, err)
		}
		l.promise(partition, p.n, p.revision)
	}
	c.Wait()
	if complaints.Len() > 0 {
		t.Fatalf("writer complained: %s", &complaints)
	}
}

func checkFolder(t *testing.T, folder string, l *ledger) error {
	t.Helper()
	d := open(t, folder)
	defer d.Close()
	return l.check(t.Context(), d)
}

func TestKilledWriterLosesNothing(t *testing.T) {
	t.Parallel()
	const kills, enough = 50, 200
	rng := rand.New(rand.NewPCG(1, 2))
	folder, l := t.TempDir(), newLedger()
	for i := 0; i < kills || l.total() < enough; i++ {
		if i == 20*kills {
			t.Fatalf("%d kills and only %d promises", i, l.total())
		}
		killWriter(t, folder, l, time.Duration(rng.IntN(100))*time.Millisecond, i%4 == 3, false) // early: while it still recovers from the last
		if i%3 == 0 {
			continue // the next one recovers a log that was recovered before
		}
		if err := checkFolder(t, folder, l); err != nil {
			t.Fatalf("after kill %d and %d promises: %v", i+1, l.total(), err)
		}
	}
	if err := checkFolder(t, folder, l); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d promises kept over %d kills", l.total(), kills)
}

// The test above must be able to fail.
func TestKilledHastyWriterIsFound(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for range 40 {
		l := newLedger()
		killWriter(t, folder, l, 50*time.Millisecond, false, true)
		if err := checkFolder(t, folder, l); err != nil {
			if !strings.Contains(err.Error(), "promised") && !strings.Contains(err.Error(), "lost") {
				t.Fatalf("found something else: %v", err)
			}
			return
		}
	}
	t.Fatal("a writer that does not wait for the disk was killed 40 times and nothing was found missing")
}

func TestBusyFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	d := open(t, folder)
	busy := func(err error, pid int) {
		t.Helper()
		if !errors.Is(err, store.ErrBusy) {
			t.Fatalf("got error %v, want %v", err, store.ErrBusy)
		}
		for _, named := range []string{folder, fmt.Sprintf("process %d ", pid)} {
			if !strings.Contains(err.Error(), named) {
				t.Errorf("error %q does not name %q", err, named)
			}
		}
	}
	_, err := Open(folder, Options{})
	busy(err, os.Getpid())
	if _, err := d.Commit(t.Context(), store.Batch{Partition: "p"}); err != nil {
		t.Fatalf("the owner was disturbed: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), writerFolder+"="+folder)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(out)
	if line, err := read.ReadString('\n'); line != "ready\n" {
		t.Fatalf("writer printed %q, %v", line, err)
	}
	go io.Copy(io.Discard, read)
	_, err = Open(folder, Options{})
	busy(err, other.Process.Pid)
	other.Process.Kill()
	other.Wait()
	open(t, folder).Close() // a killed owner leaves a folder that opens
}
