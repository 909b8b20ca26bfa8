// Package audit keeps the log of who did what with personal data and with what decides about it: grants, accesses by staff,
// edits, exports, erasures. Nobody can change it without that being found.
//
// Each retailer has a chain of its own. An entry holds the hash of the one before, so that none can be changed, dropped or
// moved without breaking the chain; the end of the chain is signed with a key that does not lie in the store, so that nobody
// who can write to the store alone can forge a chain anew. Shoppers stand in it by their pseudonyms, so erasing a shopper
// leaves the chain whole.
//
// Decided against: a signature on each entry (a batch is signed once, and the chain carries it to all before), a Merkle tree
// (nobody asks for proofs about single entries without the log), and one chain for all retailers (each may see its own).
// What no log within one installation can find is that all of it was put back to an earlier state with its own
// signature; so the end of each chain is told by Verify and in the operator's log, and can be compared.
package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/store"
)

// Action is what was done, a thing and a verb.
type Action string

// The actions that Satnav itself logs. Others may add theirs.
const (
	Granted         Action = "grant.decide"   // a shopper decided about purposes
	Imported        Action = "grant.import"   // a retailer brought data along, on a legal basis
	ErasureAsked    Action = "erasure.ask"    // and what is known can no longer be read
	ErasureDone     Action = "erasure.done"   // and nothing of it is left on the disk
	ErasureRefused  Action = "erasure.refuse" // for a legal hold
	HoldPlaced      Action = "hold.place"     // what is known must be kept, and is not used
	HoldReleased    Action = "hold.release"   //
	Accessed        Action = "access.read"    // staff read what is about shoppers
	Exported        Action = "access.export"  // what is known of a shopper left, in a file
	Edited          Action = "edit"           // of configuration
	SourceDropped   Action = "source.drop"    // all that came from one source was deleted
	SensitiveDenied Action = "sensitive.deny" // something that touches a sensitive category was refused
	RightExercised  Action = "right.exercise" // corrected, objected, restricted
	AppealAsked     Action = "appeal.ask"     // somebody should look at what is doubted of a shopper
	AppealDecided   Action = "appeal.decide"  // somebody did
	BackedUp        Action = "backup.make"    // a copy left, sealed
)

// Entry is one thing that somebody did. No field may hold what a shopper can be known by, but for Object and Name, which hold
// a pseudonym where they name a shopper.
type Entry struct {
	At     time.Time         `bson:"at"`     // zero: when it is appended
	Role   string            `bson:"role"`   // of the token: shopper, manager, …; "satnav" for what it does by itself
	Name   string            `bson:"name"`   // who: the token's subject, a shopper's pseudonym
	Action Action            `bson:"action"` //
	Object string            `bson:"object"` // on what: a shopper's pseudonym, a path
	Detail map[string]string `bson:"detail"` // what else there is to say; short

	// Once names what the entry tells of, for whoever may tell it again after a process ended in the midst of it: the chain gets
	// one entry of a name, until Forget. Empty: it is told once. It is not part of the entry.
	Once string `bson:"-"`
}

// Kept is an entry in its chain.
type Kept struct {
	Entry  `bson:",inline"`
	Number int64  `bson:"n"`    // from 1 on, without gaps
	Before []byte `bson:"prev"` // hash of the entry before; 32 zeros at the first
}

// Head is the end of a chain: whoever keeps one can later tell whether the log still leads up to it.
type Head struct {
	Number int64
	Hash   [sha256.Size]byte
}

// String is the form that Verify tells and ParseHead reads: number:hash.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Number, hex.EncodeToString(h.Hash[:])) }

// ParseHead reads what Head.String wrote.
func ParseHead(text string) (h Head, err error) {
	var digits string
	if _, err := fmt.Sscanf(text, "%d:%64s", &h.Number, &digits); err != nil || h.Number < 1 {
		return Head{}, fmt.Errorf("head %.90q: want number:hash as audit verify prints it", text)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size || h.String() == "" {
		return Head{}, fmt.Errorf("head %.90q: want number:hash as audit verify prints it", text)
	}
	copy(h.Hash[:], sum)
	if h.String() != text {
		return Head{}, fmt.Errorf("head %.90q: want number:hash as audit verify prints it", text)
	}
	return h, nil
}

// Log appends to the chains of all retailers. It is safe for concurrent use; several processes may append to one chain.
type Log struct {
	documents store.Documents
	key       ed25519.PrivateKey
	now       func() time.Time

	mu     sync.Mutex
	chains map[string]*chain
	work   sync.WaitGroup
}

// New makes a log that signs with key.
func New(documents store.Documents, key ed25519.PrivateKey, now func() time.Time) *Log {
	return &Log{documents: documents, key: key, now: now, chains: map[string]*chain{}}
}

// Key is the public half of the key that signs.
func (l *Log) Key() ed25519.PublicKey { return l.key.Public().(ed25519.PublicKey) }

// chain is what a process knows of a retailer's chain, and who waits to be appended to it.
type chain struct {
	mu      sync.Mutex
	waiting []*waiting
	busy    bool

	// Only the goroutine that is busy has these.
	known    bool
	head     Head
	revision store.Revision
}

type waiting struct {
	entries []Entry
	done    chan error // takes one without blocking
}

// batchEntries bounds the entries of one commit; those that come together share its cost.
const batchEntries = 256

// Append adds entries to a retailer's chain, in order, durably: once it returns nil they cannot be taken back unnoticed. What
// must not happen without a trace is acknowledged after it. When the context ends first the entries may be there or not.
func (l *Log) Append(ctx context.Context, retailer string, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	now := l.now().UTC().Truncate(time.Millisecond)
	w := &waiting{entries: make([]Entry, len(entries)), done: make(chan error, 1)}
	for i, e := range entries {
		if e.At.IsZero() {
			e.At = now
		}
		e.At = e.At.UTC().Truncate(time.Millisecond)
		w.entries[i] = e
	}
	l.mu.Lock()
	c := l.chains[retailer]
	if c == nil {
		c = &chain{}
		l.chains[retailer] = c
	}
	l.mu.Unlock()
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	if !c.busy {
		c.busy = true
		l.work.Add(1)
		go func() {
			defer l.work.Done()
			l.drain(retailer, c)
		}()
	}
	c.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("audit log of %q: %w", retailer, ctx.Err())
	}
}

// Close waits for what is being appended. Append must not be called any more.
func (l *Log) Close() { l.work.Wait() }

// drain appends for all who wait, until nobody does.
func (l *Log) drain(retailer string, c *chain) {
	for {
		c.mu.Lock()
		var together []*waiting
		n := 0
		for len(c.waiting) > 0 && (n == 0 || n+len(c.waiting[0].entries) <= batchEntries) {
			n += len(c.waiting[0].entries)
			together, c.waiting = append(together, c.waiting[0]), c.waiting[1:]
		}
		if len(together) == 0 {
			c.busy, c.waiting = false, nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := l.append(retailer, c, together)
		for _, w := range together {
			w.done <- err
		}
	}
}

// Bounds of one append, which is under nobody's context because several wait for it.
const (
	appendDeadline = 10 * time.Second
	appendTries    = 50
)

func (l *Log) append(retailer string, c *chain, together []*waiting) error {
	ctx, cancel := context.WithTimeout(context.Background(), appendDeadline)
	defer cancel()
	for try := 0; ; try++ {
		err := l.tryAppend(ctx, retailer, c, together)
		if err == nil {
			return nil
		}
		c.known = false // another process appended, or nobody knows whether this one did
		if !errors.Is(err, store.ErrConflict) || try == appendTries {
			return fmt.Errorf("audit log of %q: %w", retailer, err)
		}
	}
}

func (l *Log) tryAppend(ctx context.Context, retailer string, c *chain, together []*waiting) (err error) {
	if !c.known {
		if c.head, c.revision, err = l.end(ctx, retailer); err != nil {
			return err
		}
		c.known = true
	}
	head := c.head
	batch := store.Batch{Partition: Partition(retailer), Expect: &c.revision}
	entries, err := l.untold(ctx, retailer, together, &batch)
	if err != nil || len(entries) == 0 {
		return err
	}
	for i, e := range entries {
		kept := Kept{Entry: e, Number: head.Number + 1, Before: head.Hash[:]}
		var body []byte
		body, head, err = encode(kept, func(h Head) []byte {
			if i < len(entries)-1 {
				return nil // the last one's signature holds for it
			}
			return l.sign(retailer, h)
		})
		if err != nil {
			return err
		}
		batch.Put = append(batch.Put, store.Document{ID: entryID(kept.Number), Body: body})
	}
	end, err := encodeHead(head, l.sign(retailer, head))
	if err != nil {
		return err
	}
	batch.Put = append(batch.Put, store.Document{ID: headID, Body: end})
	revision, err := l.documents.Commit(ctx, batch)
	if err != nil {
		return err
	}
	c.head, c.revision = head, revision
	return nil
}

// onceFrom begins the ids of notes that something was told, see Entry.Once. They are no part of the chain: who forges one hides an entry that
// is yet to come, which takes the right to write to the store before the entry is there.
const (
	onceFrom = "once/"
	onceMark = "audit-once"
)

// untold are the entries that the chain does not have yet, in order, with notes in the batch of those that are told once. That the
// batch names the revision at which the chain was known makes it exact.
func (l *Log) untold(ctx context.Context, retailer string, together []*waiting, batch *store.Batch) (entries []Entry, err error) {
	told := map[string]bool{}
	for _, w := range together {
		for _, e := range w.entries {
			if e.Once == "" {
				entries = append(entries, e)
				continue
			}
			if told[e.Once] {
				continue
			}
			told[e.Once] = true
			_, err := l.documents.Get(ctx, batch.Partition, onceFrom+e.Once)
			if err == nil {
				continue
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			body, err := bson.Marshal(bson.D{{Key: "at", Value: e.At}})
			if err != nil {
				return nil, err
			}
			batch.Put = append(batch.Put, store.Document{ID: onceFrom + e.Once, Body: body, Marks: []store.Mark{{Kind: onceMark, At: l.now()}}})
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Forget forgets what was told once before a time, of all retailers. Call it when nothing of that can be told again.
func (l *Log) Forget(ctx context.Context, before time.Time) error {
	for {
		found, more, err := l.documents.Marked(ctx, onceMark, "", store.Position{}, before, batchEntries)
		if err != nil {
			return err
		}
		gone := map[string][]string{}
		for _, m := range found {
			gone[m.Partition] = append(gone[m.Partition], m.ID)
		}
		for partition, ids := range gone {
			if _, err := l.documents.Commit(ctx, store.Batch{Partition: partition, Delete: ids}); err != nil {
				return fmt.Errorf("audit log: forget what was told: %w", err)
			}
		}
		if !more {
			return nil
		}
	}
}

// end reads where a chain ends, and at which revision of its partition.
func (l *Log) end(ctx context.Context, retailer string) (Head, store.Revision, error) {
	page, err := l.documents.Scan(ctx, Partition(retailer), headID, headID+"\x01", 1)
	if err != nil || len(page.Documents) == 0 {
		return Head{}, page.Revision, err
	}
	head, _, err := decodeHead(page.Documents[0].Body)
	return head, page.Revision, err
}

// Partition is where a retailer's chain is kept.
func Partition(retailer string) string { return retailer + "/~audit" }

const (
	headID       = "head"
	entriesFrom  = "is/"
	entriesTo    = "is0"
	entryPattern = entriesFrom + "%016x"
)

func entryID(number int64) string { return fmt.Sprintf(entryPattern, number) }

// Entries lists a retailer's entries with a number after the given one, oldest first, and whether more follow. It does not
// check the chain: Verify does.
func (l *Log) Entries(ctx context.Context, retailer string, after int64, limit int) (entries []Kept, more bool, err error) {
	page, err := l.documents.Scan(ctx, Partition(retailer), entryID(after+1), entriesTo, limit)
	if err != nil {
		return nil, false, err
	}
	for _, d := range page.Documents {
		stored, err := decode(d.Body)
		if err != nil {
			return nil, false, fmt.Errorf("audit log of %q: %s: %w", retailer, d.ID, err)
		}
		entries = append(entries, stored.entry)
	}
	return entries, page.Next != "", nil
}
