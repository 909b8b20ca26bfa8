package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/server/every"
)

// Errors of a call that was named with a key.
var (
	// ErrUnderWay says that the same call is being carried out, here or in another process: come again in a second.
	ErrUnderWay = errors.New("the call is under way")

	// ErrOtherCall says that the key names another call.
	ErrOtherCall = errors.New("the key names another call")
)

// CallsKept is how long the answer of a call is told again.
const CallsKept = 24 * time.Hour

// takenFor is how long after its deadline a call whose process died is left alone by other processes, whose clocks may differ.
const takenFor = 5 * time.Second

// CallName names a call: who made it, by a pseudonym of the retailer's own or the role and subject of a token, and the
// Idempotency-Key.
type CallName struct{ Retailer, Caller, Key string }

// Answer is what a call was answered with.
type Answer struct {
	Status int               `bson:"status"`
	Header map[string]string `bson:"header,omitempty"`
	Body   []byte            `bson:"body,omitempty"`
}

// Calls remembers the answers of calls that their callers named, for CallsKept, so that such a call is carried out once however
// often it is sent. It is safe for concurrent use, also by several processes.
//
// A call is noted before it is carried out, durably, and its answer after; where a process dies in between, the call is carried
// out again when it comes again: at once by the process that alone has the store, else once the first cannot be under way any
// more. What it changed is told from a first time by its own means, see [Edit.Call]. Answers are sealed with the key of the caller,
// which is kept nowhere: without it nobody can read one, in the store or in a backup.
//
// Decided against: the answer in the commit of what the call changed. A call may change several partitions, or none.
type Calls struct {
	documents Documents
	secret    []byte
	alone     bool
	process   string
}

// NewCalls remembers calls in the documents. The secret is the installation's; alone says that no other process has the documents.
func NewCalls(documents Documents, secret []byte, alone bool) *Calls {
	return &Calls{documents, secret, alone, rand.Text()}
}

// Call is one that is being carried out, until Answered or Broken.
type Call struct {
	// ID names the call in what it changes.
	ID string

	calls     *Calls
	partition string
	seal      cipher.AEAD
	revision  Revision
	kept      callDocument
}

type callDocument struct {
	Print   []byte    `bson:"print"` // SHA-256 of what was asked for
	At      time.Time `bson:"at"`
	Process string    `bson:"process,omitempty"` // that carries it out; empty: it is answered
	Until   time.Time `bson:"until,omitempty"`   // it cannot be under way after that
	Sealed  []byte    `bson:"sealed,omitempty"`  // the answer
}

const (
	callMark    = "call"
	callID      = "call"
	editPrefix  = "call/" // then Call.ID: an edit that a call made, in the partition of what was edited
	callsFolder = "~calls/"
)

// mac is an HMAC over parts, each behind its length.
func (c *Calls) mac(parts ...string) []byte {
	mac := hmac.New(sha256.New, c.secret)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

func (c *Calls) folder(retailer, caller string) string {
	b := append(appendRetailer(nil, retailer), callsFolder...)
	return string(append(pseudonymEncoding.AppendEncode(b, c.mac("caller of a call", retailer, caller)[:16]), '/'))
}

// Begin notes that a call is being carried out, which takes at most within. It returns the answer instead when the call has
// one, ErrUnderWay, or ErrOtherCall when something else was asked for under this name.
func (c *Calls) Begin(ctx context.Context, name CallName, asked [sha256.Size]byte, now time.Time, within time.Duration) (*Call, *Answer, error) {
	call := &Call{calls: c, ID: pseudonymEncoding.EncodeToString(c.mac("call", name.Retailer, name.Caller, name.Key)[:16])}
	call.partition = c.folder(name.Retailer, name.Caller) + call.ID
	block, err := aes.NewCipher(c.mac("answer of a call", name.Retailer, name.Caller, name.Key))
	if err != nil {
		return nil, nil, err
	}
	if call.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, nil, err
	}
	page, err := c.documents.Scan(ctx, call.partition, callID, "", 1)
	if err != nil {
		return nil, nil, fmt.Errorf("call %s: %w", call.ID, err)
	}
	if len(page.Documents) > 0 {
		var kept callDocument
		if err := bson.Unmarshal(page.Documents[0].Body, &kept); err != nil {
			return nil, nil, fmt.Errorf("call %s: %w", call.ID, err)
		}
		switch dead := c.alone && kept.Process != c.process; {
		case subtle.ConstantTimeCompare(kept.Print, asked[:]) == 0:
			return nil, nil, ErrOtherCall
		case kept.Process == "":
			answer, err := call.open(kept.Sealed)
			return nil, answer, err
		case !dead && now.Before(kept.Until):
			return nil, nil, ErrUnderWay
		}
	}
	call.kept = callDocument{Print: asked[:], At: now, Process: c.process, Until: now.Add(within + takenFor)}
	call.revision = page.Revision
	if err := call.keep(ctx); errors.Is(err, ErrConflict) {
		return nil, nil, ErrUnderWay // another try was faster
	} else if err != nil {
		return nil, nil, fmt.Errorf("call %s: %w", call.ID, err)
	}
	return call, nil, nil
}

func (c *Call) keep(ctx context.Context) error {
	body, err := bson.Marshal(c.kept)
	if err != nil {
		return err
	}
	c.revision, err = c.calls.documents.Commit(ctx, Batch{Partition: c.partition, Expect: &c.revision, Put: []Document{{
		ID: callID, Body: body, Marks: []Mark{{Kind: callMark, At: c.kept.At.Add(CallsKept)}},
	}}})
	return err
}

func (c *Call) open(sealed []byte) (*Answer, error) {
	plain, err := c.seal.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("call %s: its answer cannot be opened: %w", c.ID, err)
	}
	answer := new(Answer)
	if err := bson.Unmarshal(plain, answer); err != nil {
		return nil, fmt.Errorf("call %s: %w", c.ID, err)
	}
	return answer, nil
}

// Answered keeps the answer, durably.
func (c *Call) Answered(ctx context.Context, answer Answer) error {
	plain, err := bson.Marshal(answer)
	if err != nil {
		return fmt.Errorf("call %s: %w", c.ID, err)
	}
	c.kept.Process, c.kept.Until, c.kept.Sealed = "", time.Time{}, c.seal.Seal(nil, nil, plain, nil)
	began := c.revision
	err = c.keep(ctx)
	if errors.Is(err, ErrConflict) {
		// The call erased its own caller, and with them what was noted of it.
		now, failed := c.calls.documents.Revision(ctx, c.partition)
		if failed == nil && now == 0 && began > 0 {
			c.revision = 0
			err = c.keep(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", c.ID, err)
	}
	return nil
}

// Broken forgets a call that was not carried out, or of which nobody knows: it may be tried again at once.
func (c *Call) Broken(ctx context.Context) error {
	c.kept.Process, c.kept.Until = "broken off", time.Time{}
	if err := c.keep(ctx); err != nil {
		return fmt.Errorf("call %s: %w", c.ID, err)
	}
	return nil
}

// Forget erases the answers to all calls of a caller.
func (c *Calls) Forget(ctx context.Context, retailer, caller string) error {
	folder := c.folder(retailer, caller)
	for from, to := folder, folder[:len(folder)-1]+"0"; from != ""; {
		names, next, err := c.documents.Partitions(ctx, from, to, 0)
		if err != nil {
			return fmt.Errorf("calls: %w", err)
		}
		for _, name := range names {
			if err := erasePartition(ctx, c.documents, name); err != nil {
				return fmt.Errorf("calls: %w", err)
			}
		}
		from = next
	}
	return nil
}

func erasePartition(ctx context.Context, documents Documents, partition string) error {
	for left := true; left; {
		var err error
		if left, err = documents.Erase(ctx, partition); err != nil {
			return err
		}
	}
	return nil
}

// sweepCalls is how often calls whose time is over are forgotten.
const sweepCalls = time.Minute

// Run forgets calls when their time is over, until the context ends.
func (c *Calls) Run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	every.Do(ctx, sweepCalls, func() {
		if err := c.Sweep(ctx, now()); err != nil && ctx.Err() == nil {
			log.Warn("answers of calls are kept for longer than they should be; it is tried again", "err", err)
		}
	})
}

// Sweep forgets the calls whose time is over.
func (c *Calls) Sweep(ctx context.Context, now time.Time) error {
	for {
		found, more, err := c.documents.Marked(ctx, callMark, "", Position{}, now, 0)
		if err != nil {
			return fmt.Errorf("calls: %w", err)
		}
		edits := map[string][]string{} // by partition
		for _, m := range found {
			if m.ID != callID {
				edits[m.Partition] = append(edits[m.Partition], m.ID)
				continue
			}
			if err := erasePartition(ctx, c.documents, m.Partition); err != nil {
				return fmt.Errorf("calls: %w", err)
			}
		}
		for partition, ids := range edits {
			if _, err := c.documents.Commit(ctx, Batch{Partition: partition, Delete: ids}); err != nil {
				return fmt.Errorf("calls: %w", err)
			}
		}
		if !more {
			return nil
		}
	}
}
