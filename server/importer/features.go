package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"satnav/geo"
)

// featuresOf reads GeoJSON, in whichever of its three forms: one Feature a line (also with the record
// separators of RFC 8142), one FeatureCollection, or one Feature.
//
// A line that cannot be read is refused and the next one read. In a collection that holds for features
// that are no geofences; a syntax error ends the file, since nobody can tell where the next feature begins.
func featuresOf(r io.Reader) source[Geofence] {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(64 << 10)
	if len(start) == 0 && errors.Is(err, io.EOF) {
		return &collection{failed: errors.New("the file is empty: want a GeoJSON FeatureCollection, or a Feature a line")}
	}
	if manyLines(start) {
		return &featureLines{in: newLines(in)}
	}
	return newCollection(in)
}

// manyLines tells from the start of a file whether each line is a Feature of its own. A first line that is
// broken does not make the file a collection: the second line of one begins with a brace only behind a "[".
func manyLines(start []byte) bool {
	start = bytes.TrimLeft(start, "\x1e \t\r\n")
	first, rest, whole := bytes.Cut(start, []byte{'\n'})
	first = bytes.TrimSpace(first)
	if len(first) == 0 {
		return false
	}
	if json.Valid(first) {
		var top struct {
			Features json.RawMessage `json:"features"`
		}
		return json.Unmarshal(first, &top) != nil || top.Features == nil
	}
	if !whole { // one long line: its start must do
		return first[0] == '{' && !bytes.Contains(first, []byte(`"features"`)) && !bytes.Contains(first, []byte(`"FeatureCollection"`))
	}
	return bytes.HasPrefix(bytes.TrimLeft(rest, "\x1e \t\r\n"), []byte{'{'}) && first[len(first)-1] != '['
}

// featureLines reads a Feature a line.
type featureLines struct{ in *lines }

func (f *featureLines) notes() []string { return nil }

func (f *featureLines) next() (row Geofence, line int, raw string, refusal *Refusal, err error) {
	for {
		line = f.in.line
		n, err := f.in.first()
		if errors.Is(err, errTooLong) {
			return row, line, "", &Refusal{Line: line, Reason: fmt.Sprintf("the line is longer than %d MiB", maxRecordBytes>>20)}, nil
		}
		if err != nil {
			return row, line, "", nil, err
		}
		text := bytes.Trim(f.in.rest()[:n], "\x1e \t\r")
		if len(text) == 0 {
			f.in.consume(n)
			continue
		}
		text = bytes.Clone(text)
		f.in.consume(n)
		row, refusal := feature(text, line)
		return row, line, string(text), refusal, nil
	}
}

// feature makes a row of one feature's text.
func feature(text []byte, line int) (Geofence, *Refusal) {
	if !utf8.Valid(text) {
		return Geofence{}, &Refusal{Line: line, Reason: "not UTF-8 text: save the file as UTF-8", Row: string(text)}
	}
	parsed, mended, err := geo.ParseFeature(text)
	if fault := new(geo.Fault); errors.As(err, &fault) {
		at := fault.At
		pointless := *fault
		pointless.At = "" // it stands in its own column
		return Geofence{}, &Refusal{Line: line, Column: at, Reason: pointless.Error(), Row: string(text)}
	}
	if err != nil {
		return Geofence{}, &Refusal{Line: line, Reason: err.Error(), Row: string(text)}
	}
	return Geofence{Geofence: parsed, Feature: text, Mended: mended}, nil
}

// collection reads the features of a FeatureCollection one by one.
type collection struct {
	in     *featureWindow
	json   *json.Decoder
	opened bool
	single json.RawMessage // the file is one Feature
	failed error
}

func newCollection(r io.Reader) *collection {
	in := &featureWindow{from: r, line: 1, budget: maxRecordBytes}
	return &collection{in: in, json: json.NewDecoder(in)}
}

func (c *collection) notes() []string { return nil }

func (c *collection) next() (row Geofence, line int, raw string, refusal *Refusal, err error) {
	if c.failed == nil && !c.opened {
		c.failed = c.open()
		c.opened = true
	}
	if c.failed != nil {
		return row, 0, "", nil, c.failed
	}
	text := c.single
	if text != nil {
		c.failed = io.EOF
		line = 1
	} else {
		if !c.json.More() {
			c.failed = c.close()
			return row, 0, "", nil, c.failed
		}
		c.in.spend(c.json.InputOffset())
		if c.failed = c.wording(c.json.Decode(&text)); c.failed != nil {
			return row, 0, "", nil, c.failed
		}
		line = c.in.lineOf(c.json.InputOffset() - int64(len(text)))
	}
	row, refusal = feature(text, line)
	return row, line, string(text), refusal, nil
}

// open reads up to the first feature.
func (c *collection) open() error {
	token, err := c.json.Token()
	if err != nil {
		return c.wording(err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("the file begins with %v: want a GeoJSON FeatureCollection, or a Feature a line", token)
	}
	one := map[string]json.RawMessage{} // in case it is a Feature; bounded by the window's budget
	for c.json.More() {
		name, err := c.json.Token()
		if err != nil {
			return c.wording(err)
		}
		if name == "features" {
			if token, err = c.json.Token(); err != nil {
				return c.wording(err)
			}
			if token != json.Delim('[') {
				return fmt.Errorf("line %d: features: got %v, want a list", c.in.lineOf(c.json.InputOffset()), token)
			}
			return nil
		}
		var value json.RawMessage
		if err := c.wording(c.json.Decode(&value)); err != nil {
			return err
		}
		one[name.(string)] = value
	}
	if kind := string(one["type"]); kind != `"Feature"` {
		return fmt.Errorf("the file is one JSON object without \"features\", of type %s: want a GeoJSON FeatureCollection, or a Feature a line", cut(kind, 40))
	}
	c.single, err = json.Marshal(one)
	return err
}

// close reads what follows the last feature. A file that ends before its brackets is cut off.
func (c *collection) close() error {
	for depth := 2; depth > 0; { // ] and }
		token, err := c.json.Token()
		switch {
		case err != nil:
			return c.wording(err)
		case token == json.Delim(']'), token == json.Delim('}'):
			depth--
		case token == json.Delim('['), token == json.Delim('{'):
			depth++
		}
		c.in.spend(c.json.InputOffset())
	}
	return io.EOF
}

// wording says where the JSON went wrong.
func (c *collection) wording(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: malformed JSON: %s", c.in.lineOf(c.json.InputOffset()), jsonReason(err))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("line %d: the JSON ends in the middle", c.in.line)
	}
	return err
}

// featureWindow bounds what the JSON decoder may hold, and knows in which line a byte stands.
type featureWindow struct {
	from   io.Reader
	offset int64   // bytes handed out
	budget int64   // offset up to which may be handed out
	line   int     // of the byte at offset
	feeds  []int64 // offsets of line feeds that are handed out and not yet asked about
}

// errFeatureTooLong ends a file: its next feature cannot be found without holding this one.
var errFeatureTooLong = fmt.Errorf("a feature is longer than %d MiB", maxRecordBytes>>20)

func (w *featureWindow) Read(p []byte) (int, error) {
	if w.offset >= w.budget {
		return 0, fmt.Errorf("line %d: %w", w.line, errFeatureTooLong)
	}
	n, err := w.from.Read(p[:min(int64(len(p)), w.budget-w.offset)])
	for i, c := range p[:n] {
		if c == '\n' {
			w.feeds = append(w.feeds, w.offset+int64(i))
			w.line++
		}
	}
	w.offset += int64(n)
	return n, err
}

// spend allows one more record from the given offset on.
func (w *featureWindow) spend(offset int64) { w.budget = offset + maxRecordBytes }

// lineOf is the line of a byte. Offsets must not decrease from call to call.
func (w *featureWindow) lineOf(offset int64) int {
	passed := 0
	for passed < len(w.feeds) && w.feeds[passed] < offset {
		passed++
	}
	w.feeds = w.feeds[passed:]
	return w.line - len(w.feeds)
}
