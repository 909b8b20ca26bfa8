// Package observe lets operators see what the process does: logs, metrics and
// the operator's own listener (metrics, health, profiles).
//
// What operators see must not be who the shoppers are. Three things hold that:
// types that never print what they carry (Subject, Secret), a guard in every
// logger that withholds attributes with a personal name whatever their type, and
// metric labels that come from a closed list. A test plants canaries in all of
// them and looks for them in everything that was written.
//
// Decided against: a logger of our own (slog has levels, groups and handlers),
// metrics per retailer or shopper by default (labels without a bound end in an
// outage, and a shopper's id in a label is a leak), and metrics on the public
// listener.
package observe

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// NewLogger returns a logger that writes to w at a level (debug, info, warn,
// error) in a format (text, json), guarded against personal data. Both words are
// checked by config; any other means info and text, since a process that cannot
// log is worse than one that logs plainly.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(Guard(slog.NewJSONHandler(w, options)))
	}
	return slog.New(Guard(slog.NewTextHandler(w, options)))
}

// Withheld is what is written instead of a value that nobody may see.
const Withheld = "[withheld]"

// Subject is an id of a person. Wherever it is printed, a pseudonym appears that
// is the same within one process and means nothing outside it: enough to see
// that two lines are about one person, not who it is.
type Subject string

// pseudonymKey is never stored, so that a pseudonym cannot be undone later.
var pseudonymKey = func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // documented never to fail
	return key
}()

// String returns the pseudonym.
func (s Subject) String() string {
	mac := hmac.New(sha256.New, pseudonymKey)
	mac.Write([]byte(s))
	return "subject-" + hex.EncodeToString(mac.Sum(nil)[:6])
}

// LogValue returns the pseudonym.
func (s Subject) LogValue() slog.Value { return slog.StringValue(s.String()) }

// GoString returns the pseudonym, for %#v.
func (s Subject) GoString() string { return s.String() }

// Format prints the pseudonym for every verb: %x and %q would show the bytes.
func (s Subject) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the pseudonym, for JSON.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secret is a token, key or password. It prints as [withheld].
type Secret string

// String returns [withheld].
func (Secret) String() string { return Withheld }

// LogValue returns [withheld].
func (Secret) LogValue() slog.Value { return slog.StringValue(Withheld) }

// GoString returns [withheld], for %#v.
func (Secret) GoString() string { return Withheld }

// Format prints [withheld] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Withheld) }

// MarshalText returns [withheld], for JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(Withheld), nil }

// personal are the names of attributes that say who somebody is, where, or with
// what in the basket, or that let somebody in. A name counts also as the last
// part of another, such as from_lat.
var personal = []string{
	"shopper", "shoppers", "subject", "sub", "user", "email", "phone", "device", "ip", "remote_addr", "user_agent",
	"lat", "lng", "lon", "latitude", "longitude", "position", "point", "fix", "cell", "trail",
	"basket", "query", "body", "token", "authorization", "password", "secret", "cookie",
}

// Guard wraps a handler so that attributes with a personal name are written as
// [withheld], at every level, in groups, and also when they were attached with
// With. It is the second line: the first is to log nothing personal.
func Guard(next slog.Handler) slog.Handler { return guard{next: next} }

type guard struct {
	next slog.Handler
	all  bool // inside a group with a personal name
}

func (g guard) Enabled(ctx context.Context, level slog.Level) bool { return g.next.Enabled(ctx, level) }

func (g guard) WithGroup(name string) slog.Handler {
	return guard{g.next.WithGroup(name), g.all || isPersonal(name)}
}

func (g guard) WithAttrs(attrs []slog.Attr) slog.Handler {
	return guard{g.next.WithAttrs(withhold(attrs, g.all)), g.all}
}

func (g guard) Handle(ctx context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	clean := slog.NewRecord(r.Time, r.Level, withoutTokens(r.Message), r.PC)
	clean.AddAttrs(withhold(attrs, g.all)...)
	return g.next.Handle(ctx, clean)
}

// withhold returns the attributes with personal ones replaced, or all.
func withhold(attrs []slog.Attr, all bool) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		value := a.Value.Resolve()
		switch {
		case isSafe(a.Value):
			clean[i] = slog.Attr{Key: a.Key, Value: value}
		case all || isPersonal(a.Key):
			clean[i] = slog.String(a.Key, Withheld)
		case value.Kind() == slog.KindGroup:
			clean[i] = slog.Attr{Key: a.Key, Value: slog.GroupValue(withhold(value.Group(), false)...)}
		case value.Kind() == slog.KindString:
			clean[i] = slog.String(a.Key, withoutTokens(value.String()))
		case value.Kind() == slog.KindAny:
			clean[i] = slog.Attr{Key: a.Key, Value: plain(value.Any())}
		default:
			clean[i] = slog.Attr{Key: a.Key, Value: value}
		}
	}
	return clean
}

// isSafe tells whether a value knows by itself how to be printed.
func isSafe(v slog.Value) bool {
	switch v.Any().(type) {
	case Subject, Secret:
		return true
	}
	return false
}

func isPersonal(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(personal, func(word string) bool {
		return key == word || strings.HasSuffix(key, "_"+word)
	})
}

// plain returns what may be written of a value of any type: errors, Stringers
// and named words and numbers by their text; of structures, maps and lists only
// the type, since what is in them cannot be judged.
func plain(value any) slog.Value {
	switch v := value.(type) {
	case error:
		return slog.StringValue(withoutTokens(v.Error()))
	case fmt.Stringer:
		return slog.StringValue(withoutTokens(v.String()))
	case []string:
		return slog.StringValue(withoutTokens(strings.Join(v, ", ")))
	case nil:
		return slog.AnyValue(nil)
	}
	switch kind := reflect.TypeOf(value).Kind(); {
	case kind <= reflect.Complex128, kind == reflect.String: // reflect.Bool to reflect.Complex128: all numbers
		return slog.StringValue(withoutTokens(fmt.Sprint(value)))
	default:
		return slog.StringValue(fmt.Sprintf("%T", value))
	}
}

// withoutTokens replaces whatever looks like a JWT: an error of a library may
// quote the header that it could not read.
func withoutTokens(text string) string {
	for {
		start := strings.Index(text, "eyJ") // {" in base64url, as every JWT begins
		if start < 0 {
			return text
		}
		length := strings.IndexFunc(text[start:], func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
		})
		if length < 0 {
			length = len(text) - start
		}
		text = text[:start] + Withheld + text[start+length:]
	}
}
