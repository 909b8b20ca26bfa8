package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Letter is something that one endpoint of a retailer is to be told about a shopper. It is written by the commit that
// makes it true and lies in the shopper's partition until the endpoint has it: what is known of a shopper is erased
// with what is still to be told of them.
type Letter struct {
	Endpoint string    `bson:"-"`    // no '/' and no '~' but as its first letter
	Message  string    `bson:"id"`   // the same for every endpoint and at every try: receivers know by it what they have
	Type     string    `bson:"type"` // what it tells: "satnav.trigger.enter"
	At       time.Time `bson:"at"`   // when that happened
	Made     time.Time `bson:"made"` // when it was written
	Data     string    `bson:"json"`
}

// WaitingLetter is a letter that its endpoint does not have yet.
type WaitingLetter struct {
	Letter   `bson:",inline"`
	Attempts int       `bson:"attempts,omitempty"` // tries that failed
	First    time.Time `bson:"first,omitempty"`    // the first try that failed; zero: none did since it was last asked for
	Next     time.Time `bson:"next,omitempty"`     // not before
	Since    time.Time `bson:"since,omitempty"`    // when it was last asked for: replayed, or the one before it discarded
	Fault    string    `bson:"fault,omitempty"`    // what the last try met
	Dead     bool      `bson:"-"`                  // given up: it is kept, and tried again when somebody asks for it

	Partition string `bson:"-"`
	Sequence  string `bson:"-"` // of the shopper: later letters have a greater one, compared as text
}

// Beginnings of the ids of letters, then the endpoint and the sequence, and the marks by which they are found.
const (
	outboxFrom = "outbox/"
	deadFrom   = "undelivered/"
	outboxMark = "outbox"
	deadMark   = "undelivered"
)

// ID names a waiting letter among all of its retailer.
func (l *WaitingLetter) ID() string {
	_, pseudonym, _ := strings.Cut(l.Partition, "/")
	return l.Endpoint + "~" + pseudonym + "~" + l.Sequence
}

func (l *WaitingLetter) place() (from, mark string) {
	if l.Dead {
		return deadFrom, deadMark
	}
	return outboxFrom, outboxMark
}

func (l *WaitingLetter) documentID() string {
	from, _ := l.place()
	return from + l.Endpoint + "/" + l.Sequence
}

// document is how a letter lies in its partition. Its mark says when it wants to be looked at; of a dead one, when it was made.
func (l *WaitingLetter) document() (Document, error) {
	retailer, _, _ := strings.Cut(l.Partition, "/")
	_, mark := l.place()
	at := l.Made
	for _, later := range []time.Time{l.Since, l.Next} {
		if !l.Dead && later.After(at) {
			at = later
		}
	}
	body, err := bson.Marshal(l)
	if err != nil {
		return Document{}, fmt.Errorf("letter %s: %w", l.ID(), err)
	}
	return Document{ID: l.documentID(), Body: body, Marks: []Mark{{Kind: mark, Key: retailer + "/" + l.Endpoint, At: at}}}, nil
}

// letterDocuments are those of the letters of a change, in the order of the shopper's commits.
func letterDocuments(partition string, revision Revision, letters []Letter) ([]Document, error) {
	documents := make([]Document, len(letters))
	for i, letter := range letters {
		waiting := WaitingLetter{Letter: letter, Partition: partition, Sequence: fmt.Sprintf("%016x-%03d", revision, i)}
		var err error
		if documents[i], err = waiting.document(); err != nil {
			return nil, err
		}
		documents[i].Known = true // the revision makes it a new one
	}
	return documents, nil
}

// readLetter reads a letter back.
func readLetter(d Document) (WaitingLetter, error) {
	l := WaitingLetter{Partition: d.Partition}
	rest, dead := strings.CutPrefix(d.ID, deadFrom)
	rest = strings.TrimPrefix(rest, outboxFrom)
	endpoint, sequence, ok := strings.Cut(rest, "/")
	if !ok {
		return l, fmt.Errorf("document %q is no letter: %w", d.ID, errDamaged)
	}
	if err := bson.Unmarshal(d.Body, &l); err != nil {
		return l, fmt.Errorf("partition %q: document %q: %w", d.Partition, d.ID, err)
	}
	l.Endpoint, l.Sequence, l.Dead = endpoint, sequence, dead
	l.At, l.Made, l.First, l.Next, l.Since = l.At.UTC(), l.Made.UTC(), l.First.UTC(), l.Next.UTC(), l.Since.UTC()
	return l, nil
}

// Letters finds letters over all shoppers, by a mark of their endpoint: those that wait to be looked at before to, or the dead.
func (s *Shoppers) Letters(ctx context.Context, retailer, endpoint string, dead bool, after Position, to time.Time, limit int) (found []WaitingLetter, next []Position, more bool, err error) {
	mark := outboxMark
	if dead {
		mark = deadMark
	}
	marked, more, err := s.documents.Marked(ctx, mark, string(appendRetailer(nil, retailer))+endpoint, after, to, limit)
	if err != nil {
		return nil, nil, false, err
	}
	for _, m := range marked {
		letter, err := readLetter(m.Document)
		if err != nil {
			return nil, nil, false, err
		}
		found, next = append(found, letter), append(next, m.Position())
	}
	return found, next, more, nil
}

// Queue returns the first letters of one shopper to one endpoint in the order of their sequence, and the revision of the
// partition at which they were read.
func (s *Shoppers) Queue(ctx context.Context, partition, endpoint string, limit int) ([]WaitingLetter, Revision, error) {
	from := outboxFrom + endpoint
	page, err := s.documents.Scan(ctx, partition, from+"/", from+"0", limit)
	if err != nil {
		return nil, 0, err
	}
	letters := make([]WaitingLetter, len(page.Documents))
	for i, d := range page.Documents {
		d.Partition = partition
		if letters[i], err = readLetter(d); err != nil {
			return nil, 0, err
		}
	}
	return letters, page.Revision, nil
}

// Letter returns a letter by its ID, or ErrNotFound, and the revision of its partition.
func (s *Shoppers) Letter(ctx context.Context, retailer, id string) (WaitingLetter, Revision, error) {
	rest, sequence, ok := cutLast(id, "~")
	endpoint, pseudonym, both := cutLast(rest, "~")
	if !ok || !both || CheckName("id", id) != nil || strings.Contains(id, "/") {
		return WaitingLetter{}, 0, ErrNotFound
	}
	partition := string(appendRetailer(nil, retailer)) + pseudonym
	for _, beginning := range []string{outboxFrom, deadFrom} {
		at := beginning + endpoint + "/" + sequence
		page, err := s.documents.Scan(ctx, partition, at, at+"\x01", 1)
		if err != nil {
			return WaitingLetter{}, 0, err
		}
		if len(page.Documents) == 1 {
			page.Documents[0].Partition = partition
			letter, err := readLetter(page.Documents[0])
			return letter, page.Revision, err
		}
	}
	return WaitingLetter{}, 0, ErrNotFound
}

// noticeFrom begins what names a partition of letters about somebody of whom nothing is kept any more; then comes the pseudonym. No pseudonym has a 0.
const noticeFrom = "0"

// NoticePseudonym is whom a partition of letters is about, where it is no shopper's.
func NoticePseudonym(name string) string { return strings.TrimPrefix(name, noticeFrom) }

// Post keeps letters about a shopper, durably, in a partition of their own: they tell that the shopper was erased, and outlive what they tell of. They
// hold no more of the shopper than the pseudonym by which the endpoints know them.
func (s *Shoppers) Post(ctx context.Context, retailer, pseudonym string, letters []Letter) error {
	partition := string(appendRetailer(nil, retailer)) + noticeFrom + pseudonym
	for range recordTries {
		revision, err := s.documents.Revision(ctx, partition)
		if err != nil {
			return err
		}
		put, err := letterDocuments(partition, revision+1, letters)
		if err != nil {
			return err
		}
		_, err = s.documents.Commit(ctx, Batch{Partition: partition, Expect: &revision, Put: put})
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("partition %q: letters after %d tries: %w", partition, recordTries, ErrConflict)
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// SettleLetters removes letters of one partition and writes others anew, if the partition is still at the revision at
// which they were read, else it is ErrConflict: what was erased meanwhile never comes back. A lazy one may be lost with
// the process, and the letters are then sent again.
func (s *Shoppers) SettleLetters(ctx context.Context, partition string, revision Revision, remove, put []WaitingLetter, lazy bool) error {
	batch := Batch{Partition: partition, Expect: &revision, Lazy: lazy}
	for i := range remove {
		batch.Delete = append(batch.Delete, remove[i].documentID())
	}
	for i := range put {
		d, err := put[i].document()
		if err != nil {
			return err
		}
		batch.Put = append(batch.Put, d)
	}
	before := s.cache.moves(partition)
	moved, err := s.documents.Commit(ctx, batch)
	if err != nil {
		s.cache.forget(partition)
		return err
	}
	s.cache.attached(partition, moved, before)
	return nil
}
