package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// countingReader counts the bytes that were taken from a file. The count may be read while another
// goroutine reads the file.
type countingReader struct {
	from io.Reader
	n    atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// ErrCutOff says that a compressed file ends early. What came before the cut was read.
var ErrCutOff = errors.New("the gzip file is cut off: its end is missing; copy or download it again")

// ErrTooLarge says that a file is longer than Options.MaxBytes.
var ErrTooLarge = errors.New("the file is too large")

// bounded reads at most so many bytes; where there are more, it ends with ErrTooLarge.
type bounded struct {
	from       io.Reader
	left, most int64
}

// atMost bounds r, unless most is 0.
func atMost(r io.Reader, most int64) io.Reader {
	if most == 0 {
		return r
	}
	return &bounded{r, most, most}
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 { // one more tells whether the file ends here
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), fmt.Errorf("%w: it has more than %d bytes, packed or unpacked", ErrTooLarge, b.most)
	}
	b.left -= int64(n)
	return n, err
}

// plain returns the text of r: unpacked if it is gzip, to at most so many bytes (0: any number), without a byte
// order mark. Text in another encoding than UTF-8 that gives itself away by its first bytes is an error that says so.
func plain(r io.Reader, most int64) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if start, _ := in.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, gzipError(err)
		}
		in = bufio.NewReaderSize(atMost(gzipReader{unpacked}, most), 256<<10)
	}
	start, err := in.Peek(4)
	switch {
	case len(start) == 0 && err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.HasPrefix(start, []byte{0xef, 0xbb, 0xbf}):
		if _, err := in.Discard(3); err != nil {
			return nil, err
		}
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		return nil, errors.New("the text is UTF-16: save it as UTF-8")
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return nil, errors.New("this is a ZIP archive or a spreadsheet: unpack it, or save it as CSV in UTF-8")
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return nil, errors.New("the file is zstd-compressed: unpack it, or compress it with gzip")
	}
	return in, nil
}

// gzipReader words the errors of gzip for people.
type gzipReader struct{ from *gzip.Reader }

func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = gzipError(err)
	}
	return n, err
}

func gzipError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return ErrCutOff
	case errors.Is(err, ErrTooLarge): // as it comes
		return err
	}
	return fmt.Errorf("the gzip file is damaged (%w): copy or download it again", err)
}
