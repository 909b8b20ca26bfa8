package store

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// The documents of a shopper are readable BSON with named fields, and what is empty is left out. They are
// written and read by hand: reflective decoding of one history costs more than the whole budget of a call.
// Tests hold these codecs to the reflective one.

var errDamaged = errors.New("damaged document")

// walker goes through the elements of one document or array. Its first error stays.
type walker struct {
	rest  []byte
	key   []byte
	value bsoncore.Value
	err   error
}

func walk(body []byte) walker {
	length, rest, ok := bsoncore.ReadLength(body)
	if !ok || length < 5 || int(length) > len(body) {
		return walker{err: fmt.Errorf("length: %w", errDamaged)}
	}
	return walker{rest: rest[:length-4]}
}

// next steps to the next element, or returns false at the end and after an error.
func (w *walker) next() bool {
	if w.err != nil || len(w.rest) == 0 || w.rest[0] == 0 {
		return false
	}
	end := bytes.IndexByte(w.rest, 0)
	if end < 1 {
		w.err = fmt.Errorf("field name: %w", errDamaged)
		return false
	}
	t := bsoncore.Type(w.rest[0])
	w.key = w.rest[1:end]
	var ok bool
	if w.value, w.rest, ok = bsoncore.ReadValue(w.rest[end+1:], t); !ok {
		w.fail("a value")
		return false
	}
	return true
}

func (w *walker) fail(want string) {
	if w.err == nil {
		w.err = fmt.Errorf("field %q: got %s, want %s: %w", w.key, w.value.Type, want, errDamaged)
	}
}

func (w *walker) int() int64 {
	switch w.value.Type {
	case bsoncore.TypeInt32:
		n, _, _ := bsoncore.ReadInt32(w.value.Data)
		return int64(n)
	case bsoncore.TypeInt64:
		n, _, _ := bsoncore.ReadInt64(w.value.Data)
		return n
	}
	w.fail("an integer")
	return 0
}

func (w *walker) float() float64 {
	if w.value.Type != bsoncore.TypeDouble {
		w.fail("a double")
		return 0
	}
	f, _, _ := bsoncore.ReadDouble(w.value.Data)
	return f
}

func (w *walker) bool() bool {
	if w.value.Type != bsoncore.TypeBoolean {
		w.fail("a boolean")
		return false
	}
	b, _, _ := bsoncore.ReadBoolean(w.value.Data)
	return b
}

// text is a string that lies in the document: copy what outlives it.
func (w *walker) text() []byte {
	if w.value.Type != bsoncore.TypeString || len(w.value.Data) < 5 {
		w.fail("a string")
		return nil
	}
	return w.value.Data[4 : len(w.value.Data)-1]
}

func (w *walker) string() string { return string(w.text()) }

func (w *walker) milliseconds() int64 {
	if w.value.Type != bsoncore.TypeDateTime {
		w.fail("a date")
		return 0
	}
	ms, _, _ := bsoncore.ReadDateTime(w.value.Data)
	return ms
}

func (w *walker) time() time.Time { return time.UnixMilli(w.milliseconds()).UTC() }

// stamp is a date as a history keeps it, see who.Stamp.
func (w *walker) stamp() uint32 { return uint32(w.milliseconds() / 1000) }

// inside walks over a document or array that is the value; join brings its error back.
func (w *walker) inside() walker {
	if w.value.Type != bsoncore.TypeEmbeddedDocument && w.value.Type != bsoncore.TypeArray {
		w.fail("a document or array")
		return walker{}
	}
	return walk(w.value.Data)
}

func (w *walker) join(inner walker) {
	if w.err == nil && inner.err != nil {
		w.err = fmt.Errorf("%s.%w", w.key, inner.err)
	}
}

// count is the number of elements of the array that is the value.
func (w *walker) count() int {
	inner, n := w.inside(), 0
	for inner.next() {
		n++
	}
	return n
}

// indexes are the names of array elements, which BSON spells out.
var indexes = func() (names [who.MaxItems + 1]string) {
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}()

func index(i int) string {
	if i < len(indexes) {
		return indexes[i]
	}
	return strconv.Itoa(i)
}

// array appends an array of n documents, each with the fields that element appends.
func array(b []byte, name string, n int, element func(b []byte, i int) []byte) []byte {
	start, b := bsoncore.AppendArrayElementStart(b, name)
	for i := range n {
		var at int32
		at, b = bsoncore.AppendDocumentElementStart(b, index(i))
		b = element(b, i)
		b, _ = bsoncore.AppendDocumentEnd(b, at)
	}
	b, _ = bsoncore.AppendArrayEnd(b, start)
	return b
}

// document appends a document with the fields that write appends.
func document(b []byte, write func(b []byte) []byte) []byte {
	start, b := bsoncore.AppendDocumentStart(b)
	b = write(b)
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b
}

func appendStamp(b []byte, name string, at uint32) []byte {
	return bsoncore.AppendDateTimeElement(b, name, int64(at)*1000)
}

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return bsoncore.AppendStringElement(b, name, text)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return bsoncore.AppendDateTimeElement(b, name, t.UnixMilli())
}

func appendTrue(b []byte, name string, set bool) []byte {
	if !set {
		return b
	}
	return bsoncore.AppendBooleanElement(b, name, true)
}

func appendInt(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return bsoncore.AppendInt64Element(b, name, n)
}

func appendFloat(b []byte, name string, f float64) []byte {
	if f == 0 {
		return b
	}
	return bsoncore.AppendDoubleElement(b, name, f)
}
