package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/server/identity"
	"satnav/server/store"
)

// Calls that change something may be named by an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07). Events have
// ids, and a known fix has the triggers that it made: those need none.

const (
	idempotencyKey      = "Idempotency-Key"
	idempotencyReplayed = "Idempotency-Replayed"
)

// callLocal is where the id of a named call is kept while it is carried out.
const callLocal = "call"

// replayedHeaders are what an answer has beside status and body.
var replayedHeaders = []string{fiber.HeaderContentType, fiber.HeaderETag, fiber.HeaderLocation, fiber.HeaderCacheControl}

// noting is how long an answer may take to be kept, whatever is left of the call's own time: it is carried out already.
const noting = 5 * time.Second

// once carries out a named call, unless it was carried out before: then it answers as it did.
func (a *API) once(c *fiber.Ctx, op *operation) error {
	body, err := a.rawBody(c)
	if err != nil {
		return err
	}
	c.Locals(bodyLocal, body)
	claims := caller(c)
	name := store.CallName{Retailer: claims.Retailer, Caller: string(claims.Role) + "\n" + claims.Subject, Key: keyOf(c.Get(idempotencyKey))}
	if claims.Role == identity.Shopper {
		name.Caller = a.Shoppers.Pseudonym(who.Key{Retailer: claims.Retailer, Shopper: claims.Subject})
	}
	call, answer, err := a.Calls.Begin(c.UserContext(), name, printOf(c, body), a.Now(), a.Limits.Deadline)
	switch {
	case errors.Is(err, store.ErrOtherCall):
		return parameterProblem(invalidValue, idempotencyKey, codeMixed, "names another call of yours: a new call has a key of its own")
	case errors.Is(err, store.ErrUnderWay):
		return &failure{kind: conflict, detail: "the call of this " + idempotencyKey + " is under way", retryAfter: time.Second}
	case err != nil:
		return err
	case answer != nil:
		return replay(c, answer)
	}
	c.Locals(callLocal, call.ID)
	failed := a.carryOut(c, op)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), noting)
	defer cancel()
	if failed != nil && problemOf(failed).kind.status >= fiber.StatusInternalServerError {
		if err := call.Broken(ctx); err != nil {
			a.Log.Warn("a call that failed is refused until its time is over", "trace_id", traceID(c), "err", err)
		}
		return failed
	}
	if failed != nil {
		if err := c.App().ErrorHandler(c, failed); err != nil {
			return err
		}
	}
	if err := call.Answered(ctx, answerOf(c)); err != nil { // it is carried out, and that is true whatever is noted of it
		a.Log.Warn("the answer of a call is not kept: sent again it is carried out again", "trace_id", traceID(c), "err", err)
	}
	return nil
}

// keyOf is the key that a header names: the draft writes it as a quoted string, others write it bare.
func keyOf(header string) string {
	header = strings.TrimSpace(header)
	if n := len(header); n > 2 && header[0] == '"' && header[n-1] == '"' {
		header = header[1 : n-1]
	}
	return strings.Clone(header)
}

// printOf tells calls apart: all that says what is asked for, each part behind its length.
func printOf(c *fiber.Ctx, body []byte) (print [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range [][]byte{
		[]byte(c.Method()), c.Request().URI().RequestURI(), body, c.Request().Header.Peek(fiber.HeaderContentType),
		c.Request().Header.Peek(fiber.HeaderContentEncoding), c.Request().Header.Peek(fiber.HeaderIfMatch), c.Request().Header.Peek(fiber.HeaderIfNoneMatch),
	} {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write(part)
	}
	hash.Sum(print[:0])
	return print
}

func answerOf(c *fiber.Ctx) store.Answer {
	answer := store.Answer{Status: c.Response().StatusCode(), Header: map[string]string{}, Body: c.Response().Body()}
	for _, name := range replayedHeaders {
		if name == fiber.HeaderContentType && len(answer.Body) == 0 {
			continue
		}
		if value := c.Response().Header.Peek(name); len(value) > 0 {
			answer.Header[name] = string(value)
		}
	}
	return answer
}

func replay(c *fiber.Ctx, answer *store.Answer) error {
	c.Status(answer.Status)
	for name, value := range answer.Header {
		c.Set(name, value)
	}
	c.Set(idempotencyReplayed, "true")
	if len(answer.Body) > 0 {
		c.Response().SetBodyRaw(answer.Body)
	}
	return nil
}
