package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestProcessorCountsWork burns some processor time, which must be counted, and no more than all cores have.
func TestProcessorCountsWork(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c := &child{command: &exec.Cmd{Process: self}}
	before, sum := c.processor(), 0
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		sum++
	}
	if used := c.processor() - before; used <= 0 {
		t.Errorf("%s used by %d rounds, want more than nothing", used, sum)
	}
}
