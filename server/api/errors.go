package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/diary"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

// known is the one table from an error to what a caller is told. What is not in it is internal.
var known = []struct {
	is         error
	kind       *kind
	detail     string
	retryAfter time.Duration
}{
	{visit.ErrCrowded, unavailable, "many calls of this shopper came at once", time.Second},
	{store.ErrNotFound, notFound, "", 0},
	{store.ErrConflict, conflict, "others edited it at the same moment", 0},
	{privacy.ErrHeld, conflict, "a legal hold keeps what is known of the shopper; it is not used meanwhile", 0},
	{store.ErrErasing, unavailable, "what was known of the shopper is being erased", time.Second},
	{store.ErrTooLarge, tooLarge, "it is more than one commit can hold", 0},
	{store.ErrFull, unavailable, "the disk is full", 30 * time.Second},
	{store.ErrBusy, unavailable, "the store is busy", time.Second},
	{store.ErrUnavailable, unavailable, "the store does not answer", time.Second},
	{store.ErrClosed, unavailable, "the service is draining", time.Second},
	{context.DeadlineExceeded, unavailable, "the call took too long", time.Second},
	{context.Canceled, unavailable, "the call was given up", time.Second},
}

// refusal finds the refusal of a value that was judged below this floor; nil when the error is none.
func refusal(err error) *failure {
	var skew *visit.SkewError
	if errors.As(err, &skew) {
		return refused(Faults{wire.ProblemError{Pointer: "/sent_at", Code: "clock_skew", Detail: skew.Error()}})
	}
	var wrong *diary.Problem
	if errors.As(err, &wrong) {
		return refused(Faults{wire.ProblemError{Pointer: "/" + wrong.Field, Code: codeBadFormat, Detail: wrong.Text}})
	}
	var repriced *retailer.RepricedError
	if errors.As(err, &repriced) {
		return &failure{kind: conflict, detail: repriced.Error()}
	}
	return nil
}

// failer is fiber's error handler: it tells the caller what is theirs to know, and logs what is ours to
// mend, once, under the same trace id.
func failer(log *slog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		p, id := problemOf(err), traceID(c)
		if p.kind.status >= 500 && !p.quiet {
			log.Error("call failed", "trace_id", id, "method", c.Method(), "route", c.Route().Path, "status", p.kind.status, "error", err)
		}
		return p.send(c, id)
	}
}
