package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"satnav/context/who"
)

// CodeState is where a single-use code stands.
type CodeState string

const (
	CodeFree CodeState = "free"
	// CodeHeld is a code that a redemption has: the shopper's commit decides.
	CodeHeld CodeState = "held"
	// CodeClosing is a code of which it is being found out what the shopper's commit came to. No redemption may commit from here on.
	CodeClosing CodeState = "closing"
	CodeUsed    CodeState = "used"
	// CodeLost is a code that may be used: nothing is known any more of the shopper whose redemption had it. It is used for everybody but
	// that same redemption.
	CodeLost CodeState = "lost"
)

// Code is a single-use code of an offer.
type Code struct {
	Code  string // as it was made
	Offer string
	State CodeState
	Made  time.Time
	Used  time.Time // zero: it is not
}

// Errors of codes.
var (
	// ErrCodeTaken says that a code belongs to another offer.
	ErrCodeTaken = errors.New("the code is another offer's")
	// ErrCodeUnknown says that the offer has no such code.
	ErrCodeUnknown = errors.New("the offer has no such code")
	// ErrCodeUsed says that a code was redeemed.
	ErrCodeUsed = errors.New("the code was redeemed already")
	// ErrCodeHeld says that another redemption has the code: within CodeSettled it is used or free.
	ErrCodeHeld = errors.New("another redemption of the code is under way")
)

// Codes keep single-use codes. Each is a partition of its own, so that a redemption is decided by compare-and-set on it, in whatever
// process:
//
//	free → held by this redemption → the shopper's commit → used
//
// A redemption that ends half-way leaves a held code behind. Settle finds it by its mark and asks the shopper's partition, in an
// order that leaves no gap: it moves the code to closing, then the revision of the shopper's partition, and then looks whether the
// event is there. A redemption checks that it still holds its code after it has read the revision on which it commits; so it either
// committed before the revision moved, and is seen, or finds its hold gone, and stops. No clock decides: a process may freeze for
// as long as it likes.
//
// Codes are safe for concurrent use.
type Codes struct {
	documents Documents
	shoppers  *Shoppers
	now       func() time.Time
}

// NewCodes keeps codes in the documents.
func NewCodes(documents Documents, shoppers *Shoppers, now func() time.Time) *Codes {
	return &Codes{documents, shoppers, now}
}

// CodeSettled is how old a hold is before Settle looks at it. A younger one may be under way.
const CodeSettled = 30 * time.Second

const (
	codeID   = "code"
	codeMark = "code"      // on every code, by its offer: lists them
	heldMark = "code-held" // on those of redemptions under way
)

// codeDocument is a code as it is kept. While it is held it names the shopper by partition; afterwards nothing in it tells of them.
type codeDocument struct {
	Code  string    `bson:"code"`
	Offer string    `bson:"offer"`
	State CodeState `bson:"state"`
	Made  time.Time `bson:"made"`
	Used  time.Time `bson:"used,omitempty"`
	// By names the redemption: a pseudonym of shopper and event.
	By        string    `bson:"by,omitempty"`
	Partition string    `bson:"partition,omitempty"` // of the shopper
	Event     string    `bson:"event,omitempty"`     // pseudonym of the event's id
	Held      time.Time `bson:"held,omitempty"`
}

// Spelt is a code as it is compared: letters are capital, spaces and dashes make no difference.
func Spelt(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
}

// CodeProblem says what is wrong with a code that is to be added, or nothing.
func CodeProblem(code string) string {
	s := Spelt(code)
	if len(s) < 6 || len(s) > 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return fmt.Sprintf("got %.70q, want 6 to 64 letters and digits; dashes may stand between them", code)
	}
	return ""
}

func (c *Codes) partition(retailer, code string) string {
	return string(c.shoppers.appendPseudonym(append(appendRetailer(nil, retailer), "~code/"...), "code", retailer, Spelt(code)))
}

// offerKey is what the codes of an offer are marked with.
func (c *Codes) offerKey(retailer, offer string) string {
	return string(c.shoppers.appendPseudonym(nil, "offer", retailer, offer))
}

// redemption names the redemption of a shopper's event.
func (c *Codes) redemption(key who.Key, event string) string {
	return string(c.shoppers.appendPseudonym(nil, "redemption", key.Retailer, key.Shopper, event))
}

// newCode makes a code of 60 bits, as AB3D-EF5G-HI7J.
func newCode() string {
	text := rand.Text()
	return text[:4] + "-" + text[4:8] + "-" + text[8:12]
}

// codeWriters is how many codes are made at once.
const codeWriters = 64

// Make makes n codes of an offer.
func (c *Codes) Make(ctx context.Context, retailer, offer string, n int) ([]Code, error) {
	codes := make([]string, n)
	for i := range codes {
		codes[i] = newCode()
	}
	return c.Add(ctx, retailer, offer, codes)
}

// Add adds codes to an offer, durably. One that it has already stays as it is. It returns ErrCodeTaken where one is another offer's;
// those before it may be added by then.
func (c *Codes) Add(ctx context.Context, retailer, offer string, codes []string) ([]Code, error) {
	added := make([]Code, len(codes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(codeWriters)
	for i, code := range codes {
		group.Go(func() error {
			d, err := c.add(ctx, retailer, offer, code)
			added[i] = d.told()
			return err
		})
	}
	return added, group.Wait()
}

func (c *Codes) add(ctx context.Context, retailer, offer, code string) (codeDocument, error) {
	partition := c.partition(retailer, code)
	for {
		d, revision, err := c.read(ctx, partition)
		switch {
		case err == nil && d.Offer != offer:
			return d, fmt.Errorf("code %q: %w", code, ErrCodeTaken)
		case err == nil:
			return d, nil
		case !errors.Is(err, ErrNotFound):
			return d, err
		}
		d = codeDocument{Code: code, Offer: offer, State: CodeFree, Made: c.now().UTC().Truncate(time.Millisecond)}
		if err = c.put(ctx, retailer, partition, revision, d); !errors.Is(err, ErrConflict) {
			return d, err
		}
	}
}

// List lists the codes of an offer in the order in which they were made, after a position, and where to continue.
func (c *Codes) List(ctx context.Context, retailer, offer string, after Position, limit int) (codes []Code, next Position, more bool, err error) {
	found, more, err := c.documents.Marked(ctx, codeMark, c.offerKey(retailer, offer), after, time.Time{}, limit)
	if err != nil {
		return nil, after, false, err
	}
	next = after
	for _, m := range found {
		var d codeDocument
		if err := bson.Unmarshal(m.Body, &d); err != nil {
			return nil, after, false, fmt.Errorf("partition %q: %w", m.Partition, errDamaged)
		}
		codes, next = append(codes, d.told()), m.Position()
	}
	return codes, next, more, nil
}

// told is a code as others see it.
func (d *codeDocument) told() Code {
	code := Code{Code: d.Code, Offer: d.Offer, State: d.State, Made: d.Made.UTC(), Used: d.Used.UTC()}
	switch d.State {
	case CodeClosing:
		code.State = CodeHeld
	case CodeLost:
		code.State = CodeUsed
	}
	return code
}

func (c *Codes) read(ctx context.Context, partition string) (d codeDocument, revision Revision, err error) {
	page, err := c.documents.Scan(ctx, partition, codeID, "", 1)
	if err != nil {
		return d, 0, err
	}
	if len(page.Documents) == 0 {
		return d, page.Revision, ErrNotFound
	}
	if err := bson.Unmarshal(page.Documents[0].Body, &d); err != nil {
		return d, 0, fmt.Errorf("partition %q: document %q: %w", partition, codeID, errDamaged)
	}
	return d, page.Revision, nil
}

// put writes a code over the revision at which it was read.
func (c *Codes) put(ctx context.Context, retailer, partition string, revision Revision, d codeDocument) error {
	body, err := bson.Marshal(d)
	if err != nil {
		return err
	}
	marks := []Mark{{Kind: codeMark, Key: c.offerKey(retailer, d.Offer), At: d.Made}}
	if d.State == CodeHeld || d.State == CodeClosing {
		marks = append(marks, Mark{Kind: heldMark, At: d.Held})
	}
	_, err = c.documents.Commit(ctx, Batch{Partition: partition, Expect: &revision, Put: []Document{{ID: codeID, Body: body, Marks: marks}}})
	return err
}

// CodeHold is a redemption's hold of a code.
type CodeHold struct {
	codes               *Codes
	retailer, partition string
	by                  string
}

// Hold gives a code of an offer to the redemption of a shopper's event, durably. The same redemption may hold it again: that is its
// retry. It returns ErrCodeUnknown, ErrCodeUsed or ErrCodeHeld.
func (c *Codes) Hold(ctx context.Context, key who.Key, offer, code, event string) (*CodeHold, error) {
	h := &CodeHold{codes: c, retailer: key.Retailer, partition: c.partition(key.Retailer, code), by: c.redemption(key, event)}
	for {
		d, revision, err := c.read(ctx, h.partition)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && d.Offer != offer:
			return nil, ErrCodeUnknown
		case err != nil:
			return nil, err
		case d.State == CodeHeld && d.By == h.by:
			return h, nil
		case d.State == CodeHeld, d.State == CodeClosing:
			return nil, ErrCodeHeld
		case d.State == CodeUsed, d.State == CodeLost && d.By != h.by:
			return nil, ErrCodeUsed
		}
		d.State, d.By, d.Partition, d.Event = CodeHeld, h.by, c.shoppers.Partition(key), c.shoppers.eventName(event)
		d.Held = c.now().UTC().Truncate(time.Millisecond)
		if err = c.put(ctx, key.Retailer, h.partition, revision, d); err == nil {
			return h, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err // it may be held: a retry finds it so, or Settle does
		}
	}
}

// Still tells whether the redemption holds its code. Ask after the revision was read on which the shopper's commit is decided.
func (h *CodeHold) Still(ctx context.Context) error {
	d, _, err := h.codes.read(ctx, h.partition)
	if err == nil && (d.State != CodeHeld || d.By != h.by) {
		return ErrCodeHeld
	}
	return err
}

// Use ends the hold after the shopper's commit. Where it fails Settle does the same later.
func (h *CodeHold) Use(ctx context.Context) error {
	for {
		d, revision, err := h.codes.read(ctx, h.partition)
		if err != nil || d.By != h.by || d.State != CodeHeld {
			return err // somebody settled it
		}
		if err = h.codes.put(ctx, h.retailer, h.partition, revision, h.codes.used(d)); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

func (c *Codes) used(d codeDocument) codeDocument {
	return codeDocument{Code: d.Code, Offer: d.Offer, State: CodeUsed, Made: d.Made, Used: c.now().UTC().Truncate(time.Millisecond)}
}

// Drop ends the hold of a redemption that was refused, and tells whether its event is there after all: another try of the same
// redemption may have been faster.
func (h *CodeHold) Drop(ctx context.Context) (recorded bool, err error) {
	return h.codes.settle(ctx, h.retailer, h.partition, h.by)
}

// Settle finishes or frees what redemptions held that began before a time, of all retailers, and returns how many there were.
func (c *Codes) Settle(ctx context.Context, before time.Time) (settled int, err error) {
	after := Position{}
	for {
		found, more, err := c.documents.Marked(ctx, heldMark, "", after, before, 0)
		if err != nil {
			return settled, err
		}
		for _, m := range found {
			var d codeDocument
			if err := bson.Unmarshal(m.Body, &d); err != nil {
				return settled, fmt.Errorf("partition %q: %w", m.Partition, errDamaged)
			}
			if d.State != CodeHeld && d.State != CodeClosing {
				continue
			}
			if _, err := c.settle(ctx, retailerOf(m.Partition), m.Partition, d.By); err != nil {
				return settled, err
			}
			settled++
		}
		if !more {
			return settled, nil
		}
		after = found[len(found)-1].Position()
	}
}

// settle ends one hold, see Codes.
func (c *Codes) settle(ctx context.Context, retailer, partition, by string) (recorded bool, err error) {
	for {
		d, revision, err := c.read(ctx, partition)
		if err != nil || d.By != by || d.State != CodeHeld && d.State != CodeClosing {
			return d.State == CodeUsed, err // somebody else did
		}
		if d.State == CodeHeld {
			d.State = CodeClosing
			if err = c.put(ctx, retailer, partition, revision, d); errors.Is(err, ErrConflict) {
				continue
			} else if err != nil {
				return false, err
			}
			if d, revision, err = c.read(ctx, partition); err != nil {
				return false, err
			}
			if d.By != by || d.State != CodeClosing {
				continue
			}
		}
		known, recorded, err := c.shoppers.settled(ctx, d.Partition, d.Event)
		if err != nil {
			return false, err
		}
		next := codeDocument{Code: d.Code, Offer: d.Offer, State: CodeFree, Made: d.Made}
		switch {
		case recorded:
			next = c.used(d)
		case !known:
			next = c.used(d)
			next.State, next.By = CodeLost, d.By
		}
		if err = c.put(ctx, retailer, partition, revision, next); err == nil {
			return recorded, nil
		}
		if !errors.Is(err, ErrConflict) {
			return recorded, err
		}
	}
}

// retailerOf is the retailer of a partition that appendRetailer began.
func retailerOf(partition string) string {
	spelt, _, _ := strings.Cut(partition, "/")
	retailer, err := url.PathUnescape(spelt)
	if err != nil { // nobody could have made it
		return spelt
	}
	return retailer
}
