package measure

import (
	"fmt"
	"strings"
	"time"
)

// Page is the measures as a page of Markdown, with what came of each test when it ran last. Without results it says which tests there are.
func Page(measures []Measure, results Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Internal measures\n\nWhat is promised about personal data, and the test that fails once it does not hold. The promises are explained in\ndocs/privacy-officer.md.\n\n")
	passed, all := 0, 0
	var rows strings.Builder
	for _, m := range measures {
		for i, t := range m.Tests {
			promise := m.Promise
			if i > 0 {
				promise = "″"
			}
			last := "not run here"
			if r, ran := results[t.String()]; ran {
				last = string(r.Outcome) + ", " + r.At.Format(time.DateTime) + " UTC"
				if r.Outcome == Passed {
					passed++
				}
			}
			all++
			fmt.Fprintf(&rows, "| %s | `%s` %s | %s |\n", promise, t.Folder, t.Name, last)
		}
	}
	fmt.Fprintf(&b, "%d promises, %d tests; %d of them passed when they ran last.\n\n| promise | test | last result |\n|---|---|---|\n%s", len(measures), all, passed, rows.String())
	return b.String()
}
