package app

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// What the collector is told. Most of the heap of a server is the cache of shoppers: one that is full lives long, and going
// through it takes half a second of both small cores, in which calls wait. So it is gone through seldom, as long as there
// is memory, and as often as need be when there is not.
const (
	collectAt   = 400 // percent of what lived that may be allocated before the next round
	memoryShare = 0.7 // of the container, or else of the machine
)

// restCollector sets the pace of the garbage collector for a server. GOGC and GOMEMLIMIT in the environment win.
// Where the memory of the machine is not known, Go's own pace stays: more garbage than there is room for would end the process.
func restCollector(log *slog.Logger) {
	limit, err := memlimit.SetGoMemLimitWithOpts(
		memlimit.WithRatio(memoryShare),
		memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)),
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
