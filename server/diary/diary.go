// Package diary takes in what shoppers did: it checks each event, keeps it once, and adds it to the
// shopper's history in the same commit, so that the very next answer knows it.
//
// It exists apart from visit because an event is a fact of the past that needs no scene, and may come
// from a till or a file as well as from a phone. Decided against: a queue between the call and the
// store. A call that was answered is stored; nobody has to wonder when it will count.
package diary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/who"
	"satnav/server/identity"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Status is what became of one event.
type Status string

const (
	Stored    Status = "stored"
	Duplicate Status = "duplicate" // its id was stored before: nothing happened
	Refused   Status = "refused"
)

// Result is the outcome of one event.
type Result struct {
	Status  Status
	Code    string // of a refusal: Invalid, NoGrant, Differs
	Field   string // at fault; empty: the event as a whole
	Problem string // what was found and what would be right
}

// Codes of refusals.
const (
	Invalid = "invalid"
	NoGrant = "no_grant" // the shopper has not granted the purpose that events are kept for
)

// Entry is one event of one shopper, as it came in.
type Entry struct {
	Shopper string
	Event   who.Event
	// DateOnly says that only the day of Event.At was given. It matters where an import meets the same event again.
	DateOnly bool
}

// Diary records events. It is safe for concurrent use.
type Diary struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	unknown   func(retailer string) // counts an item that the catalogue does not know
}

// New makes a diary. unknown is called for each event whose item is not in the catalogue.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, unknown func(retailer string)) *Diary {
	return &Diary{shoppers, retailers, unknown}
}

// writers is how many shoppers are written at once: enough to share each sync of the disk, few enough
// not to crowd out requests.
const writers = 64

// Record keeps events of one retailer's shoppers, durably, and answers one result for each, in order.
// Events of one shopper are committed together. An error means that some may not be stored: send all
// again, those that are will be duplicates.
func (d *Diary) Record(ctx context.Context, retailerID string, now time.Time, entries []Entry) ([]Result, error) {
	return d.take(ctx, retailerID, now, "", false, entries)
}

// Import is Record for data that the retailer brings along. Where the retailer names the legal basis on which it
// keeps them, a shopper who never decided about who.Loyalty gets a grant of it with that basis; without one
// (""), and of who withdrew it, events are refused as ever.
//
// An id that is stored already with something else is refused as Differs: an app that sends an event again has that
// answered at once, whoever imports a file wants to know.
func (d *Diary) Import(ctx context.Context, retailerID string, now time.Time, basis string, entries []Entry) ([]Result, error) {
	return d.take(ctx, retailerID, now, basis, true, entries)
}

func (d *Diary) take(ctx context.Context, retailerID string, now time.Time, basis string, compared bool, entries []Entry) ([]Result, error) {
	snapshot, err := d.retailers.Of(ctx, retailerID)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Event.Price.Minor != 0 }) {
		if err := d.retailers.Priced(ctx, retailerID); err != nil {
			return nil, err
		}
	}
	in := intake{Diary: d, snapshot: snapshot, now: now, defaults: snapshot.Scene.Defaults, compared: compared}
	if basis != "" {
		in.imported = &who.Grant{Purpose: who.Loyalty, Given: true, At: now, Source: who.ByImport, Basis: basis}
		if declared, ok := who.Declared(who.Loyalty); ok {
			in.imported.Notice = declared.Version
		}
		in.defaults = in.defaults.With(*in.imported)
	}
	results := make([]Result, len(entries))
	var order []string
	of := make(map[string][]int)
	for i, entry := range entries {
		if !identity.ValidSubject(entry.Shopper) { // they could never see it, nor take it back: no token names them
			results[i] = Result{Refused, Invalid, "shopper", fmt.Sprintf("got %.40q, want %s", entry.Shopper, identity.SubjectWanted)}
			continue
		}
		if _, seen := of[entry.Shopper]; !seen {
			order = append(order, entry.Shopper)
		}
		of[entry.Shopper] = append(of[entry.Shopper], i)
	}
	if len(order) == 1 {
		return results, in.record(ctx, order[0], entries, of[order[0]], results)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, shopper := range order {
		group.Go(func() error { return in.record(ctx, shopper, entries, of[shopper], results) })
	}
	return results, group.Wait()
}

// intake is one batch on its way in.
type intake struct {
	*Diary
	snapshot *retailer.Snapshot
	now      time.Time
	defaults who.Grants // of whom nothing is stored yet
	imported *who.Grant // of whom something is, but no decision about loyalty; nil: none
	compared bool       // tell duplicates from events that only have the id of one
}

// record keeps the events of one shopper: entries[i] for i in mine.
func (d *intake) record(ctx context.Context, shopper string, entries []Entry, mine []int, results []Result) error {
	key, snapshot, now := who.Key{Retailer: d.snapshot.Retailer, Shopper: shopper}, d.snapshot, d.now
	var events []who.Event
	var indexes []int
	for _, i := range mine {
		event := d.complete(snapshot, entries[i].Event, now)
		if faults := event.Check(now); len(faults) > 0 {
			results[i] = Result{Refused, Invalid, faults[0].Field, faults[0].Problem}
			continue
		}
		events, indexes = append(events, event), append(indexes, i)
	}
	if len(events) == 0 {
		return nil
	}
	var recorded store.Recorded
	err := d.retailers.Record(ctx, snapshot.Retailer, func() (steps []store.Step, err error) {
		recorded, err = d.shoppers.Record(ctx, key, now, d.defaults, events)
		if d.imported != nil && errors.Is(err, store.ErrNoGrant) {
			if err = d.grant(ctx, key); err == nil {
				recorded, err = d.shoppers.Record(ctx, key, now, d.defaults, events)
			}
		}
		return recorded.Steps, err
	})
	if errors.Is(err, store.ErrNoGrant) {
		for _, i := range indexes {
			results[i] = Result{Refused, NoGrant, "", fmt.Sprintf("the shopper has not granted the purpose %q that events are kept for", who.Loyalty)}
		}
		return nil
	}
	if err != nil {
		return err
	}
	var twice []int
	for n, i := range indexes {
		if !recorded.Fresh[n] {
			results[i] = Result{Status: Duplicate}
			twice = append(twice, n)
			continue
		}
		results[i] = Result{Status: Stored}
		if item := events[n].Item; item != "" && !snapshot.Knows(item) {
			d.unknown(snapshot.Retailer)
		}
	}
	if d.compared && len(twice) > 0 {
		return d.compare(ctx, key, entries, events, indexes, twice, results)
	}
	return nil
}

// grantTries bounds how often a grant starts over because something else of the shopper was committed in between.
const grantTries = 10

// grant keeps the imported grant of a shopper of whom something is stored. It returns store.ErrNoGrant when the
// shopper has decided: that is not for the retailer to change.
func (d *intake) grant(ctx context.Context, key who.Key) error {
	for try := 0; ; try++ {
		shopper, err := d.shoppers.Shopper(ctx, key)
		if err != nil {
			return err
		}
		if grants := shopper.Grants(); grants.Decided(who.Loyalty) {
			if grants.Holds(who.Loyalty) { // another import was faster
				return nil
			}
			return store.ErrNoGrant
		}
		_, err = d.shoppers.Commit(ctx, key, shopper.Revision(), store.Change{At: d.now, Grants: []who.Grant{*d.imported}})
		if err == nil || !errors.Is(err, store.ErrConflict) || try == grantTries {
			return err
		}
	}
}

// complete fills what a client may leave out, and puts the time into the zone of the event's store.
func (d *Diary) complete(snapshot *retailer.Snapshot, event who.Event, now time.Time) who.Event {
	if event.At.IsZero() {
		event.At = now
	}
	event.At = event.At.In(snapshot.ZoneOf(event.Store))
	if event.Kind == who.Purchased && event.Quantity == 0 {
		event.Quantity = 1
	}
	return event
}

// Remove deletes the entries of a shopper's diary that are chosen, and what the history and the crowd knew by them. It
// returns how many there were.
func (d *Diary) Remove(ctx context.Context, key who.Key, chosen func(store.DiaryEntry) bool) (removed int, err error) {
	err = d.retailers.Record(ctx, key.Retailer, func() ([]store.Step, error) {
		var step *store.Step
		var err error
		removed, step, err = d.shoppers.Remove(ctx, key, chosen)
		if err != nil || step == nil {
			return nil, err
		}
		shopper, err := d.shoppers.Shopper(ctx, key)
		if err != nil || !shopper.Grants().Holds(who.Loyalty) { // the crowd does not know the history of who withdrew
			return nil, err
		}
		return []store.Step{*step}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("remove from the diary: %w", err)
	}
	return removed, nil
}
