package bench

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestClientReadsAnswers holds the hand-written client to the answers of our servers, however the network cuts them.
func TestClientReadsAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	tests := []struct {
		name   string
		give   string
		status int
		body   string
		err    string // part of the error; empty: none
	}{
		{"a body", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", ""},
		{"no body", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", ""},
		{"another spelling", "HTTP/1.1 429 Too Many Requests\r\ncontent-length:2\r\n\r\n{}", 429, "{}", ""},
		{"longer than its memory", "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + long, 200, long, ""},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 0, "", "without Content-Length"},
		{"no HTTP", "SSH-2.0-something else entirely\r\n\r\n", 0, "", "want HTTP/1.1"},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, "", "EOF"},
	}
	for _, test := range tests {
		for _, piece := range []int{1, 7, 1 << 20} {
			if piece == 1 && len(test.give) > 1000 {
				continue
			}
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				here, there := net.Pipe()
				go func() {
					defer there.Close()
					_, _ = io.ReadFull(there, make([]byte, 4))
					for rest := test.give; rest != ""; {
						n := min(piece, len(rest))
						if _, err := io.WriteString(there, rest[:n]); err != nil {
							return
						}
						rest = rest[n:]
					}
				}()
				c := &client{conn: here, in: make([]byte, 64)}
				defer c.close()
				status, body, err := c.post([]byte("POST"))
				if test.err != "" {
					if err == nil || !strings.Contains(err.Error(), test.err) {
						t.Errorf("error %v, want one with %q", err, test.err)
					}
					return
				}
				if err != nil || status != test.status || string(body) != test.body {
					t.Errorf("got %d, %d bytes, %v; want %d, %d bytes", status, len(body), err, test.status, len(test.body))
				}
			})
		}
	}
}
