package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/diary"
	"satnav/server/identity"
	"satnav/server/money"
	"satnav/server/retailer"
	"satnav/server/visit"
)

// PostEvents keeps what shoppers did.
func (a *API) PostEvents(c *fiber.Ctx) error {
	var in wire.EventsRequest
	bad, err := a.decodeEvents(c, &in)
	if err != nil {
		return err
	}
	claims, now := caller(c), a.Now()
	skew, err := visit.Skew(in.SentAt, now)
	if err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), claims.Retailer)
	if err != nil {
		return err
	}
	out := wire.EventsResponse{Results: make([]wire.EventResult, len(in.Events))}
	var entries []diary.Entry
	var indexes []int
	for i := range in.Events {
		e := &in.Events[i]
		out.Results[i] = wire.EventResult{ID: e.ID, Status: wire.EventResultStatusRefused}
		if faults, ok := bad[i]; ok {
			out.Results[i].Problem = ofEvent(c, refused(faults), "")
			continue
		}
		entry, err := entryFrom(c, claims, snapshot, e)
		if err != nil {
			out.Results[i].Problem = ofEvent(c, problemOf(err), eventPointer(i))
			continue
		}
		if keptPrivate(c) && slices.Contains(snapshot.Scene.Shared, entry.Event.For()) {
			out.Results[i].Problem = ofEvent(c, &failure{kind: noGrant, detail: fmt.Sprintf("the call has Sec-GPC: 1, and others receive what is kept for the purpose %q", entry.Event.For()),
				faults: Faults{{Pointer: "/purpose", Code: "kept_private", Detail: "it is not kept: the shopper wants nothing shared"}}}, eventPointer(i))
			continue
		}
		if !entry.Event.At.IsZero() {
			entry.Event.At = entry.Event.At.Add(-skew)
		}
		entries, indexes = append(entries, entry), append(indexes, i)
	}
	recorded, err := a.Diary.Record(c.UserContext(), claims.Retailer, now, entries)
	if err != nil {
		return err
	}
	var shoppers []string
	var happened []who.Event
	for n, result := range recorded {
		if result.Status != diary.Refused && result.Code == "" { // a retry, too: the call before may have ended between the event and what rules say about it
			shoppers, happened = append(shoppers, entries[n].Shopper), append(happened, entries[n].Event)
		}
		out.Results[indexes[n]].Status, out.Results[indexes[n]].Points = wire.EventResultStatus(result.Status), result.Points
		if result.Status == diary.Refused {
			out.Results[indexes[n]].Problem = ofEvent(c, refusedEvent(result), eventPointer(indexes[n]))
		} else {
			out.Results[indexes[n]].Doubt = result.Code // rules do not speak about it
		}
	}
	if err := a.Visits.Happened(c.UserContext(), strings.Clone(claims.Retailer), now, shoppers, happened); err != nil {
		a.Log.Error("rules cannot speak about an event", "err", err) // the events are kept
	}
	return encode(c, out)
}

// entryFrom reads one event of a call.
func entryFrom(c *fiber.Ctx, claims *identity.Claims, snapshot *retailer.Snapshot, e *wire.Event) (diary.Entry, error) {
	shopper, err := shopperOf(c, e.Shopper, "/shopper")
	if err != nil {
		return diary.Entry{}, err
	}
	price, err := money.Parse(e.Price, snapshot.Settings.Exponent())
	if err != nil {
		return diary.Entry{}, refused(Faults{{Pointer: "/price", Code: codeBadFormat, Detail: err.Error()}})
	}
	event := who.Event{
		ID: e.ID, Kind: who.EventKind(e.Kind), At: e.At, Item: e.Item, Basket: e.Basket, Price: price, Code: e.Code, Store: e.Store, Place: e.Place,
		Properties: e.Properties, Source: "app", Purpose: who.Purpose(e.Purpose),
	}
	if claims.Role != identity.Shopper {
		event.Source = string(claims.Role)
	}
	if e.Source != "" {
		if claims.Role == identity.Shopper || !who.ValidPartner(e.Source) {
			return diary.Entry{}, refused(Faults{{Pointer: "/source", Code: codeUnknownValue, Detail: fmt.Sprintf("got %s, want %s, from a back end; for one's own data leave it out", quote(e.Source), who.PartnerWanted)}})
		}
		event.Source = e.Source
	}
	if e.Quantity != nil {
		if event.Quantity = *e.Quantity; event.Quantity == 0 { // it would be taken for absent, which is 1
			return diary.Entry{}, refused(Faults{{Pointer: "/quantity", Code: codeOutOfRange, Detail: "got 0, want another number, or leave it out for 1"}})
		}
	}
	return diary.Entry{Shopper: shopper, Event: event}, nil
}

// refusedEvent tells why an event was refused.
func refusedEvent(r diary.Result) *failure {
	k := invalidValue
	switch {
	case r.Code == diary.NoGrant:
		k = noGrant
	case r.Held:
		k = notToBeHad
	}
	detail := r.Problem
	if k == noGrant {
		detail += ": keep the shopper's yes with PUT /v1/me/permissions, then send it again"
	}
	fault := wire.ProblemError{Code: r.Code, Detail: detail}
	if r.Code == diary.Invalid {
		fault.Code = codeUnknownValue
	}
	if r.Field != "" {
		fault.Pointer = "/" + strings.TrimPrefix(r.Field, "/")
	}
	return &failure{kind: k, detail: detail, faults: Faults{fault}}
}

// eventPointer is the place of an event in the body.
func eventPointer(i int) string { return "/events/" + strconv.Itoa(i) }

// ofEvent is the problem of one event as it is sent, its places told from the top of the body.
func ofEvent(c *fiber.Ctx, p *failure, under string) *wire.Problem {
	told := p.wire(traceID(c))
	told.Errors = slices.Clone(told.Errors)
	for i := range told.Errors {
		told.Errors[i].Pointer = under + told.Errors[i].Pointer
	}
	return &told
}
