package store_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

// turns lets several callers of one store go on one at a time, in an order that a seed chooses. Each waits for its turn before and after each verb of
// the store: whatever order the verbs, and what the callers do between them, may have in production comes up here.
type turns struct {
	store.Documents
}

// caller is one of those who take turns.
type caller struct {
	do     func(ctx context.Context) error
	turn   chan struct{}
	rested chan bool // true: it is done
	err    error
}

type callerKey struct{}

// rest gives the turn away and waits for the next one. What works beside the callers has none.
func rest(ctx context.Context) {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.rested <- false
		<-c.turn
	}
}

func (d turns) Get(ctx context.Context, partition, id string) (store.Document, error) {
	rest(ctx)
	defer rest(ctx)
	return d.Documents.Get(ctx, partition, id)
}

func (d turns) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	rest(ctx)
	defer rest(ctx)
	return d.Documents.Scan(ctx, partition, from, to, limit)
}

func (d turns) Revision(ctx context.Context, partition string) (store.Revision, error) {
	rest(ctx)
	defer rest(ctx)
	return d.Documents.Revision(ctx, partition)
}

func (d turns) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	rest(ctx)
	defer rest(ctx)
	return d.Documents.Commit(ctx, b)
}

func (d turns) Erase(ctx context.Context, partition string) (bool, error) {
	rest(ctx)
	defer rest(ctx)
	return d.Documents.Erase(ctx, partition)
}

// interleave runs the callers to their end and returns a name of the order in which they went.
func interleave(random *rand.Rand, callers []*caller) (order uint64, err error) {
	left := make([]int, len(callers))
	for i, c := range callers {
		left[i] = i
		c.turn, c.rested = make(chan struct{}), make(chan bool)
		go func() {
			<-c.turn
			c.err = c.do(context.WithValue(context.Background(), callerKey{}, c))
			c.rested <- true
		}()
	}
	path := fnv.New64a()
	for len(left) > 0 {
		n := random.IntN(len(left))
		c := callers[left[n]]
		_, _ = path.Write([]byte{byte(left[n])})
		c.turn <- struct{}{}
		if <-c.rested {
			err = errors.Join(err, c.err)
			left = append(left[:n], left[n+1:]...)
		}
	}
	return path.Sum64(), err
}

// withdrawing is one shopper who takes back what they granted while others, in one or several processes, read and write what is known of them.
type withdrawing struct {
	key     who.Key
	handles []*store.Shoppers // one a process
	purpose who.Purpose
	said    bool // the withdrawal, or the erasure, was acknowledged
	erase   bool

	after, before int // reads that began after it, and those before it that saw something
}

// taken takes back the purpose, as privacy does.
func (w *withdrawing) taken(h *store.Shoppers) func(context.Context) error {
	return func(ctx context.Context) error {
		if w.erase {
			_, err := h.Erase(ctx, w.key, now)
			w.said = err == nil
			return err
		}
		for {
			shopper, err := h.Shopper(ctx, w.key)
			if err != nil {
				return err
			}
			change := store.Change{At: now, Grants: []who.Grant{{Purpose: w.purpose, At: now, Source: who.ByShopper}}}
			if w.purpose == who.Location {
				change.Presence = &geo.Presence{}
			}
			if _, err = h.Commit(ctx, w.key, shopper.Revision(), change); errors.Is(err, store.ErrConflict) {
				continue
			}
			w.said = err == nil
			return err
		}
	}
}

// sees tells what a shopper, read at some moment, still shows for the purpose.
func (w *withdrawing) sees(s *who.Shopper) bool {
	view, ok := who.Access(w.purpose, who.NewSubject(s, who.Permissions{Location: geo.Precise}))
	return ok || view.History() != nil || view.Presence().Shopper != "" || w.purpose == who.Loyalty && who.Counted(s) != nil
}

// read reads the shopper several times.
func (w *withdrawing) read(h *store.Shoppers) func(context.Context) error {
	return func(ctx context.Context) error {
		for range 3 {
			said := w.said
			shopper, err := h.Shopper(ctx, w.key)
			if errors.Is(err, who.ErrUnknown) || errors.Is(err, store.ErrErasing) {
				shopper, err = nil, nil
			}
			if err != nil {
				return err
			}
			saw := w.sees(shopper)
			switch {
			case said && saw:
				return errors.New("a read that began after it sees what was taken back")
			case said:
				w.after++
			case saw:
				w.before++
			}
			rest(ctx)
		}
		return nil
	}
}

// record brings an event.
func (w *withdrawing) record(h *store.Shoppers) func(context.Context) error {
	return func(ctx context.Context) error {
		for i := range 2 {
			said := w.said
			recorded, err := h.Record(ctx, w.key, now, nil, []who.Event{buys(fmt.Sprint("e", i), "milk", now)})
			if said && w.purpose == who.Loyalty && err == nil && recorded.Fresh[0] { // one that was there before is told so
				return errors.New("an event that came after it was kept")
			}
			if err != nil && !errors.Is(err, store.ErrNoGrant) && !errors.Is(err, store.ErrErasing) {
				return err
			}
		}
		return nil
	}
}

// walk keeps where the shopper is, as a call does: what nothing was decided on in memory, where that may be.
func (w *withdrawing) walk(h *store.Shoppers, remember bool) func(context.Context) error {
	return func(ctx context.Context) error {
		for i := range 2 {
			shopper, err := h.Shopper(ctx, w.key)
			if errors.Is(err, who.ErrUnknown) || errors.Is(err, store.ErrErasing) {
				return nil
			}
			if err != nil {
				return err
			}
			view, ok := who.Access(who.Location, who.NewSubject(shopper, who.Permissions{Location: geo.Precise}))
			if !ok {
				return nil
			}
			p := view.Presence()
			p.Shopper, p.Now.Seen = "somewhere", now.Add(time.Duration(i)*time.Second)
			rest(ctx) // while the call is worked on
			if remember && h.Remember(w.key, shopper.Revision(), &p) {
				continue
			}
			_, err = h.Commit(ctx, w.key, shopper.Revision(), store.Change{At: now, Presence: &p, Lazy: true})
			if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrErasing) {
				return err
			}
		}
		return nil
	}
}

// attach brings what moves the revision and nothing else.
func (w *withdrawing) attach(h *store.Shoppers) func(context.Context) error {
	return func(ctx context.Context) error {
		for i := range 2 {
			err := h.Attach(ctx, w.key, []store.Document{{ID: fmt.Sprint("other/", i), Body: []byte("\x05\x00\x00\x00\x00")}}, nil, true)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// TestWithdrawalHoldsFromTheNextRequest runs callers of one shopper in many orders: nothing that begins after a withdrawal or an erasure was
// acknowledged sees or adds anything for the purpose, in the process that took it and in another one, with caches that hold everybody and with caches that
// hold nobody. SATNAV_TEST_LONG runs 100,000 orders and more.
func TestWithdrawalHoldsFromTheNextRequest(t *testing.T) {
	t.Parallel()
	orders := 700 // of each configuration
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		orders = 25_000
	}
	for _, c := range []struct {
		name       string
		processes  int
		cacheBytes uint64
	}{
		{"one process", 1, 64 << 20},
		{"one process that remembers nobody", 1, 1},
		{"two processes", 2, 64 << 20},
		{"two processes, the smallest caches", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			documents := embeddedtest.InMemory(t)
			var handles []*store.Shoppers
			for range c.processes {
				handles = append(handles, over(turns{documents}, c.cacheBytes, c.processes == 1))
			}
			const seed = 6
			random := rand.New(rand.NewPCG(seed, uint64(c.processes)))
			seen := map[uint64]bool{}
			after, before := 0, 0
			for n := range orders {
				w := &withdrawing{
					key: who.Key{Retailer: fmt.Sprint("r", n%50), Shopper: fmt.Sprint("s", n)}, handles: handles,
					purpose: []who.Purpose{who.Loyalty, who.Location}[n%2], erase: n%5 == 4,
				}
				order, err := w.run(random)
				if err != nil {
					t.Fatalf("seed %d, order %d, %q: %v", seed, n, w.purpose, err)
				}
				seen[order] = true
				after, before = after+w.after, before+w.before
			}
			if len(seen) < orders*9/10 || after < orders || before < orders/2 {
				t.Errorf("%d orders, %d of them different; %d reads after a withdrawal, %d before one that saw something: that tries too little", orders, len(seen), after, before)
			}
			t.Logf("%d orders, %d different, 0 leaks; reads: %d after, %d before", orders, len(seen), after, before)
		})
	}
}

// run makes the shopper, lets everybody loose, and looks once more at the end.
func (w *withdrawing) run(random *rand.Rand) (order uint64, err error) {
	ctx := context.Background()
	some := func() *store.Shoppers { return w.handles[random.IntN(len(w.handles))] }
	first := some()
	if _, err := first.Commit(ctx, w.key, 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Shopper: "somewhere"}, Events: []who.Event{buys("e", "bread", now)}}); err != nil {
		return 0, err
	}
	for _, h := range w.handles { // they know the shopper
		if _, err := h.Shopper(ctx, w.key); err != nil {
			return 0, err
		}
	}
	kinds := []func(*store.Shoppers) func(context.Context) error{
		w.read, w.read, w.record, w.attach,
		func(h *store.Shoppers) func(context.Context) error { return w.walk(h, true) },
		func(h *store.Shoppers) func(context.Context) error { return w.walk(h, false) },
	}
	callers := []*caller{{do: w.taken(some())}, {do: w.read(some())}}
	for range 2 + random.IntN(2) {
		callers = append(callers, &caller{do: kinds[random.IntN(len(kinds))](some())})
	}
	if order, err = interleave(random, callers); err != nil {
		return order, err
	}
	for _, h := range w.handles {
		if err := w.read(h)(ctx); err != nil {
			return order, fmt.Errorf("in the end: %w", err)
		}
		if err := h.Flush(ctx); err != nil {
			return order, err
		}
		if err := w.read(h)(ctx); err != nil {
			return order, fmt.Errorf("once all is written: %w", err)
		}
	}
	return order, nil
}
