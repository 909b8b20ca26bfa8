package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"satnav/server/keyring"
)

func anywhere(string) string { return "" }

func TestSealedOpens(t *testing.T) {
	t.Parallel()
	ring := keyring.New(t.TempDir())
	region := func(name string) string { return map[string]string{"r/a": "eu-west", "r/b": "cn"}[name] }
	made, err := ring.Make([]string{"r/a", "r/b"}, region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := made.Seal("r/a", []byte("milk"))
	if err != nil || bytes.Contains(sealed, []byte("milk")) {
		t.Fatalf("got %q, %v", sealed, err)
	}
	read, err := ring.Read()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := read.Open("r/a", sealed); err != nil || string(text) != "milk" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := read.Open("r/b", sealed); err == nil {
		t.Error("somebody else's key opens it")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := read.Open("r/a", sealed); err == nil {
		t.Error("what was changed is opened")
	}
	if again, err := ring.Make([]string{"r/a"}, region, time.Now()); err != nil {
		t.Error(err)
	} else if second, err := again.Seal("r/a", []byte("x")); err != nil {
		t.Error(err)
	} else if _, err := read.Open("r/a", second); err != nil {
		t.Errorf("a key that there was has changed: %v", err)
	}
}

// TestShredded holds that a destroyed key is nowhere in the folder, that a copy that was begun before cannot get another one, and that
// who comes back can.
func TestShredded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ring := keyring.New(folder)
	made, err := ring.Make([]string{"r/a", "r/b"}, anywhere, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := made.Seal("r/a", []byte("milk"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := made.Seal("r/b", []byte("bread"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(folder, "shoppers.keys"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Second)
	if err := ring.Shred(t.Context(), []string{"r/a", "r/never"}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(folder, "shoppers.keys"))
	if err != nil {
		t.Fatal(err)
	}
	if wrapped := before[94 : 94+48]; bytes.Equal(wrapped, make([]byte, 48)) || bytes.Contains(after, wrapped) {
		t.Error("the wrapped key is still in the file")
	}
	keys, err := ring.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open("r/a", sealed); !errors.Is(err, keyring.ErrGone) {
		t.Errorf("got %v, want it gone", err)
	}
	if text, err := keys.Open("r/b", kept); err != nil || string(text) != "bread" {
		t.Errorf("of somebody else: %q, %v", text, err)
	}
	early, err := ring.Make([]string{"r/a", "r/never"}, anywhere, began)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"r/a", "r/never"} {
		if _, err := early.Seal(name, []byte("x")); !errors.Is(err, keyring.ErrGone) {
			t.Errorf("%s: a copy that began before the erasure can be opened: %v", name, err)
		}
	}
	late, err := ring.Make([]string{"r/a"}, anywhere, time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.Seal("r/a", []byte("x")); err != nil {
		t.Errorf("who came back gets no key: %v", err)
	}
	if _, err := late.Open("r/a", sealed); err == nil {
		t.Error("the new key opens what the old one sealed")
	}
}

func TestNoKeys(t *testing.T) {
	t.Parallel()
	ring := keyring.New(filepath.Join(t.TempDir(), "none"))
	if ring.Exists() {
		t.Error("there are keys")
	}
	if _, err := ring.Read(); err == nil {
		t.Error("none were read without an error")
	}
	for _, region := range []string{"a/b", "..", "ü"} {
		if _, err := ring.Make([]string{"r/a"}, func(string) string { return region }, time.Now()); err == nil {
			t.Errorf("region %q names a file", region)
		}
	}
}
