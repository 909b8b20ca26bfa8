// Package deliver brings triggers to the systems of retailers: to webhooks, and to a stream of NATS where an operator
// has one.
//
// What is to be told is written by the commit that makes it true, as letters in the shopper's partition (see
// store.Letter), so that no crossing is told that did not happen and none that happened is forgotten. Each endpoint has a
// lane of its own, which finds waiting letters by their marks and hands them over shopper by shopper, each shopper's in
// order. A letter goes when its endpoint has it: a process that is killed in between sends it again, with the same id.
//
// Decided against:
//
//   - One queue for all endpoints. The slowest would set the pace; here it holds up itself alone.
//   - A broker as a necessity. The store is durable already, and a commit that spans it and a broker does not exist.
//   - Skipping a letter that fails and coming back to it. Receivers would see an exit before its enter. The letters of that
//     one shopper wait, those of all others do not.
//   - Deleting what cannot be delivered. It is kept, shown, and sent when somebody asks for it.
package deliver

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"satnav/server/retailer"
	"satnav/server/store"
)

// Sink takes messages. It is safe for concurrent use.
type Sink interface {
	// Send hands over one message; nil says that the receiver has it for good. After an error the receiver may have it or
	// not, and it is sent again. A *Refusal may say when.
	Send(ctx context.Context, m *Message) error
}

// Config says how hard is tried. Zero values are replaced by those of Defaults.
type Config struct {
	Guard    Guard
	Timeout  time.Duration // of one try
	GiveUp   time.Duration // a letter is tried for at least so long, from its first try
	AtOnce   int           // tries under way at once, of one endpoint
	First    time.Duration // wait after the first failure; it doubles
	Longest  time.Duration // wait between two tries
	Poll     time.Duration // how often letters of other processes are looked for
	Late     time.Duration // how long a letter may become visible after it was made, at most: as long as a call may take, and clocks differ
	Breaking time.Duration // first rest of an endpoint that fails again and again; it doubles up to a minute
	// Sinks are endpoints of the installation, which are told of all triggers of all retailers, by name. Names begin with '~'.
	Sinks map[string]Sink
}

// Defaults are good for most.
func Defaults() Config {
	return Config{
		Timeout: 10 * time.Second, GiveUp: 72 * time.Hour, AtOnce: 32, First: 2 * time.Second, Longest: time.Hour,
		Poll: 250 * time.Millisecond, Late: 15 * time.Second, Breaking: time.Second,
	}
}

func (c Config) complete() Config {
	d := Defaults()
	for _, knob := range []struct{ have, otherwise *time.Duration }{
		{&c.Timeout, &d.Timeout}, {&c.GiveUp, &d.GiveUp}, {&c.First, &d.First}, {&c.Longest, &d.Longest}, {&c.Poll, &d.Poll}, {&c.Late, &d.Late}, {&c.Breaking, &d.Breaking},
	} {
		if *knob.have == 0 {
			*knob.have = *knob.otherwise
		}
	}
	if c.AtOnce == 0 {
		c.AtOnce = d.AtOnce
	}
	return c
}

// Deliverer delivers what waits. At most one may run over a store at a time, or the order of a shopper's letters is lost.
type Deliverer struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	config    Config
	client    *http.Client
	metrics   *Metrics
	now       func() time.Time
	log       *slog.Logger

	mu    sync.Mutex
	lanes map[string]map[string]*lane // by retailer and endpoint
}

// New makes a deliverer; Run must be called.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, config Config, metrics *Metrics, now func() time.Time, log *slog.Logger) *Deliverer {
	config = config.complete()
	return &Deliverer{
		shoppers: shoppers, retailers: retailers, config: config, client: config.Guard.client(config.Timeout, config.AtOnce),
		metrics: metrics, now: now, log: log, lanes: map[string]map[string]*lane{},
	}
}

// How often the lanes are set against the configuration, and retailers are looked for that other processes made.
const (
	lanesEvery    = 200 * time.Millisecond
	strangersEach = 5 * time.Second
)

// Run delivers until the context ends, and returns once nothing is under way.
func (d *Deliverer) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer func() {
		running.Wait()
		d.mu.Lock()
		d.lanes = map[string]map[string]*lane{}
		d.mu.Unlock()
	}()
	lanes, strangers := time.NewTicker(lanesEvery), time.NewTicker(strangersEach)
	defer lanes.Stop()
	defer strangers.Stop()
	for {
		d.arrange(ctx, &running)
		select {
		case <-ctx.Done():
			return
		case <-strangers.C:
			if err := d.retailers.LoadAll(ctx); err != nil && ctx.Err() == nil {
				d.log.Warn("retailers whose triggers are to be delivered cannot be listed", "err", err)
			}
		case <-lanes.C:
		}
	}
}

// arrange starts a lane for each endpoint that has none, tells the others how their endpoint is configured now, and lets those
// end whose endpoint is gone.
func (d *Deliverer) arrange(ctx context.Context, running *sync.WaitGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, snapshot := range d.retailers.Snapshots() {
		name := snapshot.Retailer
		if d.lanes[name] == nil {
			d.lanes[name] = map[string]*lane{}
		}
		begin := func(endpoint string, sink Sink, hook *retailer.Webhook) {
			if l := d.lanes[name][endpoint]; l != nil {
				l.hook.Store(hook)
				return
			}
			l := newLane(d, name, endpoint, sink)
			l.hook.Store(hook)
			d.lanes[name][endpoint] = l
			running.Go(func() { l.run(ctx) })
		}
		for _, hook := range snapshot.Webhooks {
			begin(hook.ID, nil, hook)
		}
		for endpoint, sink := range d.config.Sinks {
			begin(endpoint, sink, nil)
		}
		for _, endpoint := range snapshot.Unhooked {
			begin(endpoint, nil, nil)
		}
	}
}

// Posted tells that letters of a retailer wait. It never blocks.
func (d *Deliverer) Posted(retailer string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes[retailer] {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}
