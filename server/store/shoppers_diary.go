package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/context/who"
)

// Known tells for each event id whether the shopper's diary has it.
func (s *Shoppers) Known(ctx context.Context, key who.Key, ids []string) ([]bool, error) {
	partition := s.Partition(key)
	known := make([]bool, len(ids))
	for i, id := range ids {
		_, err := s.documents.Get(ctx, partition, seenFrom+s.eventName(id))
		switch {
		case err == nil:
			known[i] = true
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return known, nil
}

// DiaryEntry is one thing that a diary tells: one of its fields is set.
type DiaryEntry struct {
	Event    *who.Event
	Crossing *KeptCrossing
	Late     *LateFix
	Grant    *who.Grant
}

// At is when it happened.
func (e DiaryEntry) At() time.Time {
	switch {
	case e.Event != nil:
		return e.Event.At
	case e.Crossing != nil:
		return e.Crossing.At
	case e.Late != nil:
		return e.Late.At
	default:
		return e.Grant.At
	}
}

// readDiary reads one document of a diary.
func readDiary(d Document) (e DiaryEntry, err error) {
	if len(d.ID) < len(diaryFrom)+positionLength {
		return e, errDamaged
	}
	switch name := d.ID[len(diaryFrom)+positionLength:]; {
	case strings.HasPrefix(name, diaryCrossing):
		e.Crossing = new(KeptCrossing)
		err = bson.Unmarshal(d.Body, e.Crossing)
	case strings.HasPrefix(name, diaryLate):
		e.Late = new(LateFix)
		err = bson.Unmarshal(d.Body, e.Late)
	case strings.HasPrefix(name, diaryGrant):
		var grants who.Grants
		if grants, err = readGrants(d.Body); err == nil && len(grants) != 1 {
			return e, errDamaged
		} else if err == nil {
			e.Grant = &grants[0]
		}
	default:
		e.Event = new(who.Event)
		*e.Event, err = readEvent(d.Body)
	}
	return e, err
}

// Diary lists what is told of a shopper (events, crossings, late fixes, decisions about purposes), the newest first, and where to continue (empty: nothing is left). from is empty for the
// beginning, what an earlier call returned, or DiaryFrom. At most limit are returned (0: MaxPage).
//
// Entries stand in the partition in order of time, so a page costs the same however long the diary is.
func (s *Shoppers) Diary(ctx context.Context, key who.Key, from string, limit int) (entries []DiaryEntry, next string, err error) {
	partition := s.Partition(key)
	if strings.Trim(from, "0123456789abcdefghijklmnopqrstuvwxyz-") != "" {
		return nil, "", fmt.Errorf("place in the diary %.40q: it was not made by an earlier page: %w", from, ErrInvalid)
	}
	page, err := s.documents.Scan(ctx, partition, diaryFrom+from, diaryTo, limit)
	if err != nil {
		return nil, "", err
	}
	entries = make([]DiaryEntry, len(page.Documents))
	for i, d := range page.Documents {
		if entries[i], err = readDiary(d); err != nil {
			return nil, "", fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
		}
	}
	return entries, strings.TrimPrefix(page.Next, diaryFrom), nil
}

// DiaryFrom is the place in a diary at which the entries of an instant and of all before it begin.
func DiaryFrom(t time.Time) string { return diaryPosition(t) }

// Recorded is what became of a batch of events.
type Recorded struct {
	Fresh []bool // for each event whether it was stored now; otherwise its id was there before
	Steps []Step // how the history went on, in order; empty when nothing was stored
}

// Step is what a shopper added to the crowd before and after a commit: nil without a grant for it. The crowd counts the difference.
type Step struct {
	Partition     string
	Before, After *who.History
}

// recordTries bounds how often Record starts over because others committed for the same shopper.
const recordTries = 32

// Record adds the events of one shopper that are new to the diary and the history, durably: each event is there once,
// however often it comes. At must be in the zone of the event's store, see who.History.With; an event that came twice
// in the batch counts the first time. now and defaults are for a shopper of whom nothing is stored yet.
//
// It returns ErrNoGrant when the shopper did not grant the purpose of one of them, and ErrPaused when nothing new is to be kept, decided on the same revision that is written. Large
// batches are written in several commits; after another error some may be stored, and sending all again is right.
func (s *Shoppers) Record(ctx context.Context, key who.Key, now time.Time, defaults who.Grants, events []who.Event) (Recorded, error) {
	partition := s.Partition(key)
	recorded := Recorded{Fresh: make([]bool, len(events))}
	open := firsts(events) // indexes of the events about which nothing is decided
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if err != nil {
			return recorded, err
		}
		if k, open, err = s.drop(ctx, key, partition, k, events, open); err != nil || len(open) == 0 {
			return recorded, err
		}
		grants := k.record.Grants
		if k.shopper == nil {
			grants = defaults
		}
		if wishes := k.record.Wishes; wishes != nil && !wishes.Paused.IsZero() {
			return recorded, ErrPaused
		}
		if i := slices.IndexFunc(open, func(i int) bool { return !grants.Holds(events[i].For()) }); i >= 0 {
			return recorded, fmt.Errorf("%w %q", ErrNoGrant, events[open[i]].For())
		}
		for err == nil && len(open) > 0 {
			part := portion(events, open)
			change := Change{At: now, Defaults: defaults, Events: make([]who.Event, part)}
			for n, i := range open[:part] {
				change.Events[n] = events[i]
			}
			var next *known
			if next, err = s.commit(ctx, key, partition, k, change); err == nil {
				recorded.step(partition, who.Counted(k.shopper), who.Counted(next.shopper))
				for _, i := range open[:part] {
					recorded.Fresh[i] = true
				}
				k, open = next, open[part:]
			}
		}
		if err == nil {
			return recorded, nil
		}
		if !errors.Is(err, ErrConflict) {
			return recorded, err
		}
	}
	return recorded, fmt.Errorf("partition %q: %d events after %d tries: %w", partition, len(open), recordTries, ErrConflict)
}

// step adds a step, or makes the last one longer when nobody came between.
func (r *Recorded) step(partition string, before, after *who.History) {
	if last := len(r.Steps) - 1; last >= 0 && r.Steps[last].After == before {
		r.Steps[last].After = after
		return
	}
	r.Steps = append(r.Steps, Step{partition, before, after})
}

// firsts are the indexes of events whose id was not in the batch before.
func firsts(events []who.Event) []int {
	indexes := make([]int, 0, len(events))
	seen := make(map[string]struct{}, len(events))
	for i := range events {
		if _, twice := seen[events[i].ID]; !twice {
			seen[events[i].ID] = struct{}{}
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// drop takes out the events that the diary has. Where it has any, an earlier try may have been stored without this process
// being told: then the shopper in memory is older than what is about to be acknowledged again, and is read anew.
func (s *Shoppers) drop(ctx context.Context, key who.Key, partition string, k *known, events []who.Event, open []int) (*known, []int, error) {
	if k.revision == 0 {
		return k, open, nil
	}
	ids := make([]string, len(open))
	for n, i := range open {
		ids[n] = events[i].ID
	}
	there, err := s.Known(ctx, key, ids)
	if err != nil {
		return nil, nil, err
	}
	left := make([]int, 0, len(open))
	for n, i := range open {
		if !there[n] {
			left = append(left, i)
		}
	}
	if len(left) == len(open) {
		return k, open, nil
	}
	revision, err := s.documents.Revision(ctx, partition)
	if err == nil && revision != k.revision {
		s.cache.forget(partition)
		k, err = s.load(ctx, key, partition)
	}
	return k, left, err
}

// portion is how many of the open events fit into one commit.
func portion(events []who.Event, open []int) int {
	bytes := 0
	for n, i := range open {
		e := &events[i]
		bytes += 512 + len(e.ID) + len(e.Item) + len(e.Basket) + len(e.Store) + len(e.Properties)
		if n == maxEventsPerCommit || n > 0 && bytes > maxEventBytesPerCommit {
			return n
		}
	}
	return len(open)
}
