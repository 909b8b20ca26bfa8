package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/gzip"

	"satnav/sdk-contract/wire"
)

// MaxBody is the largest body of a call that the contract promises, in bytes, before and after gzip is
// undone. Limits.Body may be less. Imports are streamed and have a limit of their own.
const MaxBody = 4 << 20

// decode reads the body of a call strictly into the type of wire that into points at. What it reads shares
// no memory with the request.
func (a *API) decode(c *fiber.Ctx, into any) error {
	data, err := a.body(c, "application/json")
	if err != nil {
		return err
	}
	return decodeJSON(data, into)
}

// decodeEvents reads a batch of events. What is wrong with one event is that event's own affair: bad holds its
// faults by its place in the list, and the good ones stand. Everything else that is wrong refuses the call.
func (a *API) decodeEvents(c *fiber.Ctx, into *wire.EventsRequest) (bad map[int]Faults, err error) {
	err = a.decode(c, into)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) >= maxFaults { // not all were found: nothing of it can be trusted
		return nil, err
	}
	bad = map[int]Faults{}
	for _, fault := range faults {
		rest, inside := strings.CutPrefix(fault.Pointer, "/events/")
		index, _, _ := strings.Cut(rest, "/")
		n, numberErr := strconv.Atoi(index)
		if !inside || numberErr != nil || fault.Code == codeMalformed || fault.Code == codeTooDeep {
			return nil, faults
		}
		bad[n] = append(bad[n], fault)
	}
	return bad, nil
}

// body returns the body of a call, inflated, of at most Limits.Body bytes. It is the request's own memory when
// it was not compressed: copy what outlives the call. accepts are the media types of the operation; a body
// that names none is taken for the first.
func (a *API) body(c *fiber.Ctx, accepts ...string) ([]byte, error) {
	if err := checkMediaType(c.Get(fiber.HeaderContentType), accepts); err != nil {
		return nil, err
	}
	data, err := a.rawBody(c)
	if err != nil {
		return nil, err
	}
	packed, err := isPacked(c)
	if err != nil || !packed {
		return data, err
	}
	return a.inflate(data)
}

// isPacked tells whether a body comes as gzip; an error when it is packed otherwise.
func isPacked(c *fiber.Ctx) (bool, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(c.Get(fiber.HeaderContentEncoding))); encoding {
	case "", "identity":
		return false, nil
	case "gzip":
		return true, nil
	default:
		return false, problem(unsupportedMediaType, "Content-Encoding: got %s, want gzip", quote(encoding))
	}
}

// checkMediaType compares a Content-Type with those of an operation.
func checkMediaType(header string, accepts []string) error {
	if header == "" || header == accepts[0] {
		return nil
	}
	mediaType, parameters, err := mime.ParseMediaType(header)
	if err != nil || !slices.Contains(accepts, mediaType) {
		return problem(unsupportedMediaType, "Content-Type: got %s, want %s", quote(header), strings.Join(accepts, " or "))
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem(unsupportedMediaType, "Content-Type: got charset %s, want utf-8", quote(charset))
	}
	return nil
}

// bodyLocal is where a body is kept that was read before its operation.
const bodyLocal = "body"

// rawBody reads the body as it was sent. fiber's own Body is not used: it inflates without a limit.
func (a *API) rawBody(c *fiber.Ctx) ([]byte, error) {
	if data, ok := c.Locals(bodyLocal).([]byte); ok {
		return data, nil
	}
	stream := c.Context().RequestBodyStream()
	if stream == nil { // it is in memory, so the server's own limit held
		return c.Request().Body(), nil
	}
	var (
		data   []byte
		err    error
		length = c.Request().Header.ContentLength()
		most   = a.Limits.Body
	)
	switch {
	case length > most:
		return nil, a.tooLargeBody(c, stream)
	case length >= 0:
		data = make([]byte, length)
		var n int
		n, err = io.ReadFull(stream, data)
		data = data[:n]
	default: // chunked
		stream = chunks(c)
		data, err = io.ReadAll(io.LimitReader(stream, int64(most)+1))
	}
	switch {
	case len(data) > most:
		return nil, a.tooLargeBody(c, stream)
	case err != nil:
		return nil, problem(invalidRequest, "the body broke off after %d bytes", len(data))
	}
	return data, nil
}

// tooLargeBody refuses a body. It reads some of the rest first: whoever is still sending would otherwise meet
// a broken connection, and never see the answer.
func (a *API) tooLargeBody(c *fiber.Ctx, stream io.Reader) error {
	if n, err := io.CopyN(io.Discard, stream, patience); n == patience && err == nil {
		c.Context().SetConnectionClose()
	}
	return problem(tooLarge, "the body is larger than %s", sizeText(a.Limits.Body))
}

// patience is how much of an unwanted body is read before its connection is closed.
const patience = 64 << 20

// endedLocal is set once a body that comes in chunks was read to its end: whoever reads on would take the next
// request for a chunk.
const endedLocal = "body_ended"

// chunks is the body as it comes, which may be read once; nil when there is none.
func chunks(c *fiber.Ctx) io.Reader {
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil
	}
	return &chunked{from: stream, c: c}
}

// chunked remembers its end: fasthttp, asked again, would wait for another chunk until the deadline.
type chunked struct {
	from io.Reader
	c    *fiber.Ctx
	err  error // of from; sticks
}

func (r *chunked) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p)
	if err != nil {
		r.err = err
		r.c.Locals(endedLocal, true)
	}
	return n, err
}

// settle reads what is left of a body that a call did not want, or closes the connection after the answer:
// the rest must never be taken for the next request.
func settle(c *fiber.Ctx) {
	stream := c.Context().RequestBodyStream()
	if stream == nil || c.Locals(endedLocal) != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, stream, patience); !errors.Is(err, io.EOF) {
		c.Context().SetConnectionClose()
	}
}

var gunzips sync.Pool // of *gzip.Reader

// inflate undoes gzip, and stops as soon as the result is too large: a bomb costs no more than Limits.Body.
func (a *API) inflate(data []byte) ([]byte, error) {
	source := bytes.NewReader(data)
	reader, _ := gunzips.Get().(*gzip.Reader)
	var err error
	if reader == nil {
		reader, err = gzip.NewReader(source)
	} else {
		err = reader.Reset(source)
	}
	if err != nil {
		return nil, problem(invalidRequest, "the body is not gzip, though Content-Encoding says so")
	}
	defer gunzips.Put(reader)
	most := a.Limits.Body
	var out bytes.Buffer
	out.Grow(min(most, 4*len(data)) + bytes.MinRead)
	_, err = out.ReadFrom(io.LimitReader(reader, int64(most)+1))
	switch {
	case out.Len() > most:
		return nil, problem(tooLarge, "the body inflates to more than %s", sizeText(most))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, problem(invalidRequest, "the gzip body is cut off")
	case err != nil:
		return nil, problem(invalidRequest, "the gzip body is damaged")
	}
	return out.Bytes(), nil
}

// sizeText writes a limit as people say it.
func sizeText(bytes int) string {
	switch {
	case bytes%(1<<20) == 0:
		return strconv.Itoa(bytes>>20) + " MiB"
	case bytes%(1<<10) == 0:
		return strconv.Itoa(bytes>>10) + " KiB"
	}
	return strconv.Itoa(bytes) + " bytes"
}
