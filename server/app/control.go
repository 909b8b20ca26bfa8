package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"satnav/config"
	"satnav/server/store"
)

// controlSocket stands in the data folder while a process serves it: who may read the folder may ask that process for a
// backup, for an erasure, or to verify the audit log, and nobody else.
const controlSocket = "control.sock"

// ErrNotServed says that no process serves the data folder.
var ErrNotServed = errors.New("nobody serves this data folder")

// backupRequest asks for a copy of the embedded store in a folder that does not exist yet.
type backupRequest struct {
	Folder string `json:"folder"`
}

// announce tells others that this process serves: those that could open the same database, or those that want a backup of
// the folder.
func (a *App) announce(ctx context.Context) error {
	if a.Config.Store != config.Embedded {
		run, err := store.Serve(a.background, a.Documents)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		a.running.Go(run)
		return nil
	}
	path := filepath.Join(a.Config.Data, controlSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed: the folder is ours
		return fmt.Errorf("data folder: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil { // some paths are too long for a socket
		a.log.Warn("no command can ask this process for anything while it serves", "err", err)
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("data folder: %w", err), listener.Close())
	}
	server := &http.Server{Handler: http.HandlerFunc(a.control), ReadHeaderTimeout: 5 * time.Second}
	a.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.log.Warn("control socket", "err", err)
		}
	})
	a.running.Go(func() {
		<-a.background.Done()
		if err := server.Shutdown(context.WithoutCancel(a.background)); err != nil {
			a.log.Warn("control socket", "err", err)
		}
	})
	return nil
}

// control answers what commands ask of the process that serves their folder.
func (a *App) control(w http.ResponseWriter, r *http.Request) {
	answers, known := map[string]func(context.Context, json.RawMessage) (any, error){
		"/backup": a.backUp, "/erase": a.eraseFor, "/audit": a.auditFor,
	}[r.URL.Path]
	if r.Method != http.MethodPost || !known {
		http.Error(w, "want POST /backup, /erase or /audit", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err == nil && !json.Valid(body) {
		err = errors.New("the request is not JSON")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := answers(r.Context(), body)
	if err == nil {
		body, err = json.Marshal(answer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // who does not read it any more has gone
}

func (a *App) backUp(ctx context.Context, request json.RawMessage) (any, error) {
	var asked backupRequest
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, err
	}
	if err := a.checkpoint(ctx, asked.Folder); err != nil {
		return nil, err
	}
	a.log.Info("backup", "folder", asked.Folder)
	return struct{}{}, nil
}

// AskBackup asks the process that serves a data folder to copy its store into another folder, which must not exist yet. It
// returns ErrNotServed when there is none.
func AskBackup(ctx context.Context, data, folder string) error {
	return ask(ctx, data, "/backup", backupRequest{folder}, &struct{}{})
}

// ask asks the process that serves a data folder.
func ask(ctx context.Context, data, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(data, controlSocket))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://satnav"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	got, err := client.Do(call)
	if err != nil {
		var dialled *net.OpError
		if errors.As(err, &dialled) && dialled.Op == "dial" {
			return ErrNotServed
		}
		return err
	}
	defer got.Body.Close()
	if got.StatusCode == http.StatusOK {
		return json.NewDecoder(got.Body).Decode(answer)
	}
	why, err := io.ReadAll(io.LimitReader(got.Body, 4<<10))
	return errors.Join(fmt.Errorf("the serving process: %s", bytes.TrimSpace(why)), err)
}
