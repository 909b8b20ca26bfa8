// Package bench measures how many calls of /v1/context this machine bears beside how many a bare handler
// does, on the demo city, and prints both with their ratio.
//
// It exists because a promise like "a few milliseconds" needs a number that anybody can get again with one
// command on their own machine. A ratio to a bare handler says the same on a fast machine and on a slow one,
// where requests a second do not. Decided against: a closed loop (a server that stops is then asked less, and
// looks well) and the load in the server's own process (it would share its scheduler and its collector).
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/api/echo"
	"satnav/server/app"
	"satnav/server/demo"
	"satnav/server/identity"
	"satnav/server/store/embedded/bare"
)

// Options say what is measured, and for how long.
type Options struct {
	Data         string        // folder of the seeded city, kept and used again; empty: a temporary one
	Shoppers     int           // that live in the city
	Days         int           // of history that they have
	Duration     time.Duration // of each run that counts
	Probe        time.Duration // of each try while the highest rate is looked for
	Bound        time.Duration // within which 99 of 100 calls must be answered for a rate to count as sustained
	Most         float64       // the highest rate that is tried; 0: no end
	Rate         float64       // measure at this rate alone, whether it holds or not; 0: look for the highest
	Connections  int           // that calls come in through: how many may be under way at once
	Crossings    float64       // share of calls that report a crossing
	BackendToken bool          // one backend's token for all calls, instead of one token a shopper
	Overload     bool          // flood the server, too
	Profile      string        // file for a CPU profile of the server during the run that counts; empty: none

	Program string    // this program, started again for the servers
	Env     []string  // added to their environment
	Said    io.Writer // progress, for people
	Log     *slog.Logger
}

// EchoCommand is the argument by which this program becomes the bare handler; the file with its answer follows.
const EchoCommand = "--echo"

// Echo serves the bare handler until the context ends. file holds the answer that it always gives.
func Echo(ctx context.Context, file string, said io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	reply := new(wire.ContextResponse)
	if err := json.Unmarshal(text, reply); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(said, "echo serves http://%s\n", listener.Addr())
	return echo.Serve(ctx, listener, reply)
}

// bench is one run of the benchmark.
type bench struct {
	Options
	data    string
	note    note
	city    *demo.City
	traffic *traffic
	report  Report
	seed    uint64 // of the next load's random numbers
}

// note is what is kept beside a seeded city, so that it is used again as it was left.
type note struct {
	Shoppers int       `json:"shoppers"`
	Days     int       `json:"days"`
	Clock    time.Time `json:"clock"` // up to which its people have lived
}

const noteFile = "bench.json"

// Run measures and returns the figures.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	b := &bench{Options: o, data: o.Data}
	b.report.begin(&o)
	scratch, err := os.MkdirTemp("", "satnav-bench-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if b.data == "" {
		b.data = filepath.Join(scratch, "city")
	}
	if err := b.settle(ctx); err != nil {
		return nil, err
	}
	operator, err := freeAddress()
	if err != nil {
		return nil, err
	}
	b.say("starting the server …")
	serve := func(address string, more ...string) (*child, error) {
		return start(ctx, &o, "satnav serve", append([]string{
			"serve", "--listen", address, "--data", b.data, "--operator-listen", operator,
			"--set", "limits.shopper_calls=1000000", "--set", "limits.service_calls=1000000", "--set", "limits.retailer_calls=1000000",
			"--set", "identity.token_cache=" + strconv.Itoa(max(100, 2*o.Shoppers)), "--set", "log.level=warn",
		}, more...)...)
	}
	served, err := serve("127.0.0.1:0", "--set", "limits.max_wait=0s") // the highest rate is that at which nothing had to be refused
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, served.stop()) }() // stop may be asked twice
	if err := b.prepare(ctx, served.address); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.leave()) }() // also of a run that failed: its people have lived
	reply, err := b.warm(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(scratch, "reply.json")
	if err := os.WriteFile(file, reply, 0o600); err != nil {
		return nil, err
	}
	b.report.ReplyBytes = len(reply)
	bareEcho, err := start(ctx, &o, "bare echo", "bench", EchoCommand, file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bareEcho.stop()) }()
	if err := b.measure(ctx, served, bareEcho, "http://"+operator); err != nil {
		return nil, err
	}
	if err := b.halves(ctx, served, bareEcho, filepath.Join(scratch, "bare")); err != nil {
		return nil, err
	}
	if o.Overload {
		if err := served.stop(); err != nil {
			return nil, err
		}
		if served, err = serve(served.address); err != nil {
			return nil, err
		}
		if _, err := b.warm(ctx); err != nil { // tokens and shoppers are cold again
			return nil, err
		}
		if err := b.overload(ctx, served); err != nil {
			return nil, err
		}
	}
	return &b.report, nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.Said, format+"\n", args...) }

// settle makes sure that the folder holds the seeded city.
func (b *bench) settle(ctx context.Context) error {
	b.note = note{Shoppers: b.Shoppers, Days: b.Days}
	path := filepath.Join(b.data, noteFile)
	text, err := os.ReadFile(path)
	if err == nil {
		var there note
		if err := json.Unmarshal(text, &there); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if there.Shoppers != b.Shoppers || there.Days != b.Days {
			return fmt.Errorf("%s holds a city of %d shoppers and %d days, not of %d and %d: name another folder, or say --shoppers %d --days %d",
				b.data, there.Shoppers, there.Days, b.Shoppers, b.Days, there.Shoppers, there.Days)
		}
		if left := time.Since(there.Clock); left < 4*time.Hour {
			return fmt.Errorf("%s: the clocks of its people have come to %s, and run ahead of ours: name another folder", b.data, there.Clock.Format(time.RFC3339))
		}
		b.note = there
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	c := config.Default()
	c.Data = b.data
	began := time.Now()
	satnav, err := app.Open(ctx, app.Options{Config: c, Log: b.Log})
	if err != nil {
		return err
	}
	b.city, err = satnav.SeedDemo(ctx, demo.Scale{Shoppers: b.Shoppers, Days: b.Days}, func(part string) { b.say("seeding %s …", part) })
	seeded := time.Since(began)
	if err == nil && b.note.Clock.IsZero() { // it was seeded now
		b.say("learning …")
		_, err = satnav.Retailers.Learn(ctx, demo.Retailer)
		b.report.SeedSeconds, b.report.LearnSeconds = seeded.Seconds(), (time.Since(began) - seeded).Seconds()
	}
	if err = errors.Join(err, satnav.Close()); err != nil {
		return err
	}
	debug.FreeOSMemory() // the load generator needs none of it
	if b.note.Clock.IsZero() {
		b.note.Clock = time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second)
	}
	return b.leave()
}

// leave writes the note.
func (b *bench) leave() error {
	if b.traffic != nil {
		b.note.Clock = b.traffic.latest()
	}
	text, err := json.Marshal(b.note)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.data, noteFile), append(text, '\n'), 0o600)
}

func (b *bench) prepare(ctx context.Context, address string) (err error) {
	b.say("making tokens …")
	c := config.Default().Identity
	key, err := identity.DevelopmentKey(b.data)
	if err != nil {
		return err
	}
	issuer := identity.Issuer{Key: key, Issuer: c.Issuer, Audience: c.Audience}
	b.traffic, err = newTraffic(ctx, &b.Options, b.city, issuer, b.note.Clock, address)
	return err
}

// comeBack is how long is waited, while nothing is measured, before a refused call is made again.
const comeBack = 100 * time.Millisecond

// warm lets everybody call once, so that what is measured is a server at work, and returns an answer of
// middling length.
func (b *bench) warm(ctx context.Context) (reply []byte, err error) {
	b.say("warming up: every shopper calls once …")
	var (
		next    atomic.Int64
		mu      sync.Mutex
		samples [][]byte
		group   sync.WaitGroup
		failed  error
	)
	for worker := range min(b.Connections, 16) {
		c, err := b.traffic.caller(b.traffic.host, b.traffic.lives, worker, 0)
		if err != nil {
			return nil, err
		}
		group.Go(func() {
			defer func() { _ = c.client.close() }() // nothing is left to send
			for who := int(next.Add(1)) - 1; who < len(b.traffic.people) && ctx.Err() == nil; who = int(next.Add(1)) - 1 {
				answer, err := c.send(who, false, 10)
				for told := (*refusal)(nil); errors.As(err, &told) && ctx.Err() == nil; { // a server that is still busy with what came before
					time.Sleep(comeBack)
					answer, err = c.send(who, false, 10)
				}
				mu.Lock()
				if err != nil && failed == nil {
					failed = fmt.Errorf("warming up: %w", err)
				}
				if len(samples) < 101 && err == nil {
					samples = append(samples, append([]byte(nil), answer...))
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed, ctx.Err()); err != nil {
		return nil, err
	}
	return middling(samples), nil
}

// against makes loads on one server.
func (b *bench) against(ctx context.Context, server *child, rate float64, lasting time.Duration) (outcome, error) {
	b.seed++
	callers, known := make([]*caller, b.Connections), b.traffic.lives
	if server.address != b.traffic.host {
		known = make(lives, len(known))
	}
	defer func() {
		for _, c := range callers {
			if c != nil {
				_ = c.client.close()
			}
		}
	}()
	for i := range callers {
		c, err := b.traffic.caller(server.address, known, i, b.seed)
		if err != nil {
			return outcome{}, fmt.Errorf("%s: %w", server.name, err)
		}
		callers[i] = c
	}
	runtime.GC() // not while it is measured
	l := load{rate: rate, lasting: lasting, workers: len(callers), hopeless: 20 * b.Bound, call: func(worker int, _ int64) (class, error) { return callers[worker].call() }}
	before := server.processor()
	o := l.run(ctx)
	o.Processor = server.processor() - before
	return o, ctx.Err()
}

// measure finds the highest rate of the bare handler and of the server.
func (b *bench) measure(ctx context.Context, served, bareEcho *child, operator string) error {
	for _, one := range []struct {
		server *child
		into   *Figures
	}{{bareEcho, &b.report.Echo}, {served, &b.report.Context}} {
		b.say("loading %s …", one.server.name)
		s := search{
			from: 1000, most: b.Most, bound: b.Bound, probe: b.Probe, confirm: b.Duration,
			try: func(ctx context.Context, rate float64, lasting time.Duration) (outcome, error) {
				if b.Profile != "" && one.server == served && lasting == b.Duration {
					done := make(chan error, 1)
					go func() { done <- profile(ctx, operator, lasting, b.Profile) }()
					o, err := b.against(ctx, one.server, rate, lasting)
					return o, errors.Join(err, <-done)
				}
				return b.against(ctx, one.server, rate, lasting)
			},
			said: func(rate float64, o *outcome) { b.say("  %s", o.line(rate, b.Bound)) },
		}
		rate, o, err := b.Rate, outcome{}, error(nil)
		if rate > 0 {
			if o, err = s.try(ctx, rate, b.Duration); err == nil {
				err = o.First
			}
		} else {
			rate, o, err = s.highest(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", one.server.name, err)
		}
		*one.into = figures(rate, &o)
	}
	b.report.Ratio = b.report.Context.Rate / b.report.Echo.Rate
	return nil
}

// halves compares both at half of the server's highest rate, and the calls that wait for a commit with a bare
// synced put, which is made as often beside the same load.
func (b *bench) halves(ctx context.Context, served, bareEcho *child, folder string) error {
	rate := b.report.Context.Rate / 2
	lasting := min(b.Duration, 30*time.Second)
	b.say("at half of that rate …")
	o, err := b.against(ctx, served, rate, lasting)
	if err != nil {
		return err
	}
	b.report.HalfContext, b.report.HalfCrossing = classFigures(rate, &o, plain), classFigures(rate, &o, crossing)
	if o, err = b.against(ctx, bareEcho, rate, lasting); err != nil {
		return err
	}
	b.report.HalfEcho = figures(rate, &o)

	store, err := bare.Open(folder)
	if err != nil {
		return err
	}
	defer store.Close()
	puts := load{rate: max(1, b.report.HalfCrossing.Rate), lasting: lasting, workers: b.Connections, hopeless: time.Minute}
	puts.call = putter(store)
	done := make(chan outcome, 1)
	go func() { done <- puts.run(ctx) }()
	if _, err = b.against(ctx, bareEcho, rate, lasting); err != nil {
		<-done
		return err
	}
	put := <-done
	if put.First != nil {
		return fmt.Errorf("bare synced put: %w", put.First)
	}
	b.report.Put = figures(puts.rate, &put)
	return nil
}

// putBytes is about what the commit of a crossing writes.
const putBytes = 3 << 10

// putter puts a value of its own at a random key, each call.
func putter(store *bare.Store) func(int, int64) (class, error) {
	value := make([]byte, putBytes)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	return func(_ int, n int64) (class, error) {
		return crossing, store.Put(fmt.Appendf(nil, "%08x", uint32(n)*2654435761), value) // spread over the keys
	}
}

// profile fetches a CPU profile from the operator's address.
func profile(ctx context.Context, operator string, lasting time.Duration, file string) error {
	seconds := max(1, int(lasting.Seconds())-1)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, operator+"/debug/pprof/profile?seconds="+strconv.Itoa(seconds), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, response.Body)
	return errors.Join(err, out.Close())
}
