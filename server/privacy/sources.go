package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"satnav/context/who"
	"satnav/server/every"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// Sources deletes all that came from a source, of every shopper of a retailer. It is safe for concurrent use; Run must run.
type Sources struct {
	shoppers *store.Shoppers
	drops    *store.Drops
	log      *audit.Log
	remove   func(ctx context.Context, key who.Key, chosen func(store.DiaryEntry) bool) (int, error)
	now      func() time.Time
}

// NewSources makes sources. remove removes entries of a diary with all that follows from them: diary.Diary has it.
func NewSources(shoppers *store.Shoppers, drops *store.Drops, log *audit.Log, remove func(context.Context, who.Key, func(store.DiaryEntry) bool) (int, error), now func() time.Time) *Sources {
	return &Sources{shoppers, drops, log, remove, now}
}

const (
	sourcesEvery = 15 * time.Second
	// dropFor is how long a call goes on before it leaves the rest to Run.
	dropFor = 2 * time.Second
	// keepDeadline is how long it may take to keep how far a drop came, once its call is over.
	keepDeadline = 5 * time.Second
	// resumeAfter is when Run goes on with what a call left, or what the call of a process that died did: the call is over by then.
	resumeAfter = dropFor + 2*keepDeadline
)

// Run goes on with what was asked for until the context ends.
func (s *Sources) Run(ctx context.Context, log *slog.Logger) {
	sweep := func() {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("what came from a source cannot be deleted; it is tried again", "err", err)
		}
	}
	sweep()
	every.Do(ctx, sourcesEvery, sweep)
}

// Drop deletes all that came from a source: it is durably asked for when this returns, and done as far as two seconds reach; Run does the rest. What
// is under a legal hold stays. What comes from the source meanwhile may stay: take it off the retailer's settings first. A drop that is asked for again begins anew.
func (s *Sources) Drop(ctx context.Context, retailer, source string, by Actor) (store.Drop, error) {
	asked := s.now().UTC().Truncate(time.Millisecond)
	d := store.Drop{Retailer: retailer, Source: source, Asked: asked, Resume: asked.Add(resumeAfter)}
	entry := audit.Entry{Role: by.Role, Name: by.Name, Action: audit.SourceDropped, Object: source, Detail: map[string]string{"step": "asked"}}
	if err := s.log.Append(ctx, retailer, entry); err != nil {
		return d, err
	}
	if err := s.drops.Put(ctx, d); err != nil {
		return d, err
	}
	ctx, cancel := context.WithTimeout(ctx, dropFor)
	defer cancel()
	return s.goOn(ctx, d)
}

// Sweep goes on with all that was asked for.
func (s *Sources) Sweep(ctx context.Context) error {
	open, err := s.drops.Open(ctx, s.now())
	for i := range open {
		if err == nil && ctx.Err() == nil {
			_, err = s.goOn(ctx, open[i])
		}
	}
	return err
}

// goOn deletes of one shopper after the other until the context ends, and keeps how far it came.
func (s *Sources) goOn(ctx context.Context, d store.Drop) (store.Drop, error) {
	err := s.shoppers.Sample(ctx, d.Retailer, func(key who.Key) (bool, error) {
		pseudonym := s.shoppers.Pseudonym(key)
		if pseudonym <= d.After { // they come in that order
			return true, nil
		}
		for {
			removed, err := s.remove(ctx, key, func(e store.DiaryEntry) bool { return e.Event != nil && e.Event.Source == d.Source })
			if err != nil && !errors.Is(err, who.ErrUnknown) && !errors.Is(err, store.ErrErasing) && !errors.Is(err, store.ErrHeld) {
				return false, err
			}
			if d.Removed += removed; removed == 0 {
				d.After = pseudonym
				return true, nil
			}
		}
	})
	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepDeadline)
	defer cancel()
	switch {
	case ended:
		return d, s.drops.Put(ctx, d)
	case err != nil:
		return d, errors.Join(fmt.Errorf("drop the source %q of %q: %w", d.Source, d.Retailer, err), s.drops.Put(ctx, d))
	}
	d.Done = s.now().UTC().Truncate(time.Millisecond)
	entry := audit.Entry{Role: "satnav", Action: audit.SourceDropped, Object: d.Source, Detail: map[string]string{"step": "done", "removed": strconv.Itoa(d.Removed)}}
	return d, errors.Join(s.log.Append(ctx, d.Retailer, entry), s.drops.Put(ctx, d))
}
