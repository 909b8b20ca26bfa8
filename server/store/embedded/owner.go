package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"satnav/server/store"
)

// ownerFile says, for people, who has the folder open. The lock itself is Pebble's file LOCK, which the kernel frees when a
// process dies, however it dies; this file may be left behind and then means nothing.
const ownerFile = "owner"

// owner is the right to use a data folder.
type owner struct {
	lock *pebble.Lock
	fs   vfs.FS
	file string
}

// own makes the folder if need be and takes its lock, or returns ErrBusy naming the folder and the process that has it.
func own(fs vfs.FS, folder string) (*owner, error) {
	if err := fs.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s: %v: %w", folder, err, classify(err))
	}
	file := fs.PathJoin(folder, ownerFile)
	lock, err := pebble.LockDirectory(folder, fs)
	if err != nil {
		if held(err) {
			return nil, fmt.Errorf("data folder %s is in use by %s: stop that process or name another folder: %w",
				folder, currentOwner(fs, file), store.ErrBusy)
		}
		return nil, fmt.Errorf("data folder %s: lock: %v: %w", folder, err, classify(err))
	}
	o := &owner{lock: lock, fs: fs, file: file}
	if err := o.sign(); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s: %v: %w", folder, err, classify(err)), o.release())
	}
	return o, nil
}

// held tells a lock that someone holds from one that could not be tried. Pebble knows of its own locks and says so in words.
func held(err error) bool {
	var path *os.PathError
	return !errors.As(err, &path) &&
		(errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "held by current process"))
}

func (o *owner) sign() error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	f, err := o.fs.Create(o.file, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "process %d on %s, since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	return errors.Join(err, f.Close())
}

// currentOwner returns what the owner wrote about itself.
func currentOwner(fs vfs.FS, file string) string {
	const unknown = "another process"
	f, err := fs.Open(file)
	if err != nil {
		return unknown
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if line := strings.TrimSpace(string(text)); err == nil && line != "" {
		return line
	}
	return unknown
}

func (o *owner) release() error {
	return errors.Join(o.fs.Remove(o.file), o.lock.Close())
}
