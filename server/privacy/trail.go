package privacy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/server/every"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// A decision about a purpose is written with the note that the audit log is owed an entry of it, in one commit; the entry is appended after it, and
// the note is paid off. So a process that ends in between leaves no decision without its entry, and none with two: the entry has the name of
// its commit, of which the log takes one.
const (
	trailEvery = 10 * time.Second
	// trailAfter is how old a debt is before somebody beside the call that made it pays.
	trailAfter = 5 * time.Second
	// toldOnce is how long the log remembers by their names which decisions it was told of, after the last debt before them is paid.
	toldOnce = time.Hour
)

// Run tells the audit log what a process that ended could not, until the context ends.
func (p *Permissions) Run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	sweep := func() {
		if err := p.Sweep(ctx, now()); err != nil && ctx.Err() == nil {
			log.Error("the audit log cannot be told of decisions; it is tried again", "err", err)
		}
	}
	sweep()
	every.Do(ctx, trailEvery, sweep)
}

// Sweep tells the audit log of every decision that it was not told of by the call that made it.
func (p *Permissions) Sweep(ctx context.Context, now time.Time) error {
	for more := true; more; {
		owed, left, err := p.shoppers.Owed(ctx, now.Add(-trailAfter))
		if err != nil {
			return err
		}
		for i := range owed {
			if err := p.pay(ctx, &owed[i]); err != nil {
				return err
			}
		}
		more = left && len(owed) > 0
	}
	return p.log.Forget(ctx, now.Add(-toldOnce))
}

// PayFor tells the audit log of all that one shopper decided: before they are erased, for an erasure takes what is owed with it.
func (p *Permissions) PayFor(ctx context.Context, key who.Key) error {
	owed, err := p.shoppers.OwedBy(ctx, key)
	for i := range owed {
		err = errors.Join(err, p.pay(ctx, &owed[i]))
	}
	return err
}

func (p *Permissions) pay(ctx context.Context, owed *store.Owed) error {
	retailer, pseudonym := retailerOf(owed.Partition), pseudonymOf(owed.Partition)
	entry := audit.Entry{
		Role: string(who.ByShopper), Name: pseudonym, Action: audit.Granted, Object: pseudonym, Detail: map[string]string{},
		Once: pseudonym + "-" + strings.ReplaceAll(owed.ID, "/", "-"),
	}
	for _, d := range owed.Decisions {
		if d.Source == who.ByRetailerDefault { // what held before anybody decided
			continue
		}
		if d.Source == who.ByHold {
			entry.Role, entry.Name = "satnav", string(who.ByHold)
		}
		entry.At = d.At
		entry.Detail[string(d.Purpose)] = map[bool]string{true: "granted", false: "withdrawn"}[d.Given]
	}
	if err := p.log.Append(ctx, retailer, entry); err != nil {
		return err
	}
	return p.shoppers.Paid(ctx, *owed)
}
