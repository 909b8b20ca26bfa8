// Package keyring keeps a key for each shopper, with which all that leaves the store of them is sealed: whoever destroys the
// key has destroyed every copy, on whatever disk or tape it lies.
//
// Keys lie in one file of fixed slots beside the store and never in it, so that no backup holds the keys to itself. Each is
// wrapped with the key of the region that the shopper's data belongs to; a key that goes is overwritten in its slot. Decided
// against: keys derived from one secret (none of them could ever be destroyed), and keys in the store (an old backup
// would bring back those that were destroyed since).
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrGone says that there is no key: what it sealed cannot be opened by anybody any more.
var ErrGone = errors.New("its key is gone")

// The file of keys is slots of slotBytes: state, hash of the name, time of destruction, length of the region, region, nonce, the
// wrapped key, zeros.
const (
	keysFile  = "shoppers.keys"
	slotBytes = 160
	keyBytes  = 32

	hashAt, hashBytes     = 1, 32
	timeAt                = hashAt + hashBytes
	regionAt, regionBytes = timeAt + 8, 1 + 40
	nonceAt, nonceBytes   = regionAt + regionBytes, 12
	wrappedAt             = nonceAt + nonceBytes
	wrappedBytes          = keyBytes + 16

	inUse, destroyed = 1, 2
)

// Keyring is a folder of keys. It is safe for concurrent use, by several processes too.
type Keyring struct{ folder string }

// New makes a keyring; the folder is made with the first key.
func New(folder string) *Keyring { return &Keyring{folder} }

// Exists tells whether there are keys.
func (k *Keyring) Exists() bool {
	_, err := os.Stat(filepath.Join(k.folder, keysFile))
	return err == nil
}

// Keys are the keys of many names, as they were at one moment.
type Keys struct {
	keyring *Keyring
	sealers map[[hashBytes]byte]cipher.AEAD
}

// nameOf is what a slot knows of a name: not even a pseudonym.
func nameOf(name string) [hashBytes]byte { return sha256.Sum256([]byte("satnav keyring\n" + name)) }

// Make returns the keys of names and makes those that are missing, durably. A key that was destroyed at or after since is not
// made again: what was copied before belongs to somebody who was erased meanwhile. region tells to which region a name belongs.
func (k *Keyring) Make(names []string, region func(name string) string, since time.Time) (*Keys, error) {
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys := &Keys{k, map[[hashBytes]byte]cipher.AEAD{}}
	return keys, k.locked(true, func(file *os.File, slots []byte) error {
		there, gone := map[[hashBytes]byte][]byte{}, map[[hashBytes]byte]time.Time{}
		for at := 0; at+slotBytes <= len(slots); at += slotBytes {
			slot := slots[at : at+slotBytes]
			hash := [hashBytes]byte(slot[hashAt:])
			switch slot[0] {
			case inUse:
				there[hash] = slot
			case destroyed:
				gone[hash] = time.UnixMilli(int64(binary.BigEndian.Uint64(slot[timeAt:])))
			}
		}
		regions := map[string]cipher.AEAD{}
		var fresh []byte
		for _, name := range names {
			hash := nameOf(name)
			if at, was := gone[hash]; was && there[hash] == nil && !at.Before(since) {
				continue
			}
			slot := there[hash]
			if slot == nil {
				var err error
				if slot, err = k.newSlot(hash, region(name), regions); err != nil {
					return err
				}
				fresh = append(fresh, slot...)
			}
			sealer, err := k.open(slot, regions)
			if err != nil {
				return fmt.Errorf("key of %s: %w", name, err)
			}
			keys.sealers[hash] = sealer
		}
		if _, err := file.WriteAt(fresh, int64(len(slots)-len(slots)%slotBytes)); err != nil {
			return err
		}
		return file.Sync()
	})
}

// Read returns all keys that there are.
func (k *Keyring) Read() (*Keys, error) {
	keys := &Keys{k, map[[hashBytes]byte]cipher.AEAD{}}
	return keys, k.locked(false, func(_ *os.File, slots []byte) error {
		regions := map[string]cipher.AEAD{}
		for at := 0; at+slotBytes <= len(slots); at += slotBytes {
			slot := slots[at : at+slotBytes]
			if slot[0] != inUse {
				continue
			}
			sealer, err := k.open(slot, regions)
			if err != nil {
				return fmt.Errorf("slot %d: %w", at/slotBytes, err)
			}
			keys.sealers[[hashBytes]byte(slot[hashAt:])] = sealer
		}
		return nil
	})
}

// Seal seals a text of a name with AES-256-GCM.
func (k *Keys) Seal(name string, text []byte) ([]byte, error) {
	sealer, ok := k.sealers[nameOf(name)]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrGone)
	}
	nonce := make([]byte, nonceBytes, nonceBytes+len(text)+sealer.Overhead())
	rand.Read(nonce)
	return sealer.Seal(nonce, nonce, text, []byte(name)), nil
}

// Open opens what Seal sealed for the same name. It returns ErrGone when there is no key.
func (k *Keys) Open(name string, sealed []byte) ([]byte, error) {
	sealer, ok := k.sealers[nameOf(name)]
	if !ok || len(sealed) < nonceBytes {
		return nil, fmt.Errorf("%s: %w", name, ErrGone)
	}
	text, err := sealer.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%s: it was changed, or sealed with another key", name)
	}
	return text, nil
}

// Shred destroys the keys of names, durably: each is overwritten, and what it sealed is lost wherever it lies.
func (k *Keyring) Shred(_ context.Context, names []string) error {
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	wanted := make(map[[hashBytes]byte]bool, len(names))
	for _, name := range names {
		wanted[nameOf(name)] = true
	}
	return k.locked(true, func(file *os.File, slots []byte) error {
		now := time.Now()
		end := int64(len(slots) - len(slots)%slotBytes)
		for at := 0; at+slotBytes <= len(slots); at += slotBytes {
			hash := [hashBytes]byte(slots[at+hashAt:])
			if !wanted[hash] {
				continue
			}
			delete(wanted, hash)
			if _, err := file.WriteAt(grave(hash, now), int64(at)); err != nil {
				return err
			}
		}
		for hash := range wanted { // no key yet: a copy that is being made may not get one either
			if _, err := file.WriteAt(grave(hash, now), end); err != nil {
				return err
			}
			end += slotBytes
		}
		return file.Sync()
	})
}

// grave is what stands in the place of a key that was destroyed.
func grave(hash [hashBytes]byte, at time.Time) []byte {
	slot := make([]byte, slotBytes)
	slot[0] = destroyed
	copy(slot[hashAt:], hash[:])
	binary.BigEndian.PutUint64(slot[timeAt:], uint64(at.UnixMilli()))
	return slot
}

func (k *Keyring) newSlot(hash [hashBytes]byte, region string, regions map[string]cipher.AEAD) ([]byte, error) {
	if len(region) >= regionBytes {
		return nil, fmt.Errorf("region %q has %d bytes, want at most %d", region, len(region), regionBytes-1)
	}
	wrapper, err := k.region(region, regions)
	if err != nil {
		return nil, err
	}
	slot, key := make([]byte, slotBytes), make([]byte, keyBytes)
	rand.Read(key)
	slot[0] = inUse
	copy(slot[hashAt:], hash[:])
	slot[regionAt] = byte(len(region))
	copy(slot[regionAt+1:], region)
	rand.Read(slot[nonceAt : nonceAt+nonceBytes])
	copy(slot[wrappedAt:], wrapper.Seal(nil, slot[nonceAt:nonceAt+nonceBytes], key, hash[:]))
	return slot, nil
}

// open unwraps the key of a slot.
func (k *Keyring) open(slot []byte, regions map[string]cipher.AEAD) (cipher.AEAD, error) {
	length := int(slot[regionAt])
	if length >= regionBytes {
		return nil, errors.New("damaged")
	}
	wrapper, err := k.region(string(slot[regionAt+1:regionAt+1+length]), regions)
	if err != nil {
		return nil, err
	}
	key, err := wrapper.Open(nil, slot[nonceAt:nonceAt+nonceBytes], slot[wrappedAt:wrappedAt+wrappedBytes], slot[hashAt:hashAt+hashBytes])
	if err != nil {
		return nil, errors.New("damaged, or wrapped with another key of its region")
	}
	return aead(key)
}

// region is the key of a region, which is made when there is none. It stands in a file of its own, so that it can be kept
// where the region is.
func (k *Keyring) region(region string, known map[string]cipher.AEAD) (cipher.AEAD, error) {
	if sealer := known[region]; sealer != nil {
		return sealer, nil
	}
	name := region
	if name == "" {
		name = "anywhere"
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return nil, fmt.Errorf("region %q: want letters, digits, '-' and '_'", region)
	}
	path := filepath.Join(k.folder, "region-"+name+".key")
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keyBytes)
		rand.Read(key)
		err = writeNew(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("key of region %q: %w", region, err)
	}
	sealer, err := aead(key)
	if err != nil {
		return nil, fmt.Errorf("key of region %q: %w", region, err)
	}
	known[region] = sealer
	return sealer, nil
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// locked reads the slots while nobody else has them.
func (k *Keyring) locked(write bool, f func(file *os.File, slots []byte) error) (err error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR | os.O_CREATE
	}
	file, err := os.OpenFile(filepath.Join(k.folder, keysFile), flags, 0o600)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := lock(file); err != nil {
		return fmt.Errorf("keys: lock: %w", err)
	}
	slots, err := os.ReadFile(file.Name())
	if err == nil {
		err = f(file, slots)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
