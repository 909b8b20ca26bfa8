package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/draw"
	"satnav/server/evaluate"
	"satnav/server/identity"
)

// evaluation measures suggestions on what happened.
type evaluation struct {
	knobs
	Data      string `help:"Evaluate on a retailer's own history in this data folder; no server may be running on it (default satnav-data)." placeholder:"DIR" xor:"what"`
	Retailer  string `help:"The retailer, with --data." default:"demo"`
	Since     string `help:"With --data: learn from what was before this instant (RFC 3339 or a date), ask for what was bought first since (default: the newest tenth of all baskets)." placeholder:"TIME"`
	Shoppers  int    `help:"With --data: ask about so many shoppers at most." default:"5000"`
	NoContext bool   `help:"With --data: an engine that does not know where and when it is, to tell what that is worth."`

	Folder    string `help:"Evaluate on a folder of research data instead, through the HTTP API (baskets.csv, targets.csv and split.csv, or checkins.csv; see go doc ./server/evaluate Folder)." placeholder:"DIR" type:"existingdir" xor:"what"`
	Server    string `help:"With --folder: ask this running server, whose retailer should be a new one; otherwise the command serves by itself, from a temporary folder." placeholder:"URL"`
	TokenFile string `help:"File with a backend's token for --server." placeholder:"F" type:"existingfile"`
	Fold      int    `help:"With --folder: which column of the split; 0 is fold0." default:"0"`
	All       bool   `help:"With --folder: ask about everybody, and learn from nobody's next basket."`
	Limit     int    `help:"With --folder: how long the lists are." default:"20"`
	Preds     string `help:"With --folder: write the lists here." default:"preds.tsv" placeholder:"FILE"`

	Out string `help:"How the figures are printed: ${enum}." enum:"text,json" default:"text"`
	SVG string `help:"Draw the figures." placeholder:"FILE" name:"svg"`
}

// Run evaluates.
func (e *evaluation) Run(ctx context.Context, std IO) error {
	if e.Folder == "" {
		report, err := e.own(ctx, std)
		if err != nil {
			return fmt.Errorf("evaluate: %w", err)
		}
		return e.show(std, report)
	}
	folder := evaluate.Folder(e.Folder)
	places, err := folder.Places()
	if err != nil {
		return err
	}
	yesterday := time.Now().UTC().AddDate(0, 0, -1)
	if places {
		var report evaluate.PlaceReport
		err := e.through(ctx, std, func(server *evaluate.Server, lists io.Writer) (err error) {
			report, err = evaluate.Places{Folder: folder, Now: yesterday, Limit: e.Limit, Said: std.Err}.Run(ctx, server, lists)
			return err
		})
		if err != nil {
			return fmt.Errorf("evaluate %s: %w", e.Folder, err)
		}
		if e.Out == "json" {
			return printJSON(std, report)
		}
		return report.Print(std.Out)
	}
	var report evaluate.Report
	err = e.through(ctx, std, func(server *evaluate.Server, lists io.Writer) (err error) {
		report, err = evaluate.Baskets{Folder: folder, Fold: e.Fold, All: e.All, Now: yesterday, Limit: e.Limit, Said: std.Err}.Run(ctx, server, lists)
		return err
	})
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", e.Folder, err)
	}
	return e.show(std, report)
}

// own evaluates on a retailer's own history.
func (e *evaluation) own(ctx context.Context, std IO) (report evaluate.Report, err error) {
	c, _, err := e.load(std, map[string]string{"data": e.Data})
	if err != nil {
		return report, err
	}
	var since time.Time
	if e.Since != "" {
		if since, err = instant(e.Since); err != nil {
			return report, fmt.Errorf("--since: %w", err)
		}
	}
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	snapshot, err := a.Retailers.Of(ctx, e.Retailer)
	if err != nil {
		return report, err
	}
	return evaluate.Own{
		Retailer: e.Retailer, Histories: a.Shoppers, Suggest: snapshot.Suggest, Since: since, Most: e.Shoppers, Context: !e.NoContext, Said: std.Err,
	}.Run(ctx)
}

// show prints a report, and draws it if that is wished for.
func (e *evaluation) show(std IO, report evaluate.Report) error {
	if e.SVG != "" {
		if _, err := into(e.SVG, func(w io.Writer) (struct{}, error) { return struct{}{}, draw.Backtest(w, report.Report) }); err != nil {
			return err
		}
	}
	if e.Out == "json" {
		return printJSON(std, report)
	}
	return report.Print(std.Out)
}

func printJSON(std IO, value any) error {
	encoder := json.NewEncoder(std.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// through runs an evaluation through a server, and gives it the file for the lists.
func (e *evaluation) through(ctx context.Context, std IO, run func(*evaluate.Server, io.Writer) error) (err error) {
	server, done, err := e.server(ctx, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	_, err = into(e.Preds, func(w io.Writer) (struct{}, error) { return struct{}{}, run(server, w) })
	return err
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
	fmt.Fprintf(std.Err, "configuration: %s\n", told(origins))
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
func told(origins config.Origins) string {
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
