package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// processor is the processor time that the child has used, in steps of 10 ms; 0 where the system does not tell.
func (c *child) processor() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.command.Process.Pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from the third on, see proc(5)
	if len(fields) < 13 {
		return 0
	}
	user, userErr := strconv.ParseInt(string(fields[11]), 10, 64)
	system, systemErr := strconv.ParseInt(string(fields[12]), 10, 64)
	if userErr != nil || systemErr != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
