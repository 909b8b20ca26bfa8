package insight

import (
	"fmt"
	"time"
)

// Window is a week, Monday to Sunday in UTC. There is no other: windows that overlap could be taken from each other.
type Window struct{ from time.Time }

const week = 7 * 24 * time.Hour

// WindowOf is the window that an instant lies in.
func WindowOf(at time.Time) Window {
	day := at.UTC().Truncate(24 * time.Hour)
	return Window{day.AddDate(0, 0, -(int(day.Weekday())+6)%7)}
}

// ParseWindow reads what Window.String wrote.
func ParseWindow(text string) (Window, bool) {
	var year, number int
	if n, err := fmt.Sscanf(text, "%4d-W%2d", &year, &number); err != nil || n != 2 {
		return Window{}, false
	}
	first := WindowOf(time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)) // it always lies in the first week
	w := Window{first.from.AddDate(0, 0, 7*(number-1))}
	return w, w.String() == text
}

// From is the instant at which the window begins.
func (w Window) From() time.Time { return w.from }

// To is the instant before which it ends.
func (w Window) To() time.Time { return w.from.Add(week) }

// Before is the window before.
func (w Window) Before() Window { return Window{w.from.Add(-week)} }

// String is the week as ISO 8601 writes it: 2026-W47.
func (w Window) String() string {
	year, number := w.from.ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, number)
}

// period is the month whose budget the noise in the window's tables is taken from.
func (w Window) period() string { return w.from.Format("2006-01") }
