package deliver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"satnav/server/retailer"
	"satnav/server/store"
)

// lane brings letters to one endpoint of one retailer. Many shoppers' are under way at once, of one shopper one letter.
type lane struct {
	d        *Deliverer
	retailer string
	endpoint string
	hook     atomic.Pointer[retailer.Webhook] // nil: it was deleted, or it is no webhook
	other    Sink                             // nil: a webhook
	webhook  webhook
	wake     chan struct{}
	breaker  breaker
	slots    chan struct{}
	under    sync.WaitGroup

	mu      sync.Mutex
	busy    map[string]bool  // partitions whose letters are under way
	delayed map[string]delay // partitions whose first letter failed

	from  time.Time // nothing with a mark before this waits
	whole time.Time // when all marks were last looked at
}

// delay is until when a partition is not looked at, unless somebody asks for one of its letters after asked. It spares reading a queue whose
// first letter waits; what the letter itself says in the store holds, and is looked up again each laneWhole.
type delay struct{ until, asked time.Time }

func newLane(d *Deliverer, retailer, endpoint string, sink Sink) *lane {
	return &lane{
		d: d, retailer: retailer, endpoint: endpoint, other: sink, webhook: webhook{d.client, d.now}, wake: make(chan struct{}, 1),
		breaker: breaker{first: d.config.Breaking}, slots: make(chan struct{}, d.config.AtOnce),
		busy: map[string]bool{}, delayed: map[string]delay{},
	}
}

// Rounds read from Config.Late before the oldest letter that waits, for commits overtake each other; once in a while they read all.
// What was delivered leaves traces in the store for a while that cost reading.
const (
	laneWhole = time.Minute
	lanePage  = 1_000
	laneTired = 2 * time.Second // rest after a round that found many letters and none that may go
	laneGone  = 5 * time.Second // between two looks at a webhook that was deleted
	queuePage = 64
)

// run delivers until the context ends, and returns once nothing is under way.
func (l *lane) run(ctx context.Context) {
	l.d.metrics.lanes.note(l, time.Time{})
	defer l.d.metrics.lanes.left(l)
	defer l.under.Wait()
	said := false
	for ctx.Err() == nil {
		rest, err := l.round(ctx)
		if err != nil && ctx.Err() == nil && !said {
			l.d.log.Error("letters cannot be read", "retailer", l.retailer, "endpoint", l.endpoint, "err", err)
		}
		said = err != nil
		wake := l.wake
		if err != nil || rest > l.d.config.Poll { // it will not help
			wake = nil
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// gone tells whether the endpoint was deleted, paused whether its letters wait.
func (l *lane) gone() bool { return l.other == nil && l.hook.Load() == nil }

func (l *lane) paused() bool {
	hook := l.hook.Load()
	return hook != nil && hook.Paused()
}

// round looks once at all letters that wait, starts what may go, and says when to look again.
func (l *lane) round(ctx context.Context) (rest time.Duration, err error) {
	poll := l.d.config.Poll
	now := l.d.now()
	if l.paused() {
		l.d.metrics.lanes.note(l, time.Time{})
		return poll, nil
	}
	if rest := l.breaker.rest(now); rest > 0 && !l.gone() {
		return min(rest, time.Second), nil // so that a webhook that was mended need not wait for long
	}
	from := l.from
	if now.Sub(l.whole) >= laneWhole {
		from, l.whole = time.Time{}, now
		l.forgetDelays()
	}
	oldest, found, started := now, 0, 0
	var since time.Time // when the oldest was due; zero: nothing is
	for position := (store.Position{At: from}); ; {
		letters, positions, more, err := l.d.shoppers.Letters(ctx, l.retailer, l.endpoint, false, position, now.Add(time.Millisecond), lanePage)
		if err != nil {
			l.whole = time.Time{}
			return time.Second, err
		}
		if len(letters) > 0 && found == 0 {
			oldest, since = positions[0].At, positions[0].At
		}
		found += len(letters)
		for i := range letters {
			switch began, err := l.start(ctx, &letters[i], now); {
			case err != nil:
				return poll, err
			case began:
				started++
			}
			if rest := l.breaker.rest(now); rest > 0 && !l.gone() {
				l.d.metrics.lanes.note(l, since)
				return min(rest, time.Second), nil
			}
		}
		if !more || len(letters) == 0 {
			break
		}
		position = positions[len(positions)-1]
	}
	l.from = oldest.Add(-l.d.config.Late)
	l.d.metrics.lanes.note(l, since)
	if found >= lanePage && started == 0 {
		return laneTired, nil
	}
	if l.gone() && found == 0 {
		return laneGone, nil
	}
	return poll, nil
}

// start lets the letters of a partition go, of which one was found, unless they are under way or must wait. It waits for a free slot.
func (l *lane) start(ctx context.Context, found *store.WaitingLetter, now time.Time) (bool, error) {
	partition, asked := found.Partition, found.Since
	l.mu.Lock()
	wait := l.delayed[partition]
	waits := l.busy[partition] || now.Before(wait.until) && !asked.After(wait.asked)
	if !waits {
		l.busy[partition] = true
		delete(l.delayed, partition)
	}
	l.mu.Unlock()
	if waits {
		return false, nil
	}
	free := func() {
		l.mu.Lock()
		delete(l.busy, partition)
		l.mu.Unlock()
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		free()
		return false, ctx.Err()
	}
	l.under.Go(func() {
		defer func() { <-l.slots }()
		defer free()
		err := l.drain(ctx, partition, asked)
		if err != nil && ctx.Err() == nil {
			l.delay(partition, delay{l.d.now().Add(time.Second), asked})
			l.d.log.Warn("what became of letters is not noted: they are sent again", "retailer", l.retailer, "endpoint", l.endpoint, "err", err)
		}
	})
	return true, nil
}

func (l *lane) delay(partition string, wait delay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delayed[partition] = wait
}

func (l *lane) forgetDelays() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.delayed)
}

// drain hands over the letters of one partition in order, until none is left or one must wait.
// asked is when somebody last asked for one of them, as far as the caller knows.
func (l *lane) drain(ctx context.Context, partition string, asked time.Time) error {
	for {
		letters, revision, err := l.d.shoppers.Queue(ctx, partition, l.endpoint, queuePage)
		if err != nil {
			return err
		}
		var sent []store.WaitingLetter
		var failed *store.WaitingLetter
		for i := range letters {
			if letters[i].Since.After(asked) {
				asked = letters[i].Since
			}
		}
		for i := range letters {
			err := l.try(ctx, &letters[i], asked)
			if err == nil {
				sent = append(sent, letters[i])
				continue
			}
			if !errors.Is(err, errNotTried) {
				failed = l.judge(&letters[i], err, asked)
			}
			break
		}
		if err := l.settle(ctx, partition, revision, sent, failed); err != nil {
			return err
		}
		if len(sent) < len(letters) || len(letters) < queuePage {
			return nil
		}
	}
}

// errNotTried says that a letter's turn has not come: that is nobody's fault.
var errNotTried = errors.New("not tried")

// try hands over one letter; the error is why the receiver does not have it.
func (l *lane) try(ctx context.Context, letter *store.WaitingLetter, asked time.Time) error {
	now := l.d.now()
	if l.gone() {
		l.d.metrics.drop(dropUnhooked)
		return nil
	}
	if letter.Next.After(now) {
		l.delay(letter.Partition, delay{letter.Next, asked})
		return errNotTried
	}
	if l.paused() || ctx.Err() != nil || !l.breaker.allow(now) {
		return errNotTried
	}
	m, err := messageOf(l.retailer, letter)
	if err == nil {
		attempt, cancel := context.WithTimeout(ctx, l.d.config.Timeout)
		err = l.send(attempt, m)
		cancel()
	}
	now = l.d.now()
	if err != nil && ctx.Err() != nil { // we were told to stop
		l.breaker.leave()
		return errNotTried
	}
	if l.breaker.done(err == nil, now) {
		l.d.log.Info("endpoint", "retailer", l.retailer, "endpoint", l.endpoint, "answers", err == nil)
	}
	l.d.metrics.tried(letter, err == nil, now)
	return err
}

func (l *lane) send(ctx context.Context, m *Message) error {
	if l.other != nil {
		return l.other.Send(ctx, m)
	}
	hook := l.hook.Load()
	if hook == nil {
		return errors.New("the webhook was deleted meanwhile")
	}
	return l.webhook.send(ctx, hook, m)
}

// judge says when a letter that failed is tried again, or gives it up.
func (l *lane) judge(letter *store.WaitingLetter, fault error, asked time.Time) *store.WaitingLetter {
	now := l.d.now().UTC().Truncate(time.Millisecond)
	next := *letter
	next.Attempts++
	next.Fault = fault.Error()
	if len(next.Fault) > 300 {
		next.Fault = next.Fault[:300]
	}
	if next.First.IsZero() { // how long it waited before, for a paused webhook or for a worker, is nobody's refusal
		next.First = now
	}
	if now.Sub(next.First) >= l.d.config.GiveUp {
		next.Dead, next.Next = true, time.Time{}
		return &next
	}
	wait := jittered(doubled(l.d.config.First, letter.Attempts, l.d.config.Longest))
	var refusal *Refusal
	if errors.As(fault, &refusal) {
		wait = max(wait, refusal.RetryAfter)
	}
	next.Next = now.Add(wait)
	l.delay(letter.Partition, delay{next.Next, asked})
	return &next
}

// settleTries bounds how often a note of what was delivered starts over because the shopper called at the same moment.
const settleTries = 100

// settle notes what became of letters. When the shopper's partition moved meanwhile, it looks which of them are still there.
func (l *lane) settle(ctx context.Context, partition string, revision store.Revision, sent []store.WaitingLetter, failed *store.WaitingLetter) error {
	if len(sent) == 0 && failed == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // told to stop, we still note it: the receiver has them
	ctx, cancel := context.WithTimeout(ctx, l.d.config.Timeout)
	defer cancel()
	for try := 0; ; try++ {
		remove, put := sent, []store.WaitingLetter(nil)
		if failed != nil {
			put = append(put, *failed)
			if failed.Dead {
				waiting := *failed
				waiting.Dead = false
				remove = append(remove[:len(remove):len(remove)], waiting)
			}
		}
		if len(remove) == 0 && len(put) == 0 {
			return nil
		}
		err := l.d.shoppers.SettleLetters(ctx, partition, revision, remove, put, failed == nil || !failed.Dead)
		if err == nil && failed != nil && failed.Dead {
			l.d.metrics.died()
		}
		if !errors.Is(err, store.ErrConflict) || try == settleTries {
			return err
		}
		var there []store.WaitingLetter
		if there, revision, err = l.d.shoppers.Queue(ctx, partition, l.endpoint, queuePage); err != nil {
			return err
		}
		sent, failed = still(there, sent, failed)
	}
}

// still are those letters that were not erased meanwhile.
func still(there, sent []store.WaitingLetter, failed *store.WaitingLetter) ([]store.WaitingLetter, *store.WaitingLetter) {
	sequences := make(map[string]bool, len(there))
	for i := range there {
		sequences[there[i].Sequence] = true
	}
	var kept []store.WaitingLetter
	for i := range sent {
		if sequences[sent[i].Sequence] {
			kept = append(kept, sent[i])
		}
	}
	if failed != nil && !sequences[failed.Sequence] {
		failed = nil
	}
	return kept, failed
}
