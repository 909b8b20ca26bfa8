package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/server/identity"
	"satnav/server/store/audit"
)

// staff are the roles of people. What they read of shoppers and what they edit stands in the audit log; shoppers and services
// are what the product is for, and what they decide is logged where it is decided.
var staff = []identity.Role{identity.Manager, identity.Product, identity.Admin}

// readsOnly are the operations that change nothing although their method is not GET.
var readsOnly = []string{"MatchGeofences", "ReplayGeofences", "CheckRule"}

// aboutShoppers are the operations by which staff read what is known of shoppers.
var aboutShoppers = []string{"PostSuggestionsBatch", "SimulateRules", "GetAudit", "GetErasure", "ListAppeals", "StreamTriggers", "ListDeliveries"}

// logged is what an operation that succeeded is in the audit log; empty: nothing.
func logged(op *operation, role identity.Role) audit.Action {
	switch {
	case !slices.Contains(staff, role):
		return ""
	case slices.Contains(aboutShoppers, op.ID):
		return audit.Accessed
	case op.Method == fiber.MethodGet, slices.Contains(readsOnly, op.ID), strings.HasPrefix(op.Path, "/v1/admin/"): // those log themselves
		return ""
	default:
		return audit.Edited
	}
}

// log notes an operation of staff that succeeded. Where that cannot be noted it is an error: an edit without a trace is
// made again.
func (a *API) log(c *fiber.Ctx, op *operation) error {
	claims := caller(c)
	action := logged(op, claims.Role)
	if action == "" || a.Audit == nil || c.Response().StatusCode() >= fiber.StatusBadRequest {
		return nil
	}
	return a.Audit.Append(c.UserContext(), claims.Retailer, audit.Entry{
		Role: string(claims.Role), Name: claims.Subject, Action: action, Object: strings.Clone(c.Path()),
		Detail: map[string]string{"operation": op.ID, "status": strconv.Itoa(c.Response().StatusCode())},
	})
}
