// Package retailer holds what a retailer configures (settings, stores, products, stock, geofences): it
// checks and keeps edits, and turns them into the immutable snapshots that requests are answered from.
//
// It exists so that an edit is live everywhere within a second and a request never waits for the store:
// edits are durable entries, requests read a picture in memory that is built aside and swapped whole.
// Decided against: caches with an expiry (nobody could say what an answer was made of), and reading
// configuration on the request path.
package retailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/server/identity"
	"satnav/server/store"
)

// Histories lists what the shoppers of a retailer have done.
type Histories interface {
	// Each calls f with the history of each shopper of the retailer, in no order, until f returns an error.
	Each(ctx context.Context, retailer string, f func(*who.History) error) error
	// EachAdded is Each with where the history stands, and with those who have none.
	EachAdded(ctx context.Context, retailer string, f func(store.AddedShopper) error) error
	// Added is EachAdded for some shoppers.
	Added(ctx context.Context, retailer string, partitions []string, f func(store.AddedShopper) error) error
	// Crowds is shared with other processes; nil: this one is alone.
	Crowds() *store.Crowds
}

// Retailers keeps the snapshot of each retailer and makes edits. It is safe for concurrent use.
type Retailers struct {
	entries   *store.Entries
	histories Histories
	names     *Names
	now       func() time.Time
	log       *slog.Logger
	region    string // of this deployment; empty: none, see Stand
	anybody   func(ctx context.Context, retailer string) (bool, error)
	folder    string  // where indexes of geofences are kept; empty: nowhere
	beside    *beside // nil: this process is alone

	mu       sync.Mutex
	pictures map[string]*picture
	running  sync.WaitGroup
}

// New makes retailers. Follow must run for edits of other processes, and for crowd counts, to arrive.
func New(entries *store.Entries, histories Histories, names *Names, now func() time.Time, log *slog.Logger) *Retailers {
	return &Retailers{entries: entries, histories: histories, names: names, now: now, log: log, pictures: map[string]*picture{}, beside: newBeside(histories.Crowds())}
}

const SettingsID = "settings"

// Of returns the retailer's snapshot. The first call makes a retailer that did not exist, with the
// default settings, and waits until its picture is loaded.
func (r *Retailers) Of(ctx context.Context, retailer string) (*Snapshot, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	return p.snapshot.Load(), nil
}

// Keep is how long data is kept for a purpose of a retailer, from memory. What is kept for a purpose that is declared no more is to go at once.
func (r *Retailers) Keep(retailer string, p who.Purpose) who.Keep {
	r.mu.Lock()
	loaded, ok := r.pictures[retailer]
	r.mu.Unlock()
	var snapshot *Snapshot
	if ok {
		snapshot = loaded.snapshot.Load()
	}
	if snapshot == nil { // it is on its way; once it is there, all are looked at whose times differ
		d, _ := who.Declared(p)
		return d.Keep
	}
	keep, ok := snapshot.Keeps[p]
	if !ok {
		return who.Keep{Age: time.Nanosecond}
	}
	return keep
}

// picture returns a retailer's loaded picture.
func (r *Retailers) picture(ctx context.Context, retailer string) (*picture, error) {
	r.mu.Lock()
	p, ok := r.pictures[retailer]
	if !ok {
		if !identity.ValidRetailer(retailer) {
			r.mu.Unlock()
			return nil, fmt.Errorf("retailer: got %.70q, want 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit", retailer)
		}
		p = newPicture(retailer, r.names.Of(retailer))
		p.shared = r.beside != nil
		r.pictures[retailer] = p
		r.running.Add(1)
		go func() { // not under the caller's context: others wait for it too
			defer r.running.Done()
			p.failed = r.load(context.WithoutCancel(ctx), p)
			if p.failed != nil {
				r.mu.Lock()
				delete(r.pictures, retailer) // the next call tries again
				r.mu.Unlock()
			}
			close(p.ready)
		}()
	}
	r.mu.Unlock()
	select {
	case <-p.ready:
		return p, p.failed
	case <-ctx.Done():
		return nil, fmt.Errorf("retailer %q is being loaded: %w", retailer, ctx.Err())
	}
}

// load reads a retailer's entries and histories, and makes the retailer if it is new.
func (r *Retailers) load(ctx context.Context, p *picture) error {
	began := time.Now()
	_, err := r.entries.Get(ctx, p.retailer, store.RetailerEntry, SettingsID)
	if errors.Is(err, store.ErrNotFound) {
		err = r.create(ctx, p.retailer)
	}
	if err != nil {
		return fmt.Errorf("retailer %q: %w", p.retailer, err)
	}
	for _, kind := range loadOrder {
		if kind == store.GeofenceEntry {
			if err := r.loadFences(ctx, p); err != nil {
				return fmt.Errorf("retailer %q: load geofences: %w", p.retailer, err)
			}
			p.edited.note(kind, began.UTC().Truncate(time.Millisecond)) // those of a kept index carry no times: all up to now are in
			continue
		}
		var entries []store.Entry
		collect := func(e store.Entry) error {
			entries = append(entries, e)
			return nil
		}
		var err error
		if kind == store.WebhookEntry { // of deleted ones letters may be left
			err = r.entries.Pages(ctx, p.retailer, kind, 1, func(_ int, page []store.RawEntry) error {
				for i := range page {
					e, err := page[i].Entry()
					if err != nil {
						return err
					}
					entries = append(entries, e)
				}
				return nil
			})
		} else {
			err = r.entries.Each(ctx, p.retailer, kind, collect)
		}
		if err != nil {
			return fmt.Errorf("retailer %q: load %s entries: %w", p.retailer, kind, err)
		}
		for _, err := range p.apply(entries) {
			r.log.Error("an entry cannot be used", "retailer", p.retailer, "err", err)
		}
	}
	if err := r.count(ctx, p); err != nil {
		return fmt.Errorf("retailer %q: count the crowd: %w", p.retailer, err)
	}
	p.debt.owe(p.model) // what a process recorded that ended before it had learnt
	r.log.Debug("retailer loaded", "retailer", p.retailer, "took", time.Since(began))
	return nil
}

// loadOrder loads what others depend on first.
var loadOrder = []store.EntryKind{store.RetailerEntry, store.StoreEntry, store.ProductEntry, store.StockEntry, store.GeofenceEntry, store.ModelEntry, store.PricesEntry, store.OfferEntry, store.RuleSetEntry, store.ExperimentEntry, store.WebhookEntry}

func (r *Retailers) create(ctx context.Context, retailer string) error {
	body, err := json.Marshal(Defaults())
	if err != nil {
		return err
	}
	absent := int64(0)
	outcomes, err := r.entries.Apply(ctx, retailer, store.RetailerEntry, "satnav", r.now(), []store.Edit{{ID: SettingsID, Body: body, Expect: &absent}})
	if err == nil && outcomes[0].Err != nil && !errors.Is(outcomes[0].Err, store.ErrConflict) { // a conflict: another process made it
		err = outcomes[0].Err
	}
	return err
}

// All lists every retailer that exists.
func (r *Retailers) All(ctx context.Context) ([]string, error) { return r.entries.Retailers(ctx) }

// LoadAll loads every retailer that exists, so that the first calls find them ready.
func (r *Retailers) LoadAll(ctx context.Context) error {
	retailers, err := r.entries.Retailers(ctx)
	if err != nil {
		return fmt.Errorf("list retailers: %w", err)
	}
	for _, retailer := range retailers {
		if _, err := r.picture(ctx, retailer); err != nil {
			return err
		}
	}
	return nil
}

// Record runs a write of one shopper and tells the crowd how their history changed by it, step by step; a
// nil history is one that the crowd may not know. It counts in suggestions within publishEvery; beside other
// processes Follow finds what changed by itself, within followEvery.
func (r *Retailers) Record(ctx context.Context, retailer string, write func() ([]store.Step, error)) error {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return err
	}
	if r.beside != nil { // followCrowds finds it
		_, err := write()
		return err
	}
	p.gate.RLock()
	defer p.gate.RUnlock()
	steps, err := write()
	for _, step := range steps {
		p.note(step.Partition)
		p.crowd.Load().Replace(step.Before, step.After)
		p.learnt.Store(true)
		p.debt.add(deeds(step.After) - deeds(step.Before))
	}
	return err
}

// publishEvery bounds the age of crowd counts: at most this and the time of a view.
const publishEvery = 500 * time.Millisecond

// visibleWithin is how late an edit may become visible after its own time: clocks of processes differ, and
// commits overtake each other.
const visibleWithin = 15 * time.Second

// Follow publishes what the crowd learnt and takes in the edits of other processes, and what they recorded and
// erased, until the context ends. Those edits are seen at most every later.
func (r *Retailers) Follow(ctx context.Context, every time.Duration) {
	defer r.running.Wait()
	if r.beside != nil {
		r.running.Go(func() { r.followCrowds(ctx) })
	}
	publish, follow, tend := time.NewTicker(publishEvery), time.NewTicker(every), time.NewTicker(keepEvery)
	defer publish.Stop()
	defer follow.Stop()
	defer tend.Stop()
	tending := make(chan struct{}, 1) // beside the loop: a million geofences take seconds
	defer func() {
		tending <- struct{}{}
		for _, p := range r.loaded() {
			r.tend(context.WithoutCancel(ctx), p, true)
		}
	}()
	since := r.now().Add(-every)
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-publish.C:
			r.publishPlanned(ctx)
			for _, p := range r.loaded() {
				if p.moved.CompareAndSwap(true, false) {
					r.running.Go(func() { r.recount(ctx, p) })
				} else if p.learnt.CompareAndSwap(true, false) {
					p.publish()
				}
			}
		case <-tend.C:
			select {
			case tending <- struct{}{}:
				r.running.Go(func() {
					defer func() { <-tending }()
					for _, p := range r.loaded() {
						r.tend(ctx, p, false)
					}
				})
			default:
			}
		case <-follow.C:
			changed, next, err := r.entries.Changes(ctx, since)
			if err != nil {
				if !away && ctx.Err() == nil {
					r.log.Error("changes of configuration cannot be read", "err", err)
				}
				away = true
				continue
			}
			away = false
			since = next
			if old := r.now().Add(-visibleWithin); since.Before(old) {
				since = old // whatever was edited before is visible by now: do not read the last burst for ever
			}
			r.take(changed)
		}
	}
}

// take applies entries that any process edited to the pictures that are loaded.
func (r *Retailers) take(changed []store.Entry) {
	of := map[string][]store.Entry{}
	for _, e := range changed {
		of[e.Retailer] = append(of[e.Retailer], e)
	}
	for _, p := range r.loaded() {
		for _, err := range p.apply(of[p.retailer]) {
			r.log.Error("an entry cannot be used", "retailer", p.retailer, "err", err)
		}
	}
}

func (r *Retailers) loaded() []*picture {
	r.mu.Lock()
	defer r.mu.Unlock()
	var loaded []*picture
	for _, p := range r.pictures {
		select {
		case <-p.ready:
			loaded = append(loaded, p)
		default:
		}
	}
	return loaded
}
