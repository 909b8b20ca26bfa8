package api

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Everything that a retailer configures is edited the same way: an ETag is the version, If-Match holds an
// edit to the version it was based on, and If-None-Match: * creates only.

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// expected reads the conditions of an edit: the version that the entry must have, 0 for none, nil for any.
func (a *API) expected(c *fiber.Ctx, kind store.EntryKind, id, ifMatch, ifNoneMatch string) (*int64, error) {
	switch {
	case ifNoneMatch == "*":
		return new(int64), nil
	case ifNoneMatch != "":
		return nil, parameterProblem(invalidRequest, "If-None-Match", codeBadFormat, "got %s, want * to create only", quote(ifNoneMatch))
	case ifMatch == "":
		return nil, nil
	case ifMatch == "*":
		return &anyVersion, nil
	}
	versions := strongVersions(ifMatch)
	switch len(versions) {
	case 0:
		return &noVersion, nil // an ETag that was never ours matches nothing (RFC 9110 §13.1.1)
	case 1:
		return &versions[0], nil
	}
	// Of several, the one that is there now. Whoever edits in between makes it a 412, which is never wrong.
	current, err := a.Retailers.Get(c.UserContext(), caller(c).Retailer, kind, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && slices.Contains(versions, current.Version) {
		return &current.Version, nil
	}
	return &noVersion, nil
}

// strongVersions are the versions that an If-Match lists. Weak tags are left out: If-Match compares strongly, and a weak
// tag is equal to nothing then (RFC 9110 §8.8.3.2). A tag of somebody else may hold a comma.
func strongVersions(ifMatch string) (versions []int64) {
	for rest := ifMatch; ; {
		rest = strings.TrimLeft(rest, ", \t")
		if rest == "" {
			return versions
		}
		opaque, weak := strings.CutPrefix(rest, "W/")
		var tag string
		if quoted, ok := strings.CutPrefix(opaque, `"`); ok {
			tag, rest, _ = strings.Cut(quoted, `"`)
		} else {
			tag, rest, _ = strings.Cut(opaque, ",")
		}
		if version, err := strconv.ParseInt(strings.TrimSpace(tag), 10, 64); err == nil && version > 0 && !weak {
			versions = append(versions, version)
		}
	}
}

var (
	anyVersion = store.AnyVersion
	noVersion  = int64(math.MaxInt64)
)

// unchanged answers 304 when the caller has this version already.
func unchanged(c *fiber.Ctx, ifNoneMatch string, version int64) bool {
	c.Set(fiber.HeaderETag, etag(version))
	for _, known := range strings.Split(ifNoneMatch, ",") {
		if known = strings.TrimSpace(known); known == "*" || strings.TrimPrefix(known, "W/") == etag(version) {
			c.Status(fiber.StatusNotModified)
			return true
		}
	}
	return false
}

// wholeRetailer refuses a manager of some stores where an edit concerns more than their geofences.
func wholeRetailer(c *fiber.Ctx) error {
	if caller(c).WholeRetailer() {
		return nil
	}
	return problem(forbidden, "a manager of some stores may edit nothing but the geofences of those stores")
}

// editProblem is what a caller is told of an edit that was not made; conditional tells whether the caller
// named a version.
func editProblem(err error, pointer string, conditional bool) error {
	var invalid *retailer.Invalid
	var fault *geo.Fault
	switch {
	case errors.As(err, &invalid):
		var faults Faults
		for _, f := range invalid.Faults {
			faults = append(faults, wire.ProblemError{Pointer: pointer + f.Pointer, Code: codeUnknownValue, Detail: f.Problem})
		}
		return refused(faults)
	case errors.As(err, &fault):
		return refused(Faults{faultOf(fault, pointer)})
	case errors.Is(err, retailer.ErrForbidden):
		return problem(forbidden, "%s", err)
	case errors.Is(err, store.ErrConflict) && conditional:
		return problem(preconditionFailed, "the version that the edit is based on is not the current one")
	}
	return err
}

// entry reads what a retailer configured under an id. One that is not there is a problem that names it.
func (a *API) entry(c *fiber.Ctx, kind store.EntryKind, id string) (store.Entry, error) {
	entry, err := a.Retailers.Get(c.UserContext(), caller(c).Retailer, kind, id)
	return entry, absent(err, kind, id)
}

// listed are the kinds of entries that are found in a list.
var listed = map[store.EntryKind]struct{ name, path string }{
	store.GeofenceEntry:   {"geofence", "/v1/geofences"},
	store.StoreEntry:      {"store", "/v1/stores"},
	store.ProductEntry:    {"product", "/v1/products"},
	store.RuleEntry:       {"rule", "/v1/rules"},
	store.ExperimentEntry: {"experiment", "/v1/experiments"},
	store.OfferEntry:      {"offer", "/v1/offers"},
	store.WebhookEntry:    {"webhook", "/v1/webhooks"},
}

// absent makes store.ErrNotFound a problem that says what is not there, and where to look. Other errors stay as they are.
func absent(err error, kind store.EntryKind, id string) error {
	if thing, ok := listed[kind]; ok && errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "there is no %s %s: GET %s lists those there are", thing.name, quote(id), thing.path)
	}
	return err
}

// deleted answers a deletion.
func deleted(c *fiber.Ctx, kind store.EntryKind, saved []retailer.Saved, err error, conditional bool) error {
	if err != nil {
		return err
	}
	if saved[0].Err != nil {
		return editProblem(absent(saved[0].Err, kind, saved[0].ID), "", conditional)
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// faultOf is a fault of a geofence with its place.
func faultOf(fault *geo.Fault, pointer string) wire.ProblemError {
	bare := geo.Fault{What: fault.What, Mend: fault.Mend}
	return wire.ProblemError{Pointer: pointer + fault.At, Code: cmp.Or(string(fault.Code), codeUnknownValue), Detail: bare.Error()}
}

// finish answers an edit: 201 with the place of what was created, else 200.
func finish(c *fiber.Ctx, saved retailer.Saved, path string, value any) error {
	c.Set(fiber.HeaderETag, etag(saved.Version))
	if saved.Created {
		c.Set(fiber.HeaderLocation, path+"/"+pathEscape(saved.ID))
		c.Status(fiber.StatusCreated)
	}
	return encode(c, value)
}

// pathEscape keeps an id to one segment of a path.
func pathEscape(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:@!$&'()*+,;=", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// sameID refuses a body whose id is not that of the path.
func sameID(body, path, pointer string) error {
	if body == "" || body == path {
		return nil
	}
	return refused(Faults{{Pointer: pointer, Code: codeMixed, Detail: fmt.Sprintf("got %s, but the path says %s: leave it out, or make them equal", quote(body), quote(path))}})
}

// page reads the bounds of a listing.
const defaultPage = 100

func pageOf(limit int) int {
	if limit == 0 {
		return defaultPage
	}
	return limit
}

// listing collects a page of those entries that a caller asked for; keep returns false for the others.
func (a *API) listing(c *fiber.Ctx, kind store.EntryKind, cursor string, limit int, keep func(store.Entry) (bool, error)) (next string, err error) {
	limit = pageOf(limit)
	kept := 0
	for {
		entries, more, err := a.Retailers.List(c.UserContext(), caller(c).Retailer, kind, cursor, limit)
		if err != nil {
			return "", err
		}
		for i, entry := range entries {
			ok, err := keep(entry)
			if err != nil {
				return "", err
			}
			if cursor = entry.ID; ok {
				kept++
			}
			if kept == limit && (more || i < len(entries)-1) {
				return cursor, nil
			}
		}
		if !more {
			return "", nil
		}
	}
}

// pointerTo makes a JSON pointer of names.
func pointerTo(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
