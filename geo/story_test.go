package geo

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStories plays the walks of testdata/stories. A line is a step and, after the arrow, what it tells:
//
//	geofence ID lat,lng radius R m; dwell 5m; cooldown 1h; cap 1; approach 200 m; floor 2; hours TEXT ZONE
//	delete ID, draft ID          an edit
//	on DATE zone ZONE            the day and zone of the times below; "+1d" after a time is the next day
//	at TIME D m DIRECTION of ID ±ACCURACY [coarse] [mocked] [floor N] [is late]
//	walk TIME to TIME from D m … to D m … ±ACCURACY      a fix every five seconds
//	until TIME                   the worker settles at that time
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d stories (%v), want some", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := story{zone: time.UTC, presence: Presence{Shopper: "anna"}, fences: NewIndex(nil), centers: map[string]Point{}}
			for lines, n := bufio.NewScanner(f), 1; lines.Scan(); n++ {
				line := strings.TrimSpace(lines.Text())
				if line == "" || line[0] == '#' {
					continue
				}
				step, want, _ := strings.Cut(line, "→")
				got, err := s.play(strings.TrimSpace(step))
				if err != nil {
					t.Fatalf("%s:%d: %v", file, n, err)
				}
				if want = strings.TrimSpace(want); want != "" && got != want {
					t.Errorf("%s:%d: %s\n got: %s\nwant: %s", file, n, step, got, want)
				}
			}
		})
	}
}

type story struct {
	day      time.Time
	zone     *time.Location
	fences   *Index
	centers  map[string]Point
	presence Presence
	version  int64
}

var (
	walkStep = regexp.MustCompile(`^walk (\S+) to (\S+) from (\S+) m (\w+) of (\w+) to (\S+) m (\w+) of (\w+)(.*)$`)
	atStep   = regexp.MustCompile(`^at (\S+(?: \+1d)?) (\S+) m (\w+) of (\w+)(.*)$`)
)

func (s *story) play(step string) (string, error) {
	word, rest, _ := strings.Cut(step, " ")
	switch word {
	case "geofence":
		return "", s.geofence(rest)
	case "delete":
		s.fences = s.fences.Edit(nil, []string{rest})
		return "", nil
	case "draft":
		n, _ := s.fences.Lookup(rest)
		g := *s.fences.Fence(n)
		g.Status = Draft
		s.fences = s.fences.Edit([]Geofence{g}, nil)
		return "", nil
	case "on":
		date, zone, _ := strings.Cut(rest, " zone ")
		var err error
		if s.zone, err = LoadZone(zone); err != nil {
			return "", err
		}
		s.day, err = time.ParseInLocation(time.DateOnly, date, s.zone)
		return "", err
	case "until":
		at, err := s.time(rest)
		if err != nil {
			return "", err
		}
		var crossings []Crossing
		s.presence, crossings = Settle(s.fences, s.presence, at)
		return s.tell(crossings), nil
	case "at":
		m := atStep.FindStringSubmatch(step)
		if m == nil {
			return "", fmt.Errorf("got %q, want at TIME D m DIRECTION of ID", step)
		}
		at, err := s.time(m[1])
		if err != nil {
			return "", err
		}
		f, err := s.fix(at, s.where(m[2], m[3], m[4]), m[5])
		if err != nil {
			return "", err
		}
		if late := strings.Contains(m[5], "is late"); late != s.presence.Late(f) {
			return "", fmt.Errorf("got late %v, want %v", !late, late)
		}
		var crossings []Crossing
		s.presence, crossings = Advance(s.fences, s.presence, f)
		return s.tell(crossings), nil
	case "walk":
		m := walkStep.FindStringSubmatch(step)
		if m == nil {
			return "", fmt.Errorf("got %q, want walk TIME to TIME from D m DIRECTION of ID to D m DIRECTION of ID", step)
		}
		begin, err := s.time(m[1])
		if err != nil {
			return "", err
		}
		end, err := s.time(m[2])
		if err != nil {
			return "", err
		}
		from, to := s.where(m[3], m[4], m[5]), s.where(m[6], m[7], m[8])
		east, north := from.offset(to)
		var all []Crossing
		for at := begin; !at.After(end); at = at.Add(5 * time.Second) {
			done := at.Sub(begin).Seconds() / end.Sub(begin).Seconds()
			f, err := s.fix(at, from.shift(east*done, north*done), m[9])
			if err != nil {
				return "", err
			}
			var crossings []Crossing
			s.presence, crossings = Advance(s.fences, s.presence, f)
			all = append(all, crossings...)
		}
		return s.tell(all), nil
	}
	return "", fmt.Errorf("got %q, want geofence, delete, draft, on, at, walk or until", step)
}

func (s *story) geofence(text string) error {
	parts := strings.Split(text, "; ")
	g := Geofence{Wants: WantEnter | WantDwell | WantExit | WantApproach}
	var center Point
	var radius float64
	if _, err := fmt.Sscanf(parts[0], "%s %f,%f radius %f m", &g.ID, &center.Lat, &center.Lng, &radius); err != nil {
		return err
	}
	circle, err := NewCircle(center, radius)
	if err != nil {
		return err
	}
	g.Shape = circle
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, " ")
		switch name {
		case "dwell":
			g.Dwell, err = time.ParseDuration(value)
		case "cooldown":
			g.Cooldown, err = time.ParseDuration(value)
		case "cap":
			g.DailyCap, err = strconv.Atoi(value)
		case "approach":
			_, err = fmt.Sscanf(value, "%f m", &g.ApproachMeters)
		case "floor":
			var floor int
			floor, err = strconv.Atoi(value)
			g.Floor = &floor
		case "hours":
			i := strings.LastIndex(value, " ")
			var zone *time.Location
			if zone, err = LoadZone(value[i+1:]); err == nil {
				g.Schedule, err = ParseHours(value[:i], zone)
			}
		default:
			err = fmt.Errorf("got %q, want dwell, cooldown, cap, approach, floor or hours", part)
		}
		if err != nil {
			return err
		}
	}
	s.version++
	g.Version = s.version
	s.centers[g.ID] = center
	s.fences = s.fences.Edit([]Geofence{g}, nil)
	return nil
}

func (s *story) time(text string) (time.Time, error) {
	clock, next, _ := strings.Cut(text, " ")
	day := s.day
	if next == "+1d" {
		day = day.AddDate(0, 0, 1)
	}
	return time.ParseInLocation(time.DateTime, day.Format(time.DateOnly)+" "+clock, s.zone)
}

func (s *story) where(meters, direction, id string) Point {
	d, _ := strconv.ParseFloat(meters, 64)
	center := s.centers[id]
	switch direction {
	case "east":
		return center.shift(d, 0)
	case "west":
		return center.shift(-d, 0)
	case "north":
		return center.shift(0, d)
	}
	return center.shift(0, -d)
}

func (s *story) fix(at time.Time, p Point, flags string) (Fix, error) {
	f := Fix{At: at, Point: p}
	words := strings.Fields(flags)
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case strings.HasPrefix(word, "±"):
			f.AccuracyMeters, _ = strconv.ParseFloat(strings.TrimPrefix(word, "±"), 64)
		case word == "coarse":
			f.Coarse = true
		case word == "mocked":
			f.Mocked = true
		case word == "floor":
			i++
			floor, err := strconv.Atoi(words[i])
			if err != nil {
				return f, err
			}
			f.Floor = &floor
		case word == "is" || word == "late":
		default:
			return f, fmt.Errorf("got %q, want ±ACCURACY, coarse, mocked, floor N or is late", word)
		}
	}
	return f, nil
}

// tell puts crossings into the words of the stories.
func (s *story) tell(crossings []Crossing) string {
	verbs := map[Kind]string{Enter: "enters", Dwell: "dwells in", Exit: "leaves", Approach: "approaches"}
	var parts []string
	for _, c := range crossings {
		text := verbs[c.Kind] + " " + c.Geofence
		if c.Reason.Fix == nil {
			text += " at " + c.At.In(s.zone).Format(time.TimeOnly)
		}
		text += fmt.Sprintf(" (%s)", c.Reason.Rule)
		if !c.Told {
			text += ", untold: " + string(c.Withheld)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
