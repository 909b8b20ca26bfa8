package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var errDamaged = errors.New("damaged")

// stored is an entry as it lies in the store: what was hashed, to the letter, its hash, and the signature where it ends a
// batch.
type stored struct {
	entry     Kept
	hash      [sha256.Size]byte
	signature []byte // nil: none
}

type entryDocument struct {
	Entry     bson.Raw `bson:"entry"`
	Hash      []byte   `bson:"hash"`
	Signature []byte   `bson:"signature,omitempty"`
}

type headDocument struct {
	Number    int64  `bson:"n"`
	Hash      []byte `bson:"hash"`
	Signature []byte `bson:"signature"`
}

// encode makes the document of an entry and the head of the chain that it ends. sign returns nil for no signature.
func encode(k Kept, sign func(Head) []byte) (body []byte, head Head, err error) {
	if k.Detail == nil {
		k.Detail = map[string]string{}
	}
	entry, err := marshal(k)
	if err != nil {
		return nil, Head{}, err
	}
	head = Head{k.Number, sum(entry)}
	body, err = bson.Marshal(entryDocument{entry, head.Hash[:], sign(head)})
	return body, head, err
}

// marshal writes an entry with the details in the order of their names: the same entry is always the same bytes.
func marshal(k Kept) (bson.Raw, error) {
	detail := bson.D{}
	for _, name := range sortedNames(k.Detail) {
		detail = append(detail, bson.E{Key: name, Value: k.Detail[name]})
	}
	return bson.Marshal(bson.D{
		{Key: "n", Value: k.Number}, {Key: "at", Value: k.At}, {Key: "role", Value: k.Role}, {Key: "name", Value: k.Name},
		{Key: "action", Value: string(k.Action)}, {Key: "object", Value: k.Object}, {Key: "detail", Value: detail},
		{Key: "prev", Value: k.Before},
	})
}

// sum is the hash of an entry; it covers the hash of the one before, which stands in it.
func sum(entry []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("satnav audit entry 1\n"))
	h.Write(entry)
	return [sha256.Size]byte(h.Sum(nil))
}

// decode reads the document of an entry. It takes only what encode writes, byte for byte, so that no change goes unseen.
func decode(body bson.Raw) (stored, error) {
	var d entryDocument
	if err := bson.Unmarshal(body, &d); err != nil {
		return stored{}, fmt.Errorf("%w: %v", errDamaged, err)
	}
	var k Kept
	if err := bson.Unmarshal(d.Entry, &k); err != nil {
		return stored{}, fmt.Errorf("%w: %v", errDamaged, err)
	}
	k.At = k.At.UTC()
	again, head, err := encode(k, func(Head) []byte { return d.Signature })
	if err != nil {
		return stored{}, err
	}
	if !bytes.Equal(again, body) {
		return stored{}, errDamaged
	}
	return stored{k, head.Hash, d.Signature}, nil
}

func encodeHead(h Head, signature []byte) ([]byte, error) {
	return bson.Marshal(headDocument{h.Number, h.Hash[:], signature})
}

func decodeHead(body bson.Raw) (Head, []byte, error) {
	var d headDocument
	if err := bson.Unmarshal(body, &d); err != nil {
		return Head{}, nil, fmt.Errorf("head: %w: %v", errDamaged, err)
	}
	if len(d.Hash) != sha256.Size {
		return Head{}, nil, fmt.Errorf("head: %w", errDamaged)
	}
	head := Head{d.Number, [sha256.Size]byte(d.Hash)}
	if again, err := encodeHead(head, d.Signature); err != nil || !bytes.Equal(again, body) {
		return Head{}, nil, errors.Join(fmt.Errorf("head: %w", errDamaged), err)
	}
	return head, d.Signature, nil
}

// sign signs the end of a retailer's chain.
func (l *Log) sign(retailer string, h Head) []byte { return ed25519.Sign(l.key, signed(retailer, h)) }

// signed is what a signature is of. It names the retailer, so that nobody can put one chain in the place of another.
func signed(retailer string, h Head) []byte {
	b := []byte("satnav audit head 1\n" + strconv.Quote(retailer) + "\n" + strconv.FormatInt(h.Number, 10) + "\n")
	return append(b, h.Hash[:]...)
}
