package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"satnav/context/who"
)

// readers is how many shoppers Each reads at once.
const readers = 8

// Each calls fn with the history of every shopper of a retailer who grants who.Loyalty, in no order, one call at a
// time, and ends with the first error. It is how the crowd's counts are made again when a process starts. Histories that
// change meanwhile come as they were at some moment of the run, and one of a new shopper may be missed.
//
// It walks over the partitions rather than over a mark on each history: a mark would be written again with every event, and
// read once a start.
func (s *Shoppers) Each(ctx context.Context, retailer string, fn func(*who.History) error) error {
	prefix := string(appendRetailer(nil, retailer))
	from, to := prefix, prefix+"~" // pseudonyms are letters and digits; what else a retailer has begins with '~'
	names := s.names(retailer)
	var one sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for from != "" {
		partitions, next, err := s.documents.Partitions(ctx, from, to, 0)
		if err != nil {
			if first := group.Wait(); first != nil {
				return first
			}
			return err
		}
		for _, partition := range partitions {
			group.Go(func() error {
				h, _, err := s.history(ctx, partition, names)
				if err != nil || h == nil {
					return err
				}
				one.Lock()
				defer one.Unlock()
				return fn(h)
			})
		}
		from = next
	}
	return group.Wait()
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
	prefix := string(appendRetailer(nil, retailer))
	for from, to := prefix, prefix+"~"; from != ""; { // in order of their pseudonyms, which are as good as drawn by lot
		partitions, next, err := s.documents.Partitions(ctx, from, to, sampled)
		if err != nil {
			return err
		}
		for _, partition := range partitions {
			key, err := s.KeyOf(ctx, partition)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if more, err := fn(key); err != nil || !more {
				return err
			}
		}
		from = next
	}
	return nil
}

// sampled is how many partitions Sample lists at once.
const sampled = 200
