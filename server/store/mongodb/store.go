// Package mongodb is the store of many machines: [store.Documents] over a MongoDB replica set or sharded cluster, shared by
// any number of processes. It needs single documents that change atomically, and nothing else of the server: no
// transactions, no change streams, no expiry.
//
// # What lies in the database
//
// One collection holds everything, sharded by a hash of the partition, so that all of a partition lies on one shard and its
// writes are in one order there (fields.go, key.go):
//
//	head      one for each partition: its revision, and while a batch is being applied, the batch (pending)
//	document  as the port knows it: partition, id, revision that wrote it, marks, body
//	hint      one for each mark of a document: where a listing of marks finds it
//
// # How a commit goes
//
// One conditional update of the head moves the revision and lays the whole batch down in pending. It is acknowledged by a
// majority, journalled: from there on the batch is durable and atomic, and Commit returns. Then the batch is applied to the
// documents and cleared from the head, by the process that made it or by whoever meets it first: a reader that reads a
// head with pending applies it before it goes on, so that nobody ever sees half of a batch, however its maker ended.
// The next commit of a partition waits until the head is clear.
//
// Applying may be done by several at once, and by one that comes very late. So each write of it is conditional on the
// revision that it finds, and a deleted document stays for a day as a tombstone: a late write of an older revision finds
// it and gives way. Tombstones also let one pass over head and documents be a consistent picture: whatever changed since
// the head was read, deletions too, shows a later revision than the head's, and then the reader starts over.
//
// Hints are candidates, never truth: Marked asks the documents. A hint is there before its document can be seen and goes
// after it, so a listing misses nothing; one that was left over is removed when a listing meets it.
//
// Reads go to the primary and see what a majority has. A primary that was cut off from its majority may for the seconds
// until it knows answer reads with what was true before; nothing can be committed on such an answer.
//
// What was decided against: transactions (round trips, and aborts that every caller must handle); one document for a whole
// partition (a crossing would rewrite the history); a multikey index over the marks inside documents (the server sorts by
// the smallest element of an array, not by the one that was asked for, so a listing in order of time cannot page);
// readers that overlay pending in memory (two ways to read a batch are two chances to differ); commits that wait until
// they are applied (four round trips instead of one).
package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"satnav/server/store"
)

var _ store.Documents = (*Store)(nil)

// Options are what a URL does not say.
type Options struct {
	Log     *slog.Logger  // nil: nowhere
	Timeout time.Duration // of a call whose context has no deadline, and of the wait for a primary; 0: 15 s and 10 s
}

const (
	defaultDatabase = "satnav"
	collectionName  = "documents"

	// callTimeout bounds a call whose context has no deadline of its own.
	callTimeout = 15 * time.Second

	// selectTimeout bounds the wait for a primary, of which an election usually takes some seconds.
	selectTimeout = 10 * time.Second

	// poolSize bounds the connections to each server, unless the URL names maxPoolSize: a commit and its application need
	// one each for some milliseconds.
	poolSize = 128

	// applying bounds the batches that are applied beside the calls that made them; calls beyond apply their own.
	applying = 64

	// tombstoneAge is how long a deleted document remains as a tombstone: far longer than any write can be late.
	tombstoneAge = 24 * time.Hour

	// sweepInterval is how often tombstones that are old enough, and batches whose maker died, are looked for.
	sweepInterval = time.Hour
)

// Store is a client of one database. It is safe for concurrent use. Close it.
type Store struct {
	client     *mongo.Client
	collection *mongo.Collection
	where      string // hosts and database, for messages; never a password
	log        *slog.Logger
	timeout    time.Duration

	gate   sync.RWMutex // held for reading by every verb, for writing to close
	closed bool

	background context.Context // of what goes on after a verb returned
	stop       context.CancelFunc
	running    sync.WaitGroup
	places     chan struct{} // one for each batch that is applied beside the calls

	mu       sync.Mutex
	underWay map[string]chan struct{} // partitions with a batch that this process is applying; closed when it is done

	counts counts
}

// counts are what the store itself counts.
type counts struct{ commits, conflicts, helped, retries, sweptTombstones atomic.Int64 }

// Stats are the counts of a store since it was opened.
type Stats struct {
	Commits   int64 // steps of erasures included
	Conflicts int64
	Helped    int64 // batches of others that were found pending and applied
	Retries   int64 // commands that were tried again after a fault
}

// Stats returns the counts of the store.
func (s *Store) Stats() Stats {
	return Stats{Commits: s.counts.commits.Load(), Conflicts: s.counts.conflicts.Load(), Helped: s.counts.helped.Load(), Retries: s.counts.retries.Load()}
}

// Open connects to a database by its mongodb:// or mongodb+srv:// URL and makes the indexes that it lacks. The database is
// the one that the URL names, satnav when it names none. It returns ErrUnavailable when no primary answers.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	parsed, err := connstring.ParseAndValidate(url)
	if err != nil {
		return nil, fmt.Errorf("mongodb: the URL is wrong: %v", err) // the driver does not repeat it, nor the password
	}
	database := parsed.Database
	if database == "" {
		database = defaultDatabase
	}
	timeout, selection := callTimeout, selectTimeout
	if o.Timeout > 0 {
		timeout, selection = o.Timeout, o.Timeout
	}
	client, err := mongo.Connect(options.Client().
		SetAppName("satnav").SetMaxPoolSize(poolSize).SetServerSelectionTimeout(selection).SetTimeout(timeout).
		ApplyURI(url).
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Majority()).SetWriteConcern(journalled).
		SetRetryReads(true).SetRetryWrites(true))
	if err != nil {
		return nil, fmt.Errorf("mongodb: %v", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{
		client: client, collection: client.Database(database).Collection(collectionName),
		where: fmt.Sprintf("mongodb %v/%s", parsed.Hosts, database), log: o.Log,
		timeout: timeout, background: background, stop: stop, places: make(chan struct{}, applying), underWay: map[string]chan struct{}{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.prepare(bounded); err != nil {
		stop()
		return nil, errors.Join(s.fault(ctx, "open", err), client.Disconnect(context.WithoutCancel(ctx)))
	}
	s.running.Go(s.keep)
	return s, nil
}

// journalled acknowledges a write once a majority has it in its journal.
var journalled = func() *writeconcern.WriteConcern {
	yes := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &yes}
}()

// prepare makes the indexes that are missing. Each is sparse: it holds only the documents that have its fields. What a sharded
// cluster needs beside them, the hash of the partition, is made there by shardCollection.
func (s *Store) prepare(ctx context.Context) error {
	sparse := func(name string, fields ...string) mongo.IndexModel {
		keys := make(bson.D, len(fields))
		for i, f := range fields {
			keys[i] = bson.E{Key: f, Value: 1}
		}
		return mongo.IndexModel{Keys: keys, Options: options.Index().SetName(name).SetSparse(true)}
	}
	wanted := map[string]mongo.IndexModel{
		"partitions": sparse("partitions", fieldName),
		"pending":    sparse("pending", fieldWaiting),
		"tombstones": sparse("tombstones", fieldGone),
		"marks":      sparse("marks", markKind, markKey, markAt, markPartition, markID),
	}
	return s.again(ctx, func() error {
		there, err := s.collection.Indexes().ListSpecifications(ctx)
		if err != nil {
			return err
		}
		missing := maps.Clone(wanted)
		for _, index := range there {
			delete(missing, index.Name)
		}
		if len(missing) == 0 {
			return nil
		}
		_, err = s.collection.Indexes().CreateMany(ctx, slices.Collect(maps.Values(missing)))
		return err
	})
}

// Ping reports whether a primary answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return s.fault(ctx, "ping", err)
	}
	return nil
}

// enter is the door of every verb: it keeps the client connected until leave is called, and bounds the call.
func (s *Store) enter(ctx context.Context) (bounded context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return nil, nil, fmt.Errorf("%s: %w", s.where, store.ErrClosed)
	}
	cancel := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
	}
	return ctx, func() { cancel(); s.gate.RUnlock() }, nil
}

// Close implements [store.Documents]. It waits for the batches that are still being applied.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return nil
	}
	s.closed = true
	s.gate.Unlock()
	s.stop()
	s.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil {
		return fmt.Errorf("%s: close: %v: %w", s.where, err, store.ErrUnavailable)
	}
	return nil
}

// keep sweeps until the store closes.
func (s *Store) keep() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.background.Done():
			return
		case <-tick.C:
		}
		if err := s.sweep(s.background, time.Now()); err != nil && s.background.Err() == nil {
			s.log.Warn("sweep", "store", s.where, "error", err)
		}
	}
}

// sweep applies batches whose maker died and that nobody met since, and removes tombstones that are old enough.
func (s *Store) sweep(ctx context.Context, now time.Time) error {
	left, err := s.waiting(ctx, bson.D{{Key: fieldWaiting, Value: bson.D{{Key: "$exists", Value: true}}}, {Key: fieldAt, Value: bson.D{{Key: "$lt", Value: now.Add(-time.Minute)}}}})
	if err != nil {
		return err
	}
	for _, partition := range left {
		if _, err := s.settledHead(ctx, partition); err != nil {
			return err
		}
	}
	swept, err := s.collection.DeleteMany(ctx, bson.D{
		{Key: fieldGone, Value: bson.D{{Key: "$lt", Value: now.Add(-tombstoneAge)}}},
		{Key: fieldWaiting, Value: bson.D{{Key: "$exists", Value: false}}},
	})
	if err != nil {
		return s.fault(ctx, "sweep", err)
	}
	s.counts.sweptTombstones.Add(swept.DeletedCount)
	return nil
}
