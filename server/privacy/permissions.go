// Package privacy is where a shopper's rights are exercised: what they granted, see and take back.
//
// It exists so that these paths are few and can be read in one sitting. Decided against: a flag on each
// feature. A withdrawn grant is one record, and the gate in who reads it on every call.
package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// Permissions shows and keeps a shopper's decisions. It is safe for concurrent use.
type Permissions struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	log       *audit.Log
	left      func(ctx context.Context, retailer string, exposures []who.Exposure) error // nil: nobody counts
	forgetful []func(who.Key)
}

// NewPermissions keeps decisions in the store, and notes them in the log.
func NewPermissions(shoppers *store.Shoppers, retailers *retailer.Retailers, log *audit.Log) *Permissions {
	return &Permissions{shoppers: shoppers, retailers: retailers, log: log}
}

// Leaving sets who is told, without the shopper's name, which experiments a shopper leaves by taking back a permission. Call it
// before the first decision.
func (p *Permissions) Leaving(left func(ctx context.Context, retailer string, exposures []who.Exposure) error) {
	p.left = left
}

// Forget adds a function that drops what some part of the process remembers of the events of a shopper who withdrew who.Loyalty. Call it before the
// first decision.
func (p *Permissions) Forget(f func(who.Key)) { p.forgetful = append(p.forgetful, f) }

// decideTries bounds how often a decision starts over because something else of the shopper was
// committed in between.
const decideTries = 10

// Grants are the decisions in force for one shopper, the retailer's defaults for a stranger.
func (p *Permissions) Grants(ctx context.Context, key who.Key) (who.Grants, error) {
	shopper, _, err := p.shopper(ctx, key)
	if err != nil {
		return nil, err
	}
	return shopper.Grants(), nil
}

func (p *Permissions) shopper(ctx context.Context, key who.Key) (*who.Shopper, *retailer.Snapshot, error) {
	snapshot, err := p.retailers.Of(ctx, key.Retailer)
	if err != nil {
		return nil, nil, err
	}
	shopper, err := p.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		return who.Stranger(key, snapshot.Scene.Defaults), snapshot, nil
	}
	return shopper, snapshot, err
}

// Decide keeps a shopper's decisions, durably, with the promise of an entry in the audit log: true grants a purpose, false withdraws it. It holds from
// the next request on. Purposes that are not declared must be refused before. language is that of the notices which the
// shopper read; empty: the retailer's first. Under a legal hold nothing can be granted: that is ErrHeld.
func (p *Permissions) Decide(ctx context.Context, key who.Key, decisions map[who.Purpose]bool, language string, now time.Time) (who.Grants, error) {
	return p.decide(ctx, key, decisions, who.ByShopper, language, now)
}

// Restrict withdraws all that a shopper of whom something is stored has granted, on behalf of a legal hold.
func (p *Permissions) Restrict(ctx context.Context, key who.Key, now time.Time) error {
	shopper, err := p.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	for grants := shopper.Grants(); ; { // until nothing is granted: the shopper may have decided meanwhile
		decisions := map[who.Purpose]bool{}
		for _, grant := range grants {
			if grant.Given {
				decisions[grant.Purpose] = false
			}
		}
		if len(decisions) == 0 {
			return nil
		}
		if grants, err = p.decide(ctx, key, decisions, who.ByHold, "", now); err != nil {
			return err
		}
	}
}

func (p *Permissions) decide(ctx context.Context, key who.Key, decisions map[who.Purpose]bool, source who.Source, language string, now time.Time) (who.Grants, error) {
	return p.keep(ctx, key, now, source == who.ByShopper, func(snapshot *retailer.Snapshot) (grants []who.Grant) {
		for _, declared := range snapshot.Purposes.All() {
			if given, decided := decisions[declared.Purpose]; decided {
				grant := declared.Decide(given, append([]string{language}, snapshot.Settings.Languages...)...)
				grant.At, grant.Source = now, source
				grants = append(grants, grant)
			}
		}
		return grants
	})
}

// keep keeps decisions as they are made of a retailer's purposes. leaves: who takes back a permission by them leaves experiments.
func (p *Permissions) keep(ctx context.Context, key who.Key, now time.Time, leaves bool, decide func(*retailer.Snapshot) []who.Grant) (who.Grants, error) {
	for try := 0; ; try++ {
		shopper, snapshot, err := p.shopper(ctx, key)
		if err != nil {
			return nil, err
		}
		change := store.Change{At: now, Defaults: snapshot.Scene.Defaults, Owed: true, Grants: decide(snapshot)}
		if slices.ContainsFunc(change.Grants, func(g who.Grant) bool { return g.Given }) {
			// Asked after the shopper was read: a hold that comes later finds this commit, or makes it start over.
			if err := p.shoppers.Held(ctx, key); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(change.Grants, func(g who.Grant) bool { return g.Purpose == who.Location && !g.Given }) {
			change.Presence = &geo.Presence{} // where the shopper was is forgotten with the permission to know it
		}
		var after *who.Shopper
		err = p.retailers.Record(ctx, key.Retailer, func() (steps []store.Step, err error) {
			after, err = p.shoppers.Commit(ctx, key, shopper.Revision(), change)
			if err != nil {
				return nil, err
			}
			return []store.Step{{Partition: p.shoppers.Partition(key), Before: counted(shopper), After: counted(after)}}, nil
		})
		if errors.Is(err, store.ErrConflict) && try < decideTries {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("keep decisions: %w", err)
		}
		if !after.Grants().Holds(who.Loyalty) {
			for _, forget := range p.forgetful {
				forget(key)
			}
		}
		// The entry is owed in the store: when it cannot be told now, Run tells it.
		_ = p.PayFor(ctx, key)
		if left := exposures(shopper); len(left) > 0 && len(exposures(after)) == 0 && p.left != nil && leaves {
			if err := p.left(ctx, key.Retailer, left); err != nil { // the decision holds all the same
				return nil, fmt.Errorf("count who left an experiment: %w", err)
			}
		}
		return after.Grants(), nil
	}
}

// exposures are the experiments that a shopper counts for: none without the grant.
func exposures(shopper *who.Shopper) []who.Exposure {
	view, _ := who.Access(who.Loyalty, who.NewSubject(shopper, who.Permissions{}))
	return view.Exposures()
}

// counted is the history that the crowd may know of a shopper: none without the grant.
func counted(shopper *who.Shopper) *who.History { return who.Counted(shopper) }
