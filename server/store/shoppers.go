package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"satnav/context/who"
	"satnav/geo"
)

var _ who.Shoppers = (*Shoppers)(nil)

// ErrNoGrant says that the shopper did not grant the purpose that something would be kept for.
var ErrNoGrant = errors.New("the shopper has not granted the purpose")

// ErrPaused says that the shopper wants nothing new to be kept.
var ErrPaused = errors.New("the shopper paused the diary")

// Shoppers keeps all that is known of each shopper, in one partition a shopper. It is safe for concurrent use.
//
// A partition holds, by the beginning of the id:
//
//	now/…     profile, grants, history, presence: the shopper as of now, read by one scan, each written alone
//	event/…   the diary, newest first
//	seen/…    for each event id, when it was: an event that comes again is known by it
//	grant/…   every decision about a purpose, in order
//	crowd/…   beside other processes: that the history changed, see Crowds
//	answers/… what answers were made of, for some time
//	redeemed/… how often offers were redeemed, see Redemption
//	outbox/…  what endpoints are still to be told, see Letter; undelivered/… what was given up
//
// Other parts of server keep documents of their own there, written through Commit or Attach, so that they change
// together with the rest and the cache knows.
//
// A partition is named by the retailer and a pseudonym, so names, marks and logs tell nothing about a person; the
// shopper's own id stands inside the profile.
type Shoppers struct {
	documents      Documents
	names          func(retailer string) *who.Names
	keep           func(retailer string, p who.Purpose) who.Keep
	alone          bool
	cache          *shopperCache
	pseudonymizers sync.Pool
	erased         recentlyErased
}

// ShoppersConfig is what Shoppers are made of.
type ShoppersConfig struct {
	// Secret makes pseudonyms. It belongs to the installation: with another one nobody is found again.
	Secret []byte
	// Names are the vocabularies of a retailer: always the same ones for the same retailer.
	Names func(retailer string) *who.Names
	// Keep is how long data is kept for a purpose of a retailer, from memory; nil: for ever.
	Keep func(retailer string, p who.Purpose) who.Keep
	// CacheBytes bounds the shoppers that are kept decoded in memory, by a fair estimate of their size.
	CacheBytes uint64
	// Alone says that no other process writes to the documents, so that what is in memory never needs
	// asking the store whether it still holds.
	Alone bool
}

// NewShoppers keeps shoppers in the documents.
func NewShoppers(documents Documents, config ShoppersConfig) *Shoppers {
	s := &Shoppers{documents: documents, names: config.Names, keep: config.Keep, alone: config.Alone}
	s.cache = newShopperCache(config.CacheBytes, func(partition string, k *known) {
		ctx, cancel := context.WithTimeout(context.Background(), evictionDeadline)
		defer cancel()
		_ = s.write(ctx, partition, k) // it was only remembered
	})
	s.pseudonymizers.New = func() any { return &pseudonymizer{mac: hmac.New(sha256.New, config.Secret)} }
	return s
}

// Beginnings of ids in a shopper's partition, and the ids of the documents that make a shopper. Grants and
// history stand first, since Each reads just those.
const (
	nowFrom, nowTo   = "now/", "now0"
	diaryFrom        = "diary/" // then the time, the newest first: one scan pages over all that is told
	diaryTo          = "diary0"
	seenFrom         = "seen/"
	logFrom, logTo   = "grant/", "grant0"
	grantsID         = "now/grants"
	historyID        = "now/history"
	presenceID       = "now/presence"
	profileID        = "now/profile"
	toldID           = "now/told"
	proposalsID      = "now/proposals"
	exposedID        = "now/exposed"  // likewise
	answeredID       = "now/answered" // see shoppers_record.go; it stands before the grants, for Each skips it
	afterHistoryID   = "now/i"
	shopperDocuments = 16 // more than there are under now/
	wishesID         = "now/wishes"
)

// pseudonymEncoding is base32 in lower case: 26 letters and digits for 128 bits.
var pseudonymEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// pseudonymizer makes one pseudonym at a time. It is kept between uses, for each call needs one.
type pseudonymizer struct {
	mac    hash.Hash
	buffer []byte
}

// appendPseudonym appends 128 bits of HMAC-SHA-256 over the parts. Each part goes in behind its length, so that no two
// lists of parts are one string.
func (s *Shoppers) appendPseudonym(dst []byte, parts ...string) []byte {
	p := s.pseudonymizers.Get().(*pseudonymizer)
	defer s.pseudonymizers.Put(p)
	p.buffer = p.buffer[:0]
	for _, part := range parts {
		p.buffer = append(binary.BigEndian.AppendUint64(p.buffer, uint64(len(part))), part...)
	}
	p.mac.Reset()
	p.mac.Write(p.buffer)
	p.buffer = p.mac.Sum(p.buffer[:0])
	return pseudonymEncoding.AppendEncode(dst, p.buffer[:16])
}

// Pseudonym names a shopper where the shopper's own id may not stand: in logs, marks, audit entries and the ids of
// crossings. The same id with two retailers has two.
func (s *Shoppers) Pseudonym(key who.Key) string {
	var b [32]byte
	return string(s.appendPseudonym(b[:0], key.Retailer, key.Shopper))
}

// Partition is where all that is known of a shopper is kept.
func (s *Shoppers) Partition(key who.Key) string {
	var b [64]byte
	return string(s.appendPseudonym(appendRetailer(b[:0], key.Retailer), key.Retailer, key.Shopper))
}

// appendRetailer appends the beginning of the partitions of a retailer, and of nobody else. A slash inside the retailer's
// id could reach into another one's, so all but plain characters are spelt out.
func appendRetailer(b []byte, retailer string) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range []byte(retailer) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return append(b, '/')
}

// Shopper returns one shopper, or who.ErrUnknown. It costs at most one read of the store, and none when the
// shopper is in memory and this process is alone.
func (s *Shoppers) Shopper(ctx context.Context, key who.Key) (*who.Shopper, error) {
	k, err := s.find(ctx, key, s.Partition(key))
	if err != nil {
		return nil, err
	}
	if k.shopper == nil {
		return nil, who.ErrUnknown
	}
	return k.shopper, nil
}

// find returns what is known of a shopper, from memory where that still holds.
func (s *Shoppers) find(ctx context.Context, key who.Key, partition string) (*known, error) {
	if k, ok := s.cache.get(partition); ok {
		if s.alone {
			return k, nil
		}
		revision, err := s.documents.Revision(ctx, partition)
		if err != nil {
			return nil, err
		}
		if revision == k.revision {
			return k, nil
		}
	}
	return s.load(ctx, key, partition)
}

// load reads a shopper from the store.
func (s *Shoppers) load(ctx context.Context, key who.Key, partition string) (*known, error) {
	before := s.cache.moves(partition)
	page, err := s.documents.Scan(ctx, partition, nowFrom, nowTo, shopperDocuments)
	if err != nil {
		return nil, err
	}
	k := &known{revision: page.Revision}
	record := who.Record{Key: key}
	profile := false
	for _, d := range page.Documents {
		switch d.ID {
		case profileID:
			var shopper string
			shopper, record.Since, err = readProfile(d.Body)
			if err == nil && shopper != key.Shopper {
				err = fmt.Errorf("it is of another shopper: %w", errDamaged)
			}
			profile = true
		case grantsID:
			record.Grants, err = readGrants(d.Body)
		case historyID:
			record.History, err = readHistory(d.Body, s.names(key.Retailer))
		case presenceID:
			record.Presence, err = readPresence(d.Body)
			k.marks = d.Marks
		case toldID:
			record.Told, err = readTold(d.Body)
		case answeredID:
			k.answered = true
		case erasingID:
			err = ErrErasing
		case keptID:
			if ms, ok := bsoncore.Document(d.Body).Lookup("until").DateTimeOK(); ok {
				k.due = time.UnixMilli(ms).UTC()
			}
		case wishesID:
			record.Wishes, err = readPreferences(d.Body)
		case proposalsID:
			record.Proposed, err = readProposals(d.Body)
		case exposedID:
			record.Exposed, err = readExposures(d.Body)
		case cardID:
			record.Card, err = readCard(d.Body)
		}
		if err != nil {
			return nil, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
		}
	}
	if profile {
		k.stored = record.Presence.Now.Seen
		k.take(record)
	}
	s.cache.loaded(partition, k, before)
	return k, nil
}

// Change is what one commit does to one shopper. Empty fields leave alone what they are about.
type Change struct {
	At        time.Time  // now: when a new shopper was first seen
	Defaults  who.Grants // become the grants of a shopper of whom nothing is stored yet
	Grants    []who.Grant
	Owed      bool // the audit log is to tell of Grants: what this commit decides is found by Owed until somebody calls Paid
	Presence  *geo.Presence
	Told      *who.Told       // how often rules acted, in place of what was counted before
	Proposals *[]who.Proposal // what crossings suggested, in place of what was kept before
	Wishes    *who.Preferences
	Marks     []Mark          // of the presence: when it is due, where the shopper is. They replace the ones before
	Crossings []geo.Crossing  // decided by the presence; one that is kept already is written again, the same
	Late      []geo.Fix       // came too late for the presence: kept for the diary, as a cell
	Coarse    int             // finest H3 resolution in which Late is kept; 0: as fine as any may be
	Exposures *[]who.Exposure // experiments that made a difference, in place of those before; at most who.MaxExposures
	Card      *who.Card       // in place of the one before; one without a time takes it away
	// Events are added to the diary and to the history. Their ids must be new: ask Known, or use Record.
	Events []who.Event
	// Letters are what endpoints are to be told of this change, in this order.
	Letters []Letter
	// Documents are other ones of the shopper's partition. Their ids begin with none of the beginnings that Shoppers uses.
	Documents []Document
	// Lazy commits do not wait for the disk, see Batch. Only for a presence in which nothing was decided.
	Lazy bool

	remove  []string     // documents that go
	recount *who.History // in place of the history
	due     *time.Time   // when the first thing is to go, in place of what is worked out; zero: nothing is
}

// maxEventsPerCommit leaves room in a batch for the documents beside events, of which each makes two.
const (
	maxEventsPerCommit     = (MaxBatchDocuments - 64) / 2
	maxEventBytesPerCommit = MaxBatchBytes * 5 / 8
)

// Commit changes a shopper, durably unless it is lazy, and returns the shopper after it. revision is that of the
// shopper on whom the change was decided, 0 for a stranger; when somebody else committed since, ErrConflict says so
// and nothing is written. The first commit of a shopper also writes the profile and the default grants.
func (s *Shoppers) Commit(ctx context.Context, key who.Key, revision int64, change Change) (*who.Shopper, error) {
	partition := s.Partition(key)
	k, err := s.find(ctx, key, partition)
	if err != nil {
		return nil, err
	}
	if k.record.Revision != revision {
		return nil, fmt.Errorf("partition %q: revision %d, now %d: %w", partition, revision, k.record.Revision, ErrConflict)
	}
	next, err := s.commit(ctx, key, partition, k, change)
	if err != nil {
		return nil, err
	}
	return next.shopper, nil
}

// Remember keeps a presence in which nothing was decided in memory alone, and tells whether it does; otherwise Commit it.
// revision is that of the shopper on whom it was decided. What is remembered goes into the store with the next presence that
// is committed, when the shopper leaves the memory, and with Flush. A process that is killed loses it, as if the phone had not
// told those fixes: of a track on which fixes are judged by each other no more than a minute. With replicas nothing is
// remembered: the next call may reach another one.
//
// It exists because most calls of most shoppers are such fixes, and writing each of them costs more than all else that
// a call does.
func (s *Shoppers) Remember(key who.Key, revision int64, presence *geo.Presence) bool {
	if !s.alone {
		return false
	}
	kept := *presence
	kept.Changed, kept.Odd = false, nil
	return s.cache.remember(s.Partition(key), revision, &kept)
}

// evictionDeadline bounds how long a shopper who leaves the memory may take to be written.
const evictionDeadline = 5 * time.Second

// write puts a remembered presence into the store, unless something was committed since.
func (s *Shoppers) write(ctx context.Context, partition string, k *known) error {
	put := []Document{
		{ID: presenceID, Body: appendPresence(nil, &k.record.Presence), Known: true, Had: k.marks}, // who waits for nothing has no marks
	}
	if due := s.dueOf(k.record.Key.Retailer, k, k.record.Grants, &Change{Presence: &k.record.Presence}); !due.IsZero() {
		put = append(put, keptUntil(due))
	}
	_, err := s.documents.Commit(ctx, Batch{Partition: partition, Expect: &k.revision, Lazy: true, Put: put})
	s.cache.forget(partition)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// flushers are how many presences Flush writes at once.
const flushers = 16

// Flush writes all that is remembered into the store, as far as it gets before the context ends. Call it when no more calls
// come, before the documents are closed, which makes it durable.
func (s *Shoppers) Flush(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(flushers)
	for partition, k := range s.cache.all {
		if k.remembered == 0 {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return s.write(ctx, partition, k) })
	}
	return group.Wait()
}

// buffers hold the bodies of one batch each. Large ones are left to the collector, and so is one whose commit failed:
// the engine may not be done with it.
const maxPooledBytes = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

func (s *Shoppers) commit(ctx context.Context, key who.Key, partition string, k *known, change Change) (*known, error) {
	buffer := buffers.Get().(*[]byte)
	batch := bodies{b: (*buffer)[:0], put: make([]Document, 0, 5+2*len(change.Events)+len(change.Documents))}

	record := k.record
	var err error
	var decisions []who.Grant
	if k.shopper == nil {
		record.Key, record.Since, record.Grants = key, change.At.UTC().Truncate(time.Millisecond), change.Defaults
		decisions = append(decisions, change.Defaults...)
		batch.b = appendProfile(batch.b, key.Shopper, record.Since)
		batch.cut(profileID)
	}
	for _, decision := range change.Grants {
		record.Grants = record.Grants.With(decision)
		decisions = append(decisions, decision)
	}
	if len(decisions) > 0 {
		batch.b = appendGrants(batch.b, record.Grants)
		batch.cut(grantsID)
		batch.b = appendGrants(batch.b, decisions)
		batch.cut(fmt.Sprintf("%s%016x", logFrom, k.revision+1))
		if change.Owed && len(change.Grants) > 0 {
			batch.put[len(batch.put)-1].Marks = []Mark{{Kind: owedMark, At: change.At}}
		}
		for i := range decisions {
			batch.b = appendGrants(batch.b, decisions[i:i+1])
			batch.cut(diaryID(decisions[i].At, fmt.Sprintf("%s%016x-%d", diaryGrant, k.revision+1, i)))
		}
	}
	if change.Presence != nil {
		record.Presence = *change.Presence
		record.Presence.Changed, record.Presence.Odd = false, nil // they say what one call did, and is not stored
		batch.b = appendPresence(batch.b, change.Presence)
		batch.cut(presenceID)
		presence := &batch.put[len(batch.put)-1]
		presence.Marks, presence.Had = change.Marks, k.marks
	}
	if change.Proposals != nil {
		record.Proposed = *change.Proposals
		batch.b = appendProposals(batch.b, record.Proposed)
		batch.cut(proposalsID)
	}
	if change.Wishes != nil {
		record.Wishes = change.Wishes
		if batch.b, err = appendPreferences(batch.b, change.Wishes); err != nil {
			return nil, fmt.Errorf("partition %q: %w", partition, err)
		}
		batch.cut(wishesID)
	}
	if change.Exposures != nil || len(record.Exposed) > 0 && !record.Grants.Holds(who.Loyalty) {
		had := exposureMarks(key.Retailer, record.Exposed)
		record.Exposed = nil // with the permission goes what rests on it
		if change.Exposures != nil && record.Grants.Holds(who.Loyalty) {
			record.Exposed = *change.Exposures
		}
		batch.b = appendExposures(batch.b, record.Exposed)
		batch.cut(exposedID)
		exposed := &batch.put[len(batch.put)-1]
		exposed.Marks, exposed.Had = exposureMarks(key.Retailer, record.Exposed), had
	}
	switch {
	case change.Card == nil:
	case change.Card.At.IsZero():
		record.Card, change.remove = nil, append(change.remove, cardID)
	default:
		record.Card = change.Card
		batch.b = appendCard(batch.b, record.Card)
		batch.cut(cardID)
	}
	if change.Told != nil {
		record.Told = *change.Told
		batch.b = appendTold(batch.b, record.Told)
		batch.cut(toldID)
	}
	if len(change.Events) > 0 {
		if loyal := loyalOf(change.Events); len(loyal) > 0 {
			names := s.names(key.Retailer)
			record.History = record.History.With(names, loyal...)
			batch.b = appendHistory(batch.b, names, record.History)
			batch.cut(historyID)
		}
		for i := range change.Events {
			s.putEvent(&batch, &change.Events[i])
		}
	}
	if change.recount != nil {
		record.History = change.recount
		batch.b = appendHistory(batch.b, s.names(key.Retailer), record.History)
		batch.cut(historyID)
	}
	crossings, err := crossingDocuments(partition, &change)
	if err != nil {
		return nil, fmt.Errorf("partition %q: %w", partition, err)
	}
	letters, err := letterDocuments(partition, k.revision+1, change.Letters)
	if err != nil {
		return nil, err
	}
	batch.put = append(append(append(batch.put, crossings...), letters...), change.Documents...)
	if record.History != k.record.History || len(decisions) > 0 {
		batch.put = append(batch.put, s.changed(k.revision)...)
	}

	gone, err := s.withdrawn(ctx, partition, change.Grants)
	if err != nil {
		return nil, err
	}

	gone = append(gone, change.remove...)
	due := s.dueOf(key.Retailer, k, record.Grants, &change)
	switch {
	case !due.IsZero():
		batch.put = append(batch.put, keptUntil(due))
	case change.due != nil:
		gone = append(gone, keptID)
	}

	before := s.cache.moves(partition)
	expect := k.revision
	revision, err := s.documents.Commit(ctx, Batch{Partition: partition, Expect: &expect, Put: batch.put, Delete: gone, Lazy: change.Lazy})
	if err != nil {
		// What is in memory may be behind the store, or the store may still finish this commit.
		s.cache.forget(partition)
		return nil, err
	}
	if cap(batch.b) <= maxPooledBytes {
		*buffer = batch.b
		buffers.Put(buffer)
	}
	next := k.at(revision, k.remembered)
	if change.Presence != nil {
		next.remembered, next.stored, next.marks = 0, change.Presence.Now.Seen, slices.Clone(change.Marks)
	}
	if !due.IsZero() || change.due != nil {
		next.due = due
	}
	next.answered = next.answered || slices.ContainsFunc(change.Documents, func(d Document) bool { return d.ID == answeredID })
	next.take(record)
	s.cache.committed(partition, next, before)
	return next, nil
}

// loyalOf are the events that add up to a history: those of who.Loyalty that nobody doubts. What is kept for another purpose is not read for this one.
func loyalOf(events []who.Event) []who.Event {
	if !slices.ContainsFunc(events, func(e who.Event) bool { return !e.Counts() }) {
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), func(e who.Event) bool { return !e.Counts() })
}

// bodies collects the documents of a batch in one buffer.
type bodies struct {
	b    []byte
	done int
	put  []Document
}

// cut makes a document of all that was appended since the last one. It has no marks, and never had.
func (c *bodies) cut(id string) {
	c.put = append(c.put, Document{ID: id, Body: c.b[c.done:len(c.b):len(c.b)], Known: true})
	c.done = len(c.b)
}

// Attach writes and deletes documents of a shopper's partition that are none of Shoppers' own, over whatever is there: a
// decision record for example. Use it rather than the port, so that the shopper in memory stays current. What comes for a
// shopper who was erased within the last minute, and has not come back since, was made before that: it is dropped.
func (s *Shoppers) Attach(ctx context.Context, key who.Key, put []Document, remove []string, lazy bool) error {
	partition := s.Partition(key)
	if s.erased.has(partition) {
		if k, err := s.find(ctx, key, partition); errors.Is(err, ErrErasing) || err == nil && k.shopper == nil {
			return nil
		}
	}
	before := s.cache.moves(partition)
	revision, err := s.documents.Commit(ctx, Batch{Partition: partition, Put: put, Delete: remove, Lazy: lazy})
	if err != nil {
		s.cache.forget(partition)
		return err
	}
	s.cache.attached(partition, revision, before)
	return nil
}

// Decisions lists every decision that was ever made about a purpose of a shopper, in order.
func (s *Shoppers) Decisions(ctx context.Context, key who.Key) ([]who.Grant, error) {
	partition := s.Partition(key)
	var decisions []who.Grant
	for from := logFrom; from != ""; {
		page, err := s.documents.Scan(ctx, partition, from, logTo, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Documents {
			grants, err := readGrants(d.Body)
			if err != nil {
				return nil, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
			}
			decisions = append(decisions, grants...)
		}
		from = page.Next
	}
	return decisions, nil
}

// putEvent adds an event and the note that it was seen.
func (s *Shoppers) putEvent(batch *bodies, e *who.Event) {
	name := s.eventName(e.ID)
	batch.b = appendEvent(batch.b, e)
	batch.cut(diaryID(e.At, name))
	batch.b = document(batch.b, func(b []byte) []byte { return bsoncore.AppendDateTimeElement(b, "at", e.At.UnixMilli()) })
	batch.cut(seenFrom + name)
}

// eventName is the pseudonym of an event's id, which a client chose and which may say anything.
func (s *Shoppers) eventName(id string) string {
	var b [32]byte
	return string(s.appendPseudonym(b[:0], "event", "", id))
}

// diaryID puts what is later before what is earlier.
func diaryID(at time.Time, name string) string { return diaryFrom + diaryPosition(at) + name }

// positionLength is the length of what diaryPosition returns, which counts down from diaryEnd.
const (
	positionLength = 17
	diaryEnd       = uint64(math.MaxInt64)
)

// diaryPosition is where in the diary the entries of a millisecond begin.
func diaryPosition(at time.Time) string {
	const digits = "0123456789abcdef"
	var b [positionLength]byte
	left := diaryEnd - uint64(at.UnixMilli())
	for i := 15; i >= 0; i-- {
		b[i] = digits[left&15]
		left >>= 4
	}
	b[16] = '-'
	return string(b[:])
}

// CachedBytes is about how much memory the decoded shoppers take, for a metric.
func (s *Shoppers) CachedBytes() uint64 {
	s.cache.entries.CleanUp()
	return s.cache.entries.WeightedSize()
}
