package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Proof is what remains of an erasure: that it was, when, and how far it reached. Nothing in it leads to the shopper; who
// has the receipt can show that it is theirs, because Commitment is a hash of what the receipt holds.
type Proof struct {
	ID         string `bson:"id"`
	Commitment string `bson:"commitment"` // SHA-256 over the receipt's secret, the retailer and the shopper's id, hexadecimal
	Role       string `bson:"role"`       // who asked: shopper, admin, backend, operator
	Reason     string `bson:"reason"`     // "" or what a member of staff gave

	Asked     time.Time `bson:"asked"`
	Erased    time.Time `bson:"erased,omitempty"`    // nothing can be read from then on, in documents and caches, nor is it counted where it was erased
	Documents int       `bson:"documents"`           // how many there were
	Told      time.Time `bson:"told,omitempty"`      // recipients of the data know
	Shredded  time.Time `bson:"shredded,omitempty"`  // the shopper's key is gone, and with it what backups and exports hold
	Scrubbed  time.Time `bson:"scrubbed,omitempty"`  // nothing is left on the disk; of a database: its own matter
	Unlearnt  time.Time `bson:"unlearnt,omitempty"`  // a model that has never seen the shopper is in service
	Completed time.Time `bson:"completed,omitempty"` // all of that, and no process counts the shopper
}

// Erasure is one under way: its proof so far, and what has to be erased. Partition is empty once nothing is left in it, and no
// process counts in the crowd what was.
type Erasure struct {
	Retailer  string
	Partition string
	Lesson    int64 // the model must have learnt this often after somebody was forgotten; 0: it is not erased yet
	Epoch     int64 // that every process must have passed, see Crowds; 0: there is one only
	Proof     Proof
}

// Hold says that what is known of a shopper must be kept, whoever asks for its erasure: a court wants it, for example.
type Hold struct {
	At     time.Time `bson:"at"`
	By     string    `bson:"by"`
	Reason string    `bson:"reason"`
}

// Erasures keeps erasures that are under way, the proofs of those that were, and legal holds. It is safe for concurrent use.
type Erasures struct{ documents Documents }

// NewErasures keeps them in the documents.
func NewErasures(documents Documents) *Erasures { return &Erasures{documents} }

const (
	erasureMark = "erasure" // on each that is not completed
	holdPrefix  = "hold/"   // then the shopper's pseudonym
	proofPrefix = "proof/"  // then the id
)

// ErasuresPartition is where a retailer's erasures are kept. While one is under way the name of the shopper's partition
// stands there.
func ErasuresPartition(retailer string) string { return retailer + "/~erasures" }

type erasureDocument struct {
	Retailer  string `bson:"retailer"`
	Partition string `bson:"partition,omitempty"`
	Lesson    int64  `bson:"lesson,omitempty"`
	Epoch     int64  `bson:"epoch,omitempty"`
	Proof     Proof  `bson:"proof"`
}

// Put keeps the state of an erasure, durably. One that is completed is not listed by Open any more.
func (e *Erasures) Put(ctx context.Context, erasure Erasure) error {
	body, err := bson.Marshal(erasureDocument(erasure))
	if err != nil {
		return fmt.Errorf("erasure %s: %w", erasure.Proof.ID, err)
	}
	d := Document{ID: proofPrefix + erasure.Proof.ID, Body: body}
	if erasure.Proof.Completed.IsZero() {
		d.Marks = []Mark{{Kind: erasureMark, At: erasure.Proof.Asked}}
	}
	_, err = e.documents.Commit(ctx, Batch{Partition: ErasuresPartition(erasure.Retailer), Put: []Document{d}})
	return err
}

// Open lists the erasures that are not completed, of all retailers, in the order in which they were asked for.
func (e *Erasures) Open(ctx context.Context) (open []Erasure, err error) {
	for after, more := (Position{}), true; more; {
		var found []Marked
		if found, more, err = e.documents.Marked(ctx, erasureMark, "", after, time.Time{}, 0); err != nil {
			return nil, err
		}
		for _, m := range found {
			erasure, err := decodeErasure(m.Body)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", m.Partition, m.ID, err)
			}
			open, after = append(open, erasure), m.Position()
		}
	}
	return open, nil
}

// Get returns an erasure, completed or not, or ErrNotFound.
func (e *Erasures) Get(ctx context.Context, retailer, id string) (Erasure, error) {
	if err := CheckName("erasure", id); err != nil {
		return Erasure{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	d, err := e.documents.Get(ctx, ErasuresPartition(retailer), proofPrefix+id)
	if err != nil {
		return Erasure{}, err
	}
	return decodeErasure(d.Body)
}

func decodeErasure(body bson.Raw) (Erasure, error) {
	var d erasureDocument
	if err := bson.Unmarshal(body, &d); err != nil {
		return Erasure{}, err
	}
	p := &d.Proof
	for _, at := range []*time.Time{&p.Asked, &p.Erased, &p.Told, &p.Shredded, &p.Scrubbed, &p.Unlearnt, &p.Completed} {
		if !at.IsZero() {
			*at = at.UTC()
		}
	}
	return Erasure(d), nil
}

// Hold returns the legal hold on a shopper, by pseudonym, or ErrNotFound.
func (e *Erasures) Hold(ctx context.Context, retailer, pseudonym string) (Hold, error) {
	d, err := e.documents.Get(ctx, ErasuresPartition(retailer), holdPrefix+pseudonym)
	if err != nil {
		return Hold{}, err
	}
	var h Hold
	err = bson.Unmarshal(d.Body, &h)
	h.At = h.At.UTC()
	return h, err
}

// PlaceHold keeps a legal hold, in the place of one before.
func (e *Erasures) PlaceHold(ctx context.Context, retailer, pseudonym string, h Hold) error {
	body, err := bson.Marshal(h)
	if err != nil {
		return err
	}
	_, err = e.documents.Commit(ctx, Batch{Partition: ErasuresPartition(retailer), Put: []Document{{ID: holdPrefix + pseudonym, Body: body}}})
	return err
}

// ReleaseHold ends a legal hold, and tells whether there was one.
func (e *Erasures) ReleaseHold(ctx context.Context, retailer, pseudonym string) (bool, error) {
	if _, err := e.Hold(ctx, retailer, pseudonym); err != nil {
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		return false, err
	}
	_, err := e.documents.Commit(ctx, Batch{Partition: ErasuresPartition(retailer), Delete: []string{holdPrefix + pseudonym}})
	return err == nil, err
}
