package heap

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// hugeAtMost bounds the addresses that are advised. They are only addresses: memory is used when the heap grows into them.
const hugeAtMost = 8 << 30

// HugePages asks the kernel to back the heap with pages of 2 MiB where it backs only what asks for them (Linux'
// transparent_hugepage=madvise, the default of most). A heap that grows by 4 KiB faults once for each, which costs
// 30 µs on some virtual machines, and every cold shopper costs a walk through the page table.
//
// Go takes the lowest free addresses first, and the kernel remembers the advice with the addresses: so a large slice
// is made, advised and given back, and what the program allocates later lies where it was. Call it once, before anything else;
// without memory to spare it does nothing.
func HugePages() {
	memory, err := available()
	if err != nil || memory < 1<<30 {
		return
	}
	_ = unix.Madvise(make([]byte, min(memory/2, hugeAtMost)), unix.MADV_HUGEPAGE) // a kernel without huge pages keeps small ones
	debug.FreeOSMemory()
}
