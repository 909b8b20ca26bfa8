package geo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Schedule says when something is open: weekly hours, dates that differ, and a first and last
// instant, all in one time zone. It is immutable and safe for concurrent use.
//
// Hours are clock readings, so the clock changes of the zone need a decision: the shop's clock never
// goes back. It opens and closes at the first instant at which the clock has reached the time. Where
// the clock jumps from 02:00 to 03:00, "02:30" is 03:00, and hours that lie in the gap do not happen;
// where it goes back from 03:00 to 02:00, closing at 02:30 means the first 02:30, and the shop does not
// open again for the second one. So hours never split in two, and each opening has one closing.
//
// Hours past midnight belong to the day on which they begin, also when the next date is an exception:
// a bar that is open on Saturday until 02:00 closes at 02:00 on a Sunday that is closed.
type Schedule struct {
	zone       *time.Location // nil: not known yet, UTC is used
	always     bool           // no weekly hours were given: every day is open, exceptions apart
	weekly     [7][]hours     // by time.Weekday, in order of time
	exceptions map[date][]hours
	dates      []date    // of exceptions, in order
	start, end time.Time // zero: unbounded; open from start, closed from end on
}

// Bounds of what a schedule may hold: far above any real shop, low enough for a million geofences.
const (
	maxHoursPerDay = 16
	maxExceptions  = 1_000
)

const minutesPerDay = 24 * 60

// hours is one opening, in minutes after the midnight of its date by the clock on the wall. until may
// be past midnight, and is at most a day after from.
type hours struct{ from, until int }

// date counts days from 1970-01-01. A clock reading is date*minutesPerDay + minute.
type date int

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

func (d date) time() time.Time       { return time.Unix(int64(d)*86_400, 0).UTC() }
func (d date) weekday() time.Weekday { return d.time().Weekday() }
func (d date) String() string        { return d.time().Format(time.DateOnly) }

// Zone is the time zone in which the hours are read; UTC when none was given.
func (s *Schedule) Zone() *time.Location {
	if s == nil || s.zone == nil {
		return time.UTC
	}
	return s.zone
}

// HasZone tells whether the schedule names its zone. One that does not waits for WithZone: whoever
// saves a geofence looks the zone up from its position.
func (s *Schedule) HasZone() bool { return s != nil && s.zone != nil }

// WithZone returns the same hours read in another zone.
func (s *Schedule) WithZone(zone *time.Location) *Schedule {
	moved := *s
	moved.zone = zone
	return &moved
}

// Open tells whether the schedule is open at t. A nil schedule is always open.
func (s *Schedule) Open(t time.Time) bool {
	if s == nil {
		return true
	}
	if !s.start.IsZero() && t.Before(s.start) || !s.end.IsZero() && !t.Before(s.end) {
		return false
	}
	second := s.reading(t)
	minute := int(second / 60)
	today := date(floorDiv(minute, minutesPerDay))
	minute -= int(today) * minutesPerDay
	return covers(s.on(today), minute) || covers(s.on(today-1), minute+minutesPerDay)
}

// Ended tells whether the schedule will never be open again after t.
func (s *Schedule) Ended(t time.Time) bool {
	return s != nil && !s.end.IsZero() && !t.Before(s.end)
}

// Next returns the first instant after t at which Open changes, or false if it never does.
func (s *Schedule) Next(t time.Time) (time.Time, bool) {
	if s == nil || s.Ended(t) {
		return time.Time{}, false
	}
	if !s.start.IsZero() && t.Before(s.start) {
		if s.Open(s.start) {
			return s.start, true
		}
		t = s.start
	}
	open := s.Open(t)
	// Weekly hours show their whole pattern within two weeks; after that only an exception can
	// bring a change, so the search goes on at the next one.
	const pattern = 16
	day := dateOf(t.In(s.Zone())) - 2
	for left := pattern; ; left-- {
		if left == 0 {
			i, _ := slices.BinarySearch(s.dates, day)
			if i == len(s.dates) {
				break
			}
			day, left = max(day, s.dates[i]-2), pattern
		}
		for _, h := range s.on(day) {
			for _, minute := range [2]int{h.from, h.until} {
				at := s.instant(day, minute)
				if !at.After(t) || s.Open(at) == open {
					continue
				}
				if !s.end.IsZero() && at.After(s.end) {
					at = s.end // open until then
				}
				return at, true
			}
		}
		day++
		if !s.end.IsZero() && s.instant(day-2, 0).After(s.end) {
			break
		}
	}
	return s.end, open && !s.end.IsZero()
}

// on returns the hours that begin on a date.
func (s *Schedule) on(d date) []hours {
	if h, ok := s.exceptions[d]; ok {
		return h
	}
	if s.always {
		return allDay
	}
	return s.weekly[d.weekday()]
}

var allDay = []hours{{0, minutesPerDay}}

func covers(day []hours, minute int) bool {
	for _, h := range day {
		if h.from <= minute && minute < h.until {
			return true
		}
	}
	return false
}

// clockBack is longer than any zone has ever turned its clocks back (24 h at the date line).
const clockBack = 26 * time.Hour

// reading is the furthest that the clock on the wall has come until t, in seconds of clock time since
// 1970: it stands still while the clock repeats an hour.
func (s *Schedule) reading(t time.Time) int64 {
	t = t.In(s.Zone())
	furthest := wall(t)
	for at := t; ; {
		begin, _ := at.ZoneBounds()
		if begin.IsZero() || t.Sub(begin) > clockBack {
			return furthest
		}
		at = begin.Add(-time.Nanosecond)
		furthest = max(furthest, wall(at))
	}
}

// wall is what the clock of t's zone reads, in seconds since 1970.
func wall(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// instant is the first instant at which the clock has reached the minute of the date.
func (s *Schedule) instant(d date, minute int) time.Time {
	want := (int64(d)*minutesPerDay + int64(minute)) * 60
	at := time.Unix(want, 0).In(s.Zone()).Add(-clockBack)
	for {
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		reached := time.Unix(max(at.Unix(), want-int64(offset)), 0).In(s.Zone())
		if end.IsZero() || reached.Before(end) {
			return reached
		}
		at = end
	}
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// ParseHours reads the compact text of stores.csv, in the order in which people write it:
//
//	Mo-Fr 08:00-20:00; Sa 09:00-13:00,14:00-18:00; Su closed; 2026-12-25 closed; 2026-12-31 09:00-14:00
//
// A day or date that is named again takes the later hours; a day that is never named is closed, unless
// no weekday is named at all. "24/7" is always open. An end before its start is on the next day.
// Empty text is no schedule (nil). The error names the column, what was found and what would be right.
func ParseHours(text string, zone *time.Location) (*Schedule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	s := &Schedule{zone: zone, always: true}
	column := 1
	for _, entry := range strings.Split(text, ";") {
		at := column + len(entry) - len(strings.TrimLeft(entry, " \t"))
		column += len(entry) + 1
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if err := s.entry(entry); err != nil {
			return nil, fmt.Errorf("hours, column %d: %w", at, err)
		}
	}
	s.order()
	return s, nil
}

// entry reads one part of the text, such as "Mo-Fr 08:00-20:00".
func (s *Schedule) entry(text string) error {
	if text == "24/7" {
		s.weekly = [7][]hours{}
		for day := range s.weekly {
			s.weekly[day] = allDay
		}
		s.always = false
		return nil
	}
	days, times, found := strings.Cut(text, " ")
	if !found {
		return fmt.Errorf(`got %q, want days and hours, such as "Mo-Fr 08:00-20:00" or "2026-12-25 closed"`, text)
	}
	var open []hours
	if times = strings.TrimSpace(times); times != "closed" && times != "off" {
		var err error
		if open, err = parseDay(strings.Split(times, ",")); err != nil {
			return err
		}
	}
	for _, part := range strings.Split(days, ",") {
		if part != "" && part[0] >= '0' && part[0] <= '9' {
			d, err := parseDate(part)
			if err != nil {
				return err
			}
			if err := s.except(d, open); err != nil {
				return err
			}
			continue
		}
		first, last, ranged := strings.Cut(part, "-")
		from, ok := weekdays[strings.ToLower(first)]
		to := from
		if ranged {
			var known bool
			to, known = weekdays[strings.ToLower(last)]
			ok = ok && known
		}
		if !ok {
			return fmt.Errorf(`got day %q, want Mo, Tu, We, Th, Fr, Sa, Su, a range such as Mo-Fr, or a date such as 2026-12-25`, part)
		}
		s.always = false
		for day := from; ; day = (day + 1) % 7 {
			s.weekly[day] = open
			if day == to {
				break
			}
		}
	}
	return nil
}

func (s *Schedule) except(d date, open []hours) error {
	if s.exceptions == nil {
		s.exceptions = map[date][]hours{}
	}
	s.exceptions[d] = open
	if len(s.exceptions) > maxExceptions {
		return fmt.Errorf("got more than %d dated exceptions, want fewer", maxExceptions)
	}
	return nil
}

func (s *Schedule) order() { s.dates = slices.Sorted(maps.Keys(s.exceptions)) }

var weekdays = map[string]time.Weekday{
	"mo": time.Monday, "tu": time.Tuesday, "we": time.Wednesday, "th": time.Thursday,
	"fr": time.Friday, "sa": time.Saturday, "su": time.Sunday,
}

// weekdayNames are in the order of a week in a shop window; the index is not a time.Weekday.
var weekdayNames = [7]string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}

func parseDate(text string) (date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("got date %q, want an existing day as YYYY-MM-DD", text)
	}
	return dateOf(t), nil
}

// parseDay reads the openings of one day, each "HH:MM-HH:MM", and returns them in order of time.
func parseDay(times []string) ([]hours, error) {
	if len(times) > maxHoursPerDay {
		return nil, fmt.Errorf("got %d openings in one day, want at most %d", len(times), maxHoursPerDay)
	}
	var day []hours
	for _, text := range times {
		text = strings.TrimSpace(text)
		first, last, found := strings.Cut(text, "-")
		from, okFrom := parseClock(first)
		until, okUntil := parseClock(last)
		switch {
		case !found || !okFrom || !okUntil:
			return nil, fmt.Errorf(`got hours %q, want HH:MM-HH:MM, such as 08:00-20:00, or "closed"`, text)
		case from >= minutesPerDay:
			return nil, fmt.Errorf("got hours %q, want a start before 24:00", text)
		case from == until:
			return nil, fmt.Errorf("got hours %q, which are empty; a whole day is 00:00-24:00", text)
		case until < from:
			until += minutesPerDay
		}
		if until > from+minutesPerDay {
			return nil, fmt.Errorf("got hours %q, want at most 24 hours", text)
		}
		day = append(day, hours{from, until})
	}
	slices.SortFunc(day, func(a, b hours) int { return a.from - b.from })
	for i := 1; i < len(day); i++ {
		if day[i].from < day[i-1].until {
			return nil, fmt.Errorf("got hours %v and %v of one day, which overlap", day[i-1], day[i])
		}
	}
	return day, nil
}

// parseClock reads HH:MM as minutes. Hours up to 48 are read, as people write "22:00-26:00".
func parseClock(text string) (int, bool) {
	h, m, found := strings.Cut(text, ":")
	if !found || len(h) == 0 || len(h) > 2 || len(m) != 2 {
		return 0, false
	}
	hour, err := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	if err != nil || err2 != nil || minute > 59 || hour > 48 || hour == 48 && minute > 0 {
		return 0, false
	}
	return int(hour)*60 + int(minute), true
}

func (h hours) String() string {
	until := h.until
	if until > minutesPerDay && until-minutesPerDay < h.from {
		until -= minutesPerDay
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", h.from/60, h.from%60, until/60, until%60)
}

func texts(day []hours) []string {
	out := make([]string, len(day))
	for i, h := range day {
		out[i] = h.String()
	}
	return out
}

// Hours is the compact text of the schedule, which ParseHours reads back. It does not hold the zone,
// the start and the end.
func (s *Schedule) Hours() string {
	if s == nil {
		return ""
	}
	var parts []string
	add := func(days string, open []hours) {
		times := "closed"
		if len(open) > 0 {
			times = strings.Join(texts(open), ",")
		}
		parts = append(parts, days+" "+times)
	}
	if len(s.dates) == 0 && s.wholeWeek() {
		return "24/7"
	}
	if !s.always {
		for i := 0; i < 7; {
			open := s.weekly[(i+1)%7]
			j := i
			for j+1 < 7 && slices.Equal(open, s.weekly[(j+2)%7]) {
				j++
			}
			days := weekdayNames[i]
			if j > i {
				days += "-" + weekdayNames[j]
			}
			add(days, open)
			i = j + 1
		}
	}
	for _, d := range s.dates {
		add(d.String(), s.exceptions[d])
	}
	return strings.Join(parts, "; ")
}

// wholeWeek tells whether every day is open all day, exceptions apart.
func (s *Schedule) wholeWeek() bool {
	for _, open := range s.weekly {
		if !s.always && !slices.Equal(open, allDay) {
			return false
		}
	}
	return true
}

// scheduleJSON is the written form of a schedule:
//
//	{"zone": "Europe/Berlin",
//	 "weekly": {"mo": ["08:00-20:00"], "sa": ["09:00-13:00", "14:00-18:00"]},
//	 "exceptions": {"2026-12-25": []},
//	 "start": "2026-11-01T00:00:00+01:00", "end": "2027-01-01T00:00:00+01:00"}
//
// Everything is optional: without weekly every day is open, with it a day that is not named is closed.
type scheduleJSON struct {
	Zone       string              `json:"zone,omitempty"`
	Weekly     map[string][]string `json:"weekly,omitempty"`
	Exceptions map[string][]string `json:"exceptions,omitempty"`
	Start      string              `json:"start,omitempty"`
	End        string              `json:"end,omitempty"`
}

// ParseSchedule reads the JSON form of a schedule, or a JSON string in the notation of ParseHours, which names no
// zone. JSON null and an empty string are no schedule (nil). The error is a *Fault with a pointer into raw: what was found
// and what would be right.
func ParseSchedule(raw []byte) (*Schedule, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || !json.Valid(raw) {
		return nil, syntaxFault(raw)
	}
	if null(raw) {
		return nil, nil
	}
	if text, ok := stringOf(raw); ok {
		s, err := ParseHours(text, nil)
		if err != nil {
			return nil, &Fault{What: err.Error(), Mend: `write it as "Mo-Fr 08:00-20:00; Sa 09:00-13:00; 2026-12-25 closed"`}
		}
		return s, nil
	}
	fields, err := members(raw)
	if err != nil {
		return nil, &Fault{Code: FaultWrongType, What: "got " + kindOf(raw) + `, want text such as "Mo-Fr 08:00-20:00" or an object`}
	}
	s := &Schedule{always: true}
	for i, field := range fields {
		at := "/" + escapePointer(field.name)
		if namedBefore(fields[:i], field.name) {
			return nil, twice(at)
		}
		fault := s.take(field)
		if fault != nil {
			return nil, fault.under(at)
		}
	}
	s.order()
	if !s.start.IsZero() && !s.end.IsZero() && !s.start.Before(s.end) {
		return nil, &Fault{At: "/end", What: fmt.Sprintf("got %s, want an instant after the start %s", s.end.Format(time.RFC3339), s.start.Format(time.RFC3339))}
	}
	return s, nil
}

// take reads one member of the JSON form; null is absent.
func (s *Schedule) take(field member) *Fault {
	if !slices.Contains([]string{"zone", "weekly", "exceptions", "start", "end"}, field.name) {
		return &Fault{Code: FaultUnknown, What: fmt.Sprintf("%.40q is no member of a schedule", field.name), Mend: "want zone, weekly, exceptions, start and end"}
	}
	if null(field.value) {
		return nil
	}
	switch field.name {
	case "weekly":
		s.always = false
		return eachDay(field.value, `{"mo": ["08:00-20:00"]}`, func(name string, open []hours) *Fault {
			day, ok := weekdays[name]
			if !ok {
				return &Fault{What: fmt.Sprintf("got day %.40q, want mo, tu, we, th, fr, sa or su", name)}
			}
			s.weekly[day] = open
			return nil
		})
	case "exceptions":
		return eachDay(field.value, `{"2026-12-25": []}`, func(name string, open []hours) *Fault {
			d, err := parseDate(name)
			if err == nil {
				err = s.except(d, open)
			}
			if err != nil {
				return &Fault{What: err.Error()}
			}
			return nil
		})
	}
	text, ok := stringOf(field.value)
	if !ok {
		return &Fault{Code: FaultWrongType, What: "got " + shown(field.value) + ", want a string"}
	}
	var err error
	switch field.name {
	case "zone":
		if text != "" {
			s.zone, err = LoadZone(text)
		}
	case "start":
		s.start, err = parseInstant(text)
	default:
		s.end, err = parseInstant(text)
	}
	if err != nil {
		return &Fault{What: err.Error()}
	}
	return nil
}

// eachDay reads an object of days and their openings.
func eachDay(raw json.RawMessage, example string, take func(name string, open []hours) *Fault) *Fault {
	days, err := members(raw)
	if err != nil {
		return &Fault{Code: FaultWrongType, What: "got " + shown(raw) + ", want an object such as " + example}
	}
	for i, day := range days {
		at := "/" + escapePointer(day.name)
		if namedBefore(days[:i], day.name) {
			return twice(at)
		}
		var times []string
		if json.Unmarshal(day.value, &times) != nil {
			return &Fault{Code: FaultWrongType, At: at, What: "got " + shown(day.value) + `, want a list of hours such as ["08:00-20:00"], and [] where it is closed`}
		}
		open, err := parseDay(times)
		if err != nil {
			return &Fault{At: at, What: err.Error()}
		}
		if fault := take(day.name, open); fault != nil {
			return fault.under(at)
		}
	}
	return nil
}

func parseInstant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("got %.60q, want an instant such as 2026-11-22T09:00:00+01:00", text)
	}
	return t, nil
}

// MarshalJSON writes the form that ParseSchedule reads.
func (s *Schedule) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	var out struct {
		scheduleJSON
		Weekly map[string][]string `json:"weekly,omitzero"` // written when empty, too: never open is not always open
	}
	if s.zone != nil {
		out.Zone = s.zone.String()
	}
	if !s.always {
		out.Weekly = map[string][]string{}
		for name, day := range weekdays {
			if len(s.weekly[day]) > 0 {
				out.Weekly[name] = texts(s.weekly[day])
			}
		}
	}
	if len(s.exceptions) > 0 {
		out.Exceptions = map[string][]string{}
		for d, open := range s.exceptions {
			out.Exceptions[d.String()] = texts(open)
		}
	}
	if !s.start.IsZero() {
		out.Start = s.start.Format(time.RFC3339Nano)
	}
	if !s.end.IsZero() {
		out.End = s.end.Format(time.RFC3339Nano)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the form that ParseSchedule reads.
func (s *Schedule) UnmarshalJSON(raw []byte) error {
	parsed, err := ParseSchedule(raw)
	if err == nil && parsed != nil {
		*s = *parsed
	}
	return err
}

// zones keeps the zones that were loaded: a million geofences share a few hundred of them.
var zones sync.Map // string → *time.Location

// LoadZone finds a time zone by its IANA name, such as "Europe/Berlin".
func LoadZone(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf(`got %q, want an IANA time zone such as "Europe/Berlin"`, name)
	}
	zones.Store(name, zone)
	return zone, nil
}
