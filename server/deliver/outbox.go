package deliver

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/recommend/rule"
	"satnav/server/money"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

var _ visit.Outbox = (*Outbox)(nil)

// Outbox writes letters. It is safe for concurrent use.
type Outbox struct {
	sinks  []string // endpoints of the installation
	posted func(retailer string)
}

// NewOutbox makes an outbox for webhooks and the sinks with these names. posted hears of retailers for whom letters wait; nil:
// nobody does.
func NewOutbox(sinks []string, posted func(retailer string)) *Outbox { return &Outbox{sinks, posted} }

// TypePrefix begins the type of a message that tells of a trigger; then comes its kind.
const TypePrefix = "satnav.trigger."

// trigger is what a message tells.
type trigger struct {
	Shopper   string          `json:"shopper"`
	Geofence  string          `json:"geofence"`
	Kind      string          `json:"kind"`
	At        time.Time       `json:"at"`
	DecidedAt time.Time       `json:"decided_at"`
	Reason    string          `json:"reason,omitempty"`
	Payload   json.RawMessage `json:"payload,omitempty"`
	// Suggestion is what a rule of the shop suggests on this occasion.
	Suggestion *suggestion `json:"suggestion,omitempty"`
}

// suggestion is a visit.Proposal in the words of a message. Texts are by language: the receiver knows the shopper's.
type suggestion struct {
	Rule       string            `json:"rule"`
	Kind       string            `json:"kind,omitempty"`
	Item       string            `json:"item,omitempty"`
	Title      string            `json:"title,omitempty"`
	Text       map[string]string `json:"text,omitempty"`
	Reasons    []string          `json:"reasons,omitempty"` // codes
	Price      string            `json:"price,omitempty"`
	Was        string            `json:"was,omitempty"`
	Offer      string            `json:"offer,omitempty"`
	Disclosure string            `json:"disclosure,omitempty"` // in English
	ValidUntil time.Time         `json:"valid_until"`
	RemindAt   *time.Time        `json:"remind_at,omitempty"` // when to say it; absent: now
}

// suggestionOf is what a trigger suggests; nil: nothing.
func suggestionOf(snapshot *retailer.Snapshot, p *visit.Proposal) *suggestion {
	if p == nil || p.Held != rule.Free {
		return nil
	}
	s := &suggestion{Rule: p.Rule, Kind: string(p.Kind), Item: p.Item, Title: p.Title, Text: p.Text,
		Price: money.Format(p.Price, snapshot.Settings.Exponent()), ValidUntil: p.ValidUntil.UTC()}
	if !p.RemindAt.IsZero() {
		at := p.RemindAt.UTC()
		s.RemindAt = &at
	}
	for _, reason := range p.Reasons {
		s.Reasons = append(s.Reasons, string(reason.Code))
	}
	if p.Offer != nil {
		s.Offer, s.Was = p.Offer.ID, money.Format(p.Was, snapshot.Settings.Exponent())
		if p.Personal {
			s.Disclosure = rule.Disclosure(snapshot.Settings.Jurisdiction, "en")
		}
	}
	return s
}

// Letters are those that tell a retailer's endpoints of triggers, in order. Where nobody wants to be told there are none, at no cost.
func (o *Outbox) Letters(snapshot *retailer.Snapshot, key who.Key, triggers []visit.Trigger, now time.Time) []store.Letter {
	if len(triggers) == 0 || len(snapshot.Webhooks) == 0 && len(o.sinks) == 0 {
		return nil
	}
	now = now.UTC().Truncate(time.Millisecond)
	var letters []store.Letter
	for _, t := range triggers {
		data, err := json.Marshal(trigger{
			Shopper: key.Shopper, Geofence: t.Geofence, Kind: string(t.Kind), At: t.At.UTC(), DecidedAt: t.DecidedAt.UTC(), Reason: t.Reason, Payload: t.Payload,
			Suggestion: suggestionOf(snapshot, t.Proposal),
		})
		if err != nil { // a payload was checked when it was saved
			data, _ = json.Marshal(trigger{Shopper: key.Shopper, Geofence: t.Geofence, Kind: string(t.Kind), At: t.At.UTC(), DecidedAt: t.DecidedAt.UTC(), Reason: t.Reason})
		}
		write := func(endpoint string) {
			letters = append(letters, store.Letter{
				Endpoint: endpoint, Message: t.ID, Type: TypePrefix + string(t.Kind), At: t.At.UTC(), Made: now, Data: string(data),
			})
		}
		for _, hook := range snapshot.Webhooks {
			if hook.Wants(string(t.Kind)) {
				write(hook.ID)
			}
		}
		for _, endpoint := range o.sinks {
			write(endpoint)
		}
	}
	return letters
}

// TypeSuggestion begins the type of a message that tells what a rule suggests on another occasion than a crossing; then comes what
// that was, "event" or "schedule".
const TypeSuggestion = "satnav.suggestion."

// KindSuggestion is what a webhook that chooses kinds names these by.
const KindSuggestion = "suggestion"

// occasion is what such a message tells.
type occasion struct {
	Shopper    string      `json:"shopper"`
	Occasion   string      `json:"occasion"` // "event" or "schedule"
	At         time.Time   `json:"at"`
	Event      string      `json:"event,omitempty"` // its kind
	Item       string      `json:"item,omitempty"`  // of the event
	Suggestion *suggestion `json:"suggestion"`
}

// Suggested are the letters that tell what rules suggest on an occasion.
func (o *Outbox) Suggested(snapshot *retailer.Snapshot, on *visit.Occasion, p *visit.Proposal, now time.Time) []store.Letter {
	told := suggestionOf(snapshot, p)
	if told == nil || len(snapshot.Webhooks) == 0 && len(o.sinks) == 0 {
		return nil
	}
	data, err := json.Marshal(occasion{on.Key.Shopper, string(on.Happened.Kind), on.At.UTC(), on.Happened.Event, on.Happened.Item, told})
	if err != nil { // it holds texts and times alone
		return nil
	}
	var letters []store.Letter
	write := func(endpoint string) {
		letters = append(letters, store.Letter{
			Endpoint: endpoint, Message: on.ID, Type: TypeSuggestion + string(on.Happened.Kind), At: on.At.UTC(), Made: now.UTC().Truncate(time.Millisecond), Data: string(data),
		})
	}
	for _, hook := range snapshot.Webhooks {
		if hook.Wants(KindSuggestion) {
			write(hook.ID)
		}
	}
	for _, endpoint := range o.sinks {
		write(endpoint)
	}
	return letters
}

// TypeErasure is the type of a message that tells of an erasure.
const TypeErasure = "satnav.erasure"

// erased is what a message tells of an erasure: delete what you were told under this partitionkey.
type erased struct {
	Erasure string    `json:"erasure"` // the id, as in the proof
	At      time.Time `json:"at"`      // from when on nothing can be read here
}

// Erased lets every endpoint of a retailer know, durably, that a shopper was erased. Endpoints know shoppers by their pseudonym, the partitionkey of each
// message. It may be called again for the same erasure: the message is the same.
func (o *Outbox) Erased(ctx context.Context, snapshot *retailer.Snapshot, shoppers *store.Shoppers, pseudonym string, proof store.Proof) error {
	data, err := json.Marshal(erased{proof.ID, proof.Erased.UTC()})
	if err != nil {
		return err
	}
	var letters []store.Letter
	write := func(endpoint string) {
		letters = append(letters, store.Letter{
			Endpoint: endpoint, Message: proof.ID, Type: TypeErasure, At: proof.Erased.UTC(), Made: proof.Erased.UTC(), Data: string(data),
		})
	}
	for _, hook := range snapshot.Webhooks {
		write(hook.ID)
	}
	for _, endpoint := range o.sinks {
		write(endpoint)
	}
	if len(letters) == 0 {
		return nil
	}
	if err := shoppers.Post(ctx, snapshot.Retailer, pseudonym, letters); err != nil {
		return err
	}
	o.Posted(snapshot.Retailer)
	return nil
}

// Posted tells that letters of a retailer are durable.
func (o *Outbox) Posted(retailer string) {
	if o.posted != nil {
		o.posted(retailer)
	}
}

// cut is a partition's retailer and pseudonym.
func cut(partition string) (retailer, pseudonym string) {
	retailer, pseudonym, _ = strings.Cut(partition, "/")
	return retailer, pseudonym
}
