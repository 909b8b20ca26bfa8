package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// column is one column that a kind of file may have. Its place in the kind's list is its number.
type column struct {
	name     string
	required bool
}

// table reads rows of one kind from CSV or NDJSON, whichever the file holds. Both become the same
// cells, in the order of the kind's columns, so that a kind is decoded in one place.
//
// The CSV is RFC 4180's with two liberties: lines may end in LF, and blanks around a cell are dropped.
// encoding/csv is not used because an opened and never closed quote makes it read the rest of the file
// as one cell, into memory, and lose it; here that line alone is refused and reading goes on behind it.
type table[T any] struct {
	in      *lines
	opts    Options
	columns []column
	decode  func(*cells) T

	json    bool
	header  []string
	at      []int // per header cell: number in columns, or -1
	opened  bool
	remarks []Note
	unknown map[string]bool // unknown names that were remarked on
	cells   cells
	fields  []string // scratch: the cells of a CSV row, in header order
}

func tableOf[T any](r io.Reader, columns []column, opts Options, decode func(*cells) T) *table[T] {
	in := newLines(r)
	in.line = max(1, opts.FirstLine)
	return &table[T]{
		in: in, opts: opts, columns: columns, decode: decode,
		unknown: map[string]bool{},
		cells:   cells{columns: columns, opts: &opts, values: make([]string, len(columns))},
	}
}

func (t *table[T]) notes() []Note { return t.remarks }

func (t *table[T]) next() (row T, line int, raw string, refusal *Refusal, err error) {
	if !t.opened {
		if err := t.open(); err != nil {
			return row, t.in.line, "", nil, err
		}
		t.opened = true
	}
	for {
		line = t.in.line
		n, err := t.in.first()
		if errors.Is(err, errTooLong) {
			return row, line, "", &Refusal{Line: line, Reason: fmt.Sprintf("the line is longer than %d MiB", maxRecordBytes>>20)}, nil
		}
		if errors.Is(err, io.EOF) {
			return row, line, "", nil, err
		}
		if err != nil {
			return row, line, "", nil, fmt.Errorf("line %d: %w", line, err)
		}
		if len(bytes.TrimSpace(t.in.rest()[:n])) == 0 {
			t.in.consume(n)
			continue
		}
		t.cells.reset(line)
		if t.json {
			raw = t.object(n)
		} else {
			raw = t.record(n)
		}
		if t.cells.reason == "" {
			row = t.decode(&t.cells)
		}
		if t.cells.reason != "" {
			var none T
			return none, line, raw, &Refusal{Line: line, Column: t.cells.fault, Reason: t.cells.reason, Row: raw}, nil
		}
		return row, line, raw, nil, nil
	}
}

// open reads what comes before the rows: nothing in NDJSON, the header in CSV.
func (t *table[T]) open() error {
	for {
		n, err := t.in.first()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the file is empty: want a header line with %s", t.names())
		case errors.Is(err, errTooLong):
			return fmt.Errorf("the first line is longer than %d MiB: want a header line with %s", maxRecordBytes>>20, t.names())
		case err != nil:
			return err
		}
		line := bytes.TrimSpace(t.in.rest()[:n])
		if len(line) == 0 {
			t.in.consume(n)
			continue
		}
		switch {
		case line[0] == '{':
			t.json = true
			return nil
		case line[0] == '[':
			return errors.New("line 1: a JSON array: want one JSON object a line (NDJSON), or CSV")
		case !utf8.Valid(line):
			return fmt.Errorf("line %d: the header is not UTF-8 text", t.in.line)
		}
		return t.readHeader(n)
	}
}

func (t *table[T]) readHeader(n int) error {
	where := t.in.line
	t.cells.reset(where)
	t.record(n)
	if t.cells.reason != "" {
		return fmt.Errorf("line %d: the header: %s", where, t.cells.reason)
	}
	t.header = slices.Clone(t.fields)
	for i, name := range t.header {
		t.header[i] = strings.ToLower(strings.TrimSpace(name))
	}
	if len(t.header) == 1 {
		for _, other := range []string{";", "\t", "|"} {
			if strings.Contains(t.header[0], other) {
				return fmt.Errorf("line %d: the columns are separated by %q: want commas", where, other)
			}
		}
		if strings.Contains(t.header[0], "\r") {
			return fmt.Errorf("line %d: lines end in a carriage return alone: want LF or CRLF", where)
		}
	}
	t.at = make([]int, len(t.header))
	var missing []string
	for i, name := range t.header {
		t.at[i] = slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if j := slices.Index(t.header, name); j < i && t.at[i] >= 0 {
			return fmt.Errorf("line %d: column %q stands there twice, as column %d and %d", where, name, j+1, i+1)
		}
		if t.at[i] < 0 {
			t.remark(name)
		}
	}
	for i, c := range t.columns {
		if c.required && !slices.Contains(t.at, i) {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("line %d: missing column %s: got %s; want %s", where,
			strings.Join(missing, ", "), cut(strings.Join(t.header, ", "), 300), t.names())
	}
	return nil
}

// names lists the columns of this kind for people, the optional ones in brackets.
func (t *table[T]) names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		if names[i] = c.name; !c.required {
			names[i] = "[" + c.name + "]"
		}
	}
	return strings.Join(names, ", ")
}

// remark notes an unknown column, once; the first 50 of them, so that keys made of data cannot fill the memory.
func (t *table[T]) remark(name string) {
	if t.unknown[name] || len(t.unknown) == 50 {
		return
	}
	t.unknown[name] = true
	note := fmt.Sprintf("column %q is not known and was left out", cut(name, 100))
	if name == "" {
		note = "a column without a name was left out"
	}
	for _, c := range t.columns {
		if near(name, c.name) {
			note += fmt.Sprintf("; did you mean %q?", c.name)
			break
		}
	}
	t.remarks = append(t.remarks, Note{Line: t.cells.line, Text: note})
}

// near tells whether one edit (a letter more, less, other, or two swapped) lies between two names.
func near(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch {
	case len(a) == len(b) && i+1 < len(a):
		return a[i+1:] == b[i+1:] || a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	case len(a) == len(b):
		return i < len(a)
	}
	return a[i:] == b[i+1:]
}

// record takes the CSV record that begins with the line of n bytes at the window's start, fills fields
// (and cells, once there is a header), and returns the record's text.
func (t *table[T]) record(n int) (raw string) {
	t.fields = t.fields[:0]
	first := trimCR(t.in.rest()[:n])
	if bytes.IndexByte(first, '"') < 0 {
		raw = string(first)
		t.in.consume(n)
		t.fields = splitPlain(t.fields, raw)
	} else {
		end, reason, where := t.quoted()
		if reason != "" {
			raw = string(trimCR(t.in.rest()[:n])) // quoted may have moved the window: take the line anew
			t.in.consume(n)
			t.cells.refuse(fmt.Sprintf("column %d", where), reason)
			return raw
		}
		raw = string(trimCR(t.in.rest()[:end]))
		t.in.consume(end)
	}
	if t.header == nil {
		return raw
	}
	if !utf8.ValidString(raw) {
		t.cells.fault = "row"
		for i, field := range t.fields {
			if !utf8.ValidString(field) && i < len(t.header) {
				t.cells.fault = t.header[i]
				break
			}
		}
		t.cells.reason = "not UTF-8 text: save the file as UTF-8"
		return raw
	}
	if len(t.fields) != len(t.header) {
		t.cells.refuse("", fmt.Sprintf("got %d columns, want %d as in the header", len(t.fields), len(t.header)))
		return raw
	}
	for i, c := range t.at {
		if c >= 0 {
			t.cells.values[c] = trim(t.fields[i])
		}
	}
	return raw
}

func splitPlain(fields []string, raw string) []string {
	for {
		i := strings.IndexByte(raw, ',')
		if i < 0 {
			return append(fields, raw)
		}
		fields, raw = append(fields, raw[:i]), raw[i+1:]
	}
}

// trim is strings.TrimSpace for cells that mostly need none.
func trim(s string) string {
	if s == "" || s[0] > ' ' && s[0] < 0x80 && s[len(s)-1] > ' ' && s[len(s)-1] < 0x80 {
		return s
	}
	return strings.TrimSpace(s)
}

// quoted parses a record that has quotes, and may span lines. It fills fields and returns the record's
// length without its last line feed; or what is wrong, in which column.
func (t *table[T]) quoted() (end int, reason string, column int) {
	const (
		begin  = iota // of a cell
		bare          // inside an unquoted cell
		inside        // inside a quoted cell
		closed        // behind the closing quote
	)
	var cell []byte
	state, column := begin, 1
	add := func() {
		t.fields = append(t.fields, string(cell))
		cell = cell[:0]
		state = begin
	}
	for i := 0; ; i++ {
		for i >= len(t.in.rest()) {
			if i > maxRecordBytes {
				return 0, "a quote is opened and not closed", column
			}
			if !t.in.more() {
				if state == inside {
					return 0, "a quote is opened and not closed", column
				}
				add()
				return i, "", column
			}
		}
		c := t.in.rest()[i]
		switch {
		case state == inside && c == '"':
			state = closed
		case state == inside:
			cell = append(cell, c)
		case c == ',':
			add()
			column++
		case c == '\n':
			if state != closed {
				cell = trimCR(cell)
			}
			add()
			return i, "", column
		case state == begin && c == '"':
			state = inside
		case state == closed && c == '"': // a doubled quote stands for one
			cell = append(cell, '"')
			state = inside
		case state == closed && (c == '\r' || c == ' '):
		case state == closed:
			return 0, fmt.Sprintf("%q stands behind a closing quote: double the quotes inside a quoted cell", rune(c)), column
		case c == '"' && len(bytes.TrimSpace(cell)) == 0: // blanks before the opening quote
			cell, state = cell[:0], inside
		case c == '"':
			return 0, `a quote stands inside an unquoted cell: put the cell in quotes and double the quotes inside it`, column
		default:
			cell, state = append(cell, c), bare
		}
	}
}

// object takes the line of n bytes at the window's start as one JSON object, and returns its text.
func (t *table[T]) object(n int) (raw string) {
	text := bytes.TrimSpace(t.in.rest()[:n])
	raw = string(text)
	t.in.consume(n)
	text = []byte(raw)
	if !utf8.ValidString(raw) {
		t.cells.refuse("", "not UTF-8 text: save the file as UTF-8")
		return raw
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.cells.refuse("", "not a JSON object: "+jsonReason(err))
		return raw
	}
	for name, value := range members {
		c := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if c < 0 {
			t.remark(name)
			continue
		}
		switch {
		case value[0] == '"':
			if err := json.Unmarshal(value, &t.cells.values[c]); err != nil {
				t.cells.refuse(name, jsonReason(err))
			}
			t.cells.values[c] = trim(t.cells.values[c])
		case string(value) == "null":
		default:
			t.cells.values[c] = string(value)
		}
	}
	for i, c := range t.columns {
		if c.required && t.cells.values[i] == "" {
			t.cells.refuse(c.name, "missing")
			break
		}
	}
	return raw
}

// jsonReason says where a JSON text is wrong, without Go's type names.
func jsonReason(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("byte %d: %s", syntax.Offset, strings.TrimPrefix(syntax.Error(), "json: "))
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return "byte " + strconv.FormatInt(kind.Offset, 10) + ": got " + kind.Value
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
