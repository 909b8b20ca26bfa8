package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The installation's own documents. No retailer's id contains '~'.
const (
	installationPartition = "~installation"
	pseudonymKeyID        = "pseudonym-key"
	pseudonymKeyBytes     = 32
)

// PseudonymKey returns the key by which shoppers' ids become pseudonyms in this installation. The first
// process to ask makes it. It lives in the store, so that replicas share it and a backup holds it: without
// it no shopper is found again.
func PseudonymKey(ctx context.Context, documents Documents) ([]byte, error) {
	for {
		d, err := documents.Get(ctx, installationPartition, pseudonymKeyID)
		if err == nil {
			_, key, ok := d.Body.Lookup("key").BinaryOK()
			if !ok || len(key) != pseudonymKeyBytes {
				return nil, fmt.Errorf("%s/%s: not a key of %d bytes: restore it from a backup", installationPartition, pseudonymKeyID, pseudonymKeyBytes)
			}
			return key, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("pseudonym key: %w", err)
		}
		key := make([]byte, pseudonymKeyBytes)
		rand.Read(key)
		body, err := bson.Marshal(bson.D{{Key: "key", Value: key}})
		if err != nil {
			return nil, fmt.Errorf("pseudonym key: %w", err)
		}
		absent := Revision(0) // nothing is noted before there is a key
		_, err = documents.Commit(ctx, Batch{Partition: installationPartition, Expect: &absent, Put: []Document{{ID: pseudonymKeyID, Body: body}}})
		if err != nil && !errors.Is(err, ErrConflict) { // a conflict: another process made it
			return nil, fmt.Errorf("pseudonym key: %w", err)
		}
	}
}

// Notes keeps what an installation must remember about itself, a small JSON text under a name.
type Notes struct{ documents Documents }

// NewNotes keeps notes in the documents.
func NewNotes(documents Documents) Notes { return Notes{documents} }

const notePrefix = "note/"

// Get returns a note, or ErrNotFound.
func (n Notes) Get(ctx context.Context, name string) ([]byte, error) {
	d, err := n.documents.Get(ctx, installationPartition, notePrefix+name)
	if err != nil {
		return nil, err
	}
	text, ok := d.Body.Lookup("json").StringValueOK()
	if !ok {
		return nil, fmt.Errorf("%s/%s: it holds no text", installationPartition, d.ID)
	}
	return []byte(text), nil
}

// Put keeps a note, durably, in the place of the one before.
func (n Notes) Put(ctx context.Context, name string, text []byte) error {
	body, err := bson.Marshal(bson.D{{Key: "json", Value: string(text)}})
	if err != nil {
		return fmt.Errorf("note %q: %w", name, err)
	}
	_, err = n.documents.Commit(ctx, Batch{Partition: installationPartition, Put: []Document{{ID: notePrefix + name, Body: body}}})
	return err
}

// List returns the notes whose names begin with a prefix, by the rest of the name. They are few.
func (n Notes) List(ctx context.Context, prefix string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for from := notePrefix + prefix; from != ""; {
		page, err := n.documents.Scan(ctx, installationPartition, from, notePrefix+prefix+"\U0010FFFF", 0)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			text, ok := d.Body.Lookup("json").StringValueOK()
			if !ok {
				return nil, fmt.Errorf("%s/%s: it holds no text", installationPartition, d.ID)
			}
			found[strings.TrimPrefix(d.ID, notePrefix+prefix)] = []byte(text)
		}
		from = page.Next
	}
	return found, nil
}

// Drop removes a note.
func (n Notes) Drop(ctx context.Context, name string) error {
	_, err := n.documents.Commit(ctx, Batch{Partition: installationPartition, Delete: []string{notePrefix + name}})
	return err
}
