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

// oblivion tells which shoppers the model must not have seen: it is durable, so that a restart does not lose it. Shoppers who were
// forgotten are numbered, for clocks of processes differ.
type oblivion struct {
	Since  time.Time `json:"since"`  // when the first was forgotten whom the model in service may have seen
	Asked  int64     `json:"asked"`  // how often somebody was forgotten
	Learnt int64     `json:"learnt"` // up to which the model in service has not seen them
}

// open tells whether somebody is in the model still.
func (f *oblivion) open() bool { return f.Asked > f.Learnt }

func (f *oblivion) due(now time.Time) bool { return f.open() && now.Sub(f.Since) >= relearnWithin }

// learnt notes that a model is in service that was learnt from what was left after so many were forgotten.
func (f *oblivion) learnt(forgotten int64, began time.Time) {
	f.Learnt = max(f.Learnt, forgotten)
	f.Since = began // of those who came since
}

// Forgotten tells what shows that a shopper is forgotten: see Unlearnt and Uncounted.
type Forgotten struct{ Lesson, Epoch int64 }

// Forgotten notes, durably, that a shopper was forgotten of whom nothing can be read any more. The model in service, which may have
// seen them, is deleted and learnt anew from what is left, within the hour; Unlearnt tells when that has happened. Learn does it
// at once. Other processes take what they counted of them out of the crowd, within a second; Uncounted tells when they have.
func (r *Retailers) Forgotten(ctx context.Context, retailer string, at time.Time) (forgotten Forgotten, err error) {
	note, err := r.noteForgotten(ctx, retailer, func(f *oblivion) {
		if !f.open() {
			f.Since = at
		}
		f.Asked++
	})
	if err != nil {
		return forgotten, err
	}
	forgotten.Lesson = note.Asked
	if r.beside != nil {
		forgotten.Epoch, err = r.beside.crowds.Next(ctx)
	}
	return forgotten, err
}

// Unlearnt tells whether the model in service knows nothing of who was forgotten.
func (r *Retailers) Unlearnt(ctx context.Context, retailer string, lesson int64) (bool, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten.Learnt >= lesson, nil
}

// forgottenTries bounds how often a note starts over because another was made at the same time.
const forgottenTries = 20

func (r *Retailers) noteForgotten(ctx context.Context, retailer string, change func(*oblivion)) (note oblivion, _ error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return note, err
	}
	for try := 0; ; try++ {
		note = oblivion{}
		expect := int64(0)
		entry, err := r.entries.Get(ctx, retailer, store.ModelEntry, forgottenID)
		if err == nil {
			expect, err = entry.Version, json.Unmarshal(entry.Body, &note)
		} else if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return note, fmt.Errorf("retailer %q: who was forgotten: %w", retailer, err)
		}
		change(&note)
		body, err := json.Marshal(note)
		if err != nil {
			return note, err
		}
		outcomes, err := r.entries.Apply(ctx, retailer, store.ModelEntry, learner, r.now(), []store.Edit{{ID: forgottenID, Body: body, Expect: &expect}})
		if err == nil {
			err = outcomes[0].Err
		}
		if errors.Is(err, store.ErrConflict) && try < forgottenTries {
			continue
		}
		if err != nil {
			return note, fmt.Errorf("retailer %q: note who was forgotten: %w", retailer, err)
		}
		return note, errors.Join(p.apply([]store.Entry{outcomes[0].Entry})...)
	}
}

// remembers tells how often somebody was forgotten, and whether the model in service may have seen one of them.
func (p *picture) remembers() (forgotten int64, remembers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten.Asked, p.forgotten.open()
}

func (p *picture) mustUnlearn(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten.due(now)
}

// Recount has the crowd of a retailer counted anew from all histories, soon: for when it is not known whether a change of one
// was counted. Beside other processes each finds out by itself.
func (r *Retailers) Recount(ctx context.Context, retailer string) error {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return err
	}
	if r.beside == nil {
		p.moved.Store(true)
	}
	return nil
}
