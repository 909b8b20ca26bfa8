package api

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/money"
	"satnav/server/visit"
)

// defaultLimit is how many suggestions are wanted when a call does not say.
const defaultLimit = 10

// PostContext answers "what would help this shopper right now, and what just happened?".
func (a *API) PostContext(c *fiber.Ctx) error {
	var in wire.ContextRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	shopper, err := shopperOf(c, in.Shopper, "/shopper")
	if err != nil {
		return err
	}
	signal, err := signalFrom(&in, a.Now())
	if err != nil {
		return err
	}
	signal.Device.Private = signal.Device.Private || keptPrivate(c)
	signal.Key = who.Key{Retailer: caller(c).Retailer, Shopper: shopper}
	answer, err := a.Visits.Answer(c.UserContext(), signal)
	if err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), signal.Key.Retailer)
	if err != nil {
		return err
	}
	c.Response().Header.Set(fiber.HeaderCacheControl, "private, no-store")
	words := wordsFor(in.Language, snapshot)
	reply := replyFrom(&answer)
	reply.Messages = messagesFrom(answer.Says, words)
	for i := range answer.Triggers {
		reply.Triggers[i].Suggestion = words.proposal(answer.Triggers[i].Proposal)
	}
	return encodeContext(c, reply, answer.Suggestions, words)
}

// shopperOf is whom a call is about: a shopper token speaks for itself alone, a backend names somebody.
func shopperOf(c *fiber.Ctx, named, pointer string) (string, error) {
	claims := caller(c)
	if claims.Role == "shopper" {
		if named != "" && named != claims.Subject {
			return "", &failure{kind: forbidden, detail: "a shopper's token names none but its own shopper",
				faults: Faults{{Pointer: pointer, Code: "forbidden", Detail: "this token speaks for its own shopper only: leave it out"}}}
		}
		return claims.Subject, nil
	}
	if named == "" {
		return "", refused(Faults{{Pointer: pointer, Code: codeMissing, Detail: "missing: a backend's token names the shopper"}})
	}
	if !identity.ValidSubject(named) {
		return "", refused(Faults{{Pointer: pointer, Code: codeBadFormat, Detail: fmt.Sprintf("got %s, want %s", quote(named), identity.SubjectWanted)}})
	}
	return named, nil
}

// signalFrom reads what the app tells.
func signalFrom(in *wire.ContextRequest, now time.Time) (visit.Signal, error) {
	s := visit.Signal{
		Arrived: now, At: in.At, SentAt: in.SentAt,
		Device: deviceFrom(in.Permissions),
		Screen: in.Doing.Screen, Basket: in.Doing.Basket, List: in.Doing.List, Query: in.Doing.Query,
		Explore: in.Explore == nil || *in.Explore, Limit: defaultLimit, Regions: in.Regions,
	}
	if in.Limit != nil {
		s.Limit = *in.Limit
	}
	for _, kind := range in.Kinds {
		s.Kinds = append(s.Kinds, recommend.Kind(kind))
	}
	for _, f := range in.Trail {
		s.Trail = append(s.Trail, geo.Fix{At: f.At, Point: geo.Point{Lat: f.Lat, Lng: f.Lng}, AccuracyMeters: f.AccuracyM, Floor: f.Floor, Mocked: f.Mocked})
	}
	if w := in.Where; w != nil && w.Cell != "" {
		cell, err := geo.ParseCell(w.Cell)
		if err != nil {
			return s, refused(Faults{{Pointer: "/where/cell", Code: codeBadFormat, Detail: err.Error()}})
		}
		s.Cell = cell
	} else if w != nil && w.Lat != nil && w.Lng != nil {
		s.Fix = &geo.Fix{Point: geo.Point{Lat: *w.Lat, Lng: *w.Lng}, AccuracyMeters: w.AccuracyM, Floor: w.Floor, Mocked: w.Mocked}
	}
	return s, nil
}

// deviceFrom is what the device allows; a call that says nothing leaves it to the grants.
func deviceFrom(p *wire.DevicePermissions) who.Permissions {
	allowed := who.Permissions{Location: geo.Precise, Background: true, Notifications: true}
	if p == nil {
		return allowed
	}
	switch p.Location {
	case wire.DevicePermissionsLocationNone:
		allowed.Location = geo.NoLocation
	case wire.DevicePermissionsLocationCoarse:
		allowed.Location = geo.Coarse
	}
	if p.Background != nil {
		allowed.Background = *p.Background
	}
	if p.Notifications != nil {
		allowed.Notifications = *p.Notifications
	}
	allowed.Private = p.Tracking != nil && !*p.Tracking
	return allowed
}

// keptPrivate tells whether a call wants nothing shared: Global Privacy Control.
func keptPrivate(c *fiber.Ctx) bool { return c.Get("Sec-GPC") == "1" }

// replyFrom tells an answer in the words of the contract, all but its suggestions: encodeContext writes them.
func replyFrom(answer *visit.Answer) *wire.ContextResponse {
	out := &wire.ContextResponse{
		Triggers: make([]wire.Trigger, len(answer.Triggers)),
		Moment:   wire.Moment{LocalTime: answer.Moment.Instant, Daypart: string(answer.Moment.Daypart), Holiday: answer.Moment.Holiday},
		Next:     wire.Next{CheckAgainS: int(answer.Next.CheckAgain / time.Second)},
		Used: wire.Used{
			Permissions: answer.Used.Permissions, Location: answer.Used.Location, History: answer.Used.History,
			Model: answer.Used.Model, Rules: answer.Used.Rules, Degraded: answer.Used.Degraded, Distrust: answer.Used.Distrust,
		},
	}
	for i, t := range answer.Triggers {
		out.Triggers[i] = wire.Trigger{ID: t.ID, Geofence: t.Geofence, Kind: wire.TriggerKind(t.Kind), At: t.At, DecidedAt: t.DecidedAt, Reason: t.Reason, Payload: t.Payload}
	}
	if place := answer.Place; place.Known {
		out.Place.Cell = place.Cell.String()
		if place.Store != nil {
			out.Place.Store, out.Place.DistanceM = place.Store.ID, &answer.Place.DistanceMeters
			if place.Store.Hours != nil {
				out.Place.Open = &answer.Open
			}
		}
	}
	if answer.Next.SafeRadiusMeters > 0 {
		out.Next.SafeRadiusM = &answer.Next.SafeRadiusMeters
	}
	if len(answer.Next.Watch) > 0 {
		out.Next.At = wire.LatLng{Lat: answer.Next.At.Lat, Lng: answer.Next.At.Lng}
		out.Next.Regions = regionsFrom(answer.Next.Watch)
	}
	for _, arm := range answer.Used.Arms {
		if out.Used.Arms == nil {
			out.Used.Arms = make(map[string]string, len(answer.Used.Arms))
		}
		out.Used.Arms[arm.Experiment] = arm.Arm
	}
	for _, purpose := range answer.Used.Purposes {
		out.Used.Purposes = append(out.Used.Purposes, string(purpose))
	}
	return out
}

// suggestionsFrom tells suggestions in the words of the contract.
func suggestionsFrom(list []recommend.Suggestion, words words) []wire.Suggestion {
	out := make([]wire.Suggestion, len(list))
	for i := range list {
		s := &list[i]
		out[i] = wire.Suggestion{
			ID: s.ID, Kind: wire.SuggestionKind(s.Kind), Item: s.Item, Title: words.called(s), Terms: words.terms(s), Score: s.Score, ValidUntil: s.ValidUntil,
			Price: money.Format(s.Price, words.exponent), Reasons: make([]wire.Reason, len(s.Reasons)),
		}
		for n := range s.Reasons {
			out[i].Reasons[n] = words.reason(&s.Reasons[n])
		}
		if s.Ruled != nil {
			out[i].Offer, out[i].Message = words.offer(s), words.message(s)
		}
	}
	return out
}
