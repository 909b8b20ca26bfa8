// Package identity says who is calling: it verifies tokens, issues them, and
// keeps the keys of both.
//
// A token is a JWT (RFC 7519, hardened as RFC 8725 advises), signed with an
// asymmetric method of a fixed list. Besides iss, aud and exp it carries:
//
//	sub       the shopper's id for role shopper; else the name of a person or service
//	retailer  the tenant; every key of the store begins with it
//	role      shopper, manager, product, backend or admin
//	stores    only for managers, optional: the stores they are limited to
//	jti       optional: the token's own id
//
// Verifying costs about 86 µs and is asked for on every call, so that verified
// tokens are remembered for some minutes, by their SHA-256, and never beyond
// their own end or the key set that vouched for them.
//
// Decided against: shared secrets (whoever can check could forge), opaque tokens
// (a read of the store for each call), waiting for a key that is not known yet
// (anybody can invent key ids, and each would hold a call and fetch a page), and
// keys named by the token itself (jku, x5u, jwk: never read).
package identity

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Role says what kind of caller a token is for. What a role may do is decided
// in server/api, per endpoint, and is nothing unless said there.
type Role string

// The roles. A backend is a till, a kiosk, a website or another server of the
// retailer and may speak for any of its shoppers; a shopper only for itself.
const (
	Shopper Role = "shopper"
	Manager Role = "manager"
	Product Role = "product"
	Backend Role = "backend"
	Admin   Role = "admin"
)

// Roles lists every role.
var Roles = []Role{Shopper, Manager, Product, Backend, Admin}

// Claims is what a verified token says. It is shared between calls: nobody may
// change Stores.
type Claims struct {
	Retailer string
	Role     Role
	Subject  string   // personal data when Role is Shopper
	Stores   []string // empty: not limited to stores
	Region   string   // that the holder is pinned to; empty: that of the retailer, if any
	TokenID  string   // empty when the token has none
	Expires  time.Time
}

// Manages tells whether the holder may touch what is linked to a store; "" is
// what is linked to none. A token without stores covers the whole retailer; one
// with stores covers those and nothing else. It says nothing about the role.
func (c Claims) Manages(store string) bool {
	return len(c.Stores) == 0 || slices.Contains(c.Stores, store)
}

// WholeRetailer tells whether the token is not limited to some stores.
func (c Claims) WholeRetailer() bool { return len(c.Stores) == 0 }

// LogValue leaves out who it is: logs hold no personal data.
func (c Claims) LogValue() slog.Value {
	return slog.GroupValue(slog.String("retailer", c.Retailer), slog.String("role", string(c.Role)))
}

// String is what %v prints; see LogValue.
func (c Claims) String() string { return fmt.Sprintf("%s of %s", c.Role, c.Retailer) }

// GoString is what %#v prints; see LogValue.
func (c Claims) GoString() string { return c.String() }

// validate returns what is wrong with claims, the same for tokens that are
// issued and for those that are read.
func (c Claims) validate() error {
	switch {
	case !ValidRetailer(c.Retailer):
		return errors.New("retailer: want 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit")
	case !slices.Contains(Roles, c.Role):
		return errors.New("role: want shopper, manager, product, backend or admin")
	case !ValidSubject(c.Subject):
		return errors.New("sub: want 1 to 128 printable characters")
	case len(c.Stores) > 0 && c.Role != Manager:
		return errors.New("stores: only a manager can be limited to stores")
	case len(c.Stores) > MaxStores:
		return fmt.Errorf("stores: want at most %d; more are a whole retailer", MaxStores)
	case !validAll(c.Stores):
		return errors.New("stores: want ids of 1 to 128 printable characters")
	case len(c.TokenID) > 255 || !utf8.ValidString(c.TokenID):
		return errors.New("jti: want at most 255 bytes of text")
	}
	return nil
}

// MaxStores bounds the stores of one manager's token.
const MaxStores = 500

// ValidRetailer tells whether an id can name a retailer. The alphabet is small
// because the id stands in keys, file names and log lines, and because two that
// look alike must be equal.
func ValidRetailer(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i, r := range []byte(id) {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || r != '.' && r != '_' && r != '-') {
			return false
		}
	}
	return true
}

// SubjectWanted says what ValidSubject wants.
const SubjectWanted = "1 to 128 characters that can be seen, and spaces"

// ValidSubject tells whether an id can name a shopper, a store or a person:
// 1 to 128 printable characters, so without control, invisible or direction
// characters that would let two ids look the same.
func ValidSubject(id string) bool {
	if id == "" || len(id) > 4*128 || !utf8.ValidString(id) || utf8.RuneCountInString(id) > 128 {
		return false
	}
	for _, r := range id {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func validAll(ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return !ValidSubject(id) })
}
