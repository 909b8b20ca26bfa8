package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/server/identity"
	"satnav/server/retailer"
)

// guard stands before every operation: it finds it in the contract, asks who calls, whether their role may,
// and whether they have calls left and whether the parameters are right; then it gives the call a deadline. What the contract does not name
// does not get through.
func (a *API) guard(c *fiber.Ctx) (err error) {
	op := a.find(c.Method(), c.Path())
	if op == nil {
		settle(c)
		return a.nowhere(c)
	}
	route := a.meters.route(a.Metrics, op)
	began := time.Now()
	route.Begin()
	defer func() {
		if fault := recover(); fault != nil {
			err = &failure{kind: internal, cause: fmt.Errorf("panic: %v\n%s", fault, debug.Stack())}
		}
		if err != nil || op.Streamed || op.Body == nil {
			settle(c)
		}
		if err != nil { // told here, so that the status is known to the metrics
			err = c.App().ErrorHandler(c, err)
		}
		route.End(c.Response().StatusCode(), time.Since(began))
	}()
	if len(op.Roles) == 0 {
		return c.Next()
	}
	if !a.meters.enter() {
		return a.shed(refusedForPlaces)
	}
	defer a.meters.leave()
	if err := a.admit(c, op); err != nil {
		return err
	}
	demand, why := a.shedder.enter(caller(c).Retailer)
	if why != "" {
		return a.shed(why)
	}
	defer a.shedder.leave(demand)
	if err := a.checkParameters(c, op); err != nil {
		return err
	}
	if !op.Streamed && a.Limits.Deadline > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), a.Limits.Deadline)
		defer cancel()
		c.SetUserContext(ctx)
	}
	if err := a.belongs(c.UserContext(), op, caller(c)); err != nil {
		return err
	}
	if op.once && len(c.Request().Header.Peek(idempotencyKey)) > 0 {
		return a.once(c, op)
	}
	return a.carryOut(c, op)
}

// shed refuses a call early. The callers are told different times, or they would all come back at once.
func (a *API) shed(why refusedFor) error {
	a.Metrics.Shed(string(why))
	return &failure{
		kind: unavailable, detail: "more calls come than can be answered", quiet: true,
		retryAfter: time.Second + rand.N(2*time.Second),
	}
}

// carryOut lets the operation answer, and notes what staff do.
func (a *API) carryOut(c *fiber.Ctx, op *operation) error {
	if err := c.Next(); err != nil {
		return err
	}
	return a.log(c, op)
}

// callerLocal is where the claims of the caller are kept during a call.
const callerLocal = "caller"

// admit checks the token, the role and the limits of a call.
func (a *API) admit(c *fiber.Ctx, op *operation) error {
	token, err := identity.Bearer(c.Get(fiber.HeaderAuthorization))
	var claims *identity.Claims
	if err == nil {
		claims, err = a.Verifier.Verify(token)
	}
	var refusal *identity.Refusal
	if errors.As(err, &refusal) {
		return parameterProblem(unauthenticated, fiber.HeaderAuthorization, refusal.Code, "%s", refusal.Text)
	}
	if err != nil {
		return err
	}
	if err := a.meters.spend(c, claims, a.Now()); err != nil {
		return err
	}
	if !slices.Contains(op.Roles, string(claims.Role)) {
		return problem(forbidden, "the role %s may not do this, only %s", claims.Role, strings.Join(op.Roles, ", "))
	}
	c.Locals(callerLocal, claims)
	return nil
}

// caller is who calls; guard has let them in.
func caller(c *fiber.Ctx) *identity.Claims { return c.Locals(callerLocal).(*identity.Claims) }

// editor is the caller as the author of an edit.
func editor(c *fiber.Ctx) retailer.Editor {
	claims := caller(c)
	by := retailer.Editor{Role: string(claims.Role), Subject: claims.Subject}
	by.Call, _ = c.Locals(callLocal).(string)
	if !claims.WholeRetailer() {
		by.Stores = claims.Stores
	}
	return by
}

// operationKey names an operation by its method and path, with "{}" for a parameter.
func operationKey(method, path string) string {
	if head, tail, found := strings.Cut(path, "{"); found {
		_, tail, _ = strings.Cut(tail, "}")
		path = head + "{}" + tail
	}
	return method + " " + path
}

// find is the contract's operation for a request; nil when there is none. A parameter is always the last
// part of a path, or the one before it.
func (a *API) find(method, path string) *operation {
	if method == fiber.MethodHead {
		method = fiber.MethodGet
	}
	if op := a.operation[method+" "+path]; op != nil {
		return op
	}
	i := strings.LastIndexByte(path, '/')
	if i < 0 || i == len(path)-1 {
		return nil
	}
	if op := a.operation[method+" "+path[:i+1]+"{}"]; op != nil {
		return op
	}
	before := strings.LastIndexByte(path[:i], '/')
	if before < 0 || before == i-1 {
		return nil
	}
	return a.operation[method+" "+path[:before+1]+"{}"+path[i:]]
}

// nowhere answers a request that the contract does not name: 405 when its path has other methods.
func (a *API) nowhere(c *fiber.Ctx) error {
	var methods []string
	path := strings.Clone(c.Path())
	for _, method := range []string{fiber.MethodGet, fiber.MethodHead, fiber.MethodPost, fiber.MethodPut, fiber.MethodDelete} {
		if a.find(method, path) != nil {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		if likely := nearest(path, a.paths); likely != "" {
			return problem(notFound, "there is no %s; did you mean %s?", quote(path), likely)
		}
		return problem(notFound, "there is no path %s: /docs shows those there are", quote(path))
	}
	c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
	return problem(methodNotAllowed, "%s has %s", quote(path), strings.Join(methods, ", "))
}
