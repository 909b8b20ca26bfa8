package api

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// checkParameters holds the path, the query and the headers of a call to the contract: the generated code that
// reads them takes what it can and lets the rest pass. A parameter that is not there, or stands twice, is
// refused as well: a misspelt filter would otherwise list everything.
//
// All faults are told at once, always as 400. Left to the operation are the values of a path (one that is not
// there is 404) and Content-Encoding (415).
func (a *API) checkParameters(c *fiber.Ctx, op *operation) error {
	raw := c.Request().URI().QueryString()
	if len(raw) == 0 && len(op.Parameters) == 0 {
		return nil
	}
	query, err := url.ParseQuery(string(raw))
	if err != nil {
		return problem(invalidRequest, "the query %s cannot be read: %s", quote(string(raw)), err)
	}
	var faults Faults
	fault := func(name, code, format string, args ...any) {
		faults = append(faults, wire.ProblemError{Parameter: name, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	var known []string
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			if code, wrong := wrongSegment(segmentOf(op.Path, p.Name, c.Path())); wrong != "" {
				fault(p.Name, code, "%s", wrong)
			}
		case "header":
			value := strings.Clone(c.Get(p.Name))
			if value == "" || p.Name == fiber.HeaderContentEncoding {
				continue
			}
			if code, wrong := a.wrongValue(p, value); wrong != "" {
				fault(p.Name, code, "%s", wrong)
			}
		case "query":
			known = append(known, p.Name)
			values := query[p.Name]
			switch {
			case len(values) > 1:
				fault(p.Name, codeDuplicate, "stands there %d times, want it once", len(values))
			case len(values) == 1:
				if code, wrong := a.wrongValue(p, values[0]); wrong != "" {
					fault(p.Name, code, "%s", wrong)
				}
			}
		}
	}
	var unknown []string
	for name := range query {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		switch likely := nearest(name, known); {
		case likely != "":
			fault(shorten(name), codeUnknownField, "is no parameter here; did you mean %s?", likely)
		case len(known) == 0:
			fault(shorten(name), codeUnknownField, "is no parameter here; there is none")
		default:
			fault(shorten(name), codeUnknownField, "is no parameter here; want %s", and(known))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	detail := faults[0].Parameter + ": " + faults[0].Detail
	if len(faults) > 1 {
		detail += fmt.Sprintf(" (and %d more)", len(faults)-1)
	}
	return &failure{kind: invalidRequest, detail: detail, faults: faults}
}

// maxSegment is the longest id in a path, in characters: the contract's schema ID.
const maxSegment = 128

// segmentOf is the part of a call's path that stands where the contract's path has the parameter {name}.
func segmentOf(template, name, path string) string {
	before, _, _ := strings.Cut(template, "{"+name+"}")
	for range strings.Count(before, "/") {
		_, path, _ = strings.Cut(path, "/")
	}
	segment, _, _ := strings.Cut(path, "/")
	return segment
}

// wrongSegment tells what is wrong with one part of a path; "" when nothing is.
func wrongSegment(segment string) (code, wrong string) {
	text, err := url.PathUnescape(segment)
	switch {
	case err != nil:
		return codeMalformed, fmt.Sprintf("got %s, want percent-encoded text", quote(segment))
	case utf8.RuneCountInString(text) > maxSegment:
		return codeTooLong, fmt.Sprintf("got %d characters, want at most %d", utf8.RuneCountInString(text), maxSegment)
	case !plainText(text):
		return codeBadFormat, fmt.Sprintf("got %s, want UTF-8 text without control characters", quote(text))
	}
	return "", ""
}

// wrongValue tells what is wrong with a parameter's value; "" when nothing is.
func (a *API) wrongValue(p *parameter, text string) (code, wrong string) {
	s := a.contract.resolve(p.Schema)
	switch {
	case s.is("integer"):
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return codeWrongType, fmt.Sprintf("got %s, want a whole number", quote(text))
		}
		if s.Minimum != nil && float64(n) < *s.Minimum {
			return codeOutOfRange, fmt.Sprintf("got %d, want at least %v", n, *s.Minimum)
		}
		if s.Maximum != nil && float64(n) > *s.Maximum {
			return codeOutOfRange, fmt.Sprintf("got %d, want at most %v", n, *s.Maximum)
		}
		return "", ""
	case s.is("number"):
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return codeWrongType, fmt.Sprintf("got %s, want a number", quote(text))
		}
		if s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum {
			return codeOutOfRange, fmt.Sprintf("got %v, want %v to %v", n, *s.Minimum, *s.Maximum)
		}
		return "", ""
	case s.is("boolean"):
		if text != "true" && text != "false" {
			return codeWrongType, fmt.Sprintf("got %s, want true or false", quote(text))
		}
		return "", ""
	case s.Format == "date-time":
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return codeWrongType, fmt.Sprintf(`got %s, want a time such as "2026-11-22T09:14:03Z"`, quote(text))
		}
		return "", ""
	case s.Enum != nil:
		if !slices.Contains(s.Enum, text) {
			if likely := nearest(text, s.Enum); likely != "" {
				return codeUnknownValue, fmt.Sprintf("got %s; did you mean %s?", quote(text), likely)
			}
			return codeUnknownValue, fmt.Sprintf("got %s, want one of %s", quote(text), strings.Join(s.Enum, ", "))
		}
		return "", ""
	}
	switch n := utf8.RuneCountInString(text); {
	case n < s.MinLength:
		return codeTooShort, "is empty: leave it out, or say what is wanted"
	case s.MaxLength > 0 && n > s.MaxLength:
		return codeTooLong, fmt.Sprintf("got %d characters, want at most %d", n, s.MaxLength)
	case !plainText(text):
		return codeBadFormat, fmt.Sprintf("got %s, want UTF-8 text without control characters", quote(text))
	}
	return "", ""
}

func plainText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
