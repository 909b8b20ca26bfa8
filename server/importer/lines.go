package importer

import (
	"bytes"
	"errors"
	"io"
)

// maxRecordBytes is the longest row that is read; a longer one is refused. It bounds the memory of an
// import, whatever the file: a geofence of 10,000 vertices takes about 400 KB.
const maxRecordBytes = 2 << 20

// lines is a window over a file that only ever holds the rows under way.
type lines struct {
	from  io.Reader
	buf   []byte
	start int   // of what is not yet consumed
	err   error // of from; sticky
	idle  int   // reads that gave neither bytes nor an error
	line  int   // number of the line at start; the first is 1
}

func newLines(from io.Reader) *lines {
	return &lines{from: from, buf: make([]byte, 0, 128<<10), line: 1}
}

// rest is what is in the window, not yet consumed.
func (l *lines) rest() []byte { return l.buf[l.start:] }

// more reads on, and tells whether anything came. It moves the window's bytes, so that slices of rest
// taken before are void.
func (l *lines) more() bool {
	for l.err == nil {
		if len(l.buf) == cap(l.buf) {
			if l.start > 0 {
				l.buf = l.buf[:copy(l.buf, l.buf[l.start:])]
				l.start = 0
			} else {
				l.buf = append(make([]byte, 0, 2*cap(l.buf)), l.buf...)
			}
		}
		n, err := l.from.Read(l.buf[len(l.buf):cap(l.buf)])
		l.buf, l.err = l.buf[:len(l.buf)+n], err
		if n > 0 {
			return true
		}
		if l.idle++; l.idle == 100 && err == nil {
			l.err = io.ErrNoProgress
		}
	}
	return false
}

// errTooLong says that a row is longer than maxRecordBytes. Its line was skipped.
var errTooLong = errors.New("too long")

// first returns the length of the line at the window's start, without its line feed. The last line of
// a file needs none, but a line that an error cuts is no line: it returns that error, and io.EOF at
// the end.
func (l *lines) first() (int, error) {
	seen := 0
	for {
		rest := l.rest()
		if i := bytes.IndexByte(rest[seen:], '\n'); i >= 0 {
			if seen+i > maxRecordBytes {
				l.consume(seen + i)
				return 0, errTooLong
			}
			return seen + i, nil
		}
		if seen = len(rest); seen > maxRecordBytes {
			return 0, l.skipLine()
		}
		if !l.more() {
			if !errors.Is(l.err, io.EOF) {
				return 0, l.err
			}
			if seen == 0 {
				return 0, io.EOF
			}
			return seen, nil
		}
	}
}

// skipLine drops all up to the next line feed without holding it.
func (l *lines) skipLine() error {
	for {
		if i := bytes.IndexByte(l.rest(), '\n'); i >= 0 {
			l.consume(i)
			return errTooLong
		}
		l.start = len(l.buf)
		if !l.more() {
			if !errors.Is(l.err, io.EOF) {
				return l.err
			}
			return errTooLong
		}
	}
}

// consume drops n bytes, which end a line, and that line's line feed if there is one.
func (l *lines) consume(n int) {
	l.line += bytes.Count(l.rest()[:n], []byte{'\n'}) + 1
	l.start += n
	if l.start < len(l.buf) {
		l.start++
	}
}

// trimCR drops the carriage return of a CRLF file.
func trimCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }
