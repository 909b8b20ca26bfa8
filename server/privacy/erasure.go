package privacy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"satnav/context/who"
	"satnav/server/every"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// ErrHeld says that what is known of the shopper is under a legal hold: it may be neither erased, nor changed, nor used.
var ErrHeld = store.ErrHeld

// Actor is who does something about somebody's data.
type Actor struct {
	Role string // of the token; "operator" at the command line
	Name string // the token's subject; of a shopper it becomes a pseudonym in the audit log
}

// Receipt is what the shopper, or who asked for them, gets of an erasure. With it the proof can be read, and shown to be
// of this shopper: SHA-256 over Secret, a newline, the retailer, a newline and the shopper's id is Proof.Commitment.
type Receipt struct {
	ID     string
	Secret string
	Proof  store.Proof
}

// Scrubber removes from the disk what was erased of partitions. The embedded store is one; a database has its own ways.
type Scrubber interface {
	Scrub(ctx context.Context, partitions []string) error
}

// Answers forgets what a shopper's calls were answered, by pseudonym.
type Answers interface {
	Forget(ctx context.Context, retailer, pseudonym string) error
}

// Shredder destroys the keys with which backups and exports of partitions are sealed.
type Shredder interface {
	Shred(ctx context.Context, partitions []string) error
}

// Erasing is what erasures need.
type Erasing struct {
	Shoppers  *store.Shoppers
	Retailers *retailer.Retailers
	Erasures  *store.Erasures
	Audit     *audit.Log
	Answers   Answers  // nil: none are kept
	Scrubber  Scrubber // nil: the store has none
	Shredder  Shredder // nil: nothing is sealed
	Now       func() time.Time
	Log       *slog.Logger
}

// Erasures erases shoppers, everywhere, and keeps the proof. It is safe for concurrent use. Run must run for what is done
// later: the disk within ScrubEvery, the model within the day.
type Erasures struct {
	Erasing

	mu        sync.Mutex
	forgetful []func(who.Key)
	first     []func(context.Context, who.Key) error
	tellers   []func(ctx context.Context, retailer, pseudonym string, proof store.Proof) error

	sweeping sync.Mutex // one sweep at a time
}

// NewErasures makes erasures.
func NewErasures(parts Erasing) *Erasures { return &Erasures{Erasing: parts} }

// Forget adds a function that drops what some part of the process remembers of a shopper: each cache, queue and window
// beside the store adds one. It is called before the shopper is erased and once more after, from any goroutine.
func (e *Erasures) Forget(f func(who.Key)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetful = append(e.forgetful, f)
}

// First adds a function that is called before anything of a shopper is taken away; an error of it stops the erasure before it began.
func (e *Erasures) First(f func(context.Context, who.Key) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.first = append(e.first, f)
}

// Tell adds a function that lets recipients of the data know, durably, that they must erase it too. It gets the pseudonym
// by which they know the shopper.
func (e *Erasures) Tell(f func(ctx context.Context, retailer, pseudonym string, proof store.Proof) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tellers = append(e.tellers, f)
}

// Erase erases all that is known of a shopper. When it returns nothing of them can be read any more, by any call on any
// replica: documents with their marks (diary, decision records, what waits in the outbox), what is in memory, and what the
// crowd's counts had of them, subtracted exactly; the crowd that another process holds in memory forgets them within a second. The model is deleted and learnt anew within the hour, and the disk is
// cleaned within ScrubEvery; Proof tells when. Call it for DELETE /v1/me with the role and subject of the token:
//
//	receipt, err := erasures.Erase(ctx, key, privacy.Actor{Role: "shopper", Name: key.Shopper}, "")
//
// and answer with the receipt. The shopper need not be known: the answer then is the same, so that nobody learns by it who
// is. It returns ErrHeld when a legal hold is in the way; nothing is erased then, and what is known is not used either, since
// a hold withdraws all grants. When it fails half-way what is left is erased by Run.
func (e *Erasures) Erase(ctx context.Context, key who.Key, by Actor, reason string) (Receipt, error) {
	pseudonym := e.Shoppers.Pseudonym(key)
	_, err := e.Erasures.Hold(ctx, key.Retailer, pseudonym)
	if err == nil {
		return Receipt{}, errors.Join(ErrHeld, e.log(ctx, key, by, audit.ErasureRefused, pseudonym, nil))
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Receipt{}, fmt.Errorf("legal hold: %w", err)
	}
	e.mu.Lock()
	first := slices.Clone(e.first)
	e.mu.Unlock()
	for _, f := range first {
		if err := f(ctx, key); err != nil {
			return Receipt{}, fmt.Errorf("before the erasure: %w", err)
		}
	}
	now := e.Now().UTC().Truncate(time.Millisecond)
	receipt := Receipt{ID: ulid.Make().String(), Secret: rand.Text()}
	erasure := store.Erasure{Retailer: key.Retailer, Partition: e.Shoppers.Partition(key), Proof: store.Proof{
		ID: receipt.ID, Commitment: Commitment(receipt.Secret, key), Role: by.Role, Reason: reason, Asked: now,
	}}
	if err := e.log(ctx, key, by, audit.ErasureAsked, pseudonym, map[string]string{"erasure": receipt.ID}); err != nil {
		return Receipt{}, err
	}
	if err := e.Erasures.Put(ctx, erasure); err != nil { // from here on it goes on by itself
		return Receipt{}, fmt.Errorf("erasure %s: %w", receipt.ID, err)
	}
	e.forgetEverywhere(key) // what is on its way into the store gets there now or never
	err = e.Retailers.Record(ctx, key.Retailer, func() ([]store.Step, error) { return e.take(ctx, key, &erasure) })
	if err != nil {
		return Receipt{}, fmt.Errorf("erasure %s: %w", receipt.ID, err)
	}
	e.forgetEverywhere(key)
	if err := e.gone(ctx, &erasure, pseudonym); err != nil {
		return Receipt{}, err
	}
	receipt.Proof = erasure.Proof
	return receipt, nil
}

// take erases a shopper and returns what the crowd must forget of them, also when the rest failed.
func (e *Erasures) take(ctx context.Context, key who.Key, erasure *store.Erasure) ([]store.Step, error) {
	removed, err := e.Shoppers.Erase(ctx, key, erasure.Proof.Asked)
	erasure.Proof.Documents = removed.Documents
	if removed.Shopper == nil {
		return nil, err
	}
	return []store.Step{{Partition: erasure.Partition, Before: counted(removed.Shopper)}}, err
}

// Commitment is what a proof holds of whom it is about.
func Commitment(secret string, key who.Key) string {
	sum := sha256.Sum256([]byte(secret + "\n" + key.Retailer + "\n" + key.Shopper))
	return hex.EncodeToString(sum[:])
}

func (e *Erasures) log(ctx context.Context, key who.Key, by Actor, action audit.Action, object string, detail map[string]string) error {
	return e.Audit.Append(ctx, key.Retailer, audit.Entry{Role: by.Role, Name: e.name(key.Retailer, by), Action: action, Object: object, Detail: detail})
}

// name is how an actor stands in the audit log.
func (e *Erasures) name(retailer string, by Actor) string {
	if by.Role == "shopper" {
		return e.Shoppers.Pseudonym(who.Key{Retailer: retailer, Shopper: by.Name})
	}
	return by.Name
}

func (e *Erasures) forgetEverywhere(key who.Key) {
	e.mu.Lock()
	forgetful := slices.Clone(e.forgetful)
	e.mu.Unlock()
	for _, f := range forgetful {
		f(key)
	}
}

// gone notes that nothing can be read any more, and lets others know.
func (e *Erasures) gone(ctx context.Context, erasure *store.Erasure, pseudonym string) error {
	p := &erasure.Proof
	at := e.Now().UTC().Truncate(time.Millisecond)
	if err := e.forgotten(ctx, erasure, at); err != nil {
		return err
	}
	if e.Answers != nil {
		if err := e.Answers.Forget(ctx, erasure.Retailer, pseudonym); err != nil {
			return fmt.Errorf("erasure %s: %w", p.ID, err)
		}
	}
	e.mu.Lock()
	tellers := slices.Clone(e.tellers)
	e.mu.Unlock()
	p.Erased = at
	for _, tell := range tellers {
		if err := tell(ctx, erasure.Retailer, pseudonym, *p); err != nil {
			return fmt.Errorf("erasure %s: tell recipients: %w", p.ID, err)
		}
		p.Told = at
	}
	if err := e.Erasures.Put(ctx, *erasure); err != nil {
		return fmt.Errorf("erasure %s: %w", p.ID, err)
	}
	return nil
}

// forgotten has the model unlearn what cannot be read any more, and other processes count it no more; complete waits for both.
func (e *Erasures) forgotten(ctx context.Context, erasure *store.Erasure, at time.Time) error {
	mark, err := e.Retailers.Forgotten(ctx, erasure.Retailer, at)
	if err != nil {
		return fmt.Errorf("erasure %s: %w", erasure.Proof.ID, err)
	}
	erasure.Lesson, erasure.Epoch = mark.Lesson, mark.Epoch
	return nil
}

// Proof returns the proof of an erasure, completed or not, or store.ErrNotFound.
func (e *Erasures) Proof(ctx context.Context, retailer, id string) (store.Proof, error) {
	erasure, err := e.Erasures.Get(ctx, retailer, id)
	return erasure.Proof, err
}

const (
	// ScrubEvery is how long an erasure waits for others to be cleaned from the disk with it, at most.
	ScrubEvery = 5 * time.Minute

	lookEvery = 5 * time.Second
	// settle is how long after an erasure another process may still write what it had begun.
	settle = 10 * time.Second
)

// Run does what is due of erasures until the context ends.
func (e *Erasures) Run(ctx context.Context) {
	sweep := func() {
		if err := e.Sweep(ctx, false); err != nil && ctx.Err() == nil {
			e.Log.Error("erasures cannot go on; it is tried again", "err", err)
		}
	}
	sweep()
	every.Do(ctx, lookEvery, sweep)
}

// Sweep takes each erasure as far as it can be taken: finishes those that broke off, and cleans the disk of all together once
// the oldest has waited for ScrubEvery, or at once if it is to be now. Those whose model is still to be learnt stay open.
func (e *Erasures) Sweep(ctx context.Context, atOnce bool) error {
	e.sweeping.Lock()
	defer e.sweeping.Unlock()
	open, err := e.Erasures.Open(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	now := e.Now().UTC().Truncate(time.Millisecond)
	due := atOnce
	for i := range open {
		p := &open[i].Proof
		if p.Erased.IsZero() {
			if now.Sub(p.Asked) < settle && !atOnce {
				continue // the call that asked is still at it
			}
			if err := e.finish(ctx, &open[i]); err != nil {
				return err
			}
		}
		if open[i].Lesson == 0 && !p.Erased.IsZero() { // of a version that did not number them
			if err := errors.Join(e.forgotten(ctx, &open[i], now), e.Erasures.Put(ctx, open[i])); err != nil {
				return err
			}
		}
		due = due || p.Scrubbed.IsZero() && (open[i].Partition != "" || e.Scrubber != nil) && now.Sub(p.Asked) >= ScrubEvery
	}
	if due {
		if err := e.clean(ctx, open, now); err != nil {
			return err
		}
	}
	for i := range open {
		if err := e.complete(ctx, &open[i], now); err != nil {
			return err
		}
	}
	return nil
}

// finish erases what a call left that ended in the midst of it.
func (e *Erasures) finish(ctx context.Context, erasure *store.Erasure) error {
	key, err := e.Shoppers.KeyOf(ctx, erasure.Partition)
	switch {
	case err == nil: // nothing was taken away yet
		err = e.Retailers.Record(ctx, erasure.Retailer, func() ([]store.Step, error) { return e.take(ctx, key, erasure) })
	case errors.Is(err, store.ErrNotFound):
		// Whether the crowd's counts in this process have subtracted it is not known.
		err = errors.Join(e.Shoppers.ErasePartition(ctx, erasure.Partition), e.Retailers.Recount(ctx, erasure.Retailer))
	}
	if err != nil {
		return fmt.Errorf("erasure %s: %w", erasure.Proof.ID, err)
	}
	return e.gone(ctx, erasure, pseudonymOf(erasure.Partition))
}

// clean removes from keys and disk what was erased.
func (e *Erasures) clean(ctx context.Context, open []store.Erasure, now time.Time) error {
	var partitions []string
	var cleaned []int // which of open are cleaned now
	pseudonyms := make([]string, len(open))
	unknown := false
	for i := range open {
		erasure := &open[i]
		if erasure.Proof.Erased.IsZero() || !erasure.Proof.Scrubbed.IsZero() || erasure.Partition == "" && e.Scrubber == nil {
			continue
		}
		cleaned = append(cleaned, i)
		if erasure.Partition == "" { // a scrub broke off, after which nobody knows where it was
			unknown = true
			continue
		}
		left, err := e.Shoppers.Leftovers(ctx, erasure.Partition)
		if err == nil && left { // somebody may have counted, or learnt from, what was left
			if err = e.Shoppers.ErasePartition(ctx, erasure.Partition); err == nil {
				err = e.forgotten(ctx, erasure, now)
			}
			if err == nil {
				err = e.Erasures.Put(ctx, *erasure)
			}
		}
		if err != nil {
			return fmt.Errorf("erasure %s: %w", erasure.Proof.ID, err)
		}
		// Its name stays until all processes have taken it out of the crowd: they find it by that.
		uncounted, err := e.Retailers.Uncounted(ctx, erasure.Epoch)
		if err != nil {
			return fmt.Errorf("erasure %s: %w", erasure.Proof.ID, err)
		}
		if !uncounted {
			cleaned = cleaned[:len(cleaned)-1]
			continue
		}
		partitions = append(partitions, erasure.Partition, store.ErasuresPartition(erasure.Retailer))
		pseudonyms[i] = pseudonymOf(erasure.Partition)
	}
	if len(cleaned) == 0 {
		return nil
	}
	if e.Shredder != nil {
		if err := e.Shredder.Shred(ctx, partitions); err != nil {
			return fmt.Errorf("shred keys: %w", err)
		}
	}
	for _, i := range cleaned { // the name goes before the scrub, which then removes it too
		if e.Shredder != nil {
			open[i].Proof.Shredded = now
		}
		open[i].Partition = ""
		if err := e.Erasures.Put(ctx, open[i]); err != nil {
			return err
		}
	}
	if err := e.scrub(ctx, partitions, unknown); err != nil {
		return err
	}
	for _, i := range cleaned {
		if e.Scrubber != nil {
			open[i].Proof.Scrubbed = now
		}
		if err := e.done(ctx, &open[i], pseudonyms[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Erasures) scrub(ctx context.Context, partitions []string, all bool) error {
	if e.Scrubber == nil {
		return nil
	}
	slices.Sort(partitions)
	partitions = slices.Compact(partitions)
	if all {
		partitions = nil
	}
	began := time.Now()
	if err := e.Scrubber.Scrub(ctx, partitions); err != nil {
		return err
	}
	e.Log.Info("erased from the disk", "partitions", len(partitions), "took", time.Since(began))
	return nil
}

// done logs that an erasure has reached everything.
func (e *Erasures) done(ctx context.Context, erasure *store.Erasure, pseudonym string) error {
	err := e.Audit.Append(ctx, erasure.Retailer, audit.Entry{Role: "satnav", Action: audit.ErasureDone, Object: pseudonym, Detail: map[string]string{
		"erasure": erasure.Proof.ID, "documents": strconv.Itoa(erasure.Proof.Documents),
	}})
	if err != nil {
		return err
	}
	return e.Erasures.Put(ctx, *erasure)
}

// complete closes an erasure of which nothing is left to do.
func (e *Erasures) complete(ctx context.Context, erasure *store.Erasure, now time.Time) error {
	p := &erasure.Proof
	if p.Erased.IsZero() || erasure.Partition != "" || e.Scrubber != nil && p.Scrubbed.IsZero() {
		return nil
	}
	unlearnt, err := e.Retailers.Unlearnt(ctx, erasure.Retailer, erasure.Lesson)
	if err != nil || !unlearnt {
		return err
	}
	p.Unlearnt, p.Completed = now, now
	return e.Erasures.Put(ctx, *erasure)
}

// PlaceHold keeps what is known of a shopper from being erased, and withdraws all that they granted: it is kept, and not used.
func (e *Erasures) PlaceHold(ctx context.Context, permissions *Permissions, key who.Key, by Actor, reason string) error {
	pseudonym := e.Shoppers.Pseudonym(key)
	now := e.Now().UTC().Truncate(time.Millisecond)
	if err := e.log(ctx, key, by, audit.HoldPlaced, pseudonym, map[string]string{"reason": reason}); err != nil {
		return err
	}
	if err := e.Erasures.PlaceHold(ctx, key.Retailer, pseudonym, store.Hold{At: now, By: by.Name, Reason: reason}); err != nil {
		return err
	}
	return permissions.Restrict(ctx, key, now)
}

// ReleaseHold ends a legal hold, or returns store.ErrNotFound. What was granted before is not granted again by it: that is for
// the shopper to say.
func (e *Erasures) ReleaseHold(ctx context.Context, key who.Key, by Actor) error {
	pseudonym := e.Shoppers.Pseudonym(key)
	there, err := e.Erasures.ReleaseHold(ctx, key.Retailer, pseudonym)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("legal hold: %w", store.ErrNotFound)
	}
	return e.log(ctx, key, by, audit.HoldReleased, pseudonym, nil)
}

// retailerOf is whose shopper a partition is about.
func retailerOf(partition string) string {
	spelt, _, _ := strings.Cut(partition, "/")
	if retailer, err := url.PathUnescape(spelt); err == nil {
		return retailer
	}
	return spelt
}

// pseudonymOf is the pseudonym in the name of a shopper's partition.
func pseudonymOf(partition string) string {
	for i := len(partition) - 1; i >= 0; i-- {
		if partition[i] == '/' {
			return partition[i+1:]
		}
	}
	return partition
}
