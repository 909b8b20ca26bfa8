package api

import (
	"errors"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/privacy"
	"satnav/server/store"
)

// PostErasure erases a shopper on behalf of a back end or an administrator.
func (a *API) PostErasure(c *fiber.Ctx, _ wire.PostErasureParams) error {
	var in wire.ErasureRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	receipt, err := a.Erasures.Erase(c.UserContext(), a.shopper(c, in.Shopper), actor(c), in.Reason)
	if err != nil {
		return err
	}
	return encodePrivate(c, erasureFrom(receipt.Proof, receipt.Secret))
}

// GetErasure tells how far an erasure is.
func (a *API) GetErasure(c *fiber.Ctx, id string) error {
	proof, err := a.Erasures.Proof(c.UserContext(), caller(c).Retailer, id)
	if errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "there is no erasure %s", quote(id))
	}
	if err != nil {
		return err
	}
	return encodePrivate(c, erasureFrom(proof, ""))
}

// DeleteSource deletes all that came from a source.
func (a *API) DeleteSource(c *fiber.Ctx, id string) error {
	if !slices.Contains([]string{"app", "backend", "import"}, id) && !who.ValidPartner(id) {
		return parameterProblem(invalidValue, "id", codeUnknownValue, "got %s, want app, backend, import or %s", quote(id), who.PartnerWanted)
	}
	drop, err := a.Sources.Drop(c.UserContext(), caller(c).Retailer, strings.Clone(id), actor(c))
	if err != nil {
		return err
	}
	return encodePrivate(c, wire.SourceDrop{Source: drop.Source, AskedAt: drop.Asked, Removed: drop.Removed, DoneAt: drop.Done})
}

// PutHold places a legal hold on a shopper.
func (a *API) PutHold(c *fiber.Ctx, id string, _ wire.PutHoldParams) error {
	var in wire.HoldRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := a.Erasures.PlaceHold(c.UserContext(), a.Permissions, a.shopper(c, id), actor(c), in.Reason); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// DeleteHold releases a legal hold.
func (a *API) DeleteHold(c *fiber.Ctx, id string, _ wire.DeleteHoldParams) error {
	err := a.Erasures.ReleaseHold(c.UserContext(), a.shopper(c, id), actor(c))
	if errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "there is no legal hold on this shopper")
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// defaultAuditPage is how many entries a page of the audit log has when the call does not say.
const defaultAuditPage = 100

// GetAudit lists the audit log.
func (a *API) GetAudit(c *fiber.Ctx, params wire.GetAuditParams) error {
	limit := params.Limit
	if limit == 0 {
		limit = defaultAuditPage
	}
	entries, more, err := a.Audit.Entries(c.UserContext(), caller(c).Retailer, params.After, limit)
	if err != nil {
		return err
	}
	out := wire.AuditLog{Entries: make([]wire.AuditEntry, len(entries)), More: more}
	for i, e := range entries {
		out.Entries[i] = wire.AuditEntry{
			Number: e.Number, At: e.At, Role: e.Role, Name: e.Name, Action: string(e.Action), Object: e.Object, Detail: e.Detail,
		}
	}
	return encodePrivate(c, out)
}

// shopper is a shopper of the caller's retailer.
func (a *API) shopper(c *fiber.Ctx, id string) who.Key {
	return who.Key{Retailer: caller(c).Retailer, Shopper: id}
}

// actor is the caller, for the audit log.
func actor(c *fiber.Ctx) privacy.Actor {
	claims := caller(c)
	return privacy.Actor{Role: string(claims.Role), Name: claims.Subject}
}

// encodePrivate answers with what no cache may keep.
func encodePrivate(c *fiber.Ctx, out any) error {
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return encode(c, out)
}

func erasureFrom(p store.Proof, secret string) wire.Erasure {
	return wire.Erasure{
		ID: p.ID, Secret: secret, Commitment: p.Commitment, AskedBy: p.Role, Reason: p.Reason, AskedAt: p.Asked, ErasedAt: p.Erased,
		Documents: int64(p.Documents), ToldAt: p.Told, ShreddedAt: p.Shredded, ScrubbedAt: p.Scrubbed, UnlearntAt: p.Unlearnt, CompletedAt: p.Completed,
	}
}
