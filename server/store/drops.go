package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Drop is how far the deletion of all that came from one source is.
type Drop struct {
	Retailer string    `bson:"retailer"`
	Source   string    `bson:"source"` // of events: "app", "backend", "import", "partner:…"
	Asked    time.Time `bson:"asked"`
	After    string    `bson:"after,omitempty"` // shoppers up to this pseudonym have nothing of it
	Removed  int       `bson:"removed"`
	Resume   time.Time `bson:"resume"`         // nobody else goes on with it before: the call that asks for it is under way
	Done     time.Time `bson:"done,omitempty"` // zero: it goes on
}

// Drops keeps them. It is safe for concurrent use.
type Drops struct{ documents Documents }

// NewDrops keeps them in the documents.
func NewDrops(documents Documents) *Drops { return &Drops{documents} }

const dropMark = "drop" // on each that goes on

// Put keeps how far a drop is, durably. There is one of a source: the one before is forgotten.
func (d *Drops) Put(ctx context.Context, drop Drop) error {
	body, err := bson.Marshal(drop)
	if err != nil {
		return fmt.Errorf("drop of %q: %w", drop.Source, err)
	}
	put := Document{ID: "source/" + drop.Source, Body: body}
	if drop.Done.IsZero() {
		put.Marks = []Mark{{Kind: dropMark, At: drop.Resume}}
	}
	_, err = d.documents.Commit(ctx, Batch{Partition: drop.Retailer + "/~drops", Put: []Document{put}})
	return err
}

// Open lists the drops of all retailers that are to be gone on with now, those that wait longest first.
func (d *Drops) Open(ctx context.Context, now time.Time) (open []Drop, err error) {
	for after, more := (Position{}), true; more; {
		var found []Marked
		if found, more, err = d.documents.Marked(ctx, dropMark, "", after, now, 0); err != nil {
			return nil, err
		}
		for _, m := range found {
			var drop Drop
			if err := bson.Unmarshal(m.Body, &drop); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", m.Partition, m.ID, err)
			}
			drop.Asked, drop.Resume = drop.Asked.UTC(), drop.Resume.UTC()
			open, after = append(open, drop), m.Position()
		}
	}
	return open, nil
}
