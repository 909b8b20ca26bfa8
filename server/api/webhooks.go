package api

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListWebhooks lists webhooks.
func (a *API) ListWebhooks(c *fiber.Ctx, params wire.ListWebhooksParams) error {
	out := wire.WebhookList{Webhooks: []wire.StoredWebhook{}}
	next, err := a.listing(c, store.WebhookEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := webhookFrom(e, false)
		out.Webhooks = append(out.Webhooks, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

// webhookFrom is a webhook as it is told, with its newest secret when that was just made.
func webhookFrom(e store.Entry, secret bool) (wire.StoredWebhook, error) {
	var kept retailer.Webhook
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return wire.StoredWebhook{}, err
	}
	told := wire.StoredWebhook{
		ID: e.ID, Name: kept.Name, URL: kept.URL, Status: wire.WebhookStatusLive, Version: e.Version, UpdatedAt: e.At,
	}
	if kept.Paused() {
		told.Status = wire.WebhookStatusPaused
	}
	for _, kind := range kept.Kinds {
		told.Kinds = append(told.Kinds, wire.WebhookKind(kind))
	}
	if len(kept.Secrets) > 1 {
		told.RotatingUntil = kept.Secrets[1].Until
	}
	if secret && len(kept.Secrets) > 0 {
		told.Secret = kept.Secrets[0].Key
	}
	return told, nil
}

// CreateWebhook adds a webhook.
func (a *API) CreateWebhook(c *fiber.Ctx, _ wire.CreateWebhookParams) error {
	var in wire.Webhook
	if err := a.decode(c, &in); err != nil {
		return err
	}
	return a.saveWebhook(c, in, in.ID, new(int64), false)
}

// PutWebhook replaces a webhook, or creates it under an id.
func (a *API) PutWebhook(c *fiber.Ctx, id wire.ID, params wire.PutWebhookParams) error {
	expect, err := a.expected(c, store.WebhookEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Webhook
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.ID, id, "/id"); err != nil {
		return err
	}
	return a.saveWebhook(c, in, strings.Clone(id), expect, expect != nil)
}

func (a *API) saveWebhook(c *fiber.Ctx, in wire.Webhook, id string, expect *int64, conditional bool) error {
	if err := a.Desk.CheckURL(in.URL); err != nil {
		return refused(Faults{{Pointer: "/url", Code: codeUnknownValue, Detail: err.Error()}})
	}
	value := retailer.Webhook{Name: in.Name, URL: in.URL, Status: string(in.Status)}
	for _, kind := range in.Kinds {
		value.Kinds = append(value.Kinds, string(kind))
	}
	saved, err := a.Retailers.SaveWebhook(c.UserContext(), caller(c).Retailer, editor(c), retailer.Change[retailer.Webhook]{ID: id, Expect: expect, Value: value}, false)
	if err != nil {
		return err
	}
	if err := saved.Err; err != nil {
		if !conditional && expect != nil && errors.Is(err, store.ErrConflict) {
			return problem(conflict, "there is a webhook %s already: PUT it to replace it", quote(saved.ID))
		}
		return editProblem(err, "", conditional)
	}
	told, err := webhookFrom(saved.Entry(), saved.Created)
	if err != nil {
		return err
	}
	return finish(c, saved, "/v1/webhooks", told)
}

// GetWebhook reads a webhook.
func (a *API) GetWebhook(c *fiber.Ctx, id wire.ID, params wire.GetWebhookParams) error {
	entry, err := a.entry(c, store.WebhookEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := webhookFrom(entry, false)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// DeleteWebhook deletes a webhook.
func (a *API) DeleteWebhook(c *fiber.Ctx, id wire.ID, params wire.DeleteWebhookParams) error {
	expect, err := a.expected(c, store.WebhookEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveWebhook(c.UserContext(), caller(c).Retailer, editor(c),
		retailer.Change[retailer.Webhook]{ID: strings.Clone(id), Delete: true, Expect: expect}, false)
	return deleted(c, store.WebhookEntry, []retailer.Saved{saved}, err, expect != nil)
}

// RotateWebhook gives a webhook a new secret.
func (a *API) RotateWebhook(c *fiber.Ctx, id wire.ID, params wire.RotateWebhookParams) error {
	expect, err := a.expected(c, store.WebhookEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveWebhook(c.UserContext(), caller(c).Retailer, editor(c),
		retailer.Change[retailer.Webhook]{ID: strings.Clone(id), Expect: expect}, true)
	if err != nil {
		return err
	}
	if saved.Err != nil {
		return editProblem(absent(saved.Err, store.WebhookEntry, id), "", expect != nil)
	}
	told, err := webhookFrom(saved.Entry(), true)
	if err != nil {
		return err
	}
	return finish(c, saved, "/v1/webhooks", told)
}
