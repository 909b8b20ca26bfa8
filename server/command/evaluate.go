package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/evaluate"
	"satnav/server/identity"
)

// evaluation measures suggestions on what happened.
type evaluation struct {
	knobs
	Folder    string `help:"Evaluate on a folder of research data (baskets.csv, targets.csv and split.csv, or checkins.csv; see go doc ./server/evaluate Folder)." placeholder:"DIR" type:"existingdir"`
	Server    string `help:"Ask this running server, whose retailer should be a new one; otherwise the command serves by itself, from a temporary folder." placeholder:"URL"`
	TokenFile string `help:"File with a backend's token for --server." placeholder:"F" type:"existingfile"`
	Fold      int    `help:"Which column of the split: 0 is fold0." default:"0"`
	All       bool   `help:"Ask about everybody, and learn from nobody's next basket."`
	Limit     int    `help:"How long the lists are." default:"20"`
	Preds     string `help:"Write the lists here." default:"preds.tsv" placeholder:"FILE"`
}

// Run evaluates.
func (e *evaluation) Run(ctx context.Context, std IO) (err error) {
	server, done, err := e.server(ctx, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	out, err := os.Create(e.Preds)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	folder := evaluate.Folder(e.Folder)
	places, err := folder.Places()
	if err != nil {
		return err
	}
	yesterday := time.Now().UTC().AddDate(0, 0, -1)
	var report any
	if places {
		report, err = evaluate.Places{Folder: folder, Now: yesterday, Limit: e.Limit, Said: std.Err}.Run(ctx, server, out)
	} else {
		report, err = evaluate.Baskets{Folder: folder, Fold: e.Fold, All: e.All, Now: yesterday, Limit: e.Limit, Said: std.Err}.Run(ctx, server, out)
	}
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", e.Folder, err)
	}
	encoder := json.NewEncoder(std.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// server is the one that is asked; done ends what was begun for it.
func (e *evaluation) server(ctx context.Context, std IO) (s *evaluate.Server, done func() error, err error) {
	if e.Server != "" {
		token, err := readToken(e.TokenFile)
		if err != nil {
			return nil, nil, err
		}
		return &evaluate.Server{URL: e.Server, Token: token}, func() error { return nil }, nil
	}
	data, err := os.MkdirTemp("", "satnav-evaluate-")
	if err != nil {
		return nil, nil, err
	}
	s, stop, err := e.serve(ctx, std, filepath.Join(data, "data"))
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(data))
	}
	return s, func() error { return errors.Join(stop(), os.RemoveAll(data)) }, nil
}

// evaluated is the retailer of a server that was started for an evaluation.
const evaluated = "evaluation"

// serve starts the server that serve starts, with the same configuration, on a free port of loopback.
func (e *evaluation) serve(ctx context.Context, std IO, data string) (s *evaluate.Server, stop func() error, err error) {
	c, origins, err := e.load(std, map[string]string{"data": data, "listen": "127.0.0.1:0"})
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(std.Err, "configuration: %s\n", told(c, origins))
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return nil, nil, err
	}
	serving, end := context.WithCancel(ctx)
	address, served := make(chan net.Addr, 1), make(chan error, 1)
	go func() { served <- a.Serve(serving, func(at net.Addr) { address <- at }) }()
	stop = func() error { end(); return <-served }
	select {
	case at := <-address:
		key, err := identity.DevelopmentKey(data)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		now := time.Now()
		token, err := identity.Issuer{Key: key, Issuer: c.Identity.Issuer, Audience: c.Identity.Audience}.Issue(identity.Claims{
			Retailer: evaluated, Role: identity.Backend, Subject: "satnav evaluate", Expires: now.Add(24 * time.Hour),
		}, now)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		return &evaluate.Server{URL: "http://" + at.String(), Token: token, Client: http.DefaultClient}, stop, nil
	case err := <-served:
		end()
		return nil, nil, err
	}
}

// told names the knobs that are not at their default.
func told(_ config.Config, origins config.Origins) string {
	var changed []string
	for name, origin := range origins {
		if name != "data" && name != "listen" {
			changed = append(changed, fmt.Sprintf("%s from %v", name, origin))
		}
	}
	if len(changed) == 0 {
		return "the default"
	}
	return strings.Join(changed, ", ")
}
