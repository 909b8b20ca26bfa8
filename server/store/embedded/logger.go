package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
)

// logger passes what Pebble says of itself to slog: its diary at debug, trouble at warn.
type logger struct{ store *Store }

func (l logger) Infof(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

func (l logger) Errorf(format string, args ...any) { l.say(slog.LevelWarn, format, args) }

// Fatalf is called when Pebble cannot go on, such as with a manifest that cannot be written. It must not return. Rather than
// the process, the calling goroutine ends: it is one of Pebble's or the one that applies commits, and the store refuses all
// work from then on, so that a server can still say what happened.
func (l logger) Fatalf(format string, args ...any) {
	said := fatal{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			said.cause = err
		}
	}
	l.store.fail(said)
	runtime.Goexit()
}

// fatal is an error in Pebble's words that keeps the cause among them.
type fatal struct {
	text  string
	cause error
}

func (f fatal) Error() string { return f.text }
func (f fatal) Unwrap() error { return f.cause }

func (l logger) say(level slog.Level, format string, args []any) {
	if l.store.log.Enabled(context.Background(), level) {
		l.store.log.Log(context.Background(), level, fmt.Sprintf(format, args...), "part", "pebble")
	}
}

// listener counts and reports what an operator has to know.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { // on a full disk it comes in thousands, with a lock of Pebble's held
			if n := s.counts.backgroundErrors.Add(1); n&(n-1) != 0 {
				return
			}
			s.log.Warn("flush or compaction failed, it will be tried again", "folder", s.folder, "error", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.counts.backgroundErrors.Add(1)
			s.log.Error("damaged file found", "folder", s.folder, "file", info.Path, "error", info.Details)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			s.counts.stalls.Add(1)
			s.log.Warn("writes wait for the disk", "folder", s.folder, "reason", info.Reason)
		},
	}
}
