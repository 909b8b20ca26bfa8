package heap

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestHugePages holds that what is allocated after the advice lies where the kernel was advised.
func TestHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Logf("this kernel has no huge pages: %v", err)
		return
	}
	HugePages()
	kept, advised := make([][]byte, 64), 0 // more than was free before
	for i := range kept {
		kept[i] = make([]byte, 4<<20)
		if strings.Contains(flagsOf(t, &kept[i][0]), " hg") {
			advised++
		}
	}
	if advised < len(kept)/2 {
		t.Errorf("%d of %d slices lie where the kernel was advised", advised, len(kept))
	}
}

// flagsOf are the flags of the mapping that holds an address.
func flagsOf(t *testing.T, at *byte) string {
	t.Helper()
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	var address, from, to uint64
	if _, err := fmt.Sscanf(fmt.Sprintf("%p", at), "0x%x", &address); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			continue
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && from <= address && address < to {
			return flags
		}
	}
	t.Fatalf("no mapping holds %x", address)
	return ""
}
