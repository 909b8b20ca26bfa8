package api

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/store"
)

// cardAhead is how far a clock of a loyalty programme may be ahead.
const cardAhead = 5 * time.Minute

// PutCard keeps what the loyalty programme says of a shopper.
func (a *API) PutCard(c *fiber.Ctx, id string, _ wire.PutCardParams) error {
	if !identity.ValidSubject(id) { // they could never see it: no token names them
		return parameterProblem(invalidValue, "id", codeBadFormat, "got %.40q, want %s", id, identity.SubjectWanted)
	}
	var in wire.CardRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	now := a.Now()
	card := cardOf(&in)
	card.Source = string(caller(c).Role)
	if card.At.IsZero() {
		card.At = now
	}
	var faults Faults
	for _, f := range card.Check() {
		faults = append(faults, wire.ProblemError{Pointer: "/" + f.Field, Code: codeBadFormat, Detail: f.Problem})
	}
	if card.At.After(now.Add(cardAhead)) {
		faults = append(faults, wire.ProblemError{Pointer: "/at", Code: codeOutOfRange, Detail: fmt.Sprintf("got %s, which is not yet", card.At.Format(time.RFC3339))})
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	kept, err := a.Shoppers.PutCard(c.UserContext(), a.shopper(c, strings.Clone(id)), now, snapshot.Scene.Defaults, card)
	switch {
	case errors.Is(err, store.ErrNoGrant):
		return problem(noGrant, "%s: keep the shopper's yes with PUT /v1/me/permissions, then send it again", err)
	case errors.Is(err, store.ErrPaused):
		return problem(conflict, "the shopper paused the diary: nothing new is kept until they resume it")
	case errors.Is(err, store.ErrOlder):
		return problem(conflict, "%s: send one that is not older", err)
	case err != nil:
		return err
	}
	return encodePrivate(c, cardFrom(kept))
}

// DeleteCard forgets what the loyalty programme said of a shopper.
func (a *API) DeleteCard(c *fiber.Ctx, id string, _ wire.DeleteCardParams) error {
	err := a.Shoppers.DropCard(c.UserContext(), a.shopper(c, strings.Clone(id)), a.Now())
	if errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "no loyalty card is known of this shopper")
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func cardOf(in *wire.CardRequest) who.Card {
	card := who.Card{Tier: in.Tier, Segments: in.Segments, At: in.At}
	if in.Points != nil {
		card.Points, card.Counts = *in.Points, true
	}
	return card
}

func cardFrom(card *who.Card) wire.Card {
	if card == nil {
		return wire.Card{}
	}
	told := wire.Card{Tier: card.Tier, Segments: append([]string{}, card.Segments...), At: card.At, Since: card.Since, Source: card.Source}
	if points, known := card.Balance(); known {
		told.Points = &points
	}
	return told
}
