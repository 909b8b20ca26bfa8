package api

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"satnav/server/identity"
	"satnav/server/observe"
)

// Limits bound what callers may cost.
type Limits struct {
	ShopperCalls  int           // calls per second and shopper token
	ServiceCalls  int           // calls per second and token of any other role
	RetailerCalls int           // calls per second and retailer, all tokens together
	Body          int           // bytes of a call, as sent and inflated; 0: MaxBody
	InFlight      int           // calls at once; 0: no bound
	Deadline      time.Duration // of a call; 0: none
	MaxWait       time.Duration // of the median call for a processor, from which on calls are refused early; 0: none is
}

// meters count calls: those under way, and those that each token and retailer has left. A token's meter is
// forgotten when nobody used it for a minute; it is full by then.
type meters struct {
	limits    Limits
	inFlight  atomic.Int64
	tokens    *otter.Cache[meterKey, *rate.Limiter]
	retailers *otter.Cache[string, *rate.Limiter]
	routes    sync.Map // *operation → *observe.Route
}

// meterKey tells tokens apart. Two tokens of one subject have meters of their own only if they have ids.
type meterKey struct {
	retailer, subject, token string
	role                     identity.Role
}

const (
	maxMeters = 1_000_000
	meterIdle = time.Minute
)

func newMeters(limits Limits) *meters {
	return &meters{
		limits: limits,
		tokens: otter.Must(&otter.Options[meterKey, *rate.Limiter]{
			MaximumSize: maxMeters, ExpiryCalculator: otter.ExpiryAccessing[meterKey, *rate.Limiter](meterIdle),
		}),
		retailers: otter.Must(&otter.Options[string, *rate.Limiter]{
			MaximumSize: maxMeters, ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](meterIdle),
		}),
	}
}

// route are the counters of one operation.
func (m *meters) route(metrics *observe.Metrics, op *operation) *observe.Route {
	if route, ok := m.routes.Load(op); ok {
		return route.(*observe.Route)
	}
	route, _ := m.routes.LoadOrStore(op, metrics.Route(op.Method, op.Path))
	return route.(*observe.Route)
}

// enter counts a call as under way, unless there are too many.
func (m *meters) enter() bool {
	if n := m.inFlight.Add(1); m.limits.InFlight > 0 && n > int64(m.limits.InFlight) {
		m.inFlight.Add(-1)
		return false
	}
	return true
}

func (m *meters) leave() { m.inFlight.Add(-1) }

// spend takes one call from the caller's meter and the retailer's, and tells the caller what is left.
func (m *meters) spend(c *fiber.Ctx, claims *identity.Claims, now time.Time) error {
	quota := m.limits.ServiceCalls
	if claims.Role == identity.Shopper {
		quota = m.limits.ShopperCalls
	}
	own := meterOf(m.tokens, meterKey{claims.Retailer, claims.Subject, claims.TokenID, claims.Role}, quota)
	if err := take(c, own, "token", quota, now); err != nil {
		return err
	}
	shared := meterOf(m.retailers, claims.Retailer, m.limits.RetailerCalls)
	if !shared.AllowN(now, 1) {
		return take(c, shared, "retailer", m.limits.RetailerCalls, now)
	}
	return nil
}

func meterOf[K comparable](meters *otter.Cache[K, *rate.Limiter], key K, quota int) *rate.Limiter {
	if meter, ok := meters.GetIfPresent(key); ok {
		return meter
	}
	meter, _ := meters.SetIfAbsent(key, rate.NewLimiter(rate.Limit(quota), quota))
	return meter
}

// take spends one call of a meter and writes the RateLimit fields
// (draft-ietf-httpapi-ratelimit-headers: name, quota and window; remaining and seconds until full).
func take(c *fiber.Ctx, meter *rate.Limiter, name string, quota int, now time.Time) error {
	allowed := meter.AllowN(now, 1)
	left := math.Max(0, math.Floor(meter.TokensAt(now)))
	var text [64]byte
	b := append(append(append(text[:0], '"'), name...), '"')
	policy := strconv.AppendInt(append(b, ";q="...), int64(quota), 10)
	c.Response().Header.SetBytesV("RateLimit-Policy", append(policy, ";w=1"...))
	b = append(append(append(text[:0], '"'), name...), '"')
	rest := strconv.AppendInt(append(b, ";r="...), int64(left), 10)
	c.Response().Header.SetBytesV("RateLimit", append(rest, ";t=1"...))
	if allowed {
		return nil
	}
	return &failure{kind: rateLimited, detail: "the " + name + " has used its " + strconv.Itoa(quota) + " calls a second", retryAfter: time.Second}
}
