package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// canary stands for everything that must not be written.
const canary = "canary-anna-7"

// jwtLike looks like a token and holds the canary's place in messages.
const jwtLike = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"

// TestCanaries writes personal data in every way that slog has, at every level,
// in both formats, and looks for it in what was written.
func TestCanaries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give func(*slog.Logger)
	}{
		{"attribute", func(l *slog.Logger) { l.Info("m", "shopper", canary) }},
		{"attribute in another case", func(l *slog.Logger) { l.Info("m", "Shopper", canary) }},
		{"attribute that ends so", func(l *slog.Logger) { l.Info("m", "from_cell", canary) }},
		{"attached", func(l *slog.Logger) { l.With("token", canary).Info("m") }},
		{"in a group", func(l *slog.Logger) { l.Info("m", slog.Group("call", slog.String("subject", canary))) }},
		{"in a group in a group", func(l *slog.Logger) {
			l.Info("m", slog.Group("a", slog.Group("b", slog.String("email", canary))))
		}},
		{"group of a personal name", func(l *slog.Logger) { l.Info("m", slog.Group("shopper", slog.String("id", canary))) }},
		{"attached group", func(l *slog.Logger) { l.WithGroup("shopper").Info("m", "id", canary) }},
		{"attached below a group", func(l *slog.Logger) { l.WithGroup("shopper").WithGroup("x").With("id", canary).Info("m") }},
		{"a value that makes itself a group", func(l *slog.Logger) { l.Info("m", "call", valuer{}) }},
		{"a structure", func(l *slog.Logger) { l.Info("m", "call", struct{ ID string }{canary}) }},
		{"a pointer", func(l *slog.Logger) { l.Info("m", "call", &struct{ ID string }{canary}) }},
		{"a map", func(l *slog.Logger) { l.Info("m", "call", map[string]string{"id": canary}) }},
		{"Subject", func(l *slog.Logger) { l.Info("m", "who", Subject(canary)) }},
		{"Subject in an error", func(l *slog.Logger) { l.Info("m", "error", fmt.Errorf("get %v: %w", Subject(canary), errors.New("x"))) }},
		{"Subject in a message", func(l *slog.Logger) {
			l.Info(fmt.Sprintf("%s %q %x %#v", Subject(canary), Subject(canary), Subject(canary), Subject(canary)))
		}},
		{"Secret", func(l *slog.Logger) { l.Info("m", "header", Secret(canary)) }},
		{"Secret in a message", func(l *slog.Logger) {
			l.Info(fmt.Sprintf("%s %q %x %#v", Secret(canary), Secret(canary), Secret(canary), Secret(canary)))
		}},
		{"token in a message", func(l *slog.Logger) { l.Info("read " + jwtLike + " badly") }},
		{"token in an error", func(l *slog.Logger) { l.Info("m", "error", errors.New("bad header "+jwtLike)) }},
		{"token in a string", func(l *slog.Logger) { l.Info("m", "header", "Bearer "+jwtLike) }},
		{"numbers", func(l *slog.Logger) { l.Info("m", "lat", 51.508742, "lng", -0.128742, "shopper", 7428742) }},
	}
	for _, format := range []string{"text", "json"} {
		for _, test := range tests {
			t.Run(test.name+", "+format, func(t *testing.T) {
				t.Parallel()
				var written bytes.Buffer
				test.give(NewLogger(&written, "debug", format))
				_, text, _ := strings.Cut(written.String(), "level") // the digits of the time before it may be any
				if text == "" {
					t.Fatal("nothing was written")
				}
				for _, planted := range []string{canary, fmt.Sprintf("%x", canary), "eyJ", "c2lnbmF0dXJl", "8742"} {
					if strings.Contains(text, planted) {
						t.Errorf("%q is in %s", planted, text)
					}
				}
			})
		}
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("route", "/v1/context"), slog.String("device", canary))
}

// TestGuardLetsThrough holds that logs stay useful.
func TestGuardLetsThrough(t *testing.T) {
	t.Parallel()
	type role string
	tests := []struct {
		name string
		give []any
		want string
	}{
		{"words", []any{"retailer", "demo", "address", "127.0.0.1:80"}, `retailer=demo address=127.0.0.1:80`},
		{"numbers", []any{"status", 200, "rows", uint8(7), "ratio", .5, "ok", true}, `status=200 rows=7 ratio=0.5 ok=true`},
		{"times", []any{"took", 1500 * time.Millisecond}, `took=1.5s`},
		{"errors", []any{"error", errors.New("disk full")}, `error="disk full"`},
		{"named words", []any{"role", role("admin")}, `role=admin`},
		{"lists of words", []any{"files", []string{"a", "b"}}, `files="a, b"`},
		{"nothing", []any{"error", nil}, `error=<nil>`},
		{"groups", []any{slog.Group("call", "route", "/livez")}, `call.route=/livez`},
		{"names that only contain a personal one", []any{"subtotal", 7, "cells", 3}, `subtotal=7 cells=3`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var written bytes.Buffer
			NewLogger(&written, "info", "text").Info("m", test.give...)
			if !strings.HasSuffix(strings.TrimSpace(written.String()), "msg=m "+test.want) {
				t.Errorf("got %s, want %s", written.String(), test.want)
			}
		})
	}
}

func TestSubjectIsAPseudonym(t *testing.T) {
	t.Parallel()
	anna, again, bob := Subject("anna"), Subject("anna"), Subject("bob")
	if anna.String() != again.String() || anna.String() == bob.String() {
		t.Errorf("anna %s, again %s, bob %s", anna, again, bob)
	}
	text, err := json.Marshal(map[string]any{"who": anna, "token": Secret("x7y")})
	if err != nil || strings.Contains(string(text), "anna") || strings.Contains(string(text), "x7y") {
		t.Errorf("JSON: %s, %v", text, err)
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		level, format       string
		wantDebug, wantJSON bool
	}{
		{"debug", "text", true, false},
		{"info", "json", false, true},
		{"loud", "xml", false, false},
	}
	for _, test := range tests {
		var written bytes.Buffer
		logger := NewLogger(&written, test.level, test.format)
		logger.Debug("m")
		if got := written.Len() > 0; got != test.wantDebug {
			t.Errorf("%s: debug lines are written: %v", test.level, got)
		}
		logger.Info("m")
		first, _, _ := bytes.Cut(written.Bytes(), []byte("\n"))
		if json.Valid(first) != test.wantJSON {
			t.Errorf("%s: got %s", test.format, written.String())
		}
	}
}
