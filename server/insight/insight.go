// Package insight counts what many shoppers do together: where they come when, which way they go, what is looked at, bought, and bought together.
//
// It exists so that a shop learns from its visitors as a whole without looking at any one of them. Only who grants who.Analytics is counted, in what the
// purpose that it was collected for still covers. Everything is counted once a window and for good: what was told does not change any
// more, so that asking again, or asking before and after somebody was erased, tells nothing.
//
// What was decided against:
//
//   - Questions. Whoever may choose the range, the area or the product takes two answers from each other and reads one person's life. There are
//     weeks, and groups that were chosen before anybody asked; each shopper's acts count in one group of a table, so no group is a part of
//     another one, and what is too little is rolled up into what surrounds it.
//   - Counting again after an erasure. The difference would be the one who was erased. A shopper who is erased, or takes back the grant, is in no window
//     that is counted after; windows that were counted before hold groups of twenty and more, in multiples of five, and go after Kept.
//   - Noise alone. It can be added (differential privacy, with a budget), and the least group and the bounds hold with it all the same.
package insight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"satnav/server/every"
	"satnav/server/retailer"
	"satnav/server/store"
)

const (
	// Settle is how long after its end a window waits for what phones bring late.
	Settle = 24 * time.Hour
	// Backfill is how many windows before the newest are counted where they are not.
	Backfill = 8
	// Kept is how long a table is kept after its window.
	Kept = 400 * 24 * time.Hour

	lookEvery  = 10 * time.Minute
	againAfter = 24 * time.Hour // a window of which nothing can be told is looked at again: history may have been imported
)

// Insights counts, and tells what was counted. It is safe for concurrent use, but one process at a time counts.
type Insights struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	tables    *store.Insights
	now       func() time.Time
	log       *slog.Logger

	looked map[string]look // by retailer; of Run alone
}

type look struct {
	newest Window
	at     time.Time
}

// New makes insights; Run must run in one process.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, tables *store.Insights, now func() time.Time, log *slog.Logger) *Insights {
	return &Insights{shoppers: shoppers, retailers: retailers, tables: tables, now: now, log: log, looked: map[string]look{}}
}

// Run counts what is to be counted until the context ends. It does not begin at once: a process that starts has other things to do.
func (i *Insights) Run(ctx context.Context) {
	every.Do(ctx, lookEvery, func() {
		for _, snapshot := range i.retailers.Snapshots() {
			now := i.now()
			if seen := i.looked[snapshot.Retailer]; seen.newest == i.Newest() && now.Sub(seen.at) < againAfter {
				continue
			}
			if err := i.Count(ctx, snapshot.Retailer); err != nil {
				if ctx.Err() == nil {
					i.log.Error("what shoppers do together cannot be counted; it is tried again", "retailer", snapshot.Retailer, "err", err)
				}
				continue
			}
			i.looked[snapshot.Retailer] = look{i.Newest(), now}
		}
	})
}

// Newest is the newest window that is counted by now.
func (i *Insights) Newest() Window { return WindowOf(i.now().Add(-Settle)).Before() }

// Count counts the windows of a retailer that are closed and not counted yet, and removes those that were kept for their time. It reads what every
// shopper did since the oldest of them once.
func (i *Insights) Count(ctx context.Context, retailer string) error {
	snapshot, err := i.retailers.Of(ctx, retailer)
	if err != nil {
		return err
	}
	made, err := i.tables.Made(ctx, retailer)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, m := range made {
		there[m.Window+m.Measure] = true
		if w, ok := ParseWindow(m.Window); ok && i.now().Sub(w.To()) > Kept {
			if err := i.tables.Remove(ctx, retailer, m.Window, m.Measure); err != nil {
				return fmt.Errorf("remove window %s: %w", m.Window, err)
			}
		}
	}
	var open []*sheet
	for w, n := i.Newest(), 0; n < Backfill; w, n = w.Before(), n+1 {
		s := &sheet{window: w}
		for _, m := range Measures {
			if !there[w.String()+m.Name] {
				s.tallies = append(s.tallies, newTally(m))
			}
		}
		if len(s.tallies) > 0 {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return nil
	}
	c := newCounter(snapshot)
	err = i.shoppers.EachCounted(ctx, retailer, open[len(open)-1].window.From(), open[0].window.To(), func(acts *store.Acts) error {
		for _, s := range open {
			mine := acts.Within(s.window.From(), s.window.To())
			for _, t := range s.tallies {
				t.take(acts.Pseudonym, c.parts(t.measure, &mine))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range open {
		for _, t := range s.tallies {
			if err := i.publish(ctx, snapshot, s.window, t); err != nil {
				return fmt.Errorf("window %s: %s: %w", s.window, t.measure.Name, err)
			}
		}
	}
	return nil
}

// sheet is what is counted of one window.
type sheet struct {
	window  Window
	tallies []*tally
}

func (i *Insights) publish(ctx context.Context, snapshot *retailer.Snapshot, w Window, t *tally) error {
	table := store.InsightTable{Measure: t.measure.Name, Window: w.String(), From: w.From(), To: w.To(), Made: i.now().UTC().Truncate(time.Millisecond)}
	if len(t.adds) == 0 { // nobody did anything: it may still be imported
		return nil
	}
	var tell teller = plain{}
	settings := snapshot.Settings.Insights
	budget := 0.0
	if settings != nil && settings.Epsilon > 0 {
		tell, table.Epsilon, table.Delta, budget = newNoisy(t.measure, settings.Epsilon), settings.Epsilon, Delta, settings.Budget
	}
	var err error
	if table.Groups, err = t.groups(tell); err != nil {
		return err
	}
	if len(table.Groups) == 0 && table.Epsilon == 0 { // too few by now
		return nil
	}
	published, err := i.tables.Publish(ctx, snapshot.Retailer, table, w.period(), budget)
	if published {
		i.log.Debug("published", "retailer", snapshot.Retailer, "window", table.Window, "measure", table.Measure, "groups", len(table.Groups))
	}
	return err
}

// ErrNotYet says that a table is not there: its window is not counted yet, too old, or had too few shoppers.
var ErrNotYet = errors.New("nothing is told of the window")

// Table returns a table, that of the newest window where none is named, or ErrNotYet.
func (i *Insights) Table(ctx context.Context, retailer, measure, window string) (store.InsightTable, error) {
	if window == "" {
		made, err := i.tables.Made(ctx, retailer)
		if err != nil {
			return store.InsightTable{}, err
		}
		for _, m := range made {
			if m.Measure == measure {
				window = m.Window
				break
			}
		}
	}
	if window == "" {
		return store.InsightTable{}, ErrNotYet
	}
	table, err := i.tables.Table(ctx, retailer, window, measure)
	if errors.Is(err, store.ErrNotFound) {
		return table, ErrNotYet
	}
	return table, err
}

// Made lists what there is, the newest window first.
func (i *Insights) Made(ctx context.Context, retailer string) ([]store.InsightMade, error) {
	return i.tables.Made(ctx, retailer)
}

// Budgets lists what was used up of the noise budget, the newest month first.
func (i *Insights) Budgets(ctx context.Context, retailer string) ([]store.InsightBudget, error) {
	return i.tables.Budgets(ctx, retailer)
}
