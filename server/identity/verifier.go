package identity

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"
)

// MaxToken is the length in bytes above which a token is refused unread.
const MaxToken = 8 << 10

// maxTime is the last second of the year 9999. Times beyond it are refused:
// conversions from the floating-point numbers of JSON overflow, differently on
// each processor, and could turn "never" into "long ago".
const maxTime = 253402300799

// MaxCacheTTL bounds for how long a verified token is remembered. It may be long: a token is forgotten at its exp, and all are
// as soon as a key enters or leaves the set.
const MaxCacheTTL = time.Hour

// methods is the fixed list; Options.Algorithms can only narrow it.
var methods = []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// Options says which tokens a Verifier accepts.
type Options struct {
	Keys       *Keys
	Issuer     string
	Audience   string
	Algorithms []string      // of the asymmetric methods; empty: all of them
	Leeway     time.Duration // for exp, nbf and iat; at most 30 s
	CacheSize  int           // verified tokens that are remembered; at least 1
	CacheTTL   time.Duration // for how long, unless the keys change before; at most MaxCacheTTL
	Now        func() time.Time
}

// Verifier turns tokens into Claims. It is safe for concurrent use and never
// waits for the network. Close it when done.
type Verifier struct {
	keys     *Keys
	allowed  []string
	parser   *jwt.Parser
	now      func() time.Time
	ttl      time.Duration
	verified *otter.Cache[[sha256.Size]byte, remembered]
	counts   struct{ hit, accepted, refused atomic.Uint64 }
}

// remembered is a token that was verified.
type remembered struct {
	claims     *Claims
	until      int64  // Unix nanoseconds; never after the token's exp
	generation uint64 // of the keys that it was verified with
}

// NewVerifier returns an error when the options would accept more than intended.
func NewVerifier(o Options) (*Verifier, error) {
	algorithms := o.Algorithms
	if len(algorithms) == 0 {
		algorithms = methods
	}
	for _, name := range algorithms {
		if !slices.Contains(methods, name) {
			return nil, fmt.Errorf("algorithm %q: want some of %s", name, strings.Join(methods, ", "))
		}
	}
	switch {
	case o.Keys == nil:
		return nil, errors.New("verifier without keys")
	case o.Issuer == "" || o.Audience == "":
		return nil, errors.New("verifier without issuer or audience: every token would fit")
	case o.Leeway < 0 || o.Leeway > 30*time.Second:
		return nil, fmt.Errorf("leeway: got %v, want 0s to 30s", o.Leeway)
	case o.CacheSize < 1:
		return nil, fmt.Errorf("token cache: got size %d, want at least 1", o.CacheSize)
	case o.CacheTTL <= 0 || o.CacheTTL > MaxCacheTTL:
		return nil, fmt.Errorf("token cache: got %v, want more than 0s, at most %v", o.CacheTTL, MaxCacheTTL)
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	cache, err := otter.New(&otter.Options[[sha256.Size]byte, remembered]{
		MaximumSize:      o.CacheSize,
		ExpiryCalculator: otter.ExpiryWriting[[sha256.Size]byte, remembered](o.CacheTTL),
	})
	if err != nil {
		return nil, fmt.Errorf("token cache: %w", err)
	}
	return &Verifier{
		keys:    o.Keys,
		allowed: slices.Clone(algorithms),
		parser: jwt.NewParser(
			jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(),
			jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			jwt.WithLeeway(o.Leeway), jwt.WithTimeFunc(now)),
		now:      now,
		ttl:      o.CacheTTL,
		verified: cache,
	}, nil
}

// Close ends the cache's housekeeping. The keys are their owner's to close.
func (v *Verifier) Close() { v.verified.StopAllGoroutines() }

// Counts returns how many tokens were answered from memory, verified in full,
// and refused, since the start.
func (v *Verifier) Counts() (hits, accepted, refused uint64) {
	return v.counts.hit.Load(), v.counts.accepted.Load(), v.counts.refused.Load()
}

// Verify returns the claims of a token, or a *Refusal. It keeps nothing of the
// string, which may be part of a request's reused memory. The claims are shared:
// read only.
func (v *Verifier) Verify(token string) (*Claims, error) {
	if len(token) > MaxToken {
		v.counts.refused.Add(1)
		return nil, ErrTooLong
	}
	key := digest(token)
	now := v.now()
	if known, ok := v.verified.GetIfPresent(key); ok && now.UnixNano() < known.until && known.generation == v.keys.Generation() {
		v.counts.hit.Add(1)
		return known.claims, nil
	}

	// Taken before the keys are read: when they change meanwhile, the entry is
	// of the older generation, and is not used.
	generation := v.keys.Generation()
	found, err := v.verify(strings.Clone(token))
	if err != nil {
		v.counts.refused.Add(1)
		return nil, err
	}
	v.counts.accepted.Add(1)
	v.remember(key, found, now, generation)
	return found, nil
}

// digest hashes a token. Ordinary ones are copied to the stack: converting them
// would cost an allocation on each call.
func digest(token string) [sha256.Size]byte {
	var buffer [1 << 10]byte
	if len(token) <= len(buffer) {
		return sha256.Sum256(buffer[:copy(buffer[:], token)])
	}
	return sha256.Sum256([]byte(token))
}

// remember keeps a verified token for a while, never beyond its exp: in the
// leeway after it a token is good, but not worth remembering.
func (v *Verifier) remember(key [sha256.Size]byte, found *Claims, now time.Time, generation uint64) {
	until := now.Add(v.ttl)
	if found.Expires.Before(until) {
		until = found.Expires
	}
	if now.Before(until) {
		v.verified.Set(key, remembered{found, until.UnixNano(), generation})
	}
}

// verify does the whole work for one token.
func (v *Verifier) verify(token string) (*Claims, error) {
	if strings.ContainsAny(token, "\r\n") { // base64 would skip them: one token, many spellings
		return nil, ErrMalformed
	}
	said := jwt.MapClaims{} // exact names: a struct would also take "ROLE" for role
	parsed, err := v.parser.ParseWithClaims(token, said, v.key)
	if err != nil {
		return nil, v.refusal(parsed, err)
	}
	found := &Claims{}
	if found.Expires, err = expiry(said); err != nil {
		return nil, claims(err.Error())
	}
	for _, text := range []struct {
		name string
		into *string
	}{{"sub", &found.Subject}, {"retailer", &found.Retailer}, {"role", (*string)(&found.Role)}, {"jti", &found.TokenID}, {"region", &found.Region}} {
		value, ok := said[text.name].(string)
		if !ok && said[text.name] != nil {
			return nil, claims(text.name + ": want a string")
		}
		*text.into = value
	}
	if found.Stores, err = stores(said); err == nil {
		err = found.validate()
	}
	if err != nil {
		return nil, claims(err.Error())
	}
	return found, nil
}

// expiry returns exp and checks that all times are ones that a calendar has.
func expiry(said jwt.MapClaims) (time.Time, error) {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if seconds, ok := said[name].(float64); ok && (seconds < 0 || seconds > maxTime) {
			return time.Time{}, fmt.Errorf("%s: want seconds since 1970, up to the year 9999", name)
		}
	}
	exp, err := said.GetExpirationTime()
	if err != nil || exp == nil {
		return time.Time{}, errors.New("exp: want seconds since 1970")
	}
	return exp.Time, nil
}

// stores reads the stores claim. An empty list is refused: whoever wrote it
// meant "no store", and without the claim it would mean "all".
func stores(said jwt.MapClaims) ([]string, error) {
	claim, given := said["stores"]
	if !given {
		return nil, nil
	}
	list, ok := claim.([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("stores: want a list with at least one store, or no such claim for the whole retailer")
	}
	ids := make([]string, len(list))
	for i, item := range list {
		if ids[i], ok = item.(string); !ok {
			return nil, errors.New("stores: want a list of strings")
		}
	}
	return ids, nil
}

// key judges a token's header and finds the key that it names, for the parser.
// Neither jku, x5u, x5c nor jwk is looked at.
func (v *Verifier) key(token *jwt.Token) (any, error) {
	typ, _ := token.Header["typ"].(string)
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "jwt", "at+jwt":
	default:
		return nil, ErrType
	}
	if _, critical := token.Header["crit"]; critical {
		return nil, ErrCritical
	}
	key, err := v.keys.find(token)
	if err != nil {
		return nil, err
	}
	// The library checks the length of the signature, not the curve of the key.
	if method, ok := token.Method.(*jwt.SigningMethodECDSA); ok {
		if public, ok := key.(*ecdsa.PublicKey); !ok || public.Curve.Params().BitSize != method.CurveBits {
			return nil, ErrAlgorithm
		}
	}
	return key, nil
}

// refusal finds our word for the parser's error.
func (v *Verifier) refusal(token *jwt.Token, err error) error {
	if own, ok := errors.AsType[*Refusal](err); ok {
		return own
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return ErrMalformed
	case token == nil || token.Method == nil || !slices.Contains(v.allowed, token.Method.Alg()):
		return ErrAlgorithm
	case errors.Is(err, jwt.ErrInvalidKeyType):
		return ErrAlgorithm
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return ErrSignature
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return ErrIssuer
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return ErrAudience
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return ErrNotYetValid
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return claims("want iss, aud and exp")
	default:
		return ErrClaims
	}
}

// Bearer cuts the token out of an Authorization header, or returns ErrMissing.
func Bearer(header string) (string, error) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !ok || token == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrMissing
	}
	return token, nil
}
