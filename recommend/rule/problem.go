package rule

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a rule: where, what, and what would be right.
type Problem struct {
	Field  string // "when", "then[0].factor"
	Line   int    // in the condition, from 1; 0 elsewhere
	Column int    // from 1
	Text   string
	Mend   string // empty: nothing better is known than what Text says
}

// String is "when 1:14: there is no attribute "moment.dayprat": did you mean "moment.daypart"?".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Field)
	if p.Line > 0 {
		fmt.Fprintf(&b, " %d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Text)
	if p.Mend != "" {
		b.WriteString(": " + p.Mend)
	}
	return b.String()
}

// Invalid says that a rule cannot be live.
type Invalid struct {
	Rule     string
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("rule %q, %s", e.Rule, p)
	}
	return strings.Join(lines, "\n")
}

// Wrong are the ids of the rules that an error of NewSet is about.
func Wrong(err error) map[string]bool {
	ids := map[string]bool{}
	var all []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	} else {
		all = []error{err}
	}
	for _, e := range all {
		var invalid *Invalid
		if errors.As(e, &invalid) {
			ids[invalid.Rule] = true
		}
	}
	return ids
}
