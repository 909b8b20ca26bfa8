package api

import (
	"fmt"

	"github.com/gofiber/fiber/v2"

	"satnav/recommend"
	"satnav/sdk-contract/wire"
	"satnav/server/visit"
)

// defaultBatchLimit is how many suggestions a shopper of a batch gets when the call does not say.
const defaultBatchLimit = 20

// PostSuggestionsBatch answers the plain ranking for many shoppers.
func (a *API) PostSuggestionsBatch(c *fiber.Ctx) error {
	var in wire.BatchRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	b := visit.Batch{Retailer: caller(c).Retailer, Shoppers: in.Shoppers, At: in.At, Store: in.Store, Limit: defaultBatchLimit,
		Kinds: []recommend.Kind{recommend.KindProduct}}
	if b.At.IsZero() {
		b.At = a.Now()
	}
	if in.Limit != nil {
		b.Limit = *in.Limit
	}
	if len(in.Kinds) > 0 {
		b.Kinds = nil
		for _, kind := range in.Kinds {
			b.Kinds = append(b.Kinds, recommend.Kind(kind))
		}
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), b.Retailer)
	if err != nil {
		return err
	}
	if _, known := snapshot.Scene.Stores.ByID(b.Store); b.Store != "" && !known {
		return refused(Faults{{Pointer: "/store", Code: codeUnknownValue, Detail: fmt.Sprintf("there is no store %s", quote(b.Store))}})
	}
	lists, err := a.Visits.Batch(c.UserContext(), b)
	if err != nil {
		return err
	}
	words := wordsFor(in.Language, snapshot)
	out := wire.BatchResponse{Results: make([]wire.BatchResult, len(lists))}
	for i, list := range lists {
		out.Results[i] = wire.BatchResult{Shopper: in.Shoppers[i], Suggestions: suggestionsFrom(list, words)}
	}
	return encode(c, out)
}
