// Package redemption is where offers are redeemed: it asks whether an offer may be redeemed by this shopper, now and here, takes
// its share of stock and budget, holds its code, and keeps the redemption in the shopper's diary.
//
// It exists apart from visit because a redemption is an event of a till or an app, with a result of its own, and never part of an
// answer: what an answer shows is read from memory and may be over a moment later, what is redeemed is decided by what is
// durable. Decided against: reserving stock for who is shown an offer, which would have most of it lie with people who never come.
package redemption

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/offer"
	"satnav/server/every"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Desk redeems offers. It is safe for concurrent use.
type Desk struct {
	shoppers *store.Shoppers
	quotas   *store.Quotas
	codes    *store.Codes
	now      func() time.Time
	log      *slog.Logger
}

// New makes a desk. Settle must run somewhere for what redemptions left behind that ended half-way.
func New(shoppers *store.Shoppers, quotas *store.Quotas, codes *store.Codes, now func() time.Time, log *slog.Logger) *Desk {
	return &Desk{shoppers, quotas, codes, now, log}
}

// Refusal is why an offer is not redeemed. Nothing is kept of it, and nothing taken.
type Refusal struct {
	Code  string // a word that never changes
	Field string // of the event; empty: the event as a whole
	Text  string // what was found, and what to do
	Wrong bool   // the event is wrong, rather than the offer not to be had
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Text }

// Codes of refusals.
const (
	UnknownOffer = "unknown_offer"
	NotValid     = "not_valid"    // it has not begun, or is over
	TooLate      = "too_late"     // the redemption is told too long after it was
	WrongStore   = "wrong_store"  // it holds in other stores
	NotEligible  = "not_eligible" // it is for others
	Redeemed     = "redeemed"     // as often as one shopper may
	TooFewPoints = "too_few_points"
	NotStackable = "not_stackable" // with what was redeemed in the basket
	UsedUp       = "used_up"       // its stock or budget
	CodeMissing  = "code_missing"  // it takes one
	CodeUnwanted = "code_unwanted" // it takes none
	CodeUnknown  = "code_unknown"  // it has no such code
	CodeUsed     = "code_used"     // the code was redeemed
	CodeHeld     = "code_held"     // another redemption has the code: try again in a minute
	PriceMissing = "price_missing" // the budget needs to know what was taken off
	OutOfRange   = "out_of_range"  // a price or quantity that cannot be
	WrongPurpose = "wrong_purpose" // redemptions are kept for loyalty
)

// MaxLate is how long after it was a redemption may be told: a till that was cut off for a night, not a clock set back to a time
// when the offer held.
const (
	MaxLate  = 24 * time.Hour
	maxAhead = 5 * time.Minute
)

// Outcome is what became of a redemption.
type Outcome struct {
	Duplicate bool // it was kept before: nothing happened
	Points    int64
	Steps     []store.Step // how the history went on
}

// Redeem redeems the offer that an event names, durably and once for each event id, and keeps the event. It returns *Refusal, the
// errors of store.Shoppers.Record for grants and pauses, or a fault: then it may be redeemed or not, and the same event again
// tells. defaults are the grants of whom nothing is kept yet.
//
// The order is: what can be told from memory; the shares of stock and budget; the code; the shopper's commit, which decides; the
// code is used. A process that ends on the way loses at most its shares, and leaves the code to Settle.
func (d *Desk) Redeem(ctx context.Context, snapshot *retailer.Snapshot, key who.Key, now time.Time, defaults who.Grants, event who.Event) (Outcome, error) {
	known, err := d.shoppers.Known(ctx, key, []string{event.ID})
	if err != nil || known[0] {
		return Outcome{Duplicate: true}, err
	}
	o := snapshot.Offers.Of(event.Item)
	if refused := check(o, &event, now); refused != nil {
		return Outcome{}, refused
	}
	if refused, err := d.eligible(ctx, snapshot, o, key, &event); err != nil {
		return Outcome{}, err
	} else if refused != nil {
		return Outcome{}, refused
	}
	back, err := d.draw(ctx, snapshot.Retailer, o, &event)
	if err != nil {
		return Outcome{}, err
	}
	r := store.Redemption{Event: event, PerShopper: o.PerShopper, Group: o.Group, Points: o.Points}
	var hold *store.CodeHold
	if o.Codes {
		if hold, err = d.codes.Hold(ctx, key, o.ID, event.Code, event.ID); err != nil {
			if refused := ofCode(err); refused != nil {
				back()
				return Outcome{}, refused
			}
			return Outcome{}, fmt.Errorf("hold a code of offer %q: %w", o.ID, err)
		}
		r.Still = hold.Still
	}
	recorded, err := d.shoppers.Redeem(ctx, key, now, defaults, r)
	switch {
	case err == nil && recorded.Fresh[0]:
		if hold != nil {
			if err := hold.Use(ctx); err != nil {
				d.log.Warn("a code that was redeemed is held until it is settled", "retailer", key.Retailer, "offer", o.ID, "err", err)
			}
		}
		return Outcome{Points: o.Points, Steps: recorded.Steps}, nil
	case err == nil: // another try of the same event was faster
		back()
		_, err := drop(ctx, hold)
		return Outcome{Duplicate: true}, err
	}
	refused := ofShopper(err)
	if refused == nil {
		return Outcome{}, fmt.Errorf("redeem offer %q: %w", o.ID, err)
	}
	back()
	if twice, err := drop(ctx, hold); err != nil || twice {
		return Outcome{Duplicate: twice}, err
	}
	return Outcome{}, refused
}

// drop ends a hold, if there is one, that led to nothing new, and tells whether another try of the same event was kept.
func drop(ctx context.Context, hold *store.CodeHold) (recorded bool, err error) {
	if hold == nil {
		return false, nil
	}
	if recorded, err = hold.Drop(ctx); err != nil {
		return false, fmt.Errorf("settle a code: %w", err)
	}
	return recorded, nil
}

// untyped is a refusal as an error, so that none is nil.
func untyped(r *Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// check is what can be told without asking anybody.
func check(o *offer.Live, e *who.Event, now time.Time) *Refusal {
	switch {
	case o == nil:
		return &Refusal{Code: UnknownOffer, Field: "item", Text: fmt.Sprintf("there is no offer %q: it was taken out of the catalogue, or never was in it", e.Item)}
	case e.For() != who.Loyalty:
		return &Refusal{Code: WrongPurpose, Field: "purpose", Text: "redemptions are kept for loyalty: leave the purpose out", Wrong: true}
	case e.At.After(now.Add(maxAhead)):
		return &Refusal{Code: OutOfRange, Field: "at", Text: fmt.Sprintf("got %s, which is not yet", e.At.Format(time.RFC3339)), Wrong: true}
	case e.At.Before(now.Add(-MaxLate)):
		return &Refusal{Code: TooLate, Field: "at", Text: fmt.Sprintf("a redemption is told within %s, this one was at %s", MaxLate, e.At.Format(time.RFC3339))}
	case !o.Valid(e.At) && e.At.Before(o.From):
		return &Refusal{Code: NotValid, Text: fmt.Sprintf("the offer begins at %s", o.From.Format(time.RFC3339))}
	case !o.Valid(e.At):
		return &Refusal{Code: NotValid, Text: fmt.Sprintf("the offer was over at %s", o.Until.Format(time.RFC3339))}
	case !o.Holds(e.Store):
		return &Refusal{Code: WrongStore, Field: "store", Text: fmt.Sprintf("the offer holds in %s, this is %q", strings.Join(o.Stores, ", "), e.Store)}
	case e.Quantity != 0 && e.Quantity != 1:
		return &Refusal{Code: OutOfRange, Field: "quantity", Text: fmt.Sprintf("got %v, want 1: each redemption is an event of its own", e.Quantity), Wrong: true}
	case e.Price.Minor < 0:
		return &Refusal{Code: OutOfRange, Field: "price", Text: "what was taken off is written as a positive number", Wrong: true}
	case o.Codes && e.Code == "":
		return &Refusal{Code: CodeMissing, Field: "code", Text: "the offer takes a code", Wrong: true}
	case !o.Codes && e.Code != "":
		return &Refusal{Code: CodeUnwanted, Field: "code", Text: "the offer takes no code: leave it out", Wrong: true}
	case o.BudgetMinor > 0 && !e.Price.Known && o.MinorOff == 0:
		return &Refusal{Code: PriceMissing, Field: "price", Text: "the offer has a budget: say what was taken off", Wrong: true}
	}
	return nil
}

// ofTheCall are attributes of the moment in which an offer is shown. What asks for them was asked then.
var ofTheCall = []string{"basket.", "doing.", "crossing.", "event.", "place.geofence", "place.dwell_s", "place.precise", "place.trust"}

// eligible asks whether the offer is for the shopper, in the store that the event names. What is not known is not so.
func (d *Desk) eligible(ctx context.Context, snapshot *retailer.Snapshot, o *offer.Live, key who.Key, e *who.Event) (*Refusal, error) {
	asked, err := o.Eligibility()
	if err != nil {
		return nil, fmt.Errorf("offer %q: %w", o.ID, err)
	}
	if asked == nil {
		return nil, nil
	}
	call := scene.Call{Key: key, At: e.At}
	if at, ok := snapshot.Scene.Stores.ByID(e.Store); ok {
		call.Device.Location = geo.Precise
		call.Fix = &geo.Fix{At: e.At, Point: at.Point}
	}
	now, err := scene.Open(ctx, d.shoppers, &snapshot.Scene, call)
	if err != nil {
		return nil, fmt.Errorf("open the scene: %w", err)
	}
	_, made := recommend.Recommend(snapshot.Suggest.WithRules(asked), &recommend.Request{Scene: now, Limit: 1, Why: true})
	for i := range made.Verdicts {
		for _, part := range made.Verdicts[i].Parts {
			shown := slices.ContainsFunc(part.Reads, func(name string) bool {
				return slices.ContainsFunc(ofTheCall, func(of string) bool { return strings.HasPrefix(name, of) })
			})
			if !part.Holds && !shown {
				why := "does not hold"
				if part.Fault != "" {
					why = "is not known"
				}
				return &Refusal{Code: NotEligible, Text: fmt.Sprintf("the offer is for others: %s %s", part.Text, why)}, nil
			}
		}
	}
	return nil, nil
}

// StockOf and BudgetOf name what redemptions of an offer draw on.
func StockOf(retailer, id string) store.Quota {
	return store.Quota{Retailer: retailer, Of: id, What: "offer-stock"}
}

// BudgetOf is the budget of an offer.
func BudgetOf(retailer, id string) store.Quota {
	return store.Quota{Retailer: retailer, Of: id, What: "offer-budget"}
}

// draw takes what a redemption uses up of stock and budget; back gives it back. The error is *Refusal where there is not enough.
func (d *Desk) draw(ctx context.Context, retailer string, o *offer.Live, e *who.Event) (back func(), err error) {
	type part struct {
		quota    store.Quota
		limit, n int64
		what     string
	}
	var parts, drawn []part
	if o.Stock > 0 {
		parts = append(parts, part{StockOf(retailer, o.ID), o.Stock, 1, "stock"})
	}
	if o.BudgetMinor > 0 {
		off := o.MinorOff
		if e.Price.Known {
			off = e.Price.Minor
		}
		if off > 0 {
			parts = append(parts, part{BudgetOf(retailer, o.ID), o.BudgetMinor, off, "budget"})
		}
	}
	back = func() {
		for _, p := range drawn {
			d.quotas.Return(p.quota, p.n)
		}
	}
	for _, p := range parts {
		ok, err := d.quotas.Draw(ctx, p.quota, p.limit, p.n)
		if err != nil {
			back()
			return nil, fmt.Errorf("%s of offer %q: %w", p.what, o.ID, err)
		}
		if !ok {
			back()
			return nil, &Refusal{Code: UsedUp, Text: fmt.Sprintf("the %s of the offer is used up", p.what)}
		}
		drawn = append(drawn, p)
	}
	return back, nil
}

// ofCode is the refusal that an error of a code is; nil: it is none.
func ofCode(err error) *Refusal {
	switch {
	case errors.Is(err, store.ErrCodeUnknown):
		return &Refusal{Code: CodeUnknown, Field: "code", Text: "the offer has no such code"}
	case errors.Is(err, store.ErrCodeUsed):
		return &Refusal{Code: CodeUsed, Field: "code", Text: "the code was redeemed already"}
	case errors.Is(err, store.ErrCodeHeld):
		return &Refusal{Code: CodeHeld, Field: "code", Text: "another redemption of the code is under way: try again in a minute"}
	}
	return nil
}

// ofShopper is the refusal, or the error about grants, that an error of the shopper's commit is; nil: it is neither.
func ofShopper(err error) error {
	switch {
	case errors.Is(err, store.ErrRedeemed):
		return &Refusal{Code: Redeemed, Text: "the shopper has redeemed the offer as often as one may"}
	case errors.Is(err, store.ErrPoints):
		return &Refusal{Code: TooFewPoints, Text: "the loyalty card has too few points: another redemption was faster"}
	case errors.Is(err, store.ErrStacked):
		return &Refusal{Code: NotStackable, Field: "basket", Text: err.Error()}
	case errors.Is(err, store.ErrNoGrant), errors.Is(err, store.ErrPaused):
		return err
	}
	return untyped(ofCode(err))
}

const settleEvery = 10 * time.Second

// Settle finishes or frees, again and again until the context ends, the codes that redemptions left behind which ended half-way.
func (d *Desk) Settle(ctx context.Context) {
	every.Do(ctx, settleEvery, func() {
		n, err := d.codes.Settle(ctx, d.now().Add(-store.CodeSettled))
		if err != nil && ctx.Err() == nil {
			d.log.Error("codes cannot be settled; it is tried again", "err", err)
		}
		if n > 0 {
			d.log.Info("settled codes of redemptions that ended half-way", "codes", n)
		}
	})
}
