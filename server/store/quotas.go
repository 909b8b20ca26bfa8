package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Quota names what many processes draw on together: how often a rule may act on a day, or what it may spend.
type Quota struct {
	Retailer string
	Of       string // rule or offer
	What     string // "day", "store", "budget"
	Key      string // date, or date and store; empty: for good
}

// Quotas hand out limited things without asking the store on the path: each process leases a share of what is left, at most a
// twentieth, durably and before it hands out any of it, and renews it in the background. So no limit is ever exceeded, on any number
// of replicas and across crashes; what a process had leased when it ended is lost. It is safe for concurrent use.
//
// Decided against: one counter that every answer moves. It would be a write to one partition for all shoppers.
type Quotas struct {
	documents Documents
	log       *slog.Logger
	leases    sync.Map // Quota → *lease
	wanted    chan want
}

// lease is what this process may still hand out.
type lease struct {
	left    atomic.Int64
	limit   atomic.Int64 // under which it was leased last
	asked   atomic.Bool
	emptied atomic.Bool // nothing is left in the store, under that limit
	used    atomic.Int64
}

type want struct {
	quota Quota
	limit int64
	lease *lease
}

// NewQuotas makes quotas; Run must run for anything to be handed out.
func NewQuotas(documents Documents, log *slog.Logger) *Quotas {
	return &Quotas{documents: documents, log: log, wanted: make(chan want, 1<<10)}
}

// shareOf is the part of what is left that one lease takes.
const shareOf = 20

// Left (false of nil Quotas) tells whether anything may be handed out, and asks for a lease where little is left.
func (q *Quotas) Left(quota Quota, limit int64) bool {
	return q != nil && q.find(quota, limit).left.Load() > 0
}

// Take hands out n, all or nothing.
func (q *Quotas) Take(quota Quota, limit, n int64) bool {
	if q == nil {
		return false
	}
	l := q.find(quota, limit)
	if l.left.Add(-n) >= 0 {
		return true
	}
	l.left.Add(n)
	q.want(quota, limit, l)
	return false
}

// Return gives back what was taken and not used.
func (q *Quotas) Return(quota Quota, n int64) {
	if l, ok := q.leases.Load(quota); ok {
		l.(*lease).left.Add(n)
	}
}

func (q *Quotas) find(quota Quota, limit int64) *lease {
	found, ok := q.leases.Load(quota)
	if !ok {
		found, _ = q.leases.LoadOrStore(quota, new(lease))
	}
	l := found.(*lease)
	if l.left.Load() <= l.limit.Load()/(2*shareOf*shareOf) || l.limit.Load() != limit {
		q.want(quota, limit, l)
	}
	return l
}

// want asks for a lease in the background, once at a time.
func (q *Quotas) want(quota Quota, limit int64, l *lease) {
	if l.emptied.Load() && l.limit.Load() == limit || !l.asked.CompareAndSwap(false, true) {
		return
	}
	select {
	case q.wanted <- want{quota, limit, l}:
	default:
		l.asked.Store(false) // the next answer asks again
	}
}

// forgetQuotas is how often leases of days that are over leave the memory.
const forgetQuotas = time.Hour

// Run leases until the context ends.
func (q *Quotas) Run(ctx context.Context) {
	sweep := time.NewTicker(forgetQuotas)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			q.leases.Range(func(quota, l any) bool {
				if now := l.(*lease).left.Load(); l.(*lease).used.Swap(now) == now && !l.(*lease).asked.Load() {
					q.leases.Delete(quota) // nobody drew on it for an hour
				}
				return true
			})
		case w := <-q.wanted:
			if err := q.renew(ctx, w); err != nil && ctx.Err() == nil {
				q.log.Warn("a quota cannot be leased", "retailer", w.quota.Retailer, "of", w.quota.Of, "what", w.quota.What, "err", err)
			}
			w.lease.asked.Store(false)
		}
	}
}

// quotaDocument is what was leased of one quota, by all processes.
type quotaDocument struct {
	Of    string    `bson:"of"`
	What  string    `bson:"what"`
	Key   string    `bson:"key,omitempty"`
	Taken int64     `bson:"taken"`
	At    time.Time `bson:"at"`
}

// keptQuotas is how many of the newest quotas with a key a partition keeps; days that are over are of no use.
const keptQuotas = 400

func (w *want) partition() string {
	return string(appendRetailer(nil, w.quota.Retailer)) + "~quota/" + w.quota.What + "/" + w.quota.Of
}

// leaseTries bounds how often a lease starts over because another process leased at the same time.
const leaseTries = 10

// renew leases a share of what is left.
func (q *Quotas) renew(ctx context.Context, w want) error {
	partition, id := w.partition(), "taken/"+w.quota.Key
	for try := 0; ; try++ {
		page, err := q.documents.Scan(ctx, partition, "taken/", "taken0", 0)
		if err != nil {
			return err
		}
		var kept quotaDocument
		for _, d := range page.Documents {
			if d.ID == id {
				if err := bson.Unmarshal(d.Body, &kept); err != nil {
					return fmt.Errorf("partition %q: document %q: %w", partition, id, err)
				}
			}
		}
		left := w.limit - kept.Taken
		w.lease.limit.Store(w.limit)
		w.lease.emptied.Store(left <= 0)
		if left <= 0 {
			return nil
		}
		n := max(1, left/shareOf)
		body, err := bson.Marshal(quotaDocument{w.quota.Of, w.quota.What, w.quota.Key, kept.Taken + n, time.Now().UTC()})
		if err != nil {
			return err
		}
		batch := Batch{Partition: partition, Expect: &page.Revision, Put: []Document{{ID: id, Body: body}}}
		for i := 0; i < len(page.Documents)-keptQuotas; i++ { // the oldest days stand first
			if page.Documents[i].ID != id {
				batch.Delete = append(batch.Delete, page.Documents[i].ID)
			}
		}
		_, err = q.documents.Commit(ctx, batch)
		if errors.Is(err, ErrConflict) && try < leaseTries {
			continue
		}
		if err != nil {
			return err // it may be stored: then this share is lost, and no more
		}
		w.lease.left.Add(n)
		return nil
	}
}
