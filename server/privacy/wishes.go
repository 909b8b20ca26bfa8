package privacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"satnav/context/who"
	"satnav/geo"
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

// RestrictFor has all that is known of a shopper kept and not used, as they wish, or ends that: then what was granted before is granted again,
// since it was only ever the shopper who said otherwise.
func (p *Permissions) RestrictFor(ctx context.Context, key who.Key, restricted bool, now time.Time) error {
	shopper, _, err := p.shopper(ctx, key)
	if err != nil {
		return err
	}
	decisions := map[who.Purpose]bool{}
	for _, grant := range shopper.Grants() {
		if restricted && grant.Given || !restricted && !grant.Given && grant.Source == who.ByRestriction {
			decisions[grant.Purpose] = !restricted
		}
	}
	if len(decisions) == 0 {
		return nil
	}
	source := who.ByShopper
	if restricted {
		source = who.ByRestriction
	}
	if _, err := p.decide(ctx, key, decisions, source, "", now); err != nil {
		return err
	}
	return p.Exercised(ctx, key, map[bool]string{true: "restriction", false: "restriction lifted"}[restricted])
}
