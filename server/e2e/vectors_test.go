package e2e

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"satnav/config"
	"satnav/server/api/apitest"
	"satnav/server/app"
	"satnav/server/identity"
)

// TestVectors replays the golden vectors of the contract against the whole server on an empty folder. Every
// exchange is validated against openapi.yaml on the way.
func TestVectors(t *testing.T) {
	t.Parallel()
	vectors, err := apitest.Vectors("../../sdk-contract/vectors")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Listen, c.Data, c.OperatorListen = "127.0.0.1:0", t.TempDir(), ""
	satnav, err := app.Open(t.Context(), app.Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	addresses, served := make(chan net.Addr, 1), make(chan error, 1)
	go func() { served <- satnav.Serve(ctx, func(a net.Addr) { addresses <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	var address net.Addr
	select {
	case address = <-addresses:
	case err := <-served:
		t.Fatal(err)
	}
	key, err := identity.DevelopmentKey(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	issuer := identity.Issuer{Key: key, Issuer: c.Identity.Issuer, Audience: c.Identity.Audience}
	token := func(t testing.TB, role, subject string) string {
		now := time.Now()
		text, err := issuer.Issue(identity.Claims{Retailer: "vectors", Role: identity.Role(role), Subject: subject, Expires: now.Add(time.Hour)}, now)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			v.Replay(t, apitest.Target{URL: "http://" + address.String(), Client: apitest.Client(t), Token: token})
		})
	}
}
