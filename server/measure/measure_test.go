package measure

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// exists tells whether the project, at root, has a test.
func exists(root string, t Test) bool {
	folder := filepath.Join(root, filepath.FromSlash(t.Folder))
	found := false
	function := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(t.Name) + `\(t \*testing\.T\)`)
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != folder && entry.Name() != "testdata" && !strings.Contains(name, string(filepath.Separator)+"testdata"+string(filepath.Separator)) {
				return fs.SkipDir // a package of its own
			}
		case strings.HasSuffix(t.Name, ".txtar"):
			found = found || entry.Name() == t.Name
		case strings.HasSuffix(name, "_test.go"):
			source, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			found = found || function.Match(source)
		}
		return nil
	})
	return err == nil && found
}

// TestEachPromiseHasATest holds the table of promises to the project: a test that was renamed or deleted takes its promise along.
func TestEachPromiseHasATest(t *testing.T) {
	t.Parallel()
	all := All()
	if len(all) < 20 {
		t.Errorf("only %d promises: the table is read wrongly", len(all))
	}
	for _, m := range all {
		for _, test := range m.Tests {
			if !exists(filepath.Join("..", ".."), test) {
				t.Errorf("%q: there is no test %s", m.Promise, test)
			}
		}
	}
	for _, none := range []Test{{"server/measure", "TestNobodyWrote"}, {"server/measure", "none.txtar"}, {"server/nowhere", "TestEachPromiseHasATest"}, {"server", "TestEachPromiseHasATest"}} {
		if exists(filepath.Join("..", ".."), none) {
			t.Errorf("%s is there", none)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	head := "text\n\n" + tableHead + "\n|---|---|\n"
	for _, c := range []struct {
		name, give string
		want       []Measure
		fault      string
	}{
		{"two folders", head + "| it holds | `a/b` TestOne, TestTwo, `c` three.txtar |\n\n| no more | x |\n",
			[]Measure{{"it holds", []Test{{"a/b", "TestOne"}, {"a/b", "TestTwo"}, {"c", "three.txtar"}}}}, ""},
		{"with a remark", head + "| it holds | `a` TestOne (2,800 orders; more in the long form) |\n", []Measure{{"it holds", []Test{{"a", "TestOne"}}}}, ""},
		{"no table", "text", nil, "no table"},
		{"no row", head + "\n", nil, "is empty"},
		{"no test", head + "| it holds | |\n", nil, "want a promise"},
		{"no promise", head + "| | `a` TestOne |\n", nil, "want a promise"},
		{"no folder", head + "| it holds | TestOne |\n", nil, "no folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(c.give)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("got %v, want %q", err, c.fault)
				}
				return
			}
			if err != nil || Page(got, nil) != Page(c.want, nil) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// TestRecord reads what go test tells.
func TestRecord(t *testing.T) {
	t.Parallel()
	measures := []Measure{{"it holds", []Test{{"a", "TestOne"}, {"a", "TestTwo"}, {"b", "three.txtar"}}}}
	line := func(action, of, test, output string) string {
		return `{"Time":"2026-11-23T04:00:00.5Z","Action":"` + action + `","Package":"satnav/` + of + `","Test":"` + test + `","Output":"` + output + `"}` + "\n"
	}
	start, pass := line("start", "a", "", ""), line("output", "a", "TestOne", "quiet\\n")+line("pass", "a", "TestOne", "")
	end := line("output", "a", "", "PASS\\n") + line("output", "a", "", "ok  \\tsatnav/a\\t0.1s\\n") + line("pass", "a", "", "")
	for _, c := range []struct {
		name, give string
		want       Results
		said       string
		failed     bool
	}{
		{"all pass", start + pass + end, Results{"a TestOne": {Outcome: Passed}}, "ok  \tsatnav/a\t0.1s\n", false},
		{"a script", line("start", "b", "", "") + line("pass", "b", "TestScripts/three", "") + line("pass", "b", "TestScripts", "") + line("pass", "b", "", ""), Results{"b three.txtar": {Outcome: Passed}}, "", false},
		{"one fails", start + pass + line("output", "a", "TestTwo", "why\\n") + line("fail", "a", "TestTwo", "") + line("fail", "a", "", ""),
			Results{"a TestOne": {Outcome: Passed}, "a TestTwo": {Outcome: Failed}}, "why\n", true},
		{"one that failed once has failed", start + line("fail", "a", "TestOne", "") + pass + end, Results{"a TestOne": {Outcome: Failed}}, "ok  \tsatnav/a\t0.1s\n", true},
		{"it ends in the midst of a test", start + line("output", "a", "TestTwo", "panic\\n") + line("fail", "a", "", ""), Results{}, "panic\n", true},
		{"it does not build", `{"Action":"build-output","ImportPath":"satnav/a","Output":"syntax\n"}` + "\n" + `{"Action":"build-fail","ImportPath":"satnav/a"}` + "\n", Results{}, "syntax\n", true},
		{"it was killed", start + pass, Results{"a TestOne": {Outcome: Passed}}, "satnav/a did not get to its end\n", true},
		{"nothing ran", "", Results{}, "", true},
		{"what is no event", start + "go: no such tool\n" + end, Results{}, "go: no such tool\nok  \tsatnav/a\t0.1s\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Results{}
			var said bytes.Buffer
			err := Record(strings.NewReader(c.give), &said, measures, got)
			if errors.Is(err, ErrFailed) != c.failed || err != nil && !c.failed || said.String() != c.said {
				t.Errorf("got %v and %q, want %q", err, said.String(), c.said)
			}
			for name, want := range c.want {
				want.At = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
				if got[name] != want {
					t.Errorf("%s: got %+v, want %+v", name, got[name], want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestPage holds what an officer reads.
func TestPage(t *testing.T) {
	t.Parallel()
	measures := []Measure{{"it holds", []Test{{"a", "TestOne"}, {"a", "TestTwo"}}}}
	page := Page(measures, Results{"a TestOne": {Passed, time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)}})
	for _, want := range []string{"1 promises, 2 tests; 1 of them passed", "| it holds | `a` TestOne | pass, 2026-11-23 04:00:00 UTC |", "| ″ | `a` TestTwo | not run here |"} {
		if !strings.Contains(page, want) {
			t.Errorf("got %s, want %q in it", page, want)
		}
	}
}
