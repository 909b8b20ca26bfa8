package retailer

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"satnav/server/store"
)

// Webhook is where a retailer wants to be told of triggers, over HTTP.
type Webhook struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"` // for people; empty: none
	URL    string   `json:"url"`
	Kinds  []string `json:"kinds,omitempty"`  // of triggers; none: all
	Status string   `json:"status,omitempty"` // one of WebhookStatuses; empty: live
	// Secrets sign what is sent, the newest first. All that have not ended sign, so that a receiver may change from one to
	// the next at a time of its own.
	Secrets []Secret `json:"secrets"`
}

// Secret signs for a while.
type Secret struct {
	Key   string    `json:"key"`            // as Standard Webhooks writes it: whsec_ and base64
	Until time.Time `json:"until,omitzero"` // zero: until it is replaced
}

// WebhookStatuses are the states of a webhook. While it is paused, what it is to be told waits.
var WebhookStatuses = []string{"live", "paused"}

// WebhookKinds are what a webhook may choose: kinds of triggers, and what rules suggest on other occasions.
var WebhookKinds = []string{"enter", "dwell", "exit", "approach", "suggestion"}

// MaxWebhooks bounds the webhooks of a retailer: each crossing is written once for every one of them.
const MaxWebhooks = 16

// secretOverlap is how long a secret goes on signing beside the one that replaced it.
const secretOverlap = 24 * time.Hour

// newSecret makes a secret of 256 bits.
func newSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// Wants tells whether it is to be told of triggers of a kind.
func (w *Webhook) Wants(kind string) bool { return len(w.Kinds) == 0 || slices.Contains(w.Kinds, kind) }

// Paused tells whether what it is to be told waits.
func (w *Webhook) Paused() bool { return w.Status == "paused" }

// Keys are those that sign at an instant.
func (w *Webhook) Keys(now time.Time) []string {
	var keys []string
	for _, s := range w.Secrets {
		if s.Until.IsZero() || now.Before(s.Until) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// check says what is wrong with what a retailer sent, but for the address, which is for who dials it to judge.
func (w *Webhook) check() []Fault {
	var faults []Fault
	if !plainID(w.ID) {
		faults = append(faults, Fault{"/id", fmt.Sprintf("got %.40q, want 1 to 64 letters, digits, '.', '_' or '-'", w.ID)})
	}
	if w.Status != "" && !slices.Contains(WebhookStatuses, w.Status) {
		faults = append(faults, Fault{"/status", fmt.Sprintf("got %q, want one of %s", w.Status, strings.Join(WebhookStatuses, ", "))})
	}
	for i, kind := range w.Kinds {
		if !slices.Contains(WebhookKinds, kind) {
			faults = append(faults, Fault{fmt.Sprintf("/kinds/%d", i), fmt.Sprintf("got %q, want one of %s", kind, strings.Join(WebhookKinds, ", "))})
		}
	}
	return faults
}

// plainID tells whether an id can stand in the keys of an outbox.
func plainID(id string) bool {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
	}
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(c rune) bool { return !plain(c) })
}

// SaveWebhook changes a webhook. A new one gets a secret; another one keeps its secrets, unless they are to be rotated:
// then it gets a new one, beside which the last goes on signing for a day.
func (r *Retailers) SaveWebhook(ctx context.Context, retailer string, by Editor, change Change[Webhook], rotate bool) (Saved, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return Saved{}, err
	}
	saved, err := save(ctx, r, retailer, store.WebhookEntry, by, []Change[Webhook]{change}, func(c *Change[Webhook]) ([]byte, error) {
		if c.Delete {
			return nil, nil
		}
		before, err := r.entries.Get(ctx, retailer, store.WebhookEntry, c.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		var kept Webhook
		if err == nil {
			if err := json.Unmarshal(before.Body, &kept); err != nil {
				return nil, err
			}
		} else if rotate {
			return nil, store.ErrNotFound
		} else if len(p.snapshot.Load().Webhooks) >= MaxWebhooks {
			return nil, invalid([]Fault{{"", fmt.Sprintf("there are %d webhooks already, the most that a retailer may have: delete one first", MaxWebhooks)}})
		}
		if c.Expect == nil { // the secrets are those of this version
			c.Expect = &before.Version
		}
		if rotate {
			c.Value = kept
		}
		c.Value.ID, c.Value.Secrets = c.ID, kept.Secrets
		if rotate || len(kept.Secrets) == 0 {
			c.Value.Secrets = renewed(kept.Secrets, r.now().UTC().Truncate(time.Millisecond))
		}
		if faults := c.Value.check(); len(faults) > 0 {
			return nil, invalid(faults)
		}
		return json.Marshal(c.Value)
	})
	if err != nil {
		return Saved{}, err
	}
	return saved[0], nil
}

// renewed puts a new secret before those that have not ended; the one that it replaces ends in a day.
func renewed(secrets []Secret, now time.Time) []Secret {
	next := []Secret{{Key: newSecret()}}
	for _, s := range secrets {
		if s.Until.IsZero() {
			s.Until = now.Add(secretOverlap)
		}
		if now.Before(s.Until) {
			next = append(next, s)
		}
	}
	return next
}

// takeWebhook takes in an edit of a webhook.
func (p *picture) takeWebhook(e store.Entry) error {
	if e.Deleted {
		delete(p.webhooks, e.ID)
		p.unhooked[e.ID] = true
		return nil
	}
	hook := new(Webhook)
	if err := json.Unmarshal(e.Body, hook); err != nil {
		return err
	}
	p.webhooks[e.ID] = hook
	delete(p.unhooked, e.ID)
	return nil
}

// hooks are the webhooks in order of their ids; nil when there are none.
func (p *picture) hooks() []*Webhook {
	var hooks []*Webhook
	for _, id := range slices.Sorted(maps.Keys(p.webhooks)) {
		hooks = append(hooks, p.webhooks[id])
	}
	return hooks
}

// Snapshots are those of all retailers that are loaded.
func (r *Retailers) Snapshots() []*Snapshot {
	var all []*Snapshot
	for _, p := range r.loaded() {
		if p.failed == nil {
			all = append(all, p.snapshot.Load())
		}
	}
	return all
}
