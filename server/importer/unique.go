package importer

import (
	"crypto/sha256"
	"fmt"
)

// unique is a file in which an id stands once: a later row with the id of an earlier one is refused. Were it stored,
// whichever came last would win without a word, and the file would change something each time that it is imported.
type unique[T any] struct {
	source[T]
	id     func(*T) string
	column string
	seen   firstLines
}

// uniqueOf holds the rows of a file to one row an id, which stands in the given column ("": the row as a whole).
func uniqueOf[T any](from source[T], column string, id func(*T) string) *unique[T] {
	return &unique[T]{source: from, id: id, column: column}
}

func (u *unique[T]) next() (row T, line int, raw string, refusal *Refusal, err error) {
	row, line, raw, refusal, err = u.source.next()
	if refusal != nil || err != nil {
		return row, line, raw, refusal, err
	}
	id := u.id(&row)
	if first, known := u.seen.note(id, line); known {
		reason := fmt.Sprintf("%q stands on line %d already: keep one of the two", id, first)
		return *new(T), line, raw, &Refusal{Line: line, Label: labelOf(&row), Column: u.column, Reason: reason, Row: raw}, nil
	}
	return row, line, raw, nil, nil
}

// firstLines remembers on which line an id stood first, in bounded memory: like ordinals in two generations, so of ids
// that are farther apart than a generation the later one may pass. They are held as 128 bits of a hash: two ids with
// one hash would cost a good row, which 64 bits leave possible in a large file.
type firstLines struct {
	young, old map[[16]byte]int
	limit      int // ids of a generation; 0: ordinalKeys
}

// note returns the line on which an id stood before, or remembers this one.
func (f *firstLines) note(id string, line int) (first int, known bool) {
	sum := sha256.Sum256([]byte(id))
	hash := [16]byte(sum[:])
	if first, known = f.young[hash]; known {
		return first, true
	}
	if first, known = f.old[hash]; !known {
		first = line
	}
	if f.limit == 0 {
		f.limit = ordinalKeys
	}
	if len(f.young) >= f.limit {
		f.old, f.young = f.young, nil
	}
	if f.young == nil {
		f.young = map[[16]byte]int{}
	}
	f.young[hash] = first
	return first, known
}
