package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Leases let one process at a time do a work that would be wasted, or wrong, when two did it. They are safe for concurrent use.
//
// No clock is compared with another machine's: a holder says again and again that it is there, and who wants the work takes it once it
// has seen no such word for LeaseLost by a clock of its own. A holder that cannot say so stops before, after leaseHeld.
// Each holder has a greater fence than the one before, so that what a late one still writes can be told from what the next one did.
type Leases struct {
	documents Documents
	log       *slog.Logger
}

// NewLeases keeps leases in the documents.
func NewLeases(documents Documents, log *slog.Logger) *Leases { return &Leases{documents, log} }

// LeaseLost is how long a work lies still, a second more or less, after the process that did it was killed.
const LeaseLost = 6 * time.Second

const (
	leaseHeld  = 4500 * time.Millisecond // from the last word that is known to be stored
	leaseAgain = 1500 * time.Millisecond // between two words, and between two looks
	leaseID    = "lease"
)

// leaseDocument is the last word of a holder.
type leaseDocument struct {
	Holder string `bson:"holder"` // empty: it was given back
	Fence  int64  `bson:"fence"`
	Beat   int64  `bson:"beat"`
}

func leasePartition(name string) string { return "~lease/" + name }

// read returns the last word, and the revision at which it was said.
func (l *Leases) read(ctx context.Context, name string) (leaseDocument, Revision, error) {
	var word leaseDocument
	page, err := l.documents.Scan(ctx, leasePartition(name), leaseID, "", 1)
	if err == nil && len(page.Documents) > 0 {
		err = bson.Unmarshal(page.Documents[0].Body, &word)
	}
	if err != nil {
		return word, 0, fmt.Errorf("lease %q: %w", name, err)
	}
	return word, page.Revision, nil
}

// say stores a word, or returns ErrConflict when somebody else did since.
func (l *Leases) say(ctx context.Context, name string, word leaseDocument, revision Revision) (Revision, error) {
	body, err := bson.Marshal(word)
	if err != nil {
		return 0, err
	}
	return l.documents.Commit(ctx, Batch{Partition: leasePartition(name), Expect: &revision, Put: []Document{{ID: leaseID, Body: body}}})
}

// Hold runs a work whenever this process holds its lease, until the context ends. The work's context ends when the lease is lost;
// it must return then, and at the latest LeaseLost - leaseHeld later have stopped to do what another may not do as well.
func (l *Leases) Hold(ctx context.Context, name string, work func(ctx context.Context, fence int64)) {
	holder := bson.NewObjectID().Hex()
	for ctx.Err() == nil {
		word, revision, since, ok := l.win(ctx, name, holder)
		if !ok {
			return
		}
		l.log.Info("lease", "work", name, "fence", word.Fence, "held", true)
		held, lose := context.WithCancel(ctx)
		ended, fence := make(chan struct{}), word.Fence // keep changes the word meanwhile
		go func() { defer close(ended); work(held, fence) }()
		revision = l.keep(held, lose, name, &word, revision, since)
		lose()
		<-ended
		l.log.Info("lease", "work", name, "fence", word.Fence, "held", false)
		if ctx.Err() != nil && revision > 0 {
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseAgain)
			_, _ = l.say(back, name, leaseDocument{Fence: word.Fence, Beat: word.Beat + 1}, revision) // else it runs out
			cancel()
		}
	}
}

// win waits until the lease is free and takes it. since is a moment before the word that took it can have been seen by anybody.
func (l *Leases) win(ctx context.Context, name, holder string) (word leaseDocument, revision Revision, since time.Time, ok bool) {
	var last leaseDocument
	var seen time.Time // when last had been read: it may have been said just then, however long the read took
	said := false
	for {
		begun := time.Now()
		there, at, err := l.read(ctx, name)
		if err == nil && there != last || seen.IsZero() {
			last, seen = there, time.Now()
		}
		if err == nil && (there.Holder == "" || begun.Sub(seen) >= LeaseLost) {
			word = leaseDocument{Holder: holder, Fence: there.Fence + 1, Beat: there.Beat + 1}
			since = time.Now()
			revision, err = l.say(ctx, name, word, at)
			if err == nil {
				return word, revision, since, true
			}
		}
		if failed := err != nil && !errors.Is(err, ErrConflict); failed != said && ctx.Err() == nil {
			said = failed
			if failed {
				l.log.Warn("lease cannot be asked for", "work", name, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return word, 0, since, false
		case <-time.After(leaseAgain):
		}
	}
}

// keep says that the holder is there, until the context ends or the lease is lost, and returns the revision of its last word; 0: somebody else
// has it. It calls lose once leaseHeld has passed since the last word that is known to be stored, whatever the store is doing then.
func (l *Leases) keep(ctx context.Context, lose func(), name string, word *leaseDocument, revision Revision, since time.Time) Revision {
	held := time.AfterFunc(time.Until(since.Add(leaseHeld)), lose)
	defer held.Stop()
	for {
		select {
		case <-ctx.Done():
			return revision
		case <-time.After(leaseAgain):
		}
		begun := time.Now()
		next := *word
		next.Beat++
		at, err := l.say(ctx, name, next, revision)
		switch {
		case err == nil:
			held.Reset(time.Until(begun.Add(leaseHeld)))
			*word, revision = next, at
		case errors.Is(err, ErrConflict):
			// Ours, of which we never heard that it was stored, or somebody else's.
			there, at, err := l.read(ctx, name)
			if err == nil && there.Holder == word.Holder && there.Fence == word.Fence {
				*word, revision = there, at
				continue
			}
			if ctx.Err() != nil {
				return revision
			}
			return 0
		}
	}
}
