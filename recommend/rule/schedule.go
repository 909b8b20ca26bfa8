package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule says when a rule is live, by the clock on the wall of the store. The zero Schedule is always.
type Schedule struct {
	From     string      `json:"from,omitempty"`     // first date, "2026-11-27"; empty: no first
	Until    string      `json:"until,omitempty"`    // last date, it counts; empty: no last
	Weekdays []string    `json:"weekdays,omitempty"` // names of Weekdays; empty: all
	Hours    []Hours     `json:"hours,omitempty"`    // empty: all day; each within one day
	Holidays HolidayRule `json:"holidays,omitempty"`
}

// HolidayRule says what a holiday means for a schedule.
type HolidayRule string

const (
	HolidaysToo  HolidayRule = ""
	HolidaysOnly HolidayRule = "only"
	NoHolidays   HolidayRule = "except"
)

// Hours are clock readings, "17:00" to "22:00"; the end does not count, and may be "24:00".
type Hours struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

// span is Hours in minutes of the day.
type span struct{ from, until int }

// calendar is a Schedule that is ready to be asked.
type calendar struct {
	always      bool
	first, last int   // dates as 20261127
	weekdays    uint8 // bit by number of weekday
	hours       []span
	holidays    HolidayRule
}

// compile reads a schedule. What is wrong is told to say.
func (s *Schedule) compile(say func(field, text, mend string)) calendar {
	c := calendar{last: 99_999_999, weekdays: 1<<7 - 1, holidays: s.Holidays}
	for field, d := range map[string]struct {
		text string
		into *int
	}{"schedule.from": {s.From, &c.first}, "schedule.until": {s.Until, &c.last}} {
		if d.text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, d.text)
		if err != nil {
			say(field, fmt.Sprintf("%q is not a date", d.text), `write "2026-11-27"`)
			continue
		}
		*d.into = dateNumber(t.Year(), int(t.Month()), t.Day())
	}
	if c.first > c.last {
		say("schedule.until", fmt.Sprintf("%s is before %s", s.Until, s.From), "the last date is the first one or later")
	}
	if len(s.Weekdays) > 0 {
		c.weekdays = 0
		for _, name := range s.Weekdays {
			day := slices.Index(Weekdays, name)
			if day < 0 {
				say("schedule.weekdays", fmt.Sprintf("%q is not a weekday", name), didYouMean(name, Weekdays))
				continue
			}
			c.weekdays |= 1 << day
		}
	}
	for _, h := range s.Hours {
		from, until, ok := h.parse("schedule.hours", say)
		switch {
		case !ok:
		case from >= until:
			say("schedule.hours", fmt.Sprintf("%s to %s goes past midnight", h.From, h.Until), fmt.Sprintf("write %s to 24:00, and 00:00 to %s for the days after", h.From, h.Until))
		default:
			c.hours = append(c.hours, span{from, until})
		}
	}
	if !slices.Contains([]HolidayRule{HolidaysToo, HolidaysOnly, NoHolidays}, s.Holidays) {
		say("schedule.holidays", fmt.Sprintf("%q is not known", s.Holidays), `write "only" or "except", or leave it out`)
	}
	c.always = c.first == 0 && c.last == 99_999_999 && c.weekdays == 1<<7-1 && len(c.hours) == 0 && c.holidays == HolidaysToo
	return c
}

func dateNumber(year, month, day int) int { return year*10_000 + month*100 + day }

// parse reads hours as minutes of the day.
func (h Hours) parse(field string, say func(field, text, mend string)) (from, until int, ok bool) {
	ok = true
	for _, r := range []struct {
		text string
		into *int
	}{{h.From, &from}, {h.Until, &until}} {
		t, err := time.Parse("15:04", r.text)
		switch {
		case r.text == "24:00":
			*r.into = 24 * 60
		case err != nil || len(r.text) != len("15:04"):
			say(field, fmt.Sprintf("%q is not a time of the day", r.text), `write "17:00"`)
			ok = false
		default:
			*r.into = t.Hour()*60 + t.Minute()
		}
	}
	return from, until, ok
}

// open tells whether a moment lies in the schedule.
func (c *calendar) open(m *Moment) bool {
	if c.always {
		return true
	}
	if c.weekdays&(1<<(m.Weekday&7)) == 0 {
		return false
	}
	if today := dateNumber(m.Year, m.Month, m.Day); today < c.first || today > c.last {
		return false
	}
	if c.holidays != HolidaysToo && (m.Holiday != "") != (c.holidays == HolidaysOnly) {
		return false
	}
	if len(c.hours) == 0 {
		return true
	}
	for _, h := range c.hours {
		if m.Minute >= h.from && m.Minute < h.until {
			return true
		}
	}
	return false
}

// begins names the opening that a moment lies in, "2026-11-27 17:00"; empty: the schedule is closed. Of a day's opening the name is the
// same at every moment of it, also where clocks are put back within it.
func (c *calendar) begins(m *Moment) string {
	if !c.open(m) {
		return ""
	}
	from := 0
	for _, h := range c.hours {
		if m.Minute >= h.from && m.Minute < h.until {
			from = h.from
			break
		}
	}
	return fmt.Sprintf("%04d-%02d-%02d %02d:%02d", m.Year, m.Month, m.Day, from/60, from%60)
}

// Opening is a schedule that opens.
type Opening struct {
	Rule   *Rule
	Begins string // by the clock on the wall, "2026-11-27 17:00": it names the opening
}

// Opens lists the rules that wait for their schedule and whose schedule opens between two moments on the same clock, the first goes first.
func (s *Set) Opens(was, now *Moment) (all []Opening) {
	if s == nil {
		return nil
	}
	for _, n := range s.byKind[OnSchedule] {
		m := &s.members[n]
		if begins := m.calendar.begins(now); begins != "" && begins != m.calendar.begins(was) {
			all = append(all, Opening{m.rule, begins})
		}
	}
	return all
}

// quiet tells whether a minute lies in hours that may go past midnight.
func (s span) quiet(minute int) bool {
	if s.from <= s.until {
		return minute >= s.from && minute < s.until
	}
	return minute >= s.from || minute < s.until
}

// didYouMean is the advice to write the nearest of the words, or all of them when none is near and they are few.
func didYouMean(wrong string, words []string) string {
	best, least := "", len(wrong)/3+2
	for _, word := range words {
		if d := distance(strings.ToLower(wrong), strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(words) > 0 && len(words) <= 12:
		return "it is one of " + strings.Join(words, ", ")
	}
	return ""
}

// distance counts the letters to change, add, remove or swap with their neighbour to make one word of another
// (optimal string alignment).
func distance(a, b string) int {
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, old, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = old, row, older
	}
	return rows[1][len(b)]
}
