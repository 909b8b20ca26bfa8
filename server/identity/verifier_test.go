package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is an issuer with a key of each kind and a verifier that knows them.
type house struct {
	issuer   Issuer
	ed       *Key
	ec       *ecdsa.PrivateKey // kid "ec"
	rsa      *rsa.PrivateKey   // kid "rsa"
	stranger ed25519.PrivateKey
	keys     *Keys
	verifier *Verifier
	now      time.Time
}

func newHouse(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	h := &house{now: noon}
	var err error
	if h.ed, err = NewKey(); err != nil {
		t.Fatal(err)
	}
	if h.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if h.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if _, h.stranger, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	set := jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{h.ed.jwk(), jwk(t, "ec", &h.ec.PublicKey), jwk(t, "rsa", &h.rsa.PublicKey)}}
	if h.keys, err = KeysOf(); err == nil {
		t.Fatal("an empty set was accepted")
	}
	if h.keys, err = KeysOf(h.ed); err != nil {
		t.Fatal(err)
	}
	if err := h.keys.replace(marshal(t, set)); err != nil {
		t.Fatal(err)
	}
	h.issuer = Issuer{Key: h.ed, Issuer: "https://id.example", Audience: "satnav"}
	options := Options{
		Keys: h.keys, Issuer: h.issuer.Issuer, Audience: h.issuer.Audience,
		Leeway: 10 * time.Second, CacheSize: 1000, CacheTTL: time.Minute,
		Now: func() time.Time { return h.now },
	}
	for _, c := range change {
		c(&options)
	}
	if h.verifier, err = NewVerifier(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.verifier.Close)
	return h
}

func jwk(t testing.TB, id string, key any) jwkset.JWKMarshal {
	t.Helper()
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id}})
	if err != nil {
		t.Fatal(err)
	}
	return made.Marshal()
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// said returns claims that are accepted, with some changed; nil removes one.
func (h *house) said(change map[string]any) jwt.MapClaims {
	all := jwt.MapClaims{
		"iss": h.issuer.Issuer, "aud": h.issuer.Audience, "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
		"sub": "anna", "retailer": "demo", "role": "shopper",
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a token with any header and claims. method may be none or HS256.
func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, said jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, said)
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == nil })
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (h *house) token(t testing.TB, header map[string]any, change map[string]any) string {
	t.Helper()
	all := map[string]any{"kid": h.ed.id}
	maps.Copy(all, header)
	return sign(t, jwt.SigningMethodEdDSA, h.ed.private, all, h.said(change))
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tests := []struct {
		name string
		give string
		want Claims
	}{
		{"EdDSA", h.token(t, nil, nil), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"ES256", sign(t, jwt.SigningMethodES256, h.ec, map[string]any{"kid": "ec"}, h.said(nil)), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"RS256", sign(t, jwt.SigningMethodRS256, h.rsa, map[string]any{"kid": "rsa"}, h.said(nil)), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"PS256", sign(t, jwt.SigningMethodPS256, h.rsa, map[string]any{"kid": "rsa"}, h.said(nil)), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"type at+jwt", h.token(t, map[string]any{"typ": "application/AT+JWT"}, nil), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"several audiences", h.token(t, nil, map[string]any{"aud": []string{"other", "satnav"}}), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"manager of stores", h.token(t, nil, map[string]any{"role": "manager", "stores": []string{"s1", "s2"}, "jti": "7"}), Claims{Retailer: "demo", Role: Manager, Subject: "anna", Stores: []string{"s1", "s2"}, TokenID: "7"}},
		{"a subject of any script", h.token(t, nil, map[string]any{"sub": "顾客 7 Ørsted"}), Claims{Retailer: "demo", Role: Shopper, Subject: "顾客 7 Ørsted"}},
		{"expired within the leeway", h.token(t, nil, map[string]any{"exp": noon.Add(-9 * time.Second).Unix()}), Claims{Retailer: "demo", Role: Shopper, Subject: "anna", Expires: noon.Add(-9 * time.Second)}},
		{"issued a little in the future", h.token(t, nil, map[string]any{"iat": noon.Add(9 * time.Second).Unix()}), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"long, as from a chatty issuer", h.token(t, nil, map[string]any{"groups": strings.Repeat("staff,", 700)}), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		// The four headers that name a key elsewhere are not read: the token is judged by kid alone.
		{"jku, x5u, jwk and x5c are ignored", h.token(t, map[string]any{"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "jwk": map[string]any{"kty": "oct"}, "x5c": []string{"x"}}, nil), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
		{"unknown claims are ignored", h.token(t, nil, map[string]any{"ROLE": "admin", "Retailer": "other"}), Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := test.want
			if want.Expires.IsZero() {
				want.Expires = noon.Add(time.Hour)
			}
			for _, pass := range []string{"first", "again"} {
				got, err := h.verifier.Verify(test.give)
				if err != nil {
					t.Fatalf("%s: %v", pass, err)
				}
				got2 := *got
				got2.Expires = got.Expires.UTC()
				if fmt.Sprintf("%q", fields(got2)) != fmt.Sprintf("%q", fields(want)) {
					t.Errorf("%s: got %q, want %q", pass, fields(got2), fields(want))
				}
			}
		})
	}
}

// fields spells claims out; their own String hides the subject.
func fields(c Claims) []string {
	return append([]string{c.Retailer, string(c.Role), c.Subject, c.TokenID, c.Expires.String()}, c.Stores...)
}

// TestVerifyRefuses is the attack list of RFC 8725 and more, each with the
// refusal it must give. Each is tried twice: nothing refused may be remembered.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := h.token(t, nil, nil)
	part := strings.Split(good, ".")
	encode := func(v any) string { return base64.RawURLEncoding.EncodeToString(marshal(t, v)) }
	rsaPEM := publicPEM(t, &h.rsa.PublicKey)
	ecPEM := publicPEM(t, &h.ec.PublicKey)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := h.ed.private.Public().(ed25519.PublicKey)

	tests := []struct {
		name string
		give string
		want *Refusal
	}{
		{"alg none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": h.ed.id}, h.said(nil)), ErrAlgorithm},
		{"alg None", encode(map[string]any{"alg": "None", "typ": "JWT", "kid": h.ed.id}) + "." + part[1] + ".", ErrAlgorithm},
		{"alg nOnE with a signature", encode(map[string]any{"alg": "nOnE", "typ": "JWT", "kid": h.ed.id}) + "." + part[1] + "." + part[2], ErrAlgorithm},
		{"alg missing", encode(map[string]any{"typ": "JWT", "kid": h.ed.id}) + "." + part[1] + "." + part[2], ErrAlgorithm},
		{"alg a number", encode(map[string]any{"alg": 1, "typ": "JWT"}) + "." + part[1] + "." + part[2], ErrAlgorithm},
		{"HS256 with the RSA public key", sign(t, jwt.SigningMethodHS256, rsaPEM, map[string]any{"kid": "rsa"}, h.said(nil)), ErrAlgorithm},
		{"HS256 with the EC public key", sign(t, jwt.SigningMethodHS256, ecPEM, map[string]any{"kid": "ec"}, h.said(nil)), ErrAlgorithm},
		{"HS512 with the Ed25519 public key", sign(t, jwt.SigningMethodHS512, []byte(public), map[string]any{"kid": h.ed.id}, h.said(nil)), ErrAlgorithm},
		{"EdDSA header, RSA key id", sign(t, jwt.SigningMethodEdDSA, h.ed.private, map[string]any{"kid": "rsa"}, h.said(nil)), ErrAlgorithm},
		{"ES384 with a P-256 key id", sign(t, jwt.SigningMethodES384, p384, map[string]any{"kid": "ec"}, h.said(nil)), ErrAlgorithm},
		{"RS256 header, EC key id", sign(t, jwt.SigningMethodRS256, h.rsa, map[string]any{"kid": "ec"}, h.said(nil)), ErrAlgorithm},

		{"another key under our key id", sign(t, jwt.SigningMethodEdDSA, h.stranger, map[string]any{"kid": h.ed.id}, h.said(nil)), ErrSignature},
		{"payload changed", part[0] + "." + encode(h.said(map[string]any{"role": "admin"})) + "." + part[2], ErrSignature},
		{"header changed", encode(map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": h.ed.id, "x": 1}) + "." + part[1] + "." + part[2], ErrSignature},
		{"signature of another token", part[0] + "." + part[1] + "." + strings.Split(h.token(t, nil, map[string]any{"sub": "bob"}), ".")[2], ErrSignature},
		{"signature removed", part[0] + "." + part[1] + ".", ErrSignature},
		{"signature of zeros, ES256", strings.Join(strings.Split(sign(t, jwt.SigningMethodES256, h.ec, map[string]any{"kid": "ec"}, h.said(nil)), ".")[:2], ".") + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), ErrSignature},

		{"key id unknown", h.token(t, map[string]any{"kid": "nobody"}, nil), ErrUnknownKey},
		{"key id missing, several keys", h.token(t, map[string]any{"kid": nil}, nil), ErrUnknownKey},
		{"key id a path", h.token(t, map[string]any{"kid": "../../../../etc/passwd"}, nil), ErrUnknownKey},
		{"key id /dev/null", sign(t, jwt.SigningMethodEdDSA, h.stranger, map[string]any{"kid": "/dev/null"}, h.said(nil)), ErrUnknownKey},
		{"key id an SQL injection", h.token(t, map[string]any{"kid": "x' UNION SELECT 'key"}, nil), ErrUnknownKey},
		{"key id a number", h.token(t, map[string]any{"kid": 7}, nil), ErrUnknownKey},
		{"key id a list", h.token(t, map[string]any{"kid": []string{h.ed.id}}, nil), ErrUnknownKey},
		{"key id endless", h.token(t, map[string]any{"kid": strings.Repeat("k", 300)}, nil), ErrUnknownKey},
		{"key id with a look-alike", h.token(t, map[string]any{"kid": h.ed.id + "\u200b"}, nil), ErrUnknownKey},
		{"key in the header", sign(t, jwt.SigningMethodEdDSA, h.stranger, map[string]any{"kid": "mine", "jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "mine", "x": base64.RawURLEncoding.EncodeToString(h.stranger[32:])}}, h.said(nil)), ErrUnknownKey},

		{"type missing", h.token(t, map[string]any{"typ": nil}, nil), ErrType},
		{"type of a secret", h.token(t, map[string]any{"typ": "secevent+jwt"}, nil), ErrType},
		{"type a number", h.token(t, map[string]any{"typ": 1}, nil), ErrType},
		{"critical extension", h.token(t, map[string]any{"crit": []string{"exp"}}, nil), ErrCritical},

		{"issuer wrong", h.token(t, nil, map[string]any{"iss": "https://evil.example"}), ErrIssuer},
		{"issuer in another case", h.token(t, nil, map[string]any{"iss": "https://ID.example"}), ErrIssuer},
		{"issuer with a slash more", h.token(t, nil, map[string]any{"iss": "https://id.example/"}), ErrIssuer},
		{"issuer missing", h.token(t, nil, map[string]any{"iss": nil}), ErrClaims},
		{"issuer a list", h.token(t, nil, map[string]any{"iss": []string{"https://id.example"}}), ErrClaims},
		{"audience wrong", h.token(t, nil, map[string]any{"aud": "console"}), ErrAudience},
		{"audience missing", h.token(t, nil, map[string]any{"aud": nil}), ErrClaims},
		{"audience empty", h.token(t, nil, map[string]any{"aud": []string{}}), ErrClaims},

		{"expired", h.token(t, nil, map[string]any{"exp": noon.Add(-11 * time.Second).Unix()}), ErrExpired},
		{"exp missing", h.token(t, nil, map[string]any{"exp": nil}), ErrClaims},
		{"exp zero", h.token(t, nil, map[string]any{"exp": 0}), ErrClaims},
		{"exp negative", h.token(t, nil, map[string]any{"exp": -1}), ErrExpired},
		{"exp a string", h.token(t, nil, map[string]any{"exp": "9999999999"}), ErrClaims},
		{"exp null", h.token(t, nil, map[string]any{"exp": json.RawMessage("null")}), ErrClaims},
		{"exp beyond every calendar", h.token(t, nil, map[string]any{"exp": json.RawMessage("253402300800")}), ErrClaims},
		{"not yet valid", h.token(t, nil, map[string]any{"nbf": noon.Add(11 * time.Second).Unix()}), ErrNotYetValid},
		{"nbf a string", h.token(t, nil, map[string]any{"nbf": "0"}), ErrClaims},
		{"issued in the future", h.token(t, nil, map[string]any{"iat": noon.Add(11 * time.Second).Unix()}), ErrNotYetValid},

		{"retailer missing", h.token(t, nil, map[string]any{"retailer": nil}), ErrClaims},
		{"retailer a path", h.token(t, nil, map[string]any{"retailer": "demo/shopper"}), ErrClaims},
		{"retailer a look-alike", h.token(t, nil, map[string]any{"retailer": "dеmo"}), ErrClaims}, // the е is Cyrillic
		{"retailer a list", h.token(t, nil, map[string]any{"retailer": []string{"demo"}}), ErrClaims},
		{"retailer under another case only", h.token(t, nil, map[string]any{"retailer": nil, "Retailer": "demo"}), ErrClaims},
		{"role unknown", h.token(t, nil, map[string]any{"role": "root"}), ErrClaims},
		{"role in another case", h.token(t, nil, map[string]any{"role": "Admin"}), ErrClaims},
		{"role missing", h.token(t, nil, map[string]any{"role": nil}), ErrClaims},
		{"subject missing", h.token(t, nil, map[string]any{"sub": nil}), ErrClaims},
		{"subject a number", h.token(t, nil, map[string]any{"sub": 7}), ErrClaims},
		{"subject with a null byte", h.token(t, nil, map[string]any{"sub": "anna\x00bob"}), ErrClaims},
		{"subject invisible", h.token(t, nil, map[string]any{"sub": "anna\u200b"}), ErrClaims},
		{"subject turned around", h.token(t, nil, map[string]any{"sub": "\u202eanna"}), ErrClaims},
		{"subject too long", h.token(t, nil, map[string]any{"sub": strings.Repeat("a", 129)}), ErrClaims},
		{"stores empty", h.token(t, nil, map[string]any{"role": "manager", "stores": []string{}}), ErrClaims},
		{"stores null", h.token(t, nil, map[string]any{"role": "manager", "stores": json.RawMessage("null")}), ErrClaims},
		{"stores a string", h.token(t, nil, map[string]any{"role": "manager", "stores": "s1"}), ErrClaims},
		{"stores of numbers", h.token(t, nil, map[string]any{"role": "manager", "stores": []int{1}}), ErrClaims},
		{"stores of a product team", h.token(t, nil, map[string]any{"role": "product", "stores": []string{"s1"}}), ErrClaims},

		{"empty", "", ErrMalformed},
		{"one dot", "a.b", ErrMalformed},
		{"two dots alone", "..", ErrMalformed},
		{"four parts", good + ".x", ErrMalformed},
		{"five parts, as if encrypted", "a.b.c.d.e", ErrMalformed},
		{"truncated header", good[3:], ErrMalformed},
		{"truncated signature", good[:len(good)-2], ErrSignature},
		{"bits behind the last byte", good[:len(good)-1] + next(good[len(good)-1]), ErrMalformed},
		{"padded", good + "==", ErrMalformed},
		{"a newline inside", part[0] + "\n." + part[1] + "." + part[2], ErrMalformed},
		{"a newline behind", good + "\r\n", ErrMalformed},
		{"full-width letters", strings.Replace(good, "e", "ｅ", 1), ErrMalformed},
		{"standard base64", strings.ReplaceAll(part[0]+"."+part[1]+"."+base64.RawStdEncoding.EncodeToString([]byte{0xfb, 0xff, 0xfe}), "_", "/"), ErrMalformed},
		{"header not JSON", base64.RawURLEncoding.EncodeToString([]byte("{")) + "." + part[1] + "." + part[2], ErrMalformed},
		{"header a list", encode([]string{"EdDSA"}) + "." + part[1] + "." + part[2], ErrMalformed},
		{"oversized", good + strings.Repeat("A", MaxToken), ErrTooLong},
		{"oversized payload", h.token(t, nil, map[string]any{"pad": strings.Repeat("x", MaxToken)}), ErrTooLong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				got, err := h.verifier.Verify(test.give)
				if got != nil || !errors.Is(err, test.want) {
					t.Fatalf("got %v, %v; want %q", got, err, test.want.Code)
				}
				var refusal *Refusal
				if !errors.As(err, &refusal) || refusal.Text == "" {
					t.Fatalf("got %#v, want a Refusal with words", err)
				}
			}
		})
	}
	t.Cleanup(func() {
		if hits, _, _ := h.verifier.Counts(); hits != 0 {
			t.Errorf("%d tokens of the attack list were answered from memory", hits)
		}
	})
}

// next returns another base64 letter that decodes to the same byte when it is
// the last of a text whose length leaves bits over.
func next(letter byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, letter)^1])
}

func publicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestVerifyNarrowsAlgorithms(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *Options) { o.Algorithms = []string{"ES256"} })
	if _, err := h.verifier.Verify(h.token(t, nil, nil)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("EdDSA: got %v", err)
	}
	if _, err := h.verifier.Verify(sign(t, jwt.SigningMethodES256, h.ec, map[string]any{"kid": "ec"}, h.said(nil))); err != nil {
		t.Errorf("ES256: got %v", err)
	}
}

func TestVerifyWithoutKeyID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := h.keys.replace(marshal(t, jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{h.ed.jwk()}})); err != nil {
		t.Fatal(err)
	}
	if _, err := h.verifier.Verify(h.token(t, map[string]any{"kid": nil}, nil)); err != nil {
		t.Errorf("the only key: got %v", err)
	}
	if _, err := h.verifier.Verify(sign(t, jwt.SigningMethodEdDSA, h.stranger, nil, h.said(nil))); !errors.Is(err, ErrSignature) {
		t.Errorf("a stranger's: got %v", err)
	}
}

// TestMemoryNeverOutlivesTheToken walks the clock over a token's life: whatever
// is remembered, no answer may differ from a verifier that remembers nothing.
func TestMemoryNeverOutlivesTheToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give time.Duration // exp, after noon
	}{
		{"shorter than the memory", 20 * time.Second},
		{"as long as the memory", time.Minute},
		{"longer than the memory", 90 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			token := h.token(t, nil, map[string]any{"exp": noon.Add(test.give).Unix()})
			for second := range 120 {
				h.now = noon.Add(time.Duration(second) * time.Second)
				hitsBefore, _, _ := h.verifier.Counts()
				_, err := h.verifier.Verify(token)
				hits, _, _ := h.verifier.Counts()
				good := h.now.Before(noon.Add(test.give + 10*time.Second)) // the leeway
				if (err == nil) != good || err != nil && !errors.Is(err, ErrExpired) {
					t.Fatalf("%d s: got %v", second, err)
				}
				if hits > hitsBefore && !h.now.Before(noon.Add(test.give)) {
					t.Fatalf("%d s: answered from memory after its end", second)
				}
			}
			if hits, _, _ := h.verifier.Counts(); hits < 19 {
				t.Errorf("only %d hits: the memory does not work", hits)
			}
		})
	}
}

// TestMemoryEndsWithTheKey holds that a withdrawn key takes its remembered
// tokens with it at once.
func TestMemoryEndsWithTheKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.token(t, nil, nil)
	for range 2 {
		if _, err := h.verifier.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.keys.replace(marshal(t, jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk(t, "ec", &h.ec.PublicKey)}})); err != nil {
		t.Fatal(err)
	}
	if _, err := h.verifier.Verify(token); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v after its key was withdrawn", err)
	}
}

// TestVerifyCopies holds that the token's memory may be reused, as fiber does.
func TestVerifyCopies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 2 { // verified in full, then from memory
		buffer := []byte(h.token(t, nil, map[string]any{"role": "manager", "stores": []string{"s1"}}))
		got, err := h.verifier.Verify(unsafeString(buffer))
		if err != nil {
			t.Fatal(err)
		}
		for i := range buffer {
			buffer[i] = '#'
		}
		if got.Retailer != "demo" || got.Subject != "anna" || got.Stores[0] != "s1" {
			t.Fatalf("claims changed with the request's memory: %q", fields(*got))
		}
	}
}

func TestVerifyConcurrently(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var good []string
	for i := range 20 {
		good = append(good, h.token(t, nil, map[string]any{"sub": fmt.Sprintf("shopper-%d", i)}))
	}
	forged := sign(t, jwt.SigningMethodEdDSA, h.stranger, map[string]any{"kid": h.ed.id}, h.said(nil))
	sets := [][]byte{
		marshal(t, jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{h.ed.jwk()}}),
		marshal(t, jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{h.ed.jwk(), jwk(t, "ec", &h.ec.PublicKey)}}),
	}
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 200 {
				n := (worker + i) % len(good)
				got, err := h.verifier.Verify(good[n])
				if err != nil || got.Subject != fmt.Sprintf("shopper-%d", n) {
					t.Errorf("token %d: got %v", n, err)
					return
				}
				if i%20 == 0 {
					if _, err := h.verifier.Verify(forged); !errors.Is(err, ErrSignature) {
						t.Errorf("forged: got %v", err)
						return
					}
				}
			}
		})
	}
	wait.Go(func() {
		for i := range 20 {
			if err := h.keys.replace(sets[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
}

func TestNewVerifierRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := Options{Keys: h.keys, Issuer: "i", Audience: "a", CacheSize: 1, CacheTTL: time.Second}
	tests := []struct {
		name   string
		change func(*Options)
	}{
		{"no keys", func(o *Options) { o.Keys = nil }},
		{"no issuer", func(o *Options) { o.Issuer = "" }},
		{"no audience", func(o *Options) { o.Audience = "" }},
		{"shared secret", func(o *Options) { o.Algorithms = []string{"HS256"} }},
		{"none", func(o *Options) { o.Algorithms = []string{"none"} }},
		{"leeway over 30 s", func(o *Options) { o.Leeway = 31 * time.Second }},
		{"negative leeway", func(o *Options) { o.Leeway = -1 }},
		{"memory over an hour", func(o *Options) { o.CacheTTL = time.Hour + time.Second }},
		{"no memory", func(o *Options) { o.CacheSize = 0 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			options := good
			test.change(&options)
			if v, err := NewVerifier(options); err == nil {
				v.Close()
				t.Error("accepted")
			}
		})
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	tests := []struct{ give, want string }{
		{"Bearer abc", "abc"},
		{"bearer  abc ", "abc"},
		{"Basic abc", ""},
		{"abc", ""},
		{"Bearer ", ""},
		{"", ""},
	}
	for _, test := range tests {
		got, err := Bearer(test.give)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("Bearer(%q) = %q, %v", test.give, got, err)
		}
	}
}

func TestManages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		give  []string
		store string
		want  bool
	}{
		{"whole retailer, a store", nil, "s1", true},
		{"whole retailer, no store", nil, "", true},
		{"limited, its store", []string{"s1"}, "s1", true},
		{"limited, another store", []string{"s1"}, "s2", false},
		{"limited, no store", []string{"s1"}, "", false},
	}
	for _, test := range tests {
		if got := (Claims{Stores: test.give}).Manages(test.store); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

// TestTimesOnEveryProcessor pins the bound that keeps float-to-integer
// conversions defined: what lies beyond is refused before it is converted.
func TestTimesOnEveryProcessor(t *testing.T) {
	t.Parallel()
	for _, value := range []float64{1e19, 1e300, math.MaxFloat64, -1e300} {
		for _, name := range []string{"exp", "nbf", "iat"} {
			if _, err := expiry(jwt.MapClaims{"exp": 1.0, name: value}); err == nil {
				t.Errorf("%s %g: accepted", name, value)
			}
		}
	}
}

// FuzzVerify holds that no text makes the verifier panic, and that nothing but
// the one good token is ever accepted.
func FuzzVerify(f *testing.F) {
	h := newHouse(f)
	good := h.token(f, nil, nil)
	f.Add(good)
	f.Add("..")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add(sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, h.said(nil)))
	f.Fuzz(func(t *testing.T, token string) {
		got, err := h.verifier.Verify(token)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v and %v", got, err)
		}
		if err == nil && token != good {
			t.Fatalf("accepted %q", token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	ed := h.token(b, nil, nil)
	ec := sign(b, jwt.SigningMethodES256, h.ec, map[string]any{"kid": "ec"}, h.said(nil))
	rsa := sign(b, jwt.SigningMethodRS256, h.rsa, map[string]any{"kid": "rsa"}, h.said(nil))
	for _, bench := range []struct{ name, token string }{{"EdDSA", ed}, {"ES256", ec}, {"RS256", rsa}} {
		b.Run("full/"+bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.verifier.verify(bench.token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("hit/"+bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.verifier.Verify(bench.token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("hit/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := h.verifier.Verify(ed); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("hit/100k-tokens", func(b *testing.B) {
		h := newHouse(b, func(o *Options) { o.CacheSize = 200_000 })
		tokens := make([]string, 100_000)
		for i := range tokens {
			tokens[i] = fmt.Sprintf("%s%06d", ed[:len(ed)-6], i) // remembered by hand: signing them takes longer than the rest
			h.verifier.remember(sha256.Sum256([]byte(tokens[i])), &Claims{Expires: noon.Add(time.Hour)}, noon, h.keys.Generation())
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := h.verifier.Verify(tokens[i]); err != nil {
				b.Fatal(err)
			}
			i = (i + 1) % len(tokens)
		}
	})
}
