package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestScheduleOpen(t *testing.T) {
	t.Parallel()
	shop := "Mo-Fr 08:00-20:00; Sa 09:00-13:00,14:00-18:00; Su closed; 2026-12-25 closed; 2026-12-24 09:00-14:00"
	bar := "Th-Sa 20:00-03:00; 2026-11-29 closed"
	tests := []struct {
		name, hours, zone, at string
		want                  bool
	}{
		{"a minute before opening", shop, "Europe/Berlin", "2026-11-23T07:59:59+01:00", false},
		{"the opening minute", shop, "Europe/Berlin", "2026-11-23T08:00:00+01:00", true},
		{"the last second", shop, "Europe/Berlin", "2026-11-23T19:59:59+01:00", true},
		{"the closing minute", shop, "Europe/Berlin", "2026-11-23T20:00:00+01:00", false},
		{"the shop's zone counts, not the caller's", shop, "Europe/Berlin", "2026-11-23T07:00:00Z", true},
		{"lunch on Saturday", shop, "Europe/Berlin", "2026-11-28T13:30:00+01:00", false},
		{"after lunch", shop, "Europe/Berlin", "2026-11-28T14:00:00+01:00", true},
		{"Sunday", shop, "Europe/Berlin", "2026-11-29T12:00:00+01:00", false},
		{"an exception that is closed", shop, "Europe/Berlin", "2026-12-25T12:00:00+01:00", false},
		{"an exception that is shorter", shop, "Europe/Berlin", "2026-12-24T15:00:00+01:00", false},
		{"past midnight", bar, "Europe/London", "2026-11-27T02:59:00Z", true},
		{"past midnight, closed", bar, "Europe/London", "2026-11-27T03:00:00Z", false},
		{"Saturday night runs into a closed Sunday", bar, "Europe/London", "2026-11-29T02:00:00Z", true},
		{"always", "24/7", "Asia/Kolkata", "2026-11-29T02:00:00Z", true},
		// Berlin, 2026-03-29: 02:00 → 03:00; 2026-10-25: 03:00 → 02:00.
		{"opens in the gap", "Su 02:30-04:00", "Europe/Berlin", "2026-03-29T01:00:00Z", true},
		{"hours within the gap do not happen", "Su 02:10-02:50", "Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"closes at the first 02:30", "Su 00:00-02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", false},
		{"not open again at the second 02:15", "Su 00:00-02:30", "Europe/Berlin", "2026-10-25T01:15:00Z", false},
		{"opens at the first 02:30 and stays", "Su 02:30-04:00", "Europe/Berlin", "2026-10-25T01:05:00Z", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseHours(test.hours, zone(t, test.zone))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, test.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Open(at); got != test.want {
				t.Errorf("%q in %s at %s: got open %v, want %v", test.hours, test.zone, test.at, got, test.want)
			}
		})
	}
}

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, json, at, want string }{
		{"closes tonight", `{"zone":"Europe/Berlin","weekly":{"mo":["08:00-20:00"]}}`, "2026-11-23T12:00:00+01:00", "2026-11-23T20:00:00+01:00"},
		{"opens next week", `{"zone":"Europe/Berlin","weekly":{"mo":["08:00-20:00"]}}`, "2026-11-23T20:00:00+01:00", "2026-11-30T08:00:00+01:00"},
		{"days that touch are one opening", `{"weekly":{"mo":["08:00-24:00"],"tu":["00:00-06:00"]}}`, "2026-11-23T12:00:00Z", "2026-11-24T06:00:00Z"},
		{"always open", `{"weekly":{"mo":["00:00-24:00"],"tu":["00:00-24:00"],"we":["00:00-24:00"],"th":["00:00-24:00"],"fr":["00:00-24:00"],"sa":["00:00-24:00"],"su":["00:00-24:00"]}}`, "2026-11-23T12:00:00Z", ""},
		{"never open", `{"weekly":{}}`, "2026-11-23T12:00:00Z", ""},
		{"a far exception", `{"exceptions":{"2030-01-01":[]}}`, "2026-11-23T12:00:00Z", "2030-01-01T00:00:00Z"},
		{"a far start", `{"start":"2040-01-01T00:00:00Z"}`, "2026-11-23T12:00:00Z", "2040-01-01T00:00:00Z"},
		{"a start before opening", `{"start":"2026-11-23T00:00:00Z","weekly":{"we":["09:00-10:00"]}}`, "2026-11-20T12:00:00Z", "2026-11-25T09:00:00Z"},
		{"ends while open", `{"end":"2026-11-23T13:00:00Z","weekly":{"mo":["08:00-20:00"]}}`, "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"},
		{"ended", `{"end":"2026-11-23T12:00:00Z"}`, "2026-11-23T12:00:00Z", ""},
		{"ends while closed", `{"end":"2026-11-23T23:00:00Z","weekly":{"mo":["08:00-20:00"]}}`, "2026-11-23T20:00:00Z", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSchedule([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, test.at)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if next, ok := s.Next(at); ok {
				got = next.In(s.Zone()).Format(time.RFC3339)
			}
			if got != test.want {
				t.Errorf("%s at %s: got next change %q, want %q", test.json, test.at, got, test.want)
			}
		})
	}
}

// drawSchedule makes hours near the changes of the clock, where the mistakes are.
func drawSchedule(t *rapid.T, zone *time.Location, near time.Time) *Schedule {
	day := func(label string) []hours {
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, 47), 0, 6, rapid.ID[int]).Draw(t, label)
		var open []hours
		for i := 0; i+1 < len(cuts); i += 2 {
			from, until := min(cuts[i], cuts[i+1]), max(cuts[i], cuts[i+1])
			if from < 24 {
				open = append(open, hours{from * 60, min(until*60+30, from*60+minutesPerDay)})
			}
		}
		var kept []hours // without overlaps
		for _, h := range open {
			if len(kept) == 0 || h.from >= kept[len(kept)-1].until {
				kept = append(kept, h)
			}
		}
		return kept
	}
	s := &Schedule{zone: zone, always: rapid.Bool().Draw(t, "always")}
	for i := range s.weekly {
		if !s.always {
			s.weekly[i] = day(fmt.Sprint("day", i))
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "exceptions") {
		d := dateOf(near) + date(rapid.IntRange(-3, 3).Draw(t, fmt.Sprint("date", i)))
		if err := s.except(d, day(fmt.Sprint("exception", i))); err != nil {
			t.Fatal(err)
		}
	}
	s.order()
	if rapid.Bool().Draw(t, "bounded") {
		s.start = near.Add(time.Duration(rapid.IntRange(-72, 0).Draw(t, "start")) * time.Hour)
		s.end = near.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "end")) * time.Hour)
	}
	return s
}

// TestScheduleAgreesWithTheMinuteTwin walks minute by minute over clock changes with a clock that
// never goes back, and reads the hours off it.
func TestScheduleAgreesWithTheMinuteTwin(t *testing.T) {
	t.Parallel()
	changes := []struct{ zone, at string }{
		{"Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-10-25T01:00:00Z"},
		{"America/New_York", "2026-11-01T06:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04T03:00:00Z"},   // midnight does not exist
		{"America/Sao_Paulo", "2018-02-18T02:00:00Z"},   // midnight goes back to 23:00
		{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"}, // half an hour
		{"Pacific/Apia", "2011-12-30T10:00:00Z"},        // a whole day is skipped
		{"America/St_Johns", "2010-11-07T02:31:00Z"},    // 00:01 goes back to 23:01 of the day before
		{"Asia/Kolkata", "2026-06-01T00:00:00Z"},
	}
	rapid.Check(t, func(t *rapid.T) {
		change := rapid.SampledFrom(changes).Draw(t, "change")
		zone, err := LoadZone(change.zone)
		if err != nil {
			t.Fatal(err)
		}
		near, err := time.Parse(time.RFC3339, change.at)
		if err != nil {
			t.Fatal(err)
		}
		s := drawSchedule(t, zone, near)
		const warm, days = 2 * 24 * 60, 5
		begin := near.Add(-2*24*time.Hour - warm*time.Minute)
		var furthest int64
		var open []bool
		for i := range warm + days*24*60 {
			at := begin.Add(time.Duration(i) * time.Minute)
			_, offset := at.In(zone).Zone()
			furthest = max(furthest, (at.Unix()+int64(offset))/60)
			if i < warm {
				continue
			}
			today, minute := date(furthest/minutesPerDay), int(furthest%minutesPerDay)
			want := false
			for _, h := range s.on(today) {
				want = want || h.from <= minute && minute < h.until
			}
			for _, h := range s.on(today - 1) {
				want = want || h.from <= minute+minutesPerDay && minute+minutesPerDay < h.until
			}
			want = want && (s.start.IsZero() || !at.Before(s.start)) && (s.end.IsZero() || at.Before(s.end))
			if got := s.Open(at); got != want {
				t.Fatalf("%s: %s at %s: got open %v, want %v", change.zone, s.Hours(), at.In(zone), got, want)
			}
			open = append(open, want)
		}
		begin = begin.Add(warm * time.Minute)
		for i := 0; i < len(open); i += 7 {
			at := begin.Add(time.Duration(i) * time.Minute)
			next, ok := s.Next(at)
			j := i
			for j < len(open) && open[j] == open[i] {
				j++
			}
			if want := begin.Add(time.Duration(j) * time.Minute); j < len(open) && (!ok || !next.Equal(want)) {
				t.Fatalf("%s: %s after %s: got %v %v, want a change at %s", change.zone, s.Hours(), at.In(zone), next, ok, want.In(zone))
			}
			if j == len(open) && ok && next.Before(begin.Add(time.Duration(j)*time.Minute)) {
				t.Fatalf("%s: %s after %s: got a change at %s, want none so early", change.zone, s.Hours(), at.In(zone), next)
			}
		}
	})
}

func TestScheduleAsText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, json, want string }{
		{"a week", ` "Mo-Fr 08:00-20:00; 2026-12-25 closed" `, `{"weekly":{"fr":["08:00-20:00"],"mo":["08:00-20:00"],"th":["08:00-20:00"],"tu":["08:00-20:00"],"we":["08:00-20:00"]},"exceptions":{"2026-12-25":[]}}`},
		{"escaped", `"Mo 08:00\u002d20:00"`, `{"weekly":{"mo":["08:00-20:00"]}}`},
		{"never open", `"Mo closed"`, `{"weekly":{}}`},
		{"empty", `" "`, `null`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSchedule([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			if s.HasZone() {
				t.Errorf("%s: got zone %s, want none", test.json, s.Zone())
			}
			var got, want any
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(json.Unmarshal(raw, &got), json.Unmarshal([]byte(test.want), &want)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %s, want %s", test.json, raw, test.want)
			}
		})
	}
}

func TestScheduleIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone, err := LoadZone("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		s := drawSchedule(t, zone, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseSchedule(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("got %s (%v), want %s", again, err, raw)
		}
		text := s.Hours()
		back, err = ParseHours(text, zone)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again := back.Hours(); again != text {
			t.Fatalf("got %q, want %q", again, text)
		}
	})
}

func TestScheduleErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, give, want string }{
		{"no hours", "Mo-Fr", `hours, column 1: got "Mo-Fr", want days and hours`},
		{"unknown day", "Mo 08:00-20:00; Mi 08:00-20:00", `hours, column 17: got day "Mi", want Mo, Tu`},
		{"no such time", "Mo 8-20", `hours, column 1: got hours "8-20", want HH:MM-HH:MM`},
		{"no such minute", "Mo 08:60-20:00", `got hours "08:60-20:00", want HH:MM-HH:MM`},
		{"empty", "Mo 08:00-08:00", `got hours "08:00-08:00", which are empty; a whole day is 00:00-24:00`},
		{"overlap", "Mo 08:00-12:00,11:00-13:00", "got hours 08:00-12:00 and 11:00-13:00 of one day, which overlap"},
		{"no such date", "2026-02-30 closed", `got date "2026-02-30", want an existing day as YYYY-MM-DD`},
		{"longer than a day", "Mo 08:00-33:00", `got hours "08:00-33:00", want at most 24 hours`},
		{"not JSON", `{`, "malformed JSON"},
		{"unknown field", `{"hours":"x"}`, `/hours: "hours" is no member of a schedule; want zone, weekly, exceptions, start and end`},
		{"wrong type", `{"weekly":{"mo":"08:00-20:00"}}`, `/weekly/mo: got "08:00-20:00", want a list of hours such as ["08:00-20:00"]`},
		{"not an object", `[]`, `got an array, want text such as "Mo-Fr 08:00-20:00" or an object`},
		{"bad text", `"Mo-Fr 08:00"`, "hours, column 1: "},
		{"unknown zone", `{"zone":"Berlin"}`, `/zone: got "Berlin", want an IANA time zone`},
		{"the server's own zone", `{"zone":"Local"}`, `/zone: got "Local"`},
		{"unknown weekday", `{"weekly":{"monday":[]}}`, `/weekly/monday: got day "monday", want mo, tu`},
		{"hours of a day", `{"weekly":{"mo":["9 to 5"]}}`, `/weekly/mo: got hours "9 to 5", want HH:MM-HH:MM`},
		{"an exception", `{"exceptions":{"25.12.2026":[]}}`, `/exceptions/25.12.2026: got date "25.12.2026", want an existing day`},
		{"an instant", `{"start":"tomorrow"}`, `/start: got "tomorrow", want an instant such as`},
		{"end before start", `{"start":"2026-11-22T00:00:00Z","end":"2026-11-21T00:00:00Z"}`, "/end: got 2026-11-21T00:00:00Z, want an instant after the start"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parse := func() error {
				if strings.ContainsAny(test.give[:1], "{[\"") {
					_, err := ParseSchedule([]byte(test.give))
					return err
				}
				_, err := ParseHours(test.give, time.UTC)
				return err
			}
			if err := parse(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got error %v, want %q", test.give, err, test.want)
			}
		})
	}
}

func FuzzParseHours(f *testing.F) {
	f.Add("Mo-Fr 08:00-20:00; Sa 09:00-18:00; Su closed; 2026-12-25 closed")
	f.Add("Fr-Mo 22:00-26:00")
	f.Add("24/7; Su off")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseHours(text, time.UTC)
		if err != nil || s == nil {
			return
		}
		written := s.Hours()
		back, err := ParseHours(written, time.UTC)
		if err != nil {
			t.Fatalf("%q was read and written as %q, which is refused: %v", text, written, err)
		}
		if again := back.Hours(); again != written {
			t.Fatalf("%q: got %q, want %q", text, again, written)
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	f.Add([]byte(`"Mo-Fr 08:00-20:00; 24/7"`))
	f.Add([]byte(`{"zone":"Europe/Berlin","weekly":{"mo":["08:00-20:00"]},"exceptions":{"2026-12-25":[]},"start":"2026-11-01T00:00:00+01:00"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseSchedule(raw)
		if err != nil || s == nil {
			return
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSchedule(written); err != nil {
			t.Fatalf("%s was read and written as %s, which is refused: %v", raw, written, err)
		}
		at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
		if next, ok := s.Next(at); ok && (!next.After(at) || s.Open(next) == s.Open(at)) {
			t.Fatalf("%s: the next change after %s is %s, where nothing changes", written, at, next)
		}
	})
}
