package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"satnav/sdk-contract/wire"
)

const (
	maxDepth  = 32    // of nested values; our own schemas need 6
	maxFaults = 1_000 // found in one body: two for each event of a full batch
	maxShown  = 20    // told in one problem
)

// Codes of faults, as in errors[].code. Shape is what cannot be read as described (400); the others are
// values that are not acceptable (422).
const (
	codeMalformed    = "malformed"
	codeUnknownField = "unknown_field"
	codeDuplicate    = "duplicate_field"
	codeWrongType    = "wrong_type"
	codeMissing      = "missing"
	codeMixed        = "mixed"
	codeTooDeep      = "too_deep"

	codeUnknownValue = "unknown_value"
	codeOutOfRange   = "out_of_range"
	codeBadFormat    = "bad_format"
	codeTooLong      = "too_long"
	codeTooShort     = "too_short"
	codeTooMany      = "too_many"
	codeTooFew       = "too_few"
)

// shapeCodes are the codes that make a body unreadable as described.
var shapeCodes = []string{codeMalformed, codeUnknownField, codeDuplicate, codeWrongType, codeMissing, codeMixed, codeTooDeep}

// Faults are all that is wrong with a body, each with its place, in the order of the body.
type Faults []wire.ProblemError

// Error names the first fault and counts the others.
func (f Faults) Error() string {
	text := "body: " + f[0].Detail
	if f[0].Pointer != "" {
		text = "body: " + f[0].Pointer + ": " + f[0].Detail
	}
	if len(f) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(f)-1)
	}
	return text
}

// decodeJSON reads data strictly into the type of wire that into points at. Unknown and repeated fields,
// wrong types, missing fields, values outside the contract, trailing data and deep nesting are all refused,
// each as a fault with its place; nothing is guessed, and names are case-sensitive. The error is Faults.
// What it reads shares no memory with data.
//
// It is one pass over the bytes, so that the place of a fault is known without a second look. encoding/json
// is twice as slow here, folds case, takes the last of repeated fields, and names no place.
func decodeJSON(data []byte, into any) error {
	target := reflect.ValueOf(into).Elem()
	shape, ok := shapes[target.Type()]
	if !ok {
		panic(fmt.Sprintf("api: %v is no request of the contract", target.Type()))
	}
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	*d = decoder{data: data}
	if d.value(shape, target) {
		if d.space(); d.pos < len(d.data) {
			d.malformed("more data after the value")
		}
	}
	if d.faults != nil {
		return d.faults
	}
	return nil
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decoder is one pass over one body. Its methods return false when the JSON itself is broken, and nothing
// after that place can be read.
type decoder struct {
	data   []byte
	pos    int
	faults Faults
	depth  int
	path   [maxDepth]step
}

// step is one part of the place that is being read.
type step struct {
	name  string
	index int // when name is empty and it is an element
	list  bool
}

// pointer is the JSON Pointer of the place that is being read (RFC 6901).
func (d *decoder) pointer() string {
	var b strings.Builder
	for _, s := range d.path[:d.depth] {
		b.WriteByte('/')
		if s.list {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(pointerEscapes.Replace(s.name))
		}
	}
	return b.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// fault notes what is wrong at the place that is being read.
func (d *decoder) fault(code, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, wire.ProblemError{Pointer: d.pointer(), Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// faultAt notes what is wrong with a member of the object that is being read.
func (d *decoder) faultAt(name, code, format string, args ...any) {
	if d.depth == maxDepth {
		d.fault(code, format, args...)
		return
	}
	d.path[d.depth] = step{name: name}
	d.depth++
	d.fault(code, format, args...)
	d.depth--
}

// malformed notes that the JSON is broken here.
func (d *decoder) malformed(format string, args ...any) bool {
	line := 1 + bytes.Count(d.data[:d.pos], []byte("\n"))
	column := d.pos - bytes.LastIndexByte(d.data[:d.pos], '\n')
	d.fault(codeMalformed, "line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
	return false
}

// push enters a member or an element. It is false when that is too deep.
func (d *decoder) push(s step) bool {
	if d.depth == maxDepth {
		d.fault(codeTooDeep, "nested deeper than %d values", maxDepth)
		return false
	}
	d.path[d.depth] = s
	d.depth++
	return true
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\n', '\t', '\r':
			d.pos++
		default:
			return
		}
	}
}

// next skips space and returns the first byte of what follows; 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

// found says what stands here instead of what is expected.
func (d *decoder) found() string {
	switch c := d.next(); {
	case d.pos == len(d.data):
		return "the end of the body"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case d.stands("true") || d.stands("false"):
		return "a boolean"
	case d.stands("null"):
		return "null"
	default:
		end := d.pos
		for end < len(d.data) && end < d.pos+12 && d.data[end] > ' ' && !strings.ContainsRune(",:{}[]\"", rune(d.data[end])) {
			end++
		}
		return strconv.Quote(strings.ToValidUTF8(string(d.data[d.pos:max(end, d.pos+1)]), "?"))
	}
}

// wrongType notes that another type stands here, and passes over it.
func (d *decoder) wrongType(s *shape) bool {
	found := d.found()
	switch found[0] {
	case 't', '"': // the end of the body; something that is no JSON
		return d.malformed("got %s, want %s", found, s.want)
	}
	if found == "null" {
		d.fault(codeWrongType, "got null, want %s; leave the field out when there is none", s.want)
	} else {
		d.fault(codeWrongType, "got %s, want %s", found, s.want)
	}
	return d.skip(false)
}

// value reads what stands here into v.
func (d *decoder) value(s *shape, v reflect.Value) bool {
	c := d.next()
	switch s.kind {
	case pointerShape:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(s.element, v.Elem())
	case objectShape:
		if c == '{' {
			return d.object(s, v)
		}
	case listShape:
		if c == '[' {
			return d.list(s, v)
		}
	case pairShape:
		if c == '[' {
			return d.pair(s, v)
		}
	case mapShape:
		if c == '{' {
			return d.dictionary(s, v)
		}
	case stringShape:
		if c == '"' {
			text, ok := d.text()
			if ok && d.checkText(s, text) {
				v.SetString(strings.Clone(text))
			}
			return ok
		}
	case enumShape:
		if c == '"' {
			text, ok := d.text()
			for _, value := range s.schema.Enum {
				if value == text {
					v.SetString(value)
					return ok
				}
			}
			if ok {
				d.fault(codeUnknownValue, "got %s, want %s", quote(text), s.want)
			}
			return ok
		}
	case timeShape:
		if c == '"' {
			text, ok := d.text()
			if !ok {
				return false
			}
			var t time.Time
			if t.UnmarshalText(unsafe.Slice(unsafe.StringData(text), len(text))) != nil { // strict RFC 3339; it keeps nothing
				d.fault(codeBadFormat, "got %s, want %s", quote(text), s.want)
				return true
			}
			*v.Addr().Interface().(*time.Time) = t
			return true
		}
	case numberShape:
		if c == '-' || c >= '0' && c <= '9' {
			number, ok := d.number(s)
			if ok {
				v.SetFloat(number)
			}
			return ok
		}
	case integerShape:
		if c == '-' || c >= '0' && c <= '9' {
			number, ok := d.number(s)
			switch {
			case !ok:
				return false
			case number != math.Trunc(number):
				d.fault(codeWrongType, "got %v, want %s", number, s.want)
			case math.Abs(number) > 1<<53:
				d.fault(codeOutOfRange, "got %v, want %s", number, s.want)
			default:
				v.SetInt(int64(number))
			}
			return true
		}
	case boolShape:
		if c == 't' && d.literal("true") {
			v.SetBool(true)
			return true
		}
		if c == 'f' && d.literal("false") {
			return true
		}
	case rawShape:
		if c == '{' || !s.schema.is("object") {
			start, faults := d.pos, len(d.faults)
			if !d.skip(true) {
				return false
			}
			if len(d.faults) == faults {
				v.SetBytes(bytes.Clone(d.data[start:d.pos]))
			}
			if count := s.schema.MaxProperties; count > 0 {
				var members map[string]json.RawMessage
				if json.Unmarshal(d.data[start:d.pos], &members) == nil && len(members) > count {
					d.fault(codeTooMany, "got %d members, want at most %d", len(members), count)
				}
			}
			return true
		}
	}
	return d.wrongType(s)
}

// literal passes over a word when it stands here.
func (d *decoder) literal(word string) bool {
	if !d.stands(word) {
		return false
	}
	d.pos += len(word)
	return true
}

func (d *decoder) stands(word string) bool {
	rest := d.data[d.pos:]
	return len(rest) >= len(word) && string(rest[:len(word)]) == word && (len(rest) == len(word) || !isWord(rest[len(word)]))
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func (d *decoder) object(s *shape, v reflect.Value) bool {
	var seen uint64
	expect := 0 // bodies mostly follow the order of the contract
	more := d.open('}')
	for more {
		key, ok := d.key()
		if !ok {
			return false
		}
		at := -1
		if expect < len(s.fields) && s.fields[expect].name == key {
			at = expect
		} else {
			for i := range s.fields {
				if s.fields[i].name == key {
					at = i
					break
				}
			}
		}
		switch {
		case at < 0:
			d.unknown(s, key)
			if !d.push(step{name: key}) || !d.skip(false) {
				return false
			}
			d.depth--
		case seen&(1<<at) != 0:
			d.faultAt(key, codeDuplicate, "stands twice, want it once")
			if !d.push(step{name: key}) || !d.skip(false) {
				return false
			}
			d.depth--
		default:
			seen |= 1 << at
			expect = at + 1
			f := &s.fields[at]
			if !d.push(step{name: f.name}) || !d.value(f.shape, v.Field(f.index)) {
				return false
			}
			d.depth--
		}
		if more, ok = d.more('}'); !ok {
			return false
		}
	}
	if len(s.branches) > 1 {
		d.choose(s, seen)
		return true
	}
	for missing := s.required &^ seen; missing != 0; missing &= missing - 1 {
		f := s.fields[bits.TrailingZeros64(missing)]
		d.faultAt(f.name, codeMissing, "is missing, want %s", f.shape.want)
	}
	return true
}

// choose checks that the fields that were seen make up exactly one of the alternatives.
func (d *decoder) choose(s *shape, seen uint64) {
	for _, b := range s.branches {
		if seen&^b.allowed == 0 && b.required&^seen == 0 {
			return
		}
	}
	for _, b := range s.branches {
		if seen != 0 && seen&^b.allowed == 0 {
			for missing := b.required &^ seen; missing != 0; missing &= missing - 1 {
				f := s.fields[bits.TrailingZeros64(missing)]
				d.faultAt(f.name, codeMissing, "is missing, want %s", f.shape.want)
			}
			return
		}
	}
	if seen == 0 {
		d.fault(codeMissing, "is empty, want %s", s.wants())
		return
	}
	d.fault(codeMixed, "got %s together, want %s", s.names(seen), s.wants())
}

// unknown notes a field that the contract does not have, with the nearest one that it has.
func (d *decoder) unknown(s *shape, key string) {
	var names []string
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	key = strings.Clone(key)
	if likely := nearest(key, names); likely != "" {
		d.faultAt(key, codeUnknownField, "is no field here; did you mean %s?", likely)
	} else {
		d.faultAt(key, codeUnknownField, "is no field here; want %s", and(names))
	}
}

// nearest is the name that somebody who wrote key may have meant; "" when none is close.
func nearest(key string, names []string) string {
	found, least := "", 3
	for _, name := range names {
		if n := distance(strings.ToLower(key), name); n < least && n < len(name) {
			found, least = name, n
		}
	}
	return found
}

// distance is the number of letters that differ (Levenshtein), of words that are short.
func distance(a, b string) int {
	if len(a) > 32 {
		return len(a)
	}
	var row [65]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (d *decoder) list(s *shape, v reflect.Value) bool {
	length, limit := 0, s.schema.MaxItems
	v.Set(reflect.MakeSlice(v.Type(), 0, d.guess(s)))
	more := d.open(']')
	for more {
		if limit > 0 && length >= limit { // counted, but not kept
			if !d.skip(false) {
				return false
			}
		} else {
			if v.Cap() == length {
				v.Grow(1)
			}
			v.SetLen(length + 1)
			if !d.push(step{index: length, list: true}) || !d.value(s.element, v.Index(length)) {
				return false
			}
			d.depth--
		}
		length++
		var ok bool
		if more, ok = d.more(']'); !ok {
			return false
		}
	}
	if limit > 0 && length > limit {
		d.fault(codeTooMany, "got %d elements, want at most %d", length, limit)
	}
	if length < s.schema.MinItems {
		d.fault(codeTooFew, "got %d elements, want at least %d", length, s.schema.MinItems)
	}
	return true
}

// guess is how many elements to make room for: few, or for long bodies as many as may fit into them.
func (d *decoder) guess(s *shape) int {
	const leastBytes = 16 // of an element in a long list
	n := min((len(d.data)-d.pos)/leastBytes, 1024)
	if s.schema.MaxItems > 0 {
		n = min(n, s.schema.MaxItems)
	}
	return max(1, min(n, 4+n/8))
}

func (d *decoder) pair(s *shape, v reflect.Value) bool {
	length, want := 0, v.Len()
	more := d.open(']')
	for more {
		if length >= want {
			if !d.skip(false) {
				return false
			}
		} else {
			if !d.push(step{index: length, list: true}) || !d.value(s.places[length], v.Index(length)) {
				return false
			}
			d.depth--
		}
		length++
		var ok bool
		if more, ok = d.more(']'); !ok {
			return false
		}
	}
	if length != want {
		d.fault(codeWrongType, "got %d elements, want %d", length, want)
	}
	return true
}

func (d *decoder) dictionary(s *shape, v reflect.Value) bool {
	v.Set(reflect.MakeMap(v.Type()))
	count := 0
	more := d.open('}')
	for more {
		key, ok := d.key()
		if !ok {
			return false
		}
		name := strings.Clone(key)
		if !d.push(step{name: name}) {
			return false
		}
		k, element := reflect.ValueOf(name), reflect.New(v.Type().Elem()).Elem()
		if v.MapIndex(k).IsValid() {
			d.fault(codeDuplicate, "stands twice, want it once")
		}
		if !d.value(s.element, element) {
			return false
		}
		d.depth--
		if count++; s.schema.MaxProperties == 0 || count <= s.schema.MaxProperties {
			v.SetMapIndex(k, element)
		}
		if more, ok = d.more('}'); !ok {
			return false
		}
	}
	if count < s.schema.MinProperties {
		d.fault(codeTooFew, "got %d members, want at least %d", count, s.schema.MinProperties)
	}
	if s.schema.MaxProperties > 0 && count > s.schema.MaxProperties {
		d.fault(codeTooMany, "got %d members, want at most %d", count, s.schema.MaxProperties)
	}
	return true
}

// open enters an object or list, and tells whether a first member follows; otherwise it has passed over the end.
func (d *decoder) open(end byte) bool {
	d.pos++
	if d.next() == end && d.pos < len(d.data) {
		d.pos++
		return false
	}
	return true
}

// more passes over a comma, or over the end. The second result is false when neither is there.
func (d *decoder) more(end byte) (more, ok bool) {
	switch c := d.next(); {
	case c == ',':
		d.pos++
		return true, true
	case c == end && d.pos < len(d.data):
		d.pos++
		return false, true
	}
	return false, d.malformed("got %s, want , or %c", d.found(), end)
}

// key reads a name and its colon. It shares memory with the body where it can.
func (d *decoder) key() (string, bool) {
	if d.next() != '"' {
		return "", d.malformed("got %s, want a name in quotes", d.found())
	}
	key, ok := d.text()
	if !ok {
		return "", false
	}
	if d.next() != ':' {
		return "", d.malformed("got %s, want :", d.found())
	}
	d.pos++
	return key, true
}

// text reads a string. The result shares memory with the body unless it has escapes.
func (d *decoder) text() (string, bool) {
	start := d.pos + 1
	ascii := true
	for i := start; i < len(d.data); i++ {
		switch c := d.data[i]; {
		case c == '"':
			d.pos = i + 1
			raw := d.data[start:i]
			if !ascii && !utf8.Valid(raw) {
				d.pos = start
				return "", d.malformed("the string is not UTF-8")
			}
			return unsafe.String(unsafe.SliceData(raw), len(raw)), true
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.pos = i
			return "", d.malformed("a control character stands in a string; write it as \\u%04x", c)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	d.pos = len(d.data)
	return "", d.malformed("the body ends inside a string")
}

// escaped reads the rest of a string whose first escape is at i.
func (d *decoder) escaped(start, i int) (string, bool) {
	out := append(make([]byte, 0, len(d.data[start:i])+32), d.data[start:i]...)
	for i < len(d.data) {
		c := d.data[i]
		switch {
		case c == '"':
			d.pos = i + 1
			if !utf8.Valid(out) {
				d.pos = start
				return "", d.malformed("the string is not UTF-8")
			}
			return string(out), true
		case c < ' ':
			d.pos = i
			return "", d.malformed("a control character stands in a string; write it as \\u%04x", c)
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(d.data) {
			break
		}
		if at := strings.IndexByte(`"\/bfnrt`, d.data[i+1]); at >= 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[at])
			i += 2
			continue
		}
		r, size := unicodeEscape(d.data[i:])
		if size == 0 {
			d.pos = i
			return "", d.malformed("an escape in a string is not one of JSON's, or half a surrogate pair")
		}
		out = utf8.AppendRune(out, r)
		i += size
	}
	d.pos = len(d.data)
	return "", d.malformed("the body ends inside a string")
}

// unicodeEscape reads \uXXXX, or two of them that make one character; size 0 when it is neither.
func unicodeEscape(b []byte) (r rune, size int) {
	hex := func(b []byte) (rune, bool) {
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
		return rune(n), err == nil
	}
	high, ok := hex(b)
	switch {
	case !ok || high >= 0xDC00 && high < 0xE000:
		return 0, 0
	case high < 0xD800 || high >= 0xE000:
		return high, 6
	}
	low, ok := hex(b[6:])
	if !ok || low < 0xDC00 || low >= 0xE000 {
		return 0, 0
	}
	return (high-0xD800)<<10 + low - 0xDC00 + 0x10000, 12
}

// scanNumber passes over a number as JSON writes it.
func (d *decoder) scanNumber() ([]byte, bool) {
	start := d.pos
	digits := func() bool {
		from := d.pos
		for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos > from
	}
	at := func(c byte) bool { return d.pos < len(d.data) && d.data[d.pos] == c }
	if at('-') {
		d.pos++
	}
	ok := true
	if at('0') {
		d.pos++
	} else {
		ok = digits()
	}
	if ok && at('.') {
		d.pos++
		ok = digits()
	}
	if ok && (at('e') || at('E')) {
		d.pos++
		if at('+') || at('-') {
			d.pos++
		}
		ok = digits()
	}
	if !ok || d.pos < len(d.data) && (isWord(d.data[d.pos]) || d.data[d.pos] == '.') {
		return nil, d.malformed("a number is not written as JSON writes it")
	}
	return d.data[start:d.pos], true
}

// number reads a number and checks its bounds.
func (d *decoder) number(s *shape) (float64, bool) {
	raw, ok := d.scanNumber()
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(raw), len(raw)), 64)
	if err != nil { // too large for a double
		d.fault(codeOutOfRange, "got %s, want %s that fits a double", shorten(string(raw)), s.want)
		return 0, true
	}
	if number < s.min || number > s.max || s.open && number == s.min {
		switch low, high := strconv.FormatFloat(s.min, 'f', -1, 64), strconv.FormatFloat(s.max, 'f', -1, 64); {
		case math.IsInf(s.max, 1) && s.open:
			d.fault(codeOutOfRange, "got %v, want more than %s", number, low)
		case math.IsInf(s.max, 1):
			d.fault(codeOutOfRange, "got %v, want at least %s", number, low)
		default:
			d.fault(codeOutOfRange, "got %v, want %s to %s", number, low, high)
		}
	}
	return number, true
}

// checkText checks the length and the form of a string, and tells whether it is right.
func (d *decoder) checkText(s *shape, text string) bool {
	if s.schema.MaxLength > 0 && len(text) > s.schema.MaxLength {
		if n := utf8.RuneCountInString(text); n > s.schema.MaxLength {
			d.fault(codeTooLong, "got %d characters, want at most %d", n, s.schema.MaxLength)
			return false
		}
	}
	if len(text) < s.schema.MinLength || s.schema.MinLength > 1 && utf8.RuneCountInString(text) < s.schema.MinLength {
		if text == "" {
			d.fault(codeTooShort, "is empty, want at least %d characters", s.schema.MinLength)
		} else {
			d.fault(codeTooShort, "got %d characters, want at least %d", utf8.RuneCountInString(text), s.schema.MinLength)
		}
		return false
	}
	if s.plain && plainText(text) {
		return true
	}
	if s.schema.Pattern != nil && !s.schema.Pattern.MatchString(text) {
		d.fault(codeBadFormat, "got %s, want %s", quote(text), s.schema.inWords())
		return false
	}
	return true
}

// inWords is the description as the end of a sentence: "an H3 cell as …".
func (s *schema) inWords() string {
	if s.Description == "" {
		return "what matches " + s.Pattern.String()
	}
	sentence, _, _ := strings.Cut(s.Description, ". ")
	return strings.ToLower(sentence[:1]) + strings.TrimSuffix(sentence[1:], ".")
}

// quote shows text from outside, not too much of it.
func quote(text string) string { return strconv.Quote(shorten(text)) }

func shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return strings.Clone(text)
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// skip passes over a value of any type. When it is kept (as raw JSON), repeated names are faults.
func (d *decoder) skip(kept bool) bool {
	switch c := d.next(); {
	case c == '{':
		var seen keys
		more := d.open('}')
		for more {
			key, ok := d.key()
			if !ok {
				return false
			}
			if kept && !seen.add(key) {
				d.faultAt(strings.Clone(key), codeDuplicate, "stands twice, want it once")
			}
			if !d.push(step{name: key}) || !d.skip(kept) {
				return false
			}
			d.depth--
			if more, ok = d.more('}'); !ok {
				return false
			}
		}
		return true
	case c == '[':
		more := d.open(']')
		for i := 0; more; i++ {
			if !d.push(step{index: i, list: true}) || !d.skip(kept) {
				return false
			}
			d.depth--
			var ok bool
			if more, ok = d.more(']'); !ok {
				return false
			}
		}
		return true
	case c == '"':
		_, ok := d.text()
		return ok
	case c == '-' || c >= '0' && c <= '9':
		_, ok := d.scanNumber()
		return ok
	case c == 't' && d.literal("true"), c == 'f' && d.literal("false"), c == 'n' && d.literal("null"):
		return true
	}
	return d.malformed("got %s, want a value", d.found())
}

// keys are the names of one object: few in a list, many in a map.
type keys struct {
	few  []string
	many map[string]struct{}
}

// add tells whether the name is new.
func (k *keys) add(name string) bool {
	const few = 32
	if k.many == nil {
		for _, other := range k.few {
			if other == name {
				return false
			}
		}
		if k.few = append(k.few, name); len(k.few) > few {
			k.many = make(map[string]struct{}, 4*few)
			for _, other := range k.few {
				k.many[other] = struct{}{}
			}
		}
		return true
	}
	if _, ok := k.many[name]; ok {
		return false
	}
	k.many[name] = struct{}{}
	return true
}
