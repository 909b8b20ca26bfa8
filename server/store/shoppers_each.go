package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"satnav/context/who"
)

// pages calls fn with the partitions of a retailer's shoppers, in order of their pseudonyms, at most limit at once (0: as many as the
// engine likes), until fn returns false or an error. It walks over the partitions rather than over a mark on each history: a mark
// would be written again with every event, and read once a start.
func (s *Shoppers) pages(ctx context.Context, retailer string, limit int, fn func(partitions []string) (more bool, err error)) error {
	prefix := string(appendRetailer(nil, retailer))
	for from, to := prefix, prefix+"~"; from != ""; { // pseudonyms are letters and digits; what else a retailer has begins with '~'
		partitions, next, err := s.documents.Partitions(ctx, from, to, limit)
		if err != nil {
			return err
		}
		if more, err := fn(partitions); err != nil || !more {
			return err
		}
		from = next
	}
	return nil
}

// readers is how many shoppers are read at once.
const readers = 8

// readEach calls fn with what is read of each partition, in no order, one call at a time, and ends with the first error.
func readEach[T any](ctx context.Context, partitions []string, read func(ctx context.Context, partition string) (T, error), fn func(T) error) error {
	var one sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, partition := range partitions {
		group.Go(func() error {
			got, err := read(ctx, partition)
			if err != nil {
				return err
			}
			one.Lock()
			defer one.Unlock()
			return fn(got)
		})
	}
	return group.Wait()
}

// Each calls fn with the history of every shopper of a retailer who grants who.Loyalty, in no order, one call at a time, and ends
// with the first error. Histories that change meanwhile come as they were at some moment of the run, and one of a new shopper may be
// missed.
func (s *Shoppers) Each(ctx context.Context, retailer string, fn func(*who.History) error) error {
	return s.EachAdded(ctx, retailer, func(shopper AddedShopper) error {
		if shopper.History == nil {
			return nil
		}
		return fn(shopper.History)
	})
}

// history reads the history of one partition, and its revision; nil where there is none, or none that may be used.
func (s *Shoppers) history(ctx context.Context, partition string, names *who.Names) (history *who.History, _ Revision, _ error) {
	page, err := s.documents.Scan(ctx, partition, grantsID, afterHistoryID, 0)
	if err != nil {
		return nil, 0, err
	}
	var grants who.Grants
	for _, d := range page.Documents {
		switch d.ID {
		case grantsID:
			grants, err = readGrants(d.Body)
		case historyID:
			history, err = readHistory(d.Body, names)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
		}
	}
	if !grants.Holds(who.Loyalty) {
		return nil, page.Revision, nil
	}
	return history, page.Revision, nil
}

// Sample calls fn with the shoppers of a retailer, in an order that has nothing to do with them and is always the same, until fn
// returns false or an error.
func (s *Shoppers) Sample(ctx context.Context, retailer string, fn func(key who.Key) (more bool, err error)) error {
	return s.pages(ctx, retailer, sampled, func(partitions []string) (bool, error) { // pseudonyms are as good as drawn by lot
		for _, partition := range partitions {
			key, err := s.KeyOf(ctx, partition)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return false, err
			}
			if more, err := fn(key); err != nil || !more {
				return false, err
			}
		}
		return true, nil
	})
}

// sampled is how many partitions Sample lists at once.
const sampled = 200
