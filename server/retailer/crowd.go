package retailer

import (
	"context"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"satnav/context/who"
	"satnav/recommend/learn"
	"satnav/server/store"
)

// How a process keeps the crowd of a retailer.
//
// A process that is alone makes every change itself: Record tells the crowd each history before and after, and nothing else is
// kept. Beside others nobody knows what another one had counted, so that each process follows the shoppers who changed, whoever
// changed them, itself included: it reads what a shopper adds now, subtracts the share that it counted last, and notes the new one
// with its revision. That may be done twice, late and in any order, and comes out the same.
//
// A crowd is counted anew beside the one in service, which stays live: shares and revisions say what of the changes that came
// meanwhile is in it.

const (
	// followEvery is how often it is asked who changed. With the read, and the view, it comes to less than a second.
	followEvery = 400 * time.Millisecond
	// Each look goes back a little behind the newest change that was seen, for commits overtake each other; every wideEvery-th goes
	// back by as much as the clocks of processes may differ.
	overlap     = 2 * time.Second
	wideOverlap = time.Minute
	wideEvery   = 8

	// beatEvery is how often a process says that it is there.
	beatEvery = 5 * time.Second

	// Shoppers who changed while a crowd was counted are read in rounds; the last few while nobody records.
	catchUpRounds = 8
	lastRound     = 64
)

// pseudonym is a shopper's pseudonym in 16 bytes.
type pseudonym [16]byte

var (
	pseudonymEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	seed              = maphash.MakeSeed()
)

func pseudonymOf(partition string) (p pseudonym) {
	name := partition[strings.LastIndexByte(partition, '/')+1:]
	if len(name) == pseudonymEncoding.EncodedLen(len(p)) {
		if _, err := pseudonymEncoding.Decode(p[:], []byte(name)); err == nil {
			return p
		}
	}
	hash := maphash.String(seed, name) // another version's name
	for i := range p {
		p[i] = byte(hash >> (8 * (i % 8)))
	}
	return p
}

// counted is a crowd with what each shopper added to it. One goroutine changes it at a time.
type counted struct {
	crowd  *learn.Crowd
	shares map[pseudonym]share
	known  int64 // baskets and visits
	epoch  int64 // what was erased up to it is not in it
	losses int   // of this process when the counting began
}

// share is what a shopper added when their partition was at a revision.
type share struct {
	revision store.Revision
	added    learn.Share
}

// set counts a shopper as they are now, and tells whether anything changed by it.
func (c *counted) set(now store.AddedShopper) bool {
	p := pseudonymOf(now.Partition)
	before, there := c.shares[p]
	if there && now.Revision != 0 && now.Revision < before.revision {
		return false
	}
	added := learn.ShareOf(now.History)
	switch {
	case now.Revision != 0:
		c.shares[p] = share{now.Revision, added}
	case there:
		delete(c.shares, p)
	}
	if added == before.added {
		return false
	}
	old := before.added.History()
	c.crowd.Replace(old, now.History)
	c.known += deeds(now.History) - deeds(old)
	return true
}

// missing tells whether a change may not be in it yet.
func (c *counted) missing(changed store.ChangedShopper) bool {
	return c.shares[pseudonymOf(changed.Partition)].revision <= changed.Over
}

// follow takes in the shoppers of the retailer who changed, and those erased up to the epoch, and tells how many had to be read,
// and whether anything moved.
func (c *counted) follow(ctx context.Context, histories Histories, retailer string, news *news) (read int, moved bool, err error) {
	var partitions []string
	prefix := store.PartitionsOf(retailer)
	for _, changed := range news.changed {
		if strings.HasPrefix(changed.Partition, prefix) && c.missing(changed) {
			partitions = append(partitions, changed.Partition)
		}
	}
	for _, partition := range news.erasing {
		if _, counted := c.shares[pseudonymOf(partition)]; counted && strings.HasPrefix(partition, prefix) {
			partitions = append(partitions, partition)
		}
	}
	slices.Sort(partitions)
	partitions = slices.Compact(partitions)
	err = histories.Added(ctx, retailer, partitions, func(now store.AddedShopper) error {
		moved = c.set(now) || moved
		return nil
	})
	if err == nil {
		c.epoch = max(c.epoch, news.epoch)
	}
	return len(partitions), moved, err
}

// news is what is to be taken in.
type news struct {
	epoch   int64 // read before the rest
	changed []store.ChangedShopper
	erasing []string // partitions; nil: the epoch has not moved
}

// beside is what a process knows of those beside it.
type beside struct {
	crowds  *store.Crowds
	process string

	mu     sync.Mutex // one look at a time
	joined bool
	losses int       // how often others thought this process dead
	newest time.Time // change that was seen, and never later than now
	looks  int
	epoch  int64 // that all crowds have passed
	said   int64 // epoch
	beat   int64
	spoke  time.Time
}

func newBeside(crowds *store.Crowds) *beside {
	if crowds == nil {
		return nil
	}
	var id [8]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	return &beside{crowds: crowds, process: hex.EncodeToString(id[:]), newest: time.Now()}
}

// look asks for what is new: changes since a time, and who is being erased if the epoch is later than one.
func (b *beside) look(ctx context.Context, since time.Time, after int64) (n news, there bool, err error) {
	if n.epoch, there, err = b.crowds.Look(ctx, b.process); err != nil {
		return n, there, err
	}
	if n.epoch != after {
		if n.erasing, err = b.crowds.Erasing(ctx); err != nil {
			return n, there, err
		}
	}
	n.changed, err = b.crowds.Changed(ctx, since)
	return n, there, err
}

// join has others wait for this process. It comes before the first crowd is counted.
func (b *beside) join(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.joined {
		return nil
	}
	b.beat++
	err := b.crowds.Say(ctx, b.process, 0, b.beat)
	b.joined, b.said, b.spoke = err == nil, 0, time.Now()
	return err
}

// begin returns how far a crowd that is about to be counted must look back later, and how often this process was lost by now.
func (b *beside) begin() (since time.Time, losses int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.newest.Add(-wideOverlap), b.losses
}

// Heed takes in, in a process beside others, whatever anybody has recorded or erased by now. It does nothing in one that is alone.
func (r *Retailers) Heed(ctx context.Context) error {
	b := r.beside
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	since := b.newest.Add(-overlap)
	if b.looks%wideEvery == 0 {
		since = b.newest.Add(-wideOverlap)
	}
	n, there, err := b.look(ctx, since, b.epoch)
	if err != nil {
		return err
	}
	said := n.epoch
	if b.joined && !there { // others thought it dead, and may have closed what it has not taken in
		b.joined = false
		b.losses++
	}
	for _, p := range r.all() {
		epoch, failed := r.heed(ctx, p, &n)
		said, err = min(said, epoch), errors.Join(err, failed)
	}
	if err != nil { // all of it comes again
		return err
	}
	for _, changed := range n.changed {
		if changed.At.After(b.newest) {
			b.newest = changed.At
		}
	}
	if now := time.Now(); b.newest.After(now) {
		b.newest = now // a clock that is ahead must not hide what others change
	}
	b.epoch = said // one that was being counted has not seen who is being erased
	if b.joined && said == b.said && time.Since(b.spoke) < beatEvery {
		return nil
	}
	b.beat++
	if err := b.crowds.Say(ctx, b.process, said, b.beat); err != nil {
		return err
	}
	b.joined, b.said, b.spoke = true, said, time.Now()
	return nil
}

// heed takes news into one crowd and publishes it, and returns the epoch up to which nothing erased is in it. The caller holds the
// look.
func (r *Retailers) heed(ctx context.Context, p *picture, n *news) (epoch int64, err error) {
	select {
	case <-p.ready:
	default:
		return 0, nil // it is being counted: what it finds is not known yet
	}
	p.following.Lock()
	defer p.following.Unlock()
	if p.counted == nil { // it could not be loaded
		return n.epoch, nil
	}
	before := p.counted.known
	_, moved, err := p.counted.follow(ctx, r.histories, p.retailer, n)
	p.debt.add(p.counted.known - before)
	if moved {
		p.publish()
	}
	if p.counted.losses != r.beside.losses {
		p.moved.Store(true)
		return 0, err
	}
	return p.counted.epoch, err
}

// all returns all pictures, those on their way included.
func (r *Retailers) all() []*picture {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.pictures))
}

// followCrowds keeps crowds up to date with what is recorded beside this process, until the context ends.
func (r *Retailers) followCrowds(ctx context.Context) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			_ = r.beside.crowds.Leave(context.WithoutCancel(ctx), r.beside.process) // else others wait a minute
			return
		case <-ticker.C:
			err := r.Heed(ctx)
			if err != nil && !away && ctx.Err() == nil {
				r.log.Error("what other processes record cannot be read: crowds stay as they are", "err", err)
			}
			away = err != nil
		}
	}
}

// Uncounted tells whether no process counts any more what was erased up to an epoch.
func (r *Retailers) Uncounted(ctx context.Context, epoch int64) (bool, error) {
	if r.beside == nil {
		return true, nil
	}
	if err := r.Heed(ctx); err != nil {
		return false, err
	}
	return r.beside.crowds.Passed(ctx, epoch)
}

// count counts the crowd of a retailer anew from all histories. The one in service stays so meanwhile and is told of whatever is
// recorded; for the last few shoppers who changed meanwhile, recording waits.
func (r *Retailers) count(ctx context.Context, p *picture) error {
	p.counting.Lock() // one at a time
	defer p.counting.Unlock()
	var since time.Time
	next := &counted{shares: map[pseudonym]share{}}
	if r.beside != nil {
		if err := r.beside.join(ctx); err != nil {
			return err
		}
		since, next.losses = r.beside.begin()
		var err error
		if next.epoch, _, err = r.beside.crowds.Look(ctx, r.beside.process); err != nil {
			return err
		}
	}
	next.crowd = p.newCrowd()
	p.touch(true)
	defer p.touch(false)
	err := r.histories.EachAdded(ctx, p.retailer, func(now store.AddedShopper) error {
		if r.beside == nil && !p.loaded() { // nobody can have changed anything
			next.crowd.Replace(nil, now.History)
			next.known += deeds(now.History)
			return nil
		}
		next.set(now)
		return nil
	})
	if err != nil {
		return err
	}
	for range catchUpRounds {
		n, err := r.meanwhile(ctx, p, since, next.epoch)
		if err != nil {
			return err
		}
		read, _, err := next.follow(ctx, r.histories, p.retailer, n)
		if err != nil {
			return err
		}
		if read <= lastRound {
			break
		}
	}
	next.crowd.View() // so that nobody waits for more than the last of it
	p.following.Lock()
	defer p.following.Unlock()
	p.gate.Lock()
	defer p.gate.Unlock()
	n, err := r.meanwhile(ctx, p, since, next.epoch)
	if err != nil {
		return err
	}
	if _, _, err := next.follow(ctx, r.histories, p.retailer, n); err != nil {
		return err
	}
	p.debt.known.Store(next.known)
	p.crowd.Store(next.crowd)
	if r.beside != nil {
		p.counted = next
	}
	p.publish()
	return nil
}

// meanwhile is what changed while a crowd was counted.
func (r *Retailers) meanwhile(ctx context.Context, p *picture, since time.Time, epoch int64) (*news, error) {
	if r.beside != nil {
		n, _, err := r.beside.look(ctx, since, epoch)
		return &n, err
	}
	n := &news{epoch: epoch}
	for _, partition := range p.takeTouched() {
		n.changed = append(n.changed, store.ChangedShopper{Partition: partition, Over: maxRevision})
	}
	return n, nil
}

// recount is count beside everything else; when it fails it is tried again.
func (r *Retailers) recount(ctx context.Context, p *picture) {
	if err := r.count(ctx, p); err != nil {
		p.moved.Store(true)
		if ctx.Err() == nil {
			r.log.Error("the crowd cannot be counted anew", "retailer", p.retailer, "err", err)
		}
	}
}

const maxRevision = store.Revision(1<<63 - 1)

// touched are the shoppers who changed while a crowd is counted in a process that is alone; nil: none is.
type touched struct {
	on         atomic.Bool // spares the lock while nothing is counted
	mu         sync.Mutex
	partitions map[string]bool
}

// touch begins or ends to note who changes.
func (p *picture) touch(on bool) {
	p.touched.mu.Lock()
	defer p.touched.mu.Unlock()
	p.touched.partitions = nil
	if on {
		p.touched.partitions = map[string]bool{}
	}
	p.touched.on.Store(on)
}

// note notes a shopper whose change is stored.
func (p *picture) note(partition string) {
	if !p.touched.on.Load() {
		return // whoever begins to count now reads what is stored
	}
	p.touched.mu.Lock()
	defer p.touched.mu.Unlock()
	if p.touched.partitions != nil {
		p.touched.partitions[partition] = true
	}
}

func (p *picture) takeTouched() []string {
	p.touched.mu.Lock()
	defer p.touched.mu.Unlock()
	partitions := slices.Collect(maps.Keys(p.touched.partitions))
	clear(p.touched.partitions)
	return partitions
}

// loaded tells whether the picture can be asked.
func (p *picture) loaded() bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// deeds is how many baskets and visits a history has.
func deeds(h *who.History) int64 {
	if h == nil {
		return 0
	}
	return int64(h.Orders) + int64(len(h.Visits))
}
