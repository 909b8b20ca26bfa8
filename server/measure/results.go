package measure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Outcome is what came of a test.
type Outcome string

const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is what came of one test when it ran last.
type Result struct {
	Outcome Outcome   `json:"outcome"`
	At      time.Time `json:"at"`
}

// Results are the results of the tests that measures name, by Test.String. A test that did not run has none.
type Results map[string]Result

// event is one line of what go test -json tells (go doc test2json).
type event struct {
	Time    time.Time
	Action  string
	Package string
	Test    string
	Output  string
}

// ErrFailed says that a test failed, or that a package did not get to its end.
var ErrFailed = errors.New("not all tests passed")

// module is where the packages of the project begin.
const module = "satnav/"

// Record reads what go test -json tells, notes what came of the tests that measures name, and writes to out what go test would have: what failed tests
// said, and a line for each package. It returns ErrFailed unless something ran and all passed.
func Record(in io.Reader, out io.Writer, measures []Measure, results Results) error {
	said := map[string][]string{}  // by package and test, until it ended
	running := map[string]string{} // packages that did not end, and what became of them so far
	failed, ended := false, 0
	broken := map[string]bool{} // tests that failed: one that runs twice has passed only if it did both times
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read results: %w", err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil { // what the go command itself says
			fmt.Fprint(out, string(line))
			continue
		}
		name := e.Package + " " + e.Test
		switch {
		case e.Action == "build-output":
			fmt.Fprint(out, e.Output)
		case e.Action == "build-fail":
			failed = true
		case e.Action == "start":
			running[e.Package] = e.Action
		case e.Action == "output" && e.Test == "":
			if e.Output != "PASS\n" {
				fmt.Fprint(out, e.Output)
			}
		case e.Action == "output":
			said[name] = append(said[name], e.Output)
		case e.Action == "pass" || e.Action == "skip" || e.Action == "fail":
			failed = failed || e.Action == "fail"
			if e.Test == "" {
				delete(running, e.Package)
				ended++
				if e.Action == "fail" { // tests that were under way when it ended
					unfinished(out, said, e.Package)
				}
				break
			}
			if e.Action == "fail" {
				fmt.Fprint(out, strings.Join(said[name], ""))
			}
			delete(said, name)
			if broken[name] = broken[name] || e.Action == "fail"; broken[name] {
				e.Action = "fail"
			}
			results.note(measures, e)
		}
	}
	if failed || len(running) > 0 || ended == 0 {
		for _, p := range slices.Sorted(maps.Keys(running)) {
			fmt.Fprintf(out, "%s did not get to its end\n", p)
		}
		return ErrFailed
	}
	return nil
}

// unfinished writes what tests of a package said that never ended.
func unfinished(out io.Writer, said map[string][]string, of string) {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if strings.HasPrefix(name, of+" ") {
			fmt.Fprint(out, strings.Join(said[name], ""))
			delete(said, name)
		}
	}
}

// note keeps what came of a test that a measure names.
func (r Results) note(measures []Measure, e event) {
	folder := strings.TrimPrefix(e.Package, module)
	for _, m := range measures {
		for _, t := range m.Tests {
			if t.Folder == folder && t.is(e.Test) {
				r[t.String()] = Result{Outcome(e.Action), e.Time.UTC().Truncate(time.Second)}
			}
		}
	}
}

// is tells whether a name that go test tells is of the test: a script is a part of a test that is named after it.
func (t Test) is(name string) bool {
	script, is := strings.CutSuffix(t.Name, ".txtar")
	return name == t.Name || is && strings.Contains(name, "/") && path.Base(name) == script
}
