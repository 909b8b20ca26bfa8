package api

import (
	"slices"
	"testing"

	"satnav/server/identity"
	"satnav/server/store/audit"
)

// TestWhatIsLogged goes through every operation of the contract: what staff change or read of shoppers is logged, and what
// others do is not logged here.
func TestWhatIsLogged(t *testing.T) {
	t.Parallel()
	known := map[string]*operation{}
	for _, op := range readContract().operations {
		known[op.ID] = op
		for _, role := range identity.Roles {
			got := logged(op, role)
			switch {
			case !slices.Contains(staff, role):
				if got != "" {
					t.Errorf("%s by %s is logged as %s", op.ID, role, got)
				}
			case slices.Contains([]string{"PUT", "DELETE"}, op.Method) && !slices.Contains([]string{"PutHold", "DeleteHold", "DeleteSource"}, op.ID):
				if got != audit.Edited {
					t.Errorf("%s by %s is logged as %q, want an edit", op.ID, role, got)
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		want audit.Action
	}{
		{"PostSuggestionsBatch", audit.Accessed}, {"SimulateRules", audit.Accessed}, {"GetAudit", audit.Accessed}, {"GetErasure", audit.Accessed},
		{"PublishRules", audit.Edited}, {"PostImport", audit.Edited}, {"CreateGeofence", audit.Edited}, {"RestoreGeofence", audit.Edited},
		{"MatchGeofences", ""}, {"ReplayGeofences", ""}, {"CheckRule", ""}, {"PostErasure", ""}, {"GetRetailer", ""},
	} {
		op := known[c.name]
		if op == nil {
			t.Errorf("there is no operation %s", c.name)
		} else if got := logged(op, identity.Admin); got != c.want {
			t.Errorf("%s is logged as %q, want %q", c.name, got, c.want)
		}
	}
	for _, name := range slices.Concat(readsOnly, aboutShoppers) {
		if known[name] == nil {
			t.Errorf("there is no operation %s", name)
		}
	}
}
