package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EntryKind is what an Entry configures.
type EntryKind string

const (
	RetailerEntry   EntryKind = "retailer" // one, with the id "settings"
	StoreEntry      EntryKind = "store"
	ProductEntry    EntryKind = "product"
	StockEntry      EntryKind = "stock" // pieces of one item, by store
	GeofenceEntry   EntryKind = "geofence"
	WebhookEntry    EntryKind = "webhook"
	ModelEntry      EntryKind = "model"  // one with the id "current", and beside it whom it must not have seen
	PricesEntry     EntryKind = "prices" // one, with the id "events", once an event with a price was taken in
	RuleEntry       EntryKind = "rule"   // a draft
	ExperimentEntry EntryKind = "experiment"
	OfferEntry      EntryKind = "offer"
	RuleSetEntry    EntryKind = "rules" // one with the id "live", and beside it what is planned and approved
)

// Entry is one thing that a retailer configures. A deleted one stays as a tombstone, so that its version goes on counting
// and every replica learns of the deletion.
type Entry struct {
	Retailer string
	Kind     EntryKind
	ID       string
	Version  int64 // counts the edits, from 1; the ETag of the API
	At       time.Time
	By       string // who made this edit: role and subject
	Deleted  bool
	Body     []byte // JSON

	// Packed is a geofence in the form of geo.AppendPacked; nil: it was kept as text, or is none.
	Packed []byte
}

// Edit is one change of one entry.
type Edit struct {
	ID     string
	Body   []byte // JSON; ignored when Delete is set
	Packed []byte // of a geofence: what is kept in place of Body, from which Body comes back; nil: Body is kept
	Delete bool
	// Expect is the version that the entry must have, 0 for one that must not exist, AnyVersion for one that must;
	// nil edits whatever is there.
	Expect *int64
	// Call, when not empty, is the ID of the Call that makes the edit, its only one of this kind: made again within CallsKept it
	// has the outcome that it had.
	Call string
}

// AnyVersion expects an entry to exist, whatever its version.
const AnyVersion int64 = -1

// Outcome is what became of an Edit.
type Outcome struct {
	Entry     Entry
	Unchanged bool  // the entry said so already: nothing was written, the version stands
	Created   bool  // there was none before
	Err       error // ErrConflict: the version is not the expected one; ErrNotFound: nothing to delete
}

// Entries keeps what retailers configure. It is safe for concurrent use; edits of one retailer and kind are put in order.
type Entries struct{ documents Documents }

// NewEntries keeps entries in the documents.
func NewEntries(documents Documents) *Entries { return &Entries{documents} }

// feedOverlap is how far a reader of changes looks back: commits become visible out of order.
const feedOverlap = 5 * time.Second

const (
	changeMark   = "changed"  // on every entry: replicas find by it what was edited
	retailerMark = "retailer" // on settings: all retailers are found by it
)

// With a past version beside each current one, half of a batch.
const editsPerCommit = MaxBatchDocuments / 2

// editTries bounds how often an edit starts over because somebody edited another entry at the same time.
const editTries = 20

func entryPartition(retailer string, kind EntryKind) string {
	return retailer + "/~" + string(kind)
}

func currentID(id string) string { return "is/" + id }

// The separator of a past version cannot be part of an id, see api's rules for ids: no control characters.
func pastID(id string, version int64) string { return fmt.Sprintf("was/%s\x01%012d", id, version) }

// Get returns one entry, or ErrNotFound, also for a deleted one.
func (e *Entries) Get(ctx context.Context, retailer string, kind EntryKind, id string) (Entry, error) {
	entry, err := e.current(ctx, retailer, kind, id)
	if err == nil && entry.Deleted {
		return Entry{}, ErrNotFound
	}
	return entry, err
}

func (e *Entries) current(ctx context.Context, retailer string, kind EntryKind, id string) (Entry, error) {
	d, err := e.documents.Get(ctx, entryPartition(retailer, kind), currentID(id))
	if err != nil {
		return Entry{}, err
	}
	return decodeEntry(retailer, kind, d.Body)
}

// Each calls f for every entry that is not deleted, in order of id.
func (e *Entries) Each(ctx context.Context, retailer string, kind EntryKind, f func(Entry) error) error {
	from := currentID("")
	for from != "" {
		page, err := e.documents.Scan(ctx, entryPartition(retailer, kind), from, "is0", 0)
		if err != nil {
			return err
		}
		for _, d := range page.Documents {
			entry, err := decodeEntry(retailer, kind, d.Body)
			if err != nil {
				return fmt.Errorf("%s %s: %w", kind, d.ID, err)
			}
			if entry.Deleted {
				continue
			}
			if err := f(entry); err != nil {
				return err
			}
		}
		from = page.Next
	}
	return nil
}

// Revision counts the commits of a retailer's entries of one kind.
func (e *Entries) Revision(ctx context.Context, retailer string, kind EntryKind) (Revision, error) {
	return e.documents.Revision(ctx, entryPartition(retailer, kind))
}

// List returns up to limit entries with an id after the given one, and whether more follow.
func (e *Entries) List(ctx context.Context, retailer string, kind EntryKind, after string, limit int) (entries []Entry, more bool, err error) {
	from := currentID(after)
	if after != "" {
		from += "\x01" // before every id that follows: ids hold no control characters
	}
	for from != "" {
		page, err := e.documents.Scan(ctx, entryPartition(retailer, kind), from, "is0", limit+1)
		if err != nil {
			return nil, false, err
		}
		for _, d := range page.Documents {
			entry, err := decodeEntry(retailer, kind, d.Body)
			if err != nil {
				return nil, false, fmt.Errorf("%s %s: %w", kind, d.ID, err)
			}
			if entry.Deleted {
				continue
			}
			if len(entries) == limit {
				return entries, true, nil
			}
			entries = append(entries, entry)
		}
		from = page.Next
	}
	return entries, false, nil
}

// Versions returns the past versions of an entry and the current one, newest first.
func (e *Entries) Versions(ctx context.Context, retailer string, kind EntryKind, id string) ([]Entry, error) {
	var versions []Entry
	from, to := pastID(id, 0), "was/"+id+"\x02"
	for from != "" {
		page, err := e.documents.Scan(ctx, entryPartition(retailer, kind), from, to, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			entry, err := decodeEntry(retailer, kind, d.Body)
			if err != nil {
				return nil, err
			}
			versions = append([]Entry{entry}, versions...)
		}
		from = page.Next
	}
	current, err := e.current(ctx, retailer, kind, id)
	if err != nil {
		return nil, err
	}
	return append([]Entry{current}, versions...), nil
}

// Apply makes edits, each with its own outcome, in the order given; edits of one commit are atomic together only by
// accident of size, so callers must not rely on it. An id that is edited twice ends as the later edit says.
func (e *Entries) Apply(ctx context.Context, retailer string, kind EntryKind, by string, now time.Time, edits []Edit) ([]Outcome, error) {
	outcomes := make([]Outcome, 0, len(edits))
	for len(edits) > 0 {
		n := prefix(edits)
		done, err := e.apply(ctx, retailer, kind, by, now, edits[:n])
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, done...)
		edits = edits[n:]
	}
	return outcomes, nil
}

// prefix is how many edits fit one commit: bounded in number and bytes, and no id twice.
func prefix(edits []Edit) int {
	seen := make(map[string]bool, min(len(edits), editsPerCommit))
	size := 0
	for i, edit := range edits {
		size += 2*len(edit.Body) + 4*len(edit.ID) + 512 // it may push as large a past version aside
		if i > 0 && (i == editsPerCommit || size > MaxBatchBytes/2 || seen[edit.ID]) {
			return i
		}
		seen[edit.ID] = true
	}
	return len(edits)
}

func (e *Entries) apply(ctx context.Context, retailer string, kind EntryKind, by string, now time.Time, edits []Edit) ([]Outcome, error) {
	partition := entryPartition(retailer, kind)
	for try := 0; ; try++ {
		revision, err := e.documents.Revision(ctx, partition)
		if err != nil {
			return nil, err
		}
		batch := Batch{Partition: partition, Expect: &revision}
		outcomes := make([]Outcome, len(edits))
		for i, edit := range edits {
			var before Entry
			before, err = e.current(ctx, retailer, kind, edit.ID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
			if edit.Call != "" {
				if done, known, err := e.done(ctx, partition, edit.Call); err != nil {
					return nil, err
				} else if known {
					outcomes[i] = done
					continue
				}
			}
			outcomes[i] = decide(before, edit)
			if outcomes[i].Err != nil || outcomes[i].Unchanged {
				continue
			}
			after := &outcomes[i].Entry
			after.Retailer, after.Kind, after.At, after.By = retailer, kind, now, by
			marks := []Mark{{Kind: changeMark, At: now}}
			if kind == RetailerEntry {
				marks = append(marks, Mark{Kind: retailerMark, At: now})
			}
			batch.Put = append(batch.Put, Document{ID: currentID(edit.ID), Body: encodeEntry(*after), Marks: marks})
			if edit.Call != "" {
				batch.Put = append(batch.Put, Document{ID: editPrefix + edit.Call, Body: encodeOutcome(outcomes[i]), Marks: []Mark{{Kind: callMark, At: now.Add(CallsKept)}}})
			}
			if before.Version > 0 && (kind == GeofenceEntry || kind == RuleEntry || kind == RuleSetEntry || kind == OfferEntry) {
				batch.Put = append(batch.Put, Document{ID: pastID(edit.ID, before.Version), Body: encodeEntry(before)})
			}
		}
		if len(batch.Put) == 0 {
			return outcomes, nil
		}
		_, err = e.documents.Commit(ctx, batch)
		if err == nil {
			return outcomes, nil
		}
		if !errors.Is(err, ErrConflict) || try == editTries {
			return nil, fmt.Errorf("%s entries of %q: %w", kind, retailer, err)
		}
	}
}

// done is the outcome that an edit of a call had.
func (e *Entries) done(ctx context.Context, partition, call string) (done Outcome, known bool, err error) {
	d, err := e.documents.Get(ctx, partition, editPrefix+call)
	if errors.Is(err, ErrNotFound) {
		return Outcome{}, false, nil
	}
	if err != nil {
		return Outcome{}, false, err
	}
	var kept outcomeDocument
	if err := bson.Unmarshal(d.Body, &kept); err != nil {
		return Outcome{}, false, fmt.Errorf("edit of call %s: %w", call, err)
	}
	entry, err := decodeEntry("", "", kept.Entry)
	return Outcome{Entry: entry, Created: kept.Created}, true, err
}

func decide(before Entry, edit Edit) Outcome {
	exists := before.Version > 0 && !before.Deleted
	if edit.Expect != nil {
		have := int64(0)
		if exists {
			have = before.Version
		}
		if have != *edit.Expect && !(*edit.Expect == AnyVersion && exists) {
			return Outcome{Entry: before, Err: ErrConflict}
		}
	}
	switch {
	case edit.Delete && !exists:
		return Outcome{Err: ErrNotFound}
	case edit.Delete:
		return Outcome{Entry: Entry{ID: edit.ID, Version: before.Version + 1, Deleted: true, Body: before.Body, Packed: before.Packed}}
	case exists && bytes.Equal(before.Body, edit.Body):
		return Outcome{Entry: before, Unchanged: true}
	}
	return Outcome{Entry: Entry{ID: edit.ID, Version: before.Version + 1, Body: edit.Body, Packed: edit.Packed}, Created: !exists}
}

// Changes returns the entries, deleted ones too, that were edited at or after since, over all retailers, and from when to
// read on. Entries come again: drop those whose version is known.
func (e *Entries) Changes(ctx context.Context, since time.Time) (changed []Entry, next time.Time, err error) {
	after := Position{At: since}
	next = since
	for {
		found, more, err := e.documents.Marked(ctx, changeMark, "", after, time.Time{}, 0)
		if err != nil {
			return nil, since, err
		}
		for _, m := range found {
			var entry Entry
			if entry, err = decodeEntry("", "", m.Body); err != nil {
				return nil, since, fmt.Errorf("%s %s: %w", m.Partition, m.ID, err)
			}
			changed = append(changed, entry)
			if from := m.At.Add(-feedOverlap); from.After(next) {
				next = from
			}
		}
		if !more {
			return changed, next, nil
		}
		after = found[len(found)-1].Position()
	}
}

// Retailers lists every retailer that configured something.
func (e *Entries) Retailers(ctx context.Context) ([]string, error) {
	var retailers []string
	after := Position{}
	for {
		found, more, err := e.documents.Marked(ctx, retailerMark, "", after, time.Time{}, 0)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			entry, err := decodeEntry("", "", m.Body)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", m.Partition, m.ID, err)
			}
			retailers = append(retailers, entry.Retailer)
		}
		if !more {
			return retailers, nil
		}
		after = found[len(found)-1].Position()
	}
}

// outcomeDocument is what became of an edit of a call; the entry is as encodeEntry writes it.
type outcomeDocument struct {
	Entry   bson.Raw `bson:"entry"`
	Created bool     `bson:"created"`
}

func encodeOutcome(o Outcome) bson.Raw {
	raw, err := bson.Marshal(outcomeDocument{encodeEntry(o.Entry), o.Created})
	if err != nil {
		panic(fmt.Sprintf("store: entry %q does not encode: %v", o.Entry.ID, err)) // a document always does
	}
	return raw
}
