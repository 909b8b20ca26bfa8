package command

import (
	"context"
	"fmt"
	"net"

	"satnav/server/app"
)

// serve answers the API until it is told to stop.
type serve struct {
	knobs
	Listen         string `help:"Address of the API (default 127.0.0.1:8080)." placeholder:"HOST:PORT"`
	Data           string `help:"Data folder (default satnav-data)." placeholder:"DIR"`
	Store          string `help:"Where data is kept: embedded, or mongodb://… for several processes." placeholder:"URL"`
	Roles          string `help:"What the process does: api, worker or both (default api,worker)." placeholder:"ROLES"`
	OperatorListen string `help:"Address of metrics, health and profiles; none without it." placeholder:"HOST:PORT"`
}

// Run serves.
func (s *serve) Run(ctx context.Context, std IO) error {
	c, _, err := s.load(std, map[string]string{
		"listen": s.Listen, "data": s.Data, "store": s.Store, "operator_listen": s.OperatorListen, "roles": s.Roles,
	})
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return err
	}
	return a.Serve(ctx, func(address net.Addr) {
		if address == nil {
			fmt.Fprintln(std.Err, "satnav works, and answers no calls: its only role is worker")
			return
		}
		fmt.Fprintf(std.Err, "satnav serves http://%s, its API is described at http://%s/docs\n", address, address)
		if c.Identity.JWKS == "" {
			fmt.Fprintf(std.Err, "tokens of the development key in %s are accepted, on loopback only; make one with: satnav token --data %s --role shopper --subject ID\n", c.Data, c.Data)
		}
	})
}
