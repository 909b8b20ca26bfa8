// Package who knows the shopper: what they granted, for what, and what their loyalty history holds.
//
// It exists so that personal data has one door. A Shopper keeps what is known of a person in unexported
// fields; the only way to read them is Access(purpose, subject), which checks the grant, lets the
// device's own permissions reduce it further, and remembers what was read, so that an answer's receipt
// (`used`) is made of facts. Decided against: a policy engine (a call costs more than the whole budget
// of a request) and annotations that a tool checks (the compiler is there already).
package who

import (
	"context"
	"errors"
	"time"

	"satnav/geo"
)

// ErrUnknown says that nothing is stored of a shopper: serve them as a stranger.
var ErrUnknown = errors.New("unknown shopper")

// Shoppers finds what is known of a shopper. It is safe for concurrent use.
type Shoppers interface {
	// Shopper returns one shopper, or ErrUnknown. The result is shared: nobody may change it.
	Shopper(ctx context.Context, key Key) (*Shopper, error)
}

// Shopper is all that one read of the store brings: immutable, shared between calls.
type Shopper struct {
	key      Key
	since    time.Time
	revision int64
	grants   Grants
	history  *History
	presence geo.Presence
	told     Told
	proposed []Proposal
	wishes   *Preferences // nil: none were said
	exposed  []Exposure
	card     *Card // nil: nothing is known of one
}

// Record is the stored form of a shopper: what a store reads and writes. Everyone else has a Shopper
// and goes through Access.
type Record struct {
	Key      Key
	Since    time.Time // first seen; zero: never
	Revision int64     // of the shopper's partition; 0: nothing is stored
	Grants   Grants
	History  *History // nil: empty
	Presence geo.Presence
	Told     Told
	Proposed []Proposal   // the newest last
	Wishes   *Preferences // nil: none were said
	Exposed  []Exposure   // the first one first
	Card     *Card        // nil: nothing is known of one
}

// New makes a shopper of a stored record.
func New(r Record) *Shopper {
	if r.History == nil {
		r.History = &History{}
	}
	return &Shopper{key: r.Key, since: r.Since, revision: r.Revision, grants: r.Grants, history: r.History, presence: r.Presence, told: r.Told, proposed: r.Proposed, wishes: r.Wishes, exposed: r.Exposed, card: r.Card}
}

// Stranger is a shopper of whom nothing is stored yet, with the grants that the retailer presumes.
func Stranger(key Key, defaults Grants) *Shopper { return New(Record{Key: key, Grants: defaults}) }

// Imagined is a shopper who does not exist, of whom these events are known, and a loyalty card, nil for none. It takes events, not a history, so that what is known of
// somebody cannot be read under grants that somebody else made up.
func Imagined(key Key, grants Grants, names *Names, events []Event, card *Card) *Shopper {
	return New(Record{Key: key, Grants: grants, History: (*History)(nil).With(names, events...), Card: card})
}

// Key names the shopper.
func (s *Shopper) Key() Key { return s.key }

// Revision is that of the shopper's partition when it was read: a commit that names it fails when
// somebody else committed since.
func (s *Shopper) Revision() int64 { return s.revision }

// Grants are the decisions in force. They are about the data, not part of it: reading them needs no purpose.
func (s *Shopper) Grants() Grants { return s.grants }

// Lets tells whether what is kept for a purpose may be used while no device is there to reduce that: it is granted, and the shopper has not paused.
// Who hands on what was found earlier asks it at that moment.
func (s *Shopper) Lets(p Purpose) bool {
	return s != nil && s.grants.Holds(p) && s.Preferences().Paused.IsZero()
}

// Preferences are what the shopper said about the use of their data; never nil, and nobody may change them. Like grants they are
// about the data: reading them needs no purpose.
func (s *Shopper) Preferences() *Preferences {
	if s == nil || s.wishes == nil {
		return &noPreferences
	}
	return s.wishes
}

// Since is when the shopper was first seen; zero for a stranger.
func (s *Shopper) Since() time.Time { return s.since }
