package api

import (
	"math"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shedder refuses calls early while more come than the machine can answer, so that those it lets in are answered soon.
//
// What it watches is how long a goroutine that could run waits for a processor. A call waits there before its first line runs, so no
// clock inside of a call sees it; and that wait grows without an end once more work comes than can be done. As in CoDel a short
// queue is welcome and a standing one is not: calls are refused once even the median waits for longer than maxWait. How many are let in
// is found by trying (less by a fifth while calls wait, a twentieth more in each window in which they do not), and what there
// is is shared out evenly: whoever asks for less than an even share is never refused.
//
// Calls that wait for the store take no processor, but places. Of those a retailer may have as many as are still free, so that one
// alone never takes more than half of them.
//
// Decided against: a bound on calls under way alone. Handlers that wait for nothing run to their end once they have a processor, so
// that there are never more of them than processors, however long the queue before them. And against a fixed rate: it would be wrong
// on every machine but one.
type shedder struct {
	places    int64         // calls under way, of all retailers; 0: no bound
	maxWait   time.Duration // 0: nothing is refused for its wait
	under     atomic.Int64  // calls under way
	share     atomic.Int64  // calls of one retailer in a window
	retailers sync.Map      // string → *demand

	rate float64 // calls let in per window, of all retailers; +Inf: all. Only turn's
	calm int     // windows in a row in which all could be let in
	held int     // windows until what was done last can be seen
}

// demand is what one retailer asks for.
type demand struct {
	asked atomic.Int64 // in this window
	under atomic.Int64 // calls under way
	idle  int          // windows without a call; only turn's
}

const (
	shedWindow = 50 * time.Millisecond
	// shedLeast is what is let in of each retailer, however long the wait: a service that lets nobody in never learns that it could.
	shedLeast = 10
	shedLess  = 0.8
	shedHold  = 2 // windows until a smaller rate is seen to be too large still
	shedMore  = 1.05
	// shedCalm is how many windows with room for all make an end of counting.
	shedCalm = 20
	// shedForget is after how many windows without a call a retailer is no longer counted.
	shedForget = int(time.Minute / shedWindow)
)

func newShedder(places int, maxWait time.Duration) *shedder {
	s := &shedder{places: int64(places), maxWait: maxWait, rate: math.Inf(1)}
	s.share.Store(math.MaxInt64)
	return s
}

// refusedFor is why a call is refused; empty: it is let in.
type refusedFor string

const (
	refusedForPlaces refusedFor = "places"
	refusedForWait   refusedFor = "wait"
)

// enter lets a call of a retailer in, or says why not. Who was let in calls leave.
func (s *shedder) enter(retailer string) (*demand, refusedFor) {
	found, ok := s.retailers.Load(retailer)
	if !ok {
		found, _ = s.retailers.LoadOrStore(retailer, new(demand))
	}
	d := found.(*demand)
	if d.asked.Add(1) > s.share.Load() {
		return nil, refusedForWait
	}
	mine, all := d.under.Add(1), s.under.Add(1)
	if s.places > 0 && mine > max(1, s.places-all) {
		s.leave(d)
		return nil, refusedForPlaces
	}
	return d, ""
}

func (s *shedder) leave(d *demand) {
	d.under.Add(-1)
	s.under.Add(-1)
}

// turn ends a window in which the median wait was so long, and decides what is let in during the next one.
func (s *shedder) turn(wait time.Duration) {
	share, total, admitted := s.share.Load(), int64(0), int64(0)
	var asked []int64
	s.retailers.Range(func(name, found any) bool {
		d := found.(*demand)
		n := d.asked.Swap(0)
		if n > 0 {
			d.idle = 0
			asked = append(asked, n)
			total, admitted = total+n, admitted+min(n, share)
		} else if d.idle++; d.idle > shedForget && d.under.Load() == 0 {
			s.retailers.Delete(name) // a call that comes at this moment is counted the next time
		}
		return true
	})
	if s.maxWait == 0 {
		return
	}
	s.held = max(0, s.held-1)
	switch {
	case wait > s.maxWait && s.held > 0:
		s.calm = 0
	case wait > s.maxWait:
		s.calm, s.held = 0, shedHold
		s.rate = max(1, min(s.rate, float64(admitted))*shedLess)
	case math.IsInf(s.rate, 1):
		return
	default:
		s.rate = s.rate*shedMore + 1
		if s.calm++; float64(total) > s.rate {
			s.calm = 0
		}
		if s.calm >= shedCalm {
			s.rate, s.calm = math.Inf(1), 0
			s.share.Store(math.MaxInt64)
			return
		}
	}
	s.share.Store(max(shedLeast, evenShare(asked, int64(s.rate))))
}

// evenShare is what each may have at most so that all together have no more than there is, and as much of it as they ask for.
func evenShare(asked []int64, there int64) int64 {
	slices.Sort(asked)
	for i, n := range asked {
		share := there / int64(len(asked)-i)
		if n > share {
			return share
		}
		there -= n
	}
	return math.MaxInt64 // there is enough for all; a newcomer is counted from the next window on
}

// run turns the windows until the channel is closed.
func (s *shedder) run(done <-chan struct{}) {
	ticker := time.NewTicker(shedWindow)
	defer ticker.Stop()
	waits := newSchedulerWaits()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			s.turn(waits.median())
		}
	}
}

// schedulerWaits reads how long goroutines that could run waited for a processor.
type schedulerWaits struct {
	sample [1]metrics.Sample
	before []uint64
}

func newSchedulerWaits() *schedulerWaits {
	w := new(schedulerWaits)
	w.sample[0].Name = "/sched/latencies:seconds"
	w.median()
	return w
}

// median is that of the waits since it was asked for last; 0: nobody waited.
func (w *schedulerWaits) median() time.Duration {
	metrics.Read(w.sample[:])
	if w.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0 // a runtime that does not tell
	}
	h := w.sample[0].Value.Float64Histogram()
	if w.before == nil {
		w.before = make([]uint64, len(h.Counts))
	}
	total, half := uint64(0), time.Duration(0)
	for i, n := range h.Counts {
		total += n - w.before[i]
	}
	seen := uint64(0)
	for i, n := range h.Counts {
		if seen += n - w.before[i]; total > 0 && 2*seen >= total {
			half = time.Duration(max(0, h.Buckets[i]) * float64(time.Second)) // the lower end of the bucket; the first begins at -Inf
			break
		}
	}
	copy(w.before, h.Counts)
	return half
}
