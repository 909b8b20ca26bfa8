package privacy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"satnav/context/who"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// Doubt is one kind of thing that is doubted of a shopper: a who.Doubt of events, or why positions were not trusted.
type Doubt struct {
	Kind     string
	Count    int
	Newest   time.Time
	Position bool // it is about positions, which were given less weight; else about events, which count for nothing
}

// Doubts is what is doubted of a shopper, and what they said to it.
type Doubts struct {
	Score  float64 // 1: nothing lately; each thing that was doubted within scoredFor makes it less, half of it at halfScore
	All    []Doubt
	Appeal *store.Appeal // nil: none
}

const (
	scoredFor = 30 * 24 * time.Hour
	halfScore = 8
)

// Appeals shows shoppers what is doubted of theirs, and lets them ask for somebody to look at it. It is safe for concurrent use.
//
// Nothing is doubted in silence: the answer to the call says so, the diary does, and so does this. What is doubted costs nothing but what it would
// have brought.
type Appeals struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	book      *decision.Book
	log       *audit.Log
	now       func() time.Time
}

// NewAppeals makes appeals.
func NewAppeals(shoppers *store.Shoppers, retailers *retailer.Retailers, book *decision.Book, log *audit.Log, now func() time.Time) *Appeals {
	return &Appeals{shoppers, retailers, book, log, now}
}

// Of is what is doubted of a shopper. It reads the whole diary.
func (a *Appeals) Of(ctx context.Context, key who.Key) (d Doubts, err error) {
	now, lately := a.now(), 0
	add := func(kind string, at time.Time, position bool) {
		i := slices.IndexFunc(d.All, func(one Doubt) bool { return one.Kind == kind && one.Position == position })
		if i < 0 {
			i = len(d.All)
			d.All = append(d.All, Doubt{Kind: kind, Position: position})
		}
		d.All[i].Count++
		if at.After(d.All[i].Newest) {
			d.All[i].Newest = at
		}
		if now.Sub(at) < scoredFor {
			lately++
		}
	}
	err = a.shoppers.EachEntry(ctx, key, func(e store.DiaryEntry) bool {
		if e.Event != nil && e.Event.Doubt() != "" {
			add(string(e.Event.Doubt()), e.Event.At, false)
		}
		return true
	})
	if err != nil {
		return d, err
	}
	records, err := a.book.Records(ctx, key)
	if err != nil {
		return d, err
	}
	for i := range records {
		for _, odd := range records[i].Used.Distrust {
			add(odd, records[i].Arrived, true)
		}
	}
	slices.SortFunc(d.All, func(a, b Doubt) int { return cmp.Or(b.Newest.Compare(a.Newest), cmp.Compare(a.Kind, b.Kind)) })
	d.Score = math.Round(100*math.Exp2(-float64(lately)/halfScore)) / 100
	appeal, err := a.shoppers.Appeal(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return d, nil
	case err != nil:
		return d, err
	}
	d.Appeal = &appeal
	return d, nil
}

// Ask keeps a shopper's appeal for somebody to look at. It returns who.ErrUnknown where nothing is kept of the shopper.
func (a *Appeals) Ask(ctx context.Context, key who.Key, text string) error {
	err := a.shoppers.PutAppeal(ctx, key, store.Appeal{At: a.now().UTC().Truncate(time.Millisecond), Text: text, State: store.AppealOpen})
	if err != nil {
		return fmt.Errorf("keep the appeal: %w", err)
	}
	pseudonym := a.shoppers.Pseudonym(key)
	return a.log.Append(ctx, key.Retailer, audit.Entry{Role: string(who.ByShopper), Name: pseudonym, Action: audit.AppealAsked, Object: pseudonym})
}

// Waiting is an appeal that somebody should look at.
type Waiting struct {
	ID string // the shopper's pseudonym
	store.Appeal
	Doubts Doubts
}

// Open lists the appeals that wait, the oldest first.
func (a *Appeals) Open(ctx context.Context, retailer string, limit int) ([]Waiting, error) {
	open, err := a.shoppers.Appeals(ctx, retailer, limit)
	if err != nil {
		return nil, err
	}
	waiting := make([]Waiting, len(open))
	for i, appeal := range open {
		doubts, err := a.Of(ctx, appeal.Key)
		if err != nil {
			return nil, err
		}
		waiting[i] = Waiting{a.shoppers.Pseudonym(appeal.Key), appeal, doubts}
	}
	return waiting, nil
}

// Decide answers an appeal. What was doubted counts from then on if it is accepted. It returns store.ErrNotFound where no such appeal is open.
func (a *Appeals) Decide(ctx context.Context, retailer, id string, by Actor, accept bool, answer string) error {
	appeal, err := a.shoppers.Appealing(ctx, retailer, id)
	if err != nil {
		return err
	}
	if accept {
		for more := true; more; {
			err := a.retailers.Record(ctx, retailer, func() ([]store.Step, error) {
				accepted, step, err := a.shoppers.Accept(ctx, appeal.Key)
				more = accepted > 0
				if err != nil || step == nil {
					return nil, err
				}
				return []store.Step{*step}, nil
			})
			if err != nil {
				return fmt.Errorf("let count what was doubted: %w", err)
			}
		}
	}
	appeal.State, appeal.Answer, appeal.Decided = store.AppealRejected, answer, a.now().UTC().Truncate(time.Millisecond)
	if accept {
		appeal.State = store.AppealAccepted
	}
	if err := a.log.Append(ctx, retailer, audit.Entry{
		Role: by.Role, Name: by.Name, Action: audit.AppealDecided, Object: id, Detail: map[string]string{"state": string(appeal.State)},
	}); err != nil {
		return err
	}
	return a.shoppers.PutAppeal(ctx, appeal.Key, appeal)
}
