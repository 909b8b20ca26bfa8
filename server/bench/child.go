package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a server in a process of its own, so that the load does not share a runtime with it.
type child struct {
	name    string
	address string
	command *exec.Cmd
	said    *lastLines
	ended   chan struct{}
	err     error // read after ended
}

// readiness bounds the wait for a server to say its address; 100,000 shoppers take their time.
const readiness = 5 * time.Minute

// start runs this program with other arguments and waits until it says "serves http://ADDRESS".
func start(ctx context.Context, o *Options, name string, args ...string) (*child, error) {
	c := &child{name: name, command: exec.CommandContext(ctx, o.Program, args...), said: &lastLines{}, ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), o.Env...)
	c.command.Cancel = func() error { return c.command.Process.Signal(syscall.SIGTERM) }
	c.command.WaitDelay = 15 * time.Second
	out, err := c.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(c.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			c.said.add(lines.Text())
			if _, rest, ok := strings.Cut(lines.Text(), "serves http://"); ok {
				found, _, _ := strings.Cut(rest, ",")
				select {
				case address <- found:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
		c.err = c.command.Wait()
	}()
	select {
	case c.address = <-address:
		return c, nil
	case <-c.ended:
		return nil, fmt.Errorf("%s ended before it served: %w\n%s", name, c.err, c.said)
	case <-ctx.Done():
		<-c.ended
		return nil, ctx.Err()
	case <-time.After(readiness):
		_ = c.stop()
		return nil, fmt.Errorf("%s does not serve after %s:\n%s", name, readiness, c.said)
	}
}

// stop ends the process and waits for it.
func (c *child) stop() error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended
	<-c.ended
	if c.err != nil {
		return fmt.Errorf("%s: %w\n%s", c.name, c.err, c.said)
	}
	return nil
}

// lastLines keeps the last lines that a process said.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lastLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 20 {
		l.lines = l.lines[1:]
	}
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
