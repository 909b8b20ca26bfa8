package api

import (
	"context"

	"satnav/server/identity"
	"satnav/server/retailer"
)

// settingsPath is the one operation that a deployment answers about a retailer who is pinned elsewhere: whoever pins them there must be able to see and
// undo it.
const settingsPath = "/v1/retailer"

// belongs refuses a call about a retailer, or a shopper, who is pinned to another region: nothing about them is read or kept here.
func (a *API) belongs(ctx context.Context, op *operation, claims *identity.Claims) error {
	if a.Region == "" { // this is the only deployment
		return nil
	}
	if !retailer.Within(claims.Region, a.Region) {
		return a.misplaced("the shopper", claims.Region)
	}
	snapshot, err := a.Retailers.Of(ctx, claims.Retailer)
	if err != nil {
		return err
	}
	if pinned := snapshot.Settings.Region; !retailer.Within(pinned, a.Region) && op.Path != settingsPath {
		return a.misplaced("the retailer", pinned)
	}
	return nil
}

// misplaced says where to go.
func (a *API) misplaced(who, region string) error {
	if address, known := a.Elsewhere[region]; known {
		return problem(wrongRegion, "%s is pinned to the region %s, and this deployment is of %s: ask %s", who, quote(region), a.Region, address)
	}
	return problem(wrongRegion, "%s is pinned to the region %s, and this deployment is of %s: ask the deployment of that region", who, quote(region), a.Region)
}
