package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/context/who"
	"satnav/geo"
)

// Beginnings of names in a diary; an event's name has none of them, for it has no dash. Then comes what tells two of
// one millisecond apart.
const (
	diaryCrossing = "crossing-" // every crossing, told or not
	diaryLate     = "fix-"      // fixes that came too late to be put in order
	diaryGrant    = "grant-"    // decisions about purposes; the log under grant/ has them in their order
)

// KeptCrossing is a crossing as it is kept with the shopper.
type KeptCrossing struct {
	ID       string    `bson:"id"`
	Geofence string    `bson:"geofence"`
	Version  int64     `bson:"version"`
	Kind     string    `bson:"kind"`
	At       time.Time `bson:"at"`
	Decided  time.Time `bson:"decided_at"`
	Told     bool      `bson:"told"`
	Withheld string    `bson:"withheld,omitempty"`
	Rule     string    `bson:"rule"`
	// Proposal is what a rule of the shop suggested on this occasion, or why it was held back, in JSON; empty: no rule was about it.
	Proposal string `bson:"proposal,omitempty"`
}

// LateFix is a fix that came too late.
type LateFix struct {
	At     time.Time `bson:"at"`
	Place  string    `bson:"place"` // H3 cell
	Reason string    `bson:"reason"`
}

// crossingDocuments are the documents of what a change tells of the crossing machine.
func crossingDocuments(partition string, change *Change) ([]Document, error) {
	if len(change.Crossings) == 0 && len(change.Late) == 0 {
		return nil, nil
	}
	documents := make([]Document, 0, len(change.Crossings)+len(change.Late))
	put := func(id string, value any, marks ...Mark) error {
		body, err := bson.Marshal(value)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		documents = append(documents, Document{ID: id, Body: body, Marks: marks})
		return nil
	}
	proposed := func(crossing string) string {
		if change.Proposals != nil {
			for _, p := range *change.Proposals {
				if p.Crossing == crossing {
					return string(p.Body)
				}
			}
		}
		return ""
	}
	retailer, _, _ := strings.Cut(partition, "/")
	for _, c := range change.Crossings {
		var told []Mark
		if c.Told {
			told = []Mark{{Kind: toldMark, Key: retailer, At: change.At}}
		}
		err := put(diaryID(c.At, diaryCrossing+c.ID), KeptCrossing{
			ID: c.ID, Geofence: c.Geofence, Version: c.Version, Kind: string(c.Kind), At: c.At, Decided: c.DecidedAt,
			Told: c.Told, Withheld: string(c.Withheld), Rule: string(c.Reason.Rule),
			Proposal: proposed(c.ID),
		}, told...)
		if err != nil {
			return nil, err
		}
	}
	coarse := cmp.Or(change.Coarse, who.Caps.Stored)
	for _, fix := range change.Late {
		if err := put(diaryID(fix.At, diaryLate), LateFix{At: fix.At, Place: geo.CellAt(fix.Point, coarse).String(), Reason: "late"}); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// toldMark is on crossings that were told, in order of the commits that did: a stream follows them.
const toldMark = "told"

// ToldCrossing is a crossing of a retailer's shopper that was told.
type ToldCrossing struct {
	KeptCrossing
	Key      who.Key
	Position Position // in the listing, from which to continue after it
}

// Told lists the crossings of a retailer that were told, in order of time, after a position, and whether more follow. Those of
// a shopper who was forgotten meanwhile, or does not let the location be used now, are left out. Commits become visible out of order: read the last seconds again.
func (s *Shoppers) Told(ctx context.Context, retailer string, after Position, limit int) (found []ToldCrossing, next Position, more bool, err error) {
	spelt := strings.TrimSuffix(string(appendRetailer(nil, retailer)), "/")
	page, more, err := s.documents.Marked(ctx, toldMark, spelt, after, time.Time{}, limit)
	if err != nil {
		return nil, after, false, err
	}
	next = after
	for _, m := range page {
		next = m.Position()
		told := ToldCrossing{Position: next}
		if told.Key, err = s.KeyOf(ctx, m.Partition); errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return nil, after, false, err
		}
		shopper, err := s.Shopper(ctx, told.Key)
		if errors.Is(err, who.ErrUnknown) || errors.Is(err, ErrErasing) || err == nil && !shopper.Lets(who.Location) {
			continue
		} else if err != nil {
			return nil, after, false, err
		}
		if err := bson.Unmarshal(m.Body, &told.KeptCrossing); err != nil {
			return nil, after, false, fmt.Errorf("partition %q: document %q: %w", m.Partition, m.ID, err)
		}
		told.At, told.Decided = told.At.UTC(), told.Decided.UTC()
		found = append(found, told)
	}
	return found, next, more, nil
}
