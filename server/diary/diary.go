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
	"satnav/geo"
	"satnav/server/identity"
	"satnav/server/redemption"
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
	Code    string // of a refusal: Invalid, NoGrant, Differs; of what is kept: the who.Doubt for which it counts for nothing
	Field   string // at fault; empty: the event as a whole
	Problem string // what was found and what would be right
	Held    bool   // of a refusal: the event is right, and what it wants cannot be had
	Points  int64  // that a redemption costs which is stored now
}

// Codes of refusals.
const (
	Invalid    = "invalid"
	NoGrant    = "no_grant"           // the shopper has not granted the purpose that events are kept for
	Undeclared = "undeclared_purpose" // nobody declared that such events are collected for the purpose
	Paused     = "paused"             // the shopper wants nothing new to be kept
	AtHidden   = "sensitive_place"    // it happened at a sensitive place: it is counted, and kept nowhere
	SourceOff  = "source_off"         // the retailer has not turned the partner on that told it
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
	desk      *redemption.Desk      // nil: redemptions are only kept
	watch     *watch
	hides     func(retailer string) // counts an event at a sensitive place; nil: nobody counts
}

// New makes a diary. unknown is called for each event whose item is not in the catalogue.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, unknown func(retailer string)) *Diary {
	return &Diary{shoppers: shoppers, retailers: retailers, unknown: unknown, watch: newWatch()}
}

// Redeem sets who redeems offers of the catalogue. Call it before the first event.
func (d *Diary) Redeem(desk *redemption.Desk) { d.desk = desk }

// Hides sets who counts events at sensitive places, which are not kept. Call it before the first event.
func (d *Diary) Hides(count func(retailer string)) { d.hides = count }

// writers is how many shoppers are written at once: enough to share each sync of the disk, few enough
// not to crowd out requests.
const writers = 64

// Record keeps events of one retailer's shoppers, durably, and answers one result for each, in order.
// Events of one shopper are committed together. An error means that some may not be stored: send all
// again, those that are will be duplicates.
//
// An id that is stored already with something else is refused as Differs: two events must not become one without anybody being
// told. Times are not compared, for one that was not given, or was corrected by the client's clock, is another one in each try.
func (d *Diary) Record(ctx context.Context, retailerID string, now time.Time, entries []Entry) ([]Result, error) {
	in, err := d.intake(ctx, retailerID, now, "")
	if err != nil {
		return nil, err
	}
	return in.keep(ctx, entries)
}

// Import is Record for data that the retailer brings along. Where the retailer names the legal basis on which it
// keeps them, a shopper who never decided about who.Loyalty gets a grant of it with that basis; without one
// (""), and of who withdrew it, events are refused as ever. Times are compared, too.
func (d *Diary) Import(ctx context.Context, retailerID string, now time.Time, basis string, entries []Entry) ([]Result, error) {
	in, err := d.intake(ctx, retailerID, now, basis)
	if err != nil {
		return nil, err
	}
	in.timed = true
	return in.keep(ctx, entries)
}

// intake begins to take in entries. It writes nothing.
func (d *Diary) intake(ctx context.Context, retailerID string, now time.Time, basis string) (*intake, error) {
	snapshot, err := d.retailers.Of(ctx, retailerID)
	if err != nil {
		return nil, err
	}
	in := &intake{Diary: d, snapshot: snapshot, now: now, defaults: snapshot.Scene.Defaults}
	if basis != "" {
		declared, _ := snapshot.Purposes.Of(who.Loyalty)
		grant := declared.Decide(true, snapshot.Settings.Languages...)
		grant.At, grant.Source, grant.Basis = now, who.ByImport, basis
		in.imported = &grant
		in.defaults = in.defaults.With(*in.imported)
	}
	return in, nil
}

// keep keeps entries, and first that there are prices among them.
func (d *intake) keep(ctx context.Context, entries []Entry) ([]Result, error) {
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Event.Price.Minor != 0 }) {
		if err := d.retailers.Priced(ctx, d.snapshot.Retailer); err != nil {
			return nil, err
		}
	}
	return d.each(ctx, entries, d.record)
}

// each does something with the entries of each shopper, of many at once: entries[i] for i in mine.
func (d *intake) each(ctx context.Context, entries []Entry, do func(ctx context.Context, shopper string, entries []Entry, mine []int, results []Result) error) ([]Result, error) {
	results := make([]Result, len(entries))
	var order []string
	of := make(map[string][]int)
	for i, entry := range entries {
		if !identity.ValidSubject(entry.Shopper) { // they could never see it, nor take it back: no token names them
			results[i] = Result{Status: Refused, Code: Invalid, Field: "shopper", Problem: fmt.Sprintf("got %.40q, want %s", entry.Shopper, identity.SubjectWanted)}
			continue
		}
		if _, seen := of[entry.Shopper]; !seen {
			order = append(order, entry.Shopper)
		}
		of[entry.Shopper] = append(of[entry.Shopper], i)
	}
	if len(order) == 1 {
		return results, do(ctx, order[0], entries, of[order[0]], results)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, shopper := range order {
		group.Go(func() error { return do(ctx, shopper, entries, of[shopper], results) })
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
	timed    bool       // an event of another time is not the same
}

// record keeps the events of one shopper: entries[i] for i in mine. Each purpose is granted by itself, so each has commits of its own.
func (d *intake) record(ctx context.Context, shopper string, entries []Entry, mine []int, results []Result) error {
	var purposes []who.Purpose
	var redeemed []int
	events, indexes := map[who.Purpose][]who.Event{}, map[who.Purpose][]int{}
	for _, i := range mine {
		event := d.complete(d.snapshot, entries[i].Event, d.now)
		if refused := d.refusal(&event); refused.Status != "" {
			if results[i] = refused; refused.Code == AtHidden && d.hides != nil {
				d.hides(d.snapshot.Retailer)
			}
			continue
		}
		if d.redeems(&event) {
			redeemed = append(redeemed, i)
			continue
		}
		d.doubtful(who.Key{Retailer: d.snapshot.Retailer, Shopper: shopper}, &event, !entries[i].Event.At.IsZero())
		purpose := event.For()
		if _, seen := events[purpose]; !seen {
			purposes = append(purposes, purpose)
		}
		events[purpose], indexes[purpose] = append(events[purpose], event), append(indexes[purpose], i)
	}
	for _, purpose := range purposes {
		if err := d.recordFor(ctx, who.Key{Retailer: d.snapshot.Retailer, Shopper: shopper}, entries, events[purpose], indexes[purpose], results); err != nil {
			return err
		}
	}
	return d.redeemAll(ctx, who.Key{Retailer: d.snapshot.Retailer, Shopper: shopper}, entries, redeemed, results)
}

// refusal says why an event is not kept, whoever it is about; the zero Result: it may be.
func (d *intake) refusal(event *who.Event) Result {
	if faults := event.Check(d.now); len(faults) > 0 {
		return Result{Status: Refused, Code: Invalid, Field: faults[0].Field, Problem: faults[0].Problem}
	}
	if field := d.hidden(event); field != "" {
		return Result{Status: Refused, Code: AtHidden, Field: field, Problem: "it happened at a sensitive place: nothing of it is kept; do not send it again"}
	}
	if problem := d.snapshot.Purposes.Collection(event); problem != "" {
		return Result{Status: Refused, Code: Undeclared, Field: "purpose", Problem: problem}
	}
	if who.PartnerSource(event.Source) && !slices.Contains(d.snapshot.Settings.Sources, event.Source) {
		return Result{Status: Refused, Code: SourceOff, Field: "source", Problem: fmt.Sprintf("the retailer takes nothing from %q: partners are off until /sources of the retailer's settings names them", event.Source)}
	}
	return Result{}
}

// hidden names the field by which an event tells that somebody was at a sensitive place; "": none does.
func (d *intake) hidden(event *who.Event) string {
	stores := d.snapshot.Scene.Stores
	if at, known := stores.ByID(event.Store); known && at.Hidden {
		return "store"
	}
	if event.Place != "" {
		if cell, err := geo.ParseCell(event.Place); err == nil && stores.HidesCell(cell) {
			return "place"
		}
	}
	return ""
}

// recordFor keeps events of one shopper for one purpose: events[n] is entries[indexes[n]], completed.
func (d *intake) recordFor(ctx context.Context, key who.Key, entries []Entry, events []who.Event, indexes []int, results []Result) error {
	snapshot, now := d.snapshot, d.now
	var recorded store.Recorded
	err := d.retailers.Record(ctx, snapshot.Retailer, func() (steps []store.Step, err error) {
		recorded, err = d.shoppers.Record(ctx, key, now, d.defaults, events)
		if d.imported != nil && events[0].For() == who.Loyalty && errors.Is(err, store.ErrNoGrant) {
			if err = d.grant(ctx, key); err == nil {
				recorded, err = d.shoppers.Record(ctx, key, now, d.defaults, events)
			}
		}
		return recorded.Steps, err
	})
	if refused := unwanted(err, events[0].For()); refused.Status != "" {
		d.watch.forget(key) // what may not be kept is not remembered either
		for _, i := range indexes {
			results[i] = refused
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
		results[i] = Result{Status: Stored, Code: string(events[n].Doubt())}
		if item := events[n].Item; item != "" && !snapshot.Knows(item) {
			d.unknown(snapshot.Retailer)
		}
	}
	if len(twice) > 0 {
		return d.compare(ctx, key, entries, events, indexes, twice, results)
	}
	return nil
}

// unwanted is the refusal of all events for a purpose, of a shopper who does not want them kept; the zero Result: err says nothing of the kind.
func unwanted(err error, p who.Purpose) Result {
	switch {
	case errors.Is(err, store.ErrPaused):
		return Result{Status: Refused, Code: Paused, Field: "", Problem: "the shopper paused the diary: nothing new is kept until they resume it"}
	case errors.Is(err, store.ErrNoGrant):
		return Result{Status: Refused, Code: NoGrant, Field: "", Problem: fmt.Sprintf("the shopper has not granted the purpose %q that events are kept for", p)}
	}
	return Result{}
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
		if err := d.shoppers.Held(ctx, key); errors.Is(err, store.ErrHeld) {
			return store.ErrNoGrant
		} else if err != nil {
			return err
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
	if event.Purpose == who.Loyalty {
		event.Purpose = "" // said or not, it is the same event
	}
	event.Place = coarse(snapshot, &event)
	return event
}

// coarse is the place of an event, no finer than may be kept for its purpose; what is no cell stays for the check to refuse.
func coarse(snapshot *retailer.Snapshot, event *who.Event) string {
	declared, ok := snapshot.Purposes.Of(event.For())
	if event.Place == "" || !ok {
		return event.Place
	}
	cell, err := geo.ParseCell(event.Place)
	if err != nil || cell.Resolution() <= declared.Resolution.Stored {
		return event.Place
	}
	return cell.Parent(declared.Resolution.Stored).String()
}

// Problem is the error of an event that cannot be kept as it was said.
type Problem struct{ Field, Text string }

func (p *Problem) Error() string { return p.Field + ": " + p.Text }

// Corrected is the Reason of an event that its shopper put right.
const Corrected = "corrected"

// Correct puts an event of a shopper right, in the diary, the history and the crowd's counts. correct changes what the event says. It
// returns store.ErrNotFound where there is none, *Problem where it cannot be so.
func (d *Diary) Correct(ctx context.Context, key who.Key, now time.Time, id string, correct func(*who.Event)) error {
	snapshot, err := d.retailers.Of(ctx, key.Retailer)
	if err != nil {
		return err
	}
	err = d.retailers.Record(ctx, key.Retailer, func() ([]store.Step, error) {
		step, err := d.shoppers.Correct(ctx, key, id, func(event who.Event) (who.Event, error) {
			correct(&event)
			if event.Doubt() == "" { // what is doubted stays so until somebody looked at it
				event.Reason = Corrected
			}
			event = d.complete(snapshot, event, now)
			if faults := event.Check(now); len(faults) > 0 {
				return event, &Problem{faults[0].Field, faults[0].Problem}
			}
			return event, nil
		})
		if err != nil || step == nil {
			return nil, err
		}
		return []store.Step{*step}, nil
	})
	if err != nil {
		return fmt.Errorf("correct the diary: %w", err)
	}
	return nil
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
		return []store.Step{*step}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("remove from the diary: %w", err)
	}
	return removed, nil
}
