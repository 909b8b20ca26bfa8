package who

import (
	"fmt"
	"slices"
	"time"
)

// Card is what the retailer's own loyalty programme says of a shopper. Satnav keeps the newest that it was told, and takes off
// what was redeemed since: the programme's ledger stays the truth. It is immutable.
type Card struct {
	Tier     string // empty: none
	Points   int64  // at At
	Counts   bool   // the programme has points
	Segments []string
	At       time.Time // of the balance, by the clock of who told it
	Since    time.Time // of tier and segments: of a moment before it the card says nothing
	Source   string    // the role that told it
	Spent    []Spent   // redeemed after At, the newest last, at most MaxSpent
}

// Spent is what one redemption cost.
type Spent struct {
	At     time.Time
	Points int64
}

// Bounds of a card.
const (
	MaxSegments = 50
	MaxSpent    = 64
)

// Check says everything that is wrong with a card.
func (c *Card) Check() (faults []Fault) {
	if c.Tier != "" {
		if problem := NameProblem(c.Tier, true); problem != "" {
			faults = append(faults, Fault{"tier", problem})
		}
	}
	if c.Points < 0 || c.Points > MaxMinor {
		faults = append(faults, Fault{"points", fmt.Sprintf("got %d, want 0 to %d", c.Points, MaxMinor)})
	}
	if n := len(c.Segments); n > MaxSegments {
		faults = append(faults, Fault{"segments", fmt.Sprintf("got %d, want at most %d", n, MaxSegments)})
	}
	for i, s := range c.Segments {
		if problem := NameProblem(s, true); problem != "" {
			faults = append(faults, Fault{fmt.Sprintf("segments/%d", i), problem})
		}
	}
	return faults
}

// Balance is how many points are left; false: nobody knows of any. A nil card is none.
func (c *Card) Balance() (int64, bool) {
	if c == nil || !c.Counts {
		return 0, false
	}
	left := c.Points
	for _, s := range c.Spent {
		left -= s.Points
	}
	return max(left, 0), true
}

// Spend returns the card after a redemption; false: it has too few points, or none that anybody knows of.
func (c *Card) Spend(points int64, at time.Time) (*Card, bool) {
	if left, known := c.Balance(); !known || left < points {
		return nil, false
	}
	next := *c
	next.Spent = append(slices.Clone(c.Spent), Spent{at.UTC().Truncate(time.Millisecond), points})
	if n := len(next.Spent); n > MaxSpent { // the oldest two become one, as if both were the later: that is never too much to spend
		next.Spent = next.Spent[1:]
		next.Spent[0].Points += c.Spent[0].Points
	}
	return &next, true
}

// After returns the card as it is kept in the place of the one before, nil for none: what was redeemed after its balance still comes off.
func (c *Card) After(before *Card) *Card {
	next := *c
	next.Since, next.Spent = c.At, nil
	if before == nil {
		return &next
	}
	if c.Tier == before.Tier && slices.Equal(c.Segments, before.Segments) {
		next.Since = before.Since
	}
	for _, s := range before.Spent {
		if s.At.After(c.At) {
			next.Spent = append(next.Spent, s)
		}
	}
	return &next
}

// Card is what the loyalty programme says of the shopper; nil: nothing is known of one, or the purpose is not Loyalty.
func (v View) Card() *Card {
	if v.subject == nil || v.purpose != Loyalty || v.subject.shopper.card == nil {
		return nil
	}
	v.subject.note(Loyalty)
	return v.subject.shopper.card
}
