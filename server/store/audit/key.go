package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is the name of the file of the signing key.
const KeyFile = "audit.key"

// Key reads the key that signs the log from a folder, and makes folder and key when there are none. The key lies outside of
// the store on purpose: who can only write to the store cannot sign. Processes that share a store share the key.
func Key(folder string) (ed25519.PrivateKey, error) {
	path := filepath.Join(folder, KeyFile)
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	aside, err := os.CreateTemp(folder, KeyFile+".*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	defer func() { _ = os.Remove(aside.Name()) }() // the link, if made, stays
	_, err = aside.WriteString(hex.EncodeToString(seed) + "\n")
	if err = errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	if err := os.Link(aside.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return nil, fmt.Errorf("audit key: %w", err)
	}
	return readKey(path)
}

func readKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("audit key %s: want %d bytes in hexadecimal", path, ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
