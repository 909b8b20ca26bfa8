// Package outcome tells what experiments did: it reads who was exposed and what they did since, and judges.
//
// It exists so that a verdict is worked out anew of what is kept, and nowhere else: it is the same on every process, counts
// nothing twice, and forgets a shopper the moment the shopper is erased or withdraws the permission. Decided against: counters
// that each event moves (nobody could take a shopper out of them again).
package outcome

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/recommend/experiment"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Outcomes judges experiments. It is safe for concurrent use; Run must run for guards to stop anything.
type Outcomes struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	tallies   *store.Tallies
	now       func() time.Time
	log       *slog.Logger

	mu   sync.Mutex
	kept map[name]*judged

	measuring sync.Mutex
	measured  map[name]map[string]store.Tally // by arm, since the last Flush
}

// name is one experiment of one retailer.
type name struct{ retailer, experiment string }

// judged is the last verdict of an experiment. mu is held while it is worked out, so that many who ask wait for one.
type judged struct {
	mu      sync.Mutex
	at      time.Time
	started time.Time
	verdict experiment.Verdict
}

// New judges what is kept.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, tallies *store.Tallies, now func() time.Time, log *slog.Logger) *Outcomes {
	return &Outcomes{shoppers: shoppers, retailers: retailers, tallies: tallies, now: now, log: log, kept: map[name]*judged{}}
}

// Judged is a verdict with what it is about.
type Judged struct {
	Experiment retailer.Experiment
	Verdict    experiment.Verdict
	At         time.Time // of which it knows
}

// fresh is how long a verdict stands before it is worked out again: of 10,000 shoppers it takes about a second.
const fresh = 2 * time.Second

// Verdict judges an experiment by what is known now, or up to a few seconds ago. It returns store.ErrNotFound where there is none.
func (o *Outcomes) Verdict(ctx context.Context, of, id string) (Judged, error) {
	e, err := o.retailers.Experiment(ctx, of, id)
	if err != nil {
		return Judged{}, err
	}
	o.mu.Lock()
	last := o.kept[name{of, id}]
	if last == nil {
		last = new(judged)
		o.kept[name{of, id}] = last
	}
	o.mu.Unlock()
	last.mu.Lock()
	defer last.mu.Unlock()
	now := o.now()
	if !last.at.IsZero() && now.Sub(last.at) < fresh && !now.Before(last.at) && last.started.Equal(e.Started) {
		return Judged{e, last.verdict, last.at}, nil
	}
	readings, err := o.readings(ctx, of, &e, now)
	if err != nil {
		return Judged{}, err
	}
	last.verdict, last.at, last.started = e.Judge(readings), now, e.Started
	return Judged{e, last.verdict, now}, nil
}

// metricsOf are the metrics that an experiment needs.
func metricsOf(e *experiment.Experiment) []experiment.Metric {
	metrics := []experiment.Metric{e.Metric}
	for _, g := range e.Guards {
		metrics = append(metrics, g.Metric)
	}
	return metrics
}

// readers is how many shoppers are read at once.
const readers = 4

// readings reads what the shoppers of every arm did.
func (o *Outcomes) readings(ctx context.Context, of string, e *retailer.Experiment, now time.Time) ([]experiment.Reading, error) {
	snapshot, err := o.retailers.Of(ctx, of)
	if err != nil {
		return nil, err
	}
	readings := make([]experiment.Reading, len(e.Arms))
	metrics := metricsOf(&e.Experiment)
	number := map[string]int{}
	for i := range e.Arms {
		number[e.Arms[i].ID] = i
		readings[i].Samples = map[experiment.Metric]*experiment.Sample{}
		for _, m := range metrics {
			readings[i].Samples[m] = new(experiment.Sample)
		}
	}
	until := now
	if !e.Stopped.IsZero() {
		until = e.Stopped
	}
	var one sync.Mutex
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	err = o.shoppers.EachExposed(within, of, e.ID, e.Started, until, func(key who.Key) error {
		group.Go(func() error {
			exposure, did, err := o.read(within, snapshot, &e.Experiment, key, e.Started, until)
			if err != nil || exposure.Experiment == "" {
				return err
			}
			arm, ok := number[exposure.Arm]
			if !ok {
				return nil
			}
			one.Lock()
			defer one.Unlock()
			readings[arm].Exposed++
			for _, m := range metrics {
				if deed, counted := did.deed(m); counted {
					readings[arm].Samples[m].Add(deed)
				}
			}
			return nil
		})
		return nil
	})
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("experiment %q: %w", e.ID, err)
	}
	tallies, err := o.tallies.Of(ctx, of, e.ID)
	if err != nil {
		return nil, fmt.Errorf("experiment %q: %w", e.ID, err)
	}
	for i := range e.Arms {
		addTally(&readings[i], tallies[e.Arms[i].ID])
	}
	return readings, nil
}

// addTally adds what is counted of nobody. Who withdrew the permission was exposed, too: without them the split would look odd.
func addTally(r *experiment.Reading, t store.Tally) {
	if s := r.Samples[experiment.OptOut]; s != nil {
		for range r.Exposed {
			s.Add(experiment.Deed{Of: 1})
		}
		for range t.OptedOut {
			s.Add(experiment.Deed{Value: 1, Of: 1})
		}
	}
	if s := r.Samples[experiment.Latency]; s != nil {
		s.Merge(experiment.SampleOf(int(t.Answers), t.Millis, t.Squares))
	}
	r.Exposed += int(t.OptedOut)
}

// before is how long before the exposure deeds are compared with those after it (CUPED).
const before = 28 * 24 * time.Hour

// deeds are what one shopper did in the two spans.
type deeds struct {
	visits                  int // days on which anything is known
	orders, revenue, margin [2]float64
	redeemed, dismissed     [2]float64
}

// Before and after the exposure.
const (
	earlier = iota
	since
)

// deed is what the shopper did by one metric; false for those that are not counted over shoppers.
func (d *deeds) deed(m experiment.Metric) (experiment.Deed, bool) {
	of := func(v [2]float64) (experiment.Deed, bool) {
		return experiment.Deed{Value: v[since], Of: 1, Before: v[earlier]}, true
	}
	switch m {
	case experiment.Conversion:
		return experiment.Deed{Value: d.orders[since], Of: float64(d.visits), Before: d.orders[earlier]}, true
	case experiment.Orders:
		return of(d.orders)
	case experiment.Revenue:
		return of(d.revenue)
	case experiment.Margin:
		return of(d.margin)
	case experiment.Redemption:
		return of(d.redeemed)
	case experiment.Dismissal:
		return of(d.dismissed)
	}
	return experiment.Deed{}, false
}

const diaryPage = 500

// read reads one shopper's exposure, and what they did before it and since; the zero exposure: the shopper does not count, or no longer.
func (o *Outcomes) read(ctx context.Context, snapshot *retailer.Snapshot, e *experiment.Experiment, key who.Key, started, until time.Time) (who.Exposure, deeds, error) {
	now, err := scene.Open(ctx, o.shoppers, &snapshot.Scene, scene.Call{Key: key, At: until})
	if errors.Is(err, store.ErrErasing) {
		return who.Exposure{}, deeds{}, nil
	}
	if err != nil {
		return who.Exposure{}, deeds{}, err
	}
	view, ok := who.Access(who.Loyalty, now.Shopper)
	if !ok {
		return who.Exposure{}, deeds{}, nil
	}
	exposure, ok := who.Exposed(view.Exposures(), e.ID)
	if !ok || exposure.At.Before(started) {
		return who.Exposure{}, deeds{}, nil
	}
	if e.WithinDays > 0 {
		until = minTime(until, exposure.At.AddDate(0, 0, e.WithinDays))
	}
	did, err := o.deeds(ctx, snapshot, key, exposure.At.Add(-before), exposure.At, until)
	return exposure, did, err
}

// deeds reads what a shopper did in the span up to an instant, and in the span after it. The caller has asked for the grant.
func (o *Outcomes) deeds(ctx context.Context, snapshot *retailer.Snapshot, key who.Key, from, at, until time.Time) (deeds, error) {
	zone := snapshot.Scene.Zone
	day := func(t time.Time) int64 {
		y, m, d := t.In(zone).Date()
		return int64(y)*10_000 + int64(m)*100 + int64(d)
	}
	seen, bought := map[int64]bool{day(at): true}, [2]map[int64]bool{{}, {}}
	var did deeds
	next := store.DiaryFrom(until)
	for {
		entries, more, err := o.shoppers.Diary(ctx, key, next, diaryPage)
		if err != nil {
			return did, err
		}
		for i := range entries {
			entry := &entries[i]
			t := entry.At()
			if t.Before(from) {
				more = ""
				break
			}
			if t.After(until) || entry.Grant != nil || entry.Late != nil {
				continue
			}
			span := since
			if t.Before(at) {
				span = earlier
			} else {
				seen[day(t)] = true
			}
			if entry.Event != nil {
				did.count(snapshot, entry.Event, span, bought[span], day(t))
			}
		}
		if more == "" {
			break
		}
		next = more
	}
	did.visits = len(seen)
	for span := range bought {
		did.orders[span] = float64(len(bought[span]))
	}
	return did, nil
}

// count adds one event. The price of a line is the event's, else the catalogue's.
func (d *deeds) count(snapshot *retailer.Snapshot, e *who.Event, span int, bought map[int64]bool, day int64) {
	switch e.Kind {
	case who.Redeemed:
		d.redeemed[span]++
	case who.Dismissed:
		d.dismissed[span]++
	case who.Purchased:
		bought[day] = true
		quantity := cmp.Or(e.Quantity, 1)
		price, cost := e.Price, who.Money{}
		if number, ok := snapshot.Names.Items.Lookup(e.Item); ok {
			if p := snapshot.Suggest.Catalogue.Product(number); p != nil {
				cost = p.Cost
				if !price.Known && p.Price.Known {
					price = who.Money{Minor: int64(math.Round(float64(p.Price.Minor) * quantity)), Known: true}
				}
			}
		}
		if !price.Known {
			return
		}
		unit := float64(cmp.Or(snapshot.Suggest.MinorPerUnit, 100))
		d.revenue[span] += float64(price.Minor) / unit
		if cost.Known {
			d.margin[span] += (float64(price.Minor) - float64(cost.Minor)*quantity) / unit
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// OptedOut notes that a shopper withdrew the permission that their exposures rested on. Which shopper it was is not kept.
func (o *Outcomes) OptedOut(ctx context.Context, of string, exposures []who.Exposure) error {
	for _, e := range exposures {
		if err := o.tallies.Add(ctx, of, e.Experiment, map[string]store.Tally{e.Arm: {OptedOut: 1}}); err != nil {
			return fmt.Errorf("experiment %q: %w", e.Experiment, err)
		}
	}
	return nil
}
