package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"satnav/server/store"
)

// withoutPending leaves out what only an applier wants.
var withoutPending = bson.D{{Key: fieldPending, Value: 0}}

// row is a head or a document, as one pass over both reads them.
type row struct {
	Document document  `bson:",inline"`
	Waiting  *[]string `bson:"waiting,omitempty"`
}

// Revision implements [store.Documents].
func (s *Store) Revision(ctx context.Context, partition string) (store.Revision, error) {
	if err := store.CheckName("partition", partition); err != nil {
		return 0, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	h, err := s.peek(ctx, partition)
	return h.live(), err
}

// peek returns the head of a partition without what is pending, which is durable already; nil when there is none.
func (s *Store) peek(ctx context.Context, partition string) (*head, error) {
	var h head
	err := s.again(ctx, func() error {
		h = head{}
		return s.collection.FindOne(ctx, bson.D{{Key: fieldKey, Value: headKey(partition)}, {Key: fieldPartition, Value: partition}},
			options.FindOne().SetProjection(withoutPending)).Decode(&h)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, s.fault(ctx, fmt.Sprintf("read head of partition %q", partition), err)
	}
	return &h, nil
}

// Get implements [store.Documents].
func (s *Store) Get(ctx context.Context, partition, id string) (store.Document, error) {
	if err := errors.Join(store.CheckName("partition", partition), store.CheckName("id", id)); err != nil {
		return store.Document{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return store.Document{}, err
	}
	defer leave()
	if err := s.awaitOwn(ctx, partition); err != nil {
		return store.Document{}, err
	}
	keys := []string{headKey(partition), documentKey(partition, id)}
	for try := 0; ; try++ {
		if err := pause(ctx, max(0, try-1)); err != nil {
			return store.Document{}, err
		}
		rows, err := s.rows(ctx, partition, bson.D{{Key: "$in", Value: keys}}, len(keys))
		if err != nil {
			return store.Document{}, err
		}
		if len(rows) == 2 && rows[0].Waiting == nil && rows[0].Document.Gone == nil && rows[1].Document.Gone == nil {
			return rows[1].Document.document()
		}
		if len(rows) > 0 && rows[0].Waiting != nil {
			if _, err := s.settledHead(ctx, partition); err != nil {
				return store.Document{}, err
			}
			continue
		}
		return store.Document{}, fmt.Errorf("partition %q: document %q: %w", partition, id, store.ErrNotFound)
	}
}

// rows reads heads and documents of one partition in order of their keys.
func (s *Store) rows(ctx context.Context, partition string, keys any, limit int) (rows []row, err error) {
	err = s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, bson.D{{Key: fieldPartition, Value: partition}, {Key: fieldKey, Value: keys}},
			byKey().SetProjection(withoutPending).SetLimit(int64(limit)).SetBatchSize(int32(limit+1)))
		if err != nil {
			return err
		}
		rows = rows[:0]
		return cursor.All(ctx, &rows)
	})
	if err != nil {
		return nil, s.fault(ctx, fmt.Sprintf("read partition %q", partition), err)
	}
	return rows, nil
}

// Scan implements [store.Documents]. It reads the head and then the documents: one that shows a later revision than the head,
// as a document or as a tombstone, tells that the picture is not of one instant, and the scan starts over.
func (s *Store) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	if err := store.CheckName("partition", partition); err != nil {
		return store.Page{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return store.Page{}, err
	}
	defer leave()
	if err := s.awaitOwn(ctx, partition); err != nil {
		return store.Page{}, err
	}
	for try := 0; ; try++ {
		if err := pause(ctx, max(0, try-1)); err != nil {
			return store.Page{}, err
		}
		page, whole, err := s.scan(ctx, partition, from, to, store.PageLimit(limit))
		if err != nil {
			return store.Page{}, err
		}
		if whole {
			return page, nil
		}
		if _, err := s.settledHead(ctx, partition); err != nil {
			return store.Page{}, err
		}
	}
}

// scan makes one attempt at a page, and reports whether it is of one instant.
func (s *Store) scan(ctx context.Context, partition, from, to string, limit int) (page store.Page, whole bool, err error) {
	first, last := documentKey(partition, from), endKey(partition) // from "" is the head's own key: it comes with the documents
	if to != "" {
		last = documentKey(partition, to)
	}
	var head *row
	if from != "" {
		rows, err := s.rows(ctx, partition, headKey(partition), 1)
		if err != nil || len(rows) == 0 {
			return page, true, err
		}
		head = &rows[0]
	}
	bytes, more := 0, true
	for more {
		// One more than asked for tells where to go on; one more is the head.
		asked := limit - len(page.Documents) + 2
		rows, err := s.rows(ctx, partition, bson.D{{Key: "$gte", Value: first}, {Key: "$lt", Value: last}}, asked)
		if err != nil {
			return page, false, err
		}
		if head == nil {
			if len(rows) == 0 || rows[0].Document.Key != headKey(partition) {
				return page, true, nil
			}
			head, rows = &rows[0], rows[1:]
			asked--
		}
		if head.Waiting != nil {
			return page, false, nil
		}
		if head.Document.Gone != nil {
			return page, true, nil
		}
		page.Revision = head.Document.Revision
		for i := range rows {
			r := &rows[i].Document
			if r.Revision > head.Document.Revision {
				return store.Page{}, false, nil
			}
			if r.Gone != nil {
				continue
			}
			if len(page.Documents) == limit || bytes >= store.MaxBatchBytes {
				page.Next = r.ID
				return page, true, nil
			}
			d, err := r.document()
			if err != nil {
				return page, false, err
			}
			bytes += len(d.Body)
			page.Documents = append(page.Documents, d)
		}
		if more = len(rows) >= asked; more {
			first = rows[len(rows)-1].Document.Key + nul // the first key after it
		}
	}
	return page, true, nil
}

// Partitions implements [store.Documents].
func (s *Store) Partitions(ctx context.Context, from, to string, limit int) (names []string, next string, err error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	limit = store.PageLimit(limit)
	within := bson.D{{Key: "$gte", Value: from}}
	if to != "" {
		within = append(within, bson.E{Key: "$lt", Value: to})
	}
	var heads []head
	err = s.again(ctx, func() error {
		cursor, err := s.collection.Find(ctx, bson.D{{Key: fieldName, Value: within}}, options.Find().
			SetSort(bson.D{{Key: fieldName, Value: 1}}).SetProjection(bson.D{{Key: fieldName, Value: 1}}).SetLimit(int64(limit)+1).SetBatchSize(int32(limit+2)))
		if err != nil {
			return err
		}
		heads = heads[:0]
		return cursor.All(ctx, &heads)
	})
	if err != nil {
		return nil, "", s.fault(ctx, "list partitions", err)
	}
	for i := range heads {
		if i == limit {
			return names, heads[i].Name, nil
		}
		names = append(names, heads[i].Name)
	}
	return names, "", nil
}
