package api

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/deliver"
	"satnav/server/store"
)

// ListDeliveries lists what a webhook still has to be told.
func (a *API) ListDeliveries(c *fiber.Ctx, params wire.ListDeliveriesParams) error {
	dead := params.Status == wire.ListDeliveriesParamsStatusUndelivered
	letters, next, err := a.Desk.List(c.UserContext(), caller(c).Retailer, params.Webhook, dead, params.Cursor, pageOf(params.Limit))
	if errors.Is(err, deliver.ErrCursor) {
		return parameterProblem(invalidRequest, "cursor", codeBadFormat, "got %s, want the next of the page before", quote(params.Cursor))
	}
	if err != nil {
		return err
	}
	out := wire.DeliveryList{Deliveries: make([]wire.Delivery, len(letters)), Next: next}
	for i := range letters {
		if out.Deliveries[i], err = deliveryFrom(&letters[i]); err != nil {
			return err
		}
	}
	return encode(c, out)
}

func deliveryFrom(l *store.WaitingLetter) (wire.Delivery, error) {
	told := wire.Delivery{
		ID: l.ID(), Message: l.Message, Webhook: l.Endpoint, Type: l.Type, Status: "waiting", At: l.At, MadeAt: l.Made,
		Attempts: l.Attempts, NextTryAt: l.Next, Fault: l.Fault,
	}
	if l.Dead {
		told.Status = "undelivered"
	}
	switch {
	case l.Type == deliver.TypeErasure:
		return told, json.Unmarshal([]byte(l.Data), &told.Erasure)
	case strings.HasPrefix(l.Type, deliver.TypeSuggestion):
		return told, json.Unmarshal([]byte(l.Data), &told.Suggested)
	}
	return told, json.Unmarshal([]byte(l.Data), &told.Data)
}

// ReplayDeliveries tries all again that was given up.
func (a *API) ReplayDeliveries(c *fiber.Ctx, params wire.ReplayDeliveriesParams) error {
	replayed, left, err := a.Desk.ReplayAll(c.UserContext(), caller(c).Retailer, params.Webhook)
	if err != nil {
		return err
	}
	return encode(c, wire.Replayed{Replayed: replayed, Left: left})
}

// ReplayDelivery tries a message again.
func (a *API) ReplayDelivery(c *fiber.Ctx, id wire.ID, _ wire.ReplayDeliveryParams) error {
	if err := a.Desk.Replay(c.UserContext(), caller(c).Retailer, strings.Clone(id)); err != nil {
		return noDelivery(err, id)
	}
	return encode(c, wire.Replayed{Replayed: 1})
}

// DeleteDelivery removes a message that was not delivered.
func (a *API) DeleteDelivery(c *fiber.Ctx, id wire.ID, _ wire.DeleteDeliveryParams) error {
	if err := a.Desk.Discard(c.UserContext(), caller(c).Retailer, strings.Clone(id)); err != nil {
		return noDelivery(err, id)
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// noDelivery says of a message that is not there where those are that are.
func noDelivery(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "no message %s waits, nor was it given up: it was delivered, or never was; GET /v1/deliveries lists those that are", quote(id))
	}
	return err
}
