package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	maxKeySet    = 1 << 20 // bytes of a JWKS; ours has 150 a key
	maxKeyID     = 256     // bytes; longer ones are not even looked up
	fetchTimeout = 10 * time.Second
	retryFirst   = time.Second // after a failed fetch, doubled until the ordinary interval
)

// unknownEvery is how often, at most, a key id that is not known makes the set
// be read again. Anybody can invent key ids, so that this is also how often a
// stranger can make this process call the issuer.
const unknownEvery = time.Minute

// Keys is a set of public keys, by key id. It is safe for concurrent use. A set
// that was opened from a file or URL is read again in the background; when that
// fails, or brings nothing usable, the keys of before stay.
type Keys struct {
	storage    jwkset.Storage
	lookup     jwt.Keyfunc
	only       atomic.Pointer[string] // the id of the only key; nil when there are none or several
	text       []byte                 // as last read; owned by the refresher
	generation atomic.Uint64

	location string // without user and password, for messages
	read     func(context.Context) ([]byte, error)
	log      *slog.Logger
	again    chan struct{} // capacity 1: a wish to read the set before its time
	stop     context.CancelFunc
	done     chan struct{}
}

// KeysOf returns a fixed set: the public halves of our own keys.
func KeysOf(own ...*Key) (*Keys, error) {
	k, err := newKeys()
	if err != nil {
		return nil, err
	}
	set := jwkset.JWKSMarshal{}
	for _, key := range own {
		set.Keys = append(set.Keys, key.jwk())
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	close(k.done)
	return k, k.replace(text)
}

// OpenKeys reads a JWKS from a file or URL and keeps it fresh until Close: every
// so often, and at most once a minute when a token names a key that is not
// known. A file must be readable now; a URL may be away at first, and is then
// tried again soon (every token is refused until it answers).
func OpenKeys(ctx context.Context, location string, every time.Duration, log *slog.Logger) (*Keys, error) {
	return openKeys(ctx, location, every, log, http.DefaultTransport)
}

func openKeys(ctx context.Context, location string, every time.Duration, log *slog.Logger, transport http.RoundTripper) (*Keys, error) {
	k, err := newKeys()
	if err != nil {
		return nil, err
	}
	k.location, k.log = location, log
	remote := strings.Contains(location, "://")
	if remote {
		err = k.readURL(location, transport)
	} else {
		k.read = func(context.Context) ([]byte, error) { return readFile(location) }
	}
	if err != nil {
		return nil, err
	}
	err = k.refresh(ctx)
	if err != nil && !remote {
		return nil, err
	}
	if err != nil {
		log.Warn("key set is away: tokens are refused until it answers", "jwks", k.location, "error", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.keepFresh(background, every, err != nil)
	return k, nil
}

func newKeys() (*Keys, error) {
	storage := jwkset.NewMemoryStorage()
	lookup, err := keyfunc.New(keyfunc.Options{Storage: storage})
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return &Keys{
		storage: storage, lookup: lookup.Keyfunc,
		again: make(chan struct{}, 1), stop: func() {}, done: make(chan struct{}),
	}, nil
}

// Close stops refreshing and waits for it. Lookups go on working.
func (k *Keys) Close() {
	k.stop()
	<-k.done
}

// Generation changes whenever the set does. What was verified with another
// generation has to be verified again: its key may be gone.
func (k *Keys) Generation() uint64 { return k.generation.Load() }

// Ready returns an error while no key was ever read, for /readyz.
func (k *Keys) Ready() error {
	if k.generation.Load() == 0 {
		return fmt.Errorf("no key set read yet from %s", k.location)
	}
	return nil
}

// find returns the key that a token is to be verified with. It never waits: a
// key id that is not known is refused, and asks the refresher to look again.
// A token without key id is taken to mean the only key, if there is just one.
func (k *Keys) find(token *jwt.Token) (any, error) {
	id, named := token.Header["kid"]
	if text, ok := id.(string); named && (!ok || len(text) > maxKeyID) {
		return nil, ErrUnknownKey
	}
	if !named {
		only := k.only.Load()
		if only == nil {
			return nil, ErrUnknownKey
		}
		token.Header["kid"] = *only
	}
	key, err := k.lookup(token)
	switch {
	case errors.Is(err, jwkset.ErrKeyNotFound):
		select {
		case k.again <- struct{}{}:
		default: // somebody asked already
		}
		return nil, ErrUnknownKey
	case err != nil: // the key is for another method
		return nil, ErrAlgorithm
	}
	return key, nil
}

// keepFresh owns refreshing until ctx ends.
func (k *Keys) keepFresh(ctx context.Context, every time.Duration, failed bool) {
	defer close(k.done)
	wish := rate.NewLimiter(rate.Every(unknownEvery), 1)
	retry := retryFirst
	for {
		wait := every
		if failed {
			wait = min(retry, every)
			retry *= 2
		} else {
			retry = retryFirst
		}
		timer := time.NewTimer(wait)
		if !k.due(ctx, timer.C, wish) {
			return
		}
		timer.Stop()
		err := k.refresh(ctx)
		if failed = err != nil; failed && ctx.Err() == nil {
			k.log.Warn("key set not refreshed: the keys of before stay", "jwks", k.location, "error", err)
		}
	}
}

// due waits for the time to read again or a granted wish; false: the end.
func (k *Keys) due(ctx context.Context, timer <-chan time.Time, wish *rate.Limiter) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer:
			return true
		case <-k.again:
			if wish.Allow() {
				return true
			}
		}
	}
}

func (k *Keys) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	text, err := k.read(ctx)
	if err == nil {
		err = k.replace(text)
	}
	if err != nil {
		return fmt.Errorf("key set %s: %w", k.location, err)
	}
	return nil
}

// replace swaps the whole set, or leaves the one of before and says why.
func (k *Keys) replace(text []byte) error {
	if k.text != nil && string(text) == string(k.text) {
		return nil
	}
	set, left, err := usable(text)
	if err != nil {
		return err
	}
	if len(left) > 0 && k.log != nil {
		k.log.Warn("key set has keys that are not used", "jwks", k.location, "why", strings.Join(left, "; "))
	}
	if err := k.storage.KeyReplaceAll(context.Background(), set); err != nil {
		return err
	}
	k.only.Store(nil)
	if len(set) == 1 {
		id := set[0].Marshal().KID
		k.only.Store(&id)
	}
	k.text = text
	k.generation.Add(1)
	return nil
}

// usable returns the keys of a JWKS that tokens may be verified with, and for
// each other one why not. A set with none is an error: it is a mistake of the
// issuer's far more often than the wish to shut everybody out.
func usable(text []byte) (set []jwkset.JWK, left []string, err error) {
	var given jwkset.JWKSMarshal
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, nil, fmt.Errorf("not a JWKS: %w", err)
	}
	var ids []string
	for i, m := range given.Keys {
		key, err := publicKey(m)
		if err == nil && slices.Contains(ids, m.KID) {
			err = errors.New("a second key with this id")
		}
		if err != nil {
			left = append(left, fmt.Sprintf("keys[%d] %q: %v", i, m.KID, err))
			continue
		}
		set, ids = append(set, key), append(ids, m.KID)
	}
	if len(set) == 0 {
		return nil, nil, fmt.Errorf("no usable key among %d: %s", len(given.Keys), strings.Join(left, "; "))
	}
	return set, left, nil
}

// publicKey reads one key of a JWKS.
func publicKey(m jwkset.JWKMarshal) (jwkset.JWK, error) {
	switch {
	case m.KTY == jwkset.KtyOct:
		return jwkset.JWK{}, errors.New("a shared secret")
	case m.D != "" || m.P != "" || m.Q != "" || m.K != "":
		return jwkset.JWK{}, errors.New("a private key: publish the public part alone, and make a new pair")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return jwkset.JWK{}, errors.New("not for signatures (use)")
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return jwkset.JWK{}, errors.New("not for verifying (key_ops)")
	case len(m.KID) > maxKeyID:
		return jwkset.JWK{}, fmt.Errorf("its id is longer than %d bytes", maxKeyID)
	case m.ALG != "" && !slices.Contains(methods, m.ALG.String()):
		return jwkset.JWK{}, fmt.Errorf("its method %q is none of %s", m.ALG, strings.Join(methods, ", "))
	}
	// Certificates are not needed, since the set itself is trusted, and their
	// URL must never be fetched.
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, err
	}
	switch public := key.Key().(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil {
			return jwkset.JWK{}, errors.New("not a point of its curve")
		}
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return jwkset.JWK{}, fmt.Errorf("an RSA key of %d bits: want 2048 or more", public.N.BitLen())
		}
	default:
		return jwkset.JWK{}, fmt.Errorf("a key of type %T", public)
	}
	return key, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read from
	return readAll(file)
}

func readAll(from io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxKeySet+1))
	if err == nil && len(text) > maxKeySet {
		err = fmt.Errorf("longer than %d bytes", maxKeySet)
	}
	return text, err
}

// readURL sets how a remote set is read. Redirects are not followed: keys come
// from where the operator said.
func (k *Keys) readURL(location string, transport http.RoundTripper) error {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return errors.New("key set: not a URL")
	}
	k.location = u.Redacted()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.read = func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer func() { _ = response.Body.Close() }() // only read from
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answered %s", response.Status)
		}
		return readAll(response.Body)
	}
	return nil
}
