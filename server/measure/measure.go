// Package measure tells which test holds which promise about personal data, and what came of that test when it ran last.
//
// It exists so that a promise without a test, or with one that is gone, is found by the build, and so that a data-protection officer can be shown
// more than words. The one list is the table in docs/privacy-officer.md, where people read it; it is taken from there.
package measure

import (
	"fmt"
	"regexp"
	"strings"

	"satnav/docs"
)

// Measure is a promise and the tests that fail once it does not hold.
type Measure struct {
	Promise string
	Tests   []Test
}

// Test is a test of the project.
type Test struct {
	Folder string // of its package: "server/e2e"
	Name   string // a function, or a script of the folder's testdata: "erase.txtar"
}

// String is the test as a page tells it.
func (t Test) String() string { return t.Folder + " " + t.Name }

// tableHead is the line above the promises.
const tableHead = "| promise | test |"

// All are the measures in the order of the page. It panics when the page has no such table, which a test sees to.
func All() []Measure {
	all, err := parse(docs.PrivacyOfficer)
	if err != nil {
		panic("measure: docs/privacy-officer.md: " + err.Error())
	}
	return all
}

// words are what the column of tests is read for: folders in backquotes, and names of tests. Whatever else stands there is for people.
var words = regexp.MustCompile("`[a-z0-9/-]+`|\\bTest[A-Z][A-Za-z0-9]*|\\b[a-z]+\\.txtar")

func parse(page string) (all []Measure, err error) {
	_, rows, found := strings.Cut(page, tableHead+"\n|---|---|\n")
	if !found {
		return nil, fmt.Errorf("no table begins with %q", tableHead)
	}
	for row := range strings.Lines(rows) {
		row = strings.TrimSpace(row)
		if !strings.HasPrefix(row, "|") {
			break
		}
		promise, tests, two := strings.Cut(strings.Trim(row, "|"), "|")
		m := Measure{Promise: strings.TrimSpace(promise)}
		folder := ""
		for _, word := range words.FindAllString(tests, -1) {
			switch name, quoted := strings.CutPrefix(word, "`"); {
			case quoted:
				folder = strings.TrimSuffix(name, "`")
			case folder == "":
				return nil, fmt.Errorf("%q: the test %q has no folder before it, such as `server/e2e`", m.Promise, word)
			default:
				m.Tests = append(m.Tests, Test{folder, word})
			}
		}
		if !two || m.Promise == "" || len(m.Tests) == 0 {
			return nil, fmt.Errorf("%q: want a promise and the tests that hold it", row)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the table %q is empty", tableHead)
	}
	return all, nil
}
