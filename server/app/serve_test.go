package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/server/api/apitest"
	"satnav/server/observe"
)

// serve opens an App on an empty folder and serves it until the test ends.
func serve(t *testing.T, set func(*config.Config)) (a *App, url string) {
	t.Helper()
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", t.TempDir()
	c.Limits.Deadline, c.Limits.MaxWait = time.Minute, 0 // however busy the machine is
	set(&c)
	a, err := Open(t.Context(), Options{Config: c, Log: observe.NewLogger(io.Discard, "info", "text")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	address, served := make(chan net.Addr, 1), make(chan error, 1)
	go func() { served <- a.Serve(ctx, func(at net.Addr) { address <- at }) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	select {
	case at := <-address:
		return a, "http://" + at.String()
	case err := <-served:
		served <- nil
		t.Fatal(err)
	}
	return nil, ""
}

// TestNotReadyWithoutKeys starts a server while its key set cannot be read: it says so, and is ready once it can.
func TestNotReadyWithoutKeys(t *testing.T) {
	t.Parallel()
	var there atomic.Bool
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !there.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	defer issuer.Close()
	_, url := serve(t, func(c *config.Config) { c.Identity.JWKS, c.Identity.JWKSRefresh = issuer.URL, time.Second })
	if status, text := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "keys: ") {
		t.Errorf("without keys: got %d %s", status, text)
	}
	there.Store(true)
	for {
		status, text := get(t, url+"/readyz")
		if status == http.StatusOK {
			return
		}
		if status != http.StatusServiceUnavailable {
			t.Fatalf("got %d %s", status, text)
		}
		time.Sleep(50 * time.Millisecond) // it reads the keys again every second
	}
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (status int, text string) {
	t.Helper()
	response, err := apitest.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
