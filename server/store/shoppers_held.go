package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"satnav/context/who"
)

// ErrHeld says that what is known of a shopper is under a legal hold: it may be neither deleted, nor changed, nor used.
var ErrHeld = errors.New("a legal hold keeps what is known of the shopper")

// Held returns ErrHeld while a legal hold is on a shopper.
func (s *Shoppers) Held(ctx context.Context, key who.Key) error { return s.held(ctx, s.Partition(key)) }

func (s *Shoppers) held(ctx context.Context, partition string) error {
	spelt, pseudonym, _ := strings.Cut(partition, "/")
	retailer, err := url.PathUnescape(spelt)
	if err != nil {
		return fmt.Errorf("partition %q: %w", partition, err)
	}
	_, err = NewErasures(s.documents).Hold(ctx, retailer, pseudonym)
	switch {
	case err == nil:
		return ErrHeld
	case errors.Is(err, ErrNotFound):
		return nil
	}
	return fmt.Errorf("legal hold: %w", err)
}

// stays tells whether all of a partition is kept for now, by a legal hold or because its shopper restricted the use.
func (s *Shoppers) stays(ctx context.Context, partition string) (bool, error) {
	if err := s.held(ctx, partition); err != nil {
		if errors.Is(err, ErrHeld) {
			return true, nil
		}
		return false, err
	}
	d, err := s.documents.Get(ctx, partition, grantsID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	grants, err := readGrants(d.Body)
	if err != nil {
		return false, fmt.Errorf("partition %q: document %q: %w", partition, grantsID, err)
	}
	return grants.Restricts(), nil
}
