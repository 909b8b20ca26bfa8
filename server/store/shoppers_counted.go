package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/geo"
)

// Acts are what one shopper did within a stretch of time and allows to be counted together with what many others did.
type Acts struct {
	Pseudonym string         // tells one shopper from another while they are counted; nobody may keep it
	First     time.Time      // of the oldest purchase that is known, else when the shopper was first seen
	Events    []who.Event    // kept for who.Loyalty, the oldest first; none without that grant
	Crossings []KeptCrossing // the oldest first; none without who.Location
	Places    []Placed       // where the shopper was when the app asked or told something; none without who.Location
}

// Placed is a shopper in a cell.
type Placed struct {
	At   time.Time
	Cell geo.Cell
}

// Within are those of the acts that lie from an instant until before another.
func (a *Acts) Within(from, to time.Time) Acts {
	in := func(at time.Time) bool { return !at.Before(from) && at.Before(to) }
	within := Acts{Pseudonym: a.Pseudonym, First: a.First}
	for i := range a.Events {
		if in(a.Events[i].At) {
			within.Events = append(within.Events, a.Events[i])
		}
	}
	for i := range a.Crossings {
		if in(a.Crossings[i].At) {
			within.Crossings = append(within.Crossings, a.Crossings[i])
		}
	}
	for _, p := range a.Places {
		if in(p.At) {
			within.Places = append(within.Places, p)
		}
	}
	return within
}

// EachCounted calls fn with what every shopper of a retailer did from an instant until before another, in no order, one call at a time, and
// ends with the first error. It leaves out who does not grant who.Analytics, and of the others what the purpose that it was collected for does
// not cover any more, or what was doubted when it came. Who paused the diary is left out: meanwhile nothing of theirs is used.
func (s *Shoppers) EachCounted(ctx context.Context, retailer string, from, to time.Time, fn func(*Acts) error) error {
	names := s.names(retailer)
	return s.pages(ctx, retailer, 0, func(partitions []string) (bool, error) {
		return true, readEach(ctx, partitions, func(ctx context.Context, partition string) (*Acts, error) {
			return s.acts(ctx, partition, names, from, to)
		}, func(acts *Acts) error {
			if acts == nil {
				return nil
			}
			return fn(acts)
		})
	})
}

// acts are those of one partition; nil where nothing may be counted.
func (s *Shoppers) acts(ctx context.Context, partition string, names *who.Names, from, to time.Time) (*Acts, error) {
	page, err := s.documents.Scan(ctx, partition, nowFrom, nowTo, shopperDocuments)
	if err != nil {
		return nil, err
	}
	of := map[string]Document{}
	for _, d := range page.Documents {
		of[d.ID] = d
	}
	damaged := func(id string, err error) (*Acts, error) {
		return nil, fmt.Errorf("partition %q: document %q: %w", partition, id, err)
	}
	var grants who.Grants
	if d, there := of[grantsID]; there {
		if grants, err = readGrants(d.Body); err != nil {
			return damaged(grantsID, err)
		}
	}
	if !grants.Holds(who.Analytics) {
		return nil, nil
	}
	if d, there := of[wishesID]; there {
		wishes, err := readPreferences(d.Body)
		if err != nil {
			return damaged(wishesID, err)
		}
		if !wishes.Paused.IsZero() {
			return nil, nil
		}
	}
	acts := &Acts{Pseudonym: partition[strings.LastIndexByte(partition, '/')+1:]}
	if d, there := of[profileID]; there {
		if _, acts.First, err = readProfile(d.Body); err != nil {
			return damaged(profileID, err)
		}
	}
	loyalty, location := grants.Holds(who.Loyalty), grants.Holds(who.Location)
	if d, there := of[historyID]; there && loyalty {
		history, err := readHistory(d.Body, names)
		if err != nil {
			return damaged(historyID, err)
		}
		if len(history.Baskets) > 0 {
			acts.First = time.Unix(int64(history.Baskets[0].At), 0).UTC()
		}
	}
	if err := s.actsOf(ctx, partition, acts, loyalty, location, from, to); err != nil {
		return nil, err
	}
	if !location {
		return acts, nil
	}
	return acts, s.eachRecords(ctx, partition, func(_ string, records []DecisionRecord) {
		for i := range records {
			r := &records[i]
			cell, err := geo.ParseCell(r.Scene.Spelt)
			if err != nil || len(r.Used.Distrust) > 0 || r.Arrived.Before(from) || !r.Arrived.Before(to) || r.At.Sub(r.Arrived).Abs() > lookedAhead {
				continue
			}
			acts.Places = append(acts.Places, Placed{r.Arrived, cell})
		}
	})
}

// lookedAhead is how far from now an answer may speak of and still tell where somebody was: who asks for tomorrow is only looking.
const lookedAhead = 24 * time.Hour

// actsOf reads what a diary tells of a stretch of time.
func (s *Shoppers) actsOf(ctx context.Context, partition string, acts *Acts, loyalty, location bool, from, to time.Time) error {
	for next := diaryFrom + DiaryFrom(to.Add(-time.Millisecond)); next != ""; {
		page, err := s.documents.Scan(ctx, partition, next, diaryTo, 0)
		if err != nil {
			return err
		}
		next = page.Next
		for _, d := range page.Documents {
			e, err := readDiary(d)
			if err != nil {
				return fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
			}
			if e.At().Before(from) {
				next = ""
				break
			}
			switch {
			case e.Event != nil && loyalty && e.Event.Counts():
				acts.Events = append(acts.Events, *e.Event)
			case e.Crossing != nil && location:
				acts.Crossings = append(acts.Crossings, *e.Crossing)
			case e.Late != nil && location:
				if cell, err := geo.ParseCell(e.Late.Place); err == nil {
					acts.Places = append(acts.Places, Placed{e.Late.At, cell})
				}
			}
		}
	}
	slices.Reverse(acts.Events)
	slices.Reverse(acts.Crossings)
	return nil
}
