// Package heap tells Go's runtime how to treat the memory of a process that has much to remember.
//
// A server's heap is mostly the cache of shoppers: it grows to its bound and stays there. Go's own pace is made for programs that
// want to be small. Decided against: knobs of our own, since GOGC and GOMEMLIMIT are known to operators and win over what is set here.
package heap

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// What the collector is told: going through a full cache takes half a second of two small cores, in which calls wait. So it
// is gone through seldom as long as there is memory, and as often as need be when there is not.
const (
	collectAt   = 400 // percent of what lived that may be allocated before the next round
	memoryShare = 0.7 // of the container, or else of the machine
)

// available is the memory of the container, or else of the machine.
var available = memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)

// RestCollector sets the pace of the garbage collector for a server. GOGC and GOMEMLIMIT in the environment win.
// Where the memory of the machine is not known, Go's own pace stays: more garbage than there is room for would end the process.
func RestCollector(log *slog.Logger) {
	limit, err := memlimit.SetGoMemLimitWithOpts(
		memlimit.WithRatio(memoryShare),
		memlimit.WithProvider(available),
		memlimit.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		log.Warn("memory limit not known, so garbage is collected more often: set GOMEMLIMIT", "err", err)
	}
	if bound := debug.SetMemoryLimit(-1); os.Getenv("GOGC") == "" && bound < math.MaxInt64 {
		debug.SetGCPercent(collectAt)
	}
	log.Debug("garbage collector", "memory_limit", limit)
}

// Share is a part of the memory of the container or machine, in bytes, and at least the given least.
func Share(part float64, least int64) int64 {
	memory, err := available()
	if err != nil {
		return least
	}
	return max(least, int64(part*float64(memory)))
}
