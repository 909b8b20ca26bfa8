package geo

import (
	"runtime/debug"
	"syscall"
)

// The heap of the benchmarks lies on huge pages, as that of the server does (server/heap says how and why).
func init() {
	hugePages = func() {
		_ = syscall.Madvise(make([]byte, 4<<30), syscall.MADV_HUGEPAGE) // a kernel without huge pages keeps small ones
		debug.FreeOSMemory()
	}
}
