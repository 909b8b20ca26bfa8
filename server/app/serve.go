package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"satnav/config"
	"satnav/server/api"
	"satnav/server/deliver"
	"satnav/server/heap"
	"satnav/server/identity"
	"satnav/server/observe"
)

// operatorGrace is what a scrape may take that is under way; a profile is cut.
const operatorGrace = 500 * time.Millisecond

// Serve answers the API, and the operator's address if one is configured, until ctx ends; then it lets the
// calls under way end, for as long as the configuration says, and closes the App. ready is called once
// calls are answered, with the address.
func (a *App) Serve(ctx context.Context, ready func(net.Addr)) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	heap.RestCollector(a.log)
	if slices.Contains(a.Config.Roles, config.RoleAPI) {
		return a.answerCalls(ctx, ready)
	}
	stop, err := a.operate(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := a.announce(ctx); err != nil {
		return err
	}
	a.work()
	ready(nil)
	<-ctx.Done()
	return nil
}

// operate answers on the operator's address, if one is configured, until the function that it returns is called.
func (a *App) operate(ctx context.Context) (stop func(), err error) {
	if a.Config.OperatorListen == "" {
		return func() {}, nil
	}
	operator, err := observe.ListenOperator(a.Config.OperatorListen, a.metrics.Registry, a.health)
	if err != nil {
		return nil, err
	}
	return func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), operatorGrace)
		defer cancel()
		if stopped := operator.Shutdown(grace); stopped != nil {
			a.log.Warn("operator's calls were cut", "err", stopped)
		}
	}, nil
}

// answerCalls is Serve of a process with the role api.
func (a *App) answerCalls(ctx context.Context, ready func(net.Addr)) error {
	verifier, keys, err := a.verifier(ctx)
	if err != nil {
		return err
	}
	defer keys.Close()
	defer verifier.Close()
	a.health.Check("keys", func(context.Context) error { return keys.Ready() })
	stop, err := a.operate(ctx)
	if err != nil {
		return err
	}
	defer stop()
	server := a.server(ctx, verifier)
	listener, err := net.Listen("tcp", a.Config.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := a.announce(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if slices.Contains(a.Config.Roles, config.RoleWorker) {
		a.work()
	}
	ready(listener.Addr())
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", a.Config.Listen, err)
	case <-ctx.Done():
	}
	a.health.Drain()
	a.log.Info("draining", "at_most", a.Config.Drain)
	if err := server.Shutdown(max(a.Config.Drain/2, a.Config.Drain-operatorGrace-backgroundGrace-flushGrace)); err != nil {
		a.log.Warn("drained", "err", err)
	}
	return nil
}

// deployments are the addresses of the deployments of other regions, by region.
func deployments(elsewhere []string) map[string]string {
	found := make(map[string]string, len(elsewhere))
	for _, told := range elsewhere {
		region, address, _ := strings.Cut(told, "=")
		found[region] = address
	}
	return found
}

// server makes the HTTP application. Streams end with the context.
func (a *App) server(ending context.Context, verifier *identity.Verifier) *api.Server {
	return api.New(api.Parts{
		Verifier: verifier, Visits: a.Visits, Diary: a.Diary, Permissions: a.Permissions, Files: a.Files, Decisions: a.Decisions, Shoppers: a.Shoppers, Calls: a.calls,
		Retailers: a.Retailers, Erasures: a.Erasures, Appeals: a.Appeals, Audit: a.Audit, Sources: a.Sources, Outcomes: a.Outcomes, Insights: a.Insights, Codes: a.Codes, Streams: a.streams(), Desk: a.Desk, Feed: deliver.NewFeed(a.Shoppers, a.now), Ending: ending, PageKey: a.pageKey,
		Region: a.Config.Region, Elsewhere: deployments(a.Config.Elsewhere),
		Import: a.Import, Health: a.health, Metrics: a.metrics, Log: a.log, Now: a.now,
		Limits: api.Limits{
			ShopperCalls: a.Config.Limits.ShopperCalls, ServiceCalls: a.Config.Limits.ServiceCalls, RetailerCalls: a.Config.Limits.RetailerCalls,
			Body: int(a.Config.Limits.Body), InFlight: a.Config.Limits.InFlight, Deadline: a.Config.Limits.Deadline, MaxWait: a.Config.Limits.MaxWait,
		},
	})
}

// streams are the systems beside webhooks that are told of triggers.
func (a *App) streams() []string {
	if a.Config.Delivery.NATS == "" {
		return nil
	}
	return []string{"NATS, subjects " + a.Config.Delivery.Subject + ".>"}
}

// verifier believes the tokens of the configured key set; without one those of the development key, which
// config allows on loopback only.
func (a *App) verifier(ctx context.Context) (*identity.Verifier, *identity.Keys, error) {
	c := a.Config.Identity
	var keys *identity.Keys
	var err error
	if c.JWKS != "" {
		keys, err = identity.OpenKeys(ctx, c.JWKS, c.JWKSRefresh, a.log)
	} else {
		if !config.Loopback(a.Config.Listen) {
			return nil, nil, fmt.Errorf("listen %s: without identity.jwks only the development key is believed, and only on loopback: name a key set, or listen on 127.0.0.1", a.Config.Listen)
		}
		var key *identity.Key
		if key, err = identity.DevelopmentKey(a.Config.Data); err == nil {
			keys, err = identity.KeysOf(key)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	verifier, err := identity.NewVerifier(identity.Options{
		Keys: keys, Issuer: c.Issuer, Audience: c.Audience, Algorithms: c.Algorithms, Leeway: c.Leeway,
		CacheSize: c.TokenCache, CacheTTL: c.TokenCacheTTL, Now: a.now,
	})
	if err != nil {
		keys.Close()
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	return verifier, keys, nil
}
