// Package disktest has disks that lose power, and such that lie about what they have, for the tests of what is written to them.
package disktest

import (
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is one in memory.
type Disk = vfs.MemFS

// FS is what a store is given of a disk.
type FS = vfs.FS

// New makes a disk in memory that holds a folder, as durable as those are that somebody else made before.
func New(folder string) (*Disk, error) {
	disk := vfs.NewCrashableMem()
	if err := disk.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	for {
		d, err := disk.OpenDir(folder)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		parent := disk.PathDir(folder)
		if err != nil || parent == folder {
			return disk, err
		}
		folder = parent
	}
}

// PowerCut returns what a disk may hold after a power cut: all that was synced and any part of what was not.
func PowerCut(disk *Disk, rng *rand.Rand) *Disk {
	return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
}

// Honest is the disk as it is.
func Honest(disk *Disk) FS { return disk }

// Lying is a disk that does not sync logs and says that it did: a store on it is one whose sync is turned off.
func Lying(disk *Disk) FS { return lying{disk} }

type lying struct{ vfs.FS }

func (l lying) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.Create(name, category)
	return lyingFile(name, f), err
}

func (l lying) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.ReuseForWrite(from, to, category)
	return lyingFile(to, f), err
}

func lyingFile(name string, f vfs.File) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return unsynced{f}
}

type unsynced struct{ vfs.File }

func (unsynced) Sync() error                { return nil }
func (unsynced) SyncData() error            { return nil }
func (unsynced) SyncTo(int64) (bool, error) { return true, nil }
