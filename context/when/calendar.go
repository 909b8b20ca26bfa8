package when

import "time"

// Calendar is what is special about the days of a place: plain values, resolved by whoever knows the
// region. The zero Calendar has neither holidays nor paydays. It is not changed once it is in use.
type Calendar struct {
	Holidays map[string]string // local date, 2006-01-02 → name
	Paydays  []Payday
}

// Payday is when people of a place are paid: a day of the month, 1 to 31 (in a shorter month its last
// day), or LastWorkingDay. Where that is a Saturday, Sunday or holiday, it is the working day before.
type Payday int

// LastWorkingDay is the payday at the end of the month.
const LastWorkingDay Payday = 0

// NoPayday stands for the distance to a payday where none is known: farther than any payday can be.
const NoPayday = 1 << 15

// Holiday is the name of the holiday on a local date; empty: none.
func (c Calendar) Holiday(t time.Time) string {
	if len(c.Holidays) == 0 {
		return ""
	}
	var b [16]byte
	return c.Holidays[string(t.AppendFormat(b[:0], time.DateOnly))]
}

// payday is the number of days from the date of t to the nearest payday, see Moment.Payday.
func (c Calendar) payday(t time.Time) int {
	nearest := NoPayday
	year, month, day := t.Date()
	today := dayNumber(year, month, day)
	for _, p := range c.Paydays {
		// The month before counts for its end, the next one for a payday on the 1st; a row of
		// holidays may move that one far back, even into this month.
		for m := month - 1; m <= month+1; m++ {
			away := c.paid(p, year, m) - today
			if distance(away) < distance(nearest) || distance(away) == distance(nearest) && away > nearest {
				nearest = away
			}
		}
	}
	return nearest
}

// paid is the day number of the payday of one month; months outside 1 to 12 belong to other years.
func (c Calendar) paid(p Payday, year int, month time.Month) int {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC)
	day := last
	if p > 0 && int(p) < last.Day() {
		day = time.Date(year, month, int(p), 0, 0, 0, 0, time.UTC)
	}
	for back := 0; back < 14 && !c.working(day); back++ {
		day = day.AddDate(0, 0, -1)
	}
	return dayNumber(day.Date())
}

func (c Calendar) working(date time.Time) bool {
	weekday := date.Weekday()
	return weekday != time.Saturday && weekday != time.Sunday && c.Holiday(date) == ""
}

// dayNumber counts dates, whatever the clocks of a zone do on them.
func dayNumber(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

func distance(days int) int { return max(days, -days) }
