package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"satnav/config"
	"satnav/server/identity"
)

// Overload is how the server fares when far more is asked of it than it can answer. Latencies are of accepted calls and count
// from when a call was sent: what waits in a caller that has no connection free was not asked yet.
type Overload struct {
	Times    float64 // of the highest sustained rate, that were due
	Sent     float64 // calls a second that callers got rid of
	Accepted float64 // calls a second that were answered
	Refused  float64 // calls a second that were told to come back

	Before, During, After Spread // of the flood: at half of the highest rate, in it, and from a second after it at half again

	// Beside are the calls of another retailer, few and even, while nothing else runs at half rate, and during the flood.
	BesideBefore, BesideDuring Spread
	BesideRefused              int64
}

// Spread are latencies in milliseconds.
type Spread struct{ P50, P99 float64 }

func spread(h *hdrhistogram.Histogram) Spread {
	return Spread{milli(h.ValueAtQuantile(50)), milli(h.ValueAtQuantile(99))}
}

// flood is how many times the highest rate is asked for.
const flood = 5

// besideRate is how often the other retailer calls, a second.
const besideRate = 100

// refusal is an answer that tells to come back.
type refusal struct{ status int }

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d", r.status) }

// tally counts the calls of one load from when they were sent.
type tally struct {
	mu       sync.Mutex
	accepted *hdrhistogram.Histogram
	refused  int64
}

// count makes one call.
func (t *tally) count(call func() error) error {
	began := time.Now()
	err := call()
	took := time.Since(began)
	var told *refusal
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.As(err, &told) {
		t.refused++
		return nil
	}
	if err == nil {
		_ = t.accepted.RecordValue(min(max(took.Microseconds(), 1), 60_000_000)) // always within
	}
	return err
}

// overload floods a server that sheds, as by default.
func (b *bench) overload(ctx context.Context, server *child) error {
	key, err := identity.DevelopmentKey(b.data)
	if err != nil {
		return err
	}
	c := config.Default().Identity
	now := time.Now()
	token, err := identity.Issuer{Key: key, Issuer: c.Issuer, Audience: c.Audience}.Issue(identity.Claims{Retailer: "beside", Role: identity.Backend, Subject: "till", Expires: now.Add(tokenLife)}, now)
	if err != nil {
		return err
	}
	const body = `{"shopper":"somebody","limit":5}`
	request := fmt.Appendf(nil, "POST /v1/context HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", server.address, token, len(body), body)

	lasting := min(b.Duration, 10*time.Second)
	rate := b.report.Context.Rate
	o := new(Overload)
	o.Times = flood
	for _, phase := range []struct {
		name         string
		rate         float64
		into, beside *Spread
	}{
		{"before", rate / 2, &o.Before, &o.BesideBefore},
		{"flood", flood * rate, &o.During, &o.BesideDuring},
		{"after", rate / 2, &o.After, nil},
	} {
		b.say("overload: %s, %.0f calls/s …", phase.name, phase.rate)
		all, beside := &tally{accepted: newHistogram()}, &tally{accepted: newHistogram()}
		var group sync.WaitGroup
		var besides outcome
		if phase.beside != nil {
			group.Go(func() { besides = b.beside(ctx, server, request, lasting, beside) })
		}
		main, err := b.flooded(ctx, server, phase.rate, lasting, all)
		group.Wait()
		if err := errors.Join(err, main.First, besides.First, ctx.Err()); err != nil {
			return fmt.Errorf("overload, %s: %w", phase.name, err)
		}
		*phase.into = spread(all.accepted)
		if phase.beside != nil {
			*phase.beside = spread(beside.accepted)
		}
		if phase.name == "flood" {
			seconds := main.Took.Seconds()
			o.Accepted, o.Refused = float64(all.accepted.TotalCount())/seconds, float64(all.refused)/seconds
			o.Sent, o.BesideRefused = o.Accepted+o.Refused, beside.refused
			time.Sleep(time.Second)
		}
	}
	b.report.Overload = o
	return nil
}

// flooded makes a load of the city's shoppers that ends in time: what could not be sent by then is not.
func (b *bench) flooded(ctx context.Context, server *child, rate float64, lasting time.Duration, t *tally) (outcome, error) {
	b.seed++
	callers := make([]*caller, b.Connections)
	for i := range callers {
		c, err := b.traffic.caller(server.address, b.traffic.lives, i, b.seed)
		if err != nil {
			return outcome{}, err
		}
		defer func() { _ = c.client.close() }()
		callers[i] = c
	}
	end := time.Now().Add(lasting)
	l := load{rate: rate, lasting: lasting, workers: len(callers), hopeless: time.Hour}
	l.call = func(worker int, _ int64) (class, error) {
		if time.Now().After(end) {
			return plain, nil
		}
		return plain, t.count(func() error { _, err := callers[worker].call(); return err })
	}
	return l.run(ctx), nil
}

// beside lets the other retailer call.
func (b *bench) beside(ctx context.Context, server *child, request []byte, lasting time.Duration, t *tally) outcome {
	const workers = 8
	var clients [workers]*client
	for i := range clients {
		c, err := dial(server.address)
		if err != nil {
			return outcome{First: err}
		}
		defer func() { _ = c.close() }()
		clients[i] = c
	}
	l := load{rate: besideRate, lasting: lasting, workers: workers, hopeless: time.Hour}
	l.call = func(worker int, _ int64) (class, error) {
		return plain, t.count(func() error {
			status, answer, err := clients[worker].post(request)
			return judged(status, answer, err)
		})
	}
	return l.run(ctx)
}

// judged is the error of an answer.
func judged(status int, answer []byte, err error) error {
	switch {
	case err != nil:
		return err
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return fmt.Errorf("%.300s: %w", answer, &refusal{status})
	case status != http.StatusOK:
		return fmt.Errorf("status %d: %.300s", status, answer)
	}
	return nil
}
