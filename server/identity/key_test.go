package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func TestIssueAndVerify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tests := []struct {
		name string
		give Claims
		want string // part of the error; empty: issued
	}{
		{"shopper", Claims{Retailer: "demo", Role: Shopper, Subject: "anna"}, ""},
		{"limited manager", Claims{Retailer: "demo", Role: Manager, Subject: "max", Stores: []string{"s1"}}, ""},
		{"backend with an id", Claims{Retailer: "other.shop-1", Role: Backend, Subject: "till 7", TokenID: "t"}, ""},
		{"no retailer", Claims{Role: Shopper, Subject: "anna"}, "retailer: want"},
		{"no role", Claims{Retailer: "demo", Subject: "anna"}, "role: want"},
		{"no subject", Claims{Retailer: "demo", Role: Shopper}, "sub: want"},
		{"limited shopper", Claims{Retailer: "demo", Role: Shopper, Subject: "anna", Stores: []string{"s1"}}, "stores: only"},
		{"too many stores", Claims{Retailer: "demo", Role: Manager, Subject: "max", Stores: make([]string, MaxStores+1)}, "stores: want at most"},
		{"stores too long for a token", Claims{Retailer: "demo", Role: Manager, Subject: "max", Stores: longStores()}, "name fewer stores"},
		{"already over", Claims{Retailer: "demo", Role: Shopper, Subject: "anna", Expires: noon}, "want after now"},
		{"never over", Claims{Retailer: "demo", Role: Shopper, Subject: "anna", Expires: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}, "want after now"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.give.Expires.IsZero() {
				test.give.Expires = noon.Add(time.Hour)
			}
			token, err := h.issuer.Issue(test.give, noon)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.verifier.Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			if test.give.TokenID == "" {
				if got.TokenID == "" {
					t.Error("no id was made")
				}
				test.give.TokenID = got.TokenID
			}
			want := test.give
			want.Expires = want.Expires.Local()
			if fmt.Sprint(fields(*got)) != fmt.Sprint(fields(want)) {
				t.Errorf("got %q, want %q", fields(*got), fields(want))
			}
		})
	}
}

func longStores() []string {
	stores := make([]string, 100)
	for i := range stores {
		stores[i] = fmt.Sprintf("%0128d", i)
	}
	return stores
}

// TestNothingPersonalIsPrinted plants canaries and prints in every way there is.
func TestNothingPersonalIsPrinted(t *testing.T) {
	t.Parallel()
	key := mustKey(t)
	c := Claims{Retailer: "demo", Role: Shopper, Subject: "canary-anna", TokenID: "canary-id"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, &c, key} {
			text := fmt.Sprintf(format, value)
			if strings.Contains(text, "canary") || len(text) > 200 {
				t.Errorf("%s of %T: %s", format, value, text)
			}
		}
	}
	if text := c.LogValue().String(); strings.Contains(text, "canary") {
		t.Errorf("log value: %s", text)
	}
}

func TestDevelopmentKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	made, err := DevelopmentKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, DevelopmentKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	read, err := DevelopmentKey(dir)
	if err != nil || read.ID() != made.ID() {
		t.Errorf("read %v, %v; made %v", read, err, made)
	}
	assertOnly(t, dir, DevelopmentKeyFile)
}

func assertOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("folder holds %v, want %v", names, want)
	}
}

func TestDevelopmentKeyMadeAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := t.TempDir()
		ids := make([]string, 8)
		var wait sync.WaitGroup
		for i := range ids {
			wait.Go(func() {
				key, err := DevelopmentKey(dir)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = key.ID()
			})
		}
		wait.Wait()
		for _, id := range ids {
			if id == "" || id != ids[0] {
				t.Fatalf("different keys: %v", ids)
			}
		}
		assertOnly(t, dir, DevelopmentKeyFile)
	}
}

// TestDevelopmentKeyMadeByTwoProcesses does the same with real processes: this
// test binary, told by the environment to make a key and print its id.
func TestDevelopmentKeyMadeByTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	output := make([]string, 4)
	var wait sync.WaitGroup
	for i := range output {
		wait.Go(func() {
			process := exec.CommandContext(t.Context(), os.Args[0])
			process.Env = append(os.Environ(), "SATNAV_TEST_MAKE_KEY="+dir)
			text, err := process.Output()
			if err != nil {
				t.Error(err)
			}
			output[i] = string(text)
		})
	}
	wait.Wait()
	for _, id := range output {
		if id == "" || id != output[0] {
			t.Fatalf("different keys: %q", output)
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("SATNAV_TEST_MAKE_KEY"); dir != "" {
		key, err := DevelopmentKey(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(key.ID())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestReadKeyRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give string
		mode fs.FileMode
		want string
	}{
		{"readable by others", "", 0o644, "run chmod 600"},
		{"empty", "", 0o600, "want a PEM file"},
		{"not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600, "signing key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, DevelopmentKeyFile)
			if err := os.WriteFile(path, []byte(test.give), test.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := DevelopmentKey(dir); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q and the path", err, test.want)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != test.give {
				t.Errorf("the file was changed: %q, %v", text, err)
			}
		})
	}
}

// TestNewJWKS makes a pair, serves from its public half and issues from its
// private one, as a container and its operator would.
func TestNewJWKS(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	made, err := NewJWKS(dir)
	if err != nil {
		t.Fatal(err)
	}
	assertOnly(t, dir, JWKSFile, SigningKeyFile)
	text, err := os.ReadFile(filepath.Join(dir, JWKSFile))
	if err != nil || strings.Contains(string(text), `"d"`) {
		t.Fatalf("the public file holds a private part, or %v", err)
	}
	for name, want := range map[string]fs.FileMode{JWKSFile: 0o644, SigningKeyFile: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	keys, err := OpenKeys(t.Context(), filepath.Join(dir, JWKSFile), time.Hour, silent)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	verifier, err := NewVerifier(Options{Keys: keys, Issuer: "i", Audience: "a", CacheSize: 1, CacheTTL: time.Second, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	signing, err := ReadKey(filepath.Join(dir, SigningKeyFile))
	if err != nil || signing.ID() != made.ID() {
		t.Fatalf("read %v, %v", signing, err)
	}
	token, err := Issuer{signing, "i", "a"}.Issue(Claims{Retailer: "demo", Role: Admin, Subject: "ops", Expires: noon.Add(time.Hour)}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(token); err != nil {
		t.Error(err)
	}
	if _, err := NewJWKS(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: got %v", err)
	}
}
