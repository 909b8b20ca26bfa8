package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// client is one keep-alive connection. It belongs to one goroutine.
//
// It reads and writes HTTP/1.1 by hand, only as far as our own servers speak it: a general client would take
// as much of the two cores as the server under test.
type client struct {
	conn net.Conn
	in   []byte
	held int // bytes of in that were read
}

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: make([]byte, 64<<10)}, nil
}

func (c *client) close() error { return c.conn.Close() }

// post sends a whole request and returns status and body of its answer. The body holds until the next call.
func (c *client) post(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	c.held = 0
	head, length := 0, 0
	for {
		if c.held == len(c.in) {
			c.in = append(c.in, make([]byte, len(c.in))...)
		}
		n, err := c.conn.Read(c.in[c.held:])
		if err != nil {
			return 0, nil, err
		}
		c.held += n
		if head == 0 {
			if head = bytes.Index(c.in[:c.held], []byte("\r\n\r\n")) + 4; head == 3 {
				head = 0
				continue
			}
			if status, length, err = readHead(c.in[:head]); err != nil {
				return 0, nil, err
			}
		}
		if c.held >= head+length {
			return status, c.in[head : head+length], nil
		}
	}
}

// readHead reads what an answer's head says of it: status and length of the body.
func readHead(head []byte) (status, length int, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("answer begins with %.40q, want HTTP/1.1", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("answer begins with %.40q: no status", line)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			return status, length, err
		}
	}
	return 0, 0, errors.New("answer without Content-Length")
}
