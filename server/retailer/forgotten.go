package retailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"satnav/server/store"
)

const (
	forgottenID = "forgotten" // beside the model
	// relearnWithin is how long a model that has seen somebody who was forgotten stays: so long, others may be forgotten
	// with the same learning, and it is far less than the day that is promised.
	relearnWithin = time.Hour
)

// forgotten tells which shoppers the model must not have seen: it is durable, so that a restart does not lose it.
type forgotten struct {
	Since time.Time `json:"since"` // when the first was forgotten whom the model in service may have seen
	Until time.Time `json:"until"` // when the last was
	Done  time.Time `json:"done"`  // a model of what was left at this time is in service
}

// open tells whether somebody is in the model still.
func (f forgotten) open() bool { return f.Until.After(f.Done) }

func (f forgotten) due(now time.Time) bool { return f.open() && now.Sub(f.Since) >= relearnWithin }

// Forgotten notes, durably, that a shopper was forgotten, at a time after which nothing of theirs can be read. The model in
// service, which may have seen them, is deleted and learnt anew from what is left, within the hour; Unlearnt tells when
// that has happened. Learn does it at once.
func (r *Retailers) Forgotten(ctx context.Context, retailer string, at time.Time) error {
	return r.noteForgotten(ctx, retailer, func(f *forgotten) {
		if !f.open() {
			f.Since = at
		}
		if at.After(f.Until) {
			f.Until = at
		}
	})
}

// Unlearnt tells whether the model in service knows nothing of who was forgotten at a time.
func (r *Retailers) Unlearnt(ctx context.Context, retailer string, at time.Time) (bool, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.forgotten.Done.Before(at), nil
}

// forgottenTries bounds how often a note starts over because another was made at the same time.
const forgottenTries = 20

func (r *Retailers) noteForgotten(ctx context.Context, retailer string, change func(*forgotten)) error {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		var note forgotten
		expect := int64(0)
		entry, err := r.entries.Get(ctx, retailer, store.ModelEntry, forgottenID)
		if err == nil {
			expect, err = entry.Version, json.Unmarshal(entry.Body, &note)
		} else if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("retailer %q: who was forgotten: %w", retailer, err)
		}
		change(&note)
		body, err := json.Marshal(note)
		if err != nil {
			return err
		}
		outcomes, err := r.entries.Apply(ctx, retailer, store.ModelEntry, learner, r.now(), []store.Edit{{ID: forgottenID, Body: body, Expect: &expect}})
		if err == nil {
			err = outcomes[0].Err
		}
		if errors.Is(err, store.ErrConflict) && try < forgottenTries {
			continue
		}
		if err != nil {
			return fmt.Errorf("retailer %q: note who was forgotten: %w", retailer, err)
		}
		return errors.Join(p.apply([]store.Entry{outcomes[0].Entry})...)
	}
}

// remembers tells whether the model in service may have seen somebody who was forgotten.
func (p *picture) remembers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten.open()
}

func (p *picture) mustUnlearn(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten.due(now)
}

// Recount has the crowd of a retailer counted anew from all histories, soon: for when it is not known whether a change of one
// was counted.
func (r *Retailers) Recount(ctx context.Context, retailer string) error {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return err
	}
	p.moved.Store(true)
	return nil
}
