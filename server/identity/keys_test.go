package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// issuer is a JWKS endpoint under the test's control.
type issuer struct {
	mu      sync.Mutex
	status  int // 0: no answer at all
	body    []byte
	fetches int
	delay   time.Duration
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	time.Sleep(i.delay)
	if i.status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: i.status, Status: http.StatusText(i.status), Body: io.NopCloser(bytes.NewReader(i.body)), Request: r, Header: http.Header{"Location": {"https://evil.example/"}}}, nil
}

func (i *issuer) set(status int, body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.body = status, body
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func setOf(t testing.TB, keys ...*Key) []byte {
	t.Helper()
	var set jwkset.JWKSMarshal
	for _, k := range keys {
		set.Keys = append(set.Keys, k.jwk())
	}
	return marshal(t, set)
}

func mustKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var silent = slog.New(slog.DiscardHandler)

// has tells whether a set knows a key, as a token's verification would ask.
func has(k *Keys, id string) bool {
	token := &jwt.Token{Method: jwt.SigningMethodEdDSA, Header: map[string]any{"alg": "EdDSA", "kid": id}}
	_, err := k.find(token)
	return err == nil
}

func TestRemoteKeysRotate(t *testing.T) {
	t.Parallel()
	first, second := mustKey(t), mustKey(t)
	synctest.Test(t, func(t *testing.T) {
		remote := &issuer{status: 200, body: setOf(t, first)}
		keys, err := openKeys(t.Context(), "https://id.example/jwks", 5*time.Minute, silent, remote)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		if !has(keys, first.id) {
			t.Fatal("the first key is not known")
		}
		generation := keys.Generation()
		time.Sleep(6 * time.Minute)
		if keys.Generation() != generation {
			t.Error("the generation moved although the set did not change")
		}
		remote.set(200, setOf(t, second))
		time.Sleep(6 * time.Minute)
		if has(keys, first.id) || !has(keys, second.id) || keys.Generation() == generation {
			t.Error("the new set did not replace the old one")
		}
	})
}

// TestRemoteKeysSurviveAnOutage holds "JWKS outage of an hour, no valid token
// fails", for each way in which an issuer can be out.
func TestRemoteKeysSurviveAnOutage(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	tests := []struct {
		name   string
		status int
		body   string
	}{
		{"no answer", 0, ""},
		{"server error", 500, "oops"},
		{"redirect elsewhere", 302, ""},
		{"a page for people", 200, "<html>login</html>"},
		{"no keys", 200, `{"keys":[]}`},
		{"another object", 200, `{}`},
		{"only a shared secret", 200, `{"keys":[{"kty":"oct","kid":"x","k":"c2VjcmV0"}]}`},
		{"endless", 200, `{"keys":[` + strings.Repeat(" ", maxKeySet) + `]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				remote := &issuer{status: 200, body: setOf(t, key)}
				keys, err := openKeys(t.Context(), "https://id.example/jwks", 5*time.Minute, silent, remote)
				if err != nil {
					t.Fatal(err)
				}
				defer keys.Close()
				remote.set(test.status, []byte(test.body))
				for range 60 {
					time.Sleep(time.Minute)
					if !has(keys, key.id) {
						t.Fatal("a valid key was forgotten")
					}
				}
				if remote.count() > 40 {
					t.Errorf("asked %d times in an hour of outage", remote.count())
				}
			})
		})
	}
}

// TestRemoteKeysAwayAtStart holds that the process starts, is not ready, and
// recovers within seconds of the issuer's return.
func TestRemoteKeysAwayAtStart(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	synctest.Test(t, func(t *testing.T) {
		remote := &issuer{}
		keys, err := openKeys(t.Context(), "https://anna:secret@id.example/jwks", 5*time.Minute, silent, remote)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		if err := keys.Ready(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ready: got %v", err)
		}
		remote.set(200, setOf(t, key))
		time.Sleep(3 * time.Second)
		if err := keys.Ready(); err != nil || !has(keys, key.id) {
			t.Errorf("not recovered: %v", err)
		}
	})
}

// TestUnknownKeyIDs floods the set with invented key ids: no lookup waits, and
// the issuer is asked at most once a minute on their account.
func TestUnknownKeyIDs(t *testing.T) {
	t.Parallel()
	first, second := mustKey(t), mustKey(t)
	synctest.Test(t, func(t *testing.T) {
		remote := &issuer{status: 200, body: setOf(t, first), delay: 3 * time.Second}
		keys, err := openKeys(t.Context(), "https://id.example/jwks", 24*time.Hour, silent, remote)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		before := remote.count()
		start := time.Now()
		for range 10_000 {
			if has(keys, "invented") {
				t.Fatal("found an invented key")
			}
		}
		if waited := time.Since(start); waited != 0 { // the bubble's clock stands still unless somebody waits
			t.Errorf("lookups waited %v", waited)
		}
		const minutes = 10
		for range minutes * 60 {
			time.Sleep(time.Second)
			has(keys, "invented")
		}
		if got := remote.count() - before; got < minutes-2 || got > minutes+1 {
			t.Errorf("asked %d times in %d minutes", got, minutes)
		}
		remote.set(200, setOf(t, first, second))
		has(keys, second.id)
		time.Sleep(70 * time.Second)
		has(keys, second.id)
		time.Sleep(5 * time.Second)
		if !has(keys, second.id) {
			t.Error("the new key was not found although tokens named it")
		}
	})
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	first, second := mustKey(t), mustKey(t)
	path := filepath.Join(t.TempDir(), "jwks.json")
	if _, err := OpenKeys(t.Context(), path, time.Minute, silent); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("missing file: got %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(t.Context(), path, time.Minute, silent); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("nonsense: got %v", err)
	}
	if err := os.WriteFile(path, setOf(t, first), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(t.Context(), path, time.Hour, silent)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if err := os.WriteFile(path, setOf(t, first, second), 0o600); err != nil {
		t.Fatal(err)
	}
	for !has(keys, second.id) { // asks to read again; the test's own time limit ends a wait in vain
		time.Sleep(time.Millisecond)
	}
}

func TestKeysStopWithoutTheirContext(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		remote := &issuer{status: 200, body: setOf(t, key)}
		keys, err := openKeys(ctx, "https://id.example/jwks", time.Minute, silent, remote)
		if err != nil {
			t.Fatal(err)
		}
		cancel() // of the start; the set lives until Close
		before := remote.count()
		time.Sleep(3 * time.Minute)
		if remote.count() == before {
			t.Error("no longer refreshed after the start's context ended")
		}
		keys.Close()
	})
}

func TestUsable(t *testing.T) {
	t.Parallel()
	good := mustKey(t).jwk()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*jwkset.JWKMarshal)) jwkset.JWKMarshal {
		m := mustKey(t).jwk()
		f(&m)
		return m
	}
	tests := []struct {
		name string
		give jwkset.JWKMarshal
		want string // part of why it is left
	}{
		{"shared secret", jwkset.JWKMarshal{KTY: "oct", KID: "o", K: "c2VjcmV0"}, "shared secret"},
		{"private part", change(func(m *jwkset.JWKMarshal) { m.D = m.X }), "private key"},
		{"for encryption", change(func(m *jwkset.JWKMarshal) { m.USE = "enc" }), "not for signatures"},
		{"for signing only", change(func(m *jwkset.JWKMarshal) { m.KEYOPS = []jwkset.KEYOPS{"sign"} }), "not for verifying"},
		{"shared-secret method", change(func(m *jwkset.JWKMarshal) { m.ALG = "HS256" }), "HS256"},
		{"weak RSA", jwk(t, "weak", &weak.PublicKey), "1024 bits"},
		{"point off its curve", jwkset.JWKMarshal{KTY: "EC", CRV: "P-256", KID: "e", X: "AQ", Y: "AQ"}, ""},
		{"same id twice", good, "second key"},
		{"unknown curve", jwkset.JWKMarshal{KTY: "OKP", CRV: "Ed448", KID: "x", X: "AQ"}, "unsupported"},
		{"endless id", change(func(m *jwkset.JWKMarshal) { m.KID = strings.Repeat("k", 300) }), "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set, left, err := usable(marshal(t, jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{good, test.give}}))
			if err != nil {
				t.Fatal(err)
			}
			if len(set) != 1 || len(left) != 1 || !strings.Contains(left[0], test.want) {
				t.Errorf("kept %d, left %q, want %q left", len(set), left, test.want)
			}
		})
	}
}

// FuzzUsable holds that no key set makes the reader panic.
func FuzzUsable(f *testing.F) {
	f.Add(setOf(f, mustKey(f)))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"},{"kty":"OKP","crv":"X25519","x":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, _, err := usable(text)
		if err == nil && len(set) == 0 {
			t.Fatal("an empty set without an error")
		}
	})
}
