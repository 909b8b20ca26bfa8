package embedded

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"satnav/server/store"
)

// The value of a document: the number of its marks (1 byte); for each, ordered by kind and key: length of kind (uvarint),
// kind, length of key (uvarint), key, time (8 bytes as in the key of a mark); then the body, to the end. The marks stand
// here too because whoever replaces a document has to know which keys of marks to remove.

var errValue = errors.New("value of a document is damaged")

func appendDocument(dst []byte, d *store.Document) []byte {
	dst = append(dst, byte(len(d.Marks)))
	if len(d.Marks) > 0 {
		for _, m := range sorted(d.Marks) {
			dst = binary.AppendUvarint(dst, uint64(len(m.Kind)))
			dst = append(dst, m.Kind...)
			dst = binary.AppendUvarint(dst, uint64(len(m.Key)))
			dst = append(dst, m.Key...)
			dst = appendMillis(dst, m.At.UnixMilli())
		}
	}
	return append(dst, d.Body...)
}

// sorted returns the marks ordered by kind and key, and leaves the given ones as they are.
func sorted(marks []store.Mark) []store.Mark {
	order := func(a, b store.Mark) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) }
	if slices.IsSortedFunc(marks, order) {
		return marks
	}
	marks = slices.Clone(marks)
	slices.SortFunc(marks, order)
	return marks
}

// parseDocument takes a value apart. The body shares the value's memory, the marks do not.
func parseDocument(value []byte) (marks []store.Mark, body []byte, err error) {
	if len(value) == 0 || value[0] > store.MaxMarks {
		return nil, nil, errValue
	}
	n := int(value[0])
	if n == 0 {
		return nil, value[1:], nil
	}
	end, err := skipMarks(value)
	if err != nil {
		return nil, nil, err
	}
	text, rest := string(value[1:end]), value[1:end] // one piece of memory for all names
	marks = make([]store.Mark, n)
	for i := range marks {
		for _, name := range []*string{&marks[i].Kind, &marks[i].Key} {
			length, width := binary.Uvarint(rest)
			at := len(text) - len(rest) + width
			*name = text[at : at+int(length)]
			rest = rest[width+int(length):]
		}
		marks[i].At = time.UnixMilli(int64(binary.BigEndian.Uint64(rest) ^ 1<<63)).UTC()
		rest = rest[8:]
	}
	return marks, value[end:], nil
}

// skipMarks returns where the marks of a value end.
func skipMarks(value []byte) (end int, err error) {
	rest := value[1:]
	for range value[0] {
		for range 2 {
			length, width := binary.Uvarint(rest)
			if width <= 0 || length > uint64(len(rest)-width) {
				return 0, errValue
			}
			rest = rest[width+int(length):]
		}
		if len(rest) < 8 {
			return 0, errValue
		}
		rest = rest[8:]
	}
	return len(value) - len(rest), nil
}
