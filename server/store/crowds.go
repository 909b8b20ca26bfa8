package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// Crowds is what processes beside each other need in order to count the same crowd: which shoppers changed, what they now add,
// and up to which erasure each process has taken everything in. It is safe for concurrent use.
//
// Each commit that changes what a shopper adds marks one small document of theirs, changedID, with the time. An erasure leaves no
// mark behind, so it is told otherwise: once nothing can be read it moves the epoch on, and every process that sees a later epoch
// looks for the shoppers of the erasures under way, and says so when it counts them no more. No clock is compared for that: the
// epoch is a number, and a process is gone when it has said nothing for processLost by the clock of who waits for it.
type Crowds struct {
	shoppers *Shoppers
	mu       sync.Mutex
	heard    map[string]heard
}

type heard struct {
	word crowdWord
	at   time.Time // when it was first seen, by the clock of this process
}

const (
	changedID   = "crowd/changed" // see Crowds
	changedMark = "crowd"

	crowdPartition = "~crowd"
	epochID        = "epoch"
	processPrefix  = "process/"

	// processLost is how long nothing closes for a process that was killed. One that was only away finds its word gone.
	processLost = time.Minute
)

// Crowds returns what is shared with other processes, or nil when there are none.
func (s *Shoppers) Crowds() *Crowds {
	if s.alone {
		return nil
	}
	return &Crowds{shoppers: s, heard: map[string]heard{}}
}

// changed is the document that tells other processes of a change over a revision; none when there are none.
func (s *Shoppers) changed(over Revision) []Document {
	if s.alone {
		return nil
	}
	return []Document{{
		ID:    changedID,
		Body:  document(nil, func(b []byte) []byte { return bsoncore.AppendInt64Element(b, "over", int64(over)) }),
		Marks: []Mark{{Kind: changedMark, At: time.Now()}},
	}}
}

// ChangedShopper is a shopper of whom something changed that counts in the crowd.
type ChangedShopper struct {
	Partition string
	At        time.Time // by the clock of who changed it
	Over      Revision  // what is known of a later revision has the change in it
}

// Changed lists the shoppers of all retailers that changed since a time, each once, in order of their last change.
func (c *Crowds) Changed(ctx context.Context, since time.Time) (changed []ChangedShopper, err error) {
	for after, more := (Position{At: since}), true; more; {
		var found []Marked
		if found, more, err = c.shoppers.documents.Marked(ctx, changedMark, "", after, time.Time{}, 0); err != nil {
			return nil, fmt.Errorf("changed shoppers: %w", err)
		}
		for _, m := range found {
			over, _ := bsoncore.Document(m.Body).Lookup("over").Int64OK()
			changed = append(changed, ChangedShopper{m.Partition, m.At, Revision(over)})
			after = m.Position()
		}
	}
	return changed, nil
}

// Erasing lists the partitions of the shoppers whose erasure is under way.
func (c *Crowds) Erasing(ctx context.Context) (partitions []string, err error) {
	open, err := NewErasures(c.shoppers.documents).Open(ctx)
	for i := range open {
		if open[i].Partition != "" {
			partitions = append(partitions, open[i].Partition)
		}
	}
	return partitions, err
}

// AddedShopper is what a shopper adds to the crowd at a revision.
type AddedShopper struct {
	Partition string
	Revision  Revision     // 0: nothing is known of them
	History   *who.History // nil: nothing is counted
}

// Added calls fn with what each of the partitions of a retailer adds, in no order, one call at a time.
func (s *Shoppers) Added(ctx context.Context, retailer string, partitions []string, fn func(AddedShopper) error) error {
	names := s.names(retailer)
	return readEach(ctx, partitions, func(ctx context.Context, partition string) (AddedShopper, error) {
		history, revision, err := s.history(ctx, partition, names)
		return AddedShopper{partition, revision, history}, err
	}, fn)
}

// EachAdded is Added for all shoppers of a retailer. One that is new may be missed, and comes with Changed.
func (s *Shoppers) EachAdded(ctx context.Context, retailer string, fn func(AddedShopper) error) error {
	return s.pages(ctx, retailer, 0, func(partitions []string) (bool, error) {
		return true, s.Added(ctx, retailer, partitions, fn)
	})
}

// PartitionsOf is the beginning of the names of the partitions of a retailer's shoppers.
func PartitionsOf(retailer string) string { return string(appendRetailer(nil, retailer)) }

// crowdWord is the last word of a process.
type crowdWord struct {
	Epoch int64 `bson:"epoch"` // all that was erased up to it is counted no more
	Beat  int64 `bson:"beat"`
}

// Look returns the epoch, and whether the process is waited for.
func (c *Crowds) Look(ctx context.Context, process string) (epoch int64, there bool, err error) {
	page, err := c.read(ctx)
	if err != nil {
		return 0, false, err
	}
	for _, d := range page.Documents {
		switch d.ID {
		case epochID:
			epoch, _ = bsoncore.Document(d.Body).Lookup("epoch").Int64OK()
		case processPrefix + process:
			there = true
		}
	}
	return epoch, there, nil
}

func (c *Crowds) read(ctx context.Context) (Page, error) {
	page, err := c.shoppers.documents.Scan(ctx, crowdPartition, "", "", 0) // an epoch, and a word of each process
	if err != nil {
		return page, fmt.Errorf("crowd's epoch: %w", err)
	}
	return page, nil
}

// Say notes that a process counts nothing any more that was erased up to an epoch. From its first word on it is waited for. It must
// speak again, with a greater beat, several times within processLost.
func (c *Crowds) Say(ctx context.Context, process string, epoch, beat int64) error {
	body, err := bson.Marshal(crowdWord{epoch, beat})
	if err == nil {
		_, err = c.shoppers.documents.Commit(ctx, Batch{Partition: crowdPartition, Put: []Document{{ID: processPrefix + process, Body: body}}})
	}
	if err != nil {
		return fmt.Errorf("crowd's epoch: process %s: %w", process, err)
	}
	return nil
}

// Leave notes that a process ends: nobody waits for it.
func (c *Crowds) Leave(ctx context.Context, process string) error {
	_, err := c.shoppers.documents.Commit(ctx, Batch{Partition: crowdPartition, Delete: []string{processPrefix + process}})
	return err
}

// epochTries bounds how often moving the epoch starts over because others wrote beside it.
const epochTries = 50

// Next moves the epoch on, after something was erased, and returns it: it is gone from every process once Passed says so.
func (c *Crowds) Next(ctx context.Context) (epoch int64, err error) {
	for range epochTries {
		var page Page
		if page, err = c.read(ctx); err != nil {
			return 0, err
		}
		epoch = 0
		for _, d := range page.Documents {
			if d.ID == epochID {
				epoch, _ = bsoncore.Document(d.Body).Lookup("epoch").Int64OK()
			}
		}
		epoch++
		body := document(nil, func(b []byte) []byte { return bsoncore.AppendInt64Element(b, "epoch", epoch) })
		_, err = c.shoppers.documents.Commit(ctx, Batch{Partition: crowdPartition, Expect: &page.Revision, Put: []Document{{ID: epochID, Body: body}}})
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("crowd's epoch: %w", err)
	}
	return epoch, nil
}

// Passed tells whether every process that counts has taken in what was erased up to an epoch. Who was not heard of for processLost
// is not waited for any more; should it be there still, it finds out with its next Look, and has to count anew.
func (c *Crowds) Passed(ctx context.Context, epoch int64) (bool, error) {
	page, err := c.read(ctx)
	if err != nil {
		return false, err
	}
	now := time.Now()
	c.mu.Lock()
	var lost []string
	passed, there := true, map[string]heard{}
	for _, d := range page.Documents {
		if d.ID == epochID {
			continue
		}
		var word crowdWord
		if err := bson.Unmarshal(d.Body, &word); err != nil {
			c.mu.Unlock()
			return false, fmt.Errorf("crowd's epoch: %s: %w", d.ID, err)
		}
		last, known := c.heard[d.ID]
		if !known || last.word != word {
			last = heard{word, now}
		}
		there[d.ID] = last
		switch {
		case word.Epoch >= epoch:
		case now.Sub(last.at) >= processLost:
			lost = append(lost, d.ID)
		default:
			passed = false
		}
	}
	c.heard = there
	c.mu.Unlock()
	if len(lost) == 0 {
		return passed, nil
	}
	// Only when nobody spoke since they were read: else look again.
	_, err = c.shoppers.documents.Commit(ctx, Batch{Partition: crowdPartition, Expect: &page.Revision, Delete: lost})
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return passed && err == nil, err
}
