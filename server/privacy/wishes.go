package privacy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// Preferences are what one shopper said about the use of their data, and whether it is restricted.
func (p *Permissions) Preferences(ctx context.Context, key who.Key) (wishes *who.Preferences, restricted bool, err error) {
	shopper, _, err := p.shopper(ctx, key)
	if err != nil {
		return nil, false, err
	}
	return shopper.Preferences(), shopper.Grants().Restricts(), nil
}

// Prefer keeps what a shopper says about the use of their data, durably; it holds from the next request on. change gets what was said
// before. A pause forgets where the shopper is, as nothing may be kept meanwhile.
func (p *Permissions) Prefer(ctx context.Context, key who.Key, now time.Time, change func(who.Preferences) who.Preferences) (*who.Preferences, error) {
	now = now.UTC().Truncate(time.Millisecond)
	for try := 0; ; try++ {
		shopper, snapshot, err := p.shopper(ctx, key)
		if err != nil {
			return nil, err
		}
		wishes := change(*shopper.Preferences())
		commit := store.Change{At: now, Defaults: snapshot.Scene.Defaults, Wishes: &wishes}
		if !wishes.Paused.IsZero() {
			commit.Presence = &geo.Presence{}
		}
		_, err = p.shoppers.Commit(ctx, key, shopper.Revision(), commit)
		if errors.Is(err, store.ErrConflict) && try < decideTries {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("keep preferences: %w", err)
		}
		return &wishes, p.Exercised(ctx, key, "preferences")
	}
}

// Exercised logs that a shopper used a right. What they said is theirs: the log tells that they did.
func (p *Permissions) Exercised(ctx context.Context, key who.Key, right string) error {
	pseudonym := p.shoppers.Pseudonym(key)
	return p.log.Append(ctx, key.Retailer, audit.Entry{
		Role: string(who.ByShopper), Name: pseudonym, Action: audit.RightExercised, Object: pseudonym, Detail: map[string]string{"right": right},
	})
}

// RestrictFor has all that is known of a shopper kept and not used, as they wish, or ends that: then each decision is in force again that was before
// the restriction, as it was, with its source, words, basis and time. What had been withdrawn before is restricted too: it is kept while that lasts.
func (p *Permissions) RestrictFor(ctx context.Context, key who.Key, restricted bool, now time.Time) error {
	shopper, _, err := p.shopper(ctx, key)
	if err != nil {
		return err
	}
	grants := map[who.Purpose]who.Grant{}
	for _, grant := range shopper.Grants() {
		if restricted && grant.Source != who.ByRestriction && grant.Source != who.ByHold {
			grants[grant.Purpose] = who.Grant{Purpose: grant.Purpose, At: now, Source: who.ByRestriction, Notice: grant.Notice, Language: grant.Language, Hash: grant.Hash, Basis: grant.Basis}
		}
	}
	if !restricted {
		before, err := p.shoppers.Decisions(ctx, key)
		if err != nil {
			return err
		}
		for _, grant := range before {
			if i := slices.IndexFunc(shopper.Grants(), func(g who.Grant) bool { return g.Purpose == grant.Purpose && g.Source == who.ByRestriction && !g.Given }); i >= 0 && grant.Source != who.ByRestriction && grant.Source != who.ByHold {
				grants[grant.Purpose] = grant // the last one before
			}
		}
	}
	if len(grants) == 0 {
		return nil
	}
	_, err = p.keep(ctx, key, now, false, func(*retailer.Snapshot) []who.Grant { return slices.Collect(maps.Values(grants)) })
	if err != nil {
		return err
	}
	return p.Exercised(ctx, key, map[bool]string{true: "restriction", false: "restriction lifted"}[restricted])
}
