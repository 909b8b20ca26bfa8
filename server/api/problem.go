package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// problemPrefix begins every problem's type. The URIs are stable names, not addresses; /docs explains each.
const problemPrefix = "urn:problem-type:satnav:"

// kind is one row of the table of problems.
type kind struct {
	slug   string // the end of its type
	status int
	title  string
	about  string // for /docs: when it happens, and what to do
	ofItem bool   // told of an item of a call, or where a status has another meaning first: /docs does not list it by its status
}

// The problems that callers can meet. Slugs and statuses are part of the contract: they are added, never changed.
var (
	invalidRequest = &kind{slug: "invalid-request", status: 400, title: "The request cannot be read",
		about: "The body is not JSON, or not as described: an unknown, repeated or missing field, a wrong type. `errors` names each place. Mend the caller; the same call will fail again."}
	unauthenticated = &kind{slug: "unauthenticated", status: 401, title: "A valid token is needed",
		about: "There is no token, or it has expired, or it is not signed by a key that is trusted here. Get a new one."}
	forbidden = &kind{slug: "forbidden", status: 403, title: "The token does not allow this",
		about: "The token is valid, but its role or its stores do not reach what was asked for."}
	noGrant = &kind{slug: "no-grant", status: 403, title: "The shopper has not granted this", ofItem: true,
		about: "Of one event of a call: the shopper has not granted the purpose that events are kept for, or withdrew it. Of `/v1/geofences/nearby`: the same of the purpose location. Ask the shopper, and keep a yes with PUT `/v1/me/permissions`. Do not send it again before."}
	wrongRegion = &kind{slug: "wrong-region", status: 403, title: "Another region keeps this", ofItem: true,
		about: "The retailer or the shopper is pinned to another region: nothing about them is read or kept by this deployment. `detail` says which region, and its address where it is known. Send the call there."}
	notToBeHad = &kind{slug: "not-to-be-had", status: 409, title: "The offer cannot be redeemed", ofItem: true,
		about: "Of one `redeem` event of a call: the offer is over or not for this shopper, store or basket, it is used up, or its code was redeemed. `errors[].code` says which. Nothing was taken. `code_held` passes within a minute: send the same event again."}
	notFound = &kind{slug: "not-found", status: 404, title: "There is no such thing",
		about: "No such path, or no such id at this retailer. `detail` says which, and where to look."}
	methodNotAllowed = &kind{slug: "method-not-allowed", status: 405, title: "The path has no such method",
		about: "The path exists with other methods."}
	timedOut = &kind{slug: "timed-out", status: 408, title: "The request came too slowly",
		about: "The request did not arrive in time. Send it again."}
	conflict = &kind{slug: "conflict", status: 409, title: "It is in the way of something that exists",
		about: "The id exists already, or others edited the same thing at the same moment. Read it again, then decide."}
	preconditionFailed = &kind{slug: "precondition-failed", status: 412, title: "It was edited meanwhile",
		about: "The version in If-Match is not the current one, or If-None-Match: * met something that exists. Nothing changed. Read it again and repeat the edit."}
	tooLarge = &kind{slug: "too-large", status: 413, title: "The body is too large",
		about: "The body is larger than 4 MiB, or inflates to more. Send it in parts, or use `/v1/import`."}
	unsupportedMediaType = &kind{slug: "unsupported-media-type", status: 415, title: "The format of the body is not supported",
		about: "The Content-Type is not one of the operation's, or the Content-Encoding is not gzip."}
	invalidValue = &kind{slug: "invalid-value", status: 422, title: "A value is not acceptable",
		about: "The body can be read, but a value in it is out of range, unknown, or contradicts another. `errors` names each place."}
	headersTooLarge = &kind{slug: "headers-too-large", status: 431, title: "The headers are too large",
		about: "Send fewer or shorter headers."}
	rateLimited = &kind{slug: "rate-limited", status: 429, title: "Too many calls",
		about: "The token or the retailer has used its calls. Come back after Retry-After seconds."}
	internal = &kind{slug: "internal", status: 500, title: "A fault of ours",
		about: "It is in our log under `trace_id`. Send the call again; tell us when it stays."}
	unavailable = &kind{slug: "unavailable", status: 503, title: "Not available now",
		about: "The service is starting, draining, overloaded, or its store does not answer. Come back after Retry-After seconds."}

	kinds = []*kind{invalidRequest, unauthenticated, forbidden, noGrant, wrongRegion, notFound, methodNotAllowed, timedOut, conflict, preconditionFailed,
		tooLarge, unsupportedMediaType, invalidValue, headersTooLarge, rateLimited, internal, unavailable}
)

// failure is an error that a caller is told about, as in RFC 9457.
type failure struct {
	kind       *kind
	detail     string // what was found here, and what would be right; empty: the title says all
	faults     Faults
	retryAfter time.Duration // 0: not said
	quiet      bool          // it is counted, and would fill the log
	cause      error         // for our log, when it is a fault of ours
}

// problem makes a problem with a detail for people.
func problem(k *kind, format string, args ...any) *failure {
	return &failure{kind: k, detail: fmt.Sprintf(format, args...)}
}

// parameterProblem refuses one parameter or header.
func parameterProblem(k *kind, name, code, format string, args ...any) *failure {
	detail := fmt.Sprintf(format, args...)
	return &failure{kind: k, detail: name + ": " + detail, faults: Faults{{Parameter: name, Code: code, Detail: detail}}}
}

// Error is the problem in one line.
func (p *failure) Error() string {
	text := p.kind.title
	if p.detail != "" {
		text += ": " + p.detail
	}
	if p.cause != nil {
		text += ": " + p.cause.Error()
	}
	return text
}

// Unwrap is the cause.
func (p *failure) Unwrap() error { return p.cause }

// wire is the problem as it is sent. The cause stays here.
func (p *failure) wire(traceID string) wire.Problem {
	return wire.Problem{
		Type: problemPrefix + p.kind.slug, Title: p.kind.title, Status: p.kind.status,
		Detail: p.detail, Errors: p.faults[:min(len(p.faults), maxShown)], TraceID: traceID,
	}
}

// refused is the problem that faults of a body make: unreadable as described, or a value that is not acceptable.
func refused(faults Faults) *failure {
	k := invalidValue
	if slices.ContainsFunc(faults, func(f wire.ProblemError) bool { return slices.Contains(shapeCodes, f.Code) }) {
		k = invalidRequest
	}
	return &failure{kind: k, detail: faults.Error(), faults: faults}
}

// problemOf finds what a caller is told about an error. What nobody foresaw is internal: the caller is told
// nothing of it.
func problemOf(err error) *failure {
	var (
		p      *failure
		faults Faults
		fiberE *fiber.Error
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &faults):
		return refused(faults)
	}
	if p := refusal(err); p != nil {
		return p
	}
	for _, row := range known {
		if errors.Is(err, row.is) {
			return &failure{kind: row.kind, detail: row.detail, retryAfter: row.retryAfter, cause: err}
		}
	}
	if errors.As(err, &fiberE) {
		for _, k := range kinds {
			if k.status == fiberE.Code && k != internal {
				return &failure{kind: k, detail: fiberE.Message}
			}
		}
		if fiberE.Code < 500 {
			return &failure{kind: invalidRequest, detail: fiberE.Message}
		}
	}
	return &failure{kind: internal, cause: err}
}

// send writes the problem as the answer.
func (p *failure) send(c *fiber.Ctx, traceID string) error {
	if p.retryAfter > 0 {
		seconds := int64((p.retryAfter + time.Second - 1) / time.Second)
		c.Set(fiber.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
	if p.kind == unauthenticated {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	c.Status(p.kind.status)
	return encodeAs(c, "application/problem+json", p.wire(traceID))
}
