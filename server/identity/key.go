package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// The files that hold keys.
const (
	DevelopmentKeyFile = "development.key" // in the data folder
	SigningKeyFile     = "signing.key"     // in the folder of NewJWKS
	JWKSFile           = "jwks.json"       // beside it
)

// Key is a private key that tokens are signed with (Ed25519). It is immutable
// and never prints itself.
type Key struct {
	id      string // RFC 7638 thumbprint: the same key has the same id in every process
	private ed25519.PrivateKey
}

// NewKey makes a key that is stored nowhere.
func NewKey() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return keyFrom(private), nil
}

func keyFrom(private ed25519.PrivateKey) *Key {
	k := &Key{private: private}
	m := k.jwk()
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q}`, m.CRV, m.KTY, m.X))
	k.id = base64.RawURLEncoding.EncodeToString(thumbprint[:])
	return k
}

// ID is the key id that tokens name in kid.
func (k *Key) ID() string { return k.id }

// String keeps the key out of every print.
func (k *Key) String() string { return "private key " + k.id }

// GoString is what %#v prints; see String.
func (k *Key) GoString() string { return k.String() }

// jwk returns the public half.
func (k *Key) jwk() jwkset.JWKMarshal {
	public, _ := k.private.Public().(ed25519.PublicKey)
	return jwkset.JWKMarshal{
		KTY: jwkset.KtyOKP, CRV: jwkset.CrvEd25519, X: base64.RawURLEncoding.EncodeToString(public),
		ALG: jwkset.AlgEdDSA, USE: jwkset.UseSig, KID: k.id,
	}
}

// Issuer signs tokens that a Verifier with the same Issuer and Audience accepts.
type Issuer struct {
	Key      *Key
	Issuer   string
	Audience string
}

// Issue returns a signed token. now is its iat; it is good until claims.Expires.
// A token without TokenID is given one.
func (i Issuer) Issue(claims Claims, now time.Time) (string, error) {
	if err := claims.validate(); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if !claims.Expires.After(now) || claims.Expires.Unix() > maxTime {
		return "", fmt.Errorf("token: it would end %s, want after now, at most in the year 9999", claims.Expires.Format(time.RFC3339))
	}
	if claims.TokenID == "" {
		claims.TokenID = rand.Text()
	}
	said := jwt.MapClaims{
		"iss": i.Issuer, "aud": i.Audience, "iat": now.Unix(), "exp": claims.Expires.Unix(), "jti": claims.TokenID,
		"sub": claims.Subject, "retailer": claims.Retailer, "role": claims.Role,
	}
	if len(claims.Stores) > 0 {
		said["stores"] = claims.Stores
	}
	if claims.Region != "" {
		said["region"] = claims.Region
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, said)
	token.Header["kid"] = i.Key.id
	text, err := token.SignedString(i.Key.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(text) > MaxToken {
		return "", fmt.Errorf("token: %d bytes long, want at most %d: name fewer stores", len(text), MaxToken)
	}
	return text, nil
}

// DevelopmentKey reads the key in DIR/development.key, and makes folder and key
// when there are none. Two processes that do it at once end up with the same
// key. It touches nothing else in the folder.
func DevelopmentKey(dir string) (*Key, error) {
	path := filepath.Join(dir, DevelopmentKeyFile)
	key, err := ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("development key: %w", err)
	}
	if key, err = NewKey(); err != nil {
		return nil, err
	}
	switch err := key.write(path); {
	case errors.Is(err, fs.ErrExist): // another process was faster
		return ReadKey(path)
	case err != nil:
		return nil, fmt.Errorf("development key: %w", err)
	}
	return key, nil
}

// NewJWKS makes a key pair in a folder, for containers: DIR/signing.key (mode
// 0600, for whoever issues tokens) and DIR/jwks.json (public, for the server). It
// never replaces a key: tokens signed with it would stop working.
func NewJWKS(dir string) (*Key, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { // the server in its container, another user, reads jwks.json there
		return nil, fmt.Errorf("key set: %w", err)
	}
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, SigningKeyFile)
	switch err := key.write(path); {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("key set: %s exists already; name another folder, or remove it and accept that its tokens stop working: %w", path, fs.ErrExist)
	case err != nil:
		return nil, fmt.Errorf("key set: %w", err)
	}
	text, err := json.MarshalIndent(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{key.jwk()}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, JWKSFile), append(text, '\n'), 0o644); err != nil { // public
		return nil, fmt.Errorf("key set: %w", err)
	}
	return key, nil
}

// ReadKey reads a private key that DevelopmentKey or NewJWKS wrote. One that
// other users of the machine can read is refused.
func ReadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // Windows has no such modes
		return nil, fmt.Errorf("signing key %s: others can read it (mode %04o); run chmod 600 %s", path, mode, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("signing key %s: want a PEM file", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s: got %T, want an Ed25519 key", path, parsed)
	}
	return keyFrom(private), nil
}

// write stores the key under a name that must not exist yet (else fs.ErrExist).
// It is written aside and linked, so that nobody ever reads half a key and only
// the first of several writers wins.
func (k *Key) write(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	aside, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(aside.Name()) }() // the link, if made, stays
	err = pem.Encode(aside, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = aside.Sync()
	}
	if closing := aside.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Link(aside.Name(), path)
	}
	return err
}
