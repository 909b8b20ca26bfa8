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

// MaxBody is the largest body of a call in bytes, before and after gzip is undone. Imports are streamed and
// have no such limit.
const MaxBody = 4 << 20

// decode reads the body of a call strictly into the type of wire that into points at. What it reads shares
// no memory with the request.
func decode(c *fiber.Ctx, into any) error {
	data, err := body(c, "application/json")
	if err != nil {
		return err
	}
	return decodeJSON(data, into)
}

// decodeEvents reads a batch of events. What is wrong with one event is that event's own affair: bad holds its
// faults by its place in the list, and the good ones stand. Everything else that is wrong refuses the call.
func decodeEvents(c *fiber.Ctx, into *wire.EventsRequest) (bad map[int]Faults, err error) {
	err = decode(c, into)
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

// body returns the body of a call, inflated, of at most MaxBody bytes. It is the request's own memory when
// it was not compressed: copy what outlives the call. accepts are the media types of the operation; a body
// that names none is taken for the first.
func body(c *fiber.Ctx, accepts ...string) ([]byte, error) {
	if err := checkMediaType(c.Get(fiber.HeaderContentType), accepts); err != nil {
		return nil, err
	}
	data, err := rawBody(c)
	if err != nil {
		return nil, err
	}
	switch encoding := strings.ToLower(strings.TrimSpace(c.Get(fiber.HeaderContentEncoding))); encoding {
	case "", "identity":
		return data, nil
	case "gzip":
		return inflate(data)
	default:
		return nil, problem(unsupportedMediaType, "Content-Encoding: got %s, want gzip", quote(encoding))
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

// rawBody reads the body as it was sent. fiber's own Body is not used: it inflates without a limit.
func rawBody(c *fiber.Ctx) ([]byte, error) {
	stream := c.Context().RequestBodyStream()
	if stream == nil { // it is in memory, so the server's own limit held
		return c.Request().Body(), nil
	}
	var (
		data   []byte
		err    error
		length = c.Request().Header.ContentLength()
	)
	switch {
	case length > MaxBody:
		return nil, tooLargeBody(c, stream)
	case length >= 0:
		data = make([]byte, length)
		var n int
		n, err = io.ReadFull(stream, data)
		data = data[:n]
	default: // chunked
		data, err = io.ReadAll(io.LimitReader(stream, MaxBody+1))
	}
	switch {
	case len(data) > MaxBody:
		return nil, tooLargeBody(c, stream)
	case err != nil:
		return nil, problem(invalidRequest, "the body broke off after %d bytes", len(data))
	}
	return data, nil
}

// tooLargeBody refuses a body. It reads some of the rest first: whoever is still sending would otherwise meet
// a broken connection, and never see the answer.
func tooLargeBody(c *fiber.Ctx, stream io.Reader) error {
	const patience = 64 << 20
	if n, err := io.CopyN(io.Discard, stream, patience); n == patience && err == nil {
		c.Context().SetConnectionClose()
	}
	return problem(tooLarge, "the body is larger than 4 MiB")
}

var gunzips sync.Pool // of *gzip.Reader

// inflate undoes gzip, and stops as soon as the result is too large: a bomb costs no more than MaxBody.
func inflate(data []byte) ([]byte, error) {
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
	var out bytes.Buffer
	out.Grow(min(MaxBody, 4*len(data)) + bytes.MinRead)
	_, err = out.ReadFrom(io.LimitReader(reader, MaxBody+1))
	switch {
	case out.Len() > MaxBody:
		return nil, problem(tooLarge, "the body inflates to more than 4 MiB")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, problem(invalidRequest, "the gzip body is cut off")
	case err != nil:
		return nil, problem(invalidRequest, "the gzip body is damaged")
	}
	return out.Bytes(), nil
}
