package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
	"satnav/server/command"
	"satnav/server/demo"
	"satnav/server/identity"
)

// asCommand makes this test binary the satnav command; see TestMain.
const asCommand = "SATNAV_E2E_COMMAND"

// runCommand is main of the satnav command.
func runCommand() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var environ []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, asCommand) {
			environ = append(environ, v)
		}
	}
	return command.Run(ctx, os.Args[1:], command.IO{Out: os.Stdout, Err: os.Stderr, Environ: environ})
}

// process is a satnav of its own, to be killed.
type process struct {
	*house
	cmd   *exec.Cmd
	ended chan error
	lines chan string // what it says on stderr
}

// start starts a satnav command. It is killed at the end of the test if it still runs.
func start(t *testing.T, data string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "SATNAV_LIMITS_DEADLINE=1m", "SATNAV_LIMITS_MAX_WAIT=0s") // however busy the machine is
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, ended: make(chan error, 1), lines: make(chan string, 1000)}
	go func() {
		for scanner := bufio.NewScanner(said); scanner.Scan(); {
			fmt.Fprintln(info, scanner.Text())
			select {
			case p.lines <- scanner.Text():
			default: // nobody reads them: a server must not wait for that
			}
		}
		close(p.lines)
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-p.ended              //nolint:errcheck // how it ended is looked at where it matters
	})
	c := config.Default()
	p.house = &house{data: data}
	p.issuer = identity.Issuer{Issuer: c.Identity.Issuer, Audience: c.Identity.Audience}
	return p
}

// kill ends the process as a power cut would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range p.lines {
	}
	p.ended <- <-p.ended
}

// says waits until the process says something on stderr.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the process ended and did not say %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-timeout:
			t.Fatalf("the process did not say %q", text)
		}
	}
}

// up waits until the process answers calls.
func (p *process) up(t *testing.T, address string) {
	t.Helper()
	p.url = "http://" + address
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if response, err := apitest.Client(t).Get(p.url + "/readyz"); err == nil {
			if err := response.Body.Close(); err == nil && response.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			var said []string
			for line := range p.lines {
				said = append(said, line)
			}
			t.Fatalf("the process ended (%v) and said %q", err, said)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the process does not answer")
		}
	}
	key, err := identity.DevelopmentKey(p.data)
	if err != nil {
		t.Fatal(err)
	}
	p.issuer.Key = key
}

// TestEventsOutliveKill holds that what was acknowledged while satnav was killed is there after it came back,
// once each.
func TestEventsOutliveKill(t *testing.T) {
	t.Parallel()
	data, address := t.TempDir(), freeAddress()
	random := rand.New(rand.NewPCG(11, 7))
	acknowledged := map[string]int{} // by shopper
	const writers = 6
	for round := range 3 {
		p := start(t, data, "serve", "--data", data, "--listen", address)
		p.up(t, address)
		var all sync.WaitGroup
		var mu sync.Mutex
		tokens := make([]string, writers)
		for w := range writers {
			tokens[w] = p.as(t, identity.Claims{Role: identity.Shopper, Subject: fmt.Sprint("survivor-", w), Retailer: "crash"})
		}
		for w := range writers {
			all.Go(func() {
				for n := 0; ; n++ {
					event := fmt.Sprintf(`{"events":[{"id":"r%d-%d","kind":"view","item":"i"}]}`, round, n)
					request, err := http.NewRequest("POST", p.url+"/v1/events", strings.NewReader(event))
					if err != nil {
						t.Error(err)
						return
					}
					request.Header.Set("Authorization", "Bearer "+tokens[w])
					request.Header.Set("Content-Type", "application/json")
					response, err := apitest.Client(t).Do(request)
					if err != nil {
						return // killed
					}
					body, err := io.ReadAll(response.Body)
					_ = response.Body.Close()
					if err != nil {
						return
					}
					if response.StatusCode != 200 || !strings.Contains(string(body), `"stored"`) {
						t.Errorf("got %d %s", response.StatusCode, body)
						return
					}
					mu.Lock()
					acknowledged[fmt.Sprintf("survivor-%d r%d-%d", w, round, n)]++
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(100+random.IntN(400)) * time.Millisecond) // any moment is a good one to be killed
		p.kill(t)
		all.Wait()
	}
	if len(acknowledged) < 3*writers {
		t.Fatalf("only %d events were acknowledged: the test proves nothing", len(acknowledged))
	}
	p := start(t, data, "serve", "--data", data, "--listen", address)
	p.up(t, address)
	for w := range writers {
		subject := fmt.Sprint("survivor-", w)
		token, seen := p.as(t, identity.Claims{Role: identity.Shopper, Subject: subject, Retailer: "crash"}), map[string]int{}
		for cursor, more := "", true; more; {
			page := read[wire.Diary](p.call(t, token, "GET", "/v1/me/diary?limit=500"+cursor, nil).wants(200))
			for _, e := range eventsIn(page) {
				seen[subject+" "+e.ID]++
			}
			cursor, more = "&cursor="+page.Next, page.Next != ""
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s is there %d times", id, n)
			}
		}
		for id := range acknowledged {
			if strings.HasPrefix(id, subject+" ") && seen[id] == 0 {
				t.Errorf("%s was acknowledged and is lost", id)
			}
		}
	}
	t.Logf("%d events were acknowledged", len(acknowledged))
}

// contents sums up what a demo city serves: stores, geofences, products, whose history is used, and the diaries of
// all shoppers.
func (p *process) contents(t *testing.T, end time.Time) string {
	t.Helper()
	admin, backend := p.role(t, identity.Admin, demo.Retailer), p.role(t, identity.Backend, demo.Retailer)
	configured, remembered := sha256.New(), sha256.New()
	counts := map[string]int{}
	for _, path := range []string{"/v1/stores", "/v1/geofences", "/v1/products"} {
		for cursor, more := "", true; more; {
			page := read[map[string]json.RawMessage](p.stream(t, admin, "GET", path+"?limit=500"+cursor, nil).wants(200))
			for _, name := range []string{"stores", "features", "products"} {
				var list []map[string]any
				if page[name] == nil {
					continue
				}
				if err := json.Unmarshal(page[name], &list); err != nil {
					t.Fatal(err)
				}
				for _, entry := range list {
					delete(entry, "updated_at")
					counts[name]++
					fmt.Fprintln(configured, entry) // fmt sorts keys
				}
			}
			var next string
			if more = page["next"] != nil; more {
				if err := json.Unmarshal(page["next"], &next); err != nil {
					t.Fatal(err)
				}
			}
			cursor = "&cursor=" + next
		}
	}
	small := demo.New(1, demo.Scale{Shoppers: 60, Days: 30}, end)
	for i := range 60 {
		used := p.ask(t, backend, wire.ContextRequest{Shopper: small.ID(i), At: end}).Used
		fmt.Fprintln(configured, used.History, used.Purposes)
		diary := read[wire.Diary](p.stream(t, p.shopper(t, small.ID(i)), "GET", "/v1/me/diary?limit=500", nil).wants(200))
		counts["diary"] += len(eventsIn(diary))
		var lines []string
		for _, e := range eventsIn(diary) {
			lines = append(lines, fmt.Sprintln(e.At.UTC(), e.ID, e.Item))
		}
		slices.Sort(lines) // what happened at the same instant has an order of its own in each installation
		fmt.Fprintln(remembered, lines)
	}
	return fmt.Sprintf("%v, configuration %.4x, diaries %.4x", counts, configured.Sum(nil), remembered.Sum(nil))
}

// TestSeedingResumes holds that a seeding which was killed at any moment ends, once started again, with the
// very city that an undisturbed one makes.
func TestSeedingResumes(t *testing.T) {
	t.Parallel()
	end := time.Now()
	args := func(data, address string) []string {
		return []string{"demo", "--data", data, "--listen", address, "--shoppers", "60", "--days", "30"}
	}
	whole, address := filepath.Join(t.TempDir(), "whole"), freeAddress()
	p := start(t, whole, args(whole, address)...)
	p.up(t, address)
	want := p.contents(t, end)
	p.kill(t)

	data := filepath.Join(t.TempDir(), "killed")
	for _, moment := range []string{"products", "purchases"} {
		p := start(t, data, args(data, address)...)
		p.says(t, moment)
		p.kill(t)
	}
	p = start(t, data, args(data, address)...)
	p.up(t, address)
	if got := p.contents(t, end); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDrain holds that a satnav that is told to stop answers the calls under way and ends in time.
func TestDrain(t *testing.T) {
	t.Parallel()
	data, address := t.TempDir(), freeAddress()
	p := start(t, data, "serve", "--data", data, "--listen", address)
	p.up(t, address)
	token := p.role(t, identity.Backend, "drain")
	slow, feed := io.Pipe()
	answered := make(chan reply, 1)
	go func() {
		answered <- p.stream(t, token, "POST", "/v1/import/stock", slow, "Content-Type", "application/x-ndjson")
	}()
	row := func(n int) {
		if _, err := fmt.Fprintf(feed, "{\"item\":\"i%d\",\"store\":\"s\",\"stock\":1}\n", n); err != nil {
			t.Error(err)
		}
	}
	row(1)
	eventually(t, "the import is under way", func() bool {
		return strings.Contains(string(p.stream(t, token, "GET", "/v1/stores", nil).wants(200).body), "stores")
	})
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.says(t, "draining")
	row(2)
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-answered; r.status != 200 || read[wire.ImportReport](r).Stored != 2 {
		t.Errorf("the call under way got %d %s", r.status, r.body)
	}
	for range p.lines {
	}
	if err := <-p.ended; err != nil {
		t.Errorf("the process ended with %v", err)
	}
	p.ended <- nil
	if took := time.Since(began); took > 20*time.Second { // 10 s, and a slow machine
		t.Errorf("it took %s to end", took)
	}
}
