package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// copyPartition is there while a copy is under way, and stays when it broke off.
const copyPartition = "~copy"

// copyWriters is how many partitions are written at once: commits share what a sync costs.
const copyWriters = 16

// Contents sums up what documents hold: the same on every engine, whatever the order in which it was written.
type Contents struct {
	Partitions int    `json:"partitions"`
	Documents  int    `json:"documents"`
	Marks      int    `json:"marks"`
	Bytes      int64  `json:"bytes"`  // of bodies
	SHA256     string `json:"sha256"` // of all names, bodies and marks, in order
}

// Summary reads everything and sums it up. What serves meanwhile may change it.
func Summary(ctx context.Context, documents Documents) (Contents, error) {
	c := newContentsOf()
	err := eachPartition(ctx, documents, func(partition string) error {
		c.begin(partition)
		return eachPage(ctx, documents, partition, func(page Page) error {
			c.add(page.Documents)
			return nil
		})
	})
	return c.told(), err
}

// Whole reports whether documents are not what a broken copy left behind, which nobody should serve.
func Whole(ctx context.Context, documents Documents) error {
	revision, err := documents.Revision(ctx, copyPartition)
	if err != nil || revision == 0 {
		return err
	}
	return errors.New("a copy into it is under way, or broke off: run it again to its end")
}

// Copy copies everything into documents that hold nothing yet, or what a copy that broke off left, and verifies it: what it
// read and what it then reads back have the same counts and hash, and nothing was written to the source meanwhile. told
// hears of each partition. Nobody may serve either: it returns ErrBusy when a process says that it does.
func Copy(ctx context.Context, from, to Documents, told func(Contents)) (Contents, error) {
	if err := mayCopy(ctx, from, to); err != nil {
		return Contents{}, err
	}
	note, err := bson.Marshal(bson.D{{Key: "began", Value: time.Now().UTC()}})
	if err != nil {
		return Contents{}, err
	}
	if _, err := to.Commit(ctx, Batch{Partition: copyPartition, Put: []Document{{ID: "under way", Body: note}}}); err != nil {
		return Contents{}, err
	}
	copied, revisions, err := copyAll(ctx, from, to, told)
	if err != nil {
		return copied, err
	}
	arrived, err := Summary(ctx, to)
	if err != nil {
		return copied, fmt.Errorf("read back: %w", err)
	}
	if arrived != copied {
		return copied, fmt.Errorf("what arrived is not what was read: %+v, want %+v: run it again into an empty store", arrived, copied)
	}
	if moved, err := revisionsOf(ctx, from); err != nil || moved != revisions {
		return copied, errors.Join(err, errors.New("the source was written to while it was copied: stop what serves it, then run it again"))
	}
	if _, err := to.Erase(ctx, copyPartition); err != nil {
		return copied, err
	}
	return copied, nil
}

// mayCopy reports why a copy may not begin.
func mayCopy(ctx context.Context, from, to Documents) error {
	if err := Whole(ctx, from); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for _, side := range []struct {
		name      string
		documents Documents
	}{{"source", from}, {"target", to}} {
		serving, err := Serving(ctx, side.documents, time.Now())
		if err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		if len(serving) > 0 {
			return fmt.Errorf("%s is served by %s: stop that first: %w", side.name, strings.Join(serving, ", "), ErrBusy)
		}
	}
	broken, err := to.Revision(ctx, copyPartition)
	if err != nil || broken != 0 { // what a copy that broke off left is written again
		return err
	}
	names, _, err := to.Partitions(ctx, "", "", 2)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	for _, name := range names {
		if name != servingPartition {
			return errors.New("target: it holds something already: name an empty folder or database")
		}
	}
	return nil
}

// copyAll copies each partition. It returns what it read, and the hash of the revisions at which it did.
func copyAll(ctx context.Context, from, to Documents, told func(Contents)) (copied Contents, revisions [sha256.Size]byte, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work := make(chan []Document, copyWriters)
	var writing sync.WaitGroup
	for range copyWriters {
		writing.Go(func() {
			for documents := range work {
				if ctx.Err() == nil {
					if _, err := to.Commit(ctx, Batch{Partition: documents[0].Partition, Put: documents}); err != nil {
						stop(fmt.Errorf("target: %w", err))
					}
				}
			}
		})
	}
	c, seen := newContentsOf(), sha256.New()
	err = eachPartition(ctx, from, func(partition string) error {
		c.begin(partition)
		var at Revision
		empty := true
		err := eachPage(ctx, from, partition, func(page Page) error {
			at = page.Revision
			c.add(page.Documents)
			for rest := page.Documents; len(rest) > 0; {
				var batch []Document
				batch, rest = fitting(rest)
				empty = false
				select {
				case work <- batch:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		if err == nil && empty { // it exists, though it holds nothing
			_, err = to.Commit(ctx, Batch{Partition: partition})
		}
		hashRevision(seen, partition, at)
		told(c.contents)
		return err
	})
	close(work)
	writing.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return c.told(), [sha256.Size]byte(seen.Sum(nil)), err
}

// fitting takes the documents off that fit one commit.
func fitting(documents []Document) (batch, rest []Document) {
	bytes := 0
	for i, d := range documents {
		bytes += len(d.ID) + len(d.Body)
		for _, m := range d.Marks {
			bytes += len(m.Kind) + len(m.Key)
		}
		if i == MaxBatchDocuments || i > 0 && bytes > MaxBatchBytes {
			return documents[:i], documents[i:]
		}
	}
	return documents, nil
}

// eachPartition calls f for each partition in order, but for those that are about this process and not about the data.
func eachPartition(ctx context.Context, documents Documents, f func(partition string) error) error {
	for from, more := "", true; more; {
		names, next, err := documents.Partitions(ctx, from, "", 0)
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == copyPartition || name == servingPartition {
				continue
			}
			if err := f(name); err != nil {
				return fmt.Errorf("partition %q: %w", name, err)
			}
		}
		from, more = next, next != ""
	}
	return nil
}

func eachPage(ctx context.Context, documents Documents, partition string, f func(Page) error) error {
	for from, more := "", true; more; {
		page, err := documents.Scan(ctx, partition, from, "", 0)
		if err != nil {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
		from, more = page.Next, page.Next != ""
	}
	return nil
}

func revisionsOf(ctx context.Context, documents Documents) ([sha256.Size]byte, error) {
	seen := sha256.New()
	err := eachPartition(ctx, documents, func(partition string) error {
		revision, err := documents.Revision(ctx, partition)
		hashRevision(seen, partition, revision)
		return err
	})
	return [sha256.Size]byte(seen.Sum(nil)), err
}

func hashRevision(h hash.Hash, partition string, revision Revision) {
	h.Write(binary.BigEndian.AppendUint64(append([]byte(partition), 0), uint64(revision)))
}

// contentsOf sums up documents as they come by.
type contentsOf struct {
	contents Contents
	hash     hash.Hash
	buffer   []byte
}

func newContentsOf() *contentsOf { return &contentsOf{hash: sha256.New()} }

// Each name and body goes in behind its length, so that no two lists of them are one text.
func (c *contentsOf) begin(partition string) {
	c.contents.Partitions++
	c.text("partition", partition)
}

func (c *contentsOf) add(documents []Document) {
	for _, d := range documents {
		c.contents.Documents++
		c.contents.Bytes += int64(len(d.Body))
		c.contents.Marks += len(d.Marks)
		c.text("document", d.ID)
		c.text("body", string(d.Body))
		for _, m := range d.Marks {
			c.text("mark", m.Kind)
			c.text("key", m.Key)
			c.number(uint64(m.At.UnixMilli()))
		}
	}
}

func (c *contentsOf) text(what, text string) {
	c.number(uint64(len(what)))
	c.number(uint64(len(text)))
	c.hash.Write(append(append(c.buffer[:0], what...), text...))
}

func (c *contentsOf) number(n uint64) {
	c.buffer = binary.BigEndian.AppendUint64(c.buffer[:0], n)
	c.hash.Write(c.buffer)
}

func (c *contentsOf) told() Contents {
	told := c.contents
	told.SHA256 = hex.EncodeToString(c.hash.Sum(nil))
	return told
}

// Processes that serve documents which others can open too say so here, each in a document of its own.
const (
	servingPartition = "~serving"
	servingAgain     = 5 * time.Second  // how often they say it
	servingFor       = 20 * time.Second // for how long it holds
)

type servingDocument struct {
	Process string    `bson:"process"`
	Until   time.Time `bson:"until"`
}

// Serve says, until ctx ends, that this process serves the documents, and then takes it back. It does so at once before it
// returns, and from then on in the function that it returns, which the caller runs.
func Serve(ctx context.Context, documents Documents) (run func(), err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	id := bson.NewObjectID().Hex()
	say := func(ctx context.Context) error {
		body, err := bson.Marshal(servingDocument{fmt.Sprintf("process %d on %s", os.Getpid(), host), time.Now().Add(servingFor)})
		if err == nil {
			_, err = documents.Commit(ctx, Batch{Partition: servingPartition, Put: []Document{{ID: id, Body: body}}})
		}
		return err
	}
	if err := say(ctx); err != nil {
		return nil, err
	}
	return func() {
		tick := time.NewTicker(servingAgain)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = say(ctx) // what it said before holds for three more tries
			case <-ctx.Done():
				ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), servingAgain)
				defer cancel()
				_, _ = documents.Commit(ended, Batch{Partition: servingPartition, Delete: []string{id}}) // else it runs out
				return
			}
		}
	}, nil
}

// Serving names the processes that serve the documents now.
func Serving(ctx context.Context, documents Documents, now time.Time) (processes []string, err error) {
	err = eachPage(ctx, documents, servingPartition, func(page Page) error {
		for _, d := range page.Documents {
			var s servingDocument
			if err := bson.Unmarshal(d.Body, &s); err != nil {
				return fmt.Errorf("partition %q: document %q: %w", servingPartition, d.ID, err)
			}
			if now.Before(s.Until) {
				processes = append(processes, s.Process)
			}
		}
		return nil
	})
	return processes, err
}
