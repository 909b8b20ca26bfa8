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
	"satnav/geo"
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
	fmt.Fprintln(std.Err, "counting what its people do together …")
	if err := a.Insights.Count(ctx, demo.Retailer); err != nil {
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
		Retailer: demo.Retailer, Role: identity.Backend, Subject: "kiosk", Expires: now.Add(demoTokenLife),
	}, now)
	if err != nil {
		return err
	}
	walked, err := filepath.Abs(filepath.Join(c.Data, "walk.json"))
	if err != nil {
		return err
	}
	if err := writeWalk(walked, walk); err != nil {
		return err
	}
	store, shopper := city.Stores()[0], city.ID(0)
	fmt.Fprintf(std.Out, `
Satnav serves the demo city at %[1]s (its API is described at %[1]s/docs).
This token is a back end's: for a day it may speak for any shopper of the city.

  export TOKEN=%[2]s

Each line below stands for itself, wherever it is pasted.

It is still learning from its people's history: in a few seconds the answers know it.

What would help shopper %[3]s, standing in front of %[4]s?

  curl -s %[1]s/v1/context -H "Authorization: Bearer %[2]s" -H 'Content-Type: application/json' -d '{"shopper": "%[3]s", "where": {"lat": %[5]g, "lng": %[6]g, "accuracy_m": 10}, "limit": 5}'

Shopper %[7]s %[8]s. Which geofences were entered and left?

  curl -s %[1]s/v1/context -H "Authorization: Bearer %[2]s" -H 'Content-Type: application/json' -d '@%[9]s'

`, address, token, shopper, store.Name, store.Position.Lat, store.Position.Lng, walk.Shopper, walk.Story, walked)
	return nil
}

// toldFixes is how many fixes of the walk are told: few enough that presence still knows them all, so that the
// line may be pasted twice and answers the same.
const toldFixes = 32

// writeWalk writes a recorded walk as the body of one call.
func writeWalk(name string, walk demo.Walk) error {
	fixes := make([]geo.Fix, 0, toldFixes) // evenly, with the first and the last
	for i := range toldFixes {
		fixes = append(fixes, walk.Fixes[i*(len(walk.Fixes)-1)/(toldFixes-1)])
	}
	last := fixes[len(fixes)-1]
	limit := 0
	body := wire.ContextRequest{
		Shopper: walk.Shopper,
		At:      last.At,
		Where:   &wire.Where{Lat: &last.Lat, Lng: &last.Lng, AccuracyM: last.AccuracyMeters},
		Limit:   &limit,
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
