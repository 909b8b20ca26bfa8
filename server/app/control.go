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
// backup, and nobody else.
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
		a.log.Warn("no backup can be asked for while this process serves", "err", err)
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

// control answers POST /backup.
func (a *App) control(w http.ResponseWriter, r *http.Request) {
	var asked backupRequest
	if r.Method != http.MethodPost || r.URL.Path != "/backup" {
		http.Error(w, "want POST /backup", http.StatusNotFound)
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := a.checkpoint(r.Context(), asked.Folder); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a.log.Info("backup", "folder", asked.Folder)
	w.WriteHeader(http.StatusNoContent)
}

// AskBackup asks the process that serves a data folder to copy its store into another folder, which must not exist yet. It
// returns ErrNotServed when there is none.
func AskBackup(ctx context.Context, data, folder string) error {
	body, err := json.Marshal(backupRequest{folder})
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(data, controlSocket))
	}
	return ask(ctx, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, body)
}

func ask(ctx context.Context, client *http.Client, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://satnav/backup", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		var dialled *net.OpError
		if errors.As(err, &dialled) && dialled.Op == "dial" {
			return ErrNotServed
		}
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return errors.Join(fmt.Errorf("the serving process: %s", bytes.TrimSpace(why)), err)
}
