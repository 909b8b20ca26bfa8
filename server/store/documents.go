// Package store keeps what Satnav must not forget: shoppers, geofences, rules, everything that outlives a process.
//
// Its lowest layer is [Documents], a small port over BSON documents with four verbs (get, scan, commit, marked). Two
// engines stand below it: embedded (Pebble: one process, data in one folder) and mongodb (replicas, shards). One suite,
// storetest, is the contract that both pass. Above it stands a port for each domain, written once and not once per engine.
//
// What was decided against:
//
//   - A port for each domain and engine. Two engines times ten domains is twenty chances to lose a crossing; one narrow
//     port can be tested until nothing is left to find.
//   - Transactions over partitions. On a cluster they cost round trips and fail in ways that callers handle badly. A batch
//     is atomic within one partition, and each thing that must change together lives in one partition.
//   - Locks that callers hold. Writers read, decide and commit against the revision they read; who comes second is told
//     so (ErrConflict) and starts over. No lock is ever held across I/O of another.
//   - Queries by field, change streams, expiry by the database. A mark (kind, key, time) set in the same commit as the
//     document serves outbox, retention, closing times and feeds alike, and behaves the same on every engine.
//   - Reads that wait for nobody. A read never shows a durable commit that could still be lost, so that a retry which finds
//     its first attempt stored may be answered "stored".
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Limits of the port, the same on every engine.
const (
	// MaxName bounds partitions, ids, and the kind and key of a mark, in bytes. Names are valid UTF-8 without NUL and, but
	// for the key of a mark, not empty. They are ordered by their bytes.
	MaxName = 512

	// MaxMarks bounds the marks of one document.
	MaxMarks = 16

	// MaxBatchDocuments bounds the documents that one commit puts and deletes. Callers split larger work.
	MaxBatchDocuments = 1_000

	// MaxBatchBytes bounds the bytes of one commit: bodies, ids and the names in marks, together. It keeps a batch well
	// below the 16 MiB that MongoDB allows for one document, which has to hold the whole batch for a moment.
	MaxBatchBytes = 4 << 20

	// MaxPage bounds the documents of one answer of Scan, Marked or Partitions, and is what a limit of 0 means. An answer
	// also ends early once its bodies reach MaxBatchBytes.
	MaxPage = 1_000
)

// Errors that callers can act on; all others are faults, to be logged with their cause. Engines wrap them with the name
// of the thing and the cause: test with errors.Is.
var (
	// ErrNotFound says that the document does not exist.
	ErrNotFound = errors.New("not found")

	// ErrConflict says that the partition's revision is not the expected one: read again, decide again, commit again.
	// Nothing was written.
	ErrConflict = errors.New("revision conflict")

	// ErrTooLarge says that a batch exceeds MaxBatchDocuments or MaxBatchBytes: split it. Nothing was written.
	ErrTooLarge = errors.New("batch too large")

	// ErrInvalid says that a name, mark or body breaks the rules of the port: a fault of the caller. Nothing was written.
	ErrInvalid = errors.New("invalid")

	// ErrBusy says that the data folder belongs to another running process; the message names the folder and its owner.
	ErrBusy = errors.New("data folder is busy")

	// ErrFull says that the disk has no room left for a commit. Nothing was acknowledged.
	ErrFull = errors.New("disk full")

	// ErrUnavailable says that the database cannot be reached or no longer trusts its disk. Whether a commit that it
	// answers was stored is not known.
	ErrUnavailable = errors.New("store unavailable")

	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store closed")
)

// Revision counts the commits of one partition. It only ever grows, and no two states of a partition ever share one, not
// even when the partition was erased in between: a cache that remembers a revision can trust it. (One exception: a power
// cut may forget lazy commits, and then their revisions may come again for other ones.) 0 is the revision of a partition
// that does not exist.
type Revision int64

// Document is one BSON document of a partition.
type Document struct {
	Partition string
	ID        string // unique within the partition
	Body      bson.Raw
	Marks     []Mark // at most MaxMarks, no two with the same kind and key; read back ordered by kind and key

	// Known says, of a document that a batch puts, that Had are all the marks it has at the revision which the batch expects
	// (none: it has none, or is not there). An engine then need not read the old document to remove its marks, which costs
	// more than all else that a put does. Marks that are forgotten here are found for ever. Never read back.
	Known bool
	Had   []Mark
}

// Mark makes a document findable over all partitions, by kind and key, in order of time. It is set and removed by the
// same commit as its document.
type Mark struct {
	Kind string    // what it is for: "outbox", "retention", "dwell"
	Key  string    // which one: a geofence, a shard of a feed; may be empty
	At   time.Time // years 1 to 9999, kept in whole milliseconds: finer parts are dropped; read back in UTC
}

// Batch is what one commit does to one partition. No id may appear twice.
type Batch struct {
	Partition string

	// Expect is the revision at which the partition must still be, 0 for one that must not exist; nil commits over
	// whatever is there.
	Expect *Revision

	Put    []Document // whole documents, replacing those with the same id; their Partition may be left empty
	Delete []string   // ids; one that does not exist is no error

	// Lazy asks for a commit that does not wait for the disk: it is atomic and ordered like any other and visible at
	// once, but a power cut or a killed process may lose the last second of lazy commits. A durable commit makes every
	// lazy one before it in its partition durable as well. Only for what may be lost.
	Lazy bool
}

// Page is an answer of Scan.
type Page struct {
	Documents []Document // in order of id

	// Revision is that of the partition at the instant at which Documents were read; 0: the partition does not exist.
	// Pages of one scan belong together when their revisions are equal.
	Revision Revision

	// Next is where to continue: the from of the next Scan; empty when nothing is left.
	Next string
}

// Position is a place in the listing of one mark, which is ordered by time, then partition, then id. The zero Position is
// the beginning; Position{At: t} stands before everything marked at t or later.
type Position struct {
	At        time.Time
	Partition string
	ID        string
}

// Marked is a document as found by one of its marks.
type Marked struct {
	At time.Time // of the mark by which it was found
	Document
}

// Position returns the place of m in the listing, from which to continue after it.
func (m Marked) Position() Position { return Position{m.At, m.Partition, m.ID} }

// Documents is the port below which the engines stand. It is safe for concurrent use. What it returns belongs to the
// caller; one answer may share one piece of memory. What it is given is not kept.
//
// Every verb returns the context's error when the context ends first. Engines add ErrUnavailable and, after Close,
// ErrClosed to the errors named at each verb, and ErrInvalid for names that break the rules.
//
// No verb shows the effect of a durable commit before it is durable: a reader that meets one waits for it. This holds for
// documents that are shown; Marked may for a moment miss one whose removal can still be lost, which at worst lets work be
// found again.
type Documents interface {
	// Get returns one document, or ErrNotFound.
	Get(ctx context.Context, partition, id string) (Document, error)

	// Scan returns the documents of one partition whose ids lie in [from, to), in order; an empty to means no end. At most
	// limit are returned (0: MaxPage), all of one instant. A partition that does not exist is empty, with revision 0.
	Scan(ctx context.Context, partition, from, to string, limit int) (Page, error)

	// Revision returns the revision of a partition, 0 for one that does not exist. It costs less than any other read.
	Revision(ctx context.Context, partition string) (Revision, error)

	// Commit does all of a batch or nothing of it, and returns the partition's new revision. Each commit moves the
	// revision, an empty one too. When it returns without an error the batch is durable (unless it is lazy) and seen by
	// all that is read later.
	//
	// It returns ErrConflict when the revision is not the expected one, ErrTooLarge, or ErrFull. After ErrUnavailable or
	// an error of the context the batch may be stored or not, whole in either case: commit again with the same ids.
	Commit(ctx context.Context, b Batch) (Revision, error)

	// Erase removes up to MaxBatchDocuments documents of a partition with their marks, durably, and reports whether any are
	// left; the step after which none are left also forgets the partition, whose revision is then 0. Erasing a
	// partition that does not exist does nothing. Callers repeat it until nothing is left.
	Erase(ctx context.Context, partition string) (left bool, err error)

	// Marked returns, over all partitions, the documents with the mark (kind, key) that stand after a position and whose
	// mark lies before to (zero: no end), in order of time, and whether more follow: continue with the Position of the
	// last. At most limit are returned (0: MaxPage).
	//
	// A commit may become visible after one with a later mark. Whoever follows a feed reads its last seconds again and
	// drops by id what is known.
	Marked(ctx context.Context, kind, key string, after Position, to time.Time, limit int) (found []Marked, more bool, err error)

	// Partitions lists the partitions whose names lie in [from, to), in order, and where to continue (empty: nothing is
	// left). It is for whole-store work (copy, export, evaluation), not for requests. At most limit are returned
	// (0: MaxPage).
	Partitions(ctx context.Context, from, to string, limit int) (names []string, next string, err error)

	// Close waits for the commits under way and releases the database. Closing twice is no error.
	Close() error
}

// CheckName reports whether a partition or an id keeps the rules of MaxName; what is the word for it in the error.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty: %w", what, ErrInvalid)
	case len(name) > MaxName:
		return fmt.Errorf("%s %.40q… has %d bytes, at most %d are allowed: %w", what, name, len(name), MaxName, ErrInvalid)
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%s %q contains NUL: %w", what, name, ErrInvalid)
	case !utf8.ValidString(name):
		return fmt.Errorf("%s %q is not valid UTF-8: %w", what, name, ErrInvalid)
	}
	return nil
}

// CheckMark reports whether a mark's kind and key keep the rules of MaxName; a key may be empty.
func CheckMark(kind, key string) error {
	if err := CheckName("kind of mark", kind); err != nil {
		return err
	}
	if key == "" {
		return nil
	}
	return CheckName("key of mark", key)
}

// PageLimit returns the number of documents to answer with for a limit that a caller asked for.
func PageLimit(limit int) int {
	if limit <= 0 || limit > MaxPage {
		return MaxPage
	}
	return limit
}

// Check reports whether the batch keeps the rules of the port (ErrInvalid) and its limits (ErrTooLarge). Engines call it
// before anything else, so that all of them refuse the same.
func (b *Batch) Check() error {
	if err := CheckName("partition", b.Partition); err != nil {
		return err
	}
	documents, bytes := len(b.Put)+len(b.Delete), 0
	for i := range b.Put {
		d := &b.Put[i]
		bytes += len(d.ID) + len(d.Body)
		for _, m := range d.Marks {
			bytes += len(m.Kind) + len(m.Key)
		}
	}
	for _, id := range b.Delete {
		bytes += len(id)
	}
	if documents > MaxBatchDocuments || bytes > MaxBatchBytes {
		return fmt.Errorf("partition %q: a batch of %d documents and %d bytes, at most %d documents and %d bytes are allowed: %w",
			b.Partition, documents, bytes, MaxBatchDocuments, MaxBatchBytes, ErrTooLarge)
	}
	for i := range b.Put {
		if err := b.Put[i].check(b.Partition); err != nil {
			return fmt.Errorf("partition %q: %w", b.Partition, err)
		}
		if b.Put[i].Known && b.Expect == nil {
			return fmt.Errorf("partition %q: document %q: its marks are known at no revision: %w", b.Partition, b.Put[i].ID, ErrInvalid)
		}
	}
	for _, id := range b.Delete {
		if err := CheckName("id", id); err != nil {
			return fmt.Errorf("partition %q: %w", b.Partition, err)
		}
	}
	if id, twice := b.repeated(); twice {
		return fmt.Errorf("partition %q: id %q appears twice in a batch: %w", b.Partition, id, ErrInvalid)
	}
	return nil
}

func (d *Document) check(partition string) error {
	if err := CheckName("id", d.ID); err != nil {
		return err
	}
	if d.Partition != "" && d.Partition != partition {
		return fmt.Errorf("document %q belongs to partition %q: %w", d.ID, d.Partition, ErrInvalid)
	}
	if err := d.Body.Validate(); err != nil {
		return fmt.Errorf("body of document %q is not BSON: %v: %w", d.ID, err, ErrInvalid)
	}
	if length := int(binary.LittleEndian.Uint32(d.Body)); length != len(d.Body) { // Validate lets a tail pass
		return fmt.Errorf("body of document %q has %d bytes, says %d: %w", d.ID, len(d.Body), length, ErrInvalid)
	}
	if len(d.Marks) > MaxMarks {
		return fmt.Errorf("document %q has %d marks, at most %d are allowed: %w", d.ID, len(d.Marks), MaxMarks, ErrInvalid)
	}
	for i, m := range d.Marks {
		if err := CheckMark(m.Kind, m.Key); err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		if year := m.At.UTC().Year(); year < 1 || year > 9999 {
			return fmt.Errorf("document %q: mark %q at year %d, want 1 to 9999: %w", d.ID, m.Kind, year, ErrInvalid)
		}
		for _, n := range d.Marks[:i] {
			if m.Kind == n.Kind && m.Key == n.Key {
				return fmt.Errorf("document %q has mark %q %q twice: %w", d.ID, m.Kind, m.Key, ErrInvalid)
			}
		}
	}
	return nil
}

// repeated returns an id that appears twice. Most batches are a handful of documents, for which looking back is cheaper
// than sorting.
func (b *Batch) repeated() (id string, twice bool) {
	ids := make([]string, 0, 16)
	for i := range b.Put {
		ids = append(ids, b.Put[i].ID)
	}
	ids = append(ids, b.Delete...)
	if len(ids) <= 16 {
		for i, id := range ids {
			if slices.Contains(ids[:i], id) {
				return id, true
			}
		}
		return "", false
	}
	slices.Sort(ids)
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			return ids[i], true
		}
	}
	return "", false
}
