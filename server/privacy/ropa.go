package privacy

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/server/measure"
	"satnav/server/retailer"
)

// Ropa is a record of processing activities (GDPR 30): what is processed, for what, and how it is protected. It is made of what is declared and
// configured at this moment, so it cannot say anything else than what is done.
type Ropa struct {
	Retailer, Name, Jurisdiction, Region string
	Made                                 time.Time
	Subjects, Sources                    []string
	Activities                           []Activity
	Recipients                           []Recipient
	Measures                             []measure.Measure
}

// Activity is what is done for one purpose.
type Activity struct {
	who.Declaration
	Title   string
	Goes    string // when data goes, in words
	Default bool   // it holds until a shopper decides otherwise
}

// Recipient is a system that is told of shoppers.
type Recipient struct{ Kind, Name, Gets string }

const (
	getsTriggers = "triggers (a pseudonym, the geofence, the kind and the time), and that a shopper was erased"
	defaultName  = "(no name is set)"
)

// RopaOf is the record of a retailer. streams are systems beside webhooks that are told of all retailers.
func RopaOf(s *retailer.Snapshot, streams []string, now time.Time) Ropa {
	r := Ropa{
		Retailer: s.Retailer, Name: cmp.Or(s.Settings.Name, defaultName), Jurisdiction: s.Settings.Jurisdiction, Region: s.Settings.Region,
		Made: now.UTC().Truncate(time.Second), Subjects: []string{"shoppers who use the retailer's app, website or loyalty scheme"},
		Sources: append([]string{"app", "backend", "import"}, s.Settings.Sources...), Measures: measure.All(),
	}
	for _, d := range s.Purposes.All() {
		r.Activities = append(r.Activities, Activity{d, d.Notice(s.Settings.Languages...).Title, goes(&d), slices.Contains(s.Settings.DefaultGrants, d.Purpose)})
	}
	for _, w := range s.Webhooks {
		host := w.ID
		if u, err := url.Parse(w.URL); err == nil && u.Host != "" {
			host = u.Host
		}
		r.Recipients = append(r.Recipients, Recipient{"webhook", host, getsTriggers})
	}
	for _, name := range streams {
		r.Recipients = append(r.Recipients, Recipient{"stream", name, getsTriggers})
	}
	return r
}

// goes says in words when the data of a purpose goes.
func goes(d *who.Declaration) string {
	if d.Purpose == who.Analytics {
		return "nothing is kept of one shopper; what was counted of twenty and more goes after 400 days"
	}
	ends := []string{"when the shopper deletes it or is erased"}
	days := func(t time.Duration) int { return int(t / (24 * time.Hour)) }
	if d.Keep.Age > 0 {
		ends = append(ends, fmt.Sprintf("%d days after it happened", days(d.Keep.Age)))
	}
	ends = append(ends, fmt.Sprintf("%d days after the purpose was withdrawn", days(d.Keep.Withdrawn)))
	if d.Keep.Visit > 0 {
		ends = append(ends, fmt.Sprintf("where the shopper is: %d hours after they were last seen", int(d.Keep.Visit/time.Hour)))
	}
	if d.Own {
		ends = append(ends, "when the purpose is declared no more")
	}
	return strings.Join(ends, "; ")
}

// Markdown is the record as a page for people.
func (r Ropa) Markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	list := func(words []string) string { return cmp.Or(cell(strings.Join(words, ", ")), "none") }
	line("# Record of processing activities\n")
	line("| | |\n|---|---|")
	line("| controller | %s (%s) |", cell(r.Name), cell(r.Retailer))
	line("| jurisdiction | %s |", cell(r.Jurisdiction))
	line("| region | %s |", cmp.Or(cell(r.Region), "none is named"))
	line("| data subjects | %s |", list(r.Subjects))
	line("| sources | %s |", list(r.Sources))
	line("| as of | %s |", r.Made.Format(time.RFC3339))
	for _, a := range r.Activities {
		line("\n## %s: %s\n", cell(string(a.Purpose)), cell(a.Title))
		line("| | |\n|---|---|")
		line("| use | %s |", cell(a.Use))
		line("| legal basis | %s%s |", cell(string(a.Basis)), map[bool]string{true: ", granted by default until the shopper decides"}[a.Default])
		line("| categories of data | %s |", list(a.Categories))
		var kinds []string
		for _, k := range a.Kinds {
			kinds = append(kinds, string(k))
		}
		line("| events | %s |", list(kinds))
		line("| places (H3 resolution at most) | %s |", places(a.Resolution))
		line("| recipients beside the retailer | %s |", list(a.Recipients))
		line("| goes | %s |", a.Goes)
	}
	line("\n## Systems that are told\n")
	if len(r.Recipients) == 0 {
		line("None.")
	} else {
		line("| kind | name | gets |\n|---|---|---|")
		for _, t := range r.Recipients {
			line("| %s | %s | %s |", t.Kind, cell(t.Name), t.Gets)
		}
	}
	line("\n## Technical measures\n")
	line("Each promise is held by tests, which fail once it does not hold.\n")
	line("| promise | tests |\n|---|---|")
	for _, m := range r.Measures {
		names := make([]string, len(m.Tests))
		for i, t := range m.Tests {
			names[i] = "`" + t.String() + "`"
		}
		line("| %s | %s |", cell(m.Promise), strings.Join(names, ", "))
	}
	return b.String()
}

// cell is a text that stays within its cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;").Replace(text)
}

func places(r who.Resolution) string {
	var parts []string
	for _, p := range []struct {
		what string
		n    int
	}{{"to suggest", r.Suggest}, {"kept", r.Stored}, {"counted among many", r.Analytics}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.what, p.n))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}
