package visit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"satnav/context/scene"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Occasion is something on which rules may speak that is neither a call nor a crossing: an event, or a time that has come.
type Occasion struct {
	// ID is the same at each try. Of what one occasion suggests a shopper is told once.
	ID       string
	Key      who.Key
	At       time.Time
	Happened rule.Happening
	Store    *where.Store // whose clock counts; nil: the retailer's
}

// occasionID names an occasion of a shopper. Nobody can tell the shopper from it.
func occasionID(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// Speak decides what the rules that wait for an occasion suggest, and makes it durable in one commit with the letters that tell of it and
// with what limits it. It returns nil where no rule wants anything, and for a shopper of whom nothing may be used. What holds a rule back
// (quiet hours, interruptions, its limits, the shopper's wish) is in the proposal and in the shopper's record.
func (v *Visits) Speak(ctx context.Context, o Occasion) (*Proposal, error) {
	snapshot, err := v.retailers.Of(ctx, o.Key.Retailer)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		proposal, err := v.speak(ctx, snapshot, &o)
		if !errors.Is(err, store.ErrConflict) || try == answerTries {
			return proposal, err
		}
	}
}

func (v *Visits) speak(ctx context.Context, snapshot *retailer.Snapshot, o *Occasion) (*Proposal, error) {
	shopper, err := v.shoppers.Shopper(ctx, o.Key)
	if errors.Is(err, who.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := scene.Seen(shopper, &snapshot.Scene, scene.Call{Key: o.Key, At: o.At, Clock: o.Store})
	if _, ok := who.Access(who.Loyalty, now.Shopper); !ok {
		return nil, nil
	}
	sides := sidesOf(snapshot, now.Shopper)
	suggest := sides.suggest(snapshot)
	if !suggest.Rules.Waits(o.Happened.Kind) {
		return nil, nil
	}
	guard := v.newGuard(snapshot, now.Shopper)
	guard.sides, guard.interruptions = &sides, sides.interruptions(snapshot.Settings.Interruptions())
	told := toldMark + o.ID
	if year, month, day := now.Moment.Instant.Date(); guard.told.Times(told, uint32(year*10_000+int(month)*100+day)) > 0 {
		return nil, nil // by an earlier try
	}
	request := recommend.Request{Scene: now, Limit: 1, Trigger: o.Happened, Guard: guard}
	list, made := recommend.Recommend(suggest, &request)
	sides.expose(snapshot, &request, &made, guard, o.At)
	proposal := proposalOf(list, &made)
	if proposal == nil {
		guard.undo()
		return nil, nil
	}
	spoken := proposal.Held == rule.Free
	change := store.Change{At: o.At, Defaults: snapshot.Scene.Defaults}
	if spoken {
		guard.settle(made.Acted, true)
		guard.told, guard.counted = guard.told.With(guard.day, told), true
		change.Told = &guard.told
		if v.outbox != nil {
			change.Letters = v.outbox.Suggested(snapshot, o, proposal, o.At)
		}
	} else {
		guard.undo()
	}
	if len(sides.fresh) > 0 {
		exposures := sides.all(snapshot)
		change.Exposures = &exposures
	}
	if spoken || change.Exposures != nil {
		if _, err := v.shoppers.Commit(ctx, o.Key, shopper.Revision(), change); err != nil {
			guard.undo()
			return nil, fmt.Errorf("keep what rules say: %w", err)
		}
		if len(change.Letters) > 0 {
			v.outbox.Posted(o.Key.Retailer)
		}
	}
	answer := Answer{Moment: now.Moment, Used: used(&now, made, nil)}
	answer.Used.Arms = sides.arms()
	if spoken {
		answer.Suggestions, answer.Says = list, made.Says
	}
	v.note(snapshot, &Signal{Key: o.Key, At: o.At, Arrived: o.At, Limit: 1}, &now, &answer, &made, true)
	return proposal, nil
}

// toldMark begins what is counted of an occasion among the rules that spoke on a day; no rule's id begins so.
const toldMark = "\x00"

// occasionsAtOnce bounds how many events of one call rules are asked about.
const occasionsAtOnce = 8

// Happened lets rules speak about events that were kept just now, the newest of each call first. What happened longer ago than behind is a recording, and
// nobody is spoken to about it. An error says which event; the others were tried all the same.
func (v *Visits) Happened(ctx context.Context, retailer string, now time.Time, shoppers []string, events []who.Event) error {
	snapshot, err := v.retailers.Of(ctx, retailer)
	if err != nil || !snapshot.Suggest.Rules.Waits(rule.OnEvent) && len(snapshot.Experiments) == 0 {
		return err
	}
	var failed []error
	asked := 0
	for i := len(events) - 1; i >= 0 && asked < occasionsAtOnce; i-- {
		e := &events[i]
		if e.For() != who.Loyalty {
			continue // it is kept for something of the retailer's own, and nothing else reads it
		}
		if !e.At.IsZero() && now.Sub(e.At).Abs() > behind {
			continue
		}
		happened := rule.Happening{Kind: rule.OnEvent, Event: string(e.Kind), Item: e.Item}
		if number, ok := snapshot.Names.Items.Lookup(e.Item); ok {
			if p := snapshot.Suggest.Catalogue.Product(number); p != nil {
				if p.Sensitive {
					continue // no rule acts on it
				}
				happened.Category = p.Category
			}
		}
		asked++
		key := who.Key{Retailer: retailer, Shopper: shoppers[i]}
		o := Occasion{ID: occasionID("event", retailer, key.Shopper, e.ID), Key: key, At: now, Happened: happened}
		if store, ok := snapshot.Scene.Stores.ByID(e.Store); ok {
			o.Store = store
		}
		if _, err := v.Speak(ctx, o); err != nil {
			failed = append(failed, fmt.Errorf("event %q: %w", e.ID, err))
		}
	}
	return errors.Join(failed...)
}
