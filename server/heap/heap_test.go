package heap

import (
	"log/slog"
	"math"
	"runtime/debug"
	"testing"
)

// TestRestCollector holds that the collector rests only below a limit, and that the operator's environment wins.
func TestRestCollector(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })

	t.Setenv("GOGC", "50")
	RestCollector(slog.New(slog.DiscardHandler))
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC is set, and the percentage was changed to %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got <= 0 || got == math.MaxInt64 {
		t.Errorf("memory limit %d, want a share of the machine", got)
	}

	t.Setenv("GOGC", "")
	RestCollector(slog.New(slog.DiscardHandler))
	if got := debug.SetGCPercent(100); got != collectAt {
		t.Errorf("percentage %d, want %d", got, collectAt)
	}

	t.Setenv("GOMEMLIMIT", "1GiB") // Go itself reads it at start
	debug.SetMemoryLimit(1 << 30)
	RestCollector(slog.New(slog.DiscardHandler))
	if got := debug.SetMemoryLimit(-1); got != 1<<30 {
		t.Errorf("GOMEMLIMIT is set, and the limit was changed to %d", got)
	}
}
