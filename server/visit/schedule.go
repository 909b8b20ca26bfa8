package visit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/every"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Herald lets rules speak whose schedule opens, to every shopper for whom they hold, by the clock of the store where the shopper bought
// last, else of the retailer. Of several processes one may run it at a time, by a lease; one that takes over tells nobody twice. It is
// for one goroutine.
type Herald struct {
	visits *Visits
	notes  store.Notes
	now    func() time.Time
	log    *slog.Logger
	said   bool            // trouble was said
	waits  map[string]bool // retailers with such rules in the round before
}

// NewHerald makes a herald; Run must be called.
func NewHerald(visits *Visits, notes store.Notes, now func() time.Time, log *slog.Logger) *Herald {
	return &Herald{visits: visits, notes: notes, now: now, log: log, waits: map[string]bool{}}
}

const (
	heraldEvery = 5 * time.Second
	// heraldLate is for how long an opening is made up for that passed while no process ran; whoever is told later is told too late.
	heraldLate = time.Hour
	heraldNote = "heralded/" // and the retailer: up to when openings were looked at
)

// Run looks for openings until the context ends.
func (h *Herald) Run(ctx context.Context) {
	every.Do(ctx, heraldEvery, func() {
		err := h.Round(ctx)
		if ctx.Err() != nil || h.said == (err != nil) {
			return
		}
		if h.said = err != nil; h.said {
			h.log.Error("rules on a schedule cannot speak", "err", err)
		} else {
			h.log.Info("rules on a schedule speak again")
		}
	})
}

// Round lets speak what opened since the last one, for every retailer.
func (h *Herald) Round(ctx context.Context) error {
	retailers, err := h.visits.retailers.All(ctx)
	if err != nil {
		return fmt.Errorf("list retailers: %w", err)
	}
	var failed []error
	for _, name := range retailers {
		if err := h.retailer(ctx, name); err != nil {
			failed = append(failed, fmt.Errorf("retailer %q: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// opening is one that is due, for the shoppers of one clock.
type opening struct {
	rule.Opening
	at time.Time
}

func (h *Herald) retailer(ctx context.Context, name string) error {
	snapshot, err := h.visits.retailers.Of(ctx, name)
	if err != nil {
		return err
	}
	waited, known := h.waits[name]
	h.waits[name] = snapshot.Suggest.Rules.Waits(rule.OnSchedule)
	if !h.waits[name] {
		return nil
	}
	now := h.now().Truncate(time.Minute)
	last, err := h.last(ctx, name)
	if err != nil {
		return err
	}
	if known && !waited || now.Sub(last) > heraldLate { // these rules are new: what is open already does not open
		return h.done(ctx, name, now)
	}
	if !now.After(last) {
		return nil
	}
	due := map[*where.Store][]opening{}
	found := false
	for _, clock := range clocks(snapshot) {
		if due[clock] = openings(snapshot, clock, last, now); len(due[clock]) > 0 {
			found = true
		}
	}
	if found {
		if err := h.tell(ctx, snapshot, name, due); err != nil {
			return err // the next round tells those who were not told
		}
	}
	return h.done(ctx, name, now)
}

// last is up to when openings were looked at; zero: never.
func (h *Herald) last(ctx context.Context, name string) (last time.Time, err error) {
	text, err := h.notes.Get(ctx, heraldNote+name)
	if errors.Is(err, store.ErrNotFound) {
		return last, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil {
		return last, fmt.Errorf("how far openings were looked at: %w", err)
	}
	return last, nil
}

// done notes up to when openings were looked at.
func (h *Herald) done(ctx context.Context, name string, now time.Time) error {
	text, err := json.Marshal(now.UTC())
	if err != nil {
		return err
	}
	return h.notes.Put(ctx, heraldNote+name, text)
}

// clocks are the stores whose clocks and holidays differ, one of each; nil stands for the retailer's.
func clocks(snapshot *retailer.Snapshot) []*where.Store {
	all := []*where.Store{nil}
	seen := map[[2]string]bool{}
	for _, s := range snapshot.Scene.Stores.All() {
		if key := clockOf(s); s.Zone != nil && !seen[key] {
			seen[key] = true
			all = append(all, s)
		}
	}
	return all
}

func clockOf(s *where.Store) [2]string { return [2]string{s.Zone.String(), s.Region} }

// openings are the schedules that open on a clock after one instant and up to another, each at its minute. They are looked for minute by minute, on
// the clock on the wall: an hour that clocks skip opens when it is over, and one that comes twice opens once.
func openings(snapshot *retailer.Snapshot, clock *where.Store, after, until time.Time) (all []opening) {
	zone := snapshot.Scene.Zone
	if clock != nil {
		zone = clock.Zone
	}
	calendar := snapshot.Scene.Calendar(clock)
	seen := map[string]bool{}
	was := at(after, zone, calendar)
	for t := after.Add(time.Minute); !t.After(until); t = t.Add(time.Minute) {
		is := at(t, zone, calendar)
		for _, o := range snapshot.Suggest.Rules.Opens(&was, &is) {
			if key := o.Rule.ID + "\x00" + o.Begins; !seen[key] {
				seen[key] = true
				all = append(all, opening{o, t})
			}
		}
		was = is
	}
	return all
}

func at(t time.Time, zone *time.Location, calendar when.Calendar) rule.Moment {
	m := when.At(t, zone, calendar)
	return recommend.MomentOf(&m)
}

// heralds is how many shoppers are spoken to at once.
const heralds = 8

// tell asks the rules that open about every shopper whose clock it is.
func (h *Herald) tell(ctx context.Context, snapshot *retailer.Snapshot, name string, due map[*where.Store][]opening) error {
	byClock := map[[2]string]*where.Store{}
	for clock := range due {
		if clock != nil {
			byClock[clockOf(clock)] = clock
		}
	}
	var mu sync.Mutex
	var failed error
	var group errgroup.Group
	group.SetLimit(heralds)
	err := h.visits.shoppers.Sample(ctx, name, func(key who.Key) (bool, error) {
		group.Go(func() error {
			if err := h.shopper(ctx, snapshot, key, due, byClock); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = fmt.Errorf("shopper %s: %w", h.visits.shoppers.Pseudonym(key), err)
			}
			return nil
		})
		return ctx.Err() == nil, nil
	})
	_ = group.Wait() // failures are kept: one shopper must not hold up the others
	return errors.Join(err, failed, ctx.Err())
}

// shopper asks the rules that open on the clock of one shopper.
func (h *Herald) shopper(ctx context.Context, snapshot *retailer.Snapshot, key who.Key, due map[*where.Store][]opening, byClock map[[2]string]*where.Store) error {
	shopper, err := h.visits.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	view, ok := who.Access(who.Loyalty, who.NewSubject(shopper, who.Permissions{}))
	if !ok {
		return nil
	}
	home := homeOf(snapshot, view.History())
	var clock *where.Store
	if home != nil && home.Zone != nil {
		clock = byClock[clockOf(home)]
	}
	for _, o := range due[clock] {
		occasion := Occasion{ID: occasionID("schedule", key.Retailer, key.Shopper, o.Rule.ID, o.Begins), Key: key, At: o.at, Store: home,
			Happened: rule.Happening{Kind: rule.OnSchedule, Rule: o.Rule.ID}}
		if _, err := h.visits.Speak(ctx, occasion); err != nil {
			return fmt.Errorf("rule %q: %w", o.Rule.ID, err)
		}
	}
	return nil
}

// homeOf is the store where a shopper bought last; nil: none is known.
func homeOf(snapshot *retailer.Snapshot, history *who.History) *where.Store {
	if history == nil {
		return nil
	}
	for i := len(history.Baskets) - 1; i >= 0; i-- {
		if number := history.Baskets[i].Store; number != 0 {
			if s, ok := snapshot.Scene.Stores.ByID(snapshot.Names.Stores.Name(number)); ok {
				return s
			}
			return nil
		}
	}
	return nil
}
