package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/deliver"
)

// streamed is the data of an event.
type streamed struct {
	ID        string    `json:"id"`
	Shopper   string    `json:"shopper"`
	Geofence  string    `json:"geofence"`
	Kind      string    `json:"kind"`
	At        time.Time `json:"at"`
	DecidedAt time.Time `json:"decided_at"`
}

// maxStreams bounds the streams that are open at once: each reads the store four times a second.
const maxStreams = 256

// streams counts those that are open.
type streams struct{ open atomic.Int64 }

// heartbeat is how often a stream says that it is alive when it has nothing to tell: balancers cut silent connections.
const heartbeat = 15 * time.Second

// StreamTriggers tells triggers as they happen, as server-sent events.
func (a *API) StreamTriggers(c *fiber.Ctx, params wire.StreamTriggersParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	cursor := strings.Clone(params.LastEventID)
	since, err := a.Feed.Begin(cursor)
	if err != nil {
		return parameterProblem(invalidRequest, "Last-Event-ID", codeBadFormat, "got %s, want the id of an event of this stream", quote(cursor))
	}
	if a.streams.open.Add(1) > maxStreams {
		a.streams.open.Add(-1)
		return &failure{kind: unavailable, detail: "too many streams are open", retryAfter: 10 * time.Second}
	}
	retailer := strings.Clone(caller(c).Retailer)
	ctx, cancel := context.WithCancel(context.Background())
	if params.ForS > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(params.ForS)*time.Second)
	}
	stop := context.AfterFunc(a.Ending, cancel)
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no") // some proxies hold answers back otherwise
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer a.streams.open.Add(-1)
		defer cancel()
		defer stop()
		if err := a.follow(ctx, w, retailer, since); err != nil && ctx.Err() == nil {
			a.Log.Debug("a stream ended", "err", err) // who looked on has gone, or the store is away: it is opened again
		}
	})
	return nil
}

func (a *API) follow(ctx context.Context, w *bufio.Writer, retailer string, since time.Time) error {
	said := time.Now()
	if _, err := w.WriteString("retry: 2000\n\n"); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	emit := func(told deliver.Told) error {
		data, err := json.Marshal(streamed{told.ID, told.Key.Shopper, told.Geofence, string(told.Kind), told.At, told.DecidedAt})
		if err != nil {
			return err
		}
		said = time.Now()
		_, err = fmt.Fprintf(w, "id: %s\nevent: %s%s\ndata: %s\n\n", told.Cursor, deliver.TypePrefix, told.Kind, data)
		return err
	}
	idle := func() error {
		if time.Since(said) > heartbeat {
			said = time.Now()
			if _, err := w.WriteString(": alive\n\n"); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	return a.Feed.Follow(ctx, retailer, since, emit, idle)
}
