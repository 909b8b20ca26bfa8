package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
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
	mu        sync.RWMutex // of leases; never held across I/O
	leases    map[Quota]*lease
	wanted    chan want
}

// lease is what this process may still hand out.
type lease struct {
	left    atomic.Int64
	limit   atomic.Int64 // under which it was leased last
	asked   atomic.Bool
	emptied atomic.Int64 // when nothing was left in the store, under that limit, in Unix milliseconds; 0: something may be
	used    atomic.Int64
	leasing sync.Mutex // held while Draw leases
}

type want struct {
	quota Quota
	limit int64
	lease *lease
}

// NewQuotas makes quotas; Run must run for anything to be handed out.
func NewQuotas(documents Documents, log *slog.Logger) *Quotas {
	return &Quotas{documents: documents, log: log, wanted: make(chan want, 1<<10), leases: map[Quota]*lease{}}
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

// Draw is Take for who may wait: where this process has leased too little it leases more before it answers, as much as is asked for if
// that is more than a share. It returns false when that much is left nowhere but with other processes.
func (q *Quotas) Draw(ctx context.Context, quota Quota, limit, n int64) (bool, error) {
	l := q.find(quota, -1)
	for {
		if l.left.Add(-n) >= 0 {
			return true, nil
		}
		l.left.Add(n)
		l.leasing.Lock()
		missing := n - l.left.Load()
		if missing <= 0 { // somebody leased meanwhile
			l.leasing.Unlock()
			continue
		}
		leased, err := q.renew(ctx, want{quota, limit, l}, missing)
		l.leasing.Unlock()
		if err != nil || leased < missing {
			return false, err
		}
	}
}

// Return gives back what was taken and not used.
func (q *Quotas) Return(quota Quota, n int64) {
	q.find(quota, -1).left.Add(n)
}

// find is the lease of a quota. With a limit, not below 0, it asks for more where little is left.
func (q *Quotas) find(quota Quota, limit int64) *lease {
	q.mu.RLock()
	l := q.leases[quota]
	q.mu.RUnlock()
	if l == nil {
		q.mu.Lock()
		if l = q.leases[quota]; l == nil {
			l = new(lease)
			q.leases[quota] = l
		}
		q.mu.Unlock()
	}
	if limit >= 0 && (l.left.Load() <= l.limit.Load()/(2*shareOf*shareOf) || l.limit.Load() != limit) {
		q.want(quota, limit, l)
	}
	return l
}

// askAgain is after how long it is asked again for what was used up: another process may have given some back.
const askAgain = 10 * time.Second

// all are the leases of this process.
func (q *Quotas) all() map[Quota]*lease {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return maps.Clone(q.leases)
}

// want asks for a lease in the background, once at a time.
func (q *Quotas) want(quota Quota, limit int64, l *lease) {
	if at := l.emptied.Load(); at > 0 && l.limit.Load() == limit && time.Now().UnixMilli()-at < askAgain.Milliseconds() || !l.asked.CompareAndSwap(false, true) {
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
			for quota, l := range q.all() {
				if now := l.left.Load(); l.used.Swap(now) == now && !l.asked.Load() { // nobody drew on it for an hour
					q.giveBack(ctx, quota, l)
					q.mu.Lock()
					if l.left.Load() == 0 && !l.asked.Load() {
						delete(q.leases, quota)
					}
					q.mu.Unlock()
				}
			}
		case w := <-q.wanted:
			if _, err := q.renew(ctx, w, 1); err != nil && ctx.Err() == nil {
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
const leaseTries = 40

// overtaken waits a moment, longer with each try, so that many who lease the same do not stop each other again and again.
func overtaken(ctx context.Context, try int) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(time.Millisecond << min(try, 5))):
	}
}

// renew leases a share of what is left, or as much as is needed, and returns how much it leased; 0: so much is not left. Under a limit
// that was lowered beneath what is leased it gives back what this process has.
func (q *Quotas) renew(ctx context.Context, w want, need int64) (leased int64, err error) {
	partition, id := w.partition(), "taken/"+w.quota.Key
	for try := 0; ; try++ {
		page, kept, err := q.taken(ctx, partition, id)
		if err != nil {
			return 0, err
		}
		left := w.limit - kept.Taken
		w.lease.limit.Store(w.limit)
		w.lease.emptied.Store(0)
		if left <= 0 {
			w.lease.emptied.Store(time.Now().UnixMilli())
		}
		if left < need {
			if left < 0 {
				q.giveBack(ctx, w.quota, w.lease)
			}
			return 0, nil
		}
		n := max(need, left/shareOf)
		batch := Batch{Partition: partition, Expect: &page.Revision}
		if err := batch.take(&w.quota, id, kept.Taken+n); err != nil {
			return 0, err
		}
		for i := 0; i < len(page.Documents)-keptQuotas; i++ { // the oldest days stand first
			if page.Documents[i].ID != id {
				batch.Delete = append(batch.Delete, page.Documents[i].ID)
			}
		}
		_, err = q.documents.Commit(ctx, batch)
		if errors.Is(err, ErrConflict) && try < leaseTries {
			overtaken(ctx, try)
			continue
		}
		if err != nil {
			return 0, err // it may be stored: then this share is lost, and no more
		}
		w.lease.left.Add(n)
		return n, nil
	}
}

// taken reads what was leased of the quotas of a partition, and of one of them.
func (q *Quotas) taken(ctx context.Context, partition, id string) (page Page, kept quotaDocument, err error) {
	page, err = q.documents.Scan(ctx, partition, "taken/", "taken0", 0)
	if err != nil {
		return page, kept, err
	}
	for _, d := range page.Documents {
		if d.ID == id {
			if err := bson.Unmarshal(d.Body, &kept); err != nil {
				return page, kept, fmt.Errorf("partition %q: document %q: %w", partition, id, err)
			}
		}
	}
	return page, kept, nil
}

// take puts into the batch how much was leased.
func (b *Batch) take(quota *Quota, id string, taken int64) error {
	body, err := bson.Marshal(quotaDocument{quota.Of, quota.What, quota.Key, taken, time.Now().UTC()})
	b.Put = []Document{{ID: id, Body: body}}
	return err
}

// giveBack returns to the store what this process leased and did not hand out. It is out of the process before it is in the store:
// where it cannot be told that it got there, it is lost.
func (q *Quotas) giveBack(ctx context.Context, quota Quota, l *lease) {
	n := l.left.Swap(0)
	if n <= 0 {
		l.left.Add(n) // a taker is about to put it right
		return
	}
	w := want{quota: quota, lease: l}
	partition, id := w.partition(), "taken/"+quota.Key
	for try := range leaseTries {
		page, kept, err := q.taken(ctx, partition, id)
		if err == nil && kept.Taken >= n {
			batch := Batch{Partition: partition, Expect: &page.Revision}
			if err = batch.take(&quota, id, kept.Taken-n); err == nil {
				_, err = q.documents.Commit(ctx, batch)
			}
			if errors.Is(err, ErrConflict) {
				overtaken(ctx, try)
				continue
			}
			if err == nil {
				l.emptied.Store(0)
				return
			}
		}
		if err != nil && ctx.Err() == nil {
			q.log.Warn("a quota is not given back", "retailer", quota.Retailer, "of", quota.Of, "what", quota.What, "n", n, "err", err)
		}
		return
	}
}

// Release gives back all that this process leased, so that others may have it. Call it when nothing more is handed out.
func (q *Quotas) Release(ctx context.Context) {
	for quota, l := range q.all() {
		q.giveBack(ctx, quota, l)
	}
}
