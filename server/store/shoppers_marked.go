package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"satnav/context/who"
)

// MarkedShopper is a shopper as found by a mark of the presence.
type MarkedShopper struct {
	Key      who.Key
	Position Position // in the listing, from which to continue after it
	Marks    []Mark   // all of the presence, as they were when it was found
}

// Marked lists shoppers by a mark that Change.Marks set, over all retailers, like Documents.Marked. One that was
// forgotten meanwhile is left out.
func (s *Shoppers) Marked(ctx context.Context, kind, key string, after Position, to time.Time) (found []MarkedShopper, more bool, err error) {
	page, more, err := s.documents.Marked(ctx, kind, key, after, to, 0)
	if err != nil {
		return nil, false, err
	}
	found = make([]MarkedShopper, 0, len(page))
	for _, m := range page {
		whose, err := s.KeyOf(ctx, m.Partition)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		found = append(found, MarkedShopper{Key: whose, Position: m.Position(), Marks: m.Marks})
	}
	return found, more, nil
}

// KeyOf reads whose partition it is, or ErrNotFound.
func (s *Shoppers) KeyOf(ctx context.Context, partition string) (who.Key, error) {
	spelt, _, _ := strings.Cut(partition, "/")
	retailer, err := url.PathUnescape(spelt)
	if err != nil {
		return who.Key{}, fmt.Errorf("partition %q: %w", partition, err)
	}
	d, err := s.documents.Get(ctx, partition, profileID)
	if err != nil {
		return who.Key{}, err
	}
	shopper, _, err := readProfile(d.Body)
	if err != nil {
		return who.Key{}, fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
	}
	return who.Key{Retailer: retailer, Shopper: shopper}, nil
}
