package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// processor is the processor time that the child's threads have used; 0 where the system does not tell. It is the
// scheduler's own, exact count: the one in /proc/PID/stat is charged by whole ticks, to whoever runs just then.
func (c *child) processor() time.Duration {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.command.Process.Pid))
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil { // the thread has ended
			continue
		}
		ran, _, _ := bytes.Cut(text, []byte(" "))
		if nanoseconds, err := strconv.ParseInt(string(ran), 10, 64); err == nil {
			sum += time.Duration(nanoseconds)
		}
	}
	return sum
}
