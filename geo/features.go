package geo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxFeatureBytes bounds one Feature in a stream. A longer one is refused, and reading goes on after it.
const MaxFeatureBytes = 16 << 20

// Row is what one Feature of a stream came to.
type Row struct {
	Number int    // 1 for the first Feature
	Line   int    // the line that it starts on, 1 for the first
	Raw    []byte // as it came; valid until the next call of Next
	Fence  Geofence
	Mended []Mending
	Err    error // why it is no geofence; the other Features are not touched by it
}

// FeatureReader reads geofences from a FeatureCollection, from newline-delimited Features (NDJSON, also with the record
// separators of RFC 8142), from Features of several lines each, or from an array of them, in memory of one Feature. It finds out
// by itself which it is. It is for one goroutine.
type FeatureReader struct {
	in      *bufio.Reader
	line    int
	number  int
	raw     []byte
	layout  layout
	started bool
	end     error // what Next returns from now on
}

// layout is how Features stand in a file.
type layout uint8

const (
	inLines  layout = iota // one a line
	inArray                // the features of a collection, or a bare array
	inPieces               // one after the other, each over several lines
)

// NewFeatureReader reads from r as Next is called; r is the caller's to close.
func NewFeatureReader(r io.Reader) *FeatureReader {
	return &FeatureReader{in: bufio.NewReaderSize(r, 64<<10), line: 1}
}

// Next gives the next Feature, good or bad, or io.EOF. Any other error says that what follows cannot be
// told apart any more, and where; it comes again with each call.
func (r *FeatureReader) Next() (Row, error) {
	if r.end != nil {
		return Row{}, r.end
	}
	if !r.started {
		r.started = true
		r.end = r.start()
		if r.end != nil {
			return Row{}, r.end
		}
	}
	var row Row
	switch r.layout {
	case inArray:
		row, r.end = r.element()
	case inPieces:
		row, r.end = r.piece()
	default:
		row, r.end = r.record()
	}
	if r.end != nil {
		return Row{}, r.end
	}
	r.number++
	row.Number = r.number
	if row.Err == nil {
		row.Fence, row.Mended, row.Err = ParseFeature(row.Raw)
	}
	return row, nil
}

// start looks at the beginning and goes to the first Feature.
func (r *FeatureReader) start() error {
	if bom, _ := r.in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = r.in.Discard(3)
	}
	head, err := r.in.Peek(64 << 10)
	if len(head) == 0 {
		if err != nil && err != io.EOF {
			return err
		}
		return errors.New("the file is empty, want a GeoJSON FeatureCollection or one Feature a line")
	}
	head = bytes.TrimLeft(head, " \t\r\n\x1e")
	switch {
	case isCollection(head):
		r.layout = inArray
		return r.findFeatures()
	case len(head) > 0 && head[0] == '[':
		r.layout = inArray
		_, err := r.token()
		return err
	case goesOn(head):
		r.layout = inPieces
	}
	return nil
}

// isCollection tells whether a file that begins like this is a FeatureCollection. What comes first decides: a Feature has its type
// or geometry, whatever its properties say.
func isCollection(head []byte) bool {
	d := json.NewDecoder(bytes.NewReader(head))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false
		}
		switch name {
		case "features":
			return true
		case "geometry":
			return false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			// Longer than the head: what it is stands behind it, or in it.
			return errors.Is(err, io.ErrUnexpectedEOF) && bytes.Contains(head, []byte(`"FeatureCollection"`))
		}
		if kind, ok := stringOf(value); ok && name == "type" {
			return kind == "FeatureCollection"
		}
	}
	return false
}

// goesOn tells whether the first line is the beginning of a Feature that goes on in the next one, as printers for people write
// it. A line that is broken is not: what follows it is good.
func goesOn(head []byte) bool {
	first, rest, more := bytes.Cut(head, []byte("\n"))
	if first = bytes.TrimRight(first, " \t\r"); !more || len(first) == 0 || first[0] != '{' || bytes.IndexByte([]byte("{[,:"), first[len(first)-1]) < 0 {
		return false
	}
	next, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t\r\n\x1e"), []byte("\n"))
	return len(next) > 0 && !(next[0] == '{' && json.Valid(next))
}

// record reads one line of NDJSON.
func (r *FeatureReader) record() (Row, error) {
	for {
		row := Row{Line: r.line}
		r.raw = r.raw[:0]
		long := false
		for {
			piece, err := r.in.ReadSlice('\n')
			if len(r.raw)+len(piece) > MaxFeatureBytes {
				long = true
			} else {
				r.raw = append(r.raw, piece...)
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err == io.EOF && len(r.raw) == 0 && !long {
				return row, io.EOF
			}
			if err != nil && err != io.EOF {
				return row, fmt.Errorf("line %d: %w", r.line, err)
			}
			break
		}
		r.line++
		if long {
			row.Err = tooLong()
			return row, nil
		}
		if row.Raw = bytes.Trim(r.raw, " \t\r\n\x1e"); len(row.Raw) > 0 {
			return row, nil
		}
	}
}

func tooLong() *Fault {
	return &Fault{Code: FaultTooMany, What: fmt.Sprintf("the Feature is longer than %d MiB", MaxFeatureBytes>>20), Mend: "simplify its geometry, or split it"}
}

// findFeatures goes through the members of the collection up to the opening bracket of "features".
func (r *FeatureReader) findFeatures() error {
	if c, err := r.token(); err != nil || c != '{' {
		return r.broken("want a JSON object with \"features\"", err)
	}
	for {
		c, err := r.token()
		if err != nil {
			return r.broken("want a member \"features\"", err)
		}
		switch c {
		case ',':
			continue
		case '}':
			return errors.New("the FeatureCollection has no \"features\"")
		}
		name, err := r.value(c)
		if err != nil {
			return r.broken("want a member \"features\"", err)
		}
		key, ok := stringOf(name)
		if c, err = r.token(); err != nil || c != ':' || !ok {
			return r.broken("want a name and a colon", err)
		}
		if c, err = r.token(); err != nil {
			return r.broken("want a value", err)
		}
		if key == "features" {
			if c != '[' {
				return fmt.Errorf("line %d: \"features\" is not an array", r.line)
			}
			return nil
		}
		value, err := r.value(c)
		if err != nil && err != errLong {
			return r.broken("want a value", err)
		}
		if key == "crs" {
			if fault := checkCRS(value); fault != nil {
				return fmt.Errorf("line %d: %w", r.line, fault)
			}
		}
	}
}

// element reads one item of the array of Features.
func (r *FeatureReader) element() (Row, error) {
	c, err := r.token()
	if err == nil && c == ',' && r.number > 0 {
		c, err = r.token()
	}
	if err != nil {
		return Row{}, r.broken("want a Feature or the end of the array", err)
	}
	if c == ']' {
		return Row{}, io.EOF
	}
	row := Row{Line: r.line}
	row.Raw, err = r.value(c)
	switch {
	case err == errLong:
		row.Err = tooLong()
	case err != nil:
		return Row{}, fmt.Errorf("feature %d, which starts on line %d: %w", r.number+1, row.Line, err)
	}
	return row, nil
}

// piece reads the next of several values.
func (r *FeatureReader) piece() (Row, error) {
	for {
		c, err := r.token()
		if err != nil {
			return Row{}, err
		}
		if c == 0x1e || c == ',' {
			continue
		}
		row := Row{Line: r.line}
		row.Raw, err = r.value(c)
		switch {
		case err == errLong:
			row.Err = tooLong()
		case err != nil:
			return Row{}, fmt.Errorf("feature %d, which starts on line %d: %w", r.number+1, row.Line, err)
		}
		return row, nil
	}
}

func (r *FeatureReader) broken(want string, err error) error {
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("line %d: %s: %w", r.line, want, err)
}

// token is the next byte that is not space.
func (r *FeatureReader) token() (byte, error) {
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			r.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
	}
}

var (
	errLong  = errors.New("too long")
	errShort = errors.New("the file ends in the middle of it")
)

// value reads the value that begins with c, by its brackets and quotes alone: whether it is good JSON is for the parser
// to say, so that one bad Feature does not end the reading.
func (r *FeatureReader) value(c byte) ([]byte, error) {
	r.raw = r.raw[:0]
	depth, quoted, escaped, long := 0, false, false, false
	for {
		if len(r.raw) < MaxFeatureBytes {
			r.raw = append(r.raw, c)
		} else {
			long = true
		}
		switch {
		case c == '\n':
			r.line++
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if escaped && c == '\n' {
			escaped = false
		}
		if depth == 0 && !quoted {
			next, err := r.in.Peek(1)
			// A number or a word ends where something else begins.
			if c == '}' || c == ']' || c == '"' || err != nil || strings.IndexByte(",]}: \t\r\n", next[0]) >= 0 {
				break
			}
		}
		var err error
		if c, err = r.in.ReadByte(); err != nil {
			if err == io.EOF {
				err = errShort
			}
			return nil, err
		}
	}
	if long {
		return nil, errLong
	}
	return r.raw, nil
}
