package when

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestAt(t *testing.T) {
	t.Parallel()
	christmas := Calendar{Holidays: map[string]string{"2026-12-25": "Christmas Day"}}
	for _, c := range []struct {
		name     string
		give     string
		zone     string
		calendar Calendar
		local    string
		daypart  Daypart
		holiday  string
	}{
		{"morning in London", "2026-11-22T09:14:03Z", "Europe/London", Calendar{}, "2026-11-22T09:14:03Z", Morning, ""},
		{"the same instant in Taipei", "2026-11-22T09:14:03Z", "Asia/Taipei", Calendar{}, "2026-11-22T17:14:03+08:00", Evening, ""},
		{"the local date decides on the holiday", "2026-12-24T16:30:00Z", "Asia/Taipei", christmas, "2026-12-25T00:30:00+08:00", Night, "Christmas Day"},
		{"it is over where the day is", "2026-12-25T16:30:00Z", "Asia/Taipei", christmas, "2026-12-26T00:30:00+08:00", Night, ""},
		{"the hour before the clock jumps", "2026-03-29T00:59:59Z", "Europe/Paris", Calendar{}, "2026-03-29T01:59:59+01:00", Night, ""},
		{"the hour that does not exist", "2026-03-29T01:00:00Z", "Europe/Paris", Calendar{}, "2026-03-29T03:00:00+02:00", Night, ""},
		{"six by the clock on the day of the jump", "2026-03-29T04:00:00Z", "Europe/Paris", Calendar{}, "2026-03-29T06:00:00+02:00", Morning, ""},
		{"six by the clock on the day after", "2026-10-25T05:00:00Z", "Europe/Paris", Calendar{}, "2026-10-25T06:00:00+01:00", Morning, ""},
		{"a zone of a quarter hour", "2026-11-22T05:15:00Z", "Asia/Kathmandu", Calendar{}, "2026-11-22T11:00:00+05:45", Midday, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			instant, err := time.Parse(time.RFC3339, c.give)
			if err != nil {
				t.Fatal(err)
			}
			got := At(instant, zone(t, c.zone), c.calendar)
			if local := got.Instant.Format(time.RFC3339); local != c.local || got.Daypart != c.daypart || got.Holiday != c.holiday {
				t.Errorf("got %s, %s, holiday %q, want %s, %s, %q", local, got.Daypart, got.Holiday, c.local, c.daypart, c.holiday)
			}
			if !got.Instant.Equal(instant) {
				t.Errorf("the instant moved to %s", got.Instant)
			}
			if got.Payday != NoPayday {
				t.Errorf("payday: got %d, want none known", got.Payday)
			}
		})
	}
	if got := At(time.Date(2026, 11, 22, 9, 0, 0, 0, zone(t, "Asia/Taipei")), nil, Calendar{}); got.Instant.Location() != time.UTC || got.Daypart != Night {
		t.Errorf("without a zone: got %+v, want it in UTC", got)
	}
}

func TestDaypartOf(t *testing.T) {
	t.Parallel()
	want := [24]Daypart{
		Night, Night, Night, Night, Night, Night, Morning, Morning, Morning, Morning, Morning, Midday,
		Midday, Midday, Afternoon, Afternoon, Afternoon, Evening, Evening, Evening, Evening, Evening, Night, Night,
	}
	for hour, daypart := range want {
		if got := DaypartOf(hour); got != daypart {
			t.Errorf("%d o'clock: got %s, want %s", hour, got, daypart)
		}
	}
}

func TestPayday(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		today   string
		paydays []Payday
		want    int
	}{
		{"on the day", "2026-11-25", []Payday{25}, 0},
		{"ahead", "2026-11-20", []Payday{25}, 5},
		{"back", "2026-11-27", []Payday{25}, -2},
		{"back over the month's end", "2026-12-02", []Payday{25}, -7},
		{"ahead over the year's end", "2026-12-28", []Payday{20, 1}, 2},
		{"the first day of the next month", "2027-01-29", []Payday{1}, 3},
		{"a Sunday is paid on Friday", "2026-10-23", []Payday{25}, 0},
		{"a Saturday is paid on Friday", "2026-11-28", []Payday{28}, -1},
		{"last working day", "2026-11-30", []Payday{LastWorkingDay}, 0},
		{"last working day before a weekend", "2026-10-30", []Payday{LastWorkingDay}, 0},
		{"last working day before holidays", "2026-12-30", []Payday{LastWorkingDay}, 0},
		{"the 31st of a short month is its last day", "2026-11-30", []Payday{31}, 0},
		{"the 31st of a common February", "2027-02-26", []Payday{31}, 0},
		{"the 30th of a leap February", "2028-02-29", []Payday{30}, 0},
		{"nearest of two", "2026-11-17", []Payday{10, 25}, -7},
		{"of two equally far the one ahead", "2026-11-20", []Payday{16, 24}, 4},
		{"moved back into the month before", "2026-12-31", []Payday{2}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calendar := Calendar{Holidays: map[string]string{
				"2026-12-31": "New Year's Eve", "2027-01-01": "New Year's Day",
			}, Paydays: c.paydays}
			today, err := time.Parse(time.DateOnly, c.today)
			if err != nil {
				t.Fatal(err)
			}
			if got := At(today.Add(9*time.Hour), time.UTC, calendar).Payday; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestPaydayCountsDates checks that the distance is one of dates: it is the same at every hour of a local
// day, in every zone, and moves by one from day to day until another payday is nearer.
func TestPaydayCountsDates(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, zone(t, "Europe/Paris"), zone(t, "America/Sao_Paulo"), zone(t, "Pacific/Apia"), zone(t, "Australia/Lord_Howe")}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		day := rapid.IntRange(0, 20_000).Draw(t, "day")
		calendar := Calendar{Paydays: []Payday{Payday(rapid.IntRange(0, 31).Draw(t, "payday"))}}
		on := func(day, hour int) int {
			return At(time.Date(1990, 1, 1+day, hour, 30, 0, 0, z), z, calendar).Payday
		}
		today := on(day, 12)
		if today < -16 || today > 17 {
			t.Fatalf("a monthly payday is %d days away", today)
		}
		for hour := range 24 {
			at := time.Date(1990, 1, 1+day, hour, 30, 0, 0, z)
			if at.Day() == time.Date(1990, 1, 1+day, 12, 0, 0, 0, z).Day() && on(day, hour) != today {
				t.Fatalf("%s: got %d, at noon %d", at, on(day, hour), today)
			}
		}
		noon := time.Date(1990, 1, 1+day, 12, 0, 0, 0, z)
		if paid := At(noon.AddDate(0, 0, today), z, calendar); paid.Payday != 0 {
			t.Fatalf("%s is %d days from payday, but that day is %d from it", noon, today, paid.Payday)
		}
	})
}

func BenchmarkAt(b *testing.B) {
	calendar := Calendar{Holidays: map[string]string{"2026-12-25": "Christmas Day"}, Paydays: []Payday{25, LastWorkingDay}}
	paris := zone(b, "Europe/Paris")
	instant := time.Date(2026, 11, 22, 9, 14, 3, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		At(instant, paris, calendar)
	}
}
