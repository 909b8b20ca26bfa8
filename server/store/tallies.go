package store

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Tally counts of one arm of an experiment what is of nobody: shoppers who withdrew the permission under which they were
// counted, and how long answers took.
type Tally struct {
	OptedOut int64   `bson:"opted_out"`
	Answers  int64   `bson:"answers"`
	Millis   float64 `bson:"millis"`  // that they took, in all
	Squares  float64 `bson:"squares"` // sum of the squares of the milliseconds
}

// Tallies keep the tallies of experiments, for all processes together. They are safe for concurrent use.
type Tallies struct{ documents Documents }

// NewTallies keeps tallies in the documents.
func NewTallies(documents Documents) *Tallies { return &Tallies{documents} }

type tallyDocument struct {
	Arm   string `bson:"arm"`
	Tally `bson:",inline"`
}

const tallyFrom, tallyTo = "arm/", "arm0"

func tallyPartition(retailer, experiment string) string {
	return string(appendRetailer(nil, retailer)) + "~tally/" + experiment
}

// tallyTries bounds how often Add starts over because another process added at the same time.
const tallyTries = 20

// Add adds to the tallies of an experiment, by arm, durably. After an error it may or may not have.
func (t *Tallies) Add(ctx context.Context, retailer, experiment string, more map[string]Tally) error {
	partition := tallyPartition(retailer, experiment)
	for try := 0; ; try++ {
		now, revision, err := t.read(ctx, partition)
		if err != nil {
			return err
		}
		batch := Batch{Partition: partition, Expect: &revision}
		for arm, m := range more {
			was := now[arm]
			body, err := bson.Marshal(tallyDocument{arm, Tally{was.OptedOut + m.OptedOut, was.Answers + m.Answers, was.Millis + m.Millis, was.Squares + m.Squares}})
			if err != nil {
				return err
			}
			batch.Put = append(batch.Put, Document{ID: tallyFrom + arm, Body: body})
		}
		_, err = t.documents.Commit(ctx, batch)
		if !errors.Is(err, ErrConflict) || try == tallyTries {
			return err
		}
	}
}

// Of returns the tallies of an experiment by arm.
func (t *Tallies) Of(ctx context.Context, retailer, experiment string) (map[string]Tally, error) {
	tallies, _, err := t.read(ctx, tallyPartition(retailer, experiment))
	return tallies, err
}

// Remove removes the tallies of an experiment.
func (t *Tallies) Remove(ctx context.Context, retailer, experiment string) error {
	return erasePartition(ctx, t.documents, tallyPartition(retailer, experiment))
}

func (t *Tallies) read(ctx context.Context, partition string) (map[string]Tally, Revision, error) {
	page, err := t.documents.Scan(ctx, partition, tallyFrom, tallyTo, 0)
	if err != nil {
		return nil, 0, err
	}
	tallies := make(map[string]Tally, len(page.Documents))
	for _, d := range page.Documents {
		var one tallyDocument
		if err := bson.Unmarshal(d.Body, &one); err != nil {
			return nil, 0, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, errDamaged)
		}
		tallies[one.Arm] = one.Tally
	}
	return tallies, page.Revision, nil
}
