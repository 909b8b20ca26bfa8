package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"satnav/server/identity"
)

// TestMetersAreApart spends one token's calls, of all roles' tokens and retailers' those of the right one.
func TestMetersAreApart(t *testing.T) {
	t.Parallel()
	server := fiber.New()
	c := server.AcquireCtx(&fasthttp.RequestCtx{})
	defer server.ReleaseCtx(c)
	m := newMeters(Limits{ShopperCalls: 2, ServiceCalls: 3, RetailerCalls: 6})
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	shopper := &identity.Claims{Retailer: "r", Subject: "a", Role: identity.Shopper}
	till := &identity.Claims{Retailer: "r", Subject: "a", Role: identity.Backend}
	for i, tc := range []struct {
		claims *identity.Claims
		at     time.Duration
		want   string // RateLimit
		ok     bool
	}{
		{shopper, 0, `"token";r=1;t=1`, true},
		{shopper, 0, `"token";r=0;t=1`, true},
		{shopper, 0, `"token";r=0;t=1`, false},
		{till, 0, `"token";r=2;t=1`, true},
		{till, 0, `"token";r=1;t=1`, true},
		{till, 0, `"token";r=0;t=1`, true},
		{&identity.Claims{Retailer: "r", Subject: "b", Role: identity.Shopper}, 0, `"token";r=1;t=1`, true},
		{&identity.Claims{Retailer: "r", Subject: "c", Role: identity.Shopper}, 0, `"retailer";r=0;t=1`, false}, // of its six calls, all are gone
		{&identity.Claims{Retailer: "other", Subject: "c", Role: identity.Shopper}, 0, `"token";r=1;t=1`, true},
		{shopper, time.Second, `"token";r=1;t=1`, true},
	} {
		err := m.spend(c, tc.claims, now.Add(tc.at))
		if got := string(c.Response().Header.Peek("RateLimit")); (err == nil) != tc.ok || got != tc.want {
			t.Errorf("call %d: got %s, %v; want %s, allowed %v", i, got, err, tc.want, tc.ok)
		}
	}
}

// BenchmarkSpend pays for the meters of one call, of 100,000 tokens in turn.
func BenchmarkSpend(b *testing.B) {
	server := fiber.New()
	c := server.AcquireCtx(&fasthttp.RequestCtx{})
	defer server.ReleaseCtx(c)
	m := newMeters(Limits{ShopperCalls: 1000, ServiceCalls: 1000, RetailerCalls: 1e8})
	claims := make([]*identity.Claims, 100_000)
	for i := range claims {
		claims[i] = &identity.Claims{Retailer: "r", Subject: fmt.Sprint("u", i), Role: identity.Shopper, TokenID: fmt.Sprint("token ", i)}
		if err := m.spend(c, claims[i], time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := m.spend(c, claims[i%len(claims)], time.Now()); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
