package config

import "strings"

// Problem is one thing that is wrong with a configuration, in words for whoever
// has to mend it: "limits.body: got 1GiB, want 64KiB to 4MiB (satnav.yaml line 3)".
type Problem struct {
	Knob   string // such as limits.body; empty when the whole source cannot be read
	Text   string // what was found and what would be right
	Origin string // where the value came from; empty when nobody set it
}

// String returns the line that is shown to an operator.
func (p Problem) String() string {
	text := p.Text
	if p.Knob != "" {
		text = p.Knob + ": " + text
	}
	if p.Origin != "" {
		text += " (" + p.Origin + ")"
	}
	return text
}

// Problems is everything that is wrong, in the order of the struct. It is never
// empty when returned as an error.
type Problems []Problem

// Error returns one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
