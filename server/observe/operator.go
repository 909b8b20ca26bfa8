package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds all checks of one /readyz together: an orchestrator that
// waits longer takes silence for death.
const readyTimeout = 2 * time.Second

// Health knows whether the process can answer. The zero value is live and ready.
// Both listeners ask the same one. Safe for concurrent use.
type Health struct {
	mu       sync.Mutex
	checks   []check
	draining bool
}

type check struct {
	name string
	ask  func(context.Context) error
}

// Check adds something that must work for the process to be ready. ask returns
// nil when it does; its error is shown to operators.
func (h *Health) Check(name string, ask func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, ask})
}

// Drain makes the process not ready for good, so that a load balancer looks
// elsewhere while the last calls end.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Ready returns nil, or what is not ready, a line each. All checks are asked at
// once; one that does not answer within 2 s is not ready.
func (h *Health) Ready(ctx context.Context) error {
	h.mu.Lock()
	checks, draining := slices.Clone(h.checks), h.draining
	h.mu.Unlock()
	if draining {
		return errors.New("draining: no new calls, please")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	results := make([]chan error, len(checks))
	for i, c := range checks {
		results[i] = make(chan error, 1) // a check that hangs ends by itself, without a reader
		go func() { results[i] <- c.ask(ctx) }()
	}
	var wrong []error
	for i, c := range checks {
		var err error
		select {
		case err = <-results[i]:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(wrong...)
}

// Operator serves what only operators may see. It asks for no token, so that it
// belongs on an address inside the operator's network.
type Operator struct {
	server   *http.Server
	listener net.Listener
	done     chan error
}

// ListenOperator starts to serve /metrics, /livez, /readyz and /debug/pprof on an
// address. Stop it with Shutdown.
func ListenOperator(address string, gatherer prometheus.Gatherer, health *Health) (*Operator, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("operator listener: %w", err)
	}
	o := &Operator{
		server:   &http.Server{Handler: OperatorHandler(gatherer, health), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute},
		listener: listener,
		done:     make(chan error, 1),
	}
	go func() { o.done <- o.server.Serve(listener) }()
	return o, nil
}

// Address is where it listens, with the port that was free when 0 was asked for.
func (o *Operator) Address() string { return o.listener.Addr().String() }

// Shutdown lets calls under way end until ctx ends, then cuts them. It returns
// why serving stopped before, if it did.
func (o *Operator) Shutdown(ctx context.Context) error {
	err := o.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, o.server.Close())
	}
	if served := <-o.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// OperatorHandler answers the operator's routes.
func OperatorHandler(gatherer prometheus.Gatherer, health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "live") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := health.Ready(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, strings.Join([]string{"/metrics", "/livez", "/readyz", "/debug/pprof/"}, "\n"))
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the caller went away; nobody is left to tell
}
