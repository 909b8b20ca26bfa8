package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/app"
	"satnav/server/demo"
	"satnav/server/identity"
)

// demoCommand seeds the demo city and serves it.
type demoCommand struct {
	knobs
	Listen         string `help:"Address of the API (default 127.0.0.1:8080)." placeholder:"HOST:PORT"`
	Data           string `help:"Data folder (default satnav-demo)." placeholder:"DIR"`
	OperatorListen string `help:"Address of metrics, health and profiles; none without it." placeholder:"HOST:PORT"`
	Shoppers       int    `help:"How many shoppers live in the city (default 5200)." placeholder:"N"`
	Days           int    `help:"How many days of history they have (default 200)." placeholder:"N"`
}

// demoTokenLife is how long the printed token is good.
const demoTokenLife = 24 * time.Hour

// Run seeds and serves.
func (d *demoCommand) Run(ctx context.Context, std IO) error {
	flags := map[string]string{"listen": d.Listen, "data": d.Data, "operator_listen": d.OperatorListen}
	if d.Data == "" {
		flags["data"] = "satnav-demo"
	}
	c, _, err := d.load(std, flags)
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return err
	}
	began := time.Now()
	city, err := a.SeedDemo(ctx, demo.Scale{Shoppers: d.Shoppers, Days: d.Days}, func(part string) {
		fmt.Fprintf(std.Err, "seeding %s …\n", part)
	})
	if err != nil {
		return errors.Join(err, a.Close())
	}
	fmt.Fprintf(std.Err, "the demo city is ready after %.1f s\n", time.Since(began).Seconds())
	return a.Serve(ctx, func(address net.Addr) {
		if err := introduce(std, c, city, "http://"+address.String()); err != nil {
			fmt.Fprintln(std.Err, "satnav:", err)
		}
	})
}

// introduce prints what to try first.
func introduce(std IO, c config.Config, city *demo.City, address string) error {
	walk := city.Walks()[0]
	key, err := identity.DevelopmentKey(c.Data)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := identity.Issuer{Key: key, Issuer: c.Identity.Issuer, Audience: c.Identity.Audience}.Issue(identity.Claims{
		Retailer: demo.Retailer, Role: identity.Shopper, Subject: walk.Shopper, Expires: now.Add(demoTokenLife),
	}, now)
	if err != nil {
		return err
	}
	walked := filepath.Join(c.Data, "walk.json")
	if err := writeWalk(walked, walk); err != nil {
		return err
	}
	store := city.Stores()[0]
	fmt.Fprintf(std.Out, `
Satnav serves the demo city at %[1]s (its API is described at %[1]s/docs).
This token speaks for shopper %[2]s for a day:

  export TOKEN=%[3]s

What would help this shopper, standing in front of %[4]s?

  curl -s %[1]s/v1/context -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"where": {"lat": %[5]g, "lng": %[6]g, "accuracy_m": 10}, "limit": 5}'

The same shopper %[7]s; which geofences were entered and left?

  curl -s %[1]s/v1/context -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d @%[8]s

`, address, walk.Shopper, token, store.Name, store.Position.Lat, store.Position.Lng, walk.Story, walked)
	return nil
}

// maxTrail is how many fixes one call takes beside its own.
const maxTrail = 100

// writeWalk writes the end of a recorded walk as the body of one call.
func writeWalk(name string, walk demo.Walk) error {
	fixes := walk.Fixes
	if len(fixes) > maxTrail+1 {
		thin := fixes[:0:0]
		for i := range maxTrail + 1 { // evenly, with the first and the last
			thin = append(thin, fixes[i*(len(fixes)-1)/maxTrail])
		}
		fixes = thin
	}
	last := fixes[len(fixes)-1]
	limit := 0
	body := wire.ContextRequest{
		At:    last.At,
		Where: &wire.Where{Lat: &last.Lat, Lng: &last.Lng, AccuracyM: last.AccuracyMeters},
		Limit: &limit,
	}
	for _, fix := range fixes[:len(fixes)-1] {
		body.Trail = append(body.Trail, wire.Fix{At: fix.At, Lat: fix.Lat, Lng: fix.Lng, AccuracyM: fix.AccuracyMeters, Mocked: fix.Mocked, Floor: fix.Floor})
	}
	text, err := json.MarshalIndent(body, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644) //nolint:gosec // made-up data, to be read by whoever tries it
}
