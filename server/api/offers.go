package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/recommend/offer"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListOffers lists the catalogue of offers.
func (a *API) ListOffers(c *fiber.Ctx, params wire.ListOffersParams) error {
	out := wire.OfferList{Offers: []wire.StoredOffer{}}
	next, err := a.listing(c, store.OfferEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := offerFrom(e)
		out.Offers = append(out.Offers, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

// offerFrom is an offer as it is kept. The contract and the entry say it in the same JSON.
func offerFrom(e store.Entry) (wire.StoredOffer, error) {
	told := wire.StoredOffer{ID: e.ID, Version: e.Version, UpdatedAt: e.At}
	if err := json.Unmarshal(e.Body, &told.Offer); err != nil {
		return told, fmt.Errorf("offer %q: %w", e.ID, err)
	}
	return told, nil
}

// GetOffer reads an offer.
func (a *API) GetOffer(c *fiber.Ctx, id wire.ID, params wire.GetOfferParams) error {
	entry, err := a.entry(c, store.OfferEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := offerFrom(entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// CreateOffer adds an offer.
func (a *API) CreateOffer(c *fiber.Ctx, _ wire.CreateOfferParams) error {
	var in wire.Offer
	if err := a.decode(c, &in); err != nil {
		return err
	}
	return a.saveOffer(c, in, in.ID, new(int64), false)
}

// PutOffer replaces an offer, or creates it under an id.
func (a *API) PutOffer(c *fiber.Ctx, id wire.ID, params wire.PutOfferParams) error {
	expect, err := a.expected(c, store.OfferEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Offer
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.ID, id, "/id"); err != nil {
		return err
	}
	return a.saveOffer(c, in, strings.Clone(id), expect, expect != nil)
}

func (a *API) saveOffer(c *fiber.Ctx, in wire.Offer, id string, expect *int64, conditional bool) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var wanted offer.Offer
	body, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveOffers(c.UserContext(), caller(c).Retailer, editor(c), []retailer.Change[offer.Offer]{{ID: id, Value: wanted, Expect: expect}})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		if !conditional && errors.Is(err, store.ErrConflict) {
			return problem(conflict, "there is an offer %s already: PUT it to replace it", quote(saved[0].ID))
		}
		return offerProblem(err, conditional)
	}
	told, err := offerFrom(saved[0].Entry())
	if err != nil {
		return err
	}
	return finish(c, saved[0], "/v1/offers", told)
}

// offerProblem tells why an offer is not saved.
func offerProblem(err error, conditional bool) error {
	if errors.Is(err, retailer.ErrNamed) {
		return problem(conflict, "%s", err)
	}
	return ruleProblem(editProblem(err, "", conditional))
}

// DeleteOffer deletes an offer.
func (a *API) DeleteOffer(c *fiber.Ctx, id wire.ID, params wire.DeleteOfferParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.OfferEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveOffers(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[offer.Offer]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	if err == nil && errors.Is(saved[0].Err, retailer.ErrNamed) {
		return offerProblem(saved[0].Err, false)
	}
	return deleted(c, store.OfferEntry, saved, err, expect != nil)
}

// AddCodes adds single-use codes to an offer.
func (a *API) AddCodes(c *fiber.Ctx, id wire.ID, _ wire.AddCodesParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var in wire.NewCodes
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if (in.Count > 0) == (len(in.Codes) > 0) {
		return refused(Faults{{Code: codeMixed, Detail: "want one of count and codes"}})
	}
	var faults Faults
	for i, code := range in.Codes {
		if wrong := store.CodeProblem(code); wrong != "" {
			faults = append(faults, wire.ProblemError{Pointer: fmt.Sprintf("/codes/%d", i), Code: codeBadFormat, Detail: wrong})
		}
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	entry, err := a.entry(c, store.OfferEntry, id)
	if err != nil {
		return err
	}
	kept, err := offerFrom(entry)
	if err != nil {
		return err
	}
	if !kept.Offer.Codes {
		return problem(conflict, "the offer %s takes no codes: say so in the offer first (codes)", quote(id))
	}
	var codes []store.Code
	if in.Count > 0 {
		codes, err = a.Codes.Make(c.UserContext(), caller(c).Retailer, entry.ID, in.Count)
	} else {
		codes, err = a.Codes.Add(c.UserContext(), caller(c).Retailer, entry.ID, in.Codes)
	}
	if errors.Is(err, store.ErrCodeTaken) {
		return problem(conflict, "%s", err)
	}
	if err != nil {
		return err
	}
	private(c)
	return encode(c, codesFrom(codes))
}

// ListCodes lists the codes of an offer.
func (a *API) ListCodes(c *fiber.Ctx, id wire.ID, params wire.ListCodesParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	entry, err := a.entry(c, store.OfferEntry, id)
	if err != nil {
		return err
	}
	after, ok := positionOf(params.Cursor)
	if !ok {
		return parameterProblem(invalidRequest, "cursor", codeBadFormat, "it was not made by an earlier page")
	}
	codes, next, more, err := a.Codes.List(c.UserContext(), caller(c).Retailer, entry.ID, after, pageOf(params.Limit))
	if err != nil {
		return err
	}
	out := codesFrom(codes)
	if more {
		out.Next = cursorOf(next)
	}
	private(c)
	return encode(c, out)
}

func codesFrom(codes []store.Code) wire.CodeList {
	out := wire.CodeList{Codes: make([]wire.Code, len(codes))}
	for i, code := range codes {
		out.Codes[i] = wire.Code{Code: code.Code, State: string(code.State), MadeAt: code.Made, UsedAt: code.Used}
	}
	return out
}

// cursorOf spells a position in a listing of marks.
func cursorOf(p store.Position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d\n%s\n%s", p.At.UnixMilli(), p.Partition, p.ID))
}

// positionOf reads what cursorOf spelt; the empty one is the beginning.
func positionOf(cursor string) (p store.Position, ok bool) {
	if cursor == "" {
		return p, true
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return p, false
	}
	parts := strings.SplitN(string(text), "\n", 3)
	var at int64
	if len(parts) != 3 {
		return p, false
	}
	if _, err := fmt.Sscanf(parts[0], "%d", &at); err != nil || store.CheckName("partition", parts[1]) != nil || store.CheckName("id", parts[2]) != nil {
		return p, false
	}
	return store.Position{At: time.UnixMilli(at).UTC(), Partition: parts[1], ID: parts[2]}, true
}
