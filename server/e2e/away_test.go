package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/store"
)

// faulty is a store that can be away: it hangs, or says so.
type faulty struct {
	store.Documents
	how atomic.Int32
}

const (
	well int32 = iota
	hanging
	gone
)

func (f *faulty) fault(ctx context.Context) error {
	switch f.how.Load() {
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	case gone:
		return fmt.Errorf("no server: %w", store.ErrUnavailable)
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, partition, id string) (store.Document, error) {
	if err := f.fault(ctx); err != nil {
		return store.Document{}, err
	}
	return f.Documents.Get(ctx, partition, id)
}

func (f *faulty) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	if err := f.fault(ctx); err != nil {
		return store.Page{}, err
	}
	return f.Documents.Scan(ctx, partition, from, to, limit)
}

func (f *faulty) Revision(ctx context.Context, partition string) (store.Revision, error) {
	if err := f.fault(ctx); err != nil {
		return 0, err
	}
	return f.Documents.Revision(ctx, partition)
}

func (f *faulty) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if err := f.fault(ctx); err != nil {
		return 0, err
	}
	return f.Documents.Commit(ctx, b)
}

// TestStoreAway lets the store hang, and be gone, under a city that serves: suggestions are still made, for nobody in particular
// and marked as such; nothing that would have to be kept is acknowledged; and afterwards all is as it was.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	below := new(faulty)
	h := newHouse(t, plan{
		between: func(d store.Documents) store.Documents { below.Documents = d; return below },
		set:     func(c *config.Config) { c.Limits.Deadline = 3 * time.Second },
	})
	const retailer = "away"
	admin := h.role(t, identity.Admin, retailer)
	for n := range 5 {
		h.call(t, admin, "PUT", fmt.Sprint("/v1/products/p", n), `{"title":"Beans","category":"food"}`).wants(201)
	}
	h.call(t, admin, "PUT", "/v1/geofences/hall", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.14,38.71]},"properties":{"radius_m":80}}`).wants(201)
	anna := h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary("anna while it is away")})
	h.record(t, anna, wire.Event{ID: "e1", Kind: "purchase", Item: "p3"})
	moment := func(limit int) string {
		return fmt.Sprintf(`{"limit":%d,"where":{"lat":38.71,"lng":-9.14,"accuracy_m":8},"permissions":{"location":"precise"}}`, limit)
	}
	if used := h.ask(t, anna, moment(5)).Used; !used.History || len(used.Degraded) > 0 {
		t.Fatalf("before: got %+v, want an answer from history", used)
	}
	stranger := func(n int) string {
		return h.as(t, identity.Claims{Role: identity.Shopper, Retailer: retailer, Subject: canary(fmt.Sprint("somebody while it is away ", n))})
	}
	for n, how := range []int32{hanging, gone} {
		below.how.Store(how)
		for try := range 8 {
			answer := h.ask(t, stranger(10*n+try), moment(5))
			used := answer.Used
			if !slices.Equal(used.Degraded, []string{"store"}) || used.History || len(used.Purposes) > 0 || used.Location != "none" || len(answer.Suggestions) == 0 || len(answer.Triggers) > 0 {
				t.Errorf("fault %d, try %d: got %d suggestions, %d triggers, used %+v", how, try, len(answer.Suggestions), len(answer.Triggers), used)
			}
		}
		for _, write := range []struct{ name, token, method, path, body string }{
			{"fixes alone", stranger(99), "POST", "/v1/context", moment(0)},
			{"an event", anna, "POST", "/v1/events", `{"events":[{"id":"e2","kind":"view","item":"p1"}]}`},
			{"a grant", anna, "PUT", "/v1/me/permissions", `{"grants":{"location":true}}`},
			{"an edit", admin, "PUT", "/v1/products/p9", `{"title":"Rice"}`},
			{"an erasure", anna, "DELETE", "/v1/me", ""},
		} {
			var body any
			if write.body != "" {
				body = write.body
			}
			if r := h.call(t, write.token, write.method, write.path, body); r.status != 503 || r.header.Get("Retry-After") == "" {
				t.Errorf("fault %d, %s: got %d %s, want 503 with Retry-After", how, write.name, r.status, r.body)
			}
		}
		h.call(t, admin, "POST", "/v1/geofences/match", `{"points":[[-9.14,38.71]]}`).wants(200)
		below.how.Store(well)
		eventually(t, "the store is used again", func() bool {
			return h.call(t, anna, "PUT", "/v1/me/permissions", `{"grants":{"location":true}}`).status == 200
		})
		if used := h.ask(t, anna, moment(5)).Used; !used.History || len(used.Degraded) > 0 {
			t.Errorf("after fault %d: got %+v, want an answer from history", how, used)
		}
	}
	told, _ := diaryOf(t, h, anna)
	if events := slices.DeleteFunc(told, func(line string) bool { return !strings.HasPrefix(line, "event ") }); !slices.Equal(events, []string{"event e1"}) {
		t.Errorf("the diary has %q, want the one event that was acknowledged", events)
	}
}
