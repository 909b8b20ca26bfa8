//go:build unix

package keyring

import (
	"os"
	"syscall"
)

// lock waits until no other process has the file; closing it lets go.
func lock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_EX) }
