package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/server/decision"
	"satnav/server/deliver"
	"satnav/server/diary"
	"satnav/server/identity"
	"satnav/server/importer"
	"satnav/server/insight"
	"satnav/server/observe"
	"satnav/server/outcome"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/visit"
)

// Parts are what the handlers ask.
type Parts struct {
	Verifier    *identity.Verifier
	Visits      *visit.Visits
	Diary       *diary.Diary
	Permissions *privacy.Permissions
	Erasures    *privacy.Erasures
	Appeals     *privacy.Appeals
	Audit       *audit.Log
	Sources     *privacy.Sources
	Files       *privacy.Files
	Decisions   *decision.Book
	Shoppers    *store.Shoppers
	Calls       *store.Calls
	Retailers   *retailer.Retailers
	Outcomes    *outcome.Outcomes
	Insights    *insight.Insights
	Codes       *store.Codes
	Desk        *deliver.Desk
	Feed        *deliver.Feed
	Streams     []string          // systems beside webhooks that are told of triggers, by name
	Ending      context.Context   // ends when streams are to be closed, since the process is told to stop
	Region      string            // of this deployment; empty: none
	Elsewhere   map[string]string // addresses of the deployments of other regions
	PageKey     []byte            // signs who may look at a shopper's page; replicas share it
	Import      Import
	Health      *observe.Health
	Metrics     *observe.Metrics
	Log         *slog.Logger
	Now         func() time.Time
	Limits      Limits
}

// Import reads an upload, see importer.Run.
type Import func(context.Context, Upload) (importer.Summary, error)

// Upload is a file that is imported through the API.
type Upload struct {
	Retailer  string
	By        retailer.Editor
	Kind      importer.Kind
	File      io.Reader
	Rejected  io.Writer // gets the refused rows, one JSON object a line
	FirstLine int       // number of the file's first line; 0 means 1
	Basis     string    // legal basis of personal data in it; empty: none was named
	DryRun    bool      // check and report, store nothing
	Change    func(importer.Change)
}

// API answers the contract. Its methods are the operations, in the words of the contract; all are safe for
// concurrent use.
type API struct {
	Parts
	contract  *document
	operation map[string]*operation // by method and path, see operationKey
	paths     []string              // those without a parameter
	meters    *meters
	shedder   *shedder
	streams   streams
	pages     *pages
}

var _ ServerInterface = (*API)(nil)

// headerTimeout is how long a client may take to send a request; fasthttp counts the whole of it.
const readTimeout = 60 * time.Second

// Server answers calls of the API.
type Server struct {
	fiber   *fiber.App
	shedder *shedder
}

// Serve answers calls that come in through the listener, until Shutdown.
func (s *Server) Serve(listener net.Listener) error {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); s.shedder.run(done) }()
	err := s.fiber.Listener(listener)
	close(done)
	<-ended
	return err
}

// Shutdown takes no more calls and waits for those under way, at most so long.
func (s *Server) Shutdown(atMost time.Duration) error {
	err := s.fiber.ShutdownWithTimeout(atMost)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("calls were still under way after %s: they were cut off", atMost)
	}
	return err
}

// New makes the server of the API.
func New(parts Parts) *Server {
	shedder := newShedder(parts.Limits.InFlight, parts.Limits.MaxWait)
	return &Server{newApp(parts, shedder), shedder}
}

// connections is how many may be open for each call that may be under way: a phone that keeps one open asks seldom. Each costs some
// 20 KiB; who comes on top is refused.
const connections = 8

// newApp mounts the operations.
func newApp(parts Parts, shedder *shedder) *fiber.App {
	if parts.Limits.Body == 0 {
		parts.Limits.Body = MaxBody
	}
	a := &API{Parts: parts, contract: readContract(), operation: map[string]*operation{}, meters: newMeters(parts.Limits), shedder: shedder, pages: newPages(parts.PageKey)}
	server := fiber.New(fiber.Config{
		AppName:                      "satnav",
		DisableStartupMessage:        true,
		StrictRouting:                true,
		CaseSensitive:                true,
		BodyLimit:                    parts.Limits.Body,
		Concurrency:                  connections * parts.Limits.InFlight, // 0: fiber's own bound
		StreamRequestBody:            true,                                // imports are read as they come; body bounds all others
		DisablePreParseMultipartForm: true,                                // no operation takes a form, and one would be read to disk, whoever sends it
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  readTimeout,
		IdleTimeout:                  2 * time.Minute,
		ErrorHandler:                 failer(parts.Log),
	})
	for _, op := range a.contract.operations {
		a.operation[operationKey(op.Method, op.Path)] = op
		if !strings.Contains(op.Path, "{") {
			a.paths = append(a.paths, op.Path)
		}
	}
	server.Use(a.guard)
	fixed := ServerInterfaceWrapper{Handler: a} // fiber takes the first path that fits, and an id fits any word
	server.Get("/v1/geofences/nearby", fixed.NearbyGeofences)
	server.Get("/v1/rules/live", fixed.GetLiveRules)
	server.Get("/v1/rules/versions", fixed.ListRuleVersions)
	server.Get("/v1/rules/plan", fixed.GetRulePlan)
	server.Get("/v1/rules/conflicts", fixed.ListRuleConflicts)
	server.Get("/v1/rules/estimate", fixed.EstimateRules)
	RegisterHandlers(server, a)
	server.Use(func(c *fiber.Ctx) error { return a.nowhere(c) })
	return server
}

// GetLivez says that the process runs.
func (a *API) GetLivez(c *fiber.Ctx) error { return encode(c, health{"ok"}) }

// GetReadyz says whether calls may be sent here.
func (a *API) GetReadyz(c *fiber.Ctx) error {
	if err := a.Health.Ready(c.UserContext()); err != nil {
		return &failure{kind: unavailable, detail: err.Error(), retryAfter: time.Second}
	}
	return encode(c, health{"ok"})
}

type health struct {
	Status string `json:"status"`
}
